use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use leckwehr_contain::TakedownPolicy;
use leckwehr_control::{Config, Input, Mirror, Output};
use leckwehr_crypt::{Authority, Dice, Identity, OpeningKey, SigningKey, hex, random_bytes};
use leckwehr_estate::{Estate, SystemKind};
use leckwehr_guard::{Approval, FirewallState};
use leckwehr_incident::{Phase, PlanRecord, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::attacker::{AttackRole, Entry};
use crate::benign::{PracticeReport, PracticeWork, UserWork, initial_documents};
use crate::clock::now;
use crate::files::Files;
use crate::host::HostRole;
use crate::miniature::MiniatureError;
use crate::node::{DROP_PORT, OrderRole, Role, Say, Tell};
use crate::portal::WEB_PORT;
use crate::service::{EPA_PORT, FILES_PORT, INTAKE_PORT, delivered};
use crate::shell::Accounts;
use crate::stage::{Stage, StageError};
use crate::world::{ORDER_PORT, Scenario, World, management, outsider};

/// Longest a drill may take, in milliseconds: a chain that hangs is a failed drill.
const DRILL_MS_MAX: u64 = 180_000;
/// Longest wait until everything accepted was delivered, in milliseconds.
const DRAIN_MS_MAX: u64 = 20_000;
/// Pause between two looks at the deliveries, in milliseconds.
const DRAIN_PAUSE_MS: u64 = 50;
/// Tries to remove a folder, and the pause between them in milliseconds.
const CLEAN_UP_TRIES_MAX: usize = 100;
const CLEAN_UP_PAUSE_MS: u64 = 20;
/// Backups that lie on the backup server at the start.
const SNAPSHOTS: usize = 5;
/// What a planned minute takes in a drill, in milliseconds: recipes are written for the real thing.
const MINUTE_MS: u64 = 5;
/// People who approve plans in a drill, with keys of their own that the control room does not have.
const APPROVERS: [&str; 2] = ["officer-in-charge", "crisis-manager"];

/// What to drill.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DrillConfig {
    /// The estate to take the miniature from.
    pub estate: Estate,
    /// Hosts.
    pub hosts: usize,
    /// Seed.
    pub seed: u64,
    /// Scenario.
    pub scenario: Scenario,
    /// Folder for everything that is written.
    pub folder: PathBuf,
    /// How long each of the two people looks at a plan before signing it, in milliseconds. They look at the same time.
    pub decide_ms: u64,
    /// Stop before the end, to look around.
    pub pause: bool,
}

/// What the director tells whoever started the drill.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub enum News {
    /// A stage of the drill begins.
    Stage {
        /// What.
        text: String,
    },
    /// Something happened.
    Note {
        /// What.
        text: String,
    },
    /// Everything is done; waiting to be told to end.
    Paused {
        /// Where to look.
        text: String,
    },
}

/// Seconds of each stage.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Seconds {
    /// From the start until every node is at work.
    pub build: f64,
    /// From the attacker's first act to the first alarm.
    pub detect: f64,
    /// From the first alarm to the verified cut.
    pub contain: f64,
    /// From the cut to the impact analysis.
    pub analyse: f64,
    /// From the analysis to the last service.
    pub restore: f64,
    /// Taking everything down.
    pub teardown: f64,
    /// All of it.
    pub total: f64,
}

/// What really happened, as only the range knows it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Truth {
    /// When the attacker was let loose.
    pub attack_began: Timestamp,
    /// His diary.
    pub diary: Vec<Entry>,
    /// Address → system.
    pub systems: BTreeMap<Ipv4Addr, String>,
    /// Bytes that arrived at the drop.
    pub dropped_bytes: u64,
    /// What practices sent and got receipts for.
    pub practices: Vec<PracticeReport>,
    /// Message ids in core processing, one per record.
    pub delivered: Vec<String>,
    /// Guards' counters at the end.
    pub guards: BTreeMap<String, FirewallState>,
    /// Files as they must be: system → path → SHA-256 values that count as right.
    pub files: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// Files as they are.
    pub found: BTreeMap<String, BTreeMap<String, String>>,
    /// Copies of the status site that a stranger could verify.
    pub copies: Vec<Option<u64>>,
    /// Nodes that failed.
    pub failures: Vec<String>,
}

