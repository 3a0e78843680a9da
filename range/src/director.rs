use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use leckwehr_control::{Input, Output};
use leckwehr_estate::{Estate, SystemKind};
use leckwehr_guard::FirewallState;
use leckwehr_incident::{Phase, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::attacker::Entry;
use crate::benign::PracticeReport;
use crate::cast::{Cast, RightFiles};
use crate::clock::now;
use crate::files::Files;
use crate::miniature::MiniatureError;
use crate::part::{Say, SiteCopy, Tell};
use crate::payday::{Paid, pay_day};
use crate::service::delivered;
use crate::stage::{Stage, StageError};
use crate::topology::{CONTROL_NODE, READER_NODE};
use crate::usage::{Trial, Used, trials};
use crate::world::{Scenario, World};

/// Longest a drill may take beside the time people need to decide, in milliseconds: a chain that hangs is a failed drill.
const DRILL_MS_MAX: u64 = 180_000;
/// Plans that people may have to decide on in one drill.
const PLANS_MAX: u64 = 8;
/// Looks at the deliveries without change after which nothing more is expected.
const DRAIN_QUIET_MIN: usize = 6;
/// Longest wait until everything accepted was delivered, in milliseconds.
const DRAIN_MS_MAX: u64 = 20_000;
/// Pause between two looks at the deliveries, in milliseconds.
const DRAIN_PAUSE_MS: u64 = 50;
/// Tries to remove a folder, and the pause between them in milliseconds.
const CLEAN_UP_TRIES_MAX: usize = 100;
const CLEAN_UP_PAUSE_MS: u64 = 20;

/// The attacker's node.
const ATTACKER_NODE: &str = "attacker";
/// Nodes outside whose people work with the provider's services.
const OUTSIDERS_AT_WORK: [&str; 3] = ["practice-a", "practice-b", "insurer"];

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
    /// How the use of each service went after the recovery, for services that this range can use.
    pub services: BTreeMap<String, Used>,
    /// Message ids in core processing, one per record.
    pub delivered: Vec<String>,
    /// Guards' counters at the end.
    pub guards: BTreeMap<String, FirewallState>,
    /// Files as they must be: system → path → SHA-256 values that count as right.
    pub files: RightFiles,
    /// Files as they are.
    pub found: BTreeMap<String, BTreeMap<String, String>>,
    /// Copies of the status site that a stranger could verify, as he read them last.
    pub copies: Vec<Option<SiteCopy>>,
    /// Nodes that failed.
    pub failures: Vec<String>,
    /// What emergency payment runs did while the services were cut.
    #[serde(default)]
    pub paid: Paid,
}

impl Truth {
    /// Returns the ids of all messages for which a receipt came.
    pub fn accepted(&self) -> impl Iterator<Item = &String> {
        let tried = self.services.values().filter_map(|used| used.message_id.as_ref());
        self.practices.iter().flat_map(|p| &p.accepted).chain(tried)
    }
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
    #[error("the drill did not end within {DRILL_MS_MAX} ms; it stood at: {at}; nodes that failed: {failures:?}")]
    Stuck {
        /// Where it stood.
        at: String,
        /// Nodes that failed, which may be why.
        failures: Vec<String>,
    },
}

/// A drill that was run.
#[derive(Default, Serialize, Deserialize)]
pub struct Played {
    /// The miniature.
    pub estate: Estate,
    /// What really happened.
    pub truth: Truth,
    /// Seconds of each stage that the director sees.
    pub seconds: Seconds,
    /// When each phase was entered first.
    pub phases: BTreeMap<String, Timestamp>,
    /// The line that verifies the control room's ledger, from those who gave the room its key.
    pub ledger_key: String,
    /// SHA-256, hex, of the situation that the control room held when it closed the books.
    pub situation: String,
}

/// Runs a drill on `stage`. Blocks until everything is taken down again.
pub async fn play(
    config: &DrillConfig,
    mut stage: Stage,
    news: mpsc::UnboundedSender<News>,
    go_on: mpsc::Receiver<()>,
) -> Result<Played, DrillError> {
    let began = now();
    let _ = news.send(News::Stage {
        text: "building the network".into(),
    });
    let world = World::new(&config.estate, config.hosts, config.seed, &config.folder)?;
    let mut director = Director::new(config, &world)?;
    let outcome = direct(config, &world, &mut director, &mut stage, &news, go_on).await;
    outcome.map_err(|error| director.explain(error))?;
    let teardown = now();
    stage.strike().await;
    director.read_files(&world)?;
    director.seconds.teardown = now().seconds_since(teardown);
    director.seconds.total = now().seconds_since(began);
    Ok(Played {
        estate: world.estate,
        ledger_key: director.cast.ledger_key()?,
        situation: director.situation.unwrap_or_default(),
        truth: director.truth,
        seconds: director.seconds,
        phases: director.phases,
    })
}

