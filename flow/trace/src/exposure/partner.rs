use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{ConnectionKind, Estate, PartyKind};
use leckwehr_incident::{Impact, Tier, Timestamp};
use serde::{Deserialize, Serialize};

use super::data::InsurerExposure;
use super::link::{ConnectionExposure, Link};
use super::observed::Observed;
use super::standing::Standing;
use super::{Cuts, order, worst};
use crate::coverage::{CLOCK_SKEW_MS, CoverageLedger};

/// Addresses and accounts listed per party.
const LISTED_MAX: usize = 200;

/// What a partner should look for on their side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartnerCheck {
    /// Addresses of ours that the attacker stood at, and addresses of his: look for connections with these.
    pub addresses: Vec<String>,
    /// Accounts that the attacker uses or that were seen on the connection: look for log-ons of these, reset them.
    pub accounts: Vec<String>,
    /// Look from here (less the skew of two clocks) …
    pub from: Option<Timestamp>,
    /// … to here: when the last connection was cut, or now if not every one is.
    pub to: Option<Timestamp>,
    /// Logs to look in.
    pub logs: Vec<String>,
}

/// A party with the evidence that it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartyExposure {
    /// Party id.
    pub party: String,
    /// Name for people.
    pub name: String,
    /// `insurer`, `third-party` or `public`.
    pub kind: String,
    /// Runs healthcare IT of its own.
    pub healthcare: bool,
    /// How to reach it when mail and phone are down.
    pub contact: String,
    /// How sure it is that the attacker stood at our end of one of its connections.
    pub tier: Tier,
    /// Whether he went over one of them ([`ConnectionExposure::crossed`]).
    pub crossed: Tier,
    /// Its connections, the most certain first.
    pub connections: Vec<ConnectionExposure>,
    /// Records of this insurer in reach, by data class.
    pub records: BTreeMap<String, u64>,
    /// What to check; empty where nothing is in reach.
    pub check: PartnerCheck,
    /// In one sentence, what is known and what is not.
    pub summary: String,
}

