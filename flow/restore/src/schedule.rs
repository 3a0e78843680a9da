use std::collections::BTreeMap;

use leckwehr_estate::Estate;

use crate::plan::{RestoreConfig, Step};

/// Gives every step its wave and begin: as early as what it waits for and one free person of its crew allow, steps taken
/// in their order (serial list schedule). O(steps · (waited for + people of a crew)).
pub(crate) fn schedule(steps: &mut [Step], estate: &Estate, config: &RestoreConfig) {
    let mut free: BTreeMap<Option<String>, Vec<u64>> = BTreeMap::new();
    for n in 0..steps.len() {
        let (before, rest) = steps.split_at_mut(n);
        let step = &mut rest[0];
        let waited = step.after.iter().filter_map(|number| before.get(*number as usize - 1));
        let (mut wave, mut earliest) = (0, 0);
        for other in waited {
            wave = wave.max(other.wave);
            earliest = earliest.max(other.end_ms());
        }
        step.wave = wave + 1;
        let hands = free
            .entry(step.crew.clone())
            .or_insert_with(|| hands(step.crew.as_deref(), estate, config));
        // Who is free just in time, so that others stay free for earlier work; else who is free first.
        let waits = |free: &u64| if *free <= earliest { (0, earliest - free) } else { (1, *free) };
        let Some(hand) = hands.iter_mut().min_by_key(|free| waits(free)) else {
            continue;
        };
        step.start_ms = earliest.max(*hand);
        *hand = step.end_ms();
    }
}

/// When each person of a crew can begin.
fn hands(crew: Option<&str>, estate: &Estate, config: &RestoreConfig) -> Vec<u64> {
    let Some(crew) = crew.and_then(|id| estate.crews.get(id)) else {
        return vec![0; config.hands_without_crew.clamp(1, HANDS_MAX) as usize];
    };
    let reach_minutes = u64::from(crew.reach_hours) * 60;
    let left = reach_minutes.saturating_sub(u64::from(config.crews_called_minutes_ago));
    vec![left.saturating_mul(config.minute_ms); crew.size.clamp(1, HANDS_MAX) as usize]
}

/// Most people of a crew that are told apart.
const HANDS_MAX: u32 = 1000;
