use leckwehr_incident::Timestamp;

use crate::format::Dialect;
use crate::{FieldId, FieldsFull, Kind, LogSource, NamedFields, Outcome, Product, Record, Sheet};

/// Streams about Zeek itself: not events of the estate.
const OWN_STREAMS: [&str; 6] = ["loaded_scripts", "packet_filter", "reporter", "stats", "broker", "cluster"];

/// Zeek's logs as JSON, with its own field names or those of its shippers.
pub(crate) static DIALECT: Dialect = Dialect {
    is: |fields| {
        let names = [FieldId::ZEEK_PATH, FieldId::ZEEK_STREAM];
        names
            .iter()
            .any(|name| fields.get(*name).is_some_and(|v| !v.as_text().is_empty()))
    },
    standard_name,
    normalise,
    record,
};

fn normalise(sheet: &mut Sheet) -> Result<(), FieldsFull> {
    let stream = sheet.fields.get(FieldId::ZEEK_PATH).map_or("", |v| v.as_text());
    let categories: &[&str] = match stream {
        "conn" => &["network_connection"],
        "http" => &["proxy"],
        "dns" => &["dns"],
        _ => &[],
    };
    sheet.source = sheet.sources.intern("zeek", stream, categories);
    Ok(())
}

/// Returns the standard name for the spellings that some shippers use in place of dots.
fn standard_name(name: &str) -> Option<&str> {
    let standard = match name {
        "id_orig_h" => "id.orig_h",
        "id_orig_p" => "id.orig_p",
        "id_resp_h" => "id.resp_h",
        "id_resp_p" => "id.resp_p",
        "@stream" => "_path",
        "@system" => "_system_name",
        _ => return None,
    };
    Some(standard)
}

/// Reads `ts`: seconds since 1970 with a fraction, or RFC 3339.
fn time(fields: NamedFields<'_>) -> Option<Timestamp> {
    let text = fields.text("ts");
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds.abs() < 9.2e9 => Some(Timestamp::from_unix_seconds(seconds)),
        Ok(_) => None,
        Err(_) => text.parse().ok(),
    }
}

/// Maps a record of any stream; field meanings are those of the Zeek log reference.
fn record<'a>(fields: NamedFields<'a>, source: &'a LogSource) -> Result<Option<Record<'a>>, &'static str> {
    let stream = &*source.service;
    let Some(time) = time(fields) else {
        let is_own = OWN_STREAMS.contains(&stream);
        return if is_own { Ok(None) } else { Err("no readable time in ts") };
    };
    let mut record = Record {
        time,
        product: Product::Zeek,
        service: stream,
        origin: fields.text("id.orig_h"),
        origin_port: fields.number("id.orig_p").unwrap_or(0),
        destination: fields.text("id.resp_h"),
        port: fields.number("id.resp_p").unwrap_or(0),
        sensor: fields.text("_system_name"),
        duration_ns: seconds_ns(fields, "duration"),
        ..Record::default()
    };
    let (kind, action, object) = match stream {
        "conn" => (Kind::Flow, "conn_state", "service"),
        "http" => (Kind::Web, "method", "uri"),
        "dce_rpc" => (Kind::RemoteCall, "operation", "endpoint"),
        "smb_mapping" => (Kind::Share, "share_type", "path"),
        "smb_files" => (Kind::ShareFile, "action", "name"),
        "kerberos" => (Kind::Ticket, "request_type", "service"),
        "ssl" => (Kind::Tls, "validation_status", "server_name"),
        "dns" => (Kind::Name, "rcode_name", "query"),
        "files" => (Kind::Transfer, "mime_type", "filename"),
        "notice" => (Kind::Other, "note", "msg"),
        _ => (Kind::Other, "", ""),
    };
    record.kind = kind;
    record.action = fields.text(action);
    record.object = fields.text(object);
    details(fields, &mut record);
    Ok((!OWN_STREAMS.contains(&stream)).then_some(record))
}

fn details<'a>(fields: NamedFields<'a>, record: &mut Record<'a>) {
    match record.kind {
        Kind::Flow => {
            record.category = "network_connection";
            // Payload bytes come from TCP sequence numbers, so they also count what the capture dropped.
            record.bytes_out = fields.count("orig_bytes").or_else(|| fields.count("orig_ip_bytes"));
            record.bytes_in = fields.count("resp_bytes").or_else(|| fields.count("resp_ip_bytes"));
        }
        Kind::Web => {
            record.category = "proxy";
            record.bytes_out = fields.count("request_body_len");
            record.bytes_in = fields.count("response_body_len");
            record.outcome = match fields.number::<u16>("status_code") {
                Some(200..=399) => Outcome::Success,
                Some(400..) => Outcome::Failure,
                _ => Outcome::Unknown,
            };
        }
        Kind::Ticket => {
            record.account = account(fields.text("client"));
            record.outcome = match fields.text("success") {
                "true" => Outcome::Success,
                "false" => Outcome::Failure,
                _ => Outcome::Unknown,
            };
        }
        Kind::Transfer => {
            record.origin = fields.first(&["tx_hosts", "id.orig_h"]);
            record.destination = fields.first(&["rx_hosts", "id.resp_h"]);
            record.size = fields.count("seen_bytes");
        }
        Kind::ShareFile => record.size = fields.count("size"),
        _ => {}
    }
}

/// Returns the account of a Kerberos principal `name/REALM` or `name@REALM`.
fn account(principal: &str) -> &str {
    principal.split(['/', '@']).next().unwrap_or("")
}

fn seconds_ns(fields: NamedFields<'_>, name: &str) -> Option<i64> {
    let seconds: f64 = fields.number(name)?;
    Some((seconds * 1e9) as i64)
}
