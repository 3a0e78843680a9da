use std::collections::{BTreeMap, BTreeSet};

use leckwehr_detect::AddressBook;
use leckwehr_estate::{Estate, SystemKind};
use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{Event, Events, SensorAccount, Sym};
use serde::{Deserialize, Serialize};

use super::sensitivity::{HopEvidence, Miss};
use super::timeline::{Grid, Numbering, Run, SlotState, Tick, merged, runs, seen};

/// Assets of one ledger; more are counted in [`CoverageLedger::assets_left_out`].
pub const ASSETS_MAX: usize = 20_000;
/// Evidence classes that every system of the provider is held against.
const CLASSES: [&str; 4] = ["logon", "process", "file", "flow"];
const DAY_MS: i64 = 86_400_000;

/// What a ledger is computed for.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerConfig {
    /// The window it covers; the first and last record if not given.
    pub window: Option<(Timestamp, Timestamp)>,
    /// When retention is counted back from; the end of the window if not given.
    pub as_of: Option<Timestamp>,
    /// By how many milliseconds a sensor's clock was measured to be off, by sensor; its slots blur by as much.
    pub clock_offset_ms: BTreeMap<String, i64>,
}

impl LedgerConfig {
    /// Builds a configuration for the whole recording, with clocks that are not known to be off.
    pub fn new() -> Self {
        Self {
            window: None,
            as_of: None,
            clock_offset_ms: BTreeMap::new(),
        }
    }
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// One evidence class of one asset over the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// System id, host name or guard.
    pub asset: String,
    /// Evidence class.
    pub class: String,
    /// Share of the window's time that was seen, less what is known to be lost, 0 to 1.
    pub seen: f64,
    /// Whether every slot but the window's first and last is proven to be seen by sensors that number their records, lost
    /// none and sent none damaged. Only this excludes anything.
    pub complete: bool,
    /// Share of what its sensors saw that they did not lose (damaged records, packets lost by the capture), 0 to 1.
    pub kept: f64,
    /// Sensors that told of it.
    pub sensors: Vec<String>,
    /// States in order of time, together as many slots as the ledger has.
    pub runs: Vec<Run>,
}

/// What was observed of every asset, by evidence class, in slots of five minutes.
///
/// Runs of equal slots are stored once, so that 1,000 assets over months stay at a few runs per asset and class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoverageLedger {
    /// Begin of the window.
    pub from: Timestamp,
    /// End of the window.
    pub to: Timestamp,
    /// Length of a slot in milliseconds.
    pub slot_ms: i64,
    /// Slots of the window.
    pub slots: u32,
    /// By asset, then class.
    pub tracks: Vec<Track>,
    /// Assets beyond [`ASSETS_MAX`]; nothing is known of their coverage.
    pub assets_left_out: usize,
    /// Damaged records that no sensor owns: any asset may be the one they told of, so nothing is complete.
    pub damaged_unowned: u64,
}

/// What one sensor of the telemetry delivered.
struct Source {
    ticks: Vec<Tick>,
    /// Classes by asset that its records name.
    told: BTreeMap<String, BTreeSet<&'static str>>,
    /// Classes by zone, for a sensor that records addresses and no host of its own.
    zones: BTreeMap<String, BTreeSet<&'static str>>,
}

/// A source with its seen slots.
struct Witness {
    sensor: String,
    seen: Vec<(u32, u32)>,
    /// Share of what it saw that it did not lose, 0 to 1.
    kept: f64,
    /// Its numbers prove that nothing is missing in the seen slots.
    proves: bool,
}

