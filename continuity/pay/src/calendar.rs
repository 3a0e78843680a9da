use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan as _};
use serde::{Deserialize, Serialize};

/// Days that are looked through for a business day: TARGET never closes for longer than five.
const SEARCH_DAYS_MAX: usize = 10;

/// Where a due day goes that is no business day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shift {
    /// To the business day after it.
    #[default]
    Next,
    /// To the business day before it: wages and sick pay, which people live on.
    Previous,
}

impl Shift {
    /// Returns the day itself or the business day it moves to. Ends of the calendar stay where they are.
    pub fn business_day(self, day: Date) -> Date {
        let step: Span = match self {
            Self::Next => 1.day(),
            Self::Previous => (-1).day(),
        };
        let mut at = day;
        for _ in 0..SEARCH_DAYS_MAX {
            if is_business_day(at) {
                return at;
            }
            at = at.saturating_add(step);
        }
        day
    }
}

/// Returns whether TARGET settles payments on this day: no week-end, 1 January, Good Friday, Easter Monday, 1 May, 25 or
/// 26 December (ECB, calendar of TARGET since 2002).
pub fn is_business_day(day: Date) -> bool {
    let fixed = matches!((day.month(), day.day()), (1, 1) | (5, 1) | (12, 25 | 26));
    let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    let easter = easter_sunday(day.year());
    let easter = easter.is_some_and(|sunday| day == sunday.saturating_sub(2.days()) || day == sunday.saturating_add(1.day()));
    !(fixed || weekend || easter)
}

/// Returns Easter Sunday of the Gregorian calendar by the rule of Gauss with Lichtenberg's correction.
pub fn easter_sunday(year: i16) -> Option<Date> {
    let x = i32::from(year);
    let k = x / 100;
    let m = 15 + (3 * k + 3) / 4 - (8 * k + 13) / 25;
    let s = 2 - (3 * k + 3) / 4;
    let a = x % 19;
    let d = (19 * a + m) % 30;
    let r = (d + a / 11) / 29;
    let full_moon = 21 + d - r;
    let sunday = 7 - (x + x / 4 + s).rem_euclid(7);
    let march_day = full_moon + 7 - (full_moon - sunday).rem_euclid(7);
    let march = Date::new(year, 3, 1).ok()?;
    march.checked_add(i64::from(march_day - 1).days()).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn easter_of_known_years() {
        // The earliest and the latest possible, the exceptions of the rule, and years of this project.
        for (year, month, day) in [
            (1818, 3, 22),
            (1943, 4, 25),
            (2038, 4, 25),
            (1954, 4, 18),
            (1981, 4, 19),
            (2049, 4, 18),
            (2076, 4, 19),
            (2000, 4, 23),
            (2008, 3, 23),
            (2023, 4, 9),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2285, 3, 22),
        ] {
            assert_eq!(easter_sunday(year), Some(date(year, month, day)));
        }
    }

    /// The anonymous algorithm (Meeus, Jones, Butcher) is another way to the same days.
    #[test]
    fn easter_agrees_with_another_algorithm_for_four_centuries() {
        for year in 1800..2200_i16 {
            let y = i32::from(year);
            let (a, b, c) = (y % 19, y / 100, y % 100);
            let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
            let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
            let n = h + l - 7 * ((a + 11 * h + 22 * l) / 451) + 114;
            let other = Date::new(year, (n / 31) as i8, (n % 31 + 1) as i8).unwrap();
            assert_eq!(easter_sunday(year), Some(other));
        }
    }

    #[test]
    fn closed_days_of_2026_and_where_due_days_go() {
        for closed in [
            date(2026, 1, 1),
            date(2026, 4, 3),
            date(2026, 4, 6),
            date(2026, 5, 1),
            date(2026, 12, 25),
        ] {
            assert!(!is_business_day(closed), "{closed}");
        }
        // Days on which German banks rest and TARGET does not.
        for open in [
            date(2026, 5, 14),
            date(2026, 5, 25),
            date(2026, 10, 2),
            date(2026, 12, 24),
            date(2026, 12, 31),
        ] {
            assert!(is_business_day(open), "{open}");
        }
        assert_eq!(Shift::Next.business_day(date(2026, 4, 3)), date(2026, 4, 7));
        assert_eq!(Shift::Previous.business_day(date(2026, 4, 6)), date(2026, 4, 2));
        assert_eq!(Shift::Next.business_day(date(2026, 11, 26)), date(2026, 11, 26));
    }
}