/// Directs a drill from the first node to the last report.
async fn direct(
    config: &DrillConfig,
    world: &World,
    director: &mut Director,
    stage: &mut Stage,
    news: &mpsc::UnboundedSender<News>,
    mut go_on: mpsc::Receiver<()>,
) -> Result<(), DrillError> {
    let began = now();
    let stage_of = |text: &str| drop(news.send(News::Stage { text: text.into() }));
    let roles = director.cast.roles(world)?;
    stage.build(world, roles).await?;
    director.until_up(stage).await?;
    director.seconds.build = now().seconds_since(began);

    stage_of("people at work, detectors learning");
    director.until_round(stage, news, Begin::Work).await?;
    let input = Input::EndLearning;
    stage.tell(CONTROL_NODE, Tell::Control { input });

    stage_of("people at work, detectors watching");
    director.until_round(stage, news, Begin::Nothing).await?;

    stage_of("the attacker is inside");
    director.truth.attack_began = now();
    stage.tell(ATTACKER_NODE, Tell::Begin);
    director.until_recovered(stage, news).await?;

    stage_of("people use the services again");
    director.until_used(stage, trials(world, &director.cast)).await?;

    stage_of("counting");
    director.collect(stage).await?;
    if config.pause {
        let text = format!("everything is still running; files are in {}", config.folder.display());
        let _ = news.send(News::Paused { text });
        go_on.recv().await;
    }
    Ok(())
}

/// Whether people begin their work with a round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Work,
    Nothing,
}

struct Director {
    cast: Cast,
    truth: Truth,
    seconds: Seconds,
    phases: BTreeMap<String, Timestamp>,
    decide_ms: u64,
    seed: u64,
    /// Folder of the emergency payment run.
    payments: PathBuf,
    /// What the control room said when it closed the books.
    situation: Option<String>,
    /// Times that the reader was asked and has not answered yet.
    reads_open: usize,
    rested: BTreeSet<String>,
    deadline: Timestamp,
}

impl Director {
    fn new(config: &DrillConfig, world: &World) -> Result<Self, DrillError> {
        let cast = Cast::new(config, world)?;
        let truth = Truth {
            systems: world.hosts.iter().map(|h| (h.address, h.system.clone())).collect(),
            files: cast.lay_files(world)?,
            ..Truth::default()
        };
        Ok(Self {
            cast,
            truth,
            seconds: Seconds::default(),
            phases: BTreeMap::new(),
            decide_ms: config.decide_ms,
            seed: config.seed,
            payments: config.folder.join("payments"),
            situation: None,
            reads_open: 0,
            rested: BTreeSet::new(),
            deadline: now().plus_ms((DRILL_MS_MAX + PLANS_MAX * config.decide_ms) as i64),
        })
    }

