use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use leckwehr_crypt::{SigningKey, VerifyingKey, client_tls, from_hex, hex, sha256};
use leckwehr_detect::{AddressBook, DetectConfig, Detector, Fusion, Rules};
use leckwehr_guard::{Approval, order_key};
use leckwehr_incident::{Alarm, AlarmLevel, Decision, Fact, Finding, Impact, Phase, Situation, What};
use leckwehr_ledger::Ledger;
use leckwehr_telemetry::{Events, Intake, SensorAccount};
use leckwehr_trace::{LiveHosts, TraceConfig, assess};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::config::{Config, Input, Output, Wires};
use crate::errand::{Warranted, question};
use crate::error::ControlError;
use crate::fit::{fit_fact, plan_facts};
use crate::limits::not_built;

/// Telemetry lines taken in before the detectors look at them.
const BATCH_LINES_MAX: usize = 4_096;

/// Longest wait for records that agents say they have shipped, in milliseconds: one that lies must not stop the takedown.
const SETTLE_MS_MAX: i64 = 2_000;

/// Hosts named in a sentence about reach; more are counted.
const REACH_NAMES_MAX: usize = 8;

/// A live control room.
pub struct Room<W> {
    pub(crate) config: Config,
    pub(crate) wires: W,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) situation: Situation,
    pub(crate) site_key: SigningKey,
    pub(crate) order_key: SigningKey,
    pub(crate) site_seq: u64,
    pub(crate) site_hash: Option<String>,
    ledger: Ledger,
    intake: Intake,
    events: Events,
    findings: Vec<Finding>,
    /// Decisions about alarms that are not yet carried out.
    decisions: Vec<Decision>,
    detector: Detector,
    fusion: Fusion,
    reach: LiveHosts,
    critical: bool,
    finish: bool,
    /// Records that were waited for in vain: sensor and number.
    given_up: BTreeMap<String, u64>,
    /// Bytes that left through each guard beyond its counters per address, as last told.
    untold: BTreeMap<String, u64>,
    inputs: mpsc::Receiver<Input>,
    outputs: mpsc::UnboundedSender<Output>,
}

