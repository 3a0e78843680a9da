use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{Kind, Outcome};

use crate::scene::{Call, Scene};

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
/// guards), and the flow records (payload by TCP sequence numbers, which also count what the capture dropped).
pub(crate) fn outflow(scene: &Scene<'_>) -> Outflow {
    let mut outflow = Outflow::default();
    let flows = flows(&scene.calls);
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

fn flows(calls: &[Call]) -> BTreeMap<u32, Sum> {
    let mut sums: BTreeMap<u32, Sum> = BTreeMap::new();
    for call in calls {
        let sum = sums.entry(call.to).or_default();
        sum.bytes = sum.bytes.saturating_add(call.out);
        sum.measured &= call.measured;
    }
    sums
}

/// Returns what the counters at the exits grew by. A counter that falls began anew; the first reading counts whole,
/// because what it counted before the window is not known.
fn counted(scene: &Scene<'_>, guards: &mut BTreeSet<String>) -> BTreeMap<u32, u64> {
    let mut readings: BTreeMap<(String, u32), Vec<(Timestamp, u64)>> = BTreeMap::new();
    for event in scene.events.iter() {
        let counter = event.kind() == Kind::EgressCounter && event.outcome() != Outcome::Failure;
        if let (true, Some(to)) = (counter, scene.node_of(event.destination_sym())) {
            guards.insert(event.host().to_owned());
            if scene.place(to).is_outside() {
                let reading = (event.time(), event.bytes_out().unwrap_or(0));
                readings.entry((event.host().to_owned(), to)).or_default().push(reading);
            }
        }
    }
    let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
    for ((_, to), mut series) in readings {
        series.sort_unstable();
        let (mut last, mut sum) = (0, 0_u64);
        for (_, value) in series {
            sum = sum.saturating_add(if value >= last { value - last } else { value });
            last = value;
        }
        let total = sums.entry(to).or_default();
        *total = total.saturating_add(sum);
    }
    sums
}
