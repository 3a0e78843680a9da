//! Windows events in the spellings of their shippers, and the traps that real ones hold.

use leckwehr_telemetry::{Lines, LogSource, Read, Sheet};

fn read(line: &str) -> Sheet {
    let mut sheet = Sheet::new();
    assert_eq!(Lines::default().read(line.as_bytes(), &mut sheet), Ok(Read::Record), "{line}");
    sheet
}

fn source(line: &str) -> LogSource {
    read(line).log_source().clone()
}

fn text(sheet: &Sheet, name: &str) -> String {
    sheet.named().values(name).collect::<Vec<_>>().join("|")
}

#[test]
fn every_spelling_of_an_event_has_the_same_names() {
    let at = r#""@timestamp":"2020-06-10T02:50:57Z""#;
    let spellings = [
        format!(
            r#"{{{at},"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Hostname":"ws-1","RecordNumber":7,"SourceName":"Microsoft-Windows-Sysmon","Image":"C:\\a.exe"}}"#
        ),
        format!(
            r#"{{{at},"winlog":{{"event_id":1,"channel":"Microsoft-Windows-Sysmon/Operational","computer_name":"ws-1","record_id":7,"provider_name":"Microsoft-Windows-Sysmon","event_data":{{"Image":"C:\\a.exe"}}}},"event":{{"category":["process"]}}}}"#
        ),
        format!(
            r#"{{{at},"winlog.event_id":"1","winlog.channel":"Microsoft-Windows-Sysmon/Operational","winlog.computer_name":"ws-1","winlog.record_id":"7","winlog.provider_name":"Microsoft-Windows-Sysmon","winlog.event_data.Image":"C:\\a.exe"}}"#
        ),
        format!(
            r#"{{{at},"event_id":1,"log_name":"Microsoft-Windows-Sysmon/Operational","computer_name":"ws-1","record_number":7,"source_name":"Microsoft-Windows-Sysmon","event_data":{{"Image":"C:\\a.exe"}}}}"#
        ),
        r##"{"Event":{"#attributes":{"xmlns":"x"},"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},"EventID":1,"TimeCreated":{"#attributes":{"SystemTime":"2020-06-10T02:50:57Z"}},"EventRecordID":7,"Correlation":null,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"ws-1"},"EventData":{"Image":"C:\\a.exe"}}}"##.to_owned(),
        r##"{"Event":{"System":{"Provider_attributes":{"Name":"Microsoft-Windows-Sysmon"},"EventID":{"#attributes":{"Qualifiers":""},"#text":1},"TimeCreated_attributes":{"SystemTime":"2020-06-10T02:50:57Z"},"EventRecordID":7,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"ws-1"},"EventData":{"Image":"C:\\a.exe"}}}"##.to_owned(),
        r#"{"System":{"Provider":{"@Name":"Microsoft-Windows-Sysmon"},"EventID":1,"TimeCreated":{"@SystemTime":"2020-06-10T02:50:57Z"},"EventRecordID":7,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"ws-1"},"EventData":{"Image":"C:\\a.exe"}}"#.to_owned(),
    ];
    for spelling in &spellings {
        let sheet = read(spelling);
        let found = ["EventID", "Channel", "Computer", "EventRecordID", "Provider_Name", "Image"].map(|name| text(&sheet, name));
        assert_eq!(
            found,
            [
                "1",
                "Microsoft-Windows-Sysmon/Operational",
                "ws-1",
                "7",
                "Microsoft-Windows-Sysmon",
                "C:\\a.exe"
            ],
            "{spelling}"
        );
        let source = sheet.log_source();
        assert_eq!(
            (&*source.product, &*source.service, &*source.categories[0]),
            ("windows", "sysmon", "process_creation")
        );
        let record = sheet.record().unwrap().unwrap();
        assert_eq!(
            (record.host, record.number, record.time.to_string().as_str()),
            ("ws-1", Some(7), "2020-06-10T02:50:57.000Z")
        );
    }
}

#[test]
fn a_started_process_of_security_has_the_names_of_sysmon_too() {
    let sheet = read(
        r#"{"EventID":4688,"Channel":"Security","Hostname":"ws-1","@timestamp":"2020-06-10T02:50:57Z","NewProcessName":"C:\\Windows\\System32\\cmd.exe","ParentProcessName":"C:\\Windows\\explorer.exe","CommandLine":"cmd /c x","SubjectLogonId":"0x3e7","MandatoryLabel":"S-1-16-16384"}"#,
    );
    assert_eq!(&*sheet.log_source().categories, ["process_creation".into()]);
    assert_eq!(text(&sheet, "Image"), "C:\\Windows\\System32\\cmd.exe");
    assert_eq!(text(&sheet, "ParentImage"), "C:\\Windows\\explorer.exe");
    assert_eq!(
        (text(&sheet, "LogonId"), text(&sheet, "IntegrityLevel")),
        ("0x3e7".into(), "S-1-16-16384".into())
    );
    assert_eq!(
        text(&sheet, "NewProcessName"),
        "C:\\Windows\\System32\\cmd.exe",
        "the record's own names stay"
    );
}

