//! A small provider in memory: two guards, five hosts with agents, a foreign web host, and people.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddrV4;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use leckwehr_contain::{Protocol, Scale, TakedownPolicy};
use leckwehr_control::{Config, ControlError, Input, Mirror, Output, Wires, run};
use leckwehr_crypt::{Authority, SigningKey, from_hex, hex, server_tls, sha256};
use leckwehr_estate::{Estate, Source};
use leckwehr_guard::{
    Action, Approval, Counter, Executor, Fence, Firewall, FirewallError, FirewallState, GuardExecutor, Journal, Order, Refusal,
    Reply, Warrant, order_key, serve_connection,
};
use leckwehr_incident::{Fact, PlanRecord, SignedWord, Situation, Timestamp, WordAbout};
use leckwehr_ledger::Reader;
use rustls::ServerConfig;
use serde_json::json;
use tokio::io::DuplexStream;
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc};

/// A vendor maintains the workstation `ws-1`; letters lie on `fs-1`, and only it is needed for a service.
const ESTATE: &str = r#"
name = "House"
[site.north]
town = "Nordstadt"
[party.provider]
kind = "provider"
[party.vendor]
kind = "third-party"
[party.kasse]
kind = "insurer"
insured = 1000
[zone.office]
site = "north"
party = "provider"
network = "10.0.1.0/24"
guard = "guard-a"
[zone.backup]
site = "north"
party = "provider"
network = "10.0.2.0/24"
guard = "guard-b"
[zone.vendor-net]
party = "vendor"
network = "192.0.2.0/24"
[crew.desk]
size = 2
out_of_band = "satellite phone 1"
reach_hours = 1
[system.ws-1]
kind = "workstation"
zone = "office"
address = "10.0.1.2"
[system.fs-1]
kind = "file-server"
zone = "office"
address = "10.0.1.3"
probe_port = 445
[system.backup-1]
kind = "backup-server"
zone = "backup"
address = "10.0.2.2"
[system.vault-1]
kind = "backup-vault"
zone = "backup"
address = "10.0.2.3"
[system.vault-2]
kind = "backup-vault"
zone = "backup"
address = "10.0.2.4"
[service.letters]
priority = 1
rto_minutes = 60
mtpd_minutes = 600
harm_eur_per_hour = 100
needs = ["fs-1"]
[service.maintenance]
priority = 5
rto_minutes = 60
mtpd_minutes = 600
needs = []
[account.adm-backup]
logs_on_to = ["ws-1", "fs-1", "backup-1", "vault-1"]
[connection.vendor]
kind = "remote-maintenance"
from = "vendor-net"
to = "ws-1"
owner = "desk"
[connection.vendor.switch]
guard = "guard-a"
who = "desk"
how = "drop everything"
takes_s = 5
breaks = ["maintenance"]
verify = "a probe gets no answer"
undo = "let it through"
"#;

fn estate(text: &str) -> Estate {
    Estate::parse(&[Source {
        name: "house.toml".into(),
        text: text.into(),
    }])
    .unwrap()
}

/// Hosts of the house with their addresses; `vault-1` holds the backups.
pub const HOSTS: [(&str, &str); 5] = [
    ("ws-1", "10.0.1.2"),
    ("fs-1", "10.0.1.3"),
    ("backup-1", "10.0.2.2"),
    ("vault-1", "10.0.2.3"),
    ("vault-2", "10.0.2.4"),
];
/// Guards of the house.
pub const GUARDS: [&str; 2] = ["guard-a", "guard-b"];
/// Those who may approve.
const PEOPLE: [&str; 2] = ["anna", "bert"];
/// Secret of the control room.
const LEDGER_SEED: [u8; 32] = [1; 32];
/// Start of the clock, which goes on by a tenth of a second at every look.
pub const START: i64 = 1_700_000_000_000_000_000;
const LOOK_NS: i64 = 100_000_000;
/// A run that comes to no end fails its test.
const RUN_S_MAX: u64 = 300;
const MIRROR: &str = "203.0.113.1:80";

/// How an executor behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Answers,
    /// Nobody answers at its address.
    IsUnreachable,
    /// The address answers, but nothing ever comes back.
    IsSilent,
    /// The first order that changes something is done, and the connection breaks before the answer.
    BreaksOnce,
    /// So does every one.
    Breaks,
    /// The first order that changes something is done, the connection breaks before the answer, and from then on nobody answers.
    BreaksAndIsGone,
}

