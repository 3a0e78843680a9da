use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{Kind, Product, Sym};
use serde::{Deserialize, Serialize};

use crate::coverage::SLOT_MS;
use crate::scene::Scene;

/// Windows shown per destination, the largest first; the rest is below the smallest of them.
pub const WINDOWS_SHOWN_MAX: usize = 12;
const SLOT_NS: i64 = SLOT_MS * 1_000_000;

/// No more than this left in any one five-minute window from `from` to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ByteWindow {
    /// Begin of the first window.
    pub from: Timestamp,
    /// End of the last one; several windows in a row have the same bound where one connection lasted through them.
    pub to: Timestamp,
    /// Bytes in each of these windows. A connection that lasted longer counts whole in every window it touches, because
    /// its record does not say when its bytes left: windows do not add up.
    pub bytes_max: u64,
}

/// What left the provider on one connection: from an inside host to an address outside, whoever opened it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) host: u32,
    pub(crate) to: u32,
    /// `None` where the record gives no bytes.
    pub(crate) out: Option<u64>,
    pub(crate) back: u64,
    /// The inside host opened it.
    pub(crate) opened_inside: bool,
}

/// Returns every connection between inside and outside, in order of time.
pub(crate) fn sent(scene: &Scene<'_>) -> Vec<Sent> {
    let mut all = Vec::new();
    let mut first_seen: BTreeMap<(u32, u32, u16), Timestamp> = BTreeMap::new();
    for row in scene.events.rows_by_time() {
        let Some(event) = scene.events.get(row).filter(|e| e.kind() == Kind::Flow) else {
            continue;
        };
        let from = scene.node_of(event.origin_sym()).or_else(|| scene.node_of(event.host_sym()));
        let (Some(from), Some(to)) = (from, scene.node_of(event.destination_sym())) else {
            continue;
        };
        let opened_inside = scene.place(to).is_outside() && !scene.place(from).is_outside();
        let opened_outside = scene.place(from).is_outside() && scene.is_inside(to);
        if !(opened_inside || opened_outside) {
            continue;
        }
        let (host, peer) = if opened_inside { (from, to) } else { (to, from) };
        let (out, back) = if opened_inside {
            (event.bytes_out(), event.bytes_in())
        } else {
            (event.bytes_in(), event.bytes_out())
        };
        let at = event.time();
        let opened = *first_seen.entry((host, peer, event.port())).or_insert(at);
        let took_ns = event.duration_ns().map(|ns| ns.max(0));
        let (begin, ended) = match (event.product(), took_ns) {
            (Product::Leckwehr, Some(took)) => (Timestamp(at.0.saturating_sub(took)), at),
            // Written at its end and without a duration: it may have begun with the first record of the pair.
            (Product::Leckwehr, None) => (opened, at),
            (_, took) => (at, Timestamp(at.0.saturating_add(took.unwrap_or(0)))),
        };
        all.push(Sent {
            at: begin,
            ended,
            host,
            to: peer,
            out,
            back: back.unwrap_or(0),
            opened_inside,
        });
    }
    all
}

/// A step function over slots: the value from each slot on, in order, until the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Steps(Vec<(i64, u64)>);

impl Steps {
    /// Builds it from amounts that each count whole in every slot from one time to another.
    fn spread(amounts: impl Iterator<Item = (Timestamp, Timestamp, u64)>) -> Self {
        let mut changes: BTreeMap<i64, i128> = BTreeMap::new();
        for (from, to, bytes) in amounts.filter(|(_, _, bytes)| *bytes > 0) {
            let (first, last) = (from.0.div_euclid(SLOT_NS), to.0.max(from.0).div_euclid(SLOT_NS));
            *changes.entry(first).or_default() += i128::from(bytes);
            *changes.entry(last + 1).or_default() -= i128::from(bytes);
        }
        let mut value = 0_i128;
        let steps = changes.into_iter().map(|(slot, change)| {
            value += change;
            (slot, u64::try_from(value).unwrap_or(u64::MAX))
        });
        Self(steps.collect())
    }

    /// Joins two by an operation on their values in each slot. O(steps log steps).
    pub(crate) fn join(&self, other: &Self, op: fn(u64, u64) -> u64) -> Self {
        let slots: BTreeSet<i64> = self.0.iter().chain(&other.0).map(|(slot, _)| *slot).collect();
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let (mut left, mut right) = (0, 0);
        let joined = slots.into_iter().map(|slot| {
            if let Some((_, value)) = a.next_if(|(s, _)| *s == slot) {
                left = *value;
            }
            if let Some((_, value)) = b.next_if(|(s, _)| *s == slot) {
                right = *value;
            }
            (slot, op(left, right))
        });
        let mut steps: Vec<(i64, u64)> = joined.collect();
        steps.dedup_by_key(|(_, value)| *value);
        Self(steps)
    }

