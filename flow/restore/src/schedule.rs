use std::collections::BTreeMap;

use leckwehr_estate::Estate;
use leckwehr_incident::Situation;

use crate::plan::{RestoreConfig, Step};

/// Crews that are not there now, with the milliseconds until they are.
pub(crate) type Away = BTreeMap<String, u64>;

/// Returns who is away as far as the facts say.
pub(crate) fn away(situation: &Situation) -> Away {
    let now = situation.as_of;
    let gone = situation
        .absences
        .iter()
        .filter(|(_, since, until)| *since <= now && now < *until);
    let mut away = Away::new();
    for (who, _, until) in gone {
        let left_ms = away.entry(who.clone()).or_default();
        *left_ms = (until.0.abs_diff(now.0) / 1_000_000).max(*left_ms);
    }
    away
}

/// Gives every step its wave and begin: as early as what it waits for and one free person of its crew allow, steps taken
/// in their order (serial list schedule). O(steps · (waited for + people of a crew)).
pub(crate) fn schedule(steps: &mut [Step], estate: &Estate, config: &RestoreConfig, away: &Away) {
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
            .or_insert_with(|| hands(step.crew.as_deref(), estate, config, away));
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
fn hands(crew: Option<&str>, estate: &Estate, config: &RestoreConfig, away: &Away) -> Vec<u64> {
    let back_ms = crew.and_then(|id| away.get(id)).copied().unwrap_or_default();
    let Some(crew) = crew.and_then(|id| estate.crews.get(id)) else {
        return vec![0; config.hands_without_crew.clamp(1, HANDS_MAX) as usize];
    };
    let reach_minutes = u64::from(crew.reach_hours) * 60;
    let left = reach_minutes.saturating_sub(u64::from(config.crews_called_minutes_ago));
    let there_ms = left.saturating_mul(config.minute_ms).max(back_ms);
    vec![there_ms; crew.size.clamp(1, HANDS_MAX) as usize]
}

/// Most people of a crew that are told apart.
const HANDS_MAX: u32 = 1000;