/// Runs a control room until it is told to finish.
pub async fn run<W: Wires>(
    config: Config,
    wires: W,
    inputs: mpsc::Receiver<Input>,
    outputs: mpsc::UnboundedSender<Output>,
) -> Result<(), ControlError> {
    let mut room = Room::open(config, wires, inputs, outputs)?;
    let services = room.config.estate.services.keys().cloned().collect();
    room.record(
        "estate",
        vec![What::WatchStarted {
            estate: room.config.estate.name.clone(),
            services,
        }],
    )?;
    room.record("control-room", not_built())?;
    while !room.finish {
        room.wait().await?;
        if room.critical && matches!(room.situation.phase, Phase::Watching | Phase::Alarm) && room.contain().await? {
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
        Ok(Self {
            ledger: Ledger::create_without_key(&config.folder.join("ledger"), "leckwehr/control-room", ledger_key)?,
            site_key: SigningKey::from_seed(&config.site_seed).map_err(keys)?,
            order_key: order_key(&config.ledger_seed).map_err(keys)?,
            tls: client_tls(&config.identity).map_err(|error| ControlError::Keys(Box::new(error)))?,
            detector: Detector::new(DetectConfig::new(rules, &config.estate)),
            fusion: Fusion::for_estate(&config.estate),
            reach: LiveHosts::new(AddressBook::new(&config.estate)),
            situation: Situation::default(),
            intake: Intake::new(),
            events: Events::default(),
            findings: Vec::new(),
            decisions: Vec::new(),
            site_seq: 0,
            site_hash: None,
            critical: false,
            finish: false,
            given_up: BTreeMap::new(),
            untold: BTreeMap::new(),
            config,
            wires,
            inputs,
            outputs,
        })
    }

    /// Records facts: durable when this returns.
    pub(crate) fn record(&mut self, by: &str, whats: Vec<What>) -> Result<(), ControlError> {
        let at = self.wires.now();
        let mut entries = Vec::with_capacity(whats.len());
        for what in whats {
            let fact = fit_fact(Fact::new(at, by, what));
            self.situation.apply(&fact)?;
            entries.push(fact.to_bytes());
        }
        self.ledger.append(&entries)?;
        Ok(())
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
            at: self.situation.as_of,
        });
        Ok(())
    }

    /// Tells the people in the room; that nobody listens any more shows at the next input.
    pub(crate) fn say(&self, output: Output) {
        let _ = self.outputs.send(output);
    }

    /// Waits for the next input and takes in everything that waits behind it.
    async fn wait(&mut self) -> Result<(), ControlError> {
        let input = self.inputs.recv().await.ok_or(ControlError::Deserted)?;
        self.take(input);
        self.take_waiting()
    }

    /// Takes in what waits, and lets the detectors look at it.
    pub(crate) fn take_waiting(&mut self) -> Result<(), ControlError> {
        loop {
            let mut lines = 0;
            while lines < BATCH_LINES_MAX {
                let Ok(input) = self.inputs.try_recv() else { break };
                self.take(input);
                lines += 1;
            }
            self.look()?;
            if lines < BATCH_LINES_MAX {
                return Ok(());
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Telemetry { line } => {
                self.intake.push_line("management", line.as_bytes());
            }
            Input::EndLearning => {
                let seen = self.intake.take();
                self.findings.extend(self.detector.push(&seen));
                self.reach.push(&seen);
                self.events.append(&seen);
                self.detector.end_learning();
            }
            Input::Decided { decision } => self.decisions.push(decision),
            Input::Finish => self.finish = true,
            // A word for a plan that is no longer waited for.
            Input::Approved { .. } => {}
        }
    }

    /// Runs the detectors over what came in, and carries out what was decided about alarms.
    fn look(&mut self) -> Result<(), ControlError> {
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

    fn detect(&mut self, batch: &Events) -> Result<(), ControlError> {
        let findings = self.detector.push(batch);
        self.reach.push(batch);
        self.events.append(batch);
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
        if level >= Some(AlarmLevel::Warning) && self.situation.phase == Phase::Watching {
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

    /// Waits until enough different people approved the plan; telemetry is taken in meanwhile.
    pub(crate) async fn approvals(&mut self, plan: &leckwehr_incident::PlanRecord) -> Result<Warranted, ControlError> {
        self.record("control-room", plan_facts(plan))?;
        if self.situation.plans.get(&plan.hash).is_none_or(|view| view.plan != *plan) {
            return Err(ControlError::PlanNotRecorded { hash: plan.hash.clone() });
        }
        self.say(Output::Approve { plan: plan.clone() });
        // People need longer to decide than it takes to tell the public that something is wrong.
        if self.situation.phase == Phase::Declared {
            self.publish().await?;
        }
        let mut approvals = Vec::new();
        let mut names = BTreeSet::new();
        while names.len() < self.config.approvals_min {
            match self.inputs.recv().await.ok_or(ControlError::Deserted)? {
                Input::Approved { hash, approval } if hash == plan.hash && self.is_signed(&approval, &hash) => {
                    if !names.insert(approval.approver.clone()) {
                        continue;
                    }
                    let (approver, signature) = (approval.approver.clone(), approval.signature.clone());
                    let approved = What::PlanApproved {
                        hash,
                        approver: approver.clone(),
                        signature,
                        valid_until: None,
                        on_behalf_of: None,
                    };
                    self.record(&approver, vec![approved])?;
                    approvals.push(approval);
                }
                other => {
                    self.take(other);
                    self.look()?;
                }
            }
        }
        Ok(Warranted {
            plan: plan.clone(),
            approvals,
        })
    }

    /// Returns whether a known approver signed this hash. Guards and agents check again for themselves.
    fn is_signed(&self, approval: &Approval, hash: &str) -> bool {
        let key = self
            .config
            .approvers
            .get(&approval.approver)
            .map(|key| VerifyingKey::from_bytes(*key));
        key.zip(from_hex(&approval.signature))
            .is_some_and(|(key, signature)| key.verify(hash.as_bytes(), &signature).is_ok())
    }

    /// Returns a generation that is newer than any plan's before, of this incident and of earlier ones: the milliseconds since
    /// 1970, because executors remember the newest they saw.
    pub(crate) fn next_generation(&self) -> u64 {
        let newest = self
            .situation
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
            self.take_egress(executor, &reply.results);
            self.record_untold(executor, &reply.results)?;
        }
        self.record_silence(silent)?;
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
        let new = words.filter(|what| !self.situation.unknown.contains(&format!("{room}: {what}")));
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
    fn take_egress(&mut self, guard: &str, results: &serde_json::Value) {
        let Some(egress) = results.get("egress").and_then(serde_json::Value::as_object) else {
            return;
        };
        let at = self.wires.now();
        for (address, counter) in egress {
            let line = serde_json::json!({
                "@timestamp": at.to_string(), "agent": {"id": format!("poll-{guard}")}, "host": {"name": guard},
                "event": {"category": ["network"], "dataset": "guard.egress", "action": "counter"},
                "observer": {"name": guard}, "destination": {"ip": address}, "source": {"bytes": counter.get("bytes")},
            });
            self.intake.push_line("poll", line.to_string().as_bytes());
        }
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
        if self.situation.unknown.iter().any(|u| u.starts_with(&known)) {
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
        self.ledger.export(&export)?;
        let entries = self.ledger.size();
        self.ledger.close()?;
        let situation = hex(&sha256(self.situation.to_json().as_bytes()));
        let _ = self.outputs.send(Output::Closed { entries, situation });
        Ok(())
    }

    /// Returns the ledger's size and the hash line of its checkpoint.
    pub(crate) fn ledger_line(&self) -> (u64, String) {
        let hash = self.ledger.checkpoint().lines().nth(2).unwrap_or_default().to_owned();
        (self.ledger.size(), hash)
    }
}
