use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::Arc;

use leckwehr_estate::SystemKind;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cable::{self, Addressing, Cable, CableError, EDGE, GATEWAY};
use crate::fabric::Fabric;
use crate::node::{self, Role, Say, Tell, Voice};
use crate::wire::Net;
use crate::world::{CONTROL, World, management, outsider};

/// Name of the control room's node.
const CONTROL_NODE: &str = "control";
/// Interface of every node towards the control room.
const MANAGEMENT_INTERFACE: &str = "mgmt";

/// The first line that a node process reads.
#[derive(Clone, Serialize, Deserialize)]
pub struct Part {
    /// Its network.
    pub addressing: Addressing,
    /// Its role.
    pub role: Role,
}

/// A stage that could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The network could not be built.
    #[error("the network could not be built")]
    Cable(#[from] CableError),
    /// A node could not be started.
    #[error("node {node} could not be started")]
    Node {
        /// Node.
        node: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A node ended before it was set up.
    #[error("node {node} ended before it was set up: {said}")]
    Lost {
        /// Node.
        node: String,
        /// Its last words.
        said: String,
    },
}

/// Where the drill is played: real processes in network namespaces, or tasks on a simulated network.
pub struct Stage {
    real: bool,
    nodes: BTreeMap<String, Node>,
    kinds: BTreeMap<String, SystemKind>,
    guards: BTreeSet<String>,
    sender: mpsc::UnboundedSender<(String, Say)>,
    says: mpsc::UnboundedReceiver<(String, Say)>,
}

struct Node {
    tells: mpsc::UnboundedSender<Tell>,
    child: Option<Child>,
    tasks: Vec<JoinHandle<()>>,
}

impl Stage {
    /// A stage of real processes; the caller is process 1 of fresh namespaces.
    pub fn real() -> Self {
        Self::new(true)
    }

    /// A stage inside this process.
    pub fn simulated() -> Self {
        Self::new(false)
    }

    fn new(real: bool) -> Self {
        let (sender, says) = mpsc::unbounded_channel();
        Self {
            real,
            nodes: BTreeMap::new(),
            kinds: BTreeMap::new(),
            guards: BTreeSet::new(),
            sender,
            says,
        }
    }

    /// Starts every node and connects it.
    pub async fn build(&mut self, world: &World, roles: Vec<(String, Role)>) -> Result<(), StageError> {
        self.kinds = world.hosts.iter().map(|h| (h.system.clone(), h.kind)).collect();
        self.guards = world.guards.keys().cloned().collect();
        if self.real {
            self.build_real(world, roles).await
        } else {
            self.build_simulated(world, roles)
        }
    }

    /// Tells a node something.
    pub fn tell(&self, node: &str, tell: Tell) {
        if let Some(node) = self.nodes.get(node) {
            // A node that is gone said so itself.
            let _ = node.tells.send(tell);
        }
    }

    /// Tells all nodes that `which` picks by name.
    pub fn tell_all(&self, tell: &Tell, which: impl Fn(&str) -> bool) {
        for name in self.nodes.keys().filter(|n| which(n) && *n != CONTROL_NODE) {
            self.tell(name, tell.clone());
        }
    }

    /// Waits for the next word of any node.
    pub async fn hear(&mut self) -> Option<(String, Say)> {
        self.says.recv().await
    }

    /// Names of all nodes.
    pub fn names(&self) -> BTreeSet<String> {
        self.nodes.keys().cloned().collect()
    }

    /// Names of the guards.
    pub fn guards(&self) -> BTreeSet<String> {
        self.guards.clone()
    }

    /// Kind of the system that a node is.
    pub fn kind_of(&self, node: &str) -> Option<SystemKind> {
        self.kinds.get(node).copied()
    }

    /// Ends every node. Real ones take their namespace and cables with them.
    pub async fn strike(&mut self) {
        for node in self.nodes.values_mut() {
            for task in &node.tasks {
                task.abort();
            }
            if let Some(child) = &mut node.child {
                let _ = child.start_kill();
            }
        }
        for node in std::mem::take(&mut self.nodes).into_values() {
            if let Some(mut child) = node.child {
                let _ = child.wait().await;
            }
            for task in node.tasks {
                let _ = task.await;
            }
        }
    }

    fn build_simulated(&mut self, world: &World, roles: Vec<(String, Role)>) -> Result<(), StageError> {
        let fabric = Arc::new(Fabric::default());
        for (index, host) in world.hosts.iter().enumerate() {
            let guard = world.estate.guard_of(&host.system).unwrap_or_default();
            fabric.plug(host.address, guard, &format!("h{index}"));
        }
        for (index, outsider) in world.outsiders.iter().enumerate() {
            fabric.plug(outsider.address, &world.edge, &format!("x{index}"));
        }
        for (name, role) in roles {
            let (address, management) = addresses(world, &name);
            let net = Net::Memory {
                fabric: Arc::clone(&fabric),
                address,
                management,
            };
            let (tells, told) = mpsc::unbounded_channel();
            let task = tokio::task::spawn_local(node::run(role, net, told, Voice::new(&name, self.sender.clone())));
            self.nodes.insert(
                name,
                Node {
                    tells,
                    child: None,
                    tasks: vec![task],
                },
            );
        }
        Ok(())
    }

    async fn build_real(&mut self, world: &World, roles: Vec<(String, Role)>) -> Result<(), StageError> {
        let mut starting = BTreeMap::new();
        for (name, role) in &roles {
            let lost = |source| StageError::Node {
                node: name.clone(),
                source,
            };
            let mut child = start_process(role).map_err(lost)?;
            let stdin = child.stdin.take().ok_or_else(|| lost(io::ErrorKind::BrokenPipe.into()))?;
            let stdout = child.stdout.take().ok_or_else(|| lost(io::ErrorKind::BrokenPipe.into()))?;
            let hearing = tokio::spawn(hear_process(stdout, Voice::new(name, self.sender.clone())));
            let pid = child.id().ok_or_else(|| lost(io::ErrorKind::NotFound.into()))?;
            starting.insert(name.clone(), (pid, stdin));
            let (tells, _) = mpsc::unbounded_channel();
            self.nodes.insert(
                name.clone(),
                Node {
                    tells,
                    child: Some(child),
                    tasks: vec![hearing],
                },
            );
        }
        let mut unborn: BTreeSet<String> = starting.keys().cloned().collect();
        while !unborn.is_empty() {
            match self.hear().await {
                Some((name, Say::Born)) => drop(unborn.remove(&name)),
                Some((node, Say::Failed { error })) => return Err(StageError::Lost { node, said: error }),
                _ => {
                    return Err(StageError::Lost {
                        node: unborn.into_iter().next().unwrap_or_default(),
                        said: String::new(),
                    });
                }
            }
        }
        let pids: BTreeMap<String, u32> = starting.iter().map(|(name, (pid, _))| (name.clone(), *pid)).collect();
        let handle = cable::open()?;
        for cable in cables(world, &pids) {
            cable.lay(&handle).await?;
        }
        for (name, role) in roles {
            let Some((_, stdin)) = starting.remove(&name) else { continue };
            let part = Part {
                addressing: addressing(world, &name),
                role,
            };
            let (tells, told) = mpsc::unbounded_channel();
            let telling = tokio::spawn(tell_process(stdin, part, told));
            if let Some(node) = self.nodes.get_mut(&name) {
                node.tells = tells;
                node.tasks.push(telling);
            }
        }
        Ok(())
    }
}

fn start_process(role: &Role) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg("drill-node")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if let Role::Control { hidden, .. } = role {
        for folder in hidden {
            std::fs::create_dir_all(folder)?;
            command.arg("--hide").arg(folder);
        }
    }
    command.spawn()
}

