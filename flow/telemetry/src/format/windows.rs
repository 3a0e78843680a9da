use leckwehr_incident::Timestamp;

use crate::format::Dialect;
use crate::{FieldId, FieldsFull, Kind, LogSource, NamedFields, Outcome, Product, Record, Sheet};

/// Windows events: flat as NXLog writes them, of winlogbeat 6 and 7, and nested as the event's XML.
pub(crate) static DIALECT: Dialect = Dialect {
    is: |fields| {
        let names = [
            FieldId::EVENT_ID,
            FieldId::BEAT_EVENT_ID,
            FieldId::OLD_BEAT_EVENT_ID,
            FieldId::XML_EVENT_ID,
        ];
        names
            .iter()
            .any(|name| fields.get(*name).is_some_and(|v| event_id(v.as_text()).is_some()))
    },
    standard_name,
    normalise,
    record,
};

fn event_id(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

fn normalise(sheet: &mut Sheet) -> Result<(), FieldsFull> {
    let text = |name| sheet.fields.get(name).map_or("", |v| v.as_text());
    let id = event_id(text(FieldId::EVENT_ID)).unwrap_or(0);
    let service = service(text(FieldId::CHANNEL));
    let categories = match (service, id) {
        ("security", 4624 | 4625) => &["authentication"],
        ("security", 4688) | ("sysmon", 1) => &["process_creation"],
        ("security", 4663) => &["file_access"],
        ("security", 5156) | ("sysmon", 3) => &["network_connection"],
        ("sysmon", 11) => &["file_event"],
        ("sysmon", 23 | 26) => &["file_delete"],
        _ => &[][..],
    };
    sheet.source = sheet.sources.intern("windows", service, categories);
    Ok(())
}

/// Returns Sigma's name for the spellings of winlogbeat (6 and 7) and of nested event XML.
fn standard_name(name: &str) -> Option<&str> {
    let data = ["event_data.", "winlog.event_data.", "Event.EventData.", "Event.System."];
    if let Some(rest) = data.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        return Some(rest);
    }
    let flat = match name {
        "event_id" | "winlog.event_id" => "EventID",
        "computer_name" | "winlog.computer_name" => "Hostname",
        "log_name" | "winlog.channel" => "Channel",
        "record_number" | "winlog.record_id" => "RecordNumber",
        "source_name" | "winlog.provider_name" => "Provider_Name",
        _ => return None,
    };
    Some(flat)
}

/// Reads the time of the event itself, then the time at which it was shipped.
///
/// `UtcTime` is Sysmon's own and `TimeCreated` that of the event log: both are UTC and often written without a zone.
/// `EventTime` has no zone either, but is local time in these exports, and is not used.
fn time(fields: NamedFields<'_>) -> Option<Timestamp> {
    ["UtcTime", "TimeCreated", "@timestamp"].into_iter().find_map(|name| {
        let text = fields.text(name).trim();
        let utc = || format!("{}Z", text.replacen(' ', "T", 1)).parse().ok();
        text.parse().ok().or_else(utc)
    })
}

/// Maps a flat Windows record of the channels Security and Sysmon; others keep only host, account and raw fields.
fn record<'a>(fields: NamedFields<'a>, source: &'a LogSource) -> Result<Option<Record<'a>>, &'static str> {
    let time = time(fields).ok_or("no readable time in UtcTime, TimeCreated or @timestamp")?;
    let id = event_id(fields.text("EventID")).unwrap_or(0);
    let service = &*source.service;
    let mut record = Record {
        time,
        product: Product::Windows,
        service,
        category: source.categories.first().map_or("", |category| category),
        number: fields.count("RecordNumber").or_else(|| fields.count("EventRecordID")),
        host: fields.first(&["Hostname", "Computer", "ComputerName"]),
        account: account(fields.first(&["TargetUserName", "User", "SubjectUserName", "AccountName"])),
        sensor: fields.first(&["Hostname", "Computer", "ComputerName"]),
        ..Record::default()
    };
    let (kind, object) = match (service, id) {
        ("security", 4624 | 4625) => (Kind::Logon, ""),
        ("security", 4688) | ("sysmon", 1) => (Kind::Process, "CommandLine"),
        ("security", 4663) => (Kind::File, "ObjectName"),
        ("security", 5140 | 5145) => (Kind::Share, "ShareName"),
        ("security", 5156) => (Kind::Flow, "Application"),
        ("sysmon", 3) => (Kind::Flow, "Image"),
        ("sysmon", 11 | 23 | 26) => (Kind::File, "TargetFilename"),
        _ => (Kind::Other, ""),
    };
    record.kind = kind;
    record.object = fields.text(object);
    details(fields, id, &mut record);
    Ok(Some(record))
}

fn details<'a>(fields: NamedFields<'a>, id: u32, record: &mut Record<'a>) {
    match record.kind {
        Kind::Logon => {
            record.outcome = if id == 4624 { Outcome::Success } else { Outcome::Failure };
            record.origin = address(fields.first(&["IpAddress"]));
            record.action = fields.text("LogonType");
        }
        Kind::Process => {
            // In 4688 the target is the new session, usually empty; the subject started the program.
            record.account = account(fields.first(&["SubjectUserName", "User", "TargetUserName"]));
            record.object = fields.first(&["CommandLine", "NewProcessName", "Image"]);
        }
        Kind::File => {
            record.action = match record.category {
                "file_event" => "create",
                "file_delete" => "delete",
                _ => "read",
            }
        }
        Kind::Share => {
            record.account = account(fields.first(&["SubjectUserName"]));
            record.origin = address(fields.first(&["IpAddress"]));
        }
        Kind::Flow => {
            record.origin = address(fields.first(&["SourceIp", "SourceAddress"]));
            record.origin_port = fields.number("SourcePort").unwrap_or(0);
            record.destination = address(fields.first(&["DestinationIp", "DestAddress"]));
            record.port = fields.first(&["DestinationPort", "DestPort"]).parse().unwrap_or(0);
        }
        _ => {}
    }
}

/// Returns Sigma's service for the channel.
fn service(channel: &str) -> &str {
    let known = [
        ("security", "security"),
        ("system", "system"),
        ("application", "application"),
        ("microsoft-windows-sysmon/operational", "sysmon"),
        ("microsoft-windows-powershell/operational", "powershell"),
        ("windows powershell", "powershell-classic"),
        ("microsoft-windows-wmi-activity/operational", "wmi"),
        ("microsoft-windows-taskscheduler/operational", "taskscheduler"),
    ];
    let found = known.iter().find(|(name, _)| channel.eq_ignore_ascii_case(name));
    found.map_or(channel, |(_, service)| service)
}

/// Returns the account without its domain.
fn account(name: &str) -> &str {
    name.rsplit('\\').next().unwrap_or(name)
}

/// Returns the address without the prefix of an IPv4 address in IPv6 form; local ones are left out.
fn address(text: &str) -> &str {
    match text.strip_prefix("::ffff:").unwrap_or(text) {
        "::1" | "127.0.0.1" => "",
        other => other,
    }
}
