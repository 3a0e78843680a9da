use std::collections::BTreeSet;

/// Steps of one trail; longer ones between two hosts known to be held say nothing any more.
pub const TRAIL_STEPS_MAX: usize = 16;
/// Trails kept per host and number of bridges.
pub const TRAILS_MAX: usize = 64;
/// Unseen steps in one trail.
pub const BRIDGES_MAX: usize = 4;

/// A step that a record shows, with what it costs to believe that the attacker took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lead {
    /// When, in nanoseconds.
    pub at: i64,
    /// Host that opened it.
    pub from: u32,
    /// Host that was touched.
    pub to: u32,
    /// Negative logarithm of its likelihood, in thousandths of a nat; below 0 where it speaks for the attacker.
    pub cost: i32,
    /// The caller's number of the record.
    pub record: usize,
}

/// What an unseen step costs at one host, in thousandths of a nat; `None` where it would have been seen.
///
/// A step from `u` to `v` without a record needs a blind spot at both ends and costs `out` of `u` plus `into` of `v`. A
/// host whose records are not the ones that would show a step in this direction costs 0, not `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Blind {
    /// Leaving the host unseen.
    pub out: Option<i32>,
    /// Arriving at the host unseen.
    pub into: Option<i32>,
}

/// A host that the attacker can set out from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start {
    /// From when on, in nanoseconds.
    pub at: i64,
    /// Which host.
    pub node: u32,
    /// What it costs to set out from here and not elsewhere, in thousandths of a nat.
    pub cost: i32,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// Steps that records show, in order of time.
    pub leads: &'a [Lead],
    /// Blind spots, by host; its length is the number of hosts.
    pub blind: &'a [Blind],
    /// Where it may begin, apart from the target. A host needs no way to it from when on it is a start: no trail leads on
    /// over it then.
    pub starts: &'a [Start],
    /// Where it must end.
    pub target: u32,
    /// When it must have ended, in nanoseconds.
    pub by: i64,
    /// Unseen steps at most, up to [`BRIDGES_MAX`].
    pub bridges: usize,
    /// Trails wanted, up to [`TRAILS_MAX`].
    pub k: usize,
    /// Trails that cost this much more than one single bridge are not followed, in thousandths of a nat; what still gets
    /// cheaper on the way may be lost with them.
    pub slack: i32,
}

/// One step of a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A record shows it.
    Seen(Lead),
    /// No record shows it: a hypothesis.
    Bridge {
        /// Host it left.
        from: u32,
        /// Host it came to.
        to: u32,
        /// Not before, in nanoseconds: when `from` was reached.
        earliest: i64,
        /// Not after, in nanoseconds: when the next step left `to`, or the search's end.
        latest: i64,
    },
}

impl Step {
    /// Returns the host it came to.
    pub fn to(&self) -> u32 {
        match self {
            Self::Seen(lead) => lead.to,
            Self::Bridge { to, .. } => *to,
        }
    }
}

/// A way from a start to the target whose steps never go back in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// Sum of its costs, in thousandths of a nat.
    pub cost: i32,
    /// Where it begins.
    pub start: Start,
    /// Its steps, in order of time.
    pub steps: Vec<Step>,
}

impl Trail {
    /// Returns how many of its steps no record shows.
    pub fn bridges(&self) -> usize {
        self.steps.iter().filter(|s| matches!(s, Step::Bridge { .. })).count()
    }
}

/// Returns the likeliest trails from the starts to the target, cheapest first, each with other hosts than the rest.
///
/// One pass over the leads in order of time with the k cheapest labels per (host, bridges): a label that stands at a host
/// was reached before now, so that nothing but its cost matters (Wu et al., "Path problems in temporal graphs", VLDB
/// 2014). Leads of one time stamp are taken to a fix-point, in an order of their own, so that the order of records never
/// changes a result. A bridge may lead from anywhere to anywhere that is blind; the cheapest places to leave from are kept
/// aside, so that a bridge costs no pass over all pairs of hosts. Where no lead
/// costs less than 0, the first trail is exactly the cheapest of all within [`TRAIL_STEPS_MAX`]; else it, and the others in
/// any case, are the cheapest found with k labels per host (the cheapest simple path is NP-hard where costs are below 0).
///
/// O(leads × bridges × k) for few leads in one time stamp.
pub fn trails(search: &Search<'_>) -> Vec<Trail> {
    Scan::new(search).run()
}

/// A way up to one host; its steps are found by following the parents.
#[derive(Debug, Clone, Copy)]
struct Label {
    cost: i32,
    node: u32,
    at: i64,
    steps: usize,
    parent: Option<usize>,
    /// `None` for a bridge.
    lead: Option<usize>,
    /// Says which hosts it leads over.
    hosts: u64,
}

struct Scan<'a> {
    search: &'a Search<'a>,
    bridges: usize,
    k: usize,
    limit: i32,
    labels: Vec<Label>,
    /// By number of bridges and host: labels, cheapest first.
    at: Vec<Vec<Vec<usize>>>,
    /// By number of bridges: labels from which leaving unseen is cheapest, with that cost.
    leave: Vec<Vec<(i32, usize)>>,
    /// By host: it is a start by now.
    begun: Vec<bool>,
}

