//! The language's types (§ 3.4), each a check of a value at its place.

use serde_json::{Map, Value};

use crate::block::Net;
use crate::openc2::OpenC2Fault;

/// Largest number of things that `features` and `properties` may ask for.
const ASKED_MAX: usize = 10;
/// Longest text, in bytes: addresses of things outside.
const TEXT_BYTES_MAX: usize = 4_096;
/// How deep a process may name its parent.
const PARENTS_MAX: usize = 16;

type Checked = Result<(), OpenC2Fault>;
type Check = fn(&str, &Value) -> Checked;

fn fault<T>(place: &str, reason: impl Into<String>) -> Result<T, OpenC2Fault> {
    Err(OpenC2Fault::new(place, reason))
}

pub(crate) fn object<'a>(place: &str, value: &'a Value) -> Result<&'a Map<String, Value>, OpenC2Fault> {
    match value.as_object() {
        Some(map) if map.is_empty() => fault(place, "an object without content"),
        Some(map) => Ok(map),
        None => fault(place, "must be an object"),
    }
}

pub(crate) fn text<'a>(place: &str, value: &'a Value) -> Result<&'a str, OpenC2Fault> {
    match value.as_str() {
        Some(text) if text.len() <= TEXT_BYTES_MAX => Ok(text),
        Some(_) => fault(place, format!("longer than {TEXT_BYTES_MAX} bytes")),
        None => fault(place, "must be text"),
    }
}

pub(crate) fn one_of(place: &str, value: &Value, words: &[&str]) -> Checked {
    let word = text(place, value)?;
    if words.contains(&word) {
        return Ok(());
    }
    fault(place, format!("{word:?} is not one of {}", words.join(", ")))
}

/// Milliseconds, as date or duration; a number without a fraction.
pub(crate) fn whole_number(place: &str, value: &Value) -> Result<u64, OpenC2Fault> {
    let whole = value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
    });
    whole.ok_or_else(|| OpenC2Fault::new(place, "must be a whole number, 0 or more"))
}

/// Fields of an object, each known and checked.
fn fields(place: &str, value: &Value, known: &[(&str, Check)]) -> Checked {
    for (name, value) in object(place, value)? {
        let place = format!("{place}/{name}");
        match known.iter().find(|(n, _)| n == name) {
            Some((_, check)) => check(&place, value)?,
            None => return fault(&place, "not known"),
        }
    }
    Ok(())
}

/// Checks a target of the language by its type.
pub(crate) fn target(place: &str, kind: &str, value: &Value) -> Checked {
    match kind {
        "artifact" => fields(
            place,
            value,
            &[("mime_type", any_text), ("payload", payload), ("hashes", hashes)],
        ),
        "command" => command_id(place, value),
        "device" => fields(
            place,
            value,
            &[("hostname", host_name), ("idn_hostname", any_text), ("device_id", any_text)],
        ),
        "domain_name" => host_name(place, value),
        "email_addr" | "idn_email_addr" => with(place, value, |t| {
            t.split_once('@')
                .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !t.contains(' '))
        }),
        "features" => features(place, value),
        "file" => file(place, value),
        "idn_domain_name" => with(place, value, |t| !t.is_empty() && !t.contains(char::is_whitespace)),
        "ipv4_net" => net(place, value, false),
        "ipv6_net" => net(place, value, true),
        "ipv4_connection" => connection(place, value, false),
        "ipv6_connection" => connection(place, value, true),
        "iri" | "uri" => with(place, value, |t| {
            let scheme = t.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
                && !t.contains(char::is_whitespace)
        }),
        "mac_addr" => with(place, value, |t| {
            let parts: Vec<&str> = t.split([':', '-']).collect();
            matches!(parts.len(), 6 | 8) && parts.iter().all(|p| p.len() == 2 && is_hex(p))
        }),
        "process" => process(place, value, PARENTS_MAX),
        "properties" => asked(place, value).map(drop),
        _ => fault(place, "not a target of the language"),
    }
}

