use leckwehr_incident::Timestamp;

use crate::format::Dialect;
use crate::{FieldId, FieldsFull, Kind, LogSource, NamedFields, Outcome, Product, Record, Sheet};

/// Events of the Open Cybersecurity Schema Framework (schema.ocsf.io, classes of versions 1.0 to 1.6).
pub(crate) static DIALECT: Dialect = Dialect {
    is: |fields| {
        let has = |name| fields.get(name).is_some();
        has(FieldId::OCSF_CLASS) && (has(FieldId::OCSF_CATEGORY) || has(FieldId::OCSF_VERSION))
    },
    standard_name: |_| None,
    normalise,
    record,
};

/// Sigma's names for the attributes of OCSF.
const ALIASES: [(&str, &str); 24] = [
    ("CommandLine", "process.cmd_line"),
    ("Image", "process.file.path"),
    ("ProcessId", "process.pid"),
    ("ParentImage", "process.parent_process.file.path"),
    ("ParentImage", "actor.process.file.path"),
    ("ParentCommandLine", "process.parent_process.cmd_line"),
    ("ParentCommandLine", "actor.process.cmd_line"),
    ("User", "actor.user.name"),
    ("TargetFilename", "file.path"),
    ("SourceIp", "src_endpoint.ip"),
    ("SourcePort", "src_endpoint.port"),
    ("DestinationIp", "dst_endpoint.ip"),
    ("DestinationPort", "dst_endpoint.port"),
    ("DestinationHostname", "dst_endpoint.hostname"),
    ("src_ip", "src_endpoint.ip"),
    ("dst_ip", "dst_endpoint.ip"),
    ("dst_port", "dst_endpoint.port"),
    ("query", "query.hostname"),
    ("record_type", "query.type"),
    ("answer", "answers.rdata"),
    ("c-uri", "http_request.url.path"),
    ("cs-method", "http_request.http_method"),
    ("c-useragent", "http_request.user_agent"),
    ("cs-host", "http_request.url.hostname"),
];

fn normalise(sheet: &mut Sheet) -> Result<(), FieldsFull> {
    for (alias, of) in ALIASES {
        let of = sheet.names.id(of).filter(|id| sheet.fields.get(*id).is_some());
        let known = sheet.names.id(alias).is_some_and(|id| sheet.fields.get(id).is_some());
        if !known {
            sheet.put_alias(alias, of)?;
        }
    }
    let named = NamedFields::new(&sheet.names, &sheet.fields);
    let (_, service, category) = class(named);
    // A rule for programs started asks for the system they run on; one for a cloud's calls for the cloud.
    let system = named.text("device.os.type").to_ascii_lowercase();
    let product = match (category, system.as_str()) {
        ("process_creation" | "file_event", "windows" | "linux" | "macos") => system.as_str(),
        _ => "ocsf",
    };
    let categories: &[&str] = if category.is_empty() { &[] } else { &[category] };
    sheet.source = sheet.sources.intern(product, service, categories);
    Ok(())
}

/// Returns kind, service (the class in the schema's words) and Sigma category of the record's class.
fn class(fields: NamedFields<'_>) -> (Kind, &'static str, &'static str) {
    match fields.number::<u32>("class_uid").unwrap_or(0) {
        1001 => (Kind::File, "file_activity", "file_event"),
        1007 => (
            Kind::Process,
            "process_activity",
            if fields.text("activity_id") == "1" {
                "process_creation"
            } else {
                ""
            },
        ),
        2001 | 2004 => (Kind::Other, "detection_finding", ""),
        3001 => (Kind::Other, "account_change", ""),
        3002 => (Kind::Logon, "authentication", ""),
        4001 => (Kind::Flow, "network_activity", "network_connection"),
        4002 => (Kind::Web, "http_activity", "proxy"),
        4003 => (Kind::Name, "dns_activity", "dns"),
        4006 => (Kind::ShareFile, "smb_activity", ""),
        4007 => (Kind::Flow, "ssh_activity", ""),
        4010 => (Kind::ShareFile, "network_file_activity", ""),
        4014 => (Kind::Tls, "tunnel_activity", ""),
        6003 => (Kind::Other, "api_activity", ""),
        _ => (Kind::Other, "other", ""),
    }
}

