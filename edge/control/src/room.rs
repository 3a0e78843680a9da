use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use leckwehr_crypt::{SigningKey, hex, sha256};
use leckwehr_detect::{AddressBook, DetectConfig, Detector, Fusion, Rules};
use leckwehr_incident::{Alarm, AlarmLevel, Decision, Finding, Impact, Phase, Timestamp, What};
use leckwehr_telemetry::{Events, Intake, SensorAccount};
use leckwehr_trace::{LiveHosts, TraceConfig, assess};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::approval::take_word;
use crate::config::{Config, Input, Output, Wires};
use crate::errand::{Courier, question};
use crate::error::ControlError;
use crate::execution::{Journal, NoFaults};
use crate::limits::not_built;
use crate::refusals::refusals;
use crate::spool::{Spool, Spooled};
use crate::statement::take_statement;
use crate::word::take_signed_word;

/// Telemetry lines taken in before the detectors look at them.
const BATCH_LINES_MAX: usize = 4_096;

/// Longest wait for records that agents say they have shipped, in milliseconds: one that lies must not stop the takedown.
const SETTLE_MS_MAX: i64 = 2_000;

/// Name of the ledger.
const ORIGIN: &str = "leckwehr/control-room";
/// File of the telemetry that came in, in the control room's folder.
const SPOOL: &str = "telemetry.jsonl";
/// Where telemetry came from: sent to the room, or asked for at guards.
const MANAGEMENT: &str = "management";
const POLL: &str = "poll";

/// Longest time between two looks at the leases of cuts, in milliseconds.
const RENEW_MS_MAX: i64 = 600_000;

/// Hosts named in a sentence about reach; more are counted.
const REACH_NAMES_MAX: usize = 8;

/// A live control room.
pub struct Room<W> {
    pub(crate) config: Config,
    pub(crate) wires: W,
    pub(crate) courier: Courier<W>,
    pub(crate) journal: Journal,
    pub(crate) site_key: SigningKey,
    pub(crate) site_seq: u64,
    pub(crate) site_hash: Option<String>,
    pub(crate) spool: Spool,
    intake: Intake,
    events: Events,
    findings: Vec<Finding>,
    /// Decisions about alarms that are not yet carried out.
    decisions: Vec<Decision>,
    detector: Detector,
    fusion: Fusion,
    reach: LiveHosts,
    pub(crate) critical: bool,
    pub(crate) finish: bool,
    /// Records that were waited for in vain: sensor and number.
    given_up: BTreeMap<String, u64>,
    /// Bytes that left through each guard beyond its counters per address, as last told.
    untold: BTreeMap<String, u64>,
    /// Number of the last report that each executor gave about refused orders.
    reports_seen: BTreeMap<String, u64>,
    /// When the next lease of a cut is to be renewed.
    pub(crate) renew_at: Option<Timestamp>,
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) outputs: mpsc::UnboundedSender<Output>,
}

/// Runs a control room until it is told to finish.
pub async fn run<W: Wires>(
    config: Config,
    wires: W,
    inputs: mpsc::Receiver<Input>,
    outputs: mpsc::UnboundedSender<Output>,
) -> Result<(), ControlError> {
    let mut room = Room::open(config, wires, inputs, outputs)?;
    if room.journal.situation().estate.is_empty() {
        let services = room.config.estate.services.keys().cloned().collect();
        let estate = room.config.estate.name.clone();
        room.record("estate", vec![What::WatchStarted { estate, services }])?;
        room.record("control-room", not_built())?;
    } else {
        room.resume().await?;
    }
    while !room.finish {
        room.wait().await?;
        if room.critical && matches!(room.journal.situation().phase, Phase::Watching | Phase::Alarm) && room.contain().await? {
            room.restore().await?;
        }
    }
    room.close()
}

