use leckwehr_incident::Timestamp;

use crate::flat::Flat;
use crate::{Kind, Outcome, Product, Record};

/// Returns whether the record is of the Elastic Common Schema.
pub(crate) fn is(flat: &Flat) -> bool {
    !flat.text("event.category").is_empty() || !flat.text("event.action").is_empty()
}

pub(crate) fn time(flat: &Flat) -> Option<Timestamp> {
    flat.text("@timestamp").parse().ok()
}

/// Maps an ECS record as our own sensors ship it.
pub(crate) fn record(flat: &Flat, time: Timestamp) -> Record<'_> {
    let mut record = Record {
        time,
        product: Product::Leckwehr,
        service: flat.text("event.dataset"),
        category: flat.text("event.category"),
        action: flat.text("event.action"),
        outcome: outcome(flat.text("event.outcome")),
        host: flat.text("host.name"),
        origin: flat.first(&["source.ip", "source.address"]),
        origin_port: flat.number("source.port").unwrap_or(0),
        destination: flat.first(&["destination.ip", "destination.address"]),
        port: flat.number("destination.port").unwrap_or(0),
        account: flat.text("user.name"),
        sensor: flat.first(&["agent.id", "observer.name", "host.name"]),
        bytes_out: flat.count("source.bytes"),
        bytes_in: flat.count("destination.bytes"),
        duration_ns: flat.number("event.duration"),
        ..Record::default()
    };
    record.kind = kind(flat, &record);
    details(flat, &mut record);
    record
}

fn kind(flat: &Flat, record: &Record<'_>) -> Kind {
    let is = |category: &str| flat.values("event.category").any(|c| c == category);
    if record.service == "guard.egress" {
        Kind::EgressCounter
    } else if record.service == "backup" || record.action.starts_with("snapshot-") {
        Kind::Backup
    } else if is("authentication") && !matches!(record.action, "logoff" | "logged-out") {
        Kind::Logon
    } else if is("process") {
        Kind::Process
    } else if is("file") {
        Kind::File
    } else if is("network") {
        Kind::Flow
    } else if is("web") {
        Kind::Requests
    } else {
        Kind::Other
    }
}

fn details<'a>(flat: &'a Flat, record: &mut Record<'a>) {
    match record.kind {
        Kind::Process => record.object = flat.first(&["process.command_line", "process.executable", "process.name"]),
        Kind::File | Kind::Backup => {
            record.object = flat.text("file.path");
            record.size = flat.count("file.size");
            record.entropy = flat.number("file.entropy");
        }
        Kind::Flow => record.object = flat.text("network.protocol"),
        Kind::EgressCounter => record.host = flat.first(&["observer.name", "host.name"]),
        Kind::Requests => {
            record.object = flat.text("url.path");
            record.size = flat.count("http.requests");
            record.duration_ns = flat.number::<i64>("http.window_ms").map(|ms| ms.saturating_mul(1_000_000));
        }
        _ => {}
    }
}

fn outcome(word: &str) -> Outcome {
    match word {
        "success" => Outcome::Success,
        "failure" => Outcome::Failure,
        _ => Outcome::Unknown,
    }
}