/// A drill that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The estate does not fit.
    #[error(transparent)]
    Miniature(#[from] MiniatureError),
    /// The network could not be built.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// Keys could not be made.
    #[error("keys for the drill could not be made: {0}")]
    Keys(String),
    /// A file could not be written.
    #[error("the drill's folder cannot be used")]
    Io(#[from] io::Error),
    /// A node failed before the drill began.
    #[error("{node} failed: {error}")]
    Node {
        /// Node.
        node: String,
        /// Why.
        error: String,
    },
    /// The chain did not come to its end in time.
    #[error("the drill did not end within {DRILL_MS_MAX} ms; it stood at: {at}")]
    Stuck {
        /// Where it stood.
        at: String,
    },
}

/// A drill that was run.
#[derive(Serialize, Deserialize)]
pub struct Played {
    /// The miniature.
    pub estate: Estate,
    /// What really happened.
    pub truth: Truth,
    /// Seconds of each stage that the director sees.
    pub seconds: Seconds,
    /// When each phase was entered first.
    pub phases: BTreeMap<String, Timestamp>,
}

/// Runs a drill on `stage`. Blocks until everything is taken down again.
pub async fn play(
    config: &DrillConfig,
    mut stage: Stage,
    news: mpsc::UnboundedSender<News>,
    mut go_on: mpsc::Receiver<()>,
) -> Result<Played, DrillError> {
    let began = now();
    let stage_of = |text: &str| drop(news.send(News::Stage { text: text.into() }));
    stage_of("building the network");
    let world = World::new(&config.estate, config.hosts, config.seed, &config.folder)?;
    let mut director = Director::new(config, &world)?;
    director.prepare_files(&world)?;
    let roles = director.roles(&world)?;
    stage.build(&world, roles).await?;
    director.until_up(&mut stage).await?;
    director.seconds.build = now().seconds_since(began);

    stage_of("people at work, detectors learning");
    stage.tell_all(&Tell::Begin, |name| !matches!(name, "attacker"));
    director.until_learned(&mut stage).await?;
    stage.tell(
        "control",
        Tell::Control {
            input: Input::EndLearning,
        },
    );

    stage_of("the attacker is inside");
    director.truth.attack_began = now();
    stage.tell("attacker", Tell::Begin);
    director.until_recovered(&mut stage, &news).await?;

    stage_of("counting");
    director.collect(&mut stage).await?;
    if config.pause {
        let text = format!("everything is still running; files are in {}", config.folder.display());
        let _ = news.send(News::Paused { text });
        go_on.recv().await;
    }
    let teardown = now();
    stage.strike().await;
    director.read_files(&world)?;
    director.seconds.teardown = now().seconds_since(teardown);
    director.seconds.total = now().seconds_since(began);
    Ok(Played {
        estate: world.estate,
        truth: director.truth,
        seconds: director.seconds,
        phases: director.phases,
    })
}

struct Director {
    folder: PathBuf,
    seed: u64,
    scenario: Scenario,
    authority: Authority,
    approvers: BTreeMap<String, SigningKey>,
    site_key: SigningKey,
    spool_key: OpeningKey,
    users: BTreeMap<String, UserWork>,
    administrator: String,
    directory: Option<String>,
    truth: Truth,
    seconds: Seconds,
    phases: BTreeMap<String, Timestamp>,
    decide_ms: u64,
    finished: bool,
    rested: BTreeSet<String>,
    deadline: Timestamp,
}

impl Director {
    fn new(config: &DrillConfig, world: &World) -> Result<Self, DrillError> {
        let keys = |error: &dyn std::fmt::Display| DrillError::Keys(error.to_string());
        let mut approvers = BTreeMap::new();
        for name in APPROVERS {
            approvers.insert(name.to_owned(), SigningKey::generate().map_err(|e| keys(&e))?);
        }
        let systems = world.hosts.iter().map(|h| (h.address, h.system.clone())).collect();
        Ok(Self {
            folder: config.folder.clone(),
            seed: config.seed,
            scenario: config.scenario,
            authority: Authority::generate("leckwehr drill").map_err(|e| keys(&e))?,
            approvers,
            site_key: SigningKey::generate().map_err(|e| keys(&e))?,
            spool_key: OpeningKey::generate().map_err(|e| keys(&e))?,
            users: users(world, config.seed),
            administrator: world.administrator.clone(),
            directory: directory(&world.estate).map(|id| format!("agent:{id}")),
            truth: Truth {
                systems,
                ..Truth::default()
            },
            seconds: Seconds::default(),
            phases: BTreeMap::new(),
            decide_ms: config.decide_ms,
            finished: false,
            rested: BTreeSet::new(),
            deadline: now().plus_ms(DRILL_MS_MAX as i64),
        })
    }

    /// Lays documents and backups onto the hosts and into the vault, and writes down what is right.
    fn prepare_files(&mut self, world: &World) -> Result<(), DrillError> {
        let vault = world
            .first_of(SystemKind::BackupVault)
            .map(|v| Files::open(&v.folder))
            .transpose()?;
        for host in &world.hosts {
            let contents = match host.kind {
                SystemKind::FileServer => initial_documents(&users_of(&self.users, &host.system)),
                SystemKind::BackupServer => snapshots(self.seed),
                _ => continue,
            };
            let files = Files::open(&host.folder)?;
            for (path, content) in contents {
                files.write(&path, &content)?;
                if let Some(vault) = &vault {
                    vault.write(&format!("stock/{}/{path}", host.system), &content)?;
                }
                let digest = files.digest(&path).unwrap_or_default();
                self.truth
                    .files
                    .entry(host.system.clone())
                    .or_default()
                    .insert(path, BTreeSet::from([digest]));
            }
        }
        Ok(())
    }

    fn roles(&self, world: &World) -> Result<Vec<(String, Role)>, DrillError> {
        let mut roles = Vec::new();
        let guards = world.guards.iter().enumerate();
        for (index, (name, place)) in guards {
            let orders = self.orders(name, name, management(world.hosts.len() + index))?;
            roles.push((
                name.clone(),
                Role::Guard {
                    name: name.clone(),
                    place: place.clone(),
                    orders,
                },
            ));
        }
        for host in &world.hosts {
            let orders = self.orders(&format!("agent:{}", host.system), &host.system, host.management)?;
            let user = self.users.get(&host.system).cloned();
            let daily = if host.system == self.administrator {
                world.daily.iter().map(|(_, l)| l.clone()).collect()
            } else {
                Vec::new()
            };
            let host = self.equip(host, world)?;
            roles.push((
                host.system.clone(),
                Role::Host {
                    host: Box::new(host),
                    orders,
                    user,
                    daily,
                },
            ));
        }
        roles.extend(self.outsiders(world)?);
        roles.push(("control".to_owned(), self.control(world)?));
        Ok(roles)
    }

    fn orders(&self, executor: &str, name: &str, management: Ipv4Addr) -> Result<OrderRole, DrillError> {
        let fence = self.folder.join("fences");
        std::fs::create_dir_all(&fence)?;
        Ok(OrderRole {
            executor: executor.to_owned(),
            directory: self.directory.clone(),
            management,
            identity: self.identity(name)?,
            approvers: self.approver_keys(),
            fence: fence.join(name),
        })
    }

    fn approver_keys(&self) -> BTreeMap<String, [u8; 32]> {
        self.approvers
            .iter()
            .map(|(name, key)| (name.clone(), *key.verifying_key().as_bytes()))
            .collect()
    }

    fn identity(&self, name: &str) -> Result<Identity, DrillError> {
        self.authority
            .issue(name)
            .map_err(|error| DrillError::Keys(error.to_string()))
    }

    /// Adds users and keys to a host.
    fn equip(&self, host: &HostRole, _world: &World) -> Result<HostRole, DrillError> {
        let keys = |error: &dyn std::fmt::Display| DrillError::Keys(error.to_string());
        let mut host = host.clone();
        host.users = users_of(&self.users, &host.system);
        host.key = match host.kind {
            SystemKind::EauIntake => Some(*self.spool_key.sealing_key().map_err(|e| keys(&e))?.as_bytes()),
            SystemKind::EpaStore => Some(random_bytes().map_err(|e| keys(&e))?),
            _ => None,
        };
        Ok(host)
    }

    fn outsiders(&self, world: &World) -> Result<Vec<(String, Role)>, DrillError> {
        let at = |index: usize| world.outsiders[index].address;
        let service = |kind, port| {
            let address = world.first_of(kind).map_or(Ipv4Addr::UNSPECIFIED, |h| h.address);
            SocketAddrV4::new(address, port)
        };
        let [own, _] = &world.entry;
        let vendor = HostRole {
            system: "vendor".into(),
            kind: SystemKind::JumpHost,
            address: own.host,
            management: Ipv4Addr::UNSPECIFIED,
            control: None,
            blind: true,
            folder: self.folder.join("outside/vendor"),
            accounts: Accounts::from([(own.user.clone(), own.secret.clone())]),
            users: Accounts::new(),
            neighbours: Vec::new(),
            secrets: Accounts::new(),
            vault: None,
            backend: None,
            key: None,
        };
        let attack = AttackRole {
            entry: world.entry.clone(),
            drop: SocketAddrV4::new(at(outsider::DROP), DROP_PORT),
            portal: service(SystemKind::Portal, WEB_PORT),
            seed: self.seed,
            scenario: self.scenario,
        };
        let practice = |name: &str| Role::Practice {
            work: PracticeWork {
                name: name.into(),
                intake: service(SystemKind::EauIntake, INTAKE_PORT),
            },
        };
        let mirror = |index: usize| Role::Mirror {
            address: at(index),
            token: self.token(),
        };
        let mirrors = [outsider::MIRROR_A, outsider::MIRROR_B]
            .map(|i| SocketAddrV4::new(at(i), WEB_PORT))
            .to_vec();
        let roles = vec![
            Role::Vendor { host: vendor },
            Role::Attacker { attack },
            Role::Drop {
                address: at(outsider::DROP),
            },
            practice("practice-a"),
            practice("practice-b"),
            Role::Insurer {
                epa: service(SystemKind::EpaStore, EPA_PORT),
            },
            mirror(outsider::MIRROR_A),
            mirror(outsider::MIRROR_B),
            Role::Reader {
                mirrors,
                key: *self.site_key.verifying_key().as_bytes(),
            },
        ];
        Ok(world.outsiders.iter().map(|o| o.name.clone()).zip(roles).collect())
    }

    /// What the foreign hosts want to see: derived from the site's key, so that nobody else has it.
    fn token(&self) -> String {
        hex(&leckwehr_crypt::sha256(self.site_key.seed()))
    }

    fn control(&self, world: &World) -> Result<Role, DrillError> {
        let keys = |error: &dyn std::fmt::Display| DrillError::Keys(error.to_string());
        let mut executors: BTreeMap<String, SocketAddrV4> = BTreeMap::new();
        for host in &world.hosts {
            executors.insert(
                format!("agent:{}", host.system),
                SocketAddrV4::new(host.management, ORDER_PORT),
            );
        }
        for (index, name) in world.guards.keys().enumerate() {
            executors.insert(
                name.clone(),
                SocketAddrV4::new(management(world.hosts.len() + index), ORDER_PORT),
            );
        }
        let mirror = |index: usize| Mirror {
            name: world.outsiders[index].name.clone(),
            address: SocketAddrV4::new(world.outsiders[index].address, WEB_PORT),
            token: self.token(),
        };
        let config = Config {
            estate: world.estate.clone(),
            folder: self.folder.join("control"),
            ledger_seed: random_bytes().map_err(|e| keys(&e))?,
            site_seed: *self.site_key.seed(),
            identity: self.identity("control-room")?,
            executors,
            mirrors: vec![mirror(outsider::MIRROR_A), mirror(outsider::MIRROR_B)],
            vault: world.first_of(SystemKind::BackupVault).map(|v| v.system.clone()),
            policy: TakedownPolicy::default(),
            approvers: self.approver_keys(),
            approvals_min: APPROVERS.len(),
            minute_ms: MINUTE_MS,
        };
        std::fs::create_dir_all(&config.folder)?;
        let hidden = vec![self.folder.join("hosts"), self.folder.join("outside")];
        Ok(Role::Control {
            config: Box::new(config),
            hidden,
        })
    }

    async fn until_up(&mut self, stage: &mut Stage) -> Result<(), DrillError> {
        let mut waiting: BTreeSet<String> = stage.names();
        while !waiting.is_empty() {
            let (name, say) = hear(stage, self.deadline, || {
                format!("waiting for {} nodes to come up", waiting.len())
            })
            .await?;
            match say {
                Say::Up => {
                    waiting.remove(&name);
                }
                Say::Failed { error } => return Err(DrillError::Node { node: name, error }),
                other => self.note(&name, other),
            }
        }
        Ok(())
    }

    /// Until the administrator was everywhere once and every user has written something.
    async fn until_learned(&mut self, stage: &mut Stage) -> Result<(), DrillError> {
        let mut waiting: BTreeSet<String> = self.users.keys().cloned().collect();
        let mut learned = false;
        while !learned || !waiting.is_empty() {
            let (name, say) = hear(stage, self.deadline, || {
                format!("learning; {} users have not written yet", waiting.len())
            })
            .await?;
            match &say {
                Say::Learned => learned = true,
                Say::Wrote { confirmed: true, .. } => {
                    waiting.remove(&name);
                }
                Say::Failed { error } => {
                    return Err(DrillError::Node {
                        node: name,
                        error: error.clone(),
                    });
                }
                _ => {}
            }
            self.note(&name, say);
        }
        Ok(())
    }

    async fn until_recovered(&mut self, stage: &mut Stage, news: &mpsc::UnboundedSender<News>) -> Result<(), DrillError> {
        while !self.phases.contains_key(Phase::Recovered.word()) {
            let at = || format!("phases so far: {:?}", self.phases.keys().collect::<Vec<_>>());
            let (name, say) = hear(stage, self.deadline, at).await?;
            if let Say::Control { output } = &say {
                match output {
                    Output::Approve { plan } => {
                        let text = format!(
                            "plan {} approved by two people: {}",
                            &plan.hash[..12.min(plan.hash.len())],
                            plan.summary
                        );
                        let _ = news.send(News::Note { text });
                        for input in self.approve(plan) {
                            stage.tell_later("control", Tell::Control { input }, self.decide_ms);
                        }
                    }
                    Output::Phase { phase, .. } => drop(news.send(News::Stage {
                        text: phase_text(*phase),
                    })),
                    Output::Step { text } => drop(news.send(News::Note { text: text.clone() })),
                    Output::Secret { account, secret } => {
                        let tell = Tell::Secret {
                            account: account.clone(),
                            secret: secret.clone(),
                        };
                        stage.tell(&self.administrator, tell);
                    }
                    Output::Closed { .. } => {}
                }
            }
            if let Say::Failed { error } = &say
                && name == "control"
            {
                return Err(DrillError::Node {
                    node: name,
                    error: error.clone(),
                });
            }
            self.note(&name, say);
        }
        Ok(())
    }

    /// Two people look at the plan: it must fit its hash. Each signs with a key that only he holds.
    fn approve(&self, plan: &PlanRecord) -> Vec<Input> {
        let words = self
            .approvers
            .iter()
            .filter(|_| plan.is_sealed())
            .map(|(name, key)| Input::Approved {
                hash: plan.hash.clone(),
                approval: Approval {
                    approver: name.clone(),
                    signature: hex(&key.sign(plan.hash.as_bytes())),
                },
            });
        words.collect()
    }

    /// Ends the work, waits until everything accepted has arrived, and asks every node what it knows.
    async fn collect(&mut self, stage: &mut Stage) -> Result<(), DrillError> {
        stage.tell_all(&Tell::Stop, |_| true);
        while self.truth.practices.len() < 2 || self.truth.diary.is_empty() || self.rested.len() < self.users.len() {
            let (name, say) = hear(stage, self.deadline, || "waiting for people and attacker to stop".into()).await?;
            self.note(&name, say);
        }
        let accepted: BTreeSet<&String> = self.truth.practices.iter().flat_map(|p| &p.accepted).collect();
        let accepted = accepted.len() as u64;
        let core = stage.names().into_iter().find(|n| self.is_core(n, stage));
        let deadline = now().plus_ms(DRAIN_MS_MAX as i64);
        let mut arrived = 0;
        while let (Some(core), true) = (&core, arrived < accepted && now() < deadline) {
            stage.tell(core, Tell::Report);
            let (name, say) = hear(stage, self.deadline, || format!("{arrived} of {accepted} messages delivered")).await?;
            match say {
                Say::Core { records } => {
                    arrived = records;
                    tokio::time::sleep(Duration::from_millis(DRAIN_PAUSE_MS)).await;
                }
                other => self.note(&name, other),
            }
        }
        stage.tell_all(&Tell::Report, |_| true);
        stage.tell("control", Tell::Control { input: Input::Finish });
        let guards = stage.guards().len();
        while !self.finished || self.truth.guards.len() < guards || self.truth.copies.is_empty() {
            let (name, say) = hear(stage, self.deadline, || "waiting for the last reports".into()).await?;
            if let (Say::Failed { error }, "control") = (&say, name.as_str()) {
                return Err(DrillError::Node {
                    node: name,
                    error: error.clone(),
                });
            }
            self.note(&name, say);
        }
        Ok(())
    }

    fn is_core(&self, name: &str, stage: &Stage) -> bool {
        stage.kind_of(name) == Some(SystemKind::Payments)
    }

    /// Writes down what was heard.
    fn note(&mut self, name: &str, say: Say) {
        match say {
            Say::Wrote {
                system,
                path,
                digest,
                confirmed,
            } => {
                let right = self.truth.files.entry(system).or_default().entry(path).or_default();
                // A write without confirmation may have happened or not: both contents are right.
                if confirmed {
                    right.clear();
                }
                right.insert(digest);
            }
            Say::Rested => drop(self.rested.insert(name.to_owned())),
            Say::Practice { report } => self.truth.practices.push(report),
            Say::Diary { entries } => self.truth.diary = entries,
            Say::Dropped { bytes } => self.truth.dropped_bytes = bytes,
            Say::Guard { state } => drop(self.truth.guards.insert(name.to_owned(), state)),
            Say::Read { copies } => self.truth.copies = copies,
            Say::Failed { error } => self.truth.failures.push(format!("{name}: {error}")),
            Say::Control {
                output: Output::Phase { phase, at },
            } => {
                self.phases.entry(phase.word().to_owned()).or_insert(at);
            }
            Say::Control {
                output: Output::Closed { .. },
            } => self.finished = true,
            _ => {}
        }
    }

    /// Reads back what lies on the hosts once nobody writes any more.
    fn read_files(&mut self, world: &World) -> Result<(), DrillError> {
        for (system, expected) in &self.truth.files {
            let Some(host) = world.host(system) else { continue };
            let files = Files::open(&host.folder)?;
            let mut found = BTreeMap::new();
            for path in files.list("docs")?.into_iter().chain(files.list("snapshots")?) {
                found.insert(path.clone(), files.digest(&path).unwrap_or_default());
            }
            debug_assert!(!expected.is_empty());
            self.truth.found.insert(system.clone(), found);
        }
        if let Some(core) = world.first_of(SystemKind::Payments) {
            let key = self.spool_key.seed().map_err(|error| DrillError::Keys(error.to_string()))?;
            self.truth.delivered = delivered(&core.folder, &key)?;
        }
        Ok(())
    }
}

/// Waits for the next word of any node.
async fn hear(stage: &mut Stage, deadline: Timestamp, at: impl Fn() -> String) -> Result<(String, Say), DrillError> {
    let left_ms = (deadline.0 - now().0).max(0) as u64 / 1_000_000;
    match timeout(Duration::from_millis(left_ms), stage.hear()).await {
        Ok(Some(heard)) => Ok(heard),
        _ => Err(DrillError::Stuck { at: at() }),
    }
}

/// The directory that changes secrets: a root of trust if there is one.
fn directory(estate: &Estate) -> Option<String> {
    let directories = estate.systems.iter().filter(|(_, s)| s.kind == SystemKind::Directory);
    directories
        .min_by_key(|(id, s)| (!s.root_of_trust, *id))
        .map(|(id, _)| id.clone())
}

/// Every workstation but the administrator's has a user, each with a file server.
fn users(world: &World, seed: u64) -> BTreeMap<String, UserWork> {
    let mut dice = Dice::new(seed, "users");
    let servers: Vec<&HostRole> = world.hosts.iter().filter(|h| h.kind == SystemKind::FileServer).collect();
    let portal = world
        .first_of(SystemKind::Portal)
        .map_or(Ipv4Addr::UNSPECIFIED, |h| h.address);
    let workstations = world
        .hosts
        .iter()
        .filter(|h| h.kind == SystemKind::Workstation && h.system != world.administrator);
    let work = workstations.enumerate().filter_map(|(index, host)| {
        let server = servers.get(index % servers.len().max(1))?;
        let work = UserWork {
            user: format!("user-{index:03}"),
            secret: format!("{:016x}", dice.next_u64()),
            files: SocketAddrV4::new(server.address, FILES_PORT),
            system: server.system.clone(),
            portal: SocketAddrV4::new(portal, WEB_PORT),
            seed,
        };
        Some((host.system.clone(), work))
    });
    work.collect()
}

fn users_of(users: &BTreeMap<String, UserWork>, system: &str) -> Accounts {
    users
        .values()
        .filter(|u| u.system == system)
        .map(|u| (u.user.clone(), u.secret.clone()))
        .collect()
}

/// Backups as they lie on the backup server: lists of what was saved, as plain text.
fn snapshots(seed: u64) -> BTreeMap<String, Vec<u8>> {
    let snapshot = |number: usize| {
        let mut dice = Dice::new(seed, &format!("snapshot {number}"));
        let lines = (0..200).map(|line| format!("saved block {line} of night {number}: {:08}\n", dice.below(100_000_000)));
        (format!("snapshots/night-{number:02}"), lines.collect::<String>().into_bytes())
    };
    (1..=SNAPSHOTS).map(snapshot).collect()
}

fn phase_text(phase: Phase) -> String {
    match phase {
        Phase::Watching => "watching",
        Phase::Alarm => "alarm",
        Phase::Declared => "declared: a takedown is on the table",
        Phase::Contained => "contained: the cut is proven from both sides",
        Phase::Assessed => "assessed: route, reach and bounds stand",
        Phase::Restoring => "restoring by priority",
        Phase::Recovered => "recovered",
        Phase::Closed => "closed",
    }
    .into()
}

/// Removes a folder of a drill that nobody keeps. Processes that the kernel is just ending may still write into it: tried again
/// until it is gone, for a bounded time.
#[expect(
    clippy::disallowed_methods,
    reason = "polls until the folder is gone; there is nothing to be woken by"
)]
pub fn clean_up(folder: &Path) {
    for _ in 0..CLEAN_UP_TRIES_MAX {
        // What is left over goes with the next drill.
        let _ = std::fs::remove_dir_all(folder);
        if !folder.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(CLEAN_UP_PAUSE_MS));
    }
}
