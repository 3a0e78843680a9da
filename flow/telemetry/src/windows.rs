use leckwehr_incident::Timestamp;

use crate::flat::Flat;
use crate::{Kind, Outcome, Product, Record};

/// Returns the event id if the record is a flat Windows event.
pub(crate) fn event_id(flat: &Flat) -> Option<u32> {
    flat.number("EventID")
}

/// Returns the flat name for the spellings of winlogbeat (6 and 7) and of nested event XML.
pub(crate) fn flat_name(name: &str) -> Option<String> {
    let data = ["event_data.", "winlog.event_data.", "Event.EventData.", "Event.System."];
    if let Some(rest) = data.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        return Some(rest.to_owned());
    }
    let flat = match name {
        "event_id" | "winlog.event_id" => "EventID",
        "computer_name" | "winlog.computer_name" => "Hostname",
        "log_name" | "winlog.channel" => "Channel",
        "record_number" | "winlog.record_id" => "RecordNumber",
        "source_name" | "winlog.provider_name" => "Provider_Name",
        _ => return None,
    };
    Some(flat.to_owned())
}

/// Reads the time of the event itself, then the time at which it was shipped.
///
/// `UtcTime` is Sysmon's own and `TimeCreated` that of the event log: both are UTC and often written without a zone.
/// `EventTime` has no zone either, but is local time in these exports, and is not used.
pub(crate) fn time(flat: &Flat) -> Option<Timestamp> {
    ["UtcTime", "TimeCreated", "@timestamp"].into_iter().find_map(|name| {
        let text = flat.text(name).trim();
        let utc = || format!("{}Z", text.replacen(' ', "T", 1)).parse().ok();
        text.parse().ok().or_else(utc)
    })
}

/// Maps a flat Windows record of the channels Security and Sysmon; others keep only host, account and raw fields.
pub(crate) fn record(flat: &Flat, id: u32, time: Timestamp) -> Record<'_> {
    let channel = flat.text("Channel");
    let service = service(channel);
    let mut record = Record {
        time,
        product: Product::Windows,
        service,
        host: flat.first(&["Hostname", "Computer", "ComputerName"]),
        account: account(flat.first(&["TargetUserName", "User", "SubjectUserName", "AccountName"])),
        sensor: flat.first(&["Hostname", "Computer", "ComputerName"]),
        ..Record::default()
    };
    let (kind, category, object) = match (service, id) {
        ("security", 4624 | 4625) => (Kind::Logon, "authentication", ""),
        ("security", 4688) => (Kind::Process, "process_creation", "CommandLine"),
        ("security", 4663) => (Kind::File, "file_access", "ObjectName"),
        ("security", 5140 | 5145) => (Kind::Share, "", "ShareName"),
        ("security", 5156) => (Kind::Flow, "network_connection", "Application"),
        ("sysmon", 1) => (Kind::Process, "process_creation", "CommandLine"),
        ("sysmon", 3) => (Kind::Flow, "network_connection", "Image"),
        ("sysmon", 11) => (Kind::File, "file_event", "TargetFilename"),
        ("sysmon", 23 | 26) => (Kind::File, "file_delete", "TargetFilename"),
        _ => (Kind::Other, "", ""),
    };
    record.kind = kind;
    record.category = category;
    record.object = flat.text(object);
    details(flat, id, &mut record);
    record
}

fn details<'a>(flat: &'a Flat, id: u32, record: &mut Record<'a>) {
    match record.kind {
        Kind::Logon => {
            record.outcome = if id == 4624 { Outcome::Success } else { Outcome::Failure };
            record.origin = address(flat.first(&["IpAddress"]));
            record.action = flat.text("LogonType");
        }
        Kind::Process => {
            // In 4688 the target is the new session, usually empty; the subject started the program.
            record.account = account(flat.first(&["SubjectUserName", "User", "TargetUserName"]));
            record.object = flat.first(&["CommandLine", "NewProcessName", "Image"]);
        }
        Kind::File => {
            record.action = match record.category {
                "file_event" => "create",
                "file_delete" => "delete",
                _ => "read",
            }
        }
        Kind::Share => {
            record.account = account(flat.first(&["SubjectUserName"]));
            record.origin = address(flat.first(&["IpAddress"]));
        }
        Kind::Flow => {
            record.origin = address(flat.first(&["SourceIp", "SourceAddress"]));
            record.origin_port = flat.number("SourcePort").unwrap_or(0);
            record.destination = address(flat.first(&["DestinationIp", "DestAddress"]));
            record.port = flat.first(&["DestinationPort", "DestPort"]).parse().unwrap_or(0);
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
