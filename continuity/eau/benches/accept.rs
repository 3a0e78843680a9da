//! Prints how many small messages a second the spool makes durable: one fsync each against group commit, same run.
//! `cargo bench -p leckwehr-eau` (optionally with the number of messages as argument; default 300,000).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock and prints"
)]

use std::time::{Duration, Instant};

use leckwehr_crypt::OpeningKey;
use leckwehr_eau::{Incoming, Spool, SpoolConfig};

fn main() {
    let wanted = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(300_000_u64);
    let base = std::env::current_dir().unwrap();
    let each = run(&base, 1, wanted.min(3_000));
    println!("fsync each:            {:>8.0} messages/s", each);
    for batch in [16, 256, 4096] {
        let rate = run(&base, batch, wanted);
        println!(
            "group commit of {batch:>5}: {rate:>8.0} messages/s, {:.1} times fsync each",
            rate / each
        );
    }
}

/// Accepts `count` messages in batches; returns messages per second, opening and sealing included.
fn run(base: &std::path::Path, batch: u64, count: u64) -> f64 {
    let folder = tempfile::tempdir_in(base).unwrap();
    let key = OpeningKey::generate().unwrap().sealing_key().unwrap();
    let mut spool = Spool::open(folder.path(), key, SpoolConfig::default()).unwrap();
    let mut spent = Duration::ZERO;
    let mut next = 0;
    while next < count {
        let end = (next + batch).min(count);
        let messages: Vec<_> = (next..end).map(message).collect();
        let start = Instant::now();
        let receipts = spool.accept_batch(&messages).unwrap();
        spent += start.elapsed();
        assert!(receipts.iter().all(|r| r.duplicate_of.is_none()));
        next = end;
    }
    drop(spool);
    let start = Instant::now();
    let again = Spool::open(folder.path(), key, SpoolConfig::default()).unwrap();
    assert_eq!(again.status().records, count);
    println!("  ({count} records reopened in {:.2} s)", start.elapsed().as_secs_f64());
    count as f64 / spent.as_secs_f64()
}

fn message(number: u64) -> Incoming {
    let bytes = format!(
        "<Bundle xmlns=\"http://hl7.org/fhir\"><meta><profile value=\"https://fhir.kbv.de/StructureDefinition/\
         KBV_PR_EAU_Bundle|1.2\"/></meta><identifier><system value=\"urn:ietf:rfc:3986\"/><value value=\"urn:uuid:{number}\"/>\
         </identifier></Bundle>"
    );
    Incoming {
        message_id: format!("<{number}@praxis.example>"),
        sender: "praxis@kim.example".to_owned(),
        received_at_ns: number as i64,
        bytes: bytes.into_bytes(),
    }
}
