use leckwehr_estate::Estate;
use leckwehr_incident::{Gate, GateCheck, PlanRecord, PlanStep, PlanView, Situation, StepOutcome};

use crate::gate::{is_valid_on, returning};
use crate::plan::StepKind;

/// How far one gate of one system is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateState {
    /// Every piece of evidence is there: each as `check: what was seen`.
    Passed {
        /// The evidence.
        evidence: Vec<String>,
    },
    /// A person decided in its place. It shows wherever the system is shown.
    Overridden {
        /// Who and why.
        by: String,
    },
    /// Evidence is missing, or says no: each as `check: why`.
    Open {
        /// What is missing.
        missing: Vec<String>,
    },
}

/// Returns the checks that a gate of a system demands in a plan: those of a restore where files are restored, else those of a
/// system that stays as it is.
pub fn demanded(plan: &PlanRecord, system: &str, gate: Gate) -> Vec<GateCheck> {
    let restores = |s: &PlanStep| s.action == StepKind::RestoreFiles.word() && s.target == system;
    let is_restored = plan.steps.iter().any(restores);
    let of_restored = [
        GateCheck::BackupVerified,
        GateCheck::SnapshotWitnessed,
        GateCheck::RestoreRehearsed,
        GateCheck::BeforeCompromise,
    ];
    let demanded = |check: &GateCheck| match check {
        GateCheck::KeptInPlace => !is_restored,
        check => is_restored || !of_restored.contains(check),
    };
    let of_gate = GateCheck::ALL.into_iter().filter(|check| check.gate() == gate);
    of_gate.filter(demanded).collect()
}

/// Returns how far a gate of a system is, from facts alone. A gate without evidence is not passed.
pub fn gate_state(situation: &Situation, plan: &PlanRecord, system: &str, gate: Gate) -> GateState {
    let back = situation.hosts.get(system).map(|host| &host.back);
    if let Some(decided) = back.and_then(|b| b.overrides.get(&gate)) {
        let by = format!("{} at {}: {}", decided.person, decided.at, decided.reason);
        return GateState::Overridden { by };
    }
    let (mut evidence, mut missing) = (Vec::new(), Vec::new());
    for check in demanded(plan, system, gate) {
        match back.and_then(|b| b.checks.get(&check)) {
            Some(view) if view.passed => evidence.push(format!("{}: {}", check.word(), view.evidence)),
            Some(view) => missing.push(format!("{}: {}", check.word(), view.evidence)),
            None => missing.push(format!("{}: no evidence", check.word())),
        }
    }
    match missing.is_empty() {
        true => GateState::Passed { evidence },
        false => GateState::Open { missing },
    }
}

/// Returns why a step that puts something back on the grid must not be done, one sentence for each gate that is not passed; empty
/// if it may be.
///
/// The gates of a connection are those of the systems of the plan at its ends that are not isolated on their own.
pub fn gates_closed(view: &PlanView, step: &PlanStep, situation: &Situation, estate: &Estate) -> Vec<String> {
    let mut why = Vec::new();
    for system in returning(&step.target, situation, estate) {
        if system != step.target && !view.plan.steps.iter().any(|s| s.target == system) {
            continue;
        }
        for gate in Gate::ALL {
            if let GateState::Open { missing } = gate_state(situation, &view.plan, &system, gate) {
                why.push(format!(
                    "gate {} of {system} is not passed: {}",
                    gate.word(),
                    missing.join("; ")
                ));
            }
        }
    }
    why
}

/// Returns what the steps of the plan say about the check of stolen accounts on a system: `None` while steps are open.
pub(crate) fn credentials(view: &PlanView, system: &str, estate: &Estate) -> Option<(bool, String)> {
    let on_it = std::collections::BTreeSet::from([system.to_owned()]);
    let rotations = view
        .plan
        .steps
        .iter()
        .filter(|s| s.action == StepKind::RotateCredentials.word() && is_valid_on(&s.target, &on_it, estate));
    let mut changed = Vec::new();
    for step in rotations {
        match &view.steps.get(&step.number)?.ended {
            Some((_, StepOutcome::Verified { .. })) => changed.push(step.target.as_str()),
            Some((_, StepOutcome::NotApplied { reason } | StepOutcome::Doubtful { reason })) => {
                return Some((
                    false,
                    format!("the secret of {} is not known to be changed: {reason}", step.target),
                ));
            }
            None => return None,
        }
    }
    Some(match changed.as_slice() {
        [] => (true, "no account that is valid on it is known to be stolen".to_owned()),
        changed => (true, format!("new secrets: {}", changed.join(", "))),
    })
}