/// What is the case, as nobody in the control room can see it.
#[derive(Default)]
pub struct Truth {
    /// Cut compartments.
    pub cut: BTreeSet<String>,
    /// Orders that changed something, in order: `deny fs-1`.
    pub done: Vec<String>,
    /// Files that agents say they removed and did not.
    pub sticky: BTreeSet<String>,
    /// Orders that agents try in vain: `investigate fs-1 at fs-1`.
    pub failing: BTreeSet<String>,
    /// Hosts that are other than installed when they are swept.
    pub changed: BTreeSet<String>,
    /// Hosts whose service is down while everything else on them runs.
    pub services_down: BTreeSet<String>,
    /// Files of fs-1.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Number of the last record that an agent says it wrote.
    pub sequences: BTreeMap<String, u64>,
    /// Bytes that left in all, of which 100 to an address that is told apart.
    pub left_bytes: u64,
    /// Compartments that guards say are cut and are not.
    pub lied_about: BTreeSet<String>,
    /// Packets that a guard has seen pass the cut.
    pub passed_packets: u64,
    /// What the web host has.
    pub site: BTreeMap<String, Vec<u8>>,
    /// Whether the web host keeps its first copy whatever it is sent.
    pub site_is_stuck: bool,
    /// Whether the web host takes connections and then says nothing.
    pub site_is_silent: bool,
}

pub type SharedTruth = Arc<Mutex<Truth>>;

struct Place {
    tls: Arc<ServerConfig>,
    executor: Arc<AsyncMutex<(Warrant, Anyone)>>,
    manner: Manner,
    breaks: Arc<Notify>,
    gone: Arc<AtomicBool>,
}

/// The wires of the house.
#[derive(Clone)]
pub struct Cables {
    places: Arc<BTreeMap<SocketAddrV4, Place>>,
    truth: SharedTruth,
    clock: Arc<AtomicI64>,
    silent: Arc<Mutex<Vec<DuplexStream>>>,
}

impl Cables {
    /// Everybody's address.
    pub fn addresses(&self) -> Vec<SocketAddrV4> {
        let mirror = MIRROR.parse().unwrap();
        self.places.keys().copied().chain([mirror]).collect()
    }

    /// Sets everybody's clock to so many nanoseconds after the start of the house.
    pub fn set_clock(&self, after_ns: i64) {
        self.clock.store(START + after_ns, Ordering::Relaxed);
    }
}

impl Wires for Cables {
    type Stream = DuplexStream;

    async fn connect(&self, to: SocketAddrV4) -> io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(1 << 16);
        if to.to_string() == MIRROR && self.truth.lock().unwrap().site_is_silent {
            self.silent.lock().unwrap().push(far);
            return Ok(near);
        }
        if to.to_string() == MIRROR {
            tokio::spawn(serve_mirror(far, Arc::clone(&self.truth)));
            return Ok(near);
        }
        let place = self.places.get(&to).ok_or(io::ErrorKind::ConnectionRefused)?;
        match place.manner {
            _ if place.gone.load(Ordering::Relaxed) => return Err(io::ErrorKind::ConnectionRefused.into()),
            Manner::IsUnreachable => return Err(io::ErrorKind::TimedOut.into()),
            Manner::IsSilent => self.silent.lock().unwrap().push(far),
            _ => {
                let (tls, executor, breaks) = (Arc::clone(&place.tls), Arc::clone(&place.executor), Arc::clone(&place.breaks));
                tokio::spawn(async move {
                    tokio::select! {
                        _ = serve_connection(far, tls, executor) => {}
                        () = breaks.notified() => {}
                    }
                });
            }
        }
        Ok(near)
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.clock.fetch_add(LOOK_NS, Ordering::Relaxed))
    }

    fn order_ms_max(&self) -> u64 {
        500
    }

    fn mirror_ms_max(&self) -> u64 {
        if self.truth.lock().unwrap().site_is_silent {
            50
        } else {
            10_000
        }
    }
}

/// A guard or a host's agent, behind a connection that may break after the deed.
struct Anyone {
    inner: Inner,
    breaks: Arc<Notify>,
    breaks_left: u32,
    gone: Option<Arc<AtomicBool>>,
}

enum Inner {
    Guard(GuardExecutor<SharedFirewall>),
    Agent(Agent),
}

