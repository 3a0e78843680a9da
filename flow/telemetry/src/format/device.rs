//! Syslog of network devices that have a grammar of their own: Cisco's mnemonics, and FortiGate's pairs.

use leckwehr_incident::Timestamp;

use crate::columns::Columns;
use crate::format::civil::Civil;
use crate::format::syslog::Syslog;
use crate::{FieldsFull, Kind, Outcome, Product, Sheet};

/// Pairs read of one message.
const PAIRS_MAX: usize = 512;

/// Returns whether the message is of such a device.
pub(crate) fn is(syslog: &Syslog<'_>) -> bool {
    mnemonic(syslog.message).is_some() || is_fortigate(syslog.message)
}

fn is_fortigate(message: &str) -> bool {
    (message.starts_with("date=") || message.starts_with("logver=") || message.starts_with("eventtime="))
        && message.contains("logid=")
}

/// Reads the message; the fields of the syslog header are there already.
pub(crate) fn read(syslog: &Syslog<'_>, sheet: &mut Sheet, columns: &mut Columns) -> Result<(), FieldsFull> {
    columns.product = Product::Device;
    match mnemonic(syslog.message) {
        Some((facility, mnemonic)) => cisco(facility, mnemonic, sheet, columns),
        None => fortigate(syslog.message, sheet, columns),
    }
}

/// Returns facility and mnemonic of `%FACILITY-SEVERITY-MNEMONIC: text`.
fn mnemonic(message: &str) -> Option<(&str, &str)> {
    let (code, _) = message.strip_prefix('%')?.split_once(':')?;
    let (rest, mnemonic) = code.rsplit_once('-')?;
    let (facility, severity) = rest.rsplit_once('-')?;
    let is_code =
        !facility.is_empty() && !mnemonic.is_empty() && severity.len() == 1 && severity.bytes().all(|b| b.is_ascii_digit());
    (is_code && !code.contains(' ')).then_some((facility, mnemonic))
}

fn cisco(facility: &str, mnemonic: &str, sheet: &mut Sheet, columns: &mut Columns) -> Result<(), FieldsFull> {
    columns.action_field = sheet.put("mnemonic", mnemonic)?;
    let service = facility.to_ascii_lowercase();
    sheet.source = match service.as_str() {
        "asa" | "ftd" | "pix" | "fwsm" => sheet.sources.intern("cisco", &service, &["firewall"]),
        // Sigma's `aaa` is the accounting of commands, which routers log by these.
        "parser" | "sec_login" | "aaaa" | "aaa" | "ha_em" | "tac" => sheet.sources.intern_also("cisco", &service, &["aaa"], &[]),
        _ => sheet.sources.intern("cisco", &service, &[]),
    };
    Ok(())
}

/// FortiOS log message reference: pairs, texts between quotes.
fn fortigate(message: &str, sheet: &mut Sheet, columns: &mut Columns) -> Result<(), FieldsFull> {
    let mut seen = Seen::default();
    let pairs = Pairs { rest: message };
    for (key, value) in pairs.take(PAIRS_MAX) {
        let id = sheet.put(key, value)?;
        match key {
            "date" => seen.date = value,
            "time" => seen.time = value,
            "tz" => seen.zone = value,
            "eventtime" => seen.epoch = value,
            "type" => seen.kind = value,
            "subtype" => seen.subtype = value,
            "devname" => columns.host = id,
            "srcip" => columns.origin = id,
            "dstip" => columns.destination = id,
            "srcport" => columns.origin_port = value.parse().unwrap_or(0),
            "dstport" => columns.port = value.parse().unwrap_or(0),
            "user" => columns.account = id,
            "action" => {
                columns.action_field = id;
                columns.outcome = match value {
                    "deny" | "blocked" | "dropped" | "reset" | "failed" => Outcome::Failure,
                    "accept" | "passthrough" | "allowed" | "close" => Outcome::Success,
                    _ => columns.outcome,
                };
            }
            "service" | "url" => columns.object = id,
            "sentbyte" => columns.bytes_out = value.parse().ok(),
            "rcvdbyte" => columns.bytes_in = value.parse().ok(),
            "duration" => columns.duration_ns = value.parse::<i64>().ok().and_then(|s| s.checked_mul(1_000_000_000)),
            _ => {}
        }
    }
    columns.time = seen.instant().or(columns.time);
    let category = match (seen.kind, seen.subtype) {
        ("traffic", _) => Some(("firewall", Kind::Flow)),
        ("utm", "webfilter") => Some(("proxy", Kind::Web)),
        ("utm" | "dns", "dns" | "dns-query" | "dns-response") => Some(("dns", Kind::Name)),
        _ => None,
    };
    columns.kind = category.map_or(Kind::Other, |(_, kind)| kind);
    for (alias, of) in [("src_ip", columns.origin), ("dst_ip", columns.destination)] {
        sheet.put_alias(alias, of)?;
    }
    sheet.source = sheet
        .sources
        .intern("fortigate", seen.kind, category.map(|(name, _)| name).as_slice());
    Ok(())
}

/// What decides a FortiGate message's time and meaning.
#[derive(Default)]
struct Seen<'a> {
    date: &'a str,
    time: &'a str,
    zone: &'a str,
    epoch: &'a str,
    kind: &'a str,
    subtype: &'a str,
}

impl Seen<'_> {
    /// `eventtime` counts seconds before FortiOS 6.2 and nanoseconds since.
    fn instant(&self) -> Option<Timestamp> {
        let epoch: Option<i64> = self.epoch.parse().ok().filter(|n| *n > 0);
        if let Some(epoch) = epoch {
            let nanoseconds = if epoch < 100_000_000_000 {
                epoch.checked_mul(1_000_000_000)?
            } else {
                epoch
            };
            return Some(Timestamp(nanoseconds));
        }
        let text = format!("{}T{}{}", self.date, self.time, self.zone);
        let (civil, _) = Civil::rfc3339(&text)?;
        civil.instant(Timestamp::default(), 0)
    }
}

/// `key=value key="two words"`.
struct Pairs<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = self.rest.trim_start_matches([' ', ',']).split_once('=')?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        self.rest = rest;
        Some((key.rsplit(' ').next().unwrap_or(key), value))
    }
}
