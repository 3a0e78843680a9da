use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A point in time: nanoseconds since 1970-01-01T00:00:00 UTC.
///
/// Serialised as its integer; shown as RFC 3339 in UTC with milliseconds. The range is 1677 to 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A text that is no RFC 3339 time, or one outside the representable range.
#[derive(Debug, thiserror::Error)]
#[error("not an RFC 3339 time between 1677 and 2262: {text:?}")]
pub struct TimestampError {
    /// The offending text, cut to 64 characters.
    pub text: String,
}

impl Timestamp {
    /// Returns the time `ms` milliseconds later, saturating at the ends of the range.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Returns the seconds from `earlier` to `self`; negative if `self` is earlier.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (self.0 as f64 - earlier.0 as f64) / 1e9
    }

    /// Builds a time from seconds since 1970 as loggers write them (Zeek `ts`); microseconds are kept.
    pub fn from_unix_seconds(seconds: f64) -> Self {
        let whole = seconds.floor();
        let micros = ((seconds - whole) * 1e6).round();
        Self(
            (whole as i64)
                .saturating_mul(1_000_000_000)
                .saturating_add(micros as i64 * 1_000),
        )
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{} ns", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || TimestampError {
            text: text.chars().take(64).collect(),
        };
        let t: jiff::Timestamp = text.parse().map_err(|_| error())?;
        i64::try_from(t.as_nanosecond()).map(Self).map_err(|_| error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_to_the_millisecond() {
        let t: Timestamp = "2023-04-25T03:12:09.250Z".parse().unwrap();
        assert_eq!(t.to_string(), "2023-04-25T03:12:09.250Z");
        assert_eq!(t.plus_ms(750).to_string(), "2023-04-25T03:12:10.000Z");
    }

    #[test]
    fn an_offset_is_taken_into_account() {
        let a: Timestamp = "2023-04-25T05:12:09+02:00".parse().unwrap();
        let b: Timestamp = "2023-04-25T03:12:09Z".parse().unwrap();
        assert_eq!(a, b);
    }

    #[test]
    fn zeek_seconds_keep_microseconds() {
        assert_eq!(Timestamp::from_unix_seconds(1588205199.824_37).0, 1_588_205_199_824_370_000);
    }
}
