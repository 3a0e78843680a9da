/// Whether a text is in the form of a primitive type (FHIR R4, "Data Types", the regular expressions given there, read by
/// hand), and names what exists: a day of the calendar, a time of the day. Types that are not known accept all.
pub fn is_of_type(type_name: &str, text: &str) -> bool {
    match type_name {
        "boolean" => matches!(text, "true" | "false"),
        "integer" => integer(text).is_some_and(|n| i32::try_from(n).is_ok()),
        "integer64" => integer(text).is_some(),
        "unsignedInt" => integer(text).is_some_and(|n| (0..=i64::from(i32::MAX)).contains(&n)) && !text.starts_with('-'),
        "positiveInt" => integer(text.strip_prefix('+').unwrap_or(text)).is_some_and(|n| (1..=i64::from(i32::MAX)).contains(&n)),
        "decimal" => is_decimal(text),
        "string" | "markdown" => !text.is_empty() && text.len() <= 1024 * 1024 && text.chars().any(|c| !c.is_whitespace()),
        "code" => is_code(text),
        "id" => (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')),
        "uri" | "url" | "canonical" => !text.is_empty() && !text.contains(char::is_whitespace),
        "oid" => text.strip_prefix("urn:oid:").is_some_and(is_oid),
        "uuid" => text.strip_prefix("urn:uuid:").is_some_and(is_uuid),
        "base64Binary" => is_base64(text),
        "date" => is_date(text),
        "dateTime" => is_date_time(text, false),
        "instant" => is_date_time(text, true),
        "time" => is_time(text),
        _ => true,
    }
}

fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = digits == "0" || digits.starts_with(|c: char| ('1'..='9').contains(&c));
    let all = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    (is_plain && all).then(|| text.parse().ok())?
}

fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

fn is_code(text: &str) -> bool {
    // no white space at the ends, and single blanks only within
    let mut was_space = true;
    for c in text.chars() {
        let is_space = c.is_whitespace();
        if is_space && (was_space || c != ' ') {
            return false;
        }
        was_space = is_space;
    }
    !was_space
}

fn is_oid(text: &str) -> bool {
    let mut arcs = text.split('.');
    let first = arcs.next().is_some_and(|a| matches!(a, "0" | "1" | "2"));
    let rest: Vec<&str> = arcs.collect();
    first
        && !rest.is_empty()
        && rest
            .iter()
            .all(|a| integer(a).is_some() || (a.len() > 18 && a.bytes().all(|b| b.is_ascii_digit())))
}

fn is_uuid(text: &str) -> bool {
    let groups = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    groups.iter().all(|length| {
        parts
            .next()
            .is_some_and(|p| p.len() == *length && p.bytes().all(|b| b.is_ascii_hexdigit()))
    }) && parts.next().is_none()
}

fn is_base64(text: &str) -> bool {
    let (mut digits, mut padding) = (0usize, 0usize);
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            b'=' => padding += 1,
            _ if b.is_ascii_whitespace() => {}
            _ => return false,
        }
    }
    digits > 0 && padding <= 2 && (digits + padding).is_multiple_of(4)
}

fn digits(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_date(text: &str) -> bool {
    let Some(year) = text.get(..4).and_then(|y| digits(y, 4)) else {
        return false;
    };
    if year == 0 {
        return false;
    }
    match text.len() {
        4 => true,
        7 => month(text).is_some(),
        10 => {
            let day = text.get(8..10).and_then(|d| digits(d, 2));
            let (Some(month), Some(day), Some("-")) = (month(text), day, text.get(7..8)) else {
                return false;
            };
            (1..=days_of(year, month)).contains(&day)
        }
        _ => false,
    }
}

fn month(text: &str) -> Option<u32> {
    let month = digits(text.get(5..7)?, 2)?;
    (text.get(4..5) == Some("-") && (1..=12).contains(&month)).then_some(month)
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A dateTime may end after the year, month or day; with a time it must have a zone. An instant must have all.
fn is_date_time(text: &str, is_instant: bool) -> bool {
    let Some((date, clock)) = text.split_once('T') else {
        return !is_instant && is_date(text);
    };
    if date.len() != 10 || !is_date(date) {
        return false;
    }
    let Some(zone_at) = clock.find(['Z', '+', '-']) else {
        return false;
    };
    is_time(&clock[..zone_at]) && is_zone(&clock[zone_at..])
}

fn is_zone(text: &str) -> bool {
    if text == "Z" {
        return true;
    }
    let (Some(hours), Some(":"), Some(minutes)) = (text.get(1..3), text.get(3..4), text.get(4..)) else {
        return false;
    };
    match (digits(hours, 2), digits(minutes, 2)) {
        (Some(hours), Some(minutes)) => hours < 14 && minutes < 60 || hours == 14 && minutes == 0,
        _ => false,
    }
}

/// `hh:mm:ss` with a fraction or without; second 60 is a leap second.
fn is_time(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(c, f)| (c, Some(f)));
    let mut parts = clock.split(':').map(|p| digits(p, 2));
    let (Some(Some(hours)), Some(Some(minutes)), Some(Some(seconds)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    hours < 24 && minutes < 60 && seconds <= 60 && fraction.is_none_or(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_the_specification() {
        let good = [
            ("boolean", "true"),
            ("integer", "-2147483648"),
            ("integer", "0"),
            ("unsignedInt", "0"),
            ("positiveInt", "1"),
            ("decimal", "-0.10"),
            ("decimal", "1e-5"),
            ("string", " a"),
            ("code", "a b"),
            ("id", "A-1.b"),
            ("uri", "urn:x"),
            ("oid", "urn:oid:1.2.276.0"),
            ("uuid", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
            ("base64Binary", "QUJD"),
            ("base64Binary", "QU\n Jj"),
            ("date", "2024-02-29"),
            ("date", "2024-02"),
            ("date", "2024"),
            ("dateTime", "2024"),
            ("dateTime", "2024-01-01T00:00:00Z"),
            ("dateTime", "2024-01-01T23:59:60.123+14:00"),
            ("instant", "2024-01-01T00:00:00.0-05:00"),
            ("time", "12:00:00.5"),
            ("something", "else"),
        ];
        for (name, text) in good {
            assert!(is_of_type(name, text), "{name} {text}");
        }
        let bad = [
            ("boolean", "True"),
            ("integer", "2147483648"),
            ("integer", "01"),
            ("integer", "-"),
            ("unsignedInt", "-1"),
            ("positiveInt", "0"),
            ("decimal", "1."),
            ("decimal", "01.5"),
            ("decimal", ".5"),
            ("string", "  "),
            ("code", " a"),
            ("code", "a  b"),
            ("code", "a\nb"),
            ("id", "a_b"),
            ("uri", "a b"),
            ("oid", "urn:oid:3.1"),
            ("oid", "urn:oid:1.02"),
            ("uuid", "urn:uuid:c757873d"),
            ("base64Binary", "QUJ"),
            ("base64Binary", "QU=JD"),
            ("date", "2023-02-29"),
            ("date", "2024-13"),
            ("date", "2024-1-1"),
            ("date", "0000"),
            ("date", "24"),
            ("dateTime", "2024-01-01T00:00:00"),
            ("dateTime", "2024-01-01T00:00Z"),
            ("dateTime", "2024-01-01T24:00:00Z"),
            ("instant", "2024-01-01"),
            ("time", "12:00"),
            ("time", "12:00:00Z"),
            ("date", "äö-ü"),
            ("dateTime", "2024-01-01T00:00:00+15:00"),
        ];
        for (name, text) in bad {
            assert!(!is_of_type(name, text), "{name} {text}");
        }
    }
}
