use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use leckwehr_contain::{CutOption, TakedownPolicy, options, takedown_plan};
use leckwehr_crypt::SigningKey;
use leckwehr_detect::Fusion;
use leckwehr_estate::Estate;
use leckwehr_incident::{Alarm, AlarmLevel, Claim, Fact, Finding, Impact, Phase, PlanRecord, Situation, Timestamp, What};
use leckwehr_publish::{Due, Language, PublishError, duties};
use leckwehr_restore::{RestoreConfig, RestorePlan, plan_restore};
use leckwehr_telemetry::{IntakeError, SensorAccount};
use leckwehr_trace::claims;

use crate::annex::annexes;
use crate::books::Books;
use crate::error::ControlError;
use crate::examine::{detect, no_record, trace};
use crate::fit::plan_facts;
use crate::folder::{Written, cannot_write};
use crate::recording::{REPLAY_EVENTS_MAX, REPLAY_FILES_MAX, Recording};
use crate::summary::{InputLines, LedgerLine, Summary};

/// Says on every plan what it is.
pub(crate) const DRY: &str = "dry: computed from a recording, executed by nobody";

/// What a replay works with.
pub struct ReplaySettings {
    /// The estate.
    pub estate: Estate,
    /// Telemetry files, and folders of them.
    pub telemetry: Vec<PathBuf>,
    /// Folder to write, new or empty.
    pub out: PathBuf,
    /// Key of the ledger; it is used for this replay and not stored.
    pub ledger_key: SigningKey,
    /// Key of the status site; it is used for this replay and not stored.
    pub site_key: SigningKey,
    /// The agreed rules of a takedown.
    pub policy: TakedownPolicy,
    /// When the provider became aware; deadlines run from then. If not given: with the first alarm of the loudest level.
    pub aware: Option<Timestamp>,
    /// Language of the report.
    pub language: Language,
}

/// How far a replay is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayNews {
    /// A file is being read.
    File {
        /// Its number, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// Its path.
        path: String,
    },
    /// Events read so far.
    Events {
        /// In all files.
        total: u64,
    },
    /// A room begins its work.
    Stage {
        /// Which, in words.
        what: &'static str,
    },
}

/// What a replay found and planned.
pub struct ReplayOutcome {
    /// Everything in a few lines.
    pub summary: Summary,
    /// What follows from the facts in the ledger.
    pub situation: Situation,
    /// The whole impact analysis.
    pub impact: Impact,
    /// The takedown as it would be proposed; why there is none otherwise.
    pub takedown: Result<PlanRecord, String>,
    /// The restoration, as if the takedown had been executed.
    pub restore: RestorePlan,
}

/// Why there is no replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Something is there.
    #[error("{} is there already and not empty", .0.display())]
    Occupied(PathBuf),
    /// A file of the result cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A telemetry file cannot be opened.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// Folders without telemetry.
    #[error("no telemetry file was found; {skipped} files have names that are not telemetry's")]
    NoFile {
        /// Files left aside.
        skipped: usize,
    },
    /// Not one readable record.
    #[error("not one record could be read; {damaged} are damaged{}", .places.iter().map(|p| format!("; {p}")).collect::<String>())]
    NoRecord {
        /// Damaged records.
        damaged: u64,
        /// Files with what is wrong at the first places.
        places: Vec<String>,
    },
    /// Over the limit.
    #[error("more than {REPLAY_FILES_MAX} files")]
    TooManyFiles,
    /// Over the limit.
    #[error("more than {REPLAY_EVENTS_MAX} events")]
    TooManyEvents,
    /// The site or the report cannot be built.
    #[error("the site or the report cannot be built")]
    Publish(#[from] PublishError),
    /// Ledger, rules or facts.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl ReplayError {
    /// Returns the code under which `docs/errors.md` explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Occupied(_) => "LW-REPLAY-001",
            Self::Write { .. } => "LW-REPLAY-002",
            Self::NoFile { .. } => "LW-REPLAY-003",
            Self::NoRecord { .. } => "LW-REPLAY-004",
            Self::TooManyFiles | Self::TooManyEvents => "LW-REPLAY-005",
            Self::Control(_) => "LW-REPLAY-006",
            Self::Intake(error) => error.code(),
            Self::Publish(error) => error.code(),
        }
    }
}