impl Executor for Anyone {
    async fn execute(&mut self, order: &Order) -> Result<Reply, Refusal> {
        let reply = match &mut self.inner {
            Inner::Guard(guard) => guard.execute(order).await,
            Inner::Agent(agent) => agent.execute(order),
        };
        if order.action.needs_warrant() && self.breaks_left > 0 {
            self.breaks_left -= 1;
            self.gone.iter().for_each(|gone| gone.store(true, Ordering::Relaxed));
            self.breaks.notify_one();
            std::future::pending::<()>().await;
        }
        reply
    }
}

struct SharedFirewall(SharedTruth);

impl Firewall for SharedFirewall {
    fn prepare(&mut self, _outside: &[String]) -> Result<(), FirewallError> {
        Ok(())
    }

    fn cut(&mut self, interfaces: &[String], _lease_ms: Option<u64>) -> Result<(), FirewallError> {
        let mut truth = self.0.lock().unwrap();
        truth.done.extend(interfaces.iter().map(|i| format!("deny {i}")));
        let honest = |i: &&String| !truth.lied_about.contains(*i);
        let cut: Vec<String> = interfaces.iter().filter(honest).cloned().collect();
        truth.cut.extend(cut);
        Ok(())
    }

    fn release(&mut self, interfaces: &[String]) -> Result<(), FirewallError> {
        let mut truth = self.0.lock().unwrap();
        truth.done.extend(interfaces.iter().map(|i| format!("allow {i}")));
        truth.cut.retain(|i| !interfaces.contains(i));
        Ok(())
    }

    fn state(&mut self) -> Result<FirewallState, FirewallError> {
        let truth = self.0.lock().unwrap();
        let counter = |bytes| Counter { packets: 1, bytes };
        Ok(FirewallState {
            cut: truth
                .cut
                .iter()
                .chain(&truth.lied_about)
                .map(|i| (i.clone(), Counter::default()))
                .collect(),
            egress: [([198, 51, 100, 7].into(), counter(100))].into(),
            passed: [(
                "in0".to_owned(),
                Counter {
                    packets: truth.passed_packets,
                    bytes: 0,
                },
            )]
            .into(),
            outside: [("out0".to_owned(), counter(truth.left_bytes))].into(),
        })
    }
}

struct Agent {
    host: String,
    truth: SharedTruth,
}

impl Agent {
    fn execute(&self, order: &Order) -> Result<Reply, Refusal> {
        let mut truth = self.truth.lock().unwrap();
        let target = order.target_text().to_owned();
        if order.action.needs_warrant() {
            let deed = format!("{:?} {target} at {}", order.action, self.host).to_lowercase();
            if truth.failing.contains(&deed) {
                let reason = "the disk is full".into();
                return Err(Refusal::Failed { reason });
            }
            truth.done.push(deed);
        }
        let kind = order.target.keys().next().map(String::as_str).unwrap_or_default();
        let results = match (order.action, kind) {
            (Action::Query, "features") => json!({"sequence": truth.sequences.get(&self.host).copied().unwrap_or(0)}),
            (Action::Query, "x-leckwehr:files") if self.host == "fs-1" => {
                let files = truth
                    .files
                    .iter()
                    .map(|(path, content)| json!({"path": path, "digest": hex(&sha256(content)), "encrypted": content == b"encrypted"}));
                json!({"files": files.collect::<Vec<_>>()})
            }
            (Action::Query, "x-leckwehr:files") => json!({"files": []}),
            (Action::Query, "x-leckwehr:versions") if target == "fs-1" => json!({"versions": [
                {"number": 1, "path": "docs/a", "at": START - 1_000_000_000, "author": "clerk",
                 "digest": hex(&sha256(b"letter")), "bytes": 6, "encrypted": false},
                {"number": 2, "path": "docs/note", "at": START + 5_000_000_000, "author": "adm-backup",
                 "digest": hex(&sha256(b"pay")), "bytes": 3, "encrypted": false}]}),
            (Action::Query, "x-leckwehr:versions") => json!({"versions": []}),
            (Action::Query, "x-leckwehr:numbers") => json!({"numbers": [1, 2]}),
            (Action::Query, "x-leckwehr:version") => json!({"content": hex(b"letter")}),
            (Action::Scan, _) => {
                let address: SocketAddrV4 = target.parse().unwrap();
                let peer = HOSTS.iter().find(|(_, a)| *a == address.ip().to_string()).unwrap().0;
                let cut = peer != self.host && (truth.cut.contains(peer) || truth.cut.contains(&self.host));
                let down = address.port() == 445 && truth.services_down.contains(peer);
                json!({"reachable": !cut && !down})
            }
            (Action::Investigate, _) if truth.changed.contains(&target) => json!({"differences": ["a new service"]}),
            (Action::Investigate, _) => json!({"differences": []}),
            (Action::Restore, _) => {
                let files: BTreeMap<String, String> = serde_json::from_value(order.args["x-leckwehr:files"].clone()).unwrap();
                let remove: Vec<String> = serde_json::from_value(order.args["x-leckwehr:remove"].clone()).unwrap();
                let restored = files.into_iter().map(|(path, content)| (path, from_hex(&content).unwrap()));
                truth.files.extend(restored.collect::<Vec<_>>());
                for path in remove {
                    if !truth.sticky.contains(&path) {
                        truth.files.remove(&path);
                    }
                }
                json!({})
            }
            _ => json!({}),
        };
        Ok(Reply::done(results))
    }
}