#[test]
fn defenders_names_with_blanks_are_found_without_them() {
    let sheet = read(
        r##"{"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Windows Defender"}},"EventID":1116,"TimeCreated":{"#attributes":{"SystemTime":"2020-06-10T02:50:57Z"}},"Channel":"Microsoft-Windows-Windows Defender/Operational","Computer":"ws-1"},"EventData":{"Source Name":"%%818","Threat Name":"Virus:DOS/EICAR_Test_File","Path":"file:_C:\\x"}}}"##,
    );
    assert_eq!(
        (text(&sheet, "SourceName"), text(&sheet, "Source Name")),
        ("%%818".into(), "%%818".into())
    );
    assert_eq!(
        (text(&sheet, "ThreatName"), text(&sheet, "Signature")),
        (text(&sheet, "Threat Name"), text(&sheet, "ThreatName"))
    );
    assert_eq!(&*sheet.log_source().service, "windefend");
    assert_eq!(&*sheet.log_source().categories, ["antivirus".into()]);
    assert_eq!(
        text(&sheet, "Provider_Name"),
        "Microsoft-Windows-Windows Defender",
        "not the field SourceName"
    );
}

#[test]
fn blanks_at_the_end_of_a_value_are_kept_for_the_matcher_to_judge() {
    let sheet =
        read(r#"{"EventID":4624,"Channel":"Security","@timestamp":"2020-06-10T02:50:57Z","LogonProcessName":"NtLmSsp "}"#);
    assert_eq!(text(&sheet, "LogonProcessName"), "NtLmSsp ");
}

#[test]
fn log_sources_are_those_of_sigmas_taxonomy() {
    let event = |channel: &str, id: u32, more: &str| {
        source(&format!(
            r#"{{"EventID":{id},"Channel":"{channel}","@timestamp":"2020-06-10T02:50:57Z"{more}}}"#
        ))
    };
    let shown = |s: LogSource| format!("{}/{}/{}", s.product, s.service, s.categories.join("+"));
    let sysmon = "Microsoft-Windows-Sysmon/Operational";
    for (found, expected) in [
        (event(sysmon, 10, ""), "windows/sysmon/process_access"),
        (event(sysmon, 13, ""), "windows/sysmon/registry_set+registry_event"),
        (
            event(sysmon, 12, r#","EventType":"CreateKey""#),
            "windows/sysmon/registry_add+registry_event",
        ),
        (
            event(
                sysmon,
                12,
                r#","EventType":"INFO","Message":"x:\r\nEventType: DeleteKey\r\n""#,
            ),
            "windows/sysmon/registry_delete+registry_event",
        ),
        (event(sysmon, 255, ""), "windows/sysmon/sysmon_error"),
        (
            event("Microsoft-Windows-PowerShell/Operational", 4104, ""),
            "windows/powershell/ps_script",
        ),
        (
            event("Windows PowerShell", 400, ""),
            "windows/powershell-classic/ps_classic_start",
        ),
        (event("System", 7045, ""), "windows/system/"),
        (event("Security", 4624, ""), "windows/security/"),
        (
            event("Microsoft-Windows-Bits-Client/Operational", 3, ""),
            "windows/bits-client/",
        ),
        (event("Vendor-X/Admin", 1, ""), "windows/Vendor-X/Admin/"),
    ] {
        assert_eq!(shown(found), expected);
    }
    let without_channel = r#"{"EventID":1,"SourceName":"Microsoft-Windows-Sysmon","@timestamp":"2020-06-10T02:50:57Z"}"#;
    assert_eq!(shown(source(without_channel)), "windows/sysmon/process_creation");
}

#[test]
fn one_sheet_tells_events_of_the_same_number_apart() {
    let mut sheet = Sheet::new();
    let mut lines = Lines::default();
    for (channel, expected) in [
        ("Security", ""),
        ("Microsoft-Windows-Sysmon/Operational", "process_creation"),
        ("System", ""),
    ]
    .repeat(3)
    {
        let line = format!(r#"{{"EventID":1,"Channel":"{channel}","@timestamp":"2020-06-10T02:50:57Z"}}"#);
        lines.read(line.as_bytes(), &mut sheet).unwrap();
        assert_eq!(sheet.log_source().categories.join("+"), expected);
    }
}
