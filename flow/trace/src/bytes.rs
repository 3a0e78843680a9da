use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{Kind, Sym};

use crate::scene::Scene;

/// What left, per address outside: never less than what really left through the observed exits.
#[derive(Debug, Default)]
pub(crate) struct Outflow {
    /// Bytes by address.
    pub(crate) by_address: BTreeMap<u32, u64>,
    /// All bytes.
    pub(crate) total: u64,
    /// Addresses whose connections have no byte count and no counter at an exit: no bound for these.
    pub(crate) unmeasured: BTreeSet<u32>,
    /// Guards whose counters were read.
    pub(crate) counters: BTreeSet<String>,
}

/// Sums every byte from inside to outside, whether or not anything about it looked bad.
///
/// Per address the larger of two measures counts: the counters of the guards at the exits (all IP bytes, summed over
/// guards), and the flow records (payload by TCP sequence numbers, which also count what the capture dropped; on
/// connections opened from outside, what was answered). A session from outside that neither of them measured has no bound.
pub(crate) fn outflow(scene: &Scene<'_>) -> Outflow {
    let mut outflow = Outflow::default();
    let flows = flows(scene);
    let counted = counted(scene, &mut outflow.counters);
    let addresses: BTreeSet<u32> = flows.keys().chain(counted.keys()).copied().collect();
    for address in addresses {
        let flow = flows.get(&address).copied().unwrap_or_default();
        let counter = counted.get(&address).copied();
        let bytes = counter.unwrap_or(0).max(flow.bytes);
        if counter.is_none() && !flow.measured {
            outflow.unmeasured.insert(address);
        }
        outflow.by_address.insert(address, bytes);
        outflow.total = outflow.total.saturating_add(bytes);
    }
    outflow
}

#[derive(Debug, Clone, Copy)]
struct Sum {
    bytes: u64,
    measured: bool,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            bytes: 0,
            measured: true,
        }
    }
}

fn flows(scene: &Scene<'_>) -> BTreeMap<u32, Sum> {
    let mut sums: BTreeMap<u32, Sum> = BTreeMap::new();
    let calls = scene.calls.iter().map(|c| (c.to, c.measured.then_some(c.out)));
    let replies = scene.replies.iter().map(|r| (r.to, r.bytes));
    for (to, bytes) in calls.chain(replies) {
        let sum = sums.entry(to).or_default();
        sum.bytes = sum.bytes.saturating_add(bytes.unwrap_or(0));
        sum.measured &= bytes.is_some();
    }
    for touch in scene.touches.iter().filter(|t| scene.place(t.from).is_outside()) {
        sums.entry(touch.from).or_insert(Sum {
            bytes: 0,
            measured: false,
        });
    }
    sums
}

/// Returns what the counters at the exits grew by. A counter that falls began anew; the first reading counts whole,
/// because what it counted before the window is not known. A guard's counter may be told by several sensors, each in
/// its own order: the largest account counts.
fn counted(scene: &Scene<'_>, guards: &mut BTreeSet<String>) -> BTreeMap<u32, u64> {
    let mut readings: BTreeMap<(Sym, u32, Sym), Vec<(Timestamp, u64)>> = BTreeMap::new();
    for event in scene.events.iter() {
        let counter = event.kind() == Kind::EgressCounter;
        if let (true, Some(to)) = (counter, scene.node_of(event.destination_sym())) {
            guards.insert(event.host().to_owned());
            if scene.place(to).is_outside() {
                let reading = (event.time(), event.bytes_out().unwrap_or(0));
                let series = (event.host_sym(), to, event.sensor_sym());
                readings.entry(series).or_default().push(reading);
            }
        }
    }
    let mut per_guard: BTreeMap<(Sym, u32), u64> = BTreeMap::new();
    for ((guard, to, _), mut series) in readings {
        series.sort_unstable();
        let (mut last, mut sum) = (0, 0_u64);
        for (_, value) in series {
            sum = sum.saturating_add(if value >= last { value - last } else { value });
            last = value;
        }
        let largest = per_guard.entry((guard, to)).or_default();
        *largest = sum.max(*largest);
    }
    let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
    for ((_, to), bytes) in per_guard {
        let total = sums.entry(to).or_default();
        *total = total.saturating_add(bytes);
    }
    sums
}
