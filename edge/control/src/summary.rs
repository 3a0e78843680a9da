use std::collections::BTreeMap;

use leckwehr_contain::{CutOption, Scale};
use leckwehr_incident::{
    Alarm, Claim, CredentialAssessment, Finding, Hop, Impact, OutsideEndpoint, OutsideRole, PlanRecord, Tier, Timestamp,
};
use leckwehr_publish::Due;
use leckwehr_restore::{RestorePlan, ServiceForecast};
use leckwehr_telemetry::SensorAccount;
use serde::Serialize;

use crate::recording::{FileRead, Recording};
use crate::replay::{Analysis, Plans, ReplaySettings};

/// A replay in a few lines. Times are nanoseconds since 1970 in UTC, as in every file.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Estate name.
    pub estate: String,
    /// `recorded`: nothing here was done to the world.
    pub network: &'static str,
    /// What came in.
    pub input: InputLines,
    /// Alarms in their last state, the loudest first.
    pub alarms: Vec<Alarm>,
    /// Rules and detectors that fired.
    pub rules: Vec<RuleLine>,
    /// The way in, through and out.
    pub route: RouteLines,
    /// Host names by tier.
    pub hosts: BTreeMap<&'static str, Vec<String>>,
    /// Credentials.
    pub credentials: Vec<CredentialAssessment>,
    /// What left.
    pub bytes_out: BytesLine,
    /// What cannot be known, one sentence each.
    pub unknowns: Vec<String>,
    /// What may be said.
    pub claims: Vec<Claim>,
    /// The takedown, dry.
    pub takedown: TakedownLines,
    /// The restoration, as if the takedown had been executed.
    pub restore: RestoreLines,
    /// Legal duties.
    pub duties: DutyLines,
    /// The ledger of this replay.
    pub ledger: LedgerLine,
    /// Folder of everything.
    pub out: String,
    /// Files in it and what they hold.
    pub written: BTreeMap<&'static str, &'static str>,
}

/// What came in.
#[derive(Debug, Clone, Serialize)]
pub struct InputLines {
    /// First and last record.
    pub window: (Timestamp, Timestamp),
    /// Events.
    pub records: u64,
    /// Records kept aside.
    pub damaged: u64,
    /// Records known to be missing.
    pub missing: u64,
    /// Each file.
    pub files: Vec<FileRead>,
    /// Files in folders that do not look like telemetry.
    pub skipped: Vec<String>,
    /// Each sensor.
    pub sources: Vec<SourceLine>,
}

/// One sensor.
#[derive(Debug, Clone, Serialize)]
pub struct SourceLine {
    /// Id.
    pub sensor: String,
    /// Records read.
    pub records: u64,
    /// Records missing by its own numbers.
    pub missing: u64,
    /// Records damaged.
    pub damaged: u64,
    /// Share of packets that the capture reports as lost.
    pub capture_loss: f64,
    /// Whether it numbers its records: otherwise a loss would not show.
    pub numbered: bool,
    /// Evidence classes.
    pub classes: Vec<&'static str>,
    /// First and last record.
    pub seen: Option<(Timestamp, Timestamp)>,
}

/// A rule or detector that fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleLine {
    /// Title.
    pub title: String,
    /// Author.
    pub author: String,
    /// Id.
    pub rule: String,
    /// ATT&CK techniques.
    pub techniques: Vec<String>,
    /// Findings.
    pub findings: u64,
}

/// In, through and out.
#[derive(Debug, Clone, Serialize)]
pub struct RouteLines {
    /// Addresses outside whose role is known, and how many more compromised hosts spoke to.
    pub outside: Vec<OutsideEndpoint>,
    /// Further addresses.
    pub outside_unknown: usize,
    /// Proven and probable steps in order of time.
    pub hops: Vec<Hop>,
    /// Further steps that are only possible.
    pub hops_possible: usize,
}

/// What left.
#[derive(Debug, Clone, Serialize)]
pub struct BytesLine {
    /// No more than this left through observed exits; `None` if no exit was observed.
    pub bound: Option<u64>,
    /// Exits that nothing observed.
    pub exits_unobserved: Vec<String>,
}

