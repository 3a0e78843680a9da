use std::collections::{BTreeMap, BTreeSet};

use leckwehr_detect::{AddressBook, Place};
use leckwehr_estate::Estate;
use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{Events, Kind, Outcome};
use serde::{Deserialize, Serialize};

/// Accounts kept per pair.
const ACCOUNTS_MAX: usize = 20;
/// References kept per pair.
const EVIDENCE_MAX: usize = 4;

/// What was observed between one inside host and one address outside: flows and log-ons of one kind and port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Observed {
    /// Inside host.
    pub host: String,
    /// Address or system at the other end.
    pub peer: String,
    /// Zone of the estate that the peer lies in, if any.
    pub zone: Option<String>,
    /// `connection` or `log-on`.
    pub what: String,
    /// Opened by the inside host.
    pub outbound: bool,
    /// Port at the target; 0 if not known.
    pub port: u16,
    /// Records.
    pub count: u64,
    /// Log-ons that failed.
    pub failed: u64,
    /// Bytes from inside to outside, as the records give them.
    pub bytes_out: u64,
    /// Bytes from outside to inside.
    pub bytes_in: u64,
    /// Accounts, the first ones by name.
    pub accounts: BTreeSet<String>,
    /// First and last.
    pub seen: (Timestamp, Timestamp),
    /// Where the first raw records are.
    pub evidence: Vec<String>,
}

/// Returns what was observed between inside and outside, per pair, kind, direction and port. O(events log pairs).
pub(crate) fn observe(events: &Events, estate: &Estate) -> Vec<Observed> {
    let book = AddressBook::new(estate);
    let mut pairs: BTreeMap<(String, String, bool, bool, u16), Observed> = BTreeMap::new();
    for row in events.rows_by_time() {
        let Some(event) = events.get(row).filter(|e| matches!(e.kind(), Kind::Flow | Kind::Logon)) else {
            continue;
        };
        let logon = event.kind() == Kind::Logon;
        let origin = if event.origin().is_empty() && !logon {
            event.host()
        } else {
            event.origin()
        };
        let target = if event.destination().is_empty() {
            event.host()
        } else {
            event.destination()
        };
        let (from, to) = (book.place(origin), book.place(target));
        let outbound = from.is_inside() && to.is_outside();
        if !outbound && !(from.is_outside() && (to.is_inside() || (logon && to == Place::Nowhere))) {
            continue;
        }
        let (host, peer) = if outbound { (origin, target) } else { (target, origin) };
        let (host, peer_id) = (book.system_or_text(host), book.system_or_text(peer));
        let zone = || {
            estate
                .systems
                .get(peer_id)
                .map(|s| s.zone.clone())
                .or_else(|| book.zone(peer).map(str::to_owned))
        };
        let key = (host.to_owned(), peer_id.to_owned(), logon, outbound, event.port());
        let pair = pairs.entry(key).or_insert_with(|| Observed {
            host: host.to_owned(),
            peer: peer_id.to_owned(),
            zone: zone(),
            what: if logon { "log-on" } else { "connection" }.to_owned(),
            outbound,
            port: event.port(),
            count: 0,
            failed: 0,
            bytes_out: 0,
            bytes_in: 0,
            accounts: BTreeSet::new(),
            seen: (event.time(), event.time()),
            evidence: Vec::new(),
        });
        let (sent, got) = (event.bytes_out().unwrap_or(0), event.bytes_in().unwrap_or(0));
        let (out, back) = if outbound { (sent, got) } else { (got, sent) };
        pair.count += 1;
        pair.failed += u64::from(logon && event.outcome() == Outcome::Failure);
        pair.bytes_out = pair.bytes_out.saturating_add(out);
        pair.bytes_in = pair.bytes_in.saturating_add(back);
        pair.seen.1 = pair.seen.1.max(event.time());
        if !event.account().is_empty() && pair.accounts.len() < ACCOUNTS_MAX {
            pair.accounts.insert(event.account().to_owned());
        }
        if pair.evidence.len() < EVIDENCE_MAX {
            pair.evidence.push(event.reference());
        }
    }
    pairs.into_values().collect()
}
