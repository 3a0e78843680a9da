//! Calendar times as loggers write them, without a time zone database.

use leckwehr_incident::Timestamp;

const DAY_S: i64 = 86_400;
const NANOSECONDS: i64 = 1_000_000_000;

/// A date and time of the proleptic Gregorian calendar that may lack its year and its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub year: Option<i64>,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// Second of the day, 0 to 86,400: a leap second counts as the first of the next minute.
    pub second: i64,
    pub nanosecond: i64,
    /// Seconds east of UTC, if the text says.
    pub offset_s: Option<i32>,
}

/// Reads RFC 3339 as [`Civil::rfc3339`] does, without a zone in UTC; returns the offset from UTC in seconds too, if it is there.
pub(crate) fn instant(text: &str) -> Option<(Timestamp, Option<i32>)> {
    let (civil, rest) = Civil::rfc3339(text.trim())?;
    let at = civil.instant(Timestamp::default(), 0)?;
    rest.is_empty().then_some((at, civil.offset_s))
}

impl Civil {
    /// Reads RFC 3339 (`2003-10-11T22:14:15.003Z`, `+02:00`; a blank or `_` for the `T`, and no zone at all, are found too).
    /// Returns the rest behind it.
    pub fn rfc3339(text: &str) -> Option<(Self, &str)> {
        let b = text.as_bytes();
        let is = |i: usize, c: &[u8]| b.get(i).is_some_and(|found| c.contains(found));
        if !(is(4, b"-/") && is(7, b"-/") && is(10, b"Tt _")) {
            return None;
        }
        let (year, month, day) = (digits(b, 0, 4)?, digits(b, 5, 2)?, digits(b, 8, 2)?);
        let (second, nanosecond, rest) = clock(text.get(11..)?)?;
        let (offset_s, rest) = zone(rest)?;
        let civil = Self {
            year: Some(year),
            month,
            day,
            second,
            nanosecond,
            offset_s,
        };
        civil.is_date().then_some((civil, rest))
    }

    /// Reads the time of RFC 3164 (`Oct 11 22:14:15`) with what routers and servers add to it: a year on either side of the
    /// day, a fraction of the second, a zone. Returns the rest behind it.
    pub fn rfc3164(text: &str) -> Option<(Self, &str)> {
        let (mut year, mut rest) = (None, text);
        if let Some((found, behind)) = year_token(rest) {
            (year, rest) = (Some(found), behind);
        }
        let month = 1 + MONTHS.iter().position(|m| starts_with_ignoring_case(rest, m))? as i64;
        rest = rest.get(3..)?.strip_prefix(' ')?.trim_start_matches(' ');
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let day = (1..=2).contains(&length).then(|| digits(rest.as_bytes(), 0, length))??;
        rest = rest.get(length..)?.strip_prefix(' ')?;
        if year.is_none()
            && let Some((found, behind)) = year_token(rest)
        {
            (year, rest) = (Some(found), behind);
        }
        let (second, nanosecond, mut rest) = clock(rest)?;
        if year.is_none()
            && let Some((found, behind)) = rest.strip_prefix(' ').and_then(year_token)
        {
            // Nothing stands between this year and what follows but the blank that was taken with it.
            (year, rest) = (Some(found), behind);
        }
        let mut offset_s = None;
        for name in [" UTC", " GMT"] {
            if let Some(behind) = rest.strip_prefix(name)
                && !behind.starts_with(|c: char| c.is_ascii_alphanumeric())
            {
                (offset_s, rest) = (Some(0), behind);
            }
        }
        if offset_s.is_none()
            && let Some((Some(found), behind)) = zone(rest)
        {
            (offset_s, rest) = (Some(found), behind);
        }
        let civil = Self {
            year,
            month,
            day,
            second,
            nanosecond,
            offset_s,
        };
        civil.is_date().then_some((civil, rest))
    }

    /// Returns the instant. Without a year it is the last such time before a day after `reference`, so that a record of
    /// December read in January keeps its year; without an offset the source is taken to be `offset_s` east of UTC.
    pub fn instant(&self, reference: Timestamp, offset_s: i32) -> Option<Timestamp> {
        if let Some(year) = self.year {
            return self.at(year, offset_s);
        }
        let latest = Timestamp(reference.0.saturating_add(DAY_S * NANOSECONDS));
        let year = 1970 + reference.0.div_euclid(NANOSECONDS) / (365 * DAY_S) + 1;
        // Nine years back a 29 February is found even around a year 2100.
        (year - 9..=year)
            .rev()
            .find_map(|year| self.at(year, offset_s).filter(|at| *at <= latest))
    }

    fn at(&self, year: i64, offset_s: i32) -> Option<Timestamp> {
        if self.month == 2 && self.day == 29 && !is_leap(year) {
            return None;
        }
        let offset = i64::from(self.offset_s.unwrap_or(offset_s));
        let seconds = days_since_1970(year, self.month, self.day) * DAY_S + self.second - offset;
        let nanoseconds = seconds.checked_mul(NANOSECONDS)?.checked_add(self.nanosecond)?;
        Some(Timestamp(nanoseconds))
    }

