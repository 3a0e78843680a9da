//! Options replayed on the recorded events of the APT29 evaluation.

use std::collections::BTreeSet;

use leckwehr_contain::{CutOption, TakedownPolicy, options};
use leckwehr_control::{Replayed, examine, what_if_options};
use leckwehr_incident::{Tier, Timestamp};

use crate::bench::{data, estate};

/// Leaving the cuts out of the plans in `what_if.rs`, or cutting a pair of zones while a connection still joins them, makes
/// this red.
#[test]
fn an_early_cut_spares_what_a_late_one_does_not() {
    let Some(day) = data("trace/apt29-day1.zeek.jsonl") else {
        return;
    };
    let estate = estate();
    let examined = examine(&estate, &[day], &mut |_| {}).unwrap();
    let impact = &examined.impact;
    let all = options(impact, &estate, &TakedownPolicy::default());
    let of = |at: Timestamp, options: &[&CutOption]| what_if_options(&examined.events, impact, &estate, options, at).unwrap();
    let every: Vec<&CutOption> = all.iter().collect();
    let (first, last) = impact.window.unwrap();
    let late = of(last.plus_ms(1_000), &every);
    assert_eq!(late.len(), 4);
    assert!(late.iter().all(|r| r.spared.is_empty()), "nothing is left to spare");
    let early = of(first, &every);
    let held: BTreeSet<String> = impact
        .hosts
        .iter()
        .filter(|h| h.tier <= Tier::Probable)
        .map(|h| h.system.clone())
        .collect();
    let everything = &early[3];
    assert!(everything.reached.is_subset(&held), "{everything:?}");
    assert!(!everything.spared.is_empty());
    let grows = |pair: &[Replayed]| pair[1].reached.is_subset(&pair[0].reached);
    assert!(early.windows(2).all(grows), "{early:?}");
    for (early, late) in early.iter().zip(&late) {
        assert!(early.reached.is_subset(&late.reached));
        assert_eq!(&early.reached | &early.spared, late.reached);
    }
    // One of two connections between the zones is no separation.
    let mut half = all[0].clone();
    (half.systems, half.connections) = (BTreeSet::new(), ["backup-traffic".to_owned()].into());
    let nothing = CutOption {
        connections: BTreeSet::new(),
        ..half.clone()
    };
    let both = of(first, &[&half, &nothing]);
    assert!(both[0].reached.is_subset(&both[1].reached));
}
