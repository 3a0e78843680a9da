//! CEF and LEEF records as fields, with their labelled ones under their labels too.

use leckwehr_incident::Timestamp;

use crate::columns::Columns;
use crate::format::cef::{Cef, Dialect, unescape_header, unescape_value};
use crate::format::civil::Civil;
use crate::format::syslog::SyslogClock;
use crate::{FieldId, FieldsFull, Kind, Outcome, Product, Sheet};

/// Writes a record into the sheet. `columns` may know time and host from the syslog header around it.
pub(crate) fn read(cef: &Cef<'_>, clock: SyslogClock, sheet: &mut Sheet, mut columns: Columns) -> Result<(), FieldsFull> {
    let mut text = String::new();
    let headers = [
        ("DeviceVendor", cef.vendor),
        ("DeviceProduct", cef.product),
        ("DeviceVersion", cef.version),
        ("DeviceEventClassID", cef.class),
        ("Name", cef.name),
        ("Severity", cef.severity),
    ];
    for (name, value) in headers {
        text.clear();
        unescape_header(value, &mut text);
        let id = sheet.put(name, &text)?;
        if matches!(name, "Name" | "DeviceEventClassID") {
            columns.object = id.or(columns.object);
        }
    }
    for (key, value) in cef.pairs() {
        text.clear();
        match cef.dialect {
            Dialect::Cef => unescape_value(value, &mut text),
            Dialect::Leef(_) => text.push_str(value),
        }
        sheet.put(key, &text)?;
    }
    labels(sheet)?;
    fill(cef, clock, sheet, &mut columns)?;
    let (product, service) = product(cef);
    let categories: &[&str] = match columns.kind {
        Kind::Web => &["proxy"],
        Kind::Name => &["dns"],
        Kind::Flow => &["firewall"],
        _ => &[],
    };
    sheet.source = sheet.sources.intern(&product, &service, categories);
    columns.product = Product::Device;
    sheet.columns = Some(columns);
    Ok(())
}

/// Vendor and product in the form of Sigma's names: `Palo Alto Networks` is `palo_alto_networks`.
fn product(cef: &Cef<'_>) -> (String, String) {
    let plain = |text: &str| text.to_lowercase().replace([' ', '-', '\\'], "_");
    (plain(cef.vendor), plain(cef.product))
}

/// Gives every custom field (`cs1`, `cn2`, `deviceCustomDate1`, …) that has a label the label as its second name.
fn labels(sheet: &mut Sheet) -> Result<(), FieldsFull> {
    let labelled = |sheet: &Sheet| -> Vec<(FieldId, String)> {
        let pairs = sheet.fields.iter().filter_map(|(id, label)| {
            let custom = sheet.names.id(sheet.names.name(id).strip_suffix("Label")?)?;
            Some((custom, label.as_text().to_owned()))
        });
        pairs.collect()
    };
    for (custom, label) in labelled(sheet) {
        if sheet.fields.get(custom).is_some() && !label.is_empty() {
            sheet.put_alias(&label, Some(custom))?;
        }
    }
    Ok(())
}

/// Fills the columns from the dictionary's keys, short (CEF) and LEEF's, and gives Sigma's names for firewalls and proxies.
fn fill(cef: &Cef<'_>, clock: SyslogClock, sheet: &mut Sheet, columns: &mut Columns) -> Result<(), FieldsFull> {
    let first = |sheet: &Sheet, keys: &[&str]| {
        let known = keys.iter().filter_map(|key| sheet.names.id(key));
        known
            .into_iter()
            .find(|id| sheet.fields.get(*id).is_some_and(|v| !v.as_text().is_empty()))
    };
    let text = |sheet: &Sheet, keys: &[&str]| first(sheet, keys).map_or(String::new(), |id| sheet.named().at(id).to_owned());
    columns.time = text_time(&text(sheet, &["rt", "end", "start", "devTime"]), clock).or(columns.time);
    columns.host = first(sheet, &["dvchost", "dvc", "deviceName", "identHostName"]).or(columns.host);
    columns.sensor = columns.host;
    columns.origin = first(sheet, &["src", "shost", "identSrc"]);
    columns.destination = first(sheet, &["dst", "dhost"]);
    columns.origin_port = text(sheet, &["spt", "srcPort"]).parse().unwrap_or(0);
    columns.port = text(sheet, &["dpt", "dstPort"]).parse().unwrap_or(0);
    columns.account = first(sheet, &["duser", "suser", "usrName", "duid", "suid"]);
    columns.action_field = first(sheet, &["act", "action", "DeviceEventClassID"]);
    columns.bytes_out = text(sheet, &["out", "srcBytes"]).parse().ok();
    columns.bytes_in = text(sheet, &["in", "dstBytes"]).parse().ok();
    columns.outcome = outcome(&text(sheet, &["outcome", "act", "action"]));
    let about = [cef.name, cef.class].map(str::to_lowercase).join(" ") + " " + &text(sheet, &["cat"]).to_lowercase();
    columns.kind = if first(sheet, &["request", "url"]).is_some() {
        columns.object = first(sheet, &["request", "url"]);
        Kind::Web
    } else if columns.account.is_some() && is_logon(&about) {
        Kind::Logon
    } else if columns.origin.is_some() && columns.destination.is_some() {
        columns.object = first(sheet, &["app", "proto"]).or(columns.object);
        Kind::Flow
    } else {
        Kind::Other
    };
    let aliases: [(&str, &[&str]); 9] = [
        ("src_ip", &["src"]),
        ("dst_ip", &["dst"]),
        ("src_port", &["spt", "srcPort"]),
        ("dst_port", &["dpt", "dstPort"]),
        ("c-uri", &["request", "url"]),
        ("cs-method", &["requestMethod"]),
        ("c-useragent", &["requestClientApplication"]),
        ("cs-host", &["dhost"]),
        ("c-ip", &["src"]),
    ];
    for (alias, keys) in aliases {
        let of = first(sheet, keys);
        sheet.put_alias(alias, of)?;
    }
    Ok(())
}

fn is_logon(about: &str) -> bool {
    let is = |words: &[&str]| words.iter().any(|word| about.contains(word));
    is(&["logon", "log-on", "login", "log in", "logged in", "authentication", "sign-in"])
        && !is(&["logout", "logoff", "logged out"])
}

fn outcome(word: &str) -> Outcome {
    match word.to_ascii_lowercase().as_str() {
        "success" | "/success" | "succeeded" | "allow" | "allowed" | "accept" | "accepted" | "permit" | "permitted" | "pass" => {
            Outcome::Success
        }
        "failure" | "/failure" | "fail" | "failed" | "deny" | "denied" | "block" | "blocked" | "drop" | "dropped" | "reject"
        | "rejected" | "reset" | "prevented" => Outcome::Failure,
        _ => Outcome::Unknown,
    }
}

/// Reads the times of the standard: milliseconds since 1970, or `MMM dd [yyyy] HH:mm:ss[.SSS] [zone]`.
fn text_time(text: &str, clock: SyslogClock) -> Option<Timestamp> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number {
        let number: i64 = text.parse().ok()?;
        // Seconds, as some devices write, until 1973 counted in milliseconds.
        let milliseconds = if number < 100_000_000_000 {
            number.checked_mul(1_000)?
        } else {
            number
        };
        return Some(Timestamp(milliseconds.checked_mul(1_000_000)?));
    }
    let (civil, _) = Civil::rfc3339(text).or_else(|| Civil::rfc3164(text))?;
    civil.instant(clock.reference, clock.offset_s)
}
