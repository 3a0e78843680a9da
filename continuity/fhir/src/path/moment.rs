use std::cmp::Ordering;
use std::fmt;

use super::value::System;

/// How exact a date or time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// To the year.
    Year,
    /// To the month.
    Month,
    /// To the day.
    Day,
    /// To the hour.
    Hour,
    /// To the minute.
    Minute,
    /// To the second, or a fraction of it: to FHIRPath that is one precision.
    Second,
}

/// Which of FHIRPath's types a moment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MomentKind {
    /// `Date`.
    Date,
    /// `DateTime`.
    DateTime,
    /// `Time`.
    Time,
}

impl MomentKind {
    /// Returns whether it is a time of day, which compares with no date.
    pub fn is_time(self) -> bool {
        self == Self::Time
    }

    /// Returns the type.
    pub fn system(self) -> System {
        match self {
            Self::Date => System::Date,
            Self::DateTime => System::DateTime,
            Self::Time => System::Time,
        }
    }
}

/// A date, a date with time, or a time of day, as exact as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    /// Its type.
    pub kind: MomentKind,
    /// What was given; fields beyond are at their lowest.
    pub precision: Precision,
    /// 1 to 9999; 0 for a time.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// Fraction of the second, in nanoseconds.
    pub nanosecond: u32,
    /// How many digits of the fraction were written, at most 9.
    pub fraction_digits: u8,
    /// Offset from UTC in minutes.
    pub offset_minutes: Option<i16>,
}

const DAY_SECONDS: i64 = 86_400;

impl Moment {
    const LOWEST: Self = Self {
        kind: MomentKind::Date,
        precision: Precision::Year,
        year: 0,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        nanosecond: 0,
        fraction_digits: 0,
        offset_minutes: None,
    };

    /// Makes a date with time from nanoseconds since 1970 and the offset of the clock on the wall.
    pub fn from_unix(nanoseconds: i64, offset_minutes: i16) -> Self {
        let local = nanoseconds.div_euclid(1_000_000_000) + i64::from(offset_minutes) * 60;
        let mut moment = Self {
            kind: MomentKind::DateTime,
            precision: Precision::Second,
            nanosecond: nanoseconds.rem_euclid(1_000_000_000) as u32 / 1_000_000 * 1_000_000,
            fraction_digits: 3,
            offset_minutes: Some(offset_minutes),
            ..Self::LOWEST
        };
        moment.set_local_seconds(local);
        moment
    }

    /// Returns the date of a date with time.
    pub fn date(self) -> Self {
        Self {
            kind: MomentKind::Date,
            precision: self.precision.min(Precision::Day),
            year: self.year,
            month: self.month,
            day: self.day,
            ..Self::LOWEST
        }
    }

    /// Returns the time of day of a date with time.
    pub fn time(self) -> Self {
        Self {
            kind: MomentKind::Time,
            offset_minutes: None,
            year: 0,
            month: 1,
            day: 1,
            ..self
        }
    }

    /// Returns the same as a date with time of no greater precision.
    pub fn as_date_time(self) -> Self {
        Self {
            kind: MomentKind::DateTime,
            ..self
        }
    }

    /// Reads a date: `2015`, `2015-02`, `2015-02-04`.
    pub fn parse_date(text: &str) -> Option<Self> {
        let (moment, rest) = Self::date_part(text.as_bytes())?;
        rest.is_empty().then_some(moment)
    }

    /// Reads a date with or without time; FHIRPath also writes `2015T`.
    pub fn parse_date_time(text: &str) -> Option<Self> {
        let (moment, rest) = Self::date_part(text.as_bytes())?;
        let moment = moment.as_date_time();
        match rest {
            [] | [b'T'] => Some(moment),
            [b'T', rest @ ..] if moment.precision == Precision::Day => {
                let (moment, rest) = moment.with_time(rest)?;
                moment.with_offset(rest)
            }
            _ => None,
        }
    }

    /// Reads a time of day: `14`, `14:34`, `14:34:28.123`.
    pub fn parse_time(text: &str) -> Option<Self> {
        let midnight = Self {
            kind: MomentKind::Time,
            ..Self::LOWEST
        };
        let (moment, rest) = midnight.with_time(text.as_bytes())?;
        rest.is_empty().then_some(moment)
    }

