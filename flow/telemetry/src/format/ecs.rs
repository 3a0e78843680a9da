use crate::format::{Dialect, civil};
use crate::{FieldId, FieldsFull, Kind, LogSource, NamedFields, Outcome, Product, Record, Sheet};

/// The Elastic Common Schema.
pub(crate) static DIALECT: Dialect = Dialect {
    is: |fields| {
        let names = [FieldId::ECS_CATEGORY, FieldId::ECS_ACTION];
        names
            .iter()
            .any(|name| fields.get(*name).is_some_and(|v| !v.as_text().is_empty()))
    },
    standard_name: |_| None,
    normalise,
    record,
};

/// Categories of one record; ECS knows 20.
const CATEGORIES_MAX: usize = 8;

fn normalise(sheet: &mut Sheet) -> Result<(), FieldsFull> {
    let named = NamedFields::new(&sheet.names, &sheet.fields);
    let mut categories = named.values("event.category");
    let categories: [&str; CATEGORIES_MAX] = std::array::from_fn(|_| categories.next().unwrap_or(""));
    let said = categories.iter().take_while(|category| !category.is_empty()).count();
    let dataset = named.text("event.dataset");
    sheet.source = sheet
        .sources
        .intern("leckwehr", dataset, categories.get(..said).unwrap_or(&[]));
    Ok(())
}

/// Maps an ECS record as our own sensors ship it.
fn record<'a>(fields: NamedFields<'a>, _source: &'a LogSource) -> Result<Option<Record<'a>>, &'static str> {
    let (time, utc_offset_s) = civil::instant(fields.text("@timestamp")).ok_or("no readable time in @timestamp")?;
    let mut record = Record {
        time,
        utc_offset_s,
        product: Product::Leckwehr,
        service: fields.text("event.dataset"),
        category: fields.text("event.category"),
        action: fields.text("event.action"),
        outcome: outcome(fields.text("event.outcome")),
        host: fields.text("host.name"),
        origin: fields.first(&["source.ip", "source.address"]),
        origin_port: fields.number("source.port").unwrap_or(0),
        destination: fields.first(&["destination.ip", "destination.address"]),
        port: fields.number("destination.port").unwrap_or(0),
        account: fields.text("user.name"),
        sensor: fields.first(&["agent.id", "observer.name", "host.name"]),
        bytes_out: fields.count("source.bytes"),
        bytes_in: fields.count("destination.bytes"),
        duration_ns: fields.number("event.duration"),
        number: fields.count("event.sequence"),
        ..Record::default()
    };
    record.kind = kind(fields, &record);
    details(fields, &mut record);
    Ok(Some(record))
}

fn kind(fields: NamedFields<'_>, record: &Record<'_>) -> Kind {
    let is = |category: &str| fields.values("event.category").any(|c| c == category);
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

fn details<'a>(fields: NamedFields<'a>, record: &mut Record<'a>) {
    match record.kind {
        Kind::Process => record.object = fields.first(&["process.command_line", "process.executable", "process.name"]),
        Kind::File | Kind::Backup => {
            record.object = fields.text("file.path");
            record.size = fields.count("file.size");
            record.entropy = fields.number("file.entropy");
        }
        Kind::Flow => record.object = fields.text("network.protocol"),
        Kind::EgressCounter => record.host = fields.first(&["observer.name", "host.name"]),
        Kind::Requests => {
            record.object = fields.text("url.path");
            record.size = fields.count("http.requests");
            record.duration_ns = fields.number::<i64>("http.window_ms").map(|ms| ms.saturating_mul(1_000_000));
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
