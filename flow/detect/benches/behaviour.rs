//! CPU time of the behaviour detectors per event, against reading the same events from their lines.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark measures and prints")]

use leckwehr_detect::{DetectConfig, Detector, Rules};
use leckwehr_estate::Estate;
use leckwehr_telemetry::{Events, Intake};

const EVENTS: u64 = 400_000;
const BATCH: u64 = 10_000;
const HOSTS: u64 = 500;

/// Nanoseconds that this thread was on a processor (`/proc/thread-self/schedstat`, first field).
fn cpu_ns() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Marsaglia's xorshift64*: for made-up data only.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % n
    }
}

/// Connections, look-ups, handshakes, requests and log-ons as Zeek and our own sensors write them.
fn line(random: &mut Random, n: u64) -> String {
    let seconds = 1_772_409_600.0 + n as f64 * 0.2;
    let (host, peer) = (random.below(HOSTS), random.below(4_000));
    let from = format!("10.1.{}.{}", host / 250, 1 + host % 250);
    let to = format!("198.18.{}.{}", peer / 250, 1 + peer % 250);
    let bytes = random.below(9_000);
    let ends = format!(
        r#""ts":{seconds},"id.orig_h":"{from}","id.orig_p":{},"id.resp_h":"{to}""#,
        1_024 + bytes
    );
    match random.below(10) {
        0..6 => format!(
            r#"{{"_path":"conn",{ends},"id.resp_p":443,"proto":"tcp","duration":1.5,"orig_bytes":{bytes},"resp_bytes":90000,"conn_state":"SF"}}"#
        ),
        6..8 => format!(r#"{{"_path":"dns",{ends},"id.resp_p":53,"query":"h{bytes}.site{peer}.example.org","qtype_name":"A"}}"#),
        8 => format!(r#"{{"_path":"ssl",{ends},"id.resp_p":443,"server_name":"www.site{peer}.example.org"}}"#),
        _ => format!(
            r#"{{"@timestamp":"2026-03-02T00:00:00Z","agent":{{"id":"s{host}"}},"host":{{"name":"srv-{}"}},"event":{{"category":["authentication"],"action":"logon","outcome":"success"}},"source":{{"ip":"{from}"}},"user":{{"name":"user-{host}"}}}}"#,
            host % 40
        ),
    }
}

fn main() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let lines: Vec<String> = (0..EVENTS).map(|n| line(&mut random, n)).collect();
    let mut intake = Intake::new();
    let mut batches: Vec<Events> = Vec::new();
    let begin = cpu_ns();
    for (n, line) in lines.iter().enumerate() {
        intake.push_line("s", line.as_bytes());
        if (n as u64 + 1).is_multiple_of(BATCH) {
            batches.push(intake.take());
        }
    }
    let read = (cpu_ns() - begin) / EVENTS as f64 / 1e3;
    let mut detector = Detector::new(DetectConfig::new(Rules::default(), &Estate::default()));
    let half = batches.len() / 2;
    let begin = cpu_ns();
    batches[..half].iter().for_each(|batch| drop(detector.push(batch)));
    let learned = (cpu_ns() - begin) / (half as u64 * BATCH) as f64 / 1e3;
    detector.end_learning();
    let begin = cpu_ns();
    let findings: usize = batches[half..].iter().map(|batch| detector.push(batch).len()).sum();
    let judged = (cpu_ns() - begin) / ((batches.len() - half) as u64 * BATCH) as f64 / 1e3;
    let begin = cpu_ns();
    let snapshot = detector.snapshot().unwrap();
    let saved_ms = (cpu_ns() - begin) / 1e6;
    println!("{EVENTS} events of {HOSTS} hosts (Zeek conn, dns, ssl and log-ons), one thread, CPU time");
    println!("  reading lines into columns (baseline)  {read:>7.2} µs/event");
    println!(
        "  all behaviour detectors, learning      {learned:>7.2} µs/event   {:.2} of the baseline",
        learned / read
    );
    println!(
        "  all behaviour detectors, judging       {judged:>7.2} µs/event   {:.2} of the baseline",
        judged / read
    );
    println!(
        "  {findings} findings; a snapshot has {:.1} MB and takes {saved_ms:.0} ms",
        snapshot.len() as f64 / 1e6
    );
}
