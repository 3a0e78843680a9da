use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, SystemKind};
use leckwehr_incident::{Impact, PlanKind, PlanRecord, PlanStep, ServiceLevel, Tier, Timestamp};

use super::model::{Clause, Measure, Protocol};
use crate::approval::Request;
use crate::options::{CutOption, connections_used};
use crate::plan::{CUT_MS, ContainError, dependents_first, reason};

/// Turns an option into a plan under a protocol: every step cites its clause, in the agreed order.
///
/// What the attacker holds or came over is cut at once. Then parties are told and their time is waited for; systems that are
/// whole are drained, databases written out and snapshots taken, dependents first; then they are cut. Evidence of what the
/// attacker held is kept, and only then is anything switched off. A step by people names its crew as `crew:…`.
/// O(steps · clauses), and [`crate::takedown_plan`].
///
/// # Errors
/// [`ContainError`]: a step that no clause covers, a life-line, a cap.
pub fn protocol_plan(
    option: &CutOption,
    impact: &Impact,
    estate: &Estate,
    protocol: &Protocol,
    generation: u64,
    cut_already: &BTreeSet<String>,
) -> Result<PlanRecord, ContainError> {
    let systems: BTreeSet<String> = option.systems.difference(cut_already).cloned().collect();
    let connections: BTreeSet<String> = option.connections.union(&option.by_hand).cloned().collect();
    let connections: BTreeSet<String> = connections
        .difference(cut_already)
        .filter(|id| estate.connections.contains_key(*id))
        .cloned()
        .collect();
    within_caps(protocol, &systems, &connections, option)?;
    let life_lines = protocol.life_lines();
    let harmed = option
        .harm
        .services
        .iter()
        .filter(|(_, level)| **level == ServiceLevel::Off)
        .map(|(id, _)| id);
    if let Some(id) = systems
        .iter()
        .chain(&connections)
        .chain(harmed)
        .find(|id| life_lines.contains(*id))
    {
        return Err(ContainError::LifeLine { id: id.clone() });
    }
    let mut draft = Draft {
        estate,
        impact,
        protocol,
        steps: Vec::new(),
    };
    let ordered = dependents_first(&systems, estate);
    let is_held = |id: &&String| impact.hosts.iter().any(|h| h.system == **id && h.tier <= Tier::Probable);
    let (held, whole): (Vec<&String>, Vec<&String>) = ordered.iter().partition(is_held);
    let used: BTreeSet<String> = connections_used(impact, estate)
        .into_iter()
        .filter(|id| connections.contains(id))
        .collect();
    let told = |id: &String| draft_notice(&draft, id).is_none_or(|clause| clause.notice_waived_if_used && used.contains(id));
    let (at_once, later): (Vec<&String>, Vec<&String>) = connections.iter().partition(|id| used.contains(*id) && told(id));
    for id in at_once {
        draft.cut(id)?;
    }
    for id in &held {
        draft.step(Measure::IsolateHost, id)?;
    }
    let noticed = later.iter().filter(|id| draft_notice(&draft, id).is_some());
    let noticed: Vec<&String> = noticed.copied().collect();
    for measure in [Measure::Notify, Measure::AwaitNotice] {
        for id in &noticed {
            draft.step(measure, id)?;
        }
    }
    for measure in [Measure::Drain, Measure::Flush, Measure::Snapshot] {
        for id in &whole {
            draft.perhaps(measure, id)?;
        }
    }
    for id in later {
        draft.cut(id)?;
    }
    for id in &whole {
        draft.step(Measure::IsolateHost, id)?;
    }
    for measure in [Measure::CaptureMemory, Measure::Snapshot, Measure::CaptureDisk] {
        for id in &held {
            draft.perhaps(measure, id)?;
        }
    }
    for id in &ordered {
        draft.perhaps(Measure::PowerOff, id)?;
    }
    if draft.steps.is_empty() {
        return Err(ContainError::Nothing);
    }
    let summary = format!(
        "Cut {} connections and isolate {} systems under {} {}",
        connections.len(),
        systems.len(),
        protocol.name.en,
        protocol.version
    );
    Ok(PlanRecord {
        kind: PlanKind::Takedown,
        generation,
        hash: String::new(),
        summary,
        harm_eur_per_hour: option.harm.eur_per_hour,
        steps: draft.steps,
    }
    .sealed())
}

