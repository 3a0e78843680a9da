//! Live sources, watched day and night: detectors, fusion, alarms, and everything that matters in a ledger.
//!
//! ```text
//!   files followed ─┐
//!   sockets ────────┴─► sheet ─► Events ─► Detector ─► Fusion ─► facts in the ledger ─► alarms told
//!                                              decisions of people ──┘
//! ```
//!
//! After a restart the fusion and the situation are folded from the ledger, the detectors go on from their snapshot, and files
//! are read on from where they were left. What came between the last save and a kill is looked at again.

mod config;
mod follow;
mod state;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use leckwehr_crypt::SigningKey;
use leckwehr_detect::{DetectConfig, Detector, Fusion, Rules};
use leckwehr_estate::Estate;
use leckwehr_incident::{Alarm, Decision, Fact, Finding, Situation, Timestamp, What};
use leckwehr_ledger::Ledger;
use leckwehr_telemetry::{Accounts, Events, Item, Read, Record, Sheet};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use crate::error::ControlError;
use crate::fit::fit_fact;
use crate::receive::{ReceiveError, Received, ReceivedQueue, Receivers, Streams};

pub use config::{FOLLOW_FILES_MAX, FollowConfig, WatchConfig, WatchConfigError};
use follow::Followed;
use state::State;

/// Events that are taken in before the detectors look at them.
const BATCH_EVENTS_MAX: usize = 2_048;
/// Items read of one file before the next one has its turn.
const TURN_ITEMS_MAX: usize = 4_096;
/// How often files are looked at and silence is listened for, in milliseconds.
const TICK_MS: u64 = 1_000;
/// How often the state is saved, in ticks.
const SAVE_TICKS: u64 = 60;
/// Facts folded at a time when a ledger is continued.
const FOLD_ENTRIES: u64 = 1_024;
/// Entities whose losses are told one by one at the end.
const ACCOUNTS_TOLD_MAX: usize = 1_000;

/// Everything that a watch works with.
pub struct WatchSettings {
    /// What is watched.
    pub config: WatchConfig,
    /// The estate.
    pub estate: Estate,
    /// The rules.
    pub rules: Rules,
    /// Seed of the key of a ledger that is begun.
    pub ledger_seed: [u8; 32],
    /// The clock.
    pub clock: fn() -> Timestamp,
}

/// A decision that waits for its answer: `Ok` once it is in the ledger, else why not.
pub type Asking = (Decision, oneshot::Sender<Result<(), String>>);

/// What there is to tell.
#[derive(Debug)]
pub enum WatchNews<'a> {
    /// A socket is listened on.
    Listening {
        /// Name of the source.
        source: &'a str,
        /// Where.
        address: SocketAddr,
    },
    /// All is ready.
    Ready {
        /// Facts in the ledger that is continued.
        facts: u64,
        /// Until when everything is taken as normal.
        learning_until: Option<Timestamp>,
    },
    /// A rule or detector fired.
    Found(&'a Finding),
    /// An alarm is new, louder, or open again.
    Alarm(&'a Alarm),
    /// A person's decision, or the end of a suppression, is in the ledger.
    Decided {
        /// Who.
        by: &'a str,
        /// The fact.
        what: &'a What,
    },
    /// Something about a source.
    Source(String),
}

/// What a watch did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct WatchReport {
    /// Records taken in.
    pub records: u64,
    /// Records that could not be read.
    pub damaged: u64,
    /// Records that are known to be missing.
    pub missing: u64,
    /// Findings.
    pub findings: u64,
    /// Alarms told, each as often as it was.
    pub alarms: u64,
    /// Facts in the ledger.
    pub facts: u64,
}