impl<W: Wires> Room<W> {
    fn open(
        config: Config,
        wires: W,
        inputs: mpsc::Receiver<Input>,
        outputs: mpsc::UnboundedSender<Output>,
    ) -> Result<Self, ControlError> {
        let keys = |error| ControlError::Keys(Box::new(error));
        let ledger_key = SigningKey::from_seed(&config.ledger_seed).map_err(keys)?;
        let rules = Rules::own().map_err(|error| ControlError::Rules(Box::new(error)))?;
        let folder = config.folder.join("ledger");
        let clock = wires.clone();
        let clock = Arc::new(move || clock.now());
        let mut fusion = Fusion::for_estate(&config.estate);
        let (mut site_seq, mut site_hash) = (0, None);
        let journal = Journal::open_telling(&folder, ORIGIN, ledger_key, clock, Arc::new(NoFaults), &mut |fact| {
            fusion.take_fact(fact);
            if let What::SitePublished { seq, manifest, .. } = &fact.what {
                // The one after it may have reached a mirror before the room was killed.
                (site_seq, site_hash) = (seq + 1, Some(manifest.clone()));
            }
        })?;
        Ok(Self {
            courier: Courier::new(&config, wires.clone(), journal.epoch())?,
            spool: Spool::open(&config.folder.join(SPOOL))?,
            journal,
            site_key: SigningKey::from_seed(&config.site_seed).map_err(keys)?,
            detector: Detector::new(DetectConfig::new(rules, &config.estate)),
            fusion,
            reach: LiveHosts::new(AddressBook::new(&config.estate)),
            intake: Intake::new(),
            events: Events::default(),
            findings: Vec::new(),
            decisions: Vec::new(),
            site_seq,
            site_hash,
            critical: false,
            finish: false,
            given_up: BTreeMap::new(),
            untold: BTreeMap::new(),
            reports_seen: BTreeMap::new(),
            renew_at: None,
            config,
            wires,
            inputs,
            outputs,
        })
    }

    /// Records facts: durable when this returns.
    pub(crate) fn record(&mut self, by: &str, whats: Vec<What>) -> Result<(), ControlError> {
        self.journal.record(by, whats)
    }

    /// Enters a phase and says so.
    pub(crate) fn enter(&mut self, phase: Phase, reason: &str) -> Result<(), ControlError> {
        self.record(
            "control-room",
            vec![What::PhaseEntered {
                phase,
                reason: reason.to_owned(),
            }],
        )?;
        self.say(Output::Phase {
            phase,
            at: self.journal.situation().as_of,
        });
        Ok(())
    }

    /// Tells the people in the room; that nobody listens any more shows at the next input.
    pub(crate) fn say(&self, output: Output) {
        let _ = self.outputs.send(output);
    }

    /// Waits for the next input and takes in everything that waits behind it.
    async fn wait(&mut self) -> Result<(), ControlError> {
        let renew_in_ms = self
            .renew_at
            .map_or(RENEW_MS_MAX, |at| (at.0 - self.wires.now().0) / 1_000_000);
        let patience = Duration::from_millis(renew_in_ms.clamp(1, RENEW_MS_MAX).unsigned_abs());
        match timeout(patience, self.inputs.recv()).await {
            Ok(input) => self.take(input.ok_or(ControlError::Deserted)?)?,
            Err(_) => self.renew_leases().await?,
        }
        self.take_waiting()
    }

    /// Takes in what waits, and lets the detectors look at it.
    pub(crate) fn take_waiting(&mut self) -> Result<(), ControlError> {
        loop {
            let mut lines = 0;
            while lines < BATCH_LINES_MAX {
                let Ok(input) = self.inputs.try_recv() else { break };
                self.take(input)?;
                lines += 1;
            }
            self.look()?;
            if lines < BATCH_LINES_MAX {
                return Ok(());
            }
        }
    }