    fn date_part(text: &[u8]) -> Option<(Self, &[u8])> {
        let (year, rest) = digits(text, 4)?;
        let mut moment = Self {
            year: year as u16,
            ..Self::LOWEST
        };
        let [b'-', rest @ ..] = rest else {
            return (year > 0).then_some((moment, rest));
        };
        let (month, rest) = digits(rest, 2)?;
        (moment.month, moment.precision) = (month as u8, Precision::Month);
        if !(1..=12).contains(&month) || year == 0 {
            return None;
        }
        let [b'-', rest @ ..] = rest else {
            return Some((moment, rest));
        };
        let (day, rest) = digits(rest, 2)?;
        (moment.day, moment.precision) = (day as u8, Precision::Day);
        (day >= 1 && day as u8 <= days_of_month(moment.year, moment.month)).then_some((moment, rest))
    }

    fn with_time(mut self, text: &[u8]) -> Option<(Self, &[u8])> {
        let (hour, mut rest) = digits(text, 2)?;
        (self.hour, self.precision) = (hour as u8, Precision::Hour);
        if let [b':', after @ ..] = rest {
            let (minute, after) = digits(after, 2)?;
            (self.minute, self.precision, rest) = (minute as u8, Precision::Minute, after);
            if let [b':', after @ ..] = rest {
                let (second, after) = digits(after, 2)?;
                (self.second, self.precision, rest) = (second as u8, Precision::Second, after);
                if let [b'.', after @ ..] = rest {
                    let length = after.iter().take_while(|b| b.is_ascii_digit()).count();
                    if length == 0 {
                        return None;
                    }
                    let kept = after[..length.min(9)].iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'));
                    self.fraction_digits = length.min(9) as u8;
                    self.nanosecond = kept * 10_u32.pow(9 - u32::from(self.fraction_digits));
                    rest = &after[length..];
                }
            }
        }
        (self.hour <= 23 && self.minute <= 59 && self.second <= 60).then_some((self, rest))
    }

    fn with_offset(mut self, text: &[u8]) -> Option<Self> {
        let sign = match text {
            [] => return Some(self),
            b"Z" => {
                self.offset_minutes = Some(0);
                return Some(self);
            }
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return None,
        };
        let (hours, rest) = digits(&text[1..], 2)?;
        let [b':', rest @ ..] = rest else { return None };
        let (minutes, rest) = digits(rest, 2)?;
        self.offset_minutes = Some(sign * (hours * 60 + minutes) as i16);
        (rest.is_empty() && hours <= 14 && minutes <= 59).then_some(self)
    }

    /// Seconds of the local calendar since 1970-01-01T00:00:00.
    fn local_seconds(&self) -> i64 {
        let time = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        days_since_epoch(i64::from(self.year), i64::from(self.month), i64::from(self.day)) * DAY_SECONDS + time
    }

    fn set_local_seconds(&mut self, seconds: i64) {
        let (year, month, day) = civil(seconds.div_euclid(DAY_SECONDS));
        let time = seconds.rem_euclid(DAY_SECONDS);
        (self.year, self.month, self.day) = (year.clamp(0, 9999) as u16, month, day);
        (self.hour, self.minute, self.second) = ((time / 3600) as u8, (time / 60 % 60) as u8, (time % 60) as u8);
    }

    fn fields(&self) -> [u32; 6] {
        let seconds = u32::from(self.second);
        [
            self.year.into(),
            self.month.into(),
            self.day.into(),
            self.hour.into(),
            self.minute.into(),
            seconds,
        ]
    }

