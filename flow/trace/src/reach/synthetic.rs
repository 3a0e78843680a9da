use crate::reach::contacts::Contacts;

/// Mean contacts within one second.
const PER_SECOND: u64 = 9;
/// Start of the log: 2024-01-01, in seconds since 1970.
const FIRST_SECOND: i64 = 1_704_067_200;
/// Steps of the table from which nodes are drawn.
const TABLE_BITS: u32 = 20;

/// A made-up log of log-ons as benchmarks use it: popular nodes by Zipf's law on both ends, stamps of whole seconds with
/// about nine contacts each. The same seed gives the same log, whatever the size of its pieces.
pub struct SyntheticLog {
    random: Random,
    table: Vec<u32>,
    second: i64,
}

impl SyntheticLog {
    /// Begins a log among `nodes` nodes.
    pub fn new(nodes: usize, seed: u64) -> Self {
        let mut random = Random((seed ^ 0x9e37_79b9_7f4a_7c15) | 1);
        let table = zipf_table(nodes.clamp(1, u32::MAX as usize), &mut random);
        Self {
            random,
            table,
            second: FIRST_SECOND,
        }
    }

    /// Returns the next `events` contacts, in order of time.
    pub fn take(&mut self, events: usize) -> Contacts {
        let (mut times, mut froms, mut tos) = (
            Vec::with_capacity(events),
            Vec::with_capacity(events),
            Vec::with_capacity(events),
        );
        for _ in 0..events {
            self.second += i64::from(self.random.next().is_multiple_of(PER_SECOND));
            times.push(self.second * 1_000_000_000);
            froms.push(self.draw());
            tos.push(self.draw());
        }
        Contacts::from_columns(times, froms, tos).unwrap_or_default()
    }

    fn draw(&mut self) -> u32 {
        self.table[(self.random.next() >> (64 - TABLE_BITS)) as usize]
    }
}

/// Returns nodes as often as Zipf's law (exponent 1) wants them, numbers shuffled.
fn zipf_table(nodes: usize, random: &mut Random) -> Vec<u32> {
    let mut names: Vec<u32> = (0..nodes as u32).collect();
    for i in (1..nodes).rev() {
        names.swap(i, (random.next() % (i as u64 + 1)) as usize);
    }
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=nodes)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    let steps = 1_usize << TABLE_BITS;
    let place = |step: usize| (step as f64 + 0.5) / steps as f64 * sum;
    (0..steps)
        .map(|step| names[sums.partition_point(|s| *s < place(step)).min(nodes - 1)])
        .collect()
}

/// Marsaglia's xorshift64*: for made-up data only.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