/// The takedown, dry.
#[derive(Debug, Clone, Serialize)]
pub struct TakedownLines {
    /// The scale that was planned.
    pub scale: Scale,
    /// All options, the smallest first.
    pub options: Vec<CutOption>,
    /// The plan.
    pub plan: Option<PlanRecord>,
    /// Why there is none.
    pub none_because: Option<String>,
}

/// The restoration, dry.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreLines {
    /// The plan.
    pub plan: PlanRecord,
    /// Systems in the order in which they come back.
    pub order: Vec<String>,
    /// When each service is back, in milliseconds from the start.
    pub services: Vec<ServiceForecast>,
    /// What is wrong or weak.
    pub warnings: Vec<String>,
    /// What people must decide.
    pub open_decisions: Vec<String>,
}

/// Legal duties.
#[derive(Debug, Clone, Serialize)]
pub struct DutyLines {
    /// When the provider became aware.
    pub aware: Option<Timestamp>,
    /// Whether that is an assumption from the alarms.
    pub assumed: bool,
    /// The duties, the soonest first.
    pub due: Vec<DutyLine>,
}

/// One duty.
#[derive(Debug, Clone, Serialize)]
pub struct DutyLine {
    /// What, in English.
    pub what: &'static str,
    /// What, in German.
    pub what_de: &'static str,
    /// Legal source and state of its text.
    pub source: String,
    /// Who has it.
    pub bearer: &'static str,
    /// To whom.
    pub recipients: Vec<String>,
    /// Deadline.
    pub due: Option<Timestamp>,
    /// Whether the deadline is a legal limit, or customary for "without undue delay".
    pub legal_limit: bool,
}

/// The ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerLine {
    /// Entries.
    pub entries: u64,
    /// Hash line of its checkpoint.
    pub checkpoint: String,
}

impl Summary {
    pub(crate) fn new(
        settings: &ReplaySettings,
        input: InputLines,
        analysis: &Analysis,
        plans: &Plans,
        ledger: LedgerLine,
    ) -> Self {
        let impact = &analysis.impact;
        Self {
            estate: settings.estate.name.clone(),
            network: "recorded",
            input,
            alarms: last_alarms(&analysis.alarms),
            rules: rule_lines(&analysis.findings),
            route: RouteLines::new(impact),
            hosts: hosts_by_tier(impact),
            credentials: impact.credentials.clone(),
            bytes_out: BytesLine::new(impact),
            unknowns: impact.unknowns.clone(),
            claims: analysis.claims.clone(),
            takedown: TakedownLines {
                scale: settings.policy.scale,
                options: plans.choices.clone(),
                plan: plans.takedown.as_ref().ok().cloned(),
                none_because: plans.takedown.as_ref().err().cloned(),
            },
            restore: RestoreLines::new(&plans.restore, impact),
            duties: DutyLines {
                aware: plans.aware,
                assumed: settings.aware.is_none(),
                due: plans.duties.iter().map(DutyLine::new).collect(),
            },
            ledger,
            out: settings.out.display().to_string(),
            written: written(),
        }
    }
}

impl BytesLine {
    fn new(impact: &Impact) -> Self {
        let exit = |class: &str| matches!(class, "flow" | "egress");
        Self {
            bound: impact.coverage.iter().any(|c| exit(&c.class)).then_some(impact.bytes_out_max),
            exits_unobserved: impact.exits_unobserved.clone(),
        }
    }
}

impl InputLines {
    pub(crate) fn new(recording: &Recording, window: (Timestamp, Timestamp)) -> Self {
        let line = |a: &SensorAccount| SourceLine {
            sensor: a.sensor.clone(),
            records: a.records,
            missing: a.missing,
            damaged: a.damaged,
            capture_loss: a.capture_loss,
            numbered: a.is_numbered(),
            classes: a.classes.iter().copied().collect(),
            seen: a.seen,
        };
        Self {
            window,
            records: recording.events.len() as u64,
            damaged: recording.damaged_total,
            missing: recording.accounts.iter().map(|a| a.missing).sum(),
            files: recording.files.clone(),
            skipped: recording.skipped.clone(),
            sources: recording.accounts.iter().map(line).collect(),
        }
    }
}

