//! The coverage ledger: slots by hand, and that taking records away never adds coverage.

use std::collections::BTreeMap;

use leckwehr_estate::{Estate, Sensor, SystemKind};
use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{Events, Intake, SensorAccount};
use leckwehr_trace::{CoverageLedger, HopEvidence, LedgerConfig, Run, SLOT_MS, SLOTS_MAX, SlotState};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::estates;

/// The beginning of all windows here: a full five minutes.
pub fn begin() -> Timestamp {
    "2023-04-25T03:00:00Z".parse().unwrap()
}

/// Returns a time in milliseconds after [`begin`].
pub fn after_ms(ms: i64) -> Timestamp {
    begin().plus_ms(ms)
}

/// Builds records of sensors line by line.
#[derive(Debug, Default, Clone)]
pub struct Lines {
    lines: Vec<String>,
    numbers: BTreeMap<String, u64>,
}

impl Lines {
    /// Adds a record of the sensor of `host`; `numbered` ones carry the next number.
    pub fn record(&mut self, host: &str, at: Timestamp, numbered: bool, mut event: Value, mut fields: Value) -> &mut Self {
        let number = self.numbers.entry(host.to_owned()).or_default();
        *number += 1;
        if numbered {
            event["sequence"] = json!(*number);
        }
        let object = fields.as_object_mut().unwrap();
        object.insert("@timestamp".to_owned(), json!(at.to_string()));
        object.insert("agent".to_owned(), json!({"id": format!("sensor-{host}")}));
        object.insert("host".to_owned(), json!({"name": host}));
        object.insert("event".to_owned(), event);
        self.lines.push(fields.to_string());
        self
    }

    /// A log-on at `host`.
    pub fn logon(&mut self, host: &str, at: Timestamp, from: &str, user: &str) -> &mut Self {
        let event = json!({"category": ["authentication"], "action": "logon", "outcome": "success"});
        self.record(host, at, true, event, json!({"source": {"ip": from}, "user": {"name": user}}))
    }

    /// A log-on without a number.
    pub fn unnumbered(&mut self, host: &str, at: Timestamp) -> &mut Self {
        let event = json!({"category": ["authentication"], "action": "logon", "outcome": "success"});
        self.record(host, at, false, event, json!({"user": {"name": "anna"}}))
    }

    /// A connection opened by `host`.
    pub fn flow(&mut self, host: &str, at: Timestamp, to: &str, port: u16, out: u64, back: u64) -> &mut Self {
        let fields = json!({"source": {"bytes": out}, "destination": {"ip": to, "port": port, "bytes": back}});
        self.record(
            host,
            at,
            true,
            json!({"category": ["network"], "action": "flow", "duration": 0}),
            fields,
        )
    }

    /// A file event.
    pub fn file(&mut self, host: &str, at: Timestamp, action: &str, path: &str, from: &str, user: &str) -> &mut Self {
        let fields = json!({"source": {"ip": from}, "user": {"name": user}, "file": {"path": path, "size": 4000}});
        self.record(host, at, true, json!({"category": ["file"], "action": action}), fields)
    }

    /// Adds a line as it is.
    pub fn raw(&mut self, line: &str) -> &mut Self {
        self.lines.push(line.to_owned());
        self
    }

    /// The number a sensor has used last is skipped: a record is lost.
    pub fn lose(&mut self, host: &str) -> &mut Self {
        *self.numbers.entry(host.to_owned()).or_default() += 1;
        self
    }

    /// Reads all but those that are taken away.
    pub fn read_without(&self, gone: &dyn Fn(usize) -> bool) -> (Events, Vec<SensorAccount>) {
        let mut intake = Intake::new();
        for (_, line) in self.lines.iter().enumerate().filter(|(n, _)| !gone(*n)) {
            intake.push_line("stream", line.as_bytes());
        }
        let events = intake.take();
        (events, intake.accounts().values().cloned().collect())
    }

    /// Reads all.
    pub fn read(&self) -> (Events, Vec<SensorAccount>) {
        self.read_without(&|_| false)
    }
}

/// Three hosts in one zone.
pub fn estate() -> Estate {
    let mut estate = estates::empty();
    estates::zone(&mut estate, "inner", Some("site-1"), [10, 1, 0, 0], 16);
    for (n, id) in ["a", "b", "c"].into_iter().enumerate() {
        estates::system(&mut estate, id, SystemKind::Application, "inner", [10, 1, 0, n as u8 + 5]);
    }
    estate
}

