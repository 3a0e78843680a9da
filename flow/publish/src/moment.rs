use jiff::Zoned;
use jiff::tz::TimeZone;
use leckwehr_incident::Timestamp;

use crate::Language;

/// Central European time with the summer time of Directive 2000/84/EC, as a POSIX rule: no time zone database needed.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// Returns the local time in Germany; `None` outside the years that a calendar can show.
pub(crate) fn berlin(at: Timestamp) -> Option<Zoned> {
    let zone = TimeZone::posix(BERLIN).ok()?;
    let instant = jiff::Timestamp::from_nanosecond(i128::from(at.0)).ok()?;
    Some(instant.to_zoned(zone))
}

/// Writes a time for people: local time in Germany to the minute, with the name of the zone.
pub fn moment(at: Timestamp, language: Language) -> String {
    let Some(local) = berlin(at) else {
        return at.to_string();
    };
    let summer = local.offset().seconds() == 7200;
    match language {
        Language::De => format!(
            "{} Uhr {}",
            local.strftime("%d.%m.%Y, %H:%M"),
            if summer { "MESZ" } else { "MEZ" }
        ),
        Language::En => format!(
            "{} {}",
            local.strftime("%-d %b %Y, %H:%M"),
            if summer { "CEST" } else { "CET" }
        ),
    }
}

/// Writes a time in UTC to the millisecond, for reports of drills that last seconds.
pub(crate) fn precise(at: Timestamp) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(at.0)) {
        Ok(t) => t.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        Err(_) => at.to_string(),
    }
}

/// Writes a length of time with the two largest units that matter: `12.3 s`, `4 min 10 s`, `3 h 5 min`, `2 d 4 h`.
pub fn duration_words(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "−" } else { "" };
    let exact = seconds.abs();
    if exact < 60.0 {
        return if exact < 10.0 && exact.fract() > 0.0 {
            format!("{sign}{exact:.1} s")
        } else {
            format!("{sign}{exact:.0} s")
        };
    }
    // Longer than the representable range of timestamps saturates, which is 292 years.
    let whole = exact.round() as u64;
    let (big, big_unit, small, small_unit) = match whole {
        0..3_600 => (whole / 60, "min", whole % 60, "s"),
        3_600..86_400 => (whole / 3_600, "h", whole % 3_600 / 60, "min"),
        _ => (whole / 86_400, "d", whole % 86_400 / 3_600, "h"),
    };
    if small == 0 {
        format!("{sign}{big} {big_unit}")
    } else {
        format!("{sign}{big} {big_unit} {small} {small_unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_follows_the_european_summer_time() {
        let show = |text: &str| moment(text.parse().unwrap(), Language::De);
        assert_eq!(show("2027-03-28T00:59:00Z"), "28.03.2027, 01:59 Uhr MEZ");
        assert_eq!(show("2027-03-28T01:00:00Z"), "28.03.2027, 03:00 Uhr MESZ");
        assert_eq!(show("2027-10-31T00:59:00Z"), "31.10.2027, 02:59 Uhr MESZ");
        assert_eq!(show("2027-10-31T01:00:00Z"), "31.10.2027, 02:00 Uhr MEZ");
        assert_eq!(
            moment("2023-04-25T03:12:09Z".parse().unwrap(), Language::En),
            "25 Apr 2023, 05:12 CEST"
        );
    }

    #[test]
    fn lengths_of_time_show_two_units() {
        for (seconds, words) in [
            (0.0, "0 s"),
            (1.25, "1.2 s"),
            (42.0, "42 s"),
            (250.0, "4 min 10 s"),
            (3_600.0, "1 h"),
            (187_200.0, "2 d 4 h"),
            (-90.0, "−1 min 30 s"),
        ] {
            assert_eq!(duration_words(seconds), words);
        }
    }
}