impl<'a> Scan<'a> {
    fn new(search: &'a Search<'a>) -> Self {
        let bridges = search.bridges.min(BRIDGES_MAX);
        let mut scan = Self {
            search,
            bridges,
            k: search.k.clamp(1, TRAILS_MAX),
            limit: i32::MAX,
            labels: Vec::new(),
            at: vec![vec![Vec::new(); search.blind.len()]; bridges + 1],
            leave: vec![Vec::new(); bridges + 1],
            begun: vec![false; search.blind.len()],
        };
        if let (true, Some(into)) = (bridges > 0, scan.blind(search.target).into) {
            let single = |s: &Start| {
                let out = scan
                    .blind(s.node)
                    .out
                    .filter(|_| s.node != search.target && s.at <= search.by)?;
                Some(s.cost.saturating_add(out).saturating_add(into))
            };
            let cheapest = search.starts.iter().filter_map(single).min();
            scan.limit = cheapest.map_or(i32::MAX, |c| c.saturating_add(search.slack));
        }
        scan
    }

    fn blind(&self, node: u32) -> Blind {
        self.search.blind.get(node as usize).copied().unwrap_or_default()
    }

    fn run(mut self) -> Vec<Trail> {
        let mut starts: Vec<Start> = self
            .search
            .starts
            .iter()
            .filter(|s| s.at <= self.search.by)
            .copied()
            .collect();
        starts.sort_unstable();
        let mut starts = starts.into_iter().peekable();
        let mut first = 0;
        for group in self.search.leads.chunk_by(|a, b| a.at == b.at) {
            let at = group[0].at;
            if at > self.search.by {
                break;
            }
            while let Some(start) = starts.next_if(|s| s.at <= at) {
                self.begin(start);
            }
            self.settle(first, group);
            first += group.len();
        }
        starts.for_each(|start| self.begin(start));
        self.arrived()
    }

    fn begin(&mut self, start: Start) {
        if let Some(begun) = self.begun.get_mut(start.node as usize) {
            *begun = true;
        }
        for at in &mut self.at {
            if let Some(kept) = at.get_mut(start.node as usize) {
                kept.retain(|l| self.labels[*l].steps == 0);
            }
        }
        let label = Label {
            cost: start.cost,
            node: start.node,
            at: start.at,
            steps: 0,
            parent: None,
            lead: None,
            hosts: mix(0, start.node),
        };
        self.keep(0, label);
    }

    /// Takes the leads of one time stamp in rounds until nothing gets cheaper.
    fn settle(&mut self, first: usize, group: &[Lead]) {
        let mut order: Vec<usize> = (0..group.len()).collect();
        order.sort_unstable_by_key(|i| group[*i]);
        for _ in 0..TRAIL_STEPS_MAX {
            let mut changed = false;
            for i in &order {
                for bridges in 0..=self.bridges {
                    changed |= self.follow(bridges, first + i, &group[*i]);
                }
            }
            if !changed || group.len() == 1 {
                return;
            }
        }
    }

    fn follow(&mut self, bridges: usize, index: usize, lead: &Lead) -> bool {
        let mut changed = false;
        let count = self.at[bridges].get(lead.from as usize).map_or(0, Vec::len);
        if lead.to as usize >= self.search.blind.len() {
            return false;
        }
        for i in 0..count {
            // A label that this very lead made cheaper may have moved; every one is met in some round.
            if let Some(label) = self.at[bridges][lead.from as usize].get(i).copied() {
                changed |= self.extend(bridges, label, lead.cost, lead.to, lead.at, Some(index));
            }
        }
        if bridges > 0 {
            for (cost, label) in self.landings(bridges, lead.from) {
                let onward = cost.saturating_add(lead.cost);
                if self.is_open(bridges, lead.to, onward) && !self.leads_over(label, lead.to) {
                    let bridge = self.bridge(label, lead.from, cost);
                    changed |= self.extend(bridges, bridge, lead.cost, lead.to, lead.at, Some(index));
                }
            }
        }
        changed
    }

    /// Returns the labels from which the host can be reached unseen, with the cost of having arrived.
    fn landings(&self, bridges: usize, node: u32) -> Vec<(i32, usize)> {
        let begun = self.begun.get(node as usize).copied().unwrap_or(false);
        let Some(into) = self.blind(node).into.filter(|_| !begun) else {
            return Vec::new();
        };
        let from = self.leave[bridges - 1].iter();
        let costs = from.map(|(cost, label)| (cost.saturating_add(into), *label));
        costs
            .filter(|(c, l)| *c <= self.limit && !self.leads_over(*l, node))
            .collect()
    }

