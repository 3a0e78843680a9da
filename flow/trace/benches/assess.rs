//! Time of detection and analysis on a generated day of 200 hosts with one intrusion; prints CPU-bound wall times.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark measures and prints"
)]

use std::time::Instant;

use leckwehr_detect::{DetectConfig, Detector, Rules};
use leckwehr_estate::{Estate, Site, System, SystemKind, Zone};
use leckwehr_telemetry::{Events, Intake};
use leckwehr_trace::{TraceConfig, assess};

const HOSTS: u64 = 200;
const EVENTS: u64 = 100_000;

fn estate() -> Estate {
    let mut estate = Estate::default();
    estate.sites.insert(
        "s".into(),
        Site {
            name: "s".into(),
            town: "t".into(),
        },
    );
    let network = Some(([10, 1, 0, 0].into(), 16));
    let zone = Zone {
        name: "z".into(),
        site: Some("s".into()),
        party: "p".into(),
        network,
        guard: None,
        protected: false,
    };
    estate.zones.insert("z".into(), zone);
    for n in 0..HOSTS {
        let system = System {
            name: format!("host {n}"),
            kind: SystemKind::Application,
            zone: "z".into(),
            address: Some([10, 1, (n / 250) as u8, (n % 250 + 1) as u8].into()),
            needs: vec![],
            backup: None,
            recipe: None,
            crew: None,
            data: vec![],
            probe_port: None,
            root_of_trust: false,
            available_after_hours: 0,
            restore_gb_per_hour: None,
        };
        estate.systems.insert(format!("h{n}"), system);
    }
    estate
}

/// A line of host `n`: log-ons, commands, file changes and flows in turn; the last tenth holds the intrusion.
fn line(i: u64) -> String {
    let (host, from) = (i * 7 % HOSTS, i * 13 % 20);
    let at = format!(
        "2023-04-25T{:02}:{:02}:{:02}.{:03}Z",
        i / 36_000,
        i / 600 % 60,
        i / 10 % 60,
        i % 10 * 100
    );
    let hostile = i > EVENTS * 9 / 10 && i.is_multiple_of(49);
    let (user, ip) = if hostile {
        ("adm-x".into(), "10.1.0.1".into())
    } else {
        (format!("u{from}"), format!("10.1.0.{}", from + 1))
    };
    let body = match i % 5 {
        _ if hostile && i.is_multiple_of(98) => {
            r#""event":{"category":["configuration"],"dataset":"backup","action":"snapshot-delete"},"file":{"path":"s"}"#.into()
        }
        _ if hostile => r#""event":{"category":["authentication"],"action":"logon","outcome":"success"}"#.into(),
        0 | 1 => r#""event":{"category":["authentication"],"action":"logon","outcome":"success"}"#.into(),
        2 => format!(
            r#""event":{{"category":["file"],"action":"change"}},"file":{{"path":"docs/{}","size":900,"entropy":4.2}}"#,
            i % 97
        ),
        3 => r#""event":{"category":["process"],"action":"exec"},"process":{"command_line":"list docs"}"#.into(),
        _ => format!(
            r#""event":{{"category":["network"],"action":"flow"}},"destination":{{"ip":"203.0.113.{}","port":443,"bytes":99}}"#,
            i % 40
        ),
    };
    format!(
        r#"{{"@timestamp":"{at}","agent":{{"id":"s{host}"}},"host":{{"name":"h{host}"}},"user":{{"name":"{user}"}},"source":{{"ip":"{ip}","bytes":10}},{body}}}"#
    )
}

fn main() {
    let lines: Vec<String> = (0..EVENTS).map(line).collect();
    let (mut intake, mut events, mut findings) = (Intake::new(), Events::default(), Vec::new());
    let mut detector = Detector::new(DetectConfig::new(Rules::own().unwrap(), &estate()));
    let (mut read, mut detect) = (0.0, 0.0);
    for (n, chunk) in lines.chunks(1_000).enumerate() {
        if n == 50 {
            detector.end_learning();
        }
        let start = Instant::now();
        for line in chunk {
            intake.push_line("s", line.as_bytes());
        }
        let batch = intake.take();
        read += start.elapsed().as_secs_f64();
        let start = Instant::now();
        findings.extend(detector.push(&batch));
        detect += start.elapsed().as_secs_f64();
        events.append_columns(&batch);
    }
    let config = TraceConfig::new(intake.accounts().values().cloned().collect());
    let start = Instant::now();
    let impact = assess(&events, &findings, &estate(), &config);
    let trace_ms = start.elapsed().as_secs_f64() * 1e3;
    let per_event = |seconds: f64| seconds * 1e6 / EVENTS as f64;
    println!(
        "read {:.2} µs/event, detect {:.2} µs/event, assess {trace_ms:.0} ms for {EVENTS} events",
        per_event(read),
        per_event(detect)
    );
    println!(
        "{} findings, {} hosts, {} hops, {} addresses outside",
        findings.len(),
        impact.hosts.len(),
        impact.hops.len(),
        impact.outside.len()
    );
}
