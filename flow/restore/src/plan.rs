use leckwehr_crypt::{hex, sha256};
use leckwehr_estate::Estate;
use leckwehr_incident::{PlanKind, PlanRecord, PlanStep, PlanView, Situation, Timestamp};
use serde::Serialize;

use crate::outage::Spread;
use crate::planner::Written;
use crate::schedule::Away;
use crate::{InsurerForecast, ServiceForecast};

/// What the planner assumes where the estate says nothing. Times are in planned minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreConfig {
    /// Generation of the plan: executors refuse older ones.
    pub generation: u64,
    /// Milliseconds of one planned minute: 60,000, or less in a drill.
    pub minute_ms: u64,
    /// To change one account's secrets.
    pub rotate_minutes: u32,
    /// To sweep one system for what the attacker left.
    pub sweep_minutes: u32,
    /// To restore one system that has no recipe.
    pub restore_minutes: u32,
    /// To probe one system.
    pub probe_minutes: u32,
    /// To reconnect one system or connection.
    pub reconnect_minutes: u32,
    /// People who work on systems that have no crew.
    pub hands_without_crew: u32,
    /// How long ago the crews were called; counts against the time they need to come.
    pub crews_called_minutes_ago: u32,
    /// When the plan begins, by the clock of the crews' shifts, whole minutes; `None`: they work around the clock.
    pub clock: Option<Timestamp>,
    /// How durations turn out where neither a recipe says it nor steps of that kind were done yet.
    pub spread: Spread,
}

impl Default for RestoreConfig {
    fn default() -> Self {
        Self {
            generation: 1,
            minute_ms: 60_000,
            rotate_minutes: 5,
            sweep_minutes: 20,
            restore_minutes: 120,
            probe_minutes: 1,
            reconnect_minutes: 2,
            hands_without_crew: 4,
            crews_called_minutes_ago: 0,
            clock: None,
            spread: Spread::default(),
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Changes the secrets of an account.
    RotateCredentials,
    /// Gate *clean*: looks for and removes what the attacker left.
    Sweep,
    /// Gate *restorable*: puts back files from their newest clean version.
    RestoreFiles,
    /// Shows that the system works.
    Probe,
    /// Puts a system or connection back on the grid.
    Reconnect,
}

impl StepKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::RotateCredentials,
        Self::Sweep,
        Self::RestoreFiles,
        Self::Probe,
        Self::Reconnect,
    ];

    /// Returns the verb as it stands in a [`PlanStep`].
    pub fn word(self) -> &'static str {
        match self {
            Self::RotateCredentials => "rotate-credentials",
            Self::Sweep => "sweep",
            Self::RestoreFiles => "restore-files",
            Self::Probe => "probe",
            Self::Reconnect => "reconnect",
        }
    }
}

/// One step with its place in the schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Position in the plan, from 1. Steps may run in this order one after another.
    pub number: u32,
    /// What it does.
    pub kind: StepKind,
    /// `agent:<system>`, a guard, or `people` where no program can.
    pub executor: String,
    /// System, account or connection.
    pub target: String,
    /// Crew that has the work.
    pub crew: Option<String>,
    /// Why, one sentence.
    pub reason: String,
    /// Milliseconds of work planned; less than what lies between begin and end where the crew goes home in between.
    pub planned_ms: u64,
    /// Numbers of the steps that must be over.
    pub after: Vec<u32>,
    /// 1 for steps that wait for nothing, else one more than the highest wave waited for.
    pub wave: u32,
    /// Planned begin in milliseconds from the start of the plan, crews considered.
    pub start_ms: u64,
    /// Planned end in milliseconds from the start of the plan.
    pub end_ms: u64,
    /// How much later it can end in milliseconds without any service being back later; 0: it is critical.
    pub slack_ms: u64,
}