async fn serve_mirror(stream: DuplexStream, truth: SharedTruth) {
    let answer = |request: Request<Incoming>| {
        let truth = Arc::clone(&truth);
        async move {
            let (path, method) = (
                request.uri().path().trim_start_matches('/').to_owned(),
                request.method().clone(),
            );
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let mut truth = truth.lock().unwrap();
            if method == Method::PUT {
                let stuck = truth.site_is_stuck && truth.site.contains_key(&path);
                if !stuck {
                    truth.site.insert(path, body.to_vec());
                }
                return Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())));
            }
            let mut response = Response::new(Full::new(truth.site.get(&path).cloned().unwrap_or_default().into()));
            if !truth.site.contains_key(&path) {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            Ok(response)
        }
    };
    let service = hyper::service::service_fn(answer);
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A house and the people in it.
pub struct House {
    pub truth: SharedTruth,
    pub manners: BTreeMap<String, Manner>,
    pub systems_max: usize,
    /// Whether the control room knows the vault.
    pub has_vault: bool,
    /// When the control room is torn down and started again, one for each start: what it said last.
    pub stops: Vec<fn(&Output) -> bool>,
    /// Whether the books are closed when the telemetry is in, not at the recovery.
    pub finishes_at_once: bool,
    /// Whether people do what only they can do and sign for it, or the books are closed when they should.
    pub people_work: bool,
    pub estate: String,
    pub scale: Scale,
    /// The agreed protocol.
    pub protocol: Option<&'static str>,
}

/// What was seen of a run.
pub struct Run {
    pub outcome: Result<(), ControlError>,
    /// Replayed from the ledger.
    pub situation: Situation,
    /// Hash of the situation that the room held when it closed its books.
    pub closed_with: Option<String>,
    pub facts: Vec<Fact>,
}

/// What somebody does when a plan is shown.
pub type Answer = Box<dyn FnMut(&PlanRecord) -> Vec<Input>>;

fn person(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(name.as_bytes())).unwrap()
}

/// One person's word for a hash.
pub fn word(name: &str, plan: &PlanRecord, signed: &str) -> Input {
    let valid_until = Some(Timestamp(START).plus_ms(6 * 3_600_000));
    let signature = hex(&person(name).sign(&Approval::message(signed, valid_until)));
    Input::Approved {
        hash: plan.hash.clone(),
        approval: Approval {
            approver: name.into(),
            signature,
            valid_until,
        },
    }
}

/// Somebody signs that the step of a plan is done that waits for people.
fn done_by_hand(plan: &PlanRecord, text: &str) -> Option<Input> {
    let step = text
        .strip_prefix("step ")?
        .strip_suffix(" waits for people")?
        .parse()
        .unwrap();
    let about = WordAbout::Done {
        plan: plan.hash.clone(),
        step,
    };
    let mut word = SignedWord {
        person: PEOPLE[0].into(),
        word: about,
        reason: "did it".into(),
        at: Timestamp(START),
        signature: String::new(),
    };
    word.signature = hex(&person(PEOPLE[0]).sign(&word.bytes()));
    Some(Input::Confirmed { word })
}

/// Both people approve what they are shown.
pub fn approve(plan: &PlanRecord) -> Vec<Input> {
    PEOPLE.iter().map(|name| word(name, plan, &plan.hash)).collect()
}

impl House {
    pub fn new() -> Self {
        let files = BTreeMap::from([("docs/a".to_owned(), b"encrypted".to_vec())]);
        Self {
            truth: Arc::new(Mutex::new(Truth {
                files,
                ..Truth::default()
            })),
            manners: BTreeMap::new(),
            systems_max: 100,
            has_vault: true,
            stops: Vec::new(),
            finishes_at_once: false,
            people_work: true,
            estate: ESTATE.to_owned(),
            scale: Scale::Surgical,
            protocol: None,
        }
    }