fn minutes(host: &str, range: std::ops::RangeInclusive<i64>) -> Lines {
    let mut lines = Lines::default();
    for minute in range {
        lines.logon(host, after_ms(minute * 60_000), "10.1.0.9", "anna");
    }
    lines
}

fn ledger_of(lines: &Lines, config: &LedgerConfig) -> CoverageLedger {
    let (events, accounts) = lines.read();
    CoverageLedger::new(&events, &estate(), &accounts, config)
}

fn hour() -> LedgerConfig {
    LedgerConfig {
        window: Some((begin(), after_ms(3_600_000))),
        ..LedgerConfig::new()
    }
}

fn run(slots: u32, state: SlotState) -> Run {
    Run { slots, state }
}

#[test]
fn an_hour_without_a_gap_is_seen_and_complete() {
    let ledger = ledger_of(&minutes("a", 0..=60), &hour());
    let track = ledger.track("a", "logon").unwrap();
    assert_eq!(track.runs, [run(12, SlotState::Seen)]);
    assert!(track.complete && (track.seen - 1.0).abs() < 1e-9, "{track:?}");
    assert_eq!(ledger.track("a", "file").unwrap().runs, [run(12, SlotState::NeverCollected)]);
    assert_eq!(ledger.track("b", "logon").unwrap().seen, 0.0);
}

#[test]
fn a_missing_number_makes_its_slot_a_gap() {
    let mut lines = minutes("a", 0..=22);
    lines.lose("a");
    for minute in 23..=60 {
        lines.logon("a", after_ms(minute * 60_000), "10.1.0.9", "anna");
    }
    let track = ledger_of(&lines, &hour()).track("a", "logon").unwrap().clone();
    assert_eq!(
        track.runs,
        [run(4, SlotState::Seen), run(1, SlotState::Gap), run(7, SlotState::Seen)]
    );
    assert!(!track.complete && (track.seen - 55.0 / 60.0).abs() < 1e-9, "{track:?}");
}

#[test]
fn what_comes_before_the_first_and_after_the_last_record_is_no_coverage() {
    let track = ledger_of(&minutes("a", 12..=47), &hour())
        .track("a", "logon")
        .unwrap()
        .clone();
    assert_eq!(
        track.runs,
        [run(3, SlotState::Gap), run(6, SlotState::Seen), run(3, SlotState::Gap)]
    );
}

#[test]
fn silence_is_a_gap_sooner_where_records_carry_no_numbers() {
    let (mut plain, mut numbered) = (Lines::default(), Lines::default());
    for minute in (0..=10).chain(40..=60) {
        plain.unnumbered("a", after_ms(minute * 60_000));
        numbered.logon("a", after_ms(minute * 60_000), "10.1.0.9", "anna");
    }
    let plain = ledger_of(&plain, &hour()).track("a", "logon").unwrap().clone();
    assert_eq!(
        plain.runs,
        [run(2, SlotState::Seen), run(6, SlotState::Gap), run(4, SlotState::Seen)]
    );
    let numbered = ledger_of(&numbered, &hour()).track("a", "logon").unwrap().clone();
    assert_eq!(numbered.runs, [run(12, SlotState::Seen)]);
    assert!(
        numbered.complete && !plain.complete,
        "a loss among records without numbers would not show"
    );
}

#[test]
fn declared_but_silent_is_a_gap_and_old_records_are_expired() {
    let mut estate = estate();
    let sensor = Sensor {
        name: "audit".to_owned(),
        observes: vec!["inner".to_owned()],
        classes: vec!["file".to_owned()],
        retention_days: 1,
    };
    estate.sensors.insert("audit".to_owned(), sensor);
    let (events, accounts) = minutes("a", 0..=5).read();
    let day_ms = 86_400_000;
    let config = LedgerConfig {
        window: Some((begin(), after_ms(3 * day_ms - 1))),
        ..LedgerConfig::new()
    };
    let ledger = CoverageLedger::new(&events, &estate, &accounts, &config);
    assert_eq!(
        ledger.track("b", "file").unwrap().runs,
        [run(575, SlotState::Expired), run(289, SlotState::Gap)]
    );
    assert_eq!(ledger.state("b", "file", after_ms(60_000)), SlotState::Expired);
    assert_eq!(ledger.state("b", "process", after_ms(60_000)), SlotState::NeverCollected);
}

