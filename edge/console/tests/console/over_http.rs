use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;

use leckwehr_console::{Asked, Console, ConsoleError, Desk, Watch, WatchError};
use leckwehr_crypt::SigningKey;
use leckwehr_estate::Estate;
use leckwehr_incident::{Alarm, AlarmLevel, Cause, Decision, Fact, Phase, ServiceLevel, Situation, Timestamp, Verdict, What};
use leckwehr_ledger::Ledger;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn now() -> Timestamp {
    Timestamp(3_600_000_000_000)
}

fn alarm() -> Alarm {
    Alarm {
        id: "alarm-1".to_owned(),
        at: Timestamp(1_000_000_000),
        entity: "host:fs-01".to_owned(),
        level: AlarmLevel::Critical,
        risk: 92.4,
        reasons: vec!["Backups deleted <41>".to_owned()],
        causes: Vec::new(),
        reopened: None,
    }
}

fn facts() -> Vec<Fact> {
    let at = Timestamp(1_000_000_000);
    let phase = |phase, reason: &str| What::PhaseEntered {
        phase,
        reason: reason.to_owned(),
    };
    let whats = [
        What::WatchStarted {
            estate: "Rhein-Ruhr IT".to_owned(),
            services: vec!["eau".to_owned(), "mail".to_owned()],
        },
        What::Alarmed { alarm: alarm() },
        phase(Phase::Alarm, "host:fs-01"),
        phase(Phase::Declared, "two people"),
        What::ServiceChanged {
            service: "eau".to_owned(),
            level: ServiceLevel::Limited,
            reason: "spool only".to_owned(),
        },
    ];
    whats.into_iter().map(|what| Fact::new(at, "test", what)).collect()
}

fn bytes(facts: &[Fact]) -> Vec<Vec<u8>> {
    facts.iter().map(Fact::to_bytes).collect()
}

fn ledger(dir: &Path) -> Ledger {
    let key = SigningKey::from_seed(&[3; 32]).unwrap();
    let mut ledger = Ledger::create(dir, "leckwehr.example/test", key).unwrap();
    ledger.append(&bytes(&facts())).unwrap();
    ledger
}

/// Sends one request and returns the whole answer.
fn ask(address: &str, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// Runs `client` against a console on this ledger, then stops the console.
fn with_console(dir: &Path, client: impl FnOnce(&str) + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let console = Console::open(dir.to_owned(), Estate::default(), LOOPBACK, now).await.unwrap();
        let url = console.url();
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let client = tokio::task::spawn_blocking(move || client(&address));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(console.serve(async {
            let _ = stopped.await;
        }));
        client.await.unwrap();
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    });
}

#[test]
fn the_screen_shows_what_the_ledger_says_and_follows_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let mut ledger = ledger(&path);
    with_console(&path, move |address| {
        let page = ask(address, "/", address);
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        for words in [
            "Rhein-Ruhr IT",
            "declared",
            "host:fs-01",
            "Backups deleted &#60;41&#62;",
            "spool only",
            "23 h",
        ] {
            assert!(body(&page).contains(words), "{words}");
        }
        let more = Fact::new(
            Timestamp(5_000_000_000),
            "test",
            What::PhaseEntered {
                phase: Phase::Contained,
                reason: "cut verified".to_owned(),
            },
        );
        let open = What::DecisionOpen {
            room: "contain".to_owned(),
            what: "pump-1 has no guard: cut it by hand".to_owned(),
        };
        let open = Fact::new(Timestamp(6_000_000_000), "test", open);
        ledger.append(&bytes(&[more, open])).unwrap();
        assert!(body(&ask(address, "/?lang=de&refresh=off", address)).contains("eingedämmt"));
        let english = ask(address, "/?lang=en&refresh=off", address);
        assert!(
            body(&english).contains("to be decided: contain: pump-1 has no guard"),
            "{english}"
        );
        assert_eq!(body(&ask(address, "/healthz", address)), "ok, 7 entries\n");
    });
}