    pub(crate) fn take(&mut self, input: Input) -> Result<(), ControlError> {
        match input {
            Input::Telemetry { line } => {
                self.spool.push(&Spooled::Line {
                    from: MANAGEMENT.into(),
                    line: line.clone(),
                })?;
                self.intake.push_line(MANAGEMENT, line.as_bytes());
            }
            Input::EndLearning => {
                self.spool.push(&Spooled::EndLearning)?;
                self.end_learning();
            }
            Input::Decided { decision } => self.decisions.push(decision),
            Input::Finish => self.finish = true,
            // A longer word for a plan that is under way; one for a plan that nobody asks about is dropped.
            Input::Approved { hash, approval } => {
                let plan = self.journal.situation().plans.get(&hash).map(|view| view.plan.clone());
                if let Some(plan) = plan {
                    take_word(&self.config, &mut self.journal, &plan, &approval)?;
                }
            }
            Input::Confirmed { word } => {
                let (keys, confirmers) = (self.config.deciders(), &self.config.confirmers);
                if let Some(reason) = take_signed_word(&keys, confirmers, &mut self.journal, &word)? {
                    self.say(Output::Refused { reason });
                }
            }
            Input::Said { statement } => {
                if let Some(reason) = take_statement(&self.config, &mut self.journal, &statement)? {
                    self.say(Output::Refused { reason });
                }
            }
        }
        Ok(())
    }

    /// Runs the detectors over what came in, and carries out what was decided about alarms.
    pub(crate) fn look(&mut self) -> Result<(), ControlError> {
        self.spool.flush()?;
        let batch = self.intake.take();
        if !batch.is_empty() {
            self.detect(&batch)?;
        }
        self.decide()
    }

    /// Carries out decisions about alarms, and ends suppressions whose time is over.
    fn decide(&mut self) -> Result<(), ControlError> {
        let now = self.wires.now();
        let expired = self.fusion.tick(now);
        if !expired.is_empty() {
            self.record("detect", expired)?;
        }
        for decision in std::mem::take(&mut self.decisions) {
            match self.fusion.decide(decision, now) {
                Ok((by, fact)) => self.record(&by, vec![fact])?,
                Err(error) => self.say(Output::Refused {
                    reason: error.to_string(),
                }),
            }
        }
        Ok(())
    }

    pub(crate) fn push_line(&mut self, from: &str, line: &str) {
        self.intake.push_line(from, line.as_bytes());
    }

    /// What came in so far is normal.
    pub(crate) fn end_learning(&mut self) {
        let seen = self.intake.take();
        self.findings.extend(self.detector.push(&seen));
        self.reach.push(&seen);
        self.events.append(&seen);
        self.detector.end_learning();
    }

    /// Looks at records that an earlier start of the room saw: the first `recorded` findings are in the ledger already.
    pub(crate) fn detect_again(&mut self, recorded: &mut u64) -> Result<(), ControlError> {
        let batch = self.intake.take();
        let mut findings = self.detector.push(&batch);
        self.reach.push(&batch);
        self.events.append(&batch);
        let known = findings.len().min(usize::try_from(*recorded).unwrap_or(usize::MAX));
        *recorded -= known as u64;
        self.findings.extend(findings.drain(..known));
        self.raise(findings)
    }

    fn detect(&mut self, batch: &Events) -> Result<(), ControlError> {
        let findings = self.detector.push(batch);
        self.reach.push(batch);
        self.events.append(batch);
        self.raise(findings)
    }

    /// Fuses findings into alarms and records both.
    fn raise(&mut self, findings: Vec<Finding>) -> Result<(), ControlError> {
        let mut alarms = self.fusion.push(&findings);
        for alarm in alarms.iter_mut().filter(|a| a.level >= AlarmLevel::Warning) {
            let reach = self.reach_of(alarm, &findings);
            alarm.reasons.extend(reach);
        }
        let level = alarms.iter().map(|a| a.level).max();
        let found = findings.iter().cloned().map(|finding| What::Found { finding });
        let alarmed = alarms.into_iter().map(|alarm| What::Alarmed { alarm });
        let facts: Vec<What> = found.chain(alarmed).collect();
        self.findings.extend(findings);
        if !facts.is_empty() {
            self.record("detect", facts)?;
        }
        if level >= Some(AlarmLevel::Warning) && self.journal.situation().phase == Phase::Watching {
            self.enter(Phase::Alarm, "an alarm needs a decision")?;
        }
        self.critical |= level == Some(AlarmLevel::Critical);
        Ok(())
    }