#[test]
fn without_raw_fields_a_loss_cannot_be_placed_and_spoils_the_whole_window() {
    let mut lossy = minutes("a", 0..=30);
    lossy.lose("a").logon("a", after_ms(3_600_000), "10.1.0.9", "anna");
    for (lines, seen) in [(minutes("a", 0..=60), true), (lossy, false)] {
        let (events, accounts) = lines.read();
        let mut columns = Events::default();
        columns.append_columns(&events);
        let ledger = CoverageLedger::new(&columns, &estate(), &accounts, &hour());
        assert_eq!(ledger.track("a", "logon").unwrap().seen > 0.0, seen);
    }
}

#[test]
fn a_clock_that_is_off_blurs_the_ends_of_what_was_seen() {
    let mut config = hour();
    config.clock_offset_ms.insert("sensor-a".to_owned(), -90_000);
    let track = ledger_of(&minutes("a", 0..=60), &config).track("a", "logon").unwrap().clone();
    assert_eq!(
        track.runs,
        [run(1, SlotState::Gap), run(10, SlotState::Seen), run(1, SlotState::Gap)]
    );
}

#[test]
fn a_damaged_record_of_nobody_completes_nothing() {
    let mut lines = minutes("a", 0..=60);
    lines.raw("{not json");
    let ledger = ledger_of(&lines, &hour());
    assert_eq!(ledger.damaged_unowned, 1);
    assert!(!ledger.track("a", "logon").unwrap().complete);
}

#[test]
fn a_restart_may_have_lost_its_last_records() {
    let mut lines = minutes("a", 0..=30);
    // 31 records only: renumbering from 1 shows as numbers that came twice at different times.
    lines.numbers.clear();
    for minute in 31..=60 {
        lines.logon("a", after_ms(minute * 60_000), "10.1.0.9", "anna");
    }
    let track = ledger_of(&lines, &hour()).track("a", "logon").unwrap().clone();
    assert!(!track.complete, "{track:?}");
}

#[test]
fn the_probability_to_miss_a_hop_is_that_of_the_best_kind_of_record() {
    let ledger = ledger_of(&minutes("a", 0..=60), &hour());
    let miss = ledger.miss("a", begin(), after_ms(3_600_000));
    assert_eq!(miss.best, HopEvidence::Logon);
    assert!((miss.probability - (1.0 - 22.0 / 29.0)).abs() < 1e-9, "{miss:?}");
    let blind = ledger.miss("b", begin(), after_ms(3_600_000));
    assert_eq!(blind.probability, 1.0);
    assert!((HopEvidence::Connection.miss(0.9) - 0.1).abs() < 1e-9);
    assert!((HopEvidence::ExplicitCredentials.miss(1.0) - 27.0 / 29.0).abs() < 1e-9);
}

#[test]
fn a_thousand_assets_over_half_a_year_are_a_few_thousand_runs() {
    let mut estate = estates::empty();
    estates::zone(&mut estate, "inner", Some("site-1"), [10, 1, 0, 0], 16);
    let mut lines = Lines::default();
    for n in 0..1_000_u16 {
        let [high, low] = n.to_be_bytes();
        estates::system(
            &mut estate,
            &format!("h{n}"),
            SystemKind::Workstation,
            "inner",
            [10, 1, high, low],
        );
    }
    for hour in 0..=4_380_i64 {
        // One collector numbers the records of all hosts.
        let (host, event) = (
            format!("h{}", hour % 1_000),
            json!({"category": ["process"], "sequence": hour + 1}),
        );
        let fields = json!({"@timestamp": after_ms(hour * 3_600_000).to_string(), "agent": {"id": "collector"},
            "host": {"name": host}, "event": event, "process": {"command_line": "ls"}});
        lines.raw(&fields.to_string());
    }
    let (events, accounts) = lines.read();
    let ledger = CoverageLedger::new(&events, &estate, &accounts, &LedgerConfig::new());
    assert_eq!((ledger.slots, ledger.tracks.len()), (4_380 * 12, 4_000));
    let runs: usize = ledger.tracks.iter().map(|t| t.runs.len()).sum();
    assert!(runs <= 4_000, "{runs} runs");
    assert!(ledger.is_complete("h7", &["process"]));
    assert!(
        ledger
            .tracks
            .iter()
            .all(|t| t.runs.iter().map(|r| r.slots).sum::<u32>() == ledger.slots)
    );
}