#[test]
fn the_json_is_the_situation_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    ledger(&path).close().unwrap();
    let all = bytes(&facts());
    let expected = Situation::replay(all.iter().map(Vec::as_slice)).unwrap().to_json();
    with_console(&path, move |address| {
        assert_eq!(body(&ask(address, "/api/situation", address)), expected)
    });
}

#[test]
fn the_page_is_well_formed_runs_nothing_and_asks_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    ledger(&path).close().unwrap();
    with_console(&path, |address| {
        let page = ask(address, "/", address).to_lowercase();
        assert!(page.contains("content-security-policy: default-src 'none'; style-src 'sha256-"));
        assert!(page.contains("x-content-type-options: nosniff") && page.contains("cache-control: no-store"));
        for forbidden in ["<script", "src=", "href=\"http", "style=\"", "url("] {
            assert!(!body(&page).contains(forbidden), "{forbidden}");
        }
        let mut reader = quick_xml::Reader::from_str(body(&page));
        while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
    });
}

#[test]
fn only_requests_to_this_machine_are_answered_and_nothing_can_be_posted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    ledger(&path).close().unwrap();
    with_console(&path, |address| {
        for host in ["evil.example", "127.0.0.1.evil.example:80", "", "10.0.0.1"] {
            assert!(ask(address, "/api/situation", host).starts_with("HTTP/1.1 421"), "{host}");
        }
        for host in ["localhost", "localhost:8080", "[::1]:9", "127.0.0.1"] {
            assert!(ask(address, "/healthz", host).starts_with("HTTP/1.1 200"), "{host}");
        }
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    });
}

/// Posts a form and returns the whole answer.
fn tell(address: &str, path: &str, form: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = form.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n{form}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn an_alarm_has_a_page_with_rules_authors_and_what_became_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let mut ledger = ledger(&path);
    let cause = Cause {
        rule: "r-1".to_owned(),
        title: "Shadow copies <deleted>".to_owned(),
        author: "Florian R.".to_owned(),
        techniques: vec!["T1490".to_owned()],
        count: 3,
        share: 0.625,
        first: now(),
        last: now(),
        evidence: vec!["a.evtx#7".to_owned()],
    };
    let at = Timestamp(2_000_000_000);
    let closed = What::AlarmClosed {
        alarm: "alarm-1".to_owned(),
        as_what: "closed as contained".to_owned(),
        verdict: Some(Verdict::Contained),
        reason: "rebuilt".to_owned(),
    };
    let mut again = alarm();
    (again.causes, again.reopened) = (vec![cause], Some("closed as contained by anna: now Shadow copies".to_owned()));
    let more = [
        Fact::new(at, "anna", closed),
        Fact::new(at, "detect", What::Alarmed { alarm: again }),
    ];
    ledger.append(&bytes(&more)).unwrap();
    ledger.close().unwrap();
    with_console(&path, |address| {
        let page = ask(address, "/alarms/alarm-1?lang=en", address);
        for words in [
            "Shadow copies &#60;deleted&#62;",
            "Florian R.",
            "62 %",
            "a.evtx#7",
            "attack, contained",
            "rebuilt",
            "anna",
            "open again since",
            "This view only reads",
        ] {
            assert!(body(&page).contains(words), "{words}: {page}");
        }
        assert!(!body(&page).contains("<form"));
        let mut reader = quick_xml::Reader::from_str(body(&page));
        while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
        assert!(ask(address, "/alarms/alarm-7", address).starts_with("HTTP/1.1 404"));
        assert!(
            tell(address, "/alarms/alarm-1/close", "by=x").starts_with("HTTP/1.1 405"),
            "nobody is at the desk"
        );
        assert!(body(&ask(address, "/?lang=en", address)).contains("open again: closed as contained by anna"));
    });
}