    /// Compares as FHIRPath does: nothing if one is not exact enough, or has no offset where the other has one and that could
    /// matter. A time is not compared with a date.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if (self.kind == MomentKind::Time) != (other.kind == MomentKind::Time) {
            return None;
        }
        let (mut left, mut right) = (*self, *other);
        match (left.offset_minutes, right.offset_minutes) {
            (Some(l), Some(r)) if l != r => {
                left.set_local_seconds(left.local_seconds() - i64::from(l) * 60);
                right.set_local_seconds(right.local_seconds() - i64::from(r) * 60);
            }
            (Some(_), None) if right.precision > Precision::Day => return self.compare_unplaced(other),
            (None, Some(_)) if left.precision > Precision::Day => return self.compare_unplaced(other),
            _ => {}
        }
        let shared = left.precision.min(right.precision) as usize + 1;
        let order = left.fields()[..shared].cmp(&right.fields()[..shared]);
        if order.is_ne() {
            return Some(order);
        }
        if left.precision != right.precision {
            return None;
        }
        Some(left.nanosecond.cmp(&right.nanosecond))
    }

    /// Compares where one offset is unknown: decided only if no offset from -12 to +14 hours could change the answer.
    fn compare_unplaced(&self, other: &Self) -> Option<Ordering> {
        let utc = |m: &Self| m.local_seconds() - i64::from(m.offset_minutes.unwrap_or(0)) * 60;
        let apart = utc(self) - utc(other);
        (apart.abs() > 15 * 3600).then(|| apart.cmp(&0))
    }

    /// Adds a number of years or months; the day is cut to the last one of the month.
    pub fn plus_months(mut self, months: i64) -> Option<Self> {
        let total = i64::from(self.year) * 12 + i64::from(self.month) - 1;
        let total = total.checked_add(months)?;
        let year = total.div_euclid(12);
        if !(1..=9999).contains(&year) {
            return None;
        }
        (self.year, self.month) = (year as u16, total.rem_euclid(12) as u8 + 1);
        self.day = self.day.min(days_of_month(self.year, self.month));
        Some(self)
    }

    /// Adds nanoseconds. A time of day goes round at midnight.
    pub fn plus_nanoseconds(mut self, nanoseconds: i128) -> Option<Self> {
        let total = i128::from(self.nanosecond) + nanoseconds;
        let seconds = i64::try_from(total.div_euclid(1_000_000_000)).ok()?;
        self.nanosecond = total.rem_euclid(1_000_000_000) as u32;
        if self.nanosecond > 0 {
            self.fraction_digits = self.fraction_digits.max(3);
        }
        let mut seconds = self.local_seconds().checked_add(seconds)?;
        if self.kind == MomentKind::Time {
            let (year, month, day) = (self.year, self.month, self.day);
            self.set_local_seconds(seconds.rem_euclid(DAY_SECONDS));
            (self.year, self.month, self.day) = (year, month, day);
            return Some(self);
        }
        let (first, last) = (days_since_epoch(1, 1, 1), days_since_epoch(10_000, 1, 1));
        if !(first * DAY_SECONDS..last * DAY_SECONDS).contains(&seconds) {
            return None;
        }
        if self.precision <= Precision::Day {
            seconds = seconds.div_euclid(DAY_SECONDS) * DAY_SECONDS;
        }
        self.set_local_seconds(seconds);
        Some(self)
    }

    /// Returns how many digits it has: FHIRPath's measure of precision.
    pub fn digits(&self) -> u32 {
        let before = match self.precision {
            Precision::Year => 4,
            Precision::Month => 6,
            Precision::Day => 8,
            Precision::Hour => 10,
            Precision::Minute => 12,
            Precision::Second => 14 + u32::from(self.fraction_digits),
        };
        if self.kind == MomentKind::Time { before - 8 } else { before }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != MomentKind::Time {
            write!(f, "{:04}", self.year)?;
            if self.precision >= Precision::Month {
                write!(f, "-{:02}", self.month)?;
            }
            if self.precision >= Precision::Day {
                write!(f, "-{:02}", self.day)?;
            }
            if self.precision >= Precision::Hour {
                write!(f, "T")?;
            }
        }
        if self.precision >= Precision::Hour {
            write!(f, "{:02}", self.hour)?;
        }
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.second)?;
        }
        if self.fraction_digits > 0 {
            let digits = usize::from(self.fraction_digits);
            write!(
                f,
                ".{:0digits$}",
                self.nanosecond / 10_u32.pow(9 - u32::from(self.fraction_digits))
            )?;
        }
        match self.offset_minutes {
            Some(0) => write!(f, "Z"),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
            }
            None => Ok(()),
        }
    }
}

fn digits(text: &[u8], count: usize) -> Option<(u32, &[u8])> {
    let (head, rest) = text.split_at_checked(count)?;
    if !head.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((head.iter().fold(0, |n, b| n * 10 + u32::from(b - b'0')), rest))
}

/// Returns the length of a month of the Gregorian calendar.
pub fn days_of_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01, of years that begin in March so that the leap day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_since_epoch`].
fn civil(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month as u8, day as u8)
}