/// A watch that cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The ledger or a key cannot be used.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A socket cannot be received.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// The state beside the ledger cannot be used.
    #[error("the state of the watch cannot be used")]
    State(#[source] std::io::Error),
    /// The detectors' snapshot cannot be used.
    #[error("the detectors cannot go on where they were left")]
    Detectors(#[from] leckwehr_detect::SnapshotError),
}

struct Watching<'n> {
    settings: WatchSettings,
    ledger: Ledger,
    situation: Situation,
    fusion: Fusion,
    detector: Detector,
    learning_until: Option<Timestamp>,
    sheet: Sheet,
    events: Events,
    accounts: Accounts,
    streams: Streams,
    files: Vec<Followed>,
    report: WatchReport,
    news: &'n mut dyn FnMut(WatchNews<'_>),
}

/// Watches until `stop` is done; then what waits is taken in, and the ledger is closed.
///
/// # Errors
/// When the ledger, the state or a socket cannot be used. A file that cannot be followed is told and tried again.
pub async fn watch(
    settings: WatchSettings,
    mut decisions: mpsc::Receiver<Asking>,
    stop: impl Future<Output = ()>,
    news: &mut dyn FnMut(WatchNews<'_>),
) -> Result<WatchReport, WatchError> {
    let (receivers, mut queue) = Receivers::listen(&settings.config.source, settings.clock).await?;
    for (source, address) in receivers.addresses() {
        news(WatchNews::Listening { source, address });
    }
    let mut watching = Watching::open(settings, news)?;
    let mut tick = interval(Duration::from_millis(TICK_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut stop, mut ticks) = (pin!(stop), 0_u64);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some((decision, answer)) = decisions.recv() => drop(answer.send(watching.decide(decision)?)),
            Some(received) = queue.next() => watching.take(&received)?,
            _ = tick.tick() => {
                let more = watching.read_files()?;
                watching.look()?;
                if more {
                    tick.reset_immediately();
                    continue;
                }
                watching.tick()?;
                ticks += 1;
                if ticks % SAVE_TICKS == 0 {
                    watching.save()?;
                }
            }
        }
    }
    let (lost, taken) = tokio::join!(receivers.stop(), watching.drain(&mut queue));
    taken?;
    let lost = lost
        .into_iter()
        .map(|(name, account)| (name, account.messages, account.lost()));
    watching.close(lost.collect())
}