    /// Adds to an error what is known about its cause.
    fn explain(&self, error: DrillError) -> DrillError {
        match error {
            DrillError::Stuck { at, .. } => DrillError::Stuck {
                at,
                failures: self.truth.failures.clone(),
            },
            other => other,
        }
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

    /// Until everybody at work has done one more round of it. `begin` also lets them begin.
    async fn until_round(
        &mut self,
        stage: &mut Stage,
        news: &mpsc::UnboundedSender<News>,
        begin: Begin,
    ) -> Result<(), DrillError> {
        let mut waiting: BTreeSet<String> = self.cast.users.keys().cloned().collect();
        waiting.insert(self.cast.administrator.clone());
        waiting.extend(OUTSIDERS_AT_WORK.map(str::to_owned));
        stage.tell_all(&Tell::Round, |name| waiting.contains(name));
        if begin == Begin::Work {
            stage.tell_all(&Tell::Begin, |name| name != ATTACKER_NODE);
        }
        while !waiting.is_empty() {
            let at = || format!("waiting for a round of work of {} people", waiting.len());
            let (name, say) = hear(stage, self.deadline, at).await?;
            match &say {
                Say::Round => drop(waiting.remove(&name)),
                Say::Failed { error } => {
                    let (node, error) = (name, error.clone());
                    return Err(DrillError::Node { node, error });
                }
                _ => {}
            }
            self.attend(stage, news, &say);
            self.note(&name, say);
        }
        Ok(())
    }

    async fn until_recovered(&mut self, stage: &mut Stage, news: &mpsc::UnboundedSender<News>) -> Result<(), DrillError> {
        while !self.phases.contains_key(Phase::Recovered.word()) {
            let at = || format!("phases so far: {:?}", self.phases.keys().collect::<Vec<_>>());
            let (name, say) = hear(stage, self.deadline, at).await?;
            if let Say::Failed { error } = &say
                && name == CONTROL_NODE
            {
                let (node, error) = (name, error.clone());
                return Err(DrillError::Node { node, error });
            }
            self.attend(stage, news, &say);
            self.note(&name, say);
        }
        Ok(())
    }

    /// Does what people around the control room do when it says something.
    fn attend(&mut self, stage: &Stage, news: &mpsc::UnboundedSender<News>, say: &Say) {
        let Say::Control { output } = say else { return };
        match output {
            Output::Approve { plan } => {
                let text = format!(
                    "plan {} approved by two people: {}",
                    &plan.hash[..12.min(plan.hash.len())],
                    plan.summary
                );
                let _ = news.send(News::Note { text });
                for input in self.cast.approve(plan) {
                    stage.tell_later(CONTROL_NODE, Tell::Control { input }, self.decide_ms);
                }
            }
            Output::Phase { phase, .. } => {
                let text = phase_text(*phase);
                let _ = news.send(News::Stage { text });
                if *phase == Phase::Contained {
                    self.truth.paid = pay_day(&self.payments, self.seed);
                }
                self.read_site(stage);
            }
            Output::Step { text } | Output::Refused { reason: text } => drop(news.send(News::Note { text: text.clone() })),
            Output::Secret { account, secret } => {
                let tell = Tell::Secret {
                    account: account.clone(),
                    secret: secret.clone(),
                };
                stage.tell(&self.cast.administrator, tell);
            }
            Output::Closed { .. } => {}
        }
    }

    /// Lets people use every service they can, each from its own node.
    async fn until_used(&mut self, stage: &mut Stage, trials: Vec<(String, Trial)>) -> Result<(), DrillError> {
        let mut waiting: BTreeSet<(String, String)> = BTreeSet::new();
        let mut by_node: BTreeMap<String, Vec<Trial>> = BTreeMap::new();
        for (node, trial) in trials {
            waiting.insert((node.clone(), trial.service.clone()));
            by_node.entry(node).or_default().push(trial);
        }
        for (node, trials) in by_node {
            stage.tell(&node, Tell::Try { trials });
        }
        while !waiting.is_empty() {
            let at = || format!("using services, without an answer from: {waiting:?}");
            let (name, say) = hear(stage, self.deadline, at).await?;
            match &say {
                // Who could not use it before somebody else could need not go on trying.
                Say::Used { service, used } => waiting.retain(|(node, s)| s != service || used.error.is_some() && *node != name),
                Say::Failed { error } => {
                    let used = Used {
                        error: Some(format!("{name} failed: {error}")),
                        message_id: None,
                    };
                    for (_, service) in waiting.extract_if(.., |(node, _)| *node == name) {
                        self.note(
                            &name,
                            Say::Used {
                                service,
                                used: used.clone(),
                            },
                        );
                    }
                }
                _ => {}
            }
            self.note(&name, say);
        }
        Ok(())
    }

    /// Ends the work, waits until everything accepted has arrived, and asks every node what it knows.
    async fn collect(&mut self, stage: &mut Stage) -> Result<(), DrillError> {
        stage.tell_all(&Tell::Stop, |_| true);
        while self.truth.practices.len() < 2 || self.truth.diary.is_empty() || self.rested.len() < self.cast.users.len() {
            let (name, say) = hear(stage, self.deadline, || "waiting for people and attacker to stop".into()).await?;
            self.note(&name, say);
        }
        let accepted: BTreeSet<&String> = self.truth.accepted().collect();
        let accepted = accepted.len() as u64;
        let core = stage.names().into_iter().find(|n| self.is_core(n, stage));
        let deadline = now().plus_ms(DRAIN_MS_MAX as i64);
        let mut arrived = 0;
        let mut quiet = 0;
        // Records without a receipt arrive too: the count alone does not say that the ones with a receipt are among them.
        while let (Some(core), true) = (&core, (arrived < accepted || quiet < DRAIN_QUIET_MIN) && now() < deadline) {
            stage.tell(core, Tell::Report);
            let (name, say) = hear(stage, self.deadline, || format!("{arrived} of {accepted} messages delivered")).await?;
            match say {
                Say::Core { records } => {
                    quiet = if records == arrived { quiet + 1 } else { 0 };
                    arrived = records;
                    tokio::time::sleep(Duration::from_millis(DRAIN_PAUSE_MS)).await;
                }
                other => self.note(&name, other),
            }
        }
        stage.tell_all(&Tell::Report, |name| name != READER_NODE);
        stage.tell("control", Tell::Control { input: Input::Finish });
        let guards = stage.guards().len();
        let mut read = false;
        while self.situation.is_none() || self.truth.guards.len() < guards || self.reads_open > 0 {
            let (name, say) = hear(stage, self.deadline, || "waiting for the last reports".into()).await?;
            if let (Say::Failed { error }, "control") = (&say, name.as_str()) {
                return Err(DrillError::Node {
                    node: name,
                    error: error.clone(),
                });
            }
            self.note(&name, say);
            // Only now nothing is published any more.
            if self.situation.is_some() && !read {
                self.read_site(stage);
                read = true;
            }
        }
        Ok(())
    }

    /// Lets the reader of the status site look at it.
    fn read_site(&mut self, stage: &Stage) {
        stage.tell(READER_NODE, Tell::Report);
        self.reads_open += 1;
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
            Say::Used { service, used } => {
                let known = self.truth.services.entry(service).or_insert_with(|| used.clone());
                if known.error.is_some() {
                    *known = used;
                }
            }
            Say::Rested => drop(self.rested.insert(name.to_owned())),
            Say::Practice { report } => self.truth.practices.push(report),
            Say::Diary { entries } => self.truth.diary = entries,
            Say::Dropped { bytes } => self.truth.dropped_bytes = bytes,
            Say::Guard { state } => drop(self.truth.guards.insert(name.to_owned(), state)),
            Say::Read { copies } => {
                self.reads_open = self.reads_open.saturating_sub(1);
                self.truth.copies = copies;
            }
            Say::Failed { error } => self.truth.failures.push(format!("{name}: {error}")),
            Say::Control {
                output: Output::Phase { phase, at },
            } => {
                self.phases.entry(phase.word().to_owned()).or_insert(at);
            }
            Say::Control {
                output: Output::Closed { situation, .. },
            } => self.situation = Some(situation),
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
            let key = self
                .cast
                .spool_key
                .seed()
                .map_err(|error| DrillError::Keys(error.to_string()))?;
            self.truth.delivered = delivered(&core.folder, &key)?;
        }
        for used in self.truth.services.values_mut() {
            let lost = used.message_id.as_ref().is_some_and(|id| !self.truth.delivered.contains(id));
            if lost {
                used.error = Some("its eAU did not arrive in core processing".into());
            }
        }
        Ok(())
    }
}