    fn bridge(&mut self, from: usize, node: u32, cost: i32) -> usize {
        let label = self.labels[from];
        self.labels.push(Label {
            cost,
            node,
            steps: label.steps + 1,
            parent: Some(from),
            lead: None,
            hosts: mix(label.hosts, node),
            ..label
        });
        self.labels.len() - 1
    }

    fn extend(&mut self, bridges: usize, from: usize, cost: i32, to: u32, at: i64, lead: Option<usize>) -> bool {
        let label = self.labels[from];
        let cost = label.cost.saturating_add(cost);
        let begun = self.begun.get(to as usize).copied().unwrap_or(true);
        if begun || label.steps >= TRAIL_STEPS_MAX || !self.is_open(bridges, to, cost) || self.leads_over(from, to) {
            return false;
        }
        self.keep(
            bridges,
            Label {
                cost,
                node: to,
                at,
                steps: label.steps + 1,
                parent: Some(from),
                lead,
                hosts: mix(label.hosts, to),
            },
        )
    }

    fn is_open(&self, bridges: usize, node: u32, cost: i32) -> bool {
        let kept = &self.at[bridges][node as usize];
        let full = kept.len() >= self.k && kept.last().is_some_and(|l| self.labels[*l].cost <= cost);
        cost <= self.limit && !full
    }

    fn leads_over(&self, label: usize, node: u32) -> bool {
        let mut at = Some(label);
        while let Some(label) = at.map(|l| self.labels[l]) {
            if label.node == node {
                return true;
            }
            at = label.parent;
        }
        false
    }

    /// Keeps a label if it is among the cheapest of its host; of those over the same hosts, the first cheapest.
    fn keep(&mut self, bridges: usize, label: Label) -> bool {
        let Some(kept) = self.at[bridges].get(label.node as usize) else {
            return false;
        };
        let same = kept.iter().position(|l| self.labels[*l].hosts == label.hosts);
        if same.is_some_and(|i| self.labels[kept[i]].cost <= label.cost) {
            return false;
        }
        let place = kept.partition_point(|l| self.labels[*l].cost <= label.cost);
        if label.cost > self.limit || place >= self.k {
            return false;
        }
        let id = self.labels.len();
        self.labels.push(label);
        let k = self.k;
        let kept = &mut self.at[bridges][label.node as usize];
        if let Some(same) = same {
            kept.remove(same);
        }
        kept.insert(place, id);
        kept.truncate(k);
        if let (true, Some(out)) = (bridges < self.bridges, self.blind(label.node).out) {
            self.leave_from(bridges, id, label.cost.saturating_add(out));
        }
        true
    }

    fn leave_from(&mut self, bridges: usize, id: usize, cost: i32) {
        let hosts = self.labels[id].hosts;
        let same = self.leave[bridges].iter().position(|(_, l)| self.labels[*l].hosts == hosts);
        let places = &mut self.leave[bridges];
        if let Some(same) = same {
            if places[same].0 <= cost {
                return;
            }
            places.remove(same);
        }
        let place = places.partition_point(|(c, _)| *c <= cost);
        if place < self.k {
            places.insert(place, (cost, id));
            places.truncate(self.k);
        }
    }

    fn arrived(mut self) -> Vec<Trail> {
        let target = self.search.target;
        let mut ends: Vec<(i32, usize, u64, usize)> = Vec::new();
        for bridges in 0..=self.bridges {
            let seen = self.at[bridges].get(target as usize).cloned().unwrap_or_default();
            let mut found: Vec<usize> = seen.into_iter().filter(|l| self.labels[*l].steps > 0).collect();
            if bridges > 0 {
                for (cost, label) in self.landings(bridges, target) {
                    found.push(self.bridge(label, target, cost));
                }
            }
            ends.extend(
                found
                    .into_iter()
                    .map(|l| (self.labels[l].cost, bridges, self.labels[l].hosts, l)),
            );
        }
        ends.sort_unstable();
        let mut known = BTreeSet::new();
        ends.retain(|(_, _, hosts, _)| known.insert(*hosts));
        ends.truncate(self.k);
        ends.into_iter().map(|(.., label)| self.trail(label)).collect()
    }

    fn trail(&self, end: usize) -> Trail {
        let mut steps = Vec::new();
        let (mut label, mut latest) = (self.labels[end], self.search.by);
        while let Some(parent) = label.parent.map(|p| self.labels[p]) {
            match label.lead.map(|l| self.search.leads[l]) {
                Some(lead) => {
                    latest = lead.at;
                    steps.push(Step::Seen(lead));
                }
                None => steps.push(Step::Bridge {
                    from: parent.node,
                    to: label.node,
                    earliest: label.at,
                    latest,
                }),
            }
            label = parent;
        }
        steps.reverse();
        Trail {
            cost: self.labels[end].cost,
            start: Start {
                at: label.at,
                node: label.node,
                cost: label.cost,
            },
            steps,
        }
    }
}

/// FNV-1a over the hosts in order.
fn mix(hash: u64, node: u32) -> u64 {
    let mut hash = hash ^ 0xcbf2_9ce4_8422_2325;
    for byte in node.to_le_bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}