    /// Says of an alarm about a host how far the attacker can be from there by now, and where he can have come from: upper
    /// bounds from the records so far, there the moment the alarm fires.
    fn reach_of(&self, alarm: &Alarm, findings: &[Finding]) -> Option<String> {
        let host = alarm.entity.strip_prefix("host:")?;
        let about = self.findings.iter().chain(findings).filter(|f| f.host == host);
        let since = about.map(|f| f.at).min().unwrap_or(alarm.at).min(alarm.at);
        let (reached, origins) = (self.reach.reached(host, since), self.reach.origins(host));
        let named = |names: &[&str]| match names {
            [] => "none".to_owned(),
            names => {
                let more = names.len().saturating_sub(REACH_NAMES_MAX);
                let more = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                names[..names.len().min(REACH_NAMES_MAX)].join(", ") + &more
            }
        };
        let origins: Vec<&str> = origins.into_iter().map(|(name, _)| name).collect();
        Some(format!(
            "reach by the records so far: from here since {since} at most {}; to here from {}",
            named(&reached),
            named(&origins)
        ))
    }

    /// Returns a generation that is newer than any plan's before, of this incident and of earlier ones: the milliseconds since
    /// 1970, because executors remember the newest they saw.
    pub(crate) fn next_generation(&self) -> u64 {
        let newest = self
            .journal
            .situation()
            .plans
            .values()
            .map(|p| p.plan.generation)
            .max()
            .unwrap_or_default();
        (self.wires.now().0.max(0).unsigned_abs() / 1_000_000).max(newest + 1)
    }

    /// Waits until every record that agents have written so far has arrived, and reads the guards' counters.
    pub(crate) async fn settle(&mut self) -> Result<(), ControlError> {
        let executors: Vec<String> = self.config.executors.keys().cloned().collect();
        let questions = executors
            .iter()
            .map(|e| question(e, "features", serde_json::json!([])))
            .collect();
        let answers = self.run_errands(questions, None).await;
        let (mut awaited, mut silent) = (Vec::new(), Vec::new());
        for (executor, answer) in executors.iter().zip(answers) {
            let Ok(reply) = answer else {
                silent.push(executor.clone());
                continue;
            };
            if let Some(sequence) = reply.results.get("sequence").and_then(serde_json::Value::as_u64) {
                awaited.push((format!("sensor-{}", executor.trim_start_matches("agent:")), sequence));
            }
            self.take_egress(executor, &reply.results)?;
            self.record_untold(executor, &reply.results)?;
        }
        self.record_silence(silent)?;
        let refused = refusals(&self.courier, &mut self.reports_seen, self.journal.situation()).await;
        self.record("control-room", refused)?;
        self.take_waiting()?;
        awaited.retain(|(sensor, number)| self.given_up.get(sensor).is_none_or(|lost| lost < number));
        self.await_records(awaited).await
    }

    /// Waits until each sensor's records up to a number are in. Those that do not come in time are given up, once.
    async fn await_records(&mut self, mut awaited: Vec<(String, u64)>) -> Result<(), ControlError> {
        let patience_ms = SETTLE_MS_MAX.min(self.wires.order_ms_max().cast_signed());
        let until = self.wires.now().plus_ms(patience_ms);
        loop {
            awaited.retain(|(sensor, number)| self.last_sequence(sensor) < *number);
            let left_ms = (until.0 - self.wires.now().0) / 1_000_000;
            if awaited.is_empty() || left_ms <= 0 {
                break;
            }
            let waited = timeout(Duration::from_millis(left_ms.unsigned_abs()), self.wait());
            waited.await.unwrap_or(Ok(()))?;
        }
        let words = awaited.iter().map(|(sensor, number)| What::NotKnown {
            room: "telemetry".into(),
            what: format!("records up to {number} of {sensor} did not arrive within {patience_ms} ms"),
        });
        let words = words.collect();
        self.given_up.extend(awaited);
        self.record("telemetry", words)
    }