fn with(place: &str, value: &Value, good: impl Fn(&str) -> bool) -> Checked {
    let text = text(place, value)?;
    if good(text) {
        Ok(())
    } else {
        fault(place, format!("{text:?} is not one"))
    }
}

fn any_text(place: &str, value: &Value) -> Checked {
    text(place, value).map(drop)
}

/// At most 36 characters, none of them blank.
pub(crate) fn command_id(place: &str, value: &Value) -> Checked {
    with(place, value, |t| t.chars().count() <= 36 && !t.contains(char::is_whitespace))
}

pub(crate) fn host_name(place: &str, value: &Value) -> Checked {
    with(place, value, |t| {
        let good = |label: &str| {
            let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            (1..=63).contains(&label.len()) && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
        };
        t.len() <= 253 && t.trim_end_matches('.').split('.').all(good)
    })
}

fn payload(place: &str, value: &Value) -> Checked {
    fields(place, value, &[("bin", any_text), ("url", |p, v| target(p, "uri", v))])?;
    if object(place, value)?.len() == 1 {
        Ok(())
    } else {
        fault(place, "either bin or url")
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn hashes(place: &str, value: &Value) -> Checked {
    fn digest(place: &str, value: &Value, digits: usize) -> Checked {
        with(place, value, |t| t.len() == digits && is_hex(t))
    }
    fields(
        place,
        value,
        &[
            ("md5", |p, v| digest(p, v, 32)),
            ("sha1", |p, v| digest(p, v, 40)),
            ("sha256", |p, v| digest(p, v, 64)),
        ],
    )
}

fn file(place: &str, value: &Value) -> Checked {
    fields(place, value, &[("name", any_text), ("path", any_text), ("hashes", hashes)])
}

fn process(place: &str, value: &Value, parents: usize) -> Checked {
    if parents == 0 {
        return fault(place, "too many parents");
    }
    for (name, value) in object(place, value)? {
        let place = format!("{place}/{name}");
        match name.as_str() {
            "pid" => whole_number(&place, value).map(drop)?,
            "name" | "cwd" | "command_line" => any_text(&place, value)?,
            "executable" => file(&place, value)?,
            "parent" => process(&place, value, parents - 1)?,
            _ => return fault(&place, "not known"),
        }
    }
    Ok(())
}

fn features(place: &str, value: &Value) -> Checked {
    let list = match value.as_array() {
        Some(list) if list.is_empty() => return Ok(()),
        _ => asked(place, value)?,
    };
    for (index, word) in list.iter().enumerate() {
        one_of(
            &format!("{place}/{index}"),
            word,
            &["versions", "profiles", "pairs", "rate_limit"],
        )?;
    }
    Ok(())
}

/// A list of different texts.
fn asked<'a>(place: &str, value: &'a Value) -> Result<&'a Vec<Value>, OpenC2Fault> {
    let Some(list) = value.as_array().filter(|list| !list.is_empty()) else {
        return fault(place, "must be a list with content");
    };
    if list.len() > ASKED_MAX {
        return fault(place, format!("more than {ASKED_MAX}"));
    }
    for (index, word) in list.iter().enumerate() {
        let place = format!("{place}/{index}");
        text(&place, word)?;
        if list.iter().take(index).any(|earlier| earlier == word) {
            return fault(&place, "asked for twice");
        }
    }
    Ok(list)
}

fn net(place: &str, value: &Value, v6: bool) -> Checked {
    with(place, value, |t| Net::parse(t, v6).is_some())
}

fn port(place: &str, value: &Value) -> Checked {
    match whole_number(place, value)? {
        0..=65_535 => Ok(()),
        _ => fault(place, "no port: 0 to 65535"),
    }
}

fn connection(place: &str, value: &Value, v6: bool) -> Checked {
    let address: Check = if v6 { |p, v| net(p, v, true) } else { |p, v| net(p, v, false) };
    fields(
        place,
        value,
        &[
            ("protocol", |p, v| one_of(p, v, &["icmp", "tcp", "udp", "sctp"])),
            ("src_addr", address),
            ("src_port", port),
            ("dst_addr", address),
            ("dst_port", port),
        ],
    )
}