    /// Returns the largest windows, cut to the whole window of the recording.
    pub(crate) fn largest(&self, window: (Timestamp, Timestamp)) -> Vec<ByteWindow> {
        let mut windows: Vec<ByteWindow> = self
            .0
            .windows(2)
            .filter(|pair| pair[0].1 > 0)
            .map(|pair| ByteWindow {
                from: Timestamp(pair[0].0.saturating_mul(SLOT_NS)),
                to: Timestamp(pair[1].0.saturating_mul(SLOT_NS)),
                bytes_max: pair[0].1,
            })
            .filter(|w| w.from <= window.1.plus_ms(SLOT_MS))
            .collect();
        windows.sort_by_key(|w| (std::cmp::Reverse(w.bytes_max), w.from));
        windows.truncate(WINDOWS_SHOWN_MAX);
        windows
    }
}

/// What left to one address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outlet {
    pub(crate) windows: Steps,
    /// Bytes that can have left after the attack's first sign.
    pub(crate) since_max: u64,
    /// A guard's counter told of it.
    pub(crate) counted: bool,
}

/// Returns per address what left in each window and since the first sign; per window and address the larger of counters
/// and flow records, as in the totals.
pub(crate) fn outlets(scene: &Scene<'_>, sent: &[Sent], since: Timestamp) -> BTreeMap<u32, Outlet> {
    let mut flows: BTreeMap<u32, Vec<&Sent>> = BTreeMap::new();
    for s in sent {
        flows.entry(s.to).or_default().push(s);
    }
    let counters = counters(scene, since);
    let addresses: BTreeSet<u32> = flows.keys().chain(counters.keys()).copied().collect();
    let outlet = |address: u32| {
        let own = flows.get(&address).map_or(&[][..], Vec::as_slice);
        let by_flow = Steps::spread(own.iter().map(|s| (s.at, s.ended, s.out.unwrap_or(0))));
        let late = own.iter().filter(|s| s.ended >= since).map(|s| s.out.unwrap_or(0));
        let late = late.fold(0, u64::saturating_add);
        let counter = counters.get(&address);
        let outlet = match counter {
            Some((steps, since_max)) => (by_flow.join(steps, u64::max), late.max(*since_max)),
            None => (by_flow, late),
        };
        Outlet {
            windows: outlet.0,
            since_max: outlet.1,
            counted: counter.is_some(),
        }
    };
    addresses.into_iter().map(|address| (address, outlet(address))).collect()
}

/// Returns what counters at the exits grew by, per address: by window, and since the first sign.
///
/// What a counter grew by between two readings can have left at any time between them.
fn counters(scene: &Scene<'_>, since: Timestamp) -> BTreeMap<u32, (Steps, u64)> {
    let mut readings: BTreeMap<(u32, Sym, Sym), Vec<(Timestamp, u64)>> = BTreeMap::new();
    for event in scene.events.iter().filter(|e| e.kind() == Kind::EgressCounter) {
        if let Some(to) = scene
            .node_of(event.destination_sym())
            .filter(|to| scene.place(*to).is_outside())
        {
            let reading = (event.time(), event.bytes_out().unwrap_or(0));
            readings
                .entry((to, event.host_sym(), event.sensor_sym()))
                .or_default()
                .push(reading);
        }
    }
    let begin = scene.events.window().map_or(Timestamp(0), |w| w.0);
    let mut per_guard: BTreeMap<(u32, Sym), (Steps, u64)> = BTreeMap::new();
    for ((to, guard, _), mut series) in readings {
        series.sort_unstable();
        let (mut last, mut grown) = ((begin, 0), Vec::new());
        for (at, value) in series {
            let bytes = if value >= last.1 { value - last.1 } else { value };
            grown.push((last.0, at, bytes));
            last = (at, value);
        }
        let late = grown
            .iter()
            .filter(|(_, at, _)| *at >= since)
            .map(|g| g.2)
            .fold(0, u64::saturating_add);
        let (steps, since_max) = per_guard.entry((to, guard)).or_default();
        *steps = steps.join(&Steps::spread(grown.into_iter()), u64::max);
        *since_max = late.max(*since_max);
    }
    let mut sums: BTreeMap<u32, (Steps, u64)> = BTreeMap::new();
    for ((to, _), (steps, since_max)) in per_guard {
        let (all, late) = sums.entry(to).or_default();
        *all = all.join(&steps, u64::saturating_add);
        *late = late.saturating_add(since_max);
    }
    sums
}
