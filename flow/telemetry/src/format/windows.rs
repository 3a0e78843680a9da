use leckwehr_incident::Timestamp;

use crate::format::channel::{self, RegistryAction};
use crate::format::{Dialect, civil};
use crate::{FieldId, FieldsFull, Kind, LogSource, NamedFields, Outcome, Product, Record, Sheet};

/// Windows events: flat as NXLog writes them, of winlogbeat 6 and 7, and nested as the event's XML.
pub(crate) static DIALECT: Dialect = Dialect {
    is: |fields| {
        let names = [
            FieldId::EVENT_ID,
            FieldId::BEAT_EVENT_ID,
            FieldId::OLD_BEAT_EVENT_ID,
            FieldId::XML_EVENT_ID,
            FieldId::XML_EVENT_ID_TEXT,
            FieldId::SYSTEM_EVENT_ID,
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
    for (name, of) in [
        (FieldId::COMPUTER, FieldId::HOSTNAME),
        (FieldId::PROVIDER_NAME, FieldId::SOURCE_NAME),
        (FieldId::EVENT_RECORD_ID, FieldId::RECORD_NUMBER),
    ] {
        if sheet.fields.get(name).is_none() {
            sheet.fields.alias(name, of)?;
        }
    }
    let Sheet {
        fields,
        sources,
        windows,
        ..
    } = sheet;
    let text = |name| fields.get(name).map_or("", |v| v.as_text());
    let id = event_id(text(FieldId::EVENT_ID)).unwrap_or(0);
    let (channel, provider) = (text(FieldId::CHANNEL), text(FieldId::PROVIDER_NAME));
    let registry = match id {
        12 => RegistryAction::read(text(FieldId::EVENT_TYPE), text(FieldId::MESSAGE)),
        _ => None,
    };
    sheet.source = windows.source((if channel.is_empty() { provider } else { channel }, id, registry), || {
        let service = channel::service(channel, provider);
        sources.intern("windows", service, channel::categories(service, id, registry))
    });
    match (&*sheet.log_source().service, id) {
        ("security", 4688) => aliases(sheet, &PROCESS_CREATION),
        ("windefend", _) => aliases(sheet, &ANTIVIRUS),
        _ => Ok(()),
    }
}

/// What rules for `process_creation` call the fields of Security's 4688.
const PROCESS_CREATION: [(&str, &str); 4] = [
    ("Image", "NewProcessName"),
    ("ParentImage", "ParentProcessName"),
    ("LogonId", "SubjectLogonId"),
    ("IntegrityLevel", "MandatoryLabel"),
];
/// What rules for `antivirus` call the fields of Defender's events.
const ANTIVIRUS: [(&str, &str); 2] = [("Signature", "ThreatName"), ("Filename", "Path")];

fn aliases(sheet: &mut Sheet, aliases: &[(&str, &str)]) -> Result<(), FieldsFull> {
    for (name, of) in aliases {
        let (name, of) = (sheet.names.intern(name), sheet.names.intern(of));
        if sheet.fields.get(name).is_none() {
            sheet.fields.alias(name, of)?;
        }
    }
    Ok(())
}

/// Returns Sigma's name for the spellings of winlogbeat (6 and 7) and of the event's XML as JSON, where attributes
/// stand under `#attributes`, under `<element>_attributes`, behind an `@`, or as they are.
fn standard_name(name: &str) -> Option<&str> {
    let data = ["winlog.event_data.", "winlog.user_data.", "event_data.", "user_data."];
    if let Some(rest) = data.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        return Some(rest);
    }
    let xml = name.strip_prefix("Event.").unwrap_or(name);
    if let Some(rest) = xml.strip_prefix("EventData.") {
        return Some(rest.strip_suffix(".#text").unwrap_or(rest));
    }
    if let Some(rest) = xml.strip_prefix("UserData.") {
        let (_element, field) = rest.split_once('.')?;
        return Some(field);
    }
    if let Some(rest) = xml.strip_prefix("System.") {
        return Some(system_name(rest));
    }
    let flat = match name {
        "event_id" | "winlog.event_id" => "EventID",
        "computer_name" | "winlog.computer_name" => "Computer",
        "log_name" | "winlog.channel" => "Channel",
        "record_number" | "winlog.record_id" => "EventRecordID",
        "source_name" | "winlog.provider_name" => "Provider_Name",
        "provider_guid" | "winlog.provider_guid" => "Provider_Guid",
        "winlog.process.pid" => "ExecutionProcessID",
        "winlog.process.thread.id" => "ExecutionThreadID",
        "winlog.user.identifier" | "user.identifier" => "UserID",
        "winlog.activity_id" | "activity_id" => "ActivityID",
        "winlog.task" => "Task",
        "winlog.opcode" => "Opcode",
        "winlog.version" => "Version",
        "winlog.keywords" => "Keywords",
        "winlog.time_created" => "TimeCreated",
        "message" => "Message",
        _ => return None,
    };
    Some(flat)
}

fn system_name(path: &str) -> &str {
    let Some((element, attribute)) = path.split_once('.') else {
        return path;
    };
    let element = element.strip_suffix("_attributes").unwrap_or(element);
    let attribute = attribute.strip_prefix("#attributes.").unwrap_or(attribute);
    match attribute.strip_prefix('@').unwrap_or(attribute) {
        "#text" => element,
        attribute => attribute_name(element, attribute).unwrap_or(path),
    }
}

/// Returns what an attribute of an element of `System` is called.
pub(crate) fn attribute_name(element: &str, attribute: &str) -> Option<&'static str> {
    Some(match (element, attribute) {
        ("Provider", "Name") => "Provider_Name",
        ("Provider", "Guid") => "Provider_Guid",
        ("Provider", "EventSourceName") => "EventSourceName",
        ("EventID", "Qualifiers") => "Qualifiers",
        ("TimeCreated", "SystemTime") => "TimeCreated",
        ("Execution", "ProcessID") => "ExecutionProcessID",
        ("Execution", "ThreadID") => "ExecutionThreadID",
        ("Security", "UserID") => "UserID",
        ("Correlation", "ActivityID") => "ActivityID",
        ("Correlation", "RelatedActivityID") => "RelatedActivityID",
        _ => return None,
    })
}