/// Waits for the next word of any node.
async fn hear(stage: &mut Stage, deadline: Timestamp, at: impl Fn() -> String) -> Result<(String, Say), DrillError> {
    let left_ms = (deadline.0 - now().0).max(0) as u64 / 1_000_000;
    match timeout(Duration::from_millis(left_ms), stage.hear()).await {
        Ok(Some(heard)) => Ok(heard),
        _ => Err(DrillError::Stuck {
            at: at(),
            failures: Vec::new(),
        }),
    }
}

fn phase_text(phase: Phase) -> String {
    match phase {
        Phase::Watching => "watching",
        Phase::Alarm => "alarm",
        Phase::Declared => "declared: a takedown is on the table",
        Phase::Contained => "contained",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drill_that_is_stuck_names_the_nodes_that_failed() {
        let estate = Estate::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/essen"))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = DrillConfig {
            estate,
            hosts: 24,
            seed: 1,
            scenario: Scenario::Ransom,
            folder: folder.path().to_owned(),
            decide_ms: 0,
            pause: false,
        };
        let world = World::new(&config.estate, config.hosts, config.seed, &config.folder).unwrap();
        let mut director = Director::new(&config, &world).unwrap();
        director.deadline = now();
        let error = "it fell over".into();
        director.note("files-1", Say::Failed { error });
        let (news, _) = mpsc::unbounded_channel();
        let stuck = director.until_recovered(&mut Stage::simulated(), &news).await.unwrap_err();
        let text = director.explain(stuck).to_string();
        assert!(
            text.contains("phases so far") && text.contains("files-1: it fell over"),
            "{text}"
        );
    }
}