    fn place(&self, authority: &Authority, folder: &Path, name: &str, clock: &Arc<AtomicI64>) -> Place {
        let clock = Arc::clone(clock);
        let executor = name.to_owned();
        let host = name.trim_start_matches("agent:").to_owned();
        let manner = self.manners.get(name).copied().unwrap_or(Manner::Answers);
        let breaks = Arc::new(Notify::new());
        let inner = if GUARDS.contains(&name) {
            let mut compartments: BTreeMap<String, Vec<String>> = HOSTS
                .iter()
                .map(|(id, _)| ((*id).to_owned(), vec![(*id).to_owned()]))
                .collect();
            compartments.insert("vendor".into(), vec!["vendor".into()]);
            Inner::Guard(GuardExecutor::new(SharedFirewall(Arc::clone(&self.truth)), compartments))
        } else {
            Inner::Agent(Agent {
                host: host.clone(),
                truth: Arc::clone(&self.truth),
            })
        };
        let warrant = Warrant {
            executor,
            // The plan names the first agent; all of them carry a change of secrets out.
            directory: Some("agent:backup-1".into()),
            approvers: PEOPLE.iter().map(|n| ((*n).to_owned(), person(n).verifying_key())).collect(),
            controller: order_key(&LEDGER_SEED).unwrap().verifying_key(),
            fence: Fence::open(folder.join(format!("fence-{host}"))).unwrap(),
            journal: Journal::open(&folder.join(format!("journal-{host}"))).unwrap(),
            clock: Arc::new(move || Timestamp(clock.load(Ordering::Relaxed))),
        };
        let breaks_left = match manner {
            Manner::BreaksOnce | Manner::BreaksAndIsGone => 1,
            Manner::Breaks => u32::MAX,
            _ => 0,
        };
        let gone = Arc::new(AtomicBool::new(false));
        let anyone = Anyone {
            inner,
            breaks: Arc::clone(&breaks),
            breaks_left,
            gone: (manner == Manner::BreaksAndIsGone).then(|| Arc::clone(&gone)),
        };
        Place {
            tls: server_tls(&authority.issue(&host).unwrap()).unwrap(),
            executor: Arc::new(AsyncMutex::new((warrant, anyone))),
            manner,
            breaks,
            gone,
        }
    }

    /// The configuration of a control room below a folder, and its wires with everybody at their other ends.
    pub fn world(&self, folder: &Path) -> (Config, Cables) {
        let authority = Authority::generate("house").unwrap();
        let names = GUARDS
            .iter()
            .map(|g| (*g).to_owned())
            .chain(HOSTS.iter().map(|(h, _)| format!("agent:{h}")));
        let clock = Arc::new(AtomicI64::new(START));
        let mut places = BTreeMap::new();
        let mut executors = BTreeMap::new();
        for (i, name) in names.enumerate() {
            let address = SocketAddrV4::new([192, 168, 0, i as u8 + 1].into(), 443);
            places.insert(address, self.place(&authority, folder, &name, &clock));
            executors.insert(name, address);
        }
        let policy = TakedownPolicy {
            systems_max: self.systems_max,
            scale: self.scale,
            ..TakedownPolicy::default()
        };
        let estate = estate(&self.estate);
        let protocol = self
            .protocol
            .map(|text| Protocol::parse("protocol.toml", text, &estate).unwrap());
        let config = Config {
            estate,
            folder: folder.join("room"),
            ledger_seed: LEDGER_SEED,
            site_seed: [2; 32],
            identity: authority.issue("control-room").unwrap(),
            executors,
            mirrors: vec![Mirror {
                name: "mirror".into(),
                address: MIRROR.parse().unwrap(),
                token: "t".into(),
            }],
            vault: self.has_vault.then(|| "vault-1".into()),
            policy,
            approvers: PEOPLE
                .iter()
                .map(|n| ((*n).to_owned(), *person(n).verifying_key().as_bytes()))
                .collect(),
            approvals_min: 2,
            protocol,
            confirmers: Vec::new(),
            life_lines: Vec::new(),
            minute_ms: 5,
        };
        let cables = Cables {
            places: Arc::new(places),
            truth: Arc::clone(&self.truth),
            clock,
            silent: Arc::default(),
        };
        (config, cables)
    }

