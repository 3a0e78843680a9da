//! Two guards with real kernels, hosts behind them, and agents; all of it outlives every control room.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use leckwehr_control::{Config, LifeLine};
use leckwehr_crypt::{Authority, SigningKey, server_tls, sha256};
use leckwehr_estate::{Estate, Source};
use leckwehr_guard::{
    Action, Approval, Executor, Fence, Firewall, FirewallError, FirewallState, GuardExecutor, Journal, Management, Nft, Order,
    Refusal, Reply, Warrant, order_key, serve_connection,
};
use leckwehr_incident::{PlanKind, PlanRecord, PlanStep, Timestamp};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::sync::Mutex as AsyncMutex;

use crate::namespace::{Host, sh};

/// Action, guard, target and interface of each step.
pub const STEPS: [(&str, &str, &str, &str); 5] = [
    ("cut-connection", "guard-a", "vendor", "h3"),
    ("isolate-host", "guard-a", "a1", "h1"),
    ("isolate-host", "guard-b", "b1", "h1"),
    ("isolate-host", "guard-a", "a2", "h2"),
    ("isolate-host", "guard-b", "b2", "h2"),
];
/// The host that must always reach `LIFE_LINE`.
const NURSE: &str = "a4";
const LIFE_LINE: &str = "10.2.4.2";
/// What no guard cuts: the way to itself.
pub const OWN_WAY: &str = "own-way";
pub const PEOPLE: [&str; 2] = ["anna", "bert"];
const SEED: [u8; 32] = [7; 32];
/// Patience with an answer that must come, in milliseconds.
const ANSWER_MS: u64 = 5_000;
/// Time in which an answer that must not come would have come, in milliseconds.
const SILENCE_MS: u64 = 30;

/// What a guard was made to do, and when it is to kill the control room.
#[derive(Default)]
pub struct Watched {
    /// Interfaces of every transaction that cuts or releases, in order: `cut guard-a h1`.
    pub log: Vec<String>,
    /// Kernel commits so far, counted twice each: about to be, and done.
    pub commits: usize,
    /// The control room, and at which of those it is killed.
    pub kill: Option<(i32, usize)>,
    /// Says that it did it, and does nothing.
    pub lies: bool,
}

/// The kernel's firewall, watched.
struct Watching {
    name: &'static str,
    nft: Nft,
    watched: Arc<Mutex<Watched>>,
    /// What it says is cut, if it lies.
    pretended: BTreeSet<String>,
}

impl Watching {
    fn pass(&self) {
        let mut watched = self.watched.lock().unwrap();
        if let Some((pid, at)) = watched.kill
            && watched.commits == at
        {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        watched.commits += 1;
    }

    fn note(&self, deed: &str, interfaces: &[String]) {
        let lines = interfaces.iter().map(|i| format!("{deed} {} {i}", self.name));
        self.watched.lock().unwrap().log.extend(lines);
    }
}

impl Firewall for Watching {
    fn prepare(&mut self, outside: &[String]) -> Result<(), FirewallError> {
        self.nft.prepare(outside)
    }

    fn cut(&mut self, interfaces: &[String], lease_ms: Option<u64>) -> Result<(), FirewallError> {
        if self.watched.lock().unwrap().lies {
            self.pretended.extend(interfaces.iter().cloned());
            return Ok(());
        }
        self.pass();
        self.nft.cut(interfaces, lease_ms)?;
        self.note("cut", interfaces);
        self.pass();
        Ok(())
    }

    fn release(&mut self, interfaces: &[String]) -> Result<(), FirewallError> {
        self.pass();
        self.nft.release(interfaces)?;
        self.note("release", interfaces);
        self.pass();
        Ok(())
    }

    fn state(&mut self) -> Result<FirewallState, FirewallError> {
        let mut state = self.nft.state()?;
        state
            .cut
            .extend(self.pretended.iter().map(|i| (i.clone(), Default::default())));
        Ok(state)
    }
}

/// A host's agent: it tries what it is told to.
struct Agent(Arc<Host>);

impl Executor for Agent {
    async fn execute(&mut self, order: &Order) -> Result<Reply, Refusal> {
        if order.action != Action::Scan {
            return Err(Refusal::NotImplemented);
        }
        let to: SocketAddrV4 = order.target_text().parse().unwrap();
        Ok(Reply::done(
            json!({ "reachable": self.0.reaches(&to.ip().to_string(), ANSWER_MS) }),
        ))
    }
}

/// Guards, hosts and people.
pub struct Place {
    pub config: Config,
    pub watched: Arc<Mutex<Watched>>,
    guards: BTreeMap<&'static str, Arc<Host>>,
    hosts: BTreeMap<&'static str, Arc<Host>>,
    firewalls: BTreeMap<&'static str, Arc<Mutex<Nft>>>,
    generation: u64,
}

pub fn person(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(name.as_bytes())).unwrap()
}