/// An immutable, hashed restoration plan.
#[derive(Debug, Clone, PartialEq)]
pub struct RestorePlan {
    /// Generation.
    pub generation: u64,
    /// The steps, in an order in which they can be done one after another.
    pub steps: Vec<Step>,
    /// SHA-256 that people approve, hex; the same as in [`Self::to_record`].
    pub hash: String,
    /// When each service that is down now is planned to be back.
    pub service_forecasts: Vec<ServiceForecast>,
    /// When each insurer is planned to have back what it lacks.
    pub insurer_forecasts: Vec<InsurerForecast>,
    /// What is wrong or weak, one sentence each.
    pub warnings: Vec<String>,
    /// What people must decide; no step does it.
    pub open_decisions: Vec<String>,
    record: PlanRecord,
    /// The newest fact that it stands on.
    pub(crate) as_of: Timestamp,
    pub(crate) config: RestoreConfig,
    pub(crate) away: Away,
}

/// Returns the restorations of a situation: plans that bring systems back. One that lets partners return is none.
pub fn restorations(situation: &Situation) -> impl Iterator<Item = &PlanView> {
    let is_ours = |step: &PlanStep| StepKind::ALL.iter().any(|kind| kind.word() == step.action);
    let plans = situation.plans.values();
    plans.filter(move |view| view.plan.kind == PlanKind::Restore && view.plan.steps.iter().all(is_ours))
}

/// Returns the newest restoration.
pub fn newest_restoration(situation: &Situation) -> Option<&PlanView> {
    restorations(situation).max_by_key(|view| (view.plan.generation, view.proposed))
}

/// Everything that the hash covers beyond the record's own fields.
#[derive(Serialize)]
struct Covered<'a> {
    steps: &'a [Step],
    forecasts: &'a [ServiceForecast],
    insurers: &'a [InsurerForecast],
    warnings: &'a [String],
    open_decisions: &'a [String],
}

impl RestorePlan {
    pub(crate) fn seal(
        as_of: Timestamp,
        (config, away): (&RestoreConfig, Away),
        estate: &Estate,
        written: Written,
        (service_forecasts, insurer_forecasts): (Vec<ServiceForecast>, Vec<InsurerForecast>),
    ) -> Self {
        let Written {
            steps,
            warnings,
            open_decisions,
        } = written;
        let generation = config.generation;
        let down = service_forecasts.iter().filter_map(|f| estate.services.get(&f.service));
        let harm_eur_per_hour = down.fold(0_u64, |sum, service| sum.saturating_add(service.harm_eur_per_hour));
        let covered = Covered {
            steps: &steps,
            forecasts: &service_forecasts,
            insurers: &insurer_forecasts,
            warnings: &warnings,
            open_decisions: &open_decisions,
        };
        // Serialising cannot fail: plain structs and strings.
        let digest = hex(&sha256(&serde_json::to_vec(&covered).unwrap_or_default()));
        let planned_ms = steps.iter().map(|step| step.end_ms).max().unwrap_or(0);
        let record = PlanRecord {
            kind: PlanKind::Restore,
            generation,
            hash: String::new(),
            summary: format!(
                "{} steps in {} bring back {} services; {} warnings, {} open decisions; schedule {}",
                steps.len(),
                planned_words(planned_ms),
                service_forecasts.iter().filter(|f| f.full_ms.is_some()).count(),
                warnings.len(),
                open_decisions.len(),
                digest,
            ),
            harm_eur_per_hour,
            steps: steps.iter().map(to_plan_step).collect(),
        }
        .sealed();
        Self {
            generation,
            steps,
            hash: record.hash.clone(),
            service_forecasts,
            insurer_forecasts,
            warnings,
            open_decisions,
            record,
            as_of,
            config: config.clone(),
            away,
        }
    }

    /// Returns the plan as it goes into the ledger. Its summary carries the digest of what a record has no field for.
    pub fn to_record(&self) -> PlanRecord {
        self.record.clone()
    }
}

fn planned_words(ms: u64) -> String {
    match ms / 60_000 {
        0 => format!("{ms} ms"),
        minutes => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

fn to_plan_step(step: &Step) -> PlanStep {
    PlanStep {
        number: step.number,
        executor: step.executor.clone(),
        action: step.kind.word().to_owned(),
        target: step.target.clone(),
        reason: step.reason.clone(),
        planned_ms: step.planned_ms,
        clause: String::new(),
    }
}