async fn hear_process(stdout: tokio::process::ChildStdout, voice: Voice) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(say) => voice.say(say),
            Err(error) => voice.say(Say::Failed {
                error: format!("unreadable word: {error}"),
            }),
        }
    }
}

async fn tell_process(mut stdin: ChildStdin, part: Part, mut told: mpsc::UnboundedReceiver<Tell>) {
    let mut line = serde_json::to_vec(&part).unwrap_or_default();
    line.push(b'\n');
    if stdin.write_all(&line).await.is_err() {
        return;
    }
    while let Some(tell) = told.recv().await {
        let mut line = serde_json::to_vec(&tell).unwrap_or_default();
        line.push(b'\n');
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}

/// Data and management address of a node.
fn addresses(world: &World, name: &str) -> (Ipv4Addr, Ipv4Addr) {
    if let Some(host) = world.host(name) {
        return (host.address, host.management);
    }
    if let Some(index) = world.guards.keys().position(|g| g == name) {
        return (Ipv4Addr::UNSPECIFIED, management(world.hosts.len() + index));
    }
    let outside = if name == CONTROL_NODE {
        world.outsiders.get(outsider::CONTROL_LINE)
    } else {
        world.outsiders.iter().find(|o| o.name == name)
    };
    (outside.map_or(Ipv4Addr::UNSPECIFIED, |o| o.address), CONTROL)
}

/// Name of the link from the edge router to the router of a site.
fn site_link(world: &World, guard: &str) -> String {
    format!("s{}", world.guards.keys().position(|g| g == guard).unwrap_or_default())
}

/// The address that the router of a site answers to on its cable to the edge.
fn uplink(world: &World, guard: &str) -> Ipv4Addr {
    let number = world.guards.keys().position(|g| g == guard).unwrap_or_default();
    Ipv4Addr::from(u32::from(EDGE) + 1 + number as u32)
}

/// All cables: every host to its router, every outsider to the edge, every router to the edge, and every host and router to
/// the control room by a cable of its own, so that nobody meets anybody else on the management side.
fn cables(world: &World, pids: &BTreeMap<String, u32>) -> Vec<Cable> {
    let end = |node: &str, interface: &str| (pids.get(node).copied().unwrap_or_default(), interface.to_owned());
    let mut cables = Vec::new();
    for (index, host) in world.hosts.iter().enumerate() {
        let guard = world.estate.guard_of(&host.system).unwrap_or_default();
        cables.push(Cable {
            near: end(guard, &format!("h{index}")),
            far: end(&host.system, "eth0"),
        });
        cables.push(Cable {
            near: end(CONTROL_NODE, &format!("m{index}")),
            far: end(&host.system, MANAGEMENT_INTERFACE),
        });
    }
    for (index, guard) in world.guards.keys().enumerate() {
        let number = world.hosts.len() + index;
        cables.push(Cable {
            near: end(CONTROL_NODE, &format!("m{number}")),
            far: end(guard, MANAGEMENT_INTERFACE),
        });
        if *guard != world.edge {
            cables.push(Cable {
                near: end(&world.edge, &site_link(world, guard)),
                far: end(guard, "up0"),
            });
        }
    }
    for (index, outsider) in world.outsiders.iter().enumerate() {
        let node = if index == outsider::CONTROL_LINE {
            CONTROL_NODE
        } else {
            &outsider.name
        };
        cables.push(Cable {
            near: end(&world.edge, &format!("x{index}")),
            far: end(node, "eth0"),
        });
    }
    cables
}

/// What a node sets up in its namespace.
fn addressing(world: &World, name: &str) -> Addressing {
    let (address, management_address) = addresses(world, name);
    let lo = || "lo".to_owned();
    let everywhere = (Ipv4Addr::UNSPECIFIED, 0, "eth0".to_owned(), Some(GATEWAY));
    let to_control = (CONTROL, 32, MANAGEMENT_INTERFACE.to_owned(), None);
    if name == CONTROL_NODE {
        let mut routes = vec![everywhere];
        for number in 0..world.hosts.len() + world.guards.len() {
            routes.push((management(number), 32, format!("m{number}"), None));
        }
        return Addressing {
            addresses: vec![(lo(), CONTROL), ("eth0".into(), address)],
            routes,
            forwards: false,
        };
    }
    if world.guards.contains_key(name) {
        let mut routes = vec![to_control];
        if name != world.edge {
            routes.push((Ipv4Addr::UNSPECIFIED, 0, "up0".into(), Some(EDGE)));
        }
        for (index, host) in world.hosts.iter().enumerate() {
            let guard = world.estate.guard_of(&host.system).unwrap_or_default();
            if guard == name {
                routes.push((host.address, 32, format!("h{index}"), None));
            } else if name == world.edge {
                routes.push((host.address, 32, site_link(world, guard), Some(uplink(world, guard))));
            }
        }
        if name == world.edge {
            for (index, outsider) in world.outsiders.iter().enumerate() {
                routes.push((outsider.address, 32, format!("x{index}"), None));
            }
        }
        // Between routers each end has an address of its own: one that both have would look spoofed to either.
        let mut addresses = vec![(lo(), GATEWAY), (MANAGEMENT_INTERFACE.into(), management_address)];
        if name == world.edge {
            let sites = world.guards.keys().filter(|g| **g != world.edge);
            addresses.extend(sites.map(|guard| (site_link(world, guard), EDGE)));
        } else {
            addresses.push(("up0".into(), uplink(world, name)));
        }
        return Addressing {
            addresses,
            routes,
            forwards: true,
        };
    }
    let mut addressing = Addressing {
        addresses: vec![("eth0".into(), address)],
        routes: vec![everywhere],
        forwards: false,
    };
    if world.host(name).is_some() {
        addressing.addresses.push((MANAGEMENT_INTERFACE.into(), management_address));
        addressing.routes.push(to_control);
    }
    addressing
}
