use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use leckwehr_estate::SystemKind;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cable::{self, Addressing, CableError};
use crate::fabric::Fabric;
use crate::node;
use crate::part::{Role, Say, Tell, Voice};
use crate::topology::{CONTROL_NODE, addresses, addressing, cables};
use crate::wire::Net;
use crate::world::World;

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

    /// Tells a node something after a while: people need time to decide.
    pub fn tell_later(&self, node: &str, tell: Tell, after_ms: u64) {
        if let Some(node) = self.nodes.get(node) {
            let tells = node.tells.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
                let _ = tells.send(tell);
            });
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
        for (index, outsider) in world.at_the_edge() {
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
    voice.say(Say::Failed {
        error: "its process ended".into(),
    });
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
