use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use leckwehr_telemetry::Value;

use crate::sigma::item::TimePart;
use crate::sigma::predicate::number;

/// Seconds beyond which a number is taken for milliseconds since 1970.
const SECONDS_MAX: f64 = 1e12;

/// Returns a part of the time that a value tells, in UTC; a text without a zone is UTC.
pub(crate) fn part(value: Value<'_>, part: TimePart) -> Option<f64> {
    let time = match value {
        Value::Text(text) => of_text(text.trim())?,
        Value::Number(_) => of_number(number(value)?)?,
        Value::Bool(_) | Value::Null => return None,
    };
    let n = match part {
        TimePart::Minute => i16::from(time.minute()),
        TimePart::Hour => i16::from(time.hour()),
        TimePart::Day => i16::from(time.day()),
        TimePart::Week => i16::from(time.date().iso_week_date().week()),
        TimePart::Month => i16::from(time.month()),
        TimePart::Year => time.year(),
    };
    Some(f64::from(n))
}

fn of_text(text: &str) -> Option<DateTime> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.to_zoned(TimeZone::UTC).datetime());
    }
    text.parse().ok()
}

fn of_number(n: f64) -> Option<DateTime> {
    let seconds = if n > SECONDS_MAX { n / 1_000.0 } else { n };
    let time = Timestamp::from_second(seconds as i64).ok()?;
    Some(time.to_zoned(TimeZone::UTC).datetime())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_times_in_the_field_s_spellings() {
        let of = |text, wanted| part(Value::Text(text), wanted);
        assert_eq!(of("2024-03-05T23:45:10+02:00", TimePart::Hour), Some(21.0));
        assert_eq!(of("2024-03-05 23:45:10.123", TimePart::Minute), Some(45.0));
        assert_eq!(of("2024-12-30T00:00:00Z", TimePart::Week), Some(1.0));
        assert_eq!(of("soon", TimePart::Year), None);
        assert_eq!(part(Value::Number("1700000000"), TimePart::Year), Some(2023.0));
        assert_eq!(part(Value::Number("1700000000000"), TimePart::Day), Some(14.0));
    }
}