impl RouteLines {
    fn new(impact: &Impact) -> Self {
        let known = impact.outside.iter().filter(|o| o.role != OutsideRole::Unknown);
        let outside: Vec<OutsideEndpoint> = known.cloned().collect();
        let certain = impact.hops.iter().filter(|h| h.tier <= Tier::Probable);
        let hops: Vec<Hop> = certain.cloned().collect();
        Self {
            outside_unknown: impact.outside.len() - outside.len(),
            outside,
            hops_possible: impact.hops.len() - hops.len(),
            hops,
        }
    }
}

impl RestoreLines {
    fn new(restore: &RestorePlan, impact: &Impact) -> Self {
        let accounts: Vec<&String> = impact.credentials.iter().map(|c| &c.account).collect();
        let mut ends: BTreeMap<&String, u64> = BTreeMap::new();
        for step in restore.steps.iter().filter(|s| !accounts.contains(&&s.target)) {
            let end = ends.entry(&step.target).or_default();
            *end = step.end_ms.max(*end);
        }
        let mut order: Vec<_> = ends.into_iter().collect();
        order.sort_by_key(|(target, end)| (*end, *target));
        Self {
            plan: restore.to_record(),
            order: order.into_iter().map(|(target, _)| target.clone()).collect(),
            services: restore.service_forecasts.clone(),
            warnings: restore.warnings.clone(),
            open_decisions: restore.open_decisions.clone(),
        }
    }
}

impl DutyLine {
    fn new(due: &Due) -> Self {
        Self {
            what: due.rule.what_en,
            what_de: due.rule.what_de,
            source: format!("{}, text of {}", due.rule.source, due.rule.text_of),
            bearer: due.rule.bearer,
            recipients: due.recipients.clone(),
            due: due.due,
            legal_limit: due.legal_limit,
        }
    }
}

/// Returns every alarm in its last state, the loudest first.
fn last_alarms(alarms: &[Alarm]) -> Vec<Alarm> {
    let last: BTreeMap<&String, &Alarm> = alarms.iter().map(|alarm| (&alarm.id, alarm)).collect();
    let mut last: Vec<Alarm> = last.into_values().cloned().collect();
    last.sort_by(|a, b| (b.level, a.at, &a.id).cmp(&(a.level, b.at, &b.id)));
    last
}

/// Returns what fired, the most frequent first.
fn rule_lines(findings: &[Finding]) -> Vec<RuleLine> {
    let mut lines: BTreeMap<&String, RuleLine> = BTreeMap::new();
    for finding in findings {
        let line = lines.entry(&finding.rule).or_insert_with(|| RuleLine {
            title: finding.title.clone(),
            author: finding.author.clone(),
            rule: finding.rule.clone(),
            techniques: finding.techniques.clone(),
            findings: 0,
        });
        line.findings += 1;
    }
    let mut lines: Vec<RuleLine> = lines.into_values().collect();
    lines.sort_by(|a, b| (b.findings, &a.title).cmp(&(a.findings, &b.title)));
    lines
}

/// Returns the names of hosts by tier.
fn hosts_by_tier(impact: &Impact) -> BTreeMap<&'static str, Vec<String>> {
    let mut hosts: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for host in &impact.hosts {
        let tier = match host.tier {
            Tier::Proven => "proven",
            Tier::Probable => "probable",
            Tier::Possible => "possible",
            Tier::Excluded => "excluded",
            Tier::Unknown => "unknown",
        };
        hosts.entry(tier).or_default().push(host.system.clone());
    }
    hosts
}

/// Names of the files of a replay.
fn written() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("report.html", "the report for those who stay inside"),
        ("ledger/", "every fact; leckwehr ledger verify"),
        ("ledger-export/", "the same as static files (C2SP tlog-tiles)"),
        ("situation.json", "what follows from the facts"),
        ("impact.json", "the whole analysis with its evidence"),
        (
            "takedown-options.json",
            "four ways to cut, with harm and what stays reachable",
        ),
        (
            "takedown-plan.json",
            "the plan as people would approve it; executed by nobody",
        ),
        ("restore-plan.json", "the way back after that takedown, with its schedule"),
        ("site/", "the status site as it would be published; signed"),
        ("site-key.pub", "public key of the site (minisign)"),
        ("damaged.jsonl", "where each record lies that could not be read"),
        ("summary.json", "this summary"),
    ])
}
