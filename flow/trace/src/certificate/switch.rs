use std::collections::BTreeMap;

use leckwehr_incident::{Fact, StepOutcome, Timestamp, What};

use super::basis::SwitchChange;

/// Reads the switching of connections and hosts out of the ledger's facts, with the entries that show it.
///
/// A change carries the entry that says so and, where a step of a plan did it, what that step saw (probes, counters).
/// `facts` are (ledger index, fact) in ledger order. O(facts log steps).
pub fn switch_changes(facts: &[(u64, Fact)]) -> Vec<SwitchChange> {
    let mut targets: BTreeMap<(&str, u32), &str> = BTreeMap::new();
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    let mut changes = Vec::new();
    for (index, fact) in facts {
        match &fact.what {
            What::PlanProposed { plan } => {
                targets.extend(plan.steps.iter().map(|s| ((plan.hash.as_str(), s.number), s.target.as_str())));
            }
            What::PlanContinued { hash, steps } => {
                targets.extend(steps.iter().map(|s| ((hash.as_str(), s.number), s.target.as_str())));
            }
            What::StepEnded { plan, step, outcome } => {
                if let (Some(target), StepOutcome::Verified { evidence }) = (targets.get(&(plan.as_str(), *step)), outcome) {
                    seen.insert(target, format!("ledger entry {index}: step {step} verified: {evidence}"));
                }
            }
            What::ConnectionCut { connection, cut } => changes.push(change(*index, fact.at, connection, *cut, &seen)),
            What::HostIsolated { system, isolated } => changes.push(change(*index, fact.at, system, *isolated, &seen)),
            _ => {}
        }
    }
    changes
}

fn change(index: u64, at: Timestamp, target: &str, cut: bool, seen: &BTreeMap<&str, String>) -> SwitchChange {
    let word = if cut { "cut" } else { "open" };
    let mut evidence = vec![format!("ledger entry {index}: {target} is {word}")];
    evidence.extend(seen.get(target).cloned());
    SwitchChange {
        at,
        target: target.to_owned(),
        cut,
        evidence,
    }
}

/// When one target was cut, as recorded: start and, if it ended, end.
pub(super) type Cuts = Vec<(i64, Option<i64>)>;

/// The state of all switches over time.
#[derive(Debug, Default)]
pub(super) struct Switches<'b> {
    by_target: BTreeMap<&'b str, (Cuts, Vec<String>)>,
    skew_ns: i64,
}

impl<'b> Switches<'b> {
    /// Everything is open until a change says otherwise; equal changes in a row count once.
    pub(super) fn new(changes: &'b [SwitchChange], skew_ns: i64) -> Self {
        let mut sorted: Vec<&SwitchChange> = changes.iter().collect();
        // At one time, the opening counts last: whoever wants to prove a cut gets no benefit of the doubt.
        sorted.sort_by(|a, b| (a.at, !a.cut, &a.evidence).cmp(&(b.at, !b.cut, &b.evidence)));
        let mut by_target: BTreeMap<&str, (Cuts, Vec<String>)> = BTreeMap::new();
        for change in sorted {
            let (cuts, evidence) = by_target.entry(&change.target).or_default();
            match (change.cut, cuts.last_mut()) {
                (true, Some((_, None))) | (false, None | Some((_, Some(_)))) => {}
                (true, _) => cuts.push((change.at.0, None)),
                (false, Some((_, end))) => *end = Some(change.at.0),
            }
            evidence.extend(change.evidence.iter().cloned());
        }
        Self { by_target, skew_ns }
    }

    /// Returns cuts and evidence of one target.
    pub(super) fn of(&self, target: &str) -> (Cuts, Vec<String>) {
        self.by_target.get(target).cloned().unwrap_or_default()
    }

    /// Returns the first moment from `at` on at which all of `gates` may be open, clocks being off as far as allowed.
    pub(super) fn open_from(&self, gates: &[String], at: i64) -> Option<i64> {
        let mut certain: Vec<(i64, Option<i64>)> = gates.iter().flat_map(|g| self.certain(g)).collect();
        certain.sort_unstable();
        let mut at = at;
        for (start, end) in certain {
            if start <= at && end.is_none_or(|end| at < end) {
                at = end?;
            }
        }
        Some(at)
    }

    /// Returns whether `target` was cut for certain from `first` to `last`.
    pub(super) fn is_cut(&self, target: &str, first: i64, last: i64) -> bool {
        self.certain(target)
            .any(|(start, end)| start <= first && end.is_none_or(|end| last < end))
    }

    fn certain(&self, target: &str) -> impl Iterator<Item = (i64, Option<i64>)> {
        let cuts = self.by_target.get(target).map_or(&[][..], |(cuts, _)| cuts);
        cuts.iter().map(|(start, end)| {
            (
                start.saturating_add(self.skew_ns),
                end.map(|e| e.saturating_sub(self.skew_ns)),
            )
        })
    }
}
