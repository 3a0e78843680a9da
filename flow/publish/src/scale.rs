use leckwehr_incident::Timestamp;

use crate::duration_words;

/// Pixels that a left-out gap takes.
const GAP_WIDTH: f64 = 44.0;
/// Gaps that may be left out.
const GAPS_MAX: usize = 6;
/// Steps between ticks, in seconds.
const STEPS_S: [f64; 24] = [
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1_800.0,
    3_600.0,
    7_200.0,
    14_400.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    2_592_000.0,
];

/// Maps times to horizontal positions. Long stretches in which nothing happened are left out, and the picture says so.
pub(crate) struct Scale {
    zero: Timestamp,
    start: Timestamp,
    pieces: Vec<Piece>,
}

struct Piece {
    from: Timestamp,
    to: Timestamp,
    x_from: f64,
    x_to: f64,
    gap: bool,
}

impl Scale {
    /// Builds a scale that shows all `times` between `x` and `x + width`; labels count from `zero`.
    pub fn new(mut times: Vec<Timestamp>, zero: Timestamp, x: f64, width: f64) -> Self {
        times.sort_unstable();
        times.dedup();
        let start = times.first().copied().unwrap_or(zero);
        if times.len() < 2 {
            times = vec![start, start.plus_ms(1_000)];
        }
        let mut stretches: Vec<(Timestamp, Timestamp, bool)> = times.windows(2).map(|w| (w[0], w[1], false)).collect();
        leave_out_gaps(&mut stretches);
        let gaps = stretches.iter().filter(|s| s.2).count();
        let shown_s: f64 = stretches.iter().filter(|s| !s.2).map(|s| s.1.seconds_since(s.0)).sum();
        let per_second = (width - gaps as f64 * GAP_WIDTH).max(1.0) / shown_s.max(1e-9);
        let mut at = x;
        let pieces = stretches
            .into_iter()
            .map(|(from, to, gap)| {
                let x_from = at;
                at += if gap { GAP_WIDTH } else { to.seconds_since(from) * per_second };
                Piece {
                    from,
                    to,
                    x_from,
                    x_to: at,
                    gap,
                }
            })
            .collect();
        Self { zero, start, pieces }
    }

    /// Returns the first time shown.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Returns the position of a time; times outside are held at the edge.
    pub fn x(&self, at: Timestamp) -> f64 {
        let after = self.pieces.partition_point(|piece| piece.to < at);
        match self.pieces.get(after) {
            None => self.pieces.last().map_or(0.0, |piece| piece.x_to),
            Some(piece) => {
                let share = at.seconds_since(piece.from) / piece.to.seconds_since(piece.from).max(1e-9);
                piece.x_from + share.clamp(0.0, 1.0) * (piece.x_to - piece.x_from)
            }
        }
    }

    /// Returns positions and labels of ticks, at least `apart` pixels from each other.
    pub fn ticks(&self, apart: f64) -> Vec<(f64, String)> {
        let shown = self.pieces.iter().filter(|piece| !piece.gap);
        let (seconds, pixels) = shown.fold((0.0, 0.0), |(s, p), piece| {
            (s + piece.to.seconds_since(piece.from), p + piece.x_to - piece.x_from)
        });
        let wanted = apart * seconds / f64::max(pixels, 1.0);
        let step = STEPS_S.iter().copied().find(|s| *s >= wanted).unwrap_or(wanted.max(0.1));
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for piece in self.pieces.iter().filter(|piece| !piece.gap) {
            let first = (piece.from.seconds_since(self.zero) / step).ceil();
            let last = (piece.to.seconds_since(self.zero) / step).floor();
            for n in 0..(last - first + 1.0).max(0.0) as u32 {
                let offset = (first + f64::from(n)) * step;
                let x = self.x(self.zero.plus_ms((offset * 1e3).round() as i64));
                if ticks.last().is_none_or(|(before, _)| x - before >= apart * 0.8) {
                    let sign = if offset > 0.0 { "+" } else { "" };
                    ticks.push((x, format!("{sign}{}", duration_words(offset))));
                }
            }
        }
        ticks
    }

    /// Returns the left-out gaps: from, to and what they are.
    pub fn gaps(&self) -> Vec<(f64, f64, String)> {
        let gaps = self.pieces.iter().filter(|piece| piece.gap);
        gaps.map(|piece| (piece.x_from, piece.x_to, duration_words(piece.to.seconds_since(piece.from))))
            .collect()
    }
}

/// Marks the longest stretch while it is more than half of what would be shown.
fn leave_out_gaps(stretches: &mut [(Timestamp, Timestamp, bool)]) {
    for _ in 0..GAPS_MAX {
        let length = |s: &(Timestamp, Timestamp, bool)| s.1.seconds_since(s.0);
        let shown: f64 = stretches.iter().filter(|s| !s.2).map(length).sum();
        let left = stretches.iter().filter(|s| !s.2).count();
        let longest = stretches
            .iter_mut()
            .filter(|s| !s.2)
            .max_by(|a, b| length(a).total_cmp(&length(b)));
        match longest {
            Some(stretch) if left > 2 && length(stretch) > shown * 0.5 => stretch.2 = true,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: &[i64]) -> Vec<Timestamp> {
        s.iter().map(|s| Timestamp(s * 1_000_000_000)).collect()
    }

    #[test]
    fn a_long_silence_is_left_out_and_named() {
        let scale = Scale::new(seconds(&[0, 10, 20, 30, 90_000, 90_010]), Timestamp(0), 0.0, 444.0);
        assert_eq!(scale.gaps(), vec![(300.0, 344.0, "1 d".to_owned())]);
        assert!((scale.x(Timestamp(10_000_000_000)) - 100.0).abs() < 1e-6);
        assert!((scale.x(Timestamp(90_010_000_000_000)) - 444.0).abs() < 1e-6);
    }

    #[test]
    fn positions_never_run_backwards_and_stay_inside() {
        let scale = Scale::new(seconds(&[5, 6, 7, 1_000, 1_002]), Timestamp(0), 50.0, 200.0);
        let mut before = 0.0;
        for s in -10..2_000 {
            let x = scale.x(Timestamp(s * 1_000_000_000));
            assert!((50.0..=250.0).contains(&x) && x >= before, "{s} s at {x}");
            before = x;
        }
    }

    #[test]
    fn no_time_and_one_time_still_give_a_scale() {
        assert!(Scale::new(Vec::new(), Timestamp(0), 0.0, 100.0).x(Timestamp(5)).is_finite());
        assert!(!Scale::new(seconds(&[3]), Timestamp(0), 0.0, 100.0).ticks(70.0).is_empty());
    }
}