    fn is_date(&self) -> bool {
        let days = match self.month {
            2 if self.year.is_none_or(is_leap) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (1..=12).contains(&self.month) && (1..=days).contains(&self.day)
    }
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|t| t.eq_ignore_ascii_case(start))
}

/// Reads `2023 ` at the start of the text.
fn year_token(text: &str) -> Option<(i64, &str)> {
    let year = digits(text.as_bytes(), 0, 4)?;
    let rest = text.get(4..)?.strip_prefix(' ')?;
    (1970..=2261).contains(&year).then_some((year, rest))
}

/// Reads `hh:mm:ss`, and a fraction behind `.` or `,`.
fn clock(text: &str) -> Option<(i64, i64, &str)> {
    let b = text.as_bytes();
    let (hour, minute, second) = (digits(b, 0, 2)?, digits(b, 3, 2)?, digits(b, 6, 2)?);
    if hour > 23 || minute > 59 || second > 60 || b.get(2) != Some(&b':') || b.get(5) != Some(&b':') {
        return None;
    }
    let mut rest = text.get(8..)?;
    let mut nanosecond = 0;
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if length > 0 {
            let taken = length.min(9);
            nanosecond = digits(fraction.as_bytes(), 0, taken)? * 10_i64.pow(9 - taken as u32);
            rest = fraction.get(length..)?;
        }
    }
    Some((hour * 3_600 + minute * 60 + second, nanosecond, rest))
}

/// Reads `Z`, `+02:00` or `+0200`; nothing of it is no offset. `None` is a sign without its digits.
fn zone(text: &str) -> Option<(Option<i32>, &str)> {
    let b = text.as_bytes();
    let sign = match b.first() {
        Some(b'Z' | b'z') => return Some((Some(0), text.get(1..)?)),
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Some((None, text)),
    };
    let colon = usize::from(b.get(3) == Some(&b':'));
    let (hours, minutes) = (digits(b, 1, 2)?, digits(b, 3 + colon, 2)?);
    let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
    (hours < 24 && minutes < 60).then_some((Some(sign * seconds), text.get(5 + colon..)?))
}

fn digits(bytes: &[u8], start: usize, length: usize) -> Option<i64> {
    let slice = bytes.get(start..start + length)?;
    slice
        .iter()
        .try_fold(0_i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Counts days since 1970-01-01 (H. Hinnant, *chrono-compatible low-level date algorithms*).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> Timestamp {
        "2023-04-25T00:00:00Z".parse().unwrap()
    }

    fn at(text: &str) -> String {
        let (civil, rest) = Civil::rfc3339(text).or_else(|| Civil::rfc3164(text)).unwrap();
        assert_eq!(rest, "", "{text}");
        civil.instant(reference(), 0).unwrap().to_string()
    }

    #[test]
    fn the_times_of_both_documents_and_of_routers_are_read() {
        assert_eq!(at("1985-04-12T23:20:50.52Z"), "1985-04-12T23:20:50.520Z");
        assert_eq!(at("2003-08-24T05:14:15.000003-07:00"), "2003-08-24T12:14:15.000Z");
        assert_eq!(at("Oct 11 22:14:15"), "2022-10-11T22:14:15.000Z");
        assert_eq!(at("Apr  5 22:14:15.25"), "2023-04-05T22:14:15.250Z");
        assert_eq!(at("Mar 10 2018 15:34:29"), "2018-03-10T15:34:29.000Z");
        assert_eq!(at("2018 Mar 10 15:34:29 UTC"), "2018-03-10T15:34:29.000Z");
        assert_eq!(at("Feb 29 00:00:00"), "2020-02-29T00:00:00.000Z");
    }

    #[test]
    fn a_year_is_chosen_around_new_year_from_both_sides() {
        let near = |text: &str, reference: &str| {
            let (civil, _) = Civil::rfc3164(text).unwrap();
            civil.instant(reference.parse().unwrap(), 0).unwrap().to_string()
        };
        assert_eq!(near("Dec 31 23:59:59", "2023-01-01T00:00:05Z"), "2022-12-31T23:59:59.000Z");
        assert_eq!(near("Jan  1 00:00:01", "2022-12-31T23:59:58Z"), "2023-01-01T00:00:01.000Z");
        let (civil, _) = Civil::rfc3164("Oct 11 22:14:15").unwrap();
        assert_eq!(
            civil.instant(reference(), 7_200).unwrap().to_string(),
            "2022-10-11T20:14:15.000Z"
        );
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "Oct",
            "Oct 99 22:14:15",
            "Okt 11 22:14:15",
            "2003-13-11T22:14:15Z",
            "2003-02-29T22:14:15Z",
            "Oct 11 25:00:00",
            "2003-10-11T22:14:15+9",
            "Öct 11 22:14:15",
        ] {
            assert!(Civil::rfc3339(text).is_none() && Civil::rfc3164(text).is_none(), "{text}");
        }
    }

    #[test]
    fn every_day_agrees_with_a_calendar_we_did_not_write() {
        for day in (-30_000..80_000).step_by(7) {
            let text = jiff::Timestamp::from_second(day * DAY_S).unwrap().to_string();
            let (civil, _) = Civil::rfc3339(&text).unwrap();
            assert_eq!(civil.instant(reference(), 0).unwrap().0, day * DAY_S * NANOSECONDS, "{text}");
        }
    }
}