/// Everybody's word for a plan, for an hour.
pub fn words_for(plan: &PlanRecord) -> Vec<Approval> {
    let until = Some(now().plus_ms(3_600_000));
    let word = |name: &&str| Approval::sign(name, &person(name), &plan.hash, until);
    PEOPLE.iter().map(word).collect()
}

pub fn now() -> Timestamp {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Timestamp(i64::try_from(since.as_nanos()).unwrap())
}

impl Place {
    /// Builds networks and starts guards and agents. `folder` holds what executors remember.
    pub fn build(folder: &Path) -> Self {
        let guards: BTreeMap<_, _> = ["guard-a", "guard-b"].map(|name| (name, Arc::new(Host::start()))).into();
        let mut hosts = BTreeMap::new();
        let link = &guards["guard-b"];
        guards["guard-a"].sh(&format!(
            "ip link add link0 type veth peer name link0 netns {}; ip link set lo up; ip link set link0 up; ip addr add 10.9.0.1/24 dev link0
             ip route add 10.2.0.0/16 via 10.9.0.2 onlink dev link0; echo 1 > /proc/sys/net/ipv4/ip_forward",
            link.thread
        ));
        link.sh(
            "ip link set lo up; ip link set link0 up; ip addr add 10.9.0.2/24 dev link0; ip route add 10.1.0.0/16 via 10.9.0.1
                 echo 1 > /proc/sys/net/ipv4/ip_forward",
        );
        for (net, guard, names) in [
            (1, "guard-a", ["a1", "a2", "vendor", "a4"]),
            (2, "guard-b", ["b1", "b2", "b3", "b4"]),
        ] {
            for (index, name) in names.into_iter().enumerate() {
                let (host, n) = (Arc::new(Host::start()), index + 1);
                guards[guard].sh(&format!(
                    "ip link add h{n} type veth peer name eth0 netns {}; ip link set h{n} up; ip addr add 10.{net}.{n}.1/24 dev h{n}",
                    host.thread
                ));
                host.sh(&format!(
                    "ip link set lo up; ip link set eth0 up; ip addr add 10.{net}.{n}.2/24 dev eth0; ip route add default via 10.{net}.{n}.1"
                ));
                host.serve_echo();
                hosts.insert(name, host);
            }
        }
        let watched = Arc::<Mutex<Watched>>::default();
        let authority = Authority::generate("crash").unwrap();
        let mut executors = BTreeMap::new();
        let mut firewalls = BTreeMap::new();
        let remember = |name: &str| Warrant {
            executor: name.to_owned(),
            directory: None,
            controller: order_key(&SEED).unwrap().verifying_key(),
            approvers: PEOPLE.map(|p| (p.to_owned(), person(p).verifying_key())).into(),
            fence: Fence::open(folder.join(format!("{name}.fence"))).unwrap(),
            journal: Journal::open(&folder.join(format!("{name}.journal"))).unwrap(),
            clock: Arc::new(now),
        };
        for (name, host) in &guards {
            let open = || Nft::open().unwrap();
            let mut nft = host.run(open);
            nft.prepare(&[]).unwrap();
            firewalls.insert(*name, Arc::new(Mutex::new(host.run(open))));
            let of_guard = STEPS.iter().filter(|(_, guard, _, _)| guard == name);
            let firewall = Watching {
                name,
                nft,
                watched: Arc::clone(&watched),
                pretended: BTreeSet::new(),
            };
            let compartments = of_guard.map(|(_, _, t, i)| ((*t).to_owned(), vec![(*i).to_owned()]));
            let own_way = (OWN_WAY.to_owned(), vec!["mgmt0".to_owned()]);
            let management = Management {
                interfaces: vec!["mgmt0".to_owned()],
                ..Management::default()
            };
            let guard = GuardExecutor::new(firewall, compartments.chain([own_way]).collect()).with_management(management);
            executors.insert((*name).to_owned(), serve(&authority, name, remember(name), guard));
        }
        let agent = format!("agent:{NURSE}");
        let nurse = Agent(Arc::clone(&hosts[NURSE]));
        executors.insert(agent.clone(), serve(&authority, NURSE, remember(&agent), nurse));
        let config = Config {
            estate: Estate::parse(&[Source {
                name: "crash.toml".into(),
                text: "name = \"Crash\"\n".into(),
            }])
            .unwrap(),
            folder: folder.to_owned(),
            ledger_seed: SEED,
            site_seed: [2; 32],
            identity: authority.issue("control-room").unwrap(),
            executors,
            mirrors: Vec::new(),
            vault: None,
            policy: Default::default(),
            approvers: PEOPLE.map(|p| (p.to_owned(), *person(p).verifying_key().as_bytes())).into(),
            approvals_min: 2,
            protocol: None,
            confirmers: Vec::new(),
            life_lines: vec![LifeLine {
                from: NURSE.into(),
                to: format!("{LIFE_LINE}:7").parse().unwrap(),
            }],
            minute_ms: 60_000,
        };
        let place = Self {
            config,
            watched,
            guards,
            hosts,
            firewalls,
            generation: 0,
        };
        for _ in 0..100 {
            if place.hosts[NURSE].reaches(LIFE_LINE, SILENCE_MS) {
                break;
            }
        }
        assert!(place.hosts[NURSE].reaches(LIFE_LINE, ANSWER_MS), "the network is not up");
        place
    }

