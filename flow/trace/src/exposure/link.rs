use leckwehr_estate::{Connection, ConnectionKind, Estate, PartyKind};
use leckwehr_incident::{Impact, Tier, Timestamp};
use serde::{Deserialize, Serialize};

use super::observed::Observed;
use super::standing::Standing;
use super::{Cuts, worst};
use crate::coverage::{CLOCK_SKEW_MS, CoverageLedger};

/// Observations listed per connection; more are counted.
const OBSERVED_MAX: usize = 50;

/// What was seen of our end of a connection while it was exposed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LinkCoverage {
    /// Share of the exposed time in which connections were seen, 0 to 1; of the system with the least.
    pub flow: f64,
    /// The same for log-ons.
    pub logon: f64,
    /// Whether every connection and log-on of the window is proven to be seen.
    pub complete: bool,
}

/// One connection to a party.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConnectionExposure {
    /// Connection id.
    pub connection: String,
    /// Name for people.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Our end: system or zone.
    pub our_end: String,
    /// Systems at our end that the tier comes from.
    pub systems: Vec<String>,
    /// Their end: zone, system or party.
    pub their_end: String,
    /// How sure it is that the attacker stood at our end: the tier is inherited from the host.
    pub tier: Tier,
    /// Whether he went over it: *proven* or *probable* by steps with his marks, *possible* where there was traffic,
    /// *excluded* where complete coverage shows none, else *unknown*.
    pub crossed: Tier,
    /// Whether our end can open traffic to theirs; if not, he can answer and misuse their sessions only.
    pub opens_outward: bool,
    /// Ports; empty means all.
    pub ports: Vec<u16>,
    /// Since when he can have stood at our end.
    pub since: Option<Timestamp>,
    /// Since when it is cut, or our end isolated; `None` if no cut is known.
    pub cut: Option<Timestamp>,
    /// What was observed on it while it was exposed, the first ones.
    pub observed: Vec<Observed>,
    /// Further observations that are not listed.
    pub observed_more: usize,
    /// Whether observations may belong to another party that shares the same network.
    pub network_shared: bool,
    /// Coverage of our end.
    pub coverage: LinkCoverage,
    /// Steps of the attacker over it, one sentence each.
    pub evidence: Vec<String>,
}

/// A connection seen from the provider: which end is ours, which party's is the other.
pub(crate) struct Link<'a> {
    pub(crate) id: &'a str,
    pub(crate) connection: &'a Connection,
    pub(crate) ours: &'a str,
    pub(crate) theirs: &'a str,
    pub(crate) party: &'a str,
}

impl<'a> Link<'a> {
    /// Returns the connection as a link to another party; `None` if both ends are ours or neither is.
    pub(crate) fn new(id: &'a str, connection: &'a Connection, estate: &'a Estate) -> Option<Self> {
        let (a, b) = (connection.from.as_str(), connection.to.as_str());
        let (ours, theirs) = match (is_ours(estate, a), is_ours(estate, b)) {
            (true, false) => (a, b),
            (false, true) => (b, a),
            _ => return None,
        };
        let party = party_of(estate, theirs)?;
        Some(Self {
            id,
            connection,
            ours,
            theirs,
            party,
        })
    }

    pub(crate) fn expose(
        &self,
        estate: &Estate,
        impact: &Impact,
        standing: &Standing<'a>,
        ledger: &CoverageLedger,
        cuts: &Cuts,
        observed: &[Observed],
    ) -> ConnectionExposure {
        let (tier, since, systems) = standing.end(self.ours);
        let isolated = || {
            systems
                .iter()
                .map(|s| cuts.since(s))
                .collect::<Option<Vec<_>>>()?
                .into_iter()
                .max()
        };
        let cut = cuts.since(self.id).into_iter().chain(isolated()).min();
        let own_networks = networks_of(estate, self.theirs, self.party);
        let all = standing.systems_of(self.ours);
        let on_it = |o: &&Observed| {
            let end = match &o.zone {
                Some(z) => own_networks.contains(z) || (own_networks.is_empty() && is_shared(estate, z)),
                // An address in no zone that the estate knows is the internet's.
                None => estate.parties.get(self.party).is_some_and(|p| p.kind == PartyKind::Public),
            };
            let port = self.connection.ports.is_empty() || o.port == 0 || self.connection.ports.contains(&o.port);
            let time = since.is_none_or(|s| s <= o.seen.1.plus_ms(CLOCK_SKEW_MS));
            let named = estate.systems.get(&o.peer).is_none_or(|s| !is_ours(estate, &s.zone));
            end && port && time && named && (o.peer == self.theirs || all.contains(&o.host.as_str()))
        };
        let mut seen: Vec<Observed> = observed.iter().filter(on_it).cloned().collect();
        let observed_more = seen.len().saturating_sub(OBSERVED_MAX);
        let traffic = !seen.is_empty();
        seen.truncate(OBSERVED_MAX);
        let coverage = coverage(ledger, &all, since, cut);
        let (marked, evidence) = self.steps(impact, &all, &seen);
        let crossed = match marked {
            Some(marked) => marked,
            None if traffic && tier <= Tier::Possible => Tier::Possible,
            None if tier == Tier::Excluded || (coverage.complete && !traffic) => Tier::Excluded,
            None => Tier::Unknown,
        };
        ConnectionExposure {
            connection: self.id.to_owned(),
            name: self.connection.name.clone(),
            kind: kind_word(self.connection.kind).to_owned(),
            our_end: self.ours.to_owned(),
            systems: systems.iter().map(|s| (*s).to_owned()).collect(),
            their_end: self.theirs.to_owned(),
            // An attacker who came in over it stood at both of its ends.
            tier: worst([tier].into_iter().chain(marked)),
            crossed,
            opens_outward: self.connection.both_ways || self.connection.from == self.ours,
            ports: self.connection.ports.clone(),
            since,
            cut,
            observed: seen,
            observed_more,
            network_shared: own_networks.is_empty(),
            coverage,
            evidence,
        }
    }