    /// Says once of each executor that does not answer that its records or counters may be incomplete.
    fn record_silence(&mut self, silent: Vec<String>) -> Result<(), ControlError> {
        let room = "telemetry";
        let words = silent
            .into_iter()
            .map(|executor| format!("{executor} does not answer: whether all of its records arrived is not known"));
        let new = words.filter(|what| !self.journal.situation().unknown.contains(&format!("{room}: {what}")));
        let facts = new.map(|what| What::NotKnown { room: room.into(), what }).collect();
        self.record(room, facts)
    }

    fn last_sequence(&self, sensor: &str) -> u64 {
        self.intake
            .accounts()
            .get(sensor)
            .and_then(SensorAccount::last_sequence)
            .unwrap_or_default()
    }

    /// Writes a guard's egress counters into the telemetry, as its own sensor would.
    fn take_egress(&mut self, guard: &str, results: &serde_json::Value) -> Result<(), ControlError> {
        let Some(egress) = results.get("egress").and_then(serde_json::Value::as_object) else {
            return Ok(());
        };
        let at = self.wires.now();
        for (address, counter) in egress {
            let line = serde_json::json!({
                "@timestamp": at.to_string(), "agent": {"id": format!("poll-{guard}")}, "host": {"name": guard},
                "event": {"category": ["network"], "dataset": "guard.egress", "action": "counter"},
                "observer": {"name": guard}, "destination": {"ip": address}, "source": {"bytes": counter.get("bytes")},
            });
            let line = line.to_string();
            self.spool.push(&Spooled::Line {
                from: POLL.into(),
                line: line.clone(),
            })?;
            self.intake.push_line(POLL, line.as_bytes());
        }
        Ok(())
    }

    /// Notes how much more left through a guard than its counters per address account for, and says it once.
    fn record_untold(&mut self, guard: &str, results: &serde_json::Value) -> Result<(), ControlError> {
        let sum = |field: &str| -> u64 {
            let counters = results.get(field).and_then(serde_json::Value::as_object);
            let bytes = counters
                .into_iter()
                .flat_map(|c| c.values())
                .filter_map(|c| c.get("bytes")?.as_u64());
            bytes.fold(0, u64::saturating_add)
        };
        let untold = sum("outside").saturating_sub(sum("egress"));
        if untold == 0 {
            return Ok(());
        }
        let most = self.untold.entry(guard.to_owned()).or_default();
        *most = untold.max(*most);
        let known = format!("telemetry: {guard} let out");
        if self.journal.situation().unknown.iter().any(|u| u.starts_with(&known)) {
            return Ok(());
        }
        let what = format!(
            "{guard} let out {untold} bytes or more to addresses that are not told apart, which are in no bound of an address"
        );
        self.record(
            "telemetry",
            vec![What::NotKnown {
                room: "telemetry".into(),
                what,
            }],
        )
    }

    /// Computes the impact as it shows now.
    pub(crate) fn impact(&self) -> Impact {
        assess(&self.events, &self.findings, &self.config.estate, &self.trace_config())
    }

    pub(crate) fn trace_config(&self) -> TraceConfig {
        TraceConfig {
            untold_bytes: self.untold.clone(),
            ..TraceConfig::new(self.intake.accounts().values().cloned().collect())
        }
    }

    fn close(mut self) -> Result<(), ControlError> {
        let accounts: Vec<What> = self.intake.accounts().values().map(SensorAccount::to_fact).collect();
        self.record("telemetry", accounts)?;
        let export = self.config.folder.join("ledger-export");
        if export.exists() {
            std::fs::remove_dir_all(&export).map_err(|source| ControlError::Io {
                what: format!("cannot replace {}", export.display()),
                source,
            })?;
        }
        self.journal.ledger().export(&export)?;
        let entries = self.journal.ledger().size();
        let situation = self.journal.close()?;
        let situation = hex(&sha256(situation.to_json().as_bytes()));
        let _ = self.outputs.send(Output::Closed { entries, situation });
        Ok(())
    }

    /// Returns the ledger's size and the hash line of its checkpoint.
    pub(crate) fn ledger_line(&self) -> (u64, String) {
        let ledger = self.journal.ledger();
        let hash = ledger.checkpoint().lines().nth(2).unwrap_or_default().to_owned();
        (ledger.size(), hash)
    }
}