/// Runs the chain over recorded telemetry and writes what comes out into a folder. Nothing in the world is changed.
///
/// Deterministic apart from the keys: facts bear the times of the records they follow from, so equal telemetry and estate
/// give an equal situation, byte for byte.
pub fn replay(settings: &ReplaySettings, news: &mut dyn FnMut(ReplayNews)) -> Result<ReplayOutcome, ReplayError> {
    let out = &settings.out;
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(ReplayError::Occupied(out.clone()));
    }
    let recording = Recording::read(&settings.telemetry, news)?;
    let window = recording.events.window().ok_or_else(|| no_record(&recording))?;
    fs::create_dir_all(out).map_err(cannot_write(out))?;
    let mut books = Books::open(settings, window.0)?;
    let analysis = analyse(settings, &recording, window.1, &mut books, news)?;
    news(ReplayNews::Stage { what: "planning" });
    let plans = plan(settings, &analysis, &mut books)?;

    news(ReplayNews::Stage { what: "writing" });
    let (entries, checkpoint, situation) = books.close(out)?;
    let written = Written {
        settings,
        recording: &recording,
        situation: &situation,
        ledger: (entries, checkpoint.clone()),
    };
    written.analysis(&analysis.impact)?;
    written.plans(&plans.choices, &plans.takedown, &plans.restore)?;
    let ledger = LedgerLine { entries, checkpoint };
    let summary = Summary::new(settings, InputLines::new(&recording, window), &analysis, &plans, ledger);
    written.pages(annexes(&summary, &settings.estate, settings.language))?;
    written.json("summary.json", &summary)?;
    Ok(ReplayOutcome {
        summary,
        situation,
        impact: analysis.impact,
        takedown: plans.takedown,
        restore: plans.restore,
    })
}

/// What the recording shows.
pub(crate) struct Analysis {
    pub findings: Vec<Finding>,
    pub alarms: Vec<Alarm>,
    pub impact: Impact,
    pub claims: Vec<Claim>,
}

/// What would be done.
pub(crate) struct Plans {
    pub choices: Vec<CutOption>,
    pub takedown: Result<PlanRecord, String>,
    pub restore: RestorePlan,
    pub aware: Option<Timestamp>,
    pub duties: Vec<Due>,
}

fn analyse(
    settings: &ReplaySettings,
    recording: &Recording,
    end: Timestamp,
    books: &mut Books,
    news: &mut dyn FnMut(ReplayNews),
) -> Result<Analysis, ControlError> {
    news(ReplayNews::Stage { what: "detecting" });
    let (findings, alarms) = alarm(&settings.estate, recording, books)?;
    let accounts = recording.accounts.iter().map(SensorAccount::to_fact);
    books.record_at(end, "telemetry", accounts.collect())?;
    news(ReplayNews::Stage { what: "tracing" });
    let (impact, config) = trace(&settings.estate, recording, &findings);
    let claims = claims(&impact, &settings.estate, &config);
    let assessed = What::Assessed { impact: impact.clone() };
    let claimed = claims.iter().map(|claim| What::Claimed { claim: claim.clone() });
    books.record("trace", std::iter::once(assessed).chain(claimed).collect())?;
    Ok(Analysis {
        findings,
        alarms,
        impact,
        claims,
    })
}

fn plan(settings: &ReplaySettings, analysis: &Analysis, books: &mut Books) -> Result<Plans, ControlError> {
    let (estate, impact) = (&settings.estate, &analysis.impact);
    let choices = options(impact, estate, &settings.policy);
    let takedown = plan_takedown(settings, impact, &choices);
    if let Ok(plan) = &takedown {
        books.record("contain", plan_facts(plan))?;
    }
    let aware = settings.aware.or_else(|| awareness(&analysis.alarms));
    let dry = as_if_executed(&books.situation, impact, takedown.as_ref().ok(), aware)?;
    let config = RestoreConfig {
        generation: books.situation.plans.len() as u64 + 1,
        ..RestoreConfig::default()
    };
    let restore = plan_restore(&dry, estate, &config);
    if !restore.steps.is_empty() {
        books.record("restore", plan_facts(&restore.to_record()))?;
    }
    books.record("control-room", open_decisions(&settings.policy, &choices, &restore))?;
    Ok(Plans {
        duties: duties(&dry, estate, None),
        choices,
        takedown,
        restore,
        aware,
    })
}