    /// Runs a control room over `telemetry` until it has recovered; `answer` is what people do with each plan.
    pub fn run(&self, telemetry: Vec<String>, mut answer: Answer) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let (config, cables) = self.world(folder.path());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut closed_with, mut shown) = (None, None);
        let mut stops = self.stops.iter();
        let mut waiting: Vec<Input> = std::iter::once(Input::EndLearning)
            .chain(telemetry.into_iter().map(|line| Input::Telemetry { line }))
            .chain(self.finishes_at_once.then_some(Input::Finish))
            .collect();
        let mut start = async || {
            let stop = stops.next();
            let (give, inputs) = mpsc::channel(100_000);
            let (outputs, mut said) = mpsc::unbounded_channel();
            for input in std::mem::take(&mut waiting) {
                give.send(input).await.unwrap();
            }
            let people = async {
                while let Some(output) = said.recv().await {
                    if stop.is_some_and(|stop| stop(&output)) {
                        return true;
                    }
                    let inputs = match output {
                        Output::Approve { plan } => {
                            let words = answer(&plan);
                            shown = Some(plan);
                            words
                        }
                        Output::Step { text } => {
                            let work = shown.as_ref().and_then(|plan| done_by_hand(plan, &text));
                            work.map(|word| if self.people_work { word } else { Input::Finish })
                                .into_iter()
                                .collect()
                        }
                        Output::Phase {
                            phase: leckwehr_incident::Phase::Recovered,
                            ..
                        } => vec![Input::Finish],
                        Output::Closed { situation, .. } => {
                            closed_with = Some(situation);
                            vec![]
                        }
                        _ => vec![],
                    };
                    for input in inputs {
                        let _ = give.send(input).await;
                    }
                }
                false
            };
            let (mut room, mut people) = (pin!(run(config.clone(), cables.clone(), inputs, outputs)), pin!(people));
            tokio::select! {
                outcome = &mut room => {
                    people.await;
                    Some(outcome)
                }
                stopped = &mut people => if stopped { None } else { Some(room.await) },
            }
        };
        let outcome = runtime.block_on(async {
            loop {
                let ended = tokio::time::timeout(Duration::from_secs(RUN_S_MAX), start()).await.unwrap();
                if let Some(outcome) = ended {
                    return outcome;
                }
            }
        });
        let reader = Reader::open(&folder.path().join("room/ledger")).unwrap();
        let entries = reader.entries(0..reader.size()).unwrap();
        let read = |(i, bytes): (usize, &Vec<u8>)| Fact::from_bytes(i as u64, bytes).unwrap();
        Run {
            outcome,
            situation: Situation::replay(entries.iter().map(Vec::as_slice)).unwrap(),
            closed_with,
            facts: entries.iter().enumerate().map(read).collect(),
        }
    }
}

/// A vendor logs on to ws-1, goes on to fs-1 and from there destroys the backups; each host numbers its records.
pub fn attack(house: &House) -> Vec<String> {
    let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
    let mut lines = Vec::new();
    let mut log = |second: u32, host: &'static str, category: &str, dataset: &str, action: &str, from: &str, path: &str| {
        let number = numbers.entry(host).or_default();
        *number += 1;
        lines.push(
            json!({"@timestamp": format!("2023-11-14T22:13:{second:02}Z"), "agent": {"id": format!("sensor-{host}")},
                   "host": {"name": host}, "source": {"ip": from}, "user": {"name": "adm-backup"}, "file": {"path": path},
                   "event": {"sequence": *number, "category": [category], "dataset": dataset, "action": action, "outcome": "success"}})
            .to_string(),
        );
    };
    log(1, "ws-1", "authentication", "", "logon", "192.0.2.7", "");
    log(
        1,
        "ws-1",
        "configuration",
        "backup",
        "snapshot-delete",
        "192.0.2.7",
        "snapshots/0",
    );
    log(2, "fs-1", "authentication", "", "logon", "10.0.1.2", "");
    log(3, "backup-1", "authentication", "", "logon", "10.0.1.3", "");
    for second in 4..10 {
        log(
            second,
            "backup-1",
            "configuration",
            "backup",
            "snapshot-delete",
            "10.0.1.3",
            "snapshots/1",
        );
    }
    let written = numbers.iter().map(|(host, number)| ((*host).to_owned(), *number)).collect();
    house.truth.lock().unwrap().sequences = written;
    lines
}
