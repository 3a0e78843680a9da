use std::collections::BTreeSet;

use leckwehr_contain::cut::{CutPolicy, Inseparable};
use leckwehr_contain::{ContainError, CutOption, Scale, options, protocol_plan, separations, takedown_plan};
use leckwehr_incident::{Impact, PlanRecord};

use crate::config::Config;

/// Milliseconds of a minute that is not shortened for a drill.
const MINUTE_MS: u64 = 60_000;

/// Returns the option that the agreed policy names: by its scale, or the cheapest cut. `None`: there is nothing to cut. Where no
/// cut separates, what the attacker has is taken off the grid instead, and the text says why.
pub(crate) fn chosen(config: &Config, impact: &Impact) -> (Option<CutOption>, Option<String>) {
    let of_scale = |scale| {
        let all = options(impact, &config.estate, &config.policy);
        all.into_iter().find(|option| option.scale == scale)
    };
    if config.policy.scale != Scale::Minimum {
        return (of_scale(config.policy.scale), None);
    }
    let mut policy = CutPolicy::default();
    if let Some(protocol) = &config.protocol {
        (policy.hours, policy.life_lines) = (protocol.expected_hours, protocol.life_lines());
    }
    match separations(impact, &config.estate, &policy, 1) {
        Ok(cheapest) => (cheapest.into_iter().next().map(|separation| separation.option), None),
        Err(Inseparable::NoSource) => (None, None),
        Err(error) => (of_scale(Scale::Surgical), Some(error.to_string())),
    }
}

/// Plans an option: under the agreed protocol, if there is one, so that every step cites its clause.
pub(crate) fn planned(
    config: &Config,
    option: &CutOption,
    impact: &Impact,
    generation: u64,
    left_alone: &BTreeSet<String>,
) -> Result<PlanRecord, ContainError> {
    let (estate, policy) = (&config.estate, &config.policy);
    let Some(protocol) = &config.protocol else {
        return takedown_plan(option, impact, estate, policy, generation, left_alone);
    };
    let mut plan = protocol_plan(option, impact, estate, protocol, generation, left_alone)?;
    for step in &mut plan.steps {
        step.planned_ms = step.planned_ms.saturating_mul(config.minute_ms) / MINUTE_MS;
    }
    Ok(plan.sealed())
}
