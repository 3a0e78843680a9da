use leckwehr_incident::Timestamp;

use crate::flat::Flat;
use crate::{Kind, Outcome, Product, Record};

/// Streams about Zeek itself: not events of the estate.
const OWN_STREAMS: [&str; 6] = ["loaded_scripts", "packet_filter", "reporter", "stats", "broker", "cluster"];

/// Returns the name of the stream if the record is one of Zeek's.
pub(crate) fn stream(flat: &Flat) -> Option<&str> {
    Some(flat.first(&["_path", "@stream"])).filter(|s| !s.is_empty())
}

/// Returns whether the stream tells about Zeek itself.
pub(crate) fn is_own(stream: &str) -> bool {
    OWN_STREAMS.contains(&stream)
}

/// Returns the standard name for the spellings that some shippers use in place of dots.
pub(crate) fn standard_name(name: &str) -> Option<String> {
    let standard = match name {
        "id_orig_h" => "id.orig_h",
        "id_orig_p" => "id.orig_p",
        "id_resp_h" => "id.resp_h",
        "id_resp_p" => "id.resp_p",
        "@stream" => "_path",
        "@system" => "_system_name",
        _ => return None,
    };
    Some(standard.to_owned())
}

/// Reads `ts`: seconds since 1970 with a fraction, or RFC 3339.
pub(crate) fn time(flat: &Flat) -> Option<Timestamp> {
    let text = flat.text("ts");
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds.abs() < 9.2e9 => Some(Timestamp::from_unix_seconds(seconds)),
        Ok(_) => None,
        Err(_) => text.parse().ok(),
    }
}

/// Maps a record of `stream`; field meanings are those of the Zeek log reference.
pub(crate) fn record<'a>(flat: &'a Flat, stream: &'a str, time: Timestamp) -> Record<'a> {
    let mut record = Record {
        time,
        product: Product::Zeek,
        service: stream,
        origin: flat.text("id.orig_h"),
        origin_port: flat.number("id.orig_p").unwrap_or(0),
        destination: flat.text("id.resp_h"),
        port: flat.number("id.resp_p").unwrap_or(0),
        sensor: flat.text("_system_name"),
        duration_ns: seconds_ns(flat, "duration"),
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
    record.action = flat.text(action);
    record.object = flat.text(object);
    details(flat, &mut record);
    record
}

fn details<'a>(flat: &'a Flat, record: &mut Record<'a>) {
    match record.kind {
        Kind::Flow => {
            record.category = "network_connection";
            // Payload bytes come from TCP sequence numbers, so they also count what the capture dropped.
            record.bytes_out = flat.count("orig_bytes").or_else(|| flat.count("orig_ip_bytes"));
            record.bytes_in = flat.count("resp_bytes").or_else(|| flat.count("resp_ip_bytes"));
        }
        Kind::Web => {
            record.category = "proxy";
            record.bytes_out = flat.count("request_body_len");
            record.bytes_in = flat.count("response_body_len");
            record.outcome = match flat.number::<u16>("status_code") {
                Some(200..=399) => Outcome::Success,
                Some(400..) => Outcome::Failure,
                _ => Outcome::Unknown,
            };
        }
        Kind::Ticket => {
            record.account = account(flat.text("client"));
            record.outcome = match flat.text("success") {
                "true" => Outcome::Success,
                "false" => Outcome::Failure,
                _ => Outcome::Unknown,
            };
        }
        Kind::Transfer => {
            record.origin = flat.first(&["tx_hosts", "id.orig_h"]);
            record.destination = flat.first(&["rx_hosts", "id.resp_h"]);
            record.size = flat.count("seen_bytes");
        }
        Kind::ShareFile => record.size = flat.count("size"),
        _ => {}
    }
}

/// Returns the account of a Kerberos principal `name/REALM` or `name@REALM`.
fn account(principal: &str) -> &str {
    principal.split(['/', '@']).next().unwrap_or("")
}

fn seconds_ns(flat: &Flat, name: &str) -> Option<i64> {
    let seconds: f64 = flat.number(name)?;
    Some((seconds * 1e9) as i64)
}