impl CoverageLedger {
    /// Computes the ledger from events, the sensors' accounts and what the estate says is observed.
    ///
    /// Where events carry no raw fields ([`Events::append_columns`]) a gap cannot be placed in time, and a sensor that lost
    /// anything counts as a gap throughout. O(events log events + assets × classes × runs); 16 bytes an event while it works.
    pub fn new(events: &Events, estate: &Estate, accounts: &[SensorAccount], config: &LedgerConfig) -> Self {
        let window = config.window.or_else(|| events.window()).unwrap_or_default();
        let grid = Grid::new(window);
        let book = AddressBook::new(estate);
        let sources = sources(events, estate, &book);
        let by_sensor: BTreeMap<&str, &SensorAccount> = accounts.iter().map(|a| (a.sensor.as_str(), a)).collect();
        let damaged_unowned = damaged_unowned(accounts);
        let mut claims: BTreeMap<(String, &'static str), BTreeSet<usize>> = BTreeMap::new();
        let mut witnesses = Vec::new();
        for (number, (sensor, mut source)) in sources.into_iter().enumerate() {
            for (asset, classes) in &source.told {
                for class in classes {
                    claims.entry((asset.clone(), *class)).or_default().insert(number);
                }
            }
            for (asset, class) in declared(estate, &source.zones) {
                claims.entry((asset, class)).or_default().insert(number);
            }
            let account = by_sensor.get(sensor.as_str()).copied();
            let numbering = numbering(&source.ticks, account);
            let offset = config.clock_offset_ms.get(&sensor).copied().unwrap_or(0);
            witnesses.push(Witness {
                seen: seen(&grid, &mut source.ticks, numbering, offset),
                kept: kept(account),
                proves: numbering != Numbering::None && kept(account) >= 1.0 && damaged_unowned == 0,
                sensor,
            });
        }
        let retention = retention(estate);
        let mut assets: BTreeSet<String> = claims.keys().map(|(asset, _)| asset.clone()).collect();
        let own = |id: &str, s: &leckwehr_estate::System| {
            estate.is_inside(&s.zone) && s.kind != SystemKind::ControlRoom && !id.is_empty()
        };
        assets.extend(estate.systems.iter().filter(|(id, s)| own(id, s)).map(|(id, _)| id.clone()));
        let assets_left_out = assets.len().saturating_sub(ASSETS_MAX);
        let as_of = config.as_of.unwrap_or(grid.to);
        let mut tracks = Vec::new();
        for asset in assets.into_iter().take(ASSETS_MAX) {
            for class in classes_of(&asset, estate, &claims, &retention) {
                let none = BTreeSet::new();
                let told_by = claims.get(&(asset.clone(), class)).unwrap_or(&none);
                let days = retention.get(&(asset.clone(), class)).copied();
                let by: Vec<&Witness> = told_by.iter().filter_map(|n| witnesses.get(*n)).collect();
                tracks.push(track(&grid, &asset, class, &by, days, as_of));
            }
        }
        Self {
            from: grid.from,
            to: grid.to,
            slot_ms: super::timeline::SLOT_MS,
            slots: grid.slots,
            tracks,
            assets_left_out,
            damaged_unowned,
        }
    }

    /// Returns the track of an asset and class. O(log tracks).
    pub fn track(&self, asset: &str, class: &str) -> Option<&Track> {
        let key = |t: &Track| (t.asset.as_str().cmp(asset)).then_with(|| t.class.as_str().cmp(class));
        self.tracks.binary_search_by(key).ok().and_then(|i| self.tracks.get(i))
    }

    /// Returns the share of the time from `from` to `to` in which the class of the asset was seen, 0 to 1. Slots at the ends
    /// count by the part of them that lies within. O(runs).
    pub fn share(&self, asset: &str, class: &str, from: Timestamp, to: Timestamp) -> f64 {
        let Some(track) = self.track(asset, class) else {
            return 0.0;
        };
        let grid = Grid::new((self.from, self.to));
        let (from, to) = (from.max(self.from), to.min(self.to));
        let (all, seen) = weigh(&grid, &track.runs, from, to);
        if all > 0.0 {
            return seen / all * track.kept;
        }
        let alive = self.state(asset, class, from) == SlotState::Seen;
        if alive { track.kept } else { 0.0 }
    }

    /// Returns whether all of these classes are proven to be seen throughout ([`Track::complete`]).
    pub fn is_complete(&self, asset: &str, classes: &[&str]) -> bool {
        classes
            .iter()
            .all(|class| self.track(asset, class).is_some_and(|t| t.complete))
    }

    /// Returns the state of one slot at a time inside the window.
    pub fn state(&self, asset: &str, class: &str, at: Timestamp) -> SlotState {
        let slot = Grid::new((self.from, self.to)).slot(at);
        let mut end = 0;
        let runs = self.track(asset, class).map_or(&[][..], |t| &t.runs);
        for run in runs {
            end += run.slots;
            if slot < end {
                return run.state;
            }
        }
        SlotState::NeverCollected
    }

    /// Returns how probable it is that a hop to the asset between the two times left no record:
    /// `1 − coverage × sensitivity` of the best kind of record.
    pub fn miss(&self, asset: &str, from: Timestamp, to: Timestamp) -> Miss {
        let all = HopEvidence::ALL.map(|evidence| Miss {
            probability: evidence.miss(self.share(asset, evidence.class(), from, to)),
            best: evidence,
        });
        let better = |a: Miss, b: Miss| if b.probability < a.probability { b } else { a };
        let none = Miss {
            probability: 1.0,
            best: HopEvidence::Connection,
        };
        all.into_iter().fold(none, better)
    }
}

/// Returns the damaged records of sources of which nothing else was read: nobody knows whose they were.
pub(crate) fn damaged_unowned(accounts: &[SensorAccount]) -> u64 {
    accounts.iter().filter(|a| a.classes.is_empty()).map(|a| a.damaged).sum()
}

fn sources(events: &Events, estate: &Estate, book: &AddressBook) -> BTreeMap<String, Source> {
    let mut by_sym: BTreeMap<Sym, Source> = BTreeMap::new();
    let mut names: BTreeMap<Sym, Option<(String, String)>> = BTreeMap::new();
    for event in events.iter() {
        let source = by_sym.entry(event.sensor_sym()).or_insert_with(|| Source {
            ticks: Vec::new(),
            told: BTreeMap::new(),
            zones: BTreeMap::new(),
        });
        source.ticks.push(Tick {
            at: event.time().0,
            number: own_number(&event),
        });
        let class = event.kind().class();
        if !event.host_sym().is_none() {
            let name = names
                .entry(event.host_sym())
                .or_insert_with(|| Some((book.system_or_text(event.host()).to_owned(), String::new())));
            if let Some((asset, _)) = name {
                tell(&mut source.told, asset, class);
            }
            continue;
        }
        for (sym, text) in [
            (event.origin_sym(), event.origin()),
            (event.destination_sym(), event.destination()),
        ] {
            let place = names.entry(sym).or_insert_with(|| inside(text, estate, book));
            if let Some((asset, zone)) = place {
                // Whatever a sensor on the wire decodes, of a host it sees the connections and not what is done inside.
                tell(&mut source.told, asset, "flow");
                tell(&mut source.zones, zone, "flow");
            }
        }
    }
    let symbols = events.symbols();
    by_sym
        .into_iter()
        .map(|(sym, source)| (symbols.text(sym).to_owned(), source))
        .collect()
}

fn tell(told: &mut BTreeMap<String, BTreeSet<&'static str>>, what: &str, class: &'static str) {
    match told.get_mut(what) {
        Some(classes) => {
            classes.insert(class);
        }
        None => {
            told.insert(what.to_owned(), BTreeSet::from([class]));
        }
    }
}

/// Returns system and zone of an address of the provider's.
fn inside(text: &str, estate: &Estate, book: &AddressBook) -> Option<(String, String)> {
    if !book.place(text).is_inside() {
        return None;
    }
    let asset = book.system_or_text(text);
    let zone = estate
        .systems
        .get(asset)
        .map_or_else(|| book.zone(text).unwrap_or(""), |s| &s.zone);
    Some((asset.to_owned(), zone.to_owned()))
}

/// Returns the number that the sensor itself gave the record.
fn own_number(event: &Event<'_>) -> Option<u64> {
    let names = ["event.sequence", "RecordNumber", "EventRecordID"];
    names.iter().find_map(|name| event.field(name)?.parse().ok())
}

fn numbering(ticks: &[Tick], account: Option<&SensorAccount>) -> Numbering {
    let by_account = account.filter(|a| a.is_numbered());
    match by_account {
        _ if ticks.iter().any(|t| t.number.is_some()) => Numbering::InRecords,
        Some(a) if a.missing > 0 || a.restarts > 0 => Numbering::BrokenByAccount,
        Some(_) => Numbering::WholeByAccount,
        None => Numbering::None,
    }
}

/// Returns the share of what a sensor saw that it did not lose: damaged records and packets that the capture lost.
fn kept(account: Option<&SensorAccount>) -> f64 {
    let Some(a) = account else {
        return 1.0;
    };
    let all = a.records + a.damaged;
    let readable = if all == 0 { 0.0 } else { a.records as f64 / all as f64 };
    readable * (1.0 - a.capture_loss.clamp(0.0, 1.0))
}

/// Returns the classes of every system that the estate says are observed in the zones where this sensor recorded something.
fn declared(estate: &Estate, zones: &BTreeMap<String, BTreeSet<&'static str>>) -> Vec<(String, &'static str)> {
    let mut declared = Vec::new();
    for (id, system) in &estate.systems {
        let Some(told) = zones.get(&system.zone) else {
            continue;
        };
        let says = |class: &str| {
            let names = |s: &leckwehr_estate::Sensor| s.observes.iter().any(|o| *o == system.zone || o == id);
            estate
                .sensors
                .values()
                .any(|s| names(s) && s.classes.iter().any(|c| c == class))
        };
        declared.extend(told.iter().filter(|class| says(class)).map(|class| (id.clone(), *class)));
    }
    declared
}

/// Returns for how many days the estate says that records of each system and class are kept.
fn retention(estate: &Estate) -> BTreeMap<(String, &'static str), u32> {
    let known: [&'static str; 6] = ["logon", "process", "file", "flow", "backup", "egress"];
    let mut days: BTreeMap<(String, &'static str), u32> = BTreeMap::new();
    for sensor in estate.sensors.values() {
        let observed: BTreeSet<&str> = sensor.observes.iter().map(String::as_str).collect();
        let classes = known.iter().filter(|k| sensor.classes.iter().any(|c| c == *k));
        for class in classes {
            let systems = estate.systems.iter();
            for (id, _) in systems.filter(|(id, s)| observed.contains(id.as_str()) || observed.contains(s.zone.as_str())) {
                let kept = days.entry((id.clone(), class)).or_default();
                *kept = sensor.retention_days.max(*kept);
            }
        }
    }
    days
}

fn classes_of(
    asset: &str,
    estate: &Estate,
    claims: &BTreeMap<(String, &'static str), BTreeSet<usize>>,
    retention: &BTreeMap<(String, &'static str), u32>,
) -> BTreeSet<&'static str> {
    let own = (asset.to_owned(), "")..=(asset.to_owned(), "~");
    let mut classes: BTreeSet<&'static str> = claims.range(own.clone()).map(|((_, class), _)| *class).collect();
    classes.extend(retention.range(own).map(|((_, class), _)| *class));
    if estate.systems.contains_key(asset) {
        classes.extend(CLASSES);
    }
    classes
}

fn track(grid: &Grid, asset: &str, class: &str, by: &[&Witness], days: Option<u32>, as_of: Timestamp) -> Track {
    let union = |all: &mut dyn Iterator<Item = &&Witness>| merged(all.flat_map(|w| w.seen.iter().copied()).collect());
    let seen = union(&mut by.iter());
    let proven = union(&mut by.iter().filter(|w| w.proves));
    let kept_from = days.map_or(0, |days| {
        let oldest = as_of.plus_ms(-(i64::from(days).saturating_mul(DAY_MS)));
        if oldest <= grid.from { 0 } else { grid.slot(oldest) }
    });
    let rest = match (by.is_empty(), days) {
        (true, None) => SlotState::NeverCollected,
        _ => SlotState::Gap,
    };
    let runs = runs(grid, &seen, rest, kept_from);
    let (all, time_seen) = weigh(grid, &runs, grid.from, grid.to);
    let kept = by.iter().map(|w| w.kept).fold(0.0, f64::max);
    let inner = (grid.slots > 2).then(|| (1, grid.slots - 2));
    Track {
        asset: asset.to_owned(),
        class: class.to_owned(),
        seen: if all > 0.0 { time_seen / all * kept } else { 0.0 },
        kept,
        complete: inner.is_some_and(|(first, last)| proven.iter().any(|(a, b)| *a <= first && last <= *b)),
        sensors: by.iter().map(|w| w.sensor.clone()).collect(),
        runs,
    }
}

/// Returns all seconds between two times and those of them that lie in seen slots.
fn weigh(grid: &Grid, runs: &[Run], from: Timestamp, to: Timestamp) -> (f64, f64) {
    let (mut slot, mut seen) = (0, 0.0);
    for run in runs {
        let (first, last) = (slot, slot + run.slots.saturating_sub(1));
        slot += run.slots;
        if run.state == SlotState::Seen {
            let (begin, end) = (grid.span(first).0.max(from), grid.span(last).1.min(to));
            seen += end.seconds_since(begin).max(0.0);
        }
    }
    (to.seconds_since(from).max(0.0), seen)
}