    /// Returns the surest step of the attacker between the ends, and all of them in words.
    fn steps(&self, impact: &Impact, ours: &[&str], seen: &[Observed]) -> (Option<Tier>, Vec<String>) {
        let theirs = |name: &str| name == self.theirs || seen.iter().any(|o| o.peer == name);
        let on_it = |a: &str, b: &str| (ours.contains(&a) && theirs(b)) || (ours.contains(&b) && theirs(a));
        let hops = impact.hops.iter().filter(|h| on_it(&h.from, &h.to));
        let mut tiers = Vec::new();
        let mut evidence = Vec::new();
        for hop in hops {
            tiers.push(hop.tier);
            let account = hop.account.as_deref().map_or_else(String::new, |a| format!(" as {a}"));
            evidence.push(format!(
                "{} from {} to {}{account} at {} ({})",
                hop.means,
                hop.from,
                hop.to,
                hop.at,
                hop.evidence.first().map_or("no record", String::as_str)
            ));
        }
        evidence.truncate(OBSERVED_MAX);
        (tiers.into_iter().min(), evidence)
    }
}

fn coverage(ledger: &CoverageLedger, systems: &[&str], since: Option<Timestamp>, cut: Option<Timestamp>) -> LinkCoverage {
    let (from, to) = (since.unwrap_or(ledger.from), cut.unwrap_or(ledger.to));
    let least = |class: &str| {
        let shares = systems.iter().map(|s| ledger.share(s, class, from, to));
        shares.reduce(f64::min).unwrap_or(0.0)
    };
    LinkCoverage {
        flow: least("flow"),
        logon: least("logon"),
        complete: !systems.is_empty() && systems.iter().all(|s| ledger.is_complete(s, &["flow", "logon"])),
    }
}

/// Returns whether an end of a connection is the provider's own.
fn is_ours(estate: &Estate, end: &str) -> bool {
    let zone = estate.systems.get(end).map_or(end, |s| &s.zone);
    estate.is_inside(zone)
}

fn party_of<'a>(estate: &'a Estate, end: &str) -> Option<&'a str> {
    if let Some((id, _)) = estate.parties.get_key_value(end) {
        return Some(id);
    }
    let zone = estate.systems.get(end).map_or(end, |s| &s.zone);
    estate.zones.get(zone).map(|z| z.party.as_str())
}

/// Returns the zones that belong to their end; none if the party has no network of its own in the estate.
fn networks_of(estate: &Estate, end: &str, party: &str) -> Vec<String> {
    let zone = estate.systems.get(end).map_or(end, |s| &s.zone);
    if estate.zones.contains_key(zone) {
        return vec![zone.to_owned()];
    }
    let own = estate.zones.iter().filter(|(_, z)| z.party == party);
    own.map(|(id, _)| id.clone()).collect()
}

/// Returns whether a network outside may be that of a party without one of its own: any but the internet.
fn is_shared(estate: &Estate, zone: &str) -> bool {
    let party = estate.zones.get(zone).and_then(|z| estate.parties.get(&z.party));
    party.is_some_and(|p| p.kind != PartyKind::Public)
}

/// Returns the word of the glossary for a kind of connection.
pub(crate) fn kind_word(kind: ConnectionKind) -> &'static str {
    match kind {
        ConnectionKind::Vpn => "vpn",
        ConnectionKind::SiteToSite => "site-to-site",
        ConnectionKind::Sftp => "sftp",
        ConnectionKind::Api => "api",
        ConnectionKind::AdTrust => "ad-trust",
        ConnectionKind::Federation => "federation",
        ConnectionKind::Kim => "kim",
        ConnectionKind::TiConnector => "ti-connector",
        ConnectionKind::RemoteMaintenance => "remote-maintenance",
        ConnectionKind::Backup => "backup",
        ConnectionKind::Replication => "replication",
        ConnectionKind::PublicWeb => "public-web",
    }
}