#[test]
fn records_lost_outside_of_the_window_are_no_gap_inside() {
    let window = Some((after_ms(600_000), after_ms(3_000_000)));
    let config = LedgerConfig {
        window,
        ..LedgerConfig::new()
    };
    let states = |lost_at: i64| {
        let mut lines = Lines::default();
        for minute in 0..=60 {
            if minute == lost_at {
                lines.lose("a");
            }
            lines.logon("a", after_ms(minute * 60_000), "10.1.0.9", "anna");
        }
        let ledger = ledger_of(&lines, &config);
        let seen = |slot: i64| ledger.state("a", "logon", after_ms(600_000 + slot * SLOT_MS)) == SlotState::Seen;
        assert_eq!(ledger.slots, 8);
        [seen(0), seen(1), seen(6), seen(7)]
    };
    // Lost before the record of the minute: 10 is the first of the window, 51 the first after it.
    for outside in [5, 10, 51, 55] {
        assert_eq!(states(outside), [true; 4], "{outside}");
    }
    assert_eq!(states(11), [false, true, true, true]);
    assert_eq!(states(50), [true, true, true, false]);
}

#[test]
fn an_impossible_clock_costs_no_memory() {
    let mut lines = minutes("a", 0..=60);
    lines.logon("a", Timestamp(0), "10.1.0.9", "anna");
    let ledger = ledger_of(&lines, &LedgerConfig::new());
    assert_eq!(ledger.slots, SLOTS_MAX);
    assert!(!ledger.is_complete("a", &["logon"]));
}

#[test]
fn a_recording_of_the_wire_covers_connections_and_nothing_else() {
    let Some(day) = crate::theft::day("trace/apt29-day2.zeek.jsonl") else {
        return;
    };
    let ledger = &day.ledger;
    let track = ledger.track("utica", "flow").unwrap();
    // Zeek itself says that one of its workers lost 2.87 % of a quarter of an hour.
    assert!((track.kept - (1.0 - 0.028_688_524_590_163_93)).abs() < 1e-12, "{track:?}");
    assert!(track.seen > 0.9 && !track.complete, "{track:?}");
    assert_eq!(ledger.track("utica", "logon").unwrap().seen, 0.0);
    assert_eq!(ledger.miss("utica", ledger.from, ledger.to).best, HopEvidence::Connection);
}

/// Records of two numbered sensors and one without numbers, about a minute apart, some of them lost.
fn traffic() -> impl Strategy<Value = Lines> {
    let record = (0..3_usize, 1..400_i64, any::<bool>());
    prop::collection::vec(record, 1..120).prop_map(|records| {
        let (mut lines, mut at) = (Lines::default(), 0);
        for (host, seconds, lost) in records {
            at += seconds * 1_000 / 4;
            let host = ["a", "b", "c"][host];
            if lost && seconds % 7 == 0 {
                lines.lose(host);
            }
            match host {
                "c" => lines.unnumbered(host, after_ms(at)),
                _ => lines.logon(host, after_ms(at), "10.1.0.9", "anna"),
            };
        }
        lines
    })
}

proptest! {
    #[test]
    fn coverage_never_rises_when_records_are_removed(lines in traffic(), gone in prop::collection::vec(any::<bool>(), 120)) {
        let window = Some((begin(), after_ms(3_600_000)));
        let config = LedgerConfig { window, ..LedgerConfig::new() };
        let ledger = |(events, accounts): (Events, Vec<SensorAccount>)| CoverageLedger::new(&events, &estate(), &accounts, &config);
        let whole = ledger(lines.read());
        let less = ledger(lines.read_without(&|n| gone.get(n).copied().unwrap_or(false)));
        for track in &whole.tracks {
            let now = less.track(&track.asset, &track.class).map_or(0.0, |t| t.seen);
            prop_assert!(now <= track.seen + 1e-12, "{} {}: {} > {}", track.asset, track.class, now, track.seen);
            for slot in 0..i64::from(whole.slots) {
                let at = begin().plus_ms(slot * SLOT_MS);
                let seen = |l: &CoverageLedger| l.state(&track.asset, &track.class, at) == SlotState::Seen;
                prop_assert!(!seen(&less) || seen(&whole), "{} slot {slot} became seen", track.asset);
            }
            let completed = less.track(&track.asset, &track.class).is_some_and(|t| t.complete);
            prop_assert!(!completed || track.complete);
        }
    }
}