impl<'n> Watching<'n> {
    fn open(settings: WatchSettings, news: &'n mut dyn FnMut(WatchNews<'_>)) -> Result<Self, WatchError> {
        let folder = &settings.config.ledger;
        let opened = match folder.join("ledger").is_dir() {
            true => Ledger::open(&folder.join("ledger")),
            false => {
                std::fs::create_dir_all(folder).map_err(WatchError::State)?;
                let key = SigningKey::from_seed(&settings.ledger_seed).map_err(|e| ControlError::Keys(Box::new(e)))?;
                Ledger::create(&folder.join("ledger"), "leckwehr/watch", key)
            }
        };
        let ledger = opened.map_err(ControlError::from)?;
        let state = State::read(folder).map_err(WatchError::State)?;
        let mut detect = DetectConfig::new(settings.rules.clone(), &settings.estate);
        detect.canaries.clone_from(&settings.config.canaries);
        let mut detector = Detector::new(detect);
        let now = (settings.clock)();
        let minutes = i64::from(settings.config.learning_minutes);
        let learning_until = match &state {
            Some(state) => {
                detector.restore(state.detectors.as_bytes())?;
                state.learning_until
            }
            None => (minutes > 0).then(|| now.plus_ms(minutes * 60_000)),
        };
        let left = state.map(|state| state.files).unwrap_or_default();
        let file = |f: &FollowConfig| Followed::new(f, left.get(&f.path.display().to_string()).copied());
        let files = settings.config.follow.iter().map(file).collect();
        let mut watching = Self {
            fusion: Fusion::for_estate(&settings.estate),
            files,
            settings,
            ledger,
            situation: Situation::default(),
            detector,
            learning_until,
            sheet: Sheet::new(),
            events: Events::default(),
            accounts: Accounts::new(),
            streams: Streams::new(),
            report: WatchReport::default(),
            news,
        };
        watching.fold()?;
        watching.begin()?;
        Ok(watching)
    }

    /// Folds what the ledger holds already.
    fn fold(&mut self) -> Result<(), ControlError> {
        let size = self.ledger.size();
        let mut next = 0;
        while next < size {
            let end = size.min(next + FOLD_ENTRIES);
            for bytes in self.ledger.entries(next..end)? {
                let fact = Fact::from_bytes(next, &bytes).map_err(leckwehr_incident::SituationError::from)?;
                self.situation.apply(&fact)?;
                self.fusion.take_fact(&fact);
                next += 1;
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), ControlError> {
        if self.situation.facts == 0 {
            let estate = &self.settings.estate;
            let started = What::WatchStarted {
                estate: estate.name.clone(),
                services: estate.services.keys().cloned().collect(),
            };
            self.record("watch", vec![started])?;
        }
        if self.learning_until.is_none() {
            self.detector.end_learning();
        }
        (self.news)(WatchNews::Ready {
            facts: self.ledger.size(),
            learning_until: self.learning_until,
        });
        Ok(())
    }

    fn now(&self) -> Timestamp {
        (self.settings.clock)()
    }

    /// Writes facts down: durable when this returns.
    fn record(&mut self, by: &str, whats: Vec<What>) -> Result<(), ControlError> {
        let at = self.now();
        let mut entries = Vec::with_capacity(whats.len());
        for what in whats {
            let fact = fit_fact(Fact::new(at, by, what));
            self.situation.apply(&fact)?;
            entries.push(fact.to_bytes());
        }
        self.ledger.append(&entries)?;
        Ok(())
    }

    fn decide(&mut self, decision: Decision) -> Result<Result<(), String>, ControlError> {
        match self.fusion.decide(decision, self.now()) {
            Ok((by, what)) => {
                self.record(&by, vec![what.clone()])?;
                (self.news)(WatchNews::Decided { by: &by, what: &what });
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// Reads what was written to the files; returns whether there is more.
    fn read_files(&mut self) -> Result<bool, ControlError> {
        let mut more = false;
        let mut files = std::mem::take(&mut self.files);
        for file in &mut files {
            let name = file.path.display().to_string();
            let mut items = 0;
            loop {
                let news = &mut self.news;
                match file.next(&mut self.sheet, &mut |text| news(WatchNews::Source(text))) {
                    Item::Record => self.enter(&name),
                    Item::Damaged(damaged) => self.damaged(&name, damaged.reason),
                    Item::Lost(loss) => self.accounts.lose(&loss),
                    Item::Ignored | Item::Rotated | Item::Truncated => {}
                    Item::End => break,
                }
                items += 1;
                if items >= TURN_ITEMS_MAX {
                    more = true;
                    break;
                }
                if self.events.len() >= BATCH_EVENTS_MAX {
                    self.look()?;
                }
            }
        }
        self.files = files;
        Ok(more)
    }

    /// Takes what came over the network.
    fn take(&mut self, received: &Received) -> Result<(), ControlError> {
        let name = Streams::name(received);
        match self.streams.take(received, &mut self.sheet) {
            Ok(Read::Record) => self.enter(&name),
            Ok(Read::Nothing) => {}
            Err(fault) => self.damaged(&name, fault.reason),
        }
        self.take_more(&name);
        if self.events.len() >= BATCH_EVENTS_MAX {
            self.look()?;
        }
        Ok(())
    }

    fn take_more(&mut self, name: &str) {
        loop {
            match self.streams.more(&mut self.sheet) {
                Ok(Read::Record) => self.enter(name),
                Ok(Read::Nothing) => break,
                Err(fault) => self.damaged(name, fault.reason),
            }
        }
        while let Some(loss) = self.streams.loss() {
            self.accounts.lose(&loss);
        }
    }

    /// Takes the record that the sheet holds.
    fn enter(&mut self, source: &str) {
        let record = match self.sheet.record() {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(reason) => return self.damaged(source, reason),
        };
        self.report.records += 1;
        if self.accounts.take(&record, self.sheet.named(), source) {
            let sensor = Accounts::sensor(&record, source);
            let record = Record {
                sensor: &sensor,
                ..record.clone()
            };
            let place = self.sheet.place();
            self.events.push_fields(&record, source, place, self.sheet.named());
        }
    }

    fn damaged(&mut self, source: &str, _reason: &'static str) {
        self.report.damaged += 1;
        self.accounts.damage(source);
    }

    /// Lets detectors and fusion look at what came in.
    fn look(&mut self) -> Result<(), ControlError> {
        let now = self.now();
        if self.learning_until.is_some_and(|until| now >= until) {
            self.detector.end_learning();
            self.learning_until = None;
        }
        let batch = std::mem::take(&mut self.events);
        if batch.is_empty() {
            return Ok(());
        }
        let findings = self.detector.push_arrived(&batch, now);
        self.tell(findings)
    }

    /// Fuses findings, writes everything down, and then tells it.
    fn tell(&mut self, findings: Vec<Finding>) -> Result<(), ControlError> {
        for finding in findings {
            let alarms = self.fusion.push(std::slice::from_ref(&finding));
            let mut whats = vec![What::Found {
                finding: finding.clone(),
            }];
            whats.extend(alarms.iter().map(|alarm| What::Alarmed { alarm: alarm.clone() }));
            self.record("detect", whats)?;
            self.report.findings += 1;
            self.report.alarms += alarms.len() as u64;
            (self.news)(WatchNews::Found(&finding));
            alarms.iter().for_each(|alarm| (self.news)(WatchNews::Alarm(alarm)));
        }
        Ok(())
    }

    /// Listens for silence, and ends suppressions whose time is over.
    fn tick(&mut self) -> Result<(), ControlError> {
        let now = self.now();
        let findings = self.detector.tick(now);
        self.tell(findings)?;
        for what in self.fusion.tick(now) {
            self.record("detect", vec![what.clone()])?;
            (self.news)(WatchNews::Decided {
                by: "detect",
                what: &what,
            });
        }
        Ok(())
    }

    async fn drain(&mut self, queue: &mut ReceivedQueue) -> Result<(), WatchError> {
        while let Some(received) = queue.next().await {
            self.take(&received)?;
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), WatchError> {
        let left = self
            .files
            .iter()
            .filter_map(|f| Some((f.path.display().to_string(), f.left()?)));
        let state = State {
            version: state::VERSION,
            learning_until: self.learning_until,
            files: left.collect::<BTreeMap<_, _>>(),
            detectors: String::from_utf8(self.detector.snapshot()?).unwrap_or_default(),
        };
        state.write(&self.settings.config.ledger).map_err(WatchError::State)
    }

    /// Takes what is left, tells what was lost, saves and closes.
    fn close(mut self, received: Vec<(String, u64, u64)>) -> Result<WatchReport, WatchError> {
        while self.read_files()? {}
        let mut streams = std::mem::take(&mut self.streams);
        streams.finish(&mut |streams| {
            std::mem::swap(&mut self.streams, streams);
            self.take_more("network");
            std::mem::swap(&mut self.streams, streams);
        });
        self.look()?;
        self.save()?;
        let accounts = self.accounts.by_sensor().values().take(ACCOUNTS_TOLD_MAX);
        let mut facts: Vec<What> = accounts.map(|account| account.to_fact()).collect();
        facts.extend(received.into_iter().map(|(source, records, missing)| What::SourceAccount {
            source,
            records,
            missing,
            damaged: 0,
        }));
        let missing = facts.iter().map(|fact| match fact {
            What::SourceAccount { missing, .. } => *missing,
            _ => 0,
        });
        self.report.missing = missing.fold(0, u64::saturating_add);
        self.record("telemetry", facts)?;
        self.report.facts = self.ledger.size();
        self.ledger.close().map_err(ControlError::from)?;
        Ok(self.report)
    }
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {}", chain(cause)))
}