/// Reads the time of the event itself, then the time at which it was shipped.
///
/// `UtcTime` is Sysmon's own and `TimeCreated` that of the event log: both are UTC and often written without a zone.
/// `EventTime` has no zone either, but is local time in these exports, and is not used.
fn time(fields: NamedFields<'_>) -> Option<(Timestamp, Option<i32>)> {
    let names = [FieldId::UTC_TIME, FieldId::TIME_CREATED, FieldId::TIMESTAMP];
    names.into_iter().find_map(|name| civil::instant(fields.at(name)))
}

/// Maps a flat Windows record of the channels Security and Sysmon; others keep only host, account and raw fields.
fn record<'a>(fields: NamedFields<'a>, source: &'a LogSource) -> Result<Option<Record<'a>>, &'static str> {
    let (time, utc_offset_s) = time(fields).ok_or("no readable time in UtcTime, TimeCreated or @timestamp")?;
    let id = event_id(fields.text("EventID")).unwrap_or(0);
    let service = &*source.service;
    let mut record = Record {
        time,
        utc_offset_s,
        product: Product::Windows,
        service,
        category: category(source, id),
        number: fields.count("EventRecordID"),
        host: fields.first(&["Computer", "ComputerName"]),
        account: account(fields.first(&["TargetUserName", "User", "SubjectUserName", "AccountName"])),
        sensor: fields.first(&["Computer", "ComputerName"]),
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

/// Returns Sigma's category, or our own word for what Sigma has no category of.
fn category(source: &LogSource, id: u32) -> &str {
    match (&*source.service, id) {
        ("security", 4624 | 4625) => "authentication",
        ("security", 4663) => "file_access",
        ("security", 5156) => "network_connection",
        _ => source.categories.first().map_or("", |category| category),
    }
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