/// Returns what people are asked to approve: the size of the plan, and whose counter-signature its clauses want.
pub fn approval_request(
    plan: &PlanRecord,
    option: &CutOption,
    estate: &Estate,
    protocol: &Protocol,
    requester: &str,
    at: Timestamp,
) -> Request {
    let cited = plan.steps.iter().filter_map(|s| protocol.clauses.get(&s.clause));
    let off = option.harm.services.iter().filter(|(_, level)| **level == ServiceLevel::Off);
    Request {
        requester: requester.to_owned(),
        at,
        systems: plan.steps.iter().filter(|s| s.action == Measure::IsolateHost.name()).count(),
        eur_per_hour: plan.harm_eur_per_hour,
        vital: off
            .into_iter()
            .any(|(id, _)| estate.services.get(id).is_some_and(|s| s.vital)),
        counter_signers: cited.flat_map(|c| c.counter_signers.iter().cloned()).collect(),
    }
}

/// Returns the first step that cites no clause of the protocol, or one that does not allow it.
pub fn step_without_clause<'p>(plan: &'p PlanRecord, protocol: &Protocol) -> Option<&'p PlanStep> {
    plan.steps.iter().find(|step| {
        let measure = Measure::of_action(&step.action);
        let clause = protocol.clauses.get(&step.clause);
        !measure.zip(clause).is_some_and(|(measure, clause)| {
            clause.measures.contains(&measure) || clause.measures.contains(&measure.belongs_to())
        })
    })
}

/// Returns the minutes that each crew needs for its steps of a plan: what comes one after the other per person, and the time
/// until the crew is there. Crews that the estate does not know are left out.
pub fn crew_minutes(plan: &PlanRecord, estate: &Estate) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for step in &plan.steps {
        if let Some(crew) = step.executor.strip_prefix("crew:") {
            let waits = step.action == Measure::AwaitNotice.name();
            *sums.entry(crew).or_default() += if waits { 0 } else { step.planned_ms / 60_000 };
        }
    }
    let of_crew = |(id, minutes): (&str, u64)| {
        let crew = estate.crews.get(id)?;
        let shared = minutes.div_ceil(u64::from(crew.size.max(1)));
        Some((id.to_owned(), u64::from(crew.reach_hours) * 60 + shared))
    };
    sums.into_iter().filter_map(of_crew).collect()
}

fn within_caps(
    protocol: &Protocol,
    systems: &BTreeSet<String>,
    connections: &BTreeSet<String>,
    option: &CutOption,
) -> Result<(), ContainError> {
    let caps = protocol.caps;
    if systems.len() > caps.systems_max {
        return Err(ContainError::TooMuch {
            found: systems.len(),
            max: caps.systems_max,
        });
    }
    if connections.len() > caps.connections_max {
        return Err(ContainError::TooManyConnections {
            found: connections.len(),
            max: caps.connections_max,
        });
    }
    if option.harm.eur_per_hour > caps.eur_per_hour_max {
        return Err(ContainError::TooMuchHarm {
            found: option.harm.eur_per_hour,
            max: caps.eur_per_hour_max,
        });
    }
    Ok(())
}

/// The clause that wants notice before a connection is cut.
fn draft_notice<'d>(draft: &Draft<'d>, id: &str) -> Option<&'d Clause> {
    let clause = draft.clause(Measure::CutConnection, id).map(|(_, clause)| clause);
    clause.filter(|c| c.notice_minutes > 0)
}

