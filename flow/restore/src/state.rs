use std::collections::BTreeSet;

use leckwehr_estate::Estate;
use leckwehr_incident::{Gate, GateCheck, PlanStep, PlanView, ServiceLevel, Situation, StepOutcome, What};

use crate::evidence::{GateState, credentials, gate_state};
use crate::plan::StepKind;

/// Returns the facts that follow from those recorded about the systems of a plan and are not recorded yet: checks that other
/// steps prove, and the next level of each system, forward or back. Pure; to be asked again until nothing follows.
///
/// ```text
/// off ─► rebuilding ─► clean room ─► limited ─► provisional ─► full      one level a fact, back in one go
///   begun        files and sweep    gates passed,   all it needs   a person
///                are verified       on the grid     is back        says so
/// ```
pub fn follow(situation: &Situation, estate: &Estate, plan: &str) -> Vec<What> {
    let Some(view) = situation.plans.get(plan) else {
        return Vec::new();
    };
    let lost = lost_now(situation);
    let down = estate.systems_down(&lost);
    let targets: BTreeSet<&String> = view
        .plan
        .steps
        .iter()
        .filter(|s| is_of_system(s))
        .map(|s| &s.target)
        .collect();
    let mut facts = Vec::new();
    for system in targets {
        facts.extend(checks(situation, estate, view, system));
        let needs_missing = estate.systems.get(system).is_some_and(|s| {
            let is_down = |id: &String| down.contains(id) && id != system;
            s.needs.iter().any(|need| need.any_of.iter().all(is_down))
        });
        facts.extend(change(situation, view, system, needs_missing));
    }
    facts
}

/// Returns the systems that nobody can use now: isolated, or on their way back and not yet on the grid.
pub fn lost_now(situation: &Situation) -> BTreeSet<String> {
    below(situation, ServiceLevel::Limited)
}

/// Systems that are isolated, or on their way back and not yet at that level.
pub(crate) fn below(situation: &Situation, least: ServiceLevel) -> BTreeSet<String> {
    let on_its_way = |level: Option<ServiceLevel>| level.is_some_and(|l| l < least);
    let hosts = situation.hosts.iter().filter(|(_, h)| h.isolated || on_its_way(h.level));
    hosts.map(|(id, _)| id.clone()).collect()
}

fn is_of_system(step: &PlanStep) -> bool {
    let kinds = [StepKind::Sweep, StepKind::RestoreFiles, StepKind::Probe];
    kinds.iter().any(|kind| kind.word() == step.action)
}

fn checks(situation: &Situation, estate: &Estate, view: &PlanView, system: &str) -> Vec<What> {
    let kept = demanded_kept(view, system).and_then(|()| {
        let (number, outcome) = outcome_of(view, StepKind::Probe, system)?;
        Some(match outcome {
            StepOutcome::Verified { evidence } => (true, format!("step {number}: {evidence}")),
            StepOutcome::NotApplied { reason } | StepOutcome::Doubtful { reason } => (false, format!("step {number}: {reason}")),
        })
    });
    let found = [
        (GateCheck::CredentialsRotated, credentials(view, system, estate)),
        (GateCheck::KeptInPlace, kept),
    ];
    let known = situation.hosts.get(system).map(|host| &host.back.checks);
    let mut facts = Vec::new();
    for (check, found) in found {
        let Some((passed, evidence)) = found else { continue };
        let same = known.and_then(|k| k.get(&check));
        if same.is_none_or(|view| view.passed != passed || view.evidence != evidence) {
            facts.push(What::GateChecked {
                system: system.to_owned(),
                check,
                passed,
                evidence,
            });
        }
    }
    facts
}

/// Nothing if files of the system are restored.
fn demanded_kept(view: &PlanView, system: &str) -> Option<()> {
    let restores = |s: &PlanStep| s.action == StepKind::RestoreFiles.word() && s.target == system;
    (!view.plan.steps.iter().any(restores)).then_some(())
}

fn outcome_of<'v>(view: &'v PlanView, kind: StepKind, system: &str) -> Option<(u32, &'v StepOutcome)> {
    let step = view
        .plan
        .steps
        .iter()
        .find(|s| s.action == kind.word() && s.target == system)?;
    let (_, outcome) = view.steps.get(&step.number)?.ended.as_ref()?;
    Some((step.number, outcome))
}

/// The next level of a system, if it is another than now.
fn change(situation: &Situation, view: &PlanView, system: &str, needs_missing: bool) -> Option<What> {
    let host = situation.hosts.get(system);
    let now = host.and_then(|h| h.level);
    let (level, reason) = due(situation, view, system, needs_missing);
    let now_level = now.unwrap_or(ServiceLevel::Off);
    let next = match level {
        // Forward it goes level by level, so that each is a fact; over the limited one where nothing limits it.
        level if level > now_level => match now_level {
            _ if now.is_none() => ServiceLevel::Off,
            ServiceLevel::Off => ServiceLevel::Rebuilding,
            ServiceLevel::Rebuilding => ServiceLevel::CleanRoom,
            _ => level,
        },
        level => level,
    };
    (now != Some(next)).then(|| What::SystemChanged {
        system: system.to_owned(),
        level: next,
        reason,
    })
}

/// The level that the facts amount to, and why.
fn due(situation: &Situation, view: &PlanView, system: &str, needs_missing: bool) -> (ServiceLevel, String) {
    let steps: Vec<&PlanStep> = view.plan.steps.iter().filter(|s| s.target == system).collect();
    let of = |kind: StepKind| steps.iter().find(|s| s.action == kind.word());
    let stands = |kind: StepKind| of(kind).is_none_or(|s| view.stands(s.number));
    if !steps.iter().any(|s| view.steps.contains_key(&s.number)) {
        return (ServiceLevel::Off, "its restoration has not begun".to_owned());
    }
    if !(stands(StepKind::Sweep) && stands(StepKind::RestoreFiles)) {
        return (ServiceLevel::Rebuilding, "its restoration is under way".to_owned());
    }
    if let Some((number, StepOutcome::NotApplied { reason } | StepOutcome::Doubtful { reason })) =
        outcome_of(view, StepKind::Probe, system)
    {
        let reason = format!("step {number} failed, its test in the clean room: {reason}");
        return (ServiceLevel::Rebuilding, reason);
    }
    let host = situation.hosts.get(system);
    let is_out = host.is_some_and(|h| h.isolated) || !stands(StepKind::Probe) || !stands(StepKind::Reconnect);
    let is_open = |gate| matches!(gate_state(situation, &view.plan, system, gate), GateState::Open { .. });
    let closed: Vec<&str> = Gate::ALL.into_iter().filter(|gate| is_open(*gate)).map(Gate::word).collect();
    let words = closed.join(" and ");
    match (is_out, closed.is_empty()) {
        (_, false) => (ServiceLevel::CleanRoom, format!("in test; not passed yet: {words}")),
        (true, true) => (
            ServiceLevel::CleanRoom,
            "both gates are passed; not on the grid yet".to_owned(),
        ),
        (false, true) if needs_missing => (
            ServiceLevel::Limited,
            "on the grid; not everything that it needs is back".to_owned(),
        ),
        (false, true) => match host.and_then(|h| h.back.observed.as_ref()) {
            Some(word) => (ServiceLevel::Full, format!("{} says: {}", word.person, word.reason)),
            None => (
                ServiceLevel::Provisional,
                "on the grid with everything that it needs, under observation".to_owned(),
            ),
        },
    }
}