/// Returns every party that a connection leads to or whose data is in reach, the most certain first.
pub(crate) fn parties(
    estate: &Estate,
    impact: &Impact,
    standing: &Standing<'_>,
    ledger: &CoverageLedger,
    cuts: &Cuts,
    observed: &[Observed],
    insurers: &[InsurerExposure],
) -> Vec<PartyExposure> {
    let mut links: BTreeMap<&str, Vec<(Link<'_>, ConnectionExposure)>> = BTreeMap::new();
    for (id, connection) in &estate.connections {
        if let Some(link) = Link::new(id, connection, estate) {
            let exposed = link.expose(estate, impact, standing, ledger, cuts, observed);
            links.entry(link.party).or_default().push((link, exposed));
        }
    }
    let by_insurer: BTreeMap<&str, &InsurerExposure> = insurers.iter().map(|i| (i.party.as_str(), i)).collect();
    let mut parties = Vec::new();
    for (id, party) in estate.parties.iter().filter(|(_, p)| p.kind != PartyKind::Provider) {
        let own = links.remove(id.as_str()).unwrap_or_default();
        let insurer = by_insurer.get(id.as_str());
        let kinds: BTreeSet<ConnectionKind> = own.iter().map(|(l, _)| l.connection.kind).collect();
        let mut connections: Vec<ConnectionExposure> = own.into_iter().map(|(_, c)| c).collect();
        connections.sort_by(|a, b| (order(a.tier), a.since, &a.connection).cmp(&(order(b.tier), b.since, &b.connection)));
        let tier = worst(connections.iter().map(|c| c.tier));
        let records = insurer.map_or_else(BTreeMap::new, |i| i.by_class.clone());
        if connections.is_empty() && records.is_empty() {
            continue;
        }
        let crossed = worst(connections.iter().map(|c| c.crossed));
        parties.push(PartyExposure {
            party: id.clone(),
            name: party.name.clone(),
            kind: party_word(party.kind).to_owned(),
            healthcare: party.healthcare || kinds.contains(&ConnectionKind::TiConnector) || kinds.contains(&ConnectionKind::Kim),
            contact: party.contact.clone(),
            check: check(estate, impact, ledger, &connections, &kinds),
            summary: summary(tier, crossed, &connections, &records),
            tier,
            crossed,
            connections,
            records,
        });
    }
    parties.sort_by(|a, b| {
        (order(a.tier), order(a.crossed), !a.healthcare, &a.party).cmp(&(
            order(b.tier),
            order(b.crossed),
            !b.healthcare,
            &b.party,
        ))
    });
    parties
}

fn check(
    estate: &Estate,
    impact: &Impact,
    ledger: &CoverageLedger,
    connections: &[ConnectionExposure],
    kinds: &BTreeSet<ConnectionKind>,
) -> PartnerCheck {
    let reached: Vec<&ConnectionExposure> = connections.iter().filter(|c| c.tier <= Tier::Possible).collect();
    if reached.is_empty() {
        return PartnerCheck {
            addresses: Vec::new(),
            accounts: Vec::new(),
            from: None,
            to: None,
            logs: Vec::new(),
        };
    }
    let ours = reached.iter().flat_map(|c| &c.systems).map(|id| {
        let address = estate.systems.get(id).and_then(|s| s.address);
        address.map_or_else(|| id.clone(), |a| format!("{a} ({id})"))
    });
    let his = impact.outside.iter().filter(|o| o.tier <= Tier::Probable).map(|o| {
        let address = estate.systems.get(&o.address).and_then(|s| s.address);
        address.map_or_else(|| o.address.clone(), |a| format!("{a} ({})", o.address))
    });
    let addresses: BTreeSet<String> = ours.chain(his).collect();
    let held = impact
        .credentials
        .iter()
        .filter(|c| c.tier <= Tier::Probable)
        .map(|c| c.account.clone());
    let seen = reached
        .iter()
        .flat_map(|c| &c.observed)
        .flat_map(|o| o.accounts.iter().cloned());
    let accounts: BTreeSet<String> = held.chain(seen).collect();
    let cut: Option<Vec<Timestamp>> = reached.iter().map(|c| c.cut).collect();
    PartnerCheck {
        addresses: addresses.into_iter().take(LISTED_MAX).collect(),
        accounts: accounts.into_iter().take(LISTED_MAX).collect(),
        from: reached
            .iter()
            .filter_map(|c| c.since)
            .min()
            .map(|t| t.plus_ms(-CLOCK_SKEW_MS)),
        to: cut.and_then(|all| all.into_iter().max()).or(Some(ledger.to)),
        logs: kinds
            .iter()
            .flat_map(|k| logs(*k))
            .map(|l| (*l).to_owned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
    }
}

fn summary(tier: Tier, crossed: Tier, connections: &[ConnectionExposure], records: &BTreeMap<String, u64>) -> String {
    let reached = connections.iter().filter(|c| c.tier <= Tier::Possible).count();
    let open = connections
        .iter()
        .filter(|c| c.tier <= Tier::Possible && c.cut.is_none())
        .count();
    let way = match (tier, crossed) {
        (Tier::Proven | Tier::Probable | Tier::Possible, Tier::Proven | Tier::Probable) => {
            format!("The attacker went over {reached} connections of yours, as records show.")
        }
        (Tier::Proven | Tier::Probable | Tier::Possible, Tier::Possible) => format!(
            "{reached} of your connections lay in reach, and there was traffic on them that nothing marks as the attacker's."
        ),
        (Tier::Proven | Tier::Probable | Tier::Possible, Tier::Excluded) => {
            format!("{reached} of your connections lay in reach; complete records show no traffic on them.")
        }
        (Tier::Proven | Tier::Probable | Tier::Possible, Tier::Unknown) => {
            format!("{reached} of your connections lay in reach; no traffic was seen on them, and not everything was recorded.")
        }
        (Tier::Excluded, _) => "Our ends of your connections are excluded by complete coverage of the window.".to_owned(),
        (Tier::Unknown, _) => "Whether the attacker stood at our ends of your connections is not known.".to_owned(),
    };
    let still = match (open, reached) {
        (_, 0) => String::new(),
        (0, _) => " All of these are cut.".to_owned(),
        _ => format!(" {open} of these are not known to be cut."),
    };
    let count = records.values().copied().fold(0, u64::saturating_add);
    let held = match count {
        0 => String::new(),
        _ => format!(" No more than {count} records of yours lie on systems in reach."),
    };
    format!("{way}{still}{held}")
}

fn party_word(kind: PartyKind) -> &'static str {
    match kind {
        PartyKind::Provider => "provider",
        PartyKind::Insurer => "insurer",
        PartyKind::ThirdParty => "third-party",
        PartyKind::Public => "public",
    }
}

/// Returns the logs in which a partner sees what came over a kind of connection.
fn logs(kind: ConnectionKind) -> &'static [&'static str] {
    match kind {
        ConnectionKind::Vpn => &[
            "VPN gateway: sessions with account, source address and bytes",
            "log-ons (Windows 4624, 4625)",
        ],
        ConnectionKind::SiteToSite => &[
            "flow records and firewall log of the tunnel",
            "log-ons (Windows 4624, 4625; sshd)",
            "shares (Windows 5140, 5145)",
        ],
        ConnectionKind::Sftp => &["sshd and SFTP transfer log: sessions, file names, sizes"],
        ConnectionKind::Api => &["API gateway access log: client certificate or token, path, status, bytes"],
        ConnectionKind::AdTrust => &[
            "directory: 4768, 4769, 4771 (tickets over the trust), 4776",
            "log-ons of accounts of the trusted domain (4624, 4648, 4672)",
            "changes of trusts, groups and accounts (4706, 4707, 4728, 4732, 4738, 5136)",
        ],
        ConnectionKind::Federation => &[
            "identity provider: tokens issued and refused, by account and address",
            "changes of keys and relying parties",
        ],
        ConnectionKind::Kim => &[
            "KIM client module and mail server: messages from our addresses, with attachments",
            "certificates used",
        ],
        ConnectionKind::TiConnector => &[
            "connector log: log-ons, card sessions, VPN to the TI",
            "TI service log of our telematics id",
        ],
        ConnectionKind::RemoteMaintenance => &[
            "jump host and remote tool: sessions, recordings, files moved",
            "log-ons of service accounts, and their password stores",
        ],
        ConnectionKind::Backup => &["backup server: jobs, restores, deletions, changes of retention"],
        ConnectionKind::Replication => &["database and storage replication log: sessions, objects, schema changes"],
        ConnectionKind::PublicWeb => &["web server and proxy access log, with client addresses"],
    }
}
