use leckwehr_crypt::Dice;
use leckwehr_incident::Timestamp;

/// Reproducible draws from the distributions that traffic is made of.
pub(super) struct Chance(Dice);

impl Chance {
    pub(super) fn new(seed: u64, label: &str) -> Self {
        Self(Dice::new(seed, label))
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0.below(n)
    }

    /// Evenly between 0 and 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(super) fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Normal distribution (Box and Muller).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().max(1e-300).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Sizes and volumes: logarithms are normal.
    pub(super) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Pauses between things that do not know of each other.
    pub(super) fn pause(&mut self, mean: f64) -> f64 {
        -mean * self.unit().max(1e-300).ln()
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// `length` lower-case letters and digits of base 32.
    pub(super) fn label(&mut self, length: usize) -> String {
        let letters = b"abcdefghijklmnopqrstuvwxyz234567";
        (0..length).map(|_| char::from(letters[self.below(32)])).collect()
    }
}

/// Begin of all generated traffic: a Monday, in Unix seconds.
const BEGIN_S: i64 = 1_772_409_600;

/// Returns a moment after the begin of generated traffic.
pub(super) fn after(seconds: f64) -> Timestamp {
    Timestamp(BEGIN_S * 1_000_000_000 + (seconds * 1e9) as i64)
}

/// Seconds of a day and an hour.
pub(super) const DAY_S: f64 = 86_400.0;
pub(super) const HOUR_S: f64 = 3_600.0;

/// How much an office does at this second of the week, 0 to 1: half the day, five days, a little at night.
pub(super) fn office(seconds: f64) -> f64 {
    let (day, hour) = ((seconds / DAY_S) as i64 % 7, seconds % DAY_S / HOUR_S);
    let shape = (-((hour - 11.5) / 3.5).powi(2)).exp();
    if day < 5 { 0.04 + 0.96 * shape } else { 0.03 + 0.07 * shape }
}