/// Detects and records what was found and alarmed.
fn alarm(estate: &Estate, recording: &Recording, books: &mut Books) -> Result<(Vec<Finding>, Vec<Alarm>), ControlError> {
    let findings = detect(estate, recording)?;
    let mut fusion = Fusion::for_estate(estate);
    let mut alarms = Vec::new();
    for finding in &findings {
        let raised = fusion.push(std::slice::from_ref(finding));
        let mut facts = vec![What::Found {
            finding: finding.clone(),
        }];
        facts.extend(raised.iter().map(|alarm| What::Alarmed { alarm: alarm.clone() }));
        books.record_at(finding.at, "detect", facts)?;
        let loud = raised.iter().any(|alarm| alarm.level >= AlarmLevel::Warning);
        if loud && books.situation.phase == Phase::Watching {
            let reason = "an alarm needs a decision".to_owned();
            let phase = Phase::Alarm;
            books.record("control-room", vec![What::PhaseEntered { phase, reason }])?;
        }
        alarms.extend(raised);
    }
    Ok((findings, alarms))
}

fn plan_takedown(settings: &ReplaySettings, impact: &Impact, choices: &[CutOption]) -> Result<PlanRecord, String> {
    let policy = &settings.policy;
    let choice = choices.iter().find(|o| o.scale == policy.scale);
    let choice = choice.ok_or_else(|| "no option of this scale".to_owned())?;
    takedown_plan(choice, impact, &settings.estate, policy, 1, &BTreeSet::new()).map_err(|error| error.to_string())
}

/// The situation as it would be with the takedown executed and proven. It is planned with, and never recorded.
fn as_if_executed(
    situation: &Situation,
    impact: &Impact,
    takedown: Option<&PlanRecord>,
    aware: Option<Timestamp>,
) -> Result<Situation, ControlError> {
    let mut dry = situation.clone();
    let at = situation.as_of;
    let mut whats = vec![What::Assessed { impact: impact.clone() }];
    for step in takedown.into_iter().flat_map(|plan| &plan.steps) {
        let target = step.target.clone();
        whats.push(match step.action.as_str() {
            "isolate-host" => What::HostIsolated {
                system: target,
                isolated: true,
            },
            _ => What::ConnectionCut {
                connection: target,
                cut: true,
            },
        });
    }
    let declared = aware.into_iter().flat_map(|aware| {
        let phases = [Phase::Alarm, Phase::Declared].into_iter();
        phases
            .filter(|phase| *phase > situation.phase)
            .map(move |phase| (aware, phase))
    });
    let enter = |(at, phase)| {
        let reason = DRY.to_owned();
        Fact::new(at, "replay", What::PhaseEntered { phase, reason })
    };
    let facts = whats.into_iter().map(|what| Fact::new(at, "replay", what));
    for fact in declared.map(enter).chain(facts) {
        dry.apply(&fact)?;
    }
    Ok(dry)
}

/// When a control room would have known: with the first alarm of the loudest level that asks for a decision.
fn awareness(alarms: &[Alarm]) -> Option<Timestamp> {
    let loudest = alarms
        .iter()
        .map(|a| a.level)
        .filter(|level| *level >= AlarmLevel::Warning)
        .max()?;
    alarms.iter().filter(|a| a.level == loudest).map(|a| a.at).min()
}

fn open_decisions(policy: &TakedownPolicy, choices: &[CutOption], restore: &RestorePlan) -> Vec<What> {
    let choice = choices.iter().find(|o| o.scale == policy.scale);
    let undecided = choice.into_iter().flat_map(|o| o.undecided.values());
    let undecided = undecided.map(|why| ("contain", why.clone()));
    let by_hand = choice.into_iter().flat_map(|o| &o.by_hand);
    let by_hand = by_hand.map(|id| ("contain", format!("{id} has no guard: cut it by hand")));
    let open = restore.open_decisions.iter().chain(&restore.warnings);
    let open = open.map(|what| ("restore", what.clone()));
    let decision = |(room, what): (&str, String)| What::DecisionOpen {
        room: room.to_owned(),
        what,
    };
    by_hand.chain(undecided).chain(open).map(decision).collect()
}