/// Zone and party of a system; ends of a connection with their zones and parties.
pub(crate) fn belongs_to(estate: &Estate, target: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut open = match estate.connections.get(target) {
        Some(connection) => vec![connection.from.clone(), connection.to.clone()],
        None => vec![target.to_owned()],
    };
    while let Some(id) = open.pop() {
        open.extend(estate.systems.get(&id).map(|s| s.zone.clone()));
        open.extend(estate.zones.get(&id).map(|z| z.party.clone()));
        if id != target {
            all.insert(id);
        }
    }
    all
}

struct Draft<'d> {
    estate: &'d Estate,
    impact: &'d Impact,
    protocol: &'d Protocol,
    steps: Vec<PlanStep>,
}

impl<'d> Draft<'d> {
    fn clause(&self, measure: Measure, target: &str) -> Option<(&'d str, &'d Clause)> {
        self.protocol.clause_for(measure, target, &belongs_to(self.estate, target))
    }

    fn cut(&mut self, connection: &str) -> Result<(), ContainError> {
        self.step(Measure::CutConnection, connection)
    }

    /// A step that some clause may ask for, and none need.
    fn perhaps(&mut self, measure: Measure, target: &str) -> Result<(), ContainError> {
        let kind = self.estate.systems.get(target).map(|s| s.kind);
        let fits = measure != Measure::Flush || kind == Some(SystemKind::Database);
        match fits && self.clause(measure, target).is_some() {
            true => self.step(measure, target),
            false => Ok(()),
        }
    }

    fn step(&mut self, measure: Measure, target: &str) -> Result<(), ContainError> {
        let rests_on = self
            .clause(measure, target)
            .or_else(|| self.clause(measure.belongs_to(), target));
        let Some((number, clause)) = rests_on else {
            return Err(ContainError::NoClause {
                action: measure.name(),
                target: target.to_owned(),
            });
        };
        let switch = self.estate.connections.get(target).and_then(|c| c.switch.as_ref());
        let guard = match measure {
            Measure::CutConnection => switch.and_then(|s| s.guard.as_deref()),
            Measure::IsolateHost => self.estate.guard_of(target),
            _ => None,
        };
        let crew = switch
            .map(|s| s.who.clone())
            .or_else(|| self.estate.systems.get(target)?.crew.clone());
        let executor = guard.map_or_else(|| format!("crew:{}", crew.unwrap_or_else(|| "on-call".into())), str::to_owned);
        let minutes = match measure {
            Measure::AwaitNotice => self.notice_minutes(target),
            _ => clause.minutes,
        };
        self.steps.push(PlanStep {
            number: self.steps.len() as u32 + 1,
            planned_ms: if guard.is_some() {
                CUT_MS
            } else {
                u64::from(minutes) * 60_000
            },
            executor,
            action: measure.name().to_owned(),
            target: target.to_owned(),
            reason: self.why(measure, target),
            clause: number.to_owned(),
        });
        Ok(())
    }

    fn notice_minutes(&self, target: &str) -> u32 {
        self.clause(Measure::CutConnection, target)
            .map_or(0, |(_, c)| c.notice_minutes)
    }

    fn why(&self, measure: Measure, target: &str) -> String {
        match measure {
            Measure::Notify => format!("the other side of {target} is told before it is cut"),
            Measure::AwaitNotice => format!("{target} may be cut {} minutes after notice", self.notice_minutes(target)),
            Measure::Drain => "nothing new is taken, and what runs is finished".into(),
            Measure::Flush => "everything is on disk before the cut".into(),
            Measure::Snapshot | Measure::CaptureMemory | Measure::CaptureDisk => {
                "evidence is kept before anything is switched off".into()
            }
            Measure::PowerOff => "nothing runs on unseen".into(),
            Measure::CutConnection if connections_used(self.impact, self.estate).contains(target) => {
                "the attacker came or commanded over it".into()
            }
            Measure::CutConnection => "it is on the cheapest way to separate the attacker from what is protected".into(),
            Measure::IsolateHost | Measure::Attest | Measure::Accept | Measure::Reconnect => reason(target, self.impact),
        }
    }
}