fn record<'a>(fields: NamedFields<'a>, source: &'a LogSource) -> Result<Option<Record<'a>>, &'static str> {
    let milliseconds: Option<i64> = fields.count("time").and_then(|ms| i64::try_from(ms).ok());
    let time = milliseconds
        .and_then(|ms| ms.checked_mul(1_000_000))
        .map(Timestamp)
        .or_else(|| fields.first(&["time_dt", "time"]).parse().ok());
    let (kind, _, _) = class(fields);
    // A log-off is no log-on.
    let kind = if kind == Kind::Logon && fields.text("activity_id") == "2" {
        Kind::Other
    } else {
        kind
    };
    let object: &[&str] = match kind {
        Kind::Process => &["process.cmd_line", "process.file.path", "process.name"],
        Kind::File | Kind::ShareFile => &["file.path", "file.name"],
        Kind::Web => &["http_request.url.url_string", "http_request.url.path"],
        Kind::Name => &["query.hostname"],
        Kind::Tls => &["tls.sni"],
        Kind::Flow => &["connection_info.protocol_name", "app_name"],
        _ => &["api.operation", "finding_info.title", "finding.title", "message"],
    };
    Ok(Some(Record {
        time: time.ok_or("no readable time in time or time_dt")?,
        kind,
        product: Product::Ocsf,
        service: &source.service,
        category: source.categories.first().map_or("", |c| c),
        action: fields.first(&["activity_name", "activity_id", "action"]),
        outcome: match fields.text("status_id") {
            "1" => Outcome::Success,
            "2" => Outcome::Failure,
            _ => match fields.text("status").to_ascii_lowercase().as_str() {
                "success" => Outcome::Success,
                "failure" => Outcome::Failure,
                _ => Outcome::Unknown,
            },
        },
        host: fields.first(&["device.hostname", "device.name", "device.ip", "dst_endpoint.hostname"]),
        origin: fields.first(&["src_endpoint.ip", "src_endpoint.hostname"]),
        origin_port: fields.number("src_endpoint.port").unwrap_or(0),
        destination: fields.first(&["dst_endpoint.ip", "dst_endpoint.hostname"]),
        port: fields.number("dst_endpoint.port").unwrap_or(0),
        account: match kind {
            Kind::Logon => fields.first(&["user.name", "user.uid", "actor.user.name"]),
            _ => fields.first(&["actor.user.name", "user.name", "actor.user.uid", "process.user.name"]),
        },
        object: fields.first(object),
        sensor: fields.first(&[
            "metadata.log_provider",
            "metadata.product.name",
            "metadata.product.feature.name",
        ]),
        bytes_out: fields.count("traffic.bytes_out").or_else(|| fields.count("traffic.bytes")),
        bytes_in: fields.count("traffic.bytes_in"),
        size: fields.count("file.size"),
        duration_ns: fields.number::<i64>("duration").and_then(|ms| ms.checked_mul(1_000_000)),
        number: fields.count("metadata.sequence"),
        ..Record::default()
    }))
}

#[cfg(test)]
mod tests {
    use crate::format::{Lines, Read};
    use crate::{Kind, Outcome, Sheet};

    #[test]
    fn classes_have_their_kind_and_sigma_its_names() {
        let (mut lines, mut sheet) = (Lines::default(), Sheet::new());
        let logon =
            br#"{"class_uid":3002,"category_uid":3,"activity_id":1,"time":1682392329000,"status_id":2,"user":{"name":"eve"},
            "src_endpoint":{"ip":"10.1.2.3"},"device":{"hostname":"fs-1"},"metadata":{"version":"1.1.0"}}"#;
        assert_eq!(lines.read(logon, &mut sheet), Ok(Read::Record));
        let record = sheet.record().unwrap().unwrap();
        assert_eq!(
            (record.kind, record.outcome, record.account, record.host),
            (Kind::Logon, Outcome::Failure, "eve", "fs-1")
        );
        assert_eq!(record.time.to_string(), "2023-04-25T03:12:09.000Z");
        let process = br#"{"class_uid":1007,"category_uid":1,"activity_id":1,"time_dt":"2023-04-25T03:12:09Z","device":{"os":{"type":"Linux"}},
            "process":{"cmd_line":"curl x","file":{"path":"/usr/bin/curl"}},"actor":{"process":{"file":{"path":"/bin/sh"}}}}"#;
        assert_eq!(lines.read(process, &mut sheet), Ok(Read::Record));
        let source = sheet.log_source().clone();
        assert_eq!((&*source.product, &*source.categories[0]), ("linux", "process_creation"));
        assert_eq!(
            (sheet.named().text("Image"), sheet.named().text("ParentImage")),
            ("/usr/bin/curl", "/bin/sh")
        );
        assert_eq!(sheet.record().unwrap().unwrap().object, "curl x");
        lines
            .read(br#"{"class_uid":4001,"category_uid":4,"traffic":{}}"#, &mut sheet)
            .unwrap();
        assert!(sheet.record().is_err(), "it has no time");
    }
}
