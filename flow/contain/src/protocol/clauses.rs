use leckwehr_estate::Estate;
use leckwehr_incident::{PlanRecord, PlanStep};

use super::apply::belongs_to;
use super::model::{Measure, Protocol};

/// Returns what is wrong with a plan that somebody hands in, one sentence each: steps that do not cite the clause that is theirs, cuts
/// without the notice that was agreed, returns without both sides' word. A planned minute has `minute_ms` milliseconds.
///
/// Whether a notice may be waived because the attacker came over the connection is for those who approve; it is let pass here.
/// O(steps · (clauses + steps)).
pub fn clause_faults(plan: &PlanRecord, estate: &Estate, protocol: &Protocol, minute_ms: u64) -> Vec<String> {
    plan.steps
        .iter()
        .flat_map(|step| fault(plan, step, estate, protocol, minute_ms))
        .collect()
}

fn fault(plan: &PlanRecord, step: &PlanStep, estate: &Estate, protocol: &Protocol, minute_ms: u64) -> Option<String> {
    let name = format!("step {}, {} {}", step.number, step.action, step.target);
    let Some(measure) = Measure::of_action(&step.action) else {
        return Some(format!("{name}: the protocol knows no such measure"));
    };
    let all = belongs_to(estate, &step.target);
    let own = protocol.clause_for(measure, &step.target, &all);
    let Some((number, clause)) = own.or_else(|| protocol.clause_for(measure.belongs_to(), &step.target, &all)) else {
        return Some(format!("{name}: no clause allows it"));
    };
    if number != step.clause {
        return Some(format!(
            "{name}: it cites clause {:?}, and {number} is the one for it",
            step.clause
        ));
    }
    let before = |measure: Measure| {
        let mut steps = plan.steps.iter();
        steps.find(|s| s.number < step.number && s.target == step.target && s.action == measure.name())
    };
    match measure {
        Measure::CutConnection if clause.notice_minutes > 0 && !clause.notice_waived_if_used => {
            let waits_ms = before(Measure::AwaitNotice).map_or(0, |s| s.planned_ms);
            let is_short = waits_ms < u64::from(clause.notice_minutes).saturating_mul(minute_ms);
            let is_told = before(Measure::Notify).is_some();
            (is_short || !is_told).then(|| format!("{name}: clause {number} wants {} minutes of notice", clause.notice_minutes))
        }
        Measure::Reconnect => {
            let accepted = before(Measure::Accept).is_some_and(|s| s.executor.starts_with("party:"));
            let is_agreed = accepted && before(Measure::Attest).is_some();
            (!is_agreed).then(|| format!("{name}: both sides' word is not asked for before it"))
        }
        _ => None,
    }
}