#[test]
fn only_a_page_of_this_console_can_close_suppress_and_lift() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    ledger(&path).close().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (asked, mut desk) = tokio::sync::mpsc::channel::<Asked>(1);
    let decided = runtime.block_on(async {
        let console = Console::open_with_desk(path, Estate::default(), LOOPBACK, now, Desk::new(asked));
        let console = console.await.unwrap();
        let address = console.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let server = tokio::spawn(console.serve(std::future::pending()));
        let writer = tokio::spawn(async move {
            let mut decided = Vec::new();
            while let Some(asked) = desk.recv().await {
                let refused = matches!(&asked.decision, Decision::Lift { .. });
                decided.push(asked.decision);
                let _ = asked
                    .answer
                    .send(if refused { Err("there is none".to_owned()) } else { Ok(()) });
            }
            decided
        });
        tokio::task::spawn_blocking(move || post_forms(&address)).await.unwrap();
        server.abort();
        writer.await.unwrap()
    });
    assert_eq!(decided.len(), 3, "{decided:?}");
    let Decision::Close {
        alarm,
        verdict,
        by,
        reason,
    } = &decided[0]
    else {
        panic!()
    };
    assert_eq!(
        (alarm.as_str(), *verdict, by.as_str(), reason.as_str()),
        ("alarm-1", Verdict::FalsePositive, "Anna Ö", "a & b")
    );
    let Decision::Suppress { suppression } = &decided[1] else {
        panic!()
    };
    assert_eq!(
        (suppression.rule.as_str(), suppression.until),
        ("*vss*", now().plus_ms(2 * 3_600_000))
    );
}

fn post_forms(address: &str) {
    let page = ask(address, "/alarms/alarm-1", address);
    assert!(page.contains("form-action 'self'"));
    let (_, rest) = page.split_once("name=\"token\" value=\"").unwrap();
    let token = &rest[..32];
    let close = "verdict=false-positive&by=Anna+%C3%96&reason=a+%26+b";
    let answer = |path: &str, form: &str| tell(address, path, form).lines().next().unwrap().to_owned();
    let good = format!("token={token}&lang=de&{close}");
    assert!(answer("/alarms/alarm-1/close", close).contains("403"));
    assert!(answer("/alarms/alarm-1/close", &format!("token=0&{close}")).contains("403"));
    assert!(answer("/alarms/alarm-1/close", &good.replace("false-positive", "whatever")).contains("422"));
    assert!(answer("/alarms/alarm-1/close", &"x".repeat(20_000)).contains("413"));
    let done = tell(address, "/alarms/alarm-1/close", &good);
    assert!(
        done.starts_with("HTTP/1.1 303") && done.contains("location: /alarms/alarm-1?lang=de"),
        "{done}"
    );
    let suppress = format!("token={token}&entity=host:*&rule=*vss*&hours=2&by=anna&reason=test");
    assert!(answer("/alarms/alarm-1/suppress", &suppress.replace("hours=2", "hours=soon")).contains("422"));
    assert!(answer("/alarms/alarm-1/suppress", &suppress).contains("303"));
    let refused = tell(
        address,
        "/suppressions/suppression-9/lift",
        &format!("token={token}&by=anna&reason=x"),
    );
    assert!(
        refused.starts_with("HTTP/1.1 422") && refused.contains("there is none"),
        "{refused}"
    );
}

#[test]
fn a_ledger_that_was_replaced_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    ledger(&path).close().unwrap();
    let mut watch = Watch::open(&path).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    let key = SigningKey::from_seed(&[3; 32]).unwrap();
    let mut other = Ledger::create(&path, "leckwehr.example/test", key).unwrap();
    other.append(&bytes(&facts()[..2])).unwrap();
    assert!(matches!(watch.refresh(), Err(WatchError::Rewritten { seen: 5, .. })));
    assert_eq!(watch.situation().phase, Phase::Declared, "the last good state stays");
}

#[test]
fn other_addresses_and_missing_ledgers_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let open = |address: &str| {
        let console = Console::open(dir.path().to_owned(), Estate::default(), address.parse().unwrap(), now);
        runtime.block_on(console).err()
    };
    assert!(matches!(open("0.0.0.0:0"), Some(ConsoleError::NotLoopback { .. })));
    assert!(matches!(
        open("127.0.0.1:0"),
        Some(ConsoleError::Watch(WatchError::Ledger { .. }))
    ));
}