    /// The next plan: the same steps under a newer generation, and two people's words for it.
    pub fn next_plan(&mut self) -> (PlanRecord, Vec<Approval>) {
        self.generation += 1;
        let steps = STEPS
            .iter()
            .enumerate()
            .map(|(index, (action, executor, target, _))| PlanStep {
                number: index as u32 + 1,
                executor: (*executor).into(),
                action: (*action).into(),
                target: (*target).into(),
                reason: "the attacker acted here".into(),
                planned_ms: 50,
                clause: String::new(),
            });
        let plan = PlanRecord {
            kind: PlanKind::Takedown,
            generation: self.generation,
            hash: String::new(),
            summary: "Cut".into(),
            harm_eur_per_hour: 5,
            steps: steps.collect(),
        }
        .sealed();
        let words = words_for(&plan);
        (plan, words)
    }

    /// What the kernels have cut now: `guard-a h1`.
    pub fn cut(&self) -> BTreeSet<String> {
        let of = |(guard, nft): (&&str, &Arc<Mutex<Nft>>)| {
            let cut = nft.lock().unwrap().state().unwrap().cut;
            cut.into_keys().map(|i| format!("{guard} {i}")).collect::<Vec<_>>()
        };
        self.firewalls.iter().flat_map(of).collect()
    }

    /// Everything in the kernels' firewalls, in nft's own words.
    pub fn rulesets(&self) -> String {
        self.guards.values().map(|guard| guard.sh("nft list ruleset")).collect()
    }

    /// Whether real packets pass between an isolated host and one on the grid, from either side.
    pub fn packets_pass(&self, host: &str, expected: bool) -> [bool; 2] {
        let number = &host[1..];
        let (from, to) = (
            format!("10.{}.{number}.2", if host.starts_with('a') { 1 } else { 2 }),
            "10.2.3.2",
        );
        let patience_ms = if expected { ANSWER_MS } else { SILENCE_MS };
        [
            self.hosts[host].reaches(to, patience_ms),
            self.hosts["b3"].reaches(&from, patience_ms),
        ]
    }

    /// Releases everything behind the guards' backs and forgets what was seen.
    pub fn reset(&self) {
        for nft in self.firewalls.values() {
            let mut nft = nft.lock().unwrap();
            let cut: Vec<String> = nft.state().unwrap().cut.into_keys().collect();
            nft.release(&cut).unwrap();
        }
        *self.watched.lock().unwrap() = Watched::default();
    }
}

/// Takes orders on a loopback port, in a thread of its own.
fn serve<E: Executor + 'static>(authority: &Authority, name: &str, warrant: Warrant, executor: E) -> SocketAddrV4 {
    let tls = server_tls(&authority.issue(name).unwrap()).unwrap();
    let executor = Arc::new(AsyncMutex::new((warrant, executor)));
    let (give, take) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            give.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_connection(stream, Arc::clone(&tls), Arc::clone(&executor)));
            }
        });
    });
    match take.recv().unwrap() {
        std::net::SocketAddr::V4(address) => address,
        std::net::SocketAddr::V6(address) => unreachable!("{address}"),
    }
}

/// Makes the loopback interface of this namespace work, and gives it a file system in memory to remember on.
pub fn prepare() -> std::path::PathBuf {
    sh("ip link set lo up; mount -t tmpfs tmpfs /mnt");
    "/mnt".into()
}
