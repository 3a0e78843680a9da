/// A day of the Gregorian calendar, comparable: year, month, day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    /// Year, 1 to 9999.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
}

impl Day {
    /// Reads `YYYY-MM-DD`; `None` if that day does not exist.
    pub fn parse(text: &str) -> Option<Self> {
        let date: jiff::civil::Date = text.get(..10).filter(|_| text.len() == 10)?.parse().ok()?;
        Some(Self::of(date))
    }

    fn of(date: jiff::civil::Date) -> Self {
        Self {
            year: date.year().unsigned_abs(),
            month: date.month().unsigned_abs(),
            day: date.day().unsigned_abs(),
        }
    }
}

/// Returns the German day of a FHIR date, dateTime or instant: times with a zone are shifted to German time (CET, with
/// summer time by the rule of Directive 2000/84/EC), others are taken as written. A year or month alone has no day.
pub fn day_of(text: &str) -> Option<Day> {
    let written = Day::parse(text.get(..10)?)?;
    let Some(clock) = text.get(11..) else { return Some(written) };
    let Some(zone_at) = clock.find(['Z', '+', '-']) else {
        return Some(written);
    };
    let time: jiff::civil::DateTime = text.get(..11 + zone_at)?.parse().ok()?;
    let zone = &clock[zone_at..];
    let offset_s = match zone {
        "Z" => 0,
        _ => {
            let hours: i64 = zone.get(1..3)?.parse().ok()?;
            let minutes: i64 = zone.get(4..6)?.parse().ok()?;
            let seconds = hours * 3600 + minutes * 60;
            if zone.starts_with('-') { -seconds } else { seconds }
        }
    };
    let utc = time.checked_sub(jiff::SignedDuration::from_secs(offset_s)).ok()?;
    let shift_h = if is_summer_time(utc) { 2 } else { 1 };
    let local = utc.checked_add(jiff::SignedDuration::from_hours(shift_h)).ok()?;
    Some(Day::of(local.date()))
}

/// From the last Sunday in March to the last Sunday in October, each at 01:00 UTC.
fn is_summer_time(utc: jiff::civil::DateTime) -> bool {
    let turn = |month: i8| {
        let last = jiff::civil::date(utc.year(), month, 31);
        let back = i64::from(last.weekday().to_sunday_zero_offset());
        last.checked_sub(jiff::SignedDuration::from_hours(24 * back))
            .map(|sunday| sunday.at(1, 0, 0, 0))
    };
    match (turn(3), turn(10)) {
        (Ok(begin), Ok(end)) => begin <= utc && utc < end,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<Day> {
        Day::parse(text)
    }

    #[test]
    fn a_time_with_a_zone_is_taken_to_germany() {
        assert_eq!(day_of("2026-03-31"), day("2026-03-31"));
        assert_eq!(day_of("2026-03-31T22:30:00Z"), day("2026-04-01"));
        assert_eq!(day_of("2026-01-31T22:30:00Z"), day("2026-01-31"));
        assert_eq!(day_of("2026-01-31T23:30:00.5Z"), day("2026-02-01"));
        assert_eq!(day_of("2026-01-01T01:00:00+05:00"), day("2025-12-31"));
        assert_eq!(day_of("2026-03-31T23:59:00"), day("2026-03-31"));
        assert_eq!(day_of("2026-02-30"), None);
        assert_eq!(day_of("2026-02"), None);
    }
}
