use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// Everything the provider runs. Maps are keyed by id, so iteration order is stable.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Estate {
    /// Name of the provider.
    pub name: String,
    /// Data centres.
    pub sites: BTreeMap<String, Site>,
    /// Network compartments.
    pub zones: BTreeMap<String, Zone>,
    /// Hosts, clusters, appliances.
    pub systems: BTreeMap<String, System>,
    /// What a customer gets.
    pub services: BTreeMap<String, Service>,
    /// Insurers, third parties, the provider itself.
    pub parties: BTreeMap<String, Party>,
    /// Typed links.
    pub connections: BTreeMap<String, Connection>,
    /// Kinds of data with record counts.
    pub data_classes: BTreeMap<String, DataClass>,
    /// People who do the work.
    pub crews: BTreeMap<String, Crew>,
    /// Backups.
    pub backup_sets: BTreeMap<String, BackupSet>,
    /// How a system comes back.
    pub recipes: BTreeMap<String, Recipe>,
    /// What observes what.
    pub sensors: BTreeMap<String, Sensor>,
    /// Privileged accounts and where they are expected to log on.
    pub accounts: BTreeMap<String, Account>,
    /// Systems that are rebuilt or tested in the clean room at once; `None`: as many as people can.
    #[serde(default)]
    pub clean_room_slots: Option<u32>,
    /// Minutes that the clocks of shifts are ahead of UTC.
    #[serde(default)]
    pub utc_offset_minutes: i32,
}

/// A data centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Name for people.
    pub name: String,
    /// Town.
    pub town: String,
}

/// A network compartment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Name for people.
    pub name: String,
    /// Site id; `None` for a zone outside the provider's sites (a vendor's, an insurer's, the internet).
    pub site: Option<String>,
    /// Party id of the owner.
    pub party: String,
    /// IPv4 network as address and prefix length, if it has one.
    pub network: Option<(Ipv4Addr, u8)>,
    /// The guard (our agent at the switch) that can cut this zone and its hosts.
    pub guard: Option<String>,
    /// Must not be reachable by an attacker; gets a certificate (ePA, TI connectors).
    pub protected: bool,
}

/// What a system mainly is; the range and the lint use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SystemKind {
    /// Directory service (AD, LDAP).
    Directory,
    /// Name server.
    Dns,
    /// Certificate authority.
    Pki,
    /// Hypervisor or its management.
    Hypervisor,
    /// Backup server holding the catalogue.
    BackupServer,
    /// Append-only or offline backup vault.
    BackupVault,
    /// File server.
    FileServer,
    /// Database.
    Database,
    /// Application server.
    Application,
    /// Web portal or reverse proxy.
    Portal,
    /// Mail server.
    Mail,
    /// Telephone system.
    Phone,
    /// Gateway or connector (KIM, TI, SFTP, API).
    Gateway,
    /// eAU intake.
    EauIntake,
    /// ePA record store.
    EpaStore,
    /// Payments.
    Payments,
    /// Jump host for remote maintenance.
    JumpHost,
    /// Workstation.
    Workstation,
    /// Network device.
    Network,
    /// Control room of this tool.
    ControlRoom,
}

/// A host, cluster or appliance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// Name for people.
    pub name: String,
    /// What it mainly is.
    pub kind: SystemKind,
    /// Zone id.
    pub zone: String,
    /// IPv4 address, if it has a fixed one.
    pub address: Option<Ipv4Addr>,
    /// Systems (or services) whose loss takes this one down: hypervisor, storage, directory.
    pub needs: Vec<Need>,
    /// Backup set id.
    pub backup: Option<String>,
    /// Recipe id.
    pub recipe: Option<String>,
    /// Crew id.
    pub crew: Option<String>,
    /// Data class ids held here.
    pub data: Vec<String>,
    /// TCP port that answers when the system works; the probe of gates.
    pub probe_port: Option<u16>,
    /// Whether losing it stops every directory log-on, name, certificate, VM or restore.
    pub root_of_trust: bool,
    /// Hours from the beginning before which no work on it can start, e.g. until new hardware is there.
    #[serde(default)]
    pub available_after_hours: u32,
    /// GB that it gives in an hour, if it stores backups, to all restores together; `None`: more than is asked for.
    #[serde(default)]
    pub restore_gb_per_hour: Option<u32>,
}

/// A need: all of (AND) alternatives (OR). `["a|b", "c"]` in TOML means (a or b) and c.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Any one of these system or service ids is enough.
    pub any_of: Vec<String>,
}

/// A mode in which a service still does its essential function.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DegradedMode {
    /// Name, e.g. `spool only`.
    pub name: String,
    /// What the customer still gets, in English.
    pub gives: String,
    /// The same in German.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_de: Option<String>,
    /// What the customer does not get meanwhile, in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
    /// The same in German.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks_de: Option<String>,
    /// What the customer should do meanwhile, in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workaround: Option<String>,
    /// The same in German.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workaround_de: Option<String>,
    /// Party ids that get it in this mode; empty means every customer of the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub customers: Vec<String>,
    /// What it needs.
    pub needs: Vec<Need>,
}

/// What a customer gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Name for people.
    pub name: String,
    /// 1 is restored first.
    pub priority: u8,
    /// Life-critical or statutory: never cut without two people's word.
    pub vital: bool,
    /// Recovery time objective in minutes.
    pub rto_minutes: u32,
    /// Maximum tolerable period of disruption in minutes.
    pub mtpd_minutes: u32,
    /// Harm of an outage in euros per hour.
    pub harm_eur_per_hour: u64,
    /// AND/OR needs on systems and services.
    pub needs: Vec<Need>,
    /// Modes with less.
    pub degraded: Vec<DegradedMode>,
    /// System whose probe shows that the service works.
    pub probe: Option<String>,
    /// Party ids that get it; empty means every insurer.
    pub customers: Vec<String>,
    /// Arrivals per hour that queue up during an outage.
    pub arrivals_per_hour: u32,
}

/// What a party is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PartyKind {
    /// The provider itself.
    Provider,
    /// A statutory health insurer.
    Insurer,
    /// Vendor, authority, network operator, partner.
    ThirdParty,
    /// Everyone else: the internet.
    Public,
}

/// A customer, third party or the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Name for people.
    pub name: String,
    /// What it is.
    pub kind: PartyKind,
    /// Insured persons, for insurers.
    pub insured: u64,
    /// Whether it runs healthcare IT of its own that an attacker could go on to.
    pub healthcare: bool,
    /// How to reach it when mail and phone are down.
    pub contact: String,
}

/// The kinds of the glossary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConnectionKind {
    /// User VPN.
    Vpn,
    /// Site-to-site tunnel.
    SiteToSite,
    /// SFTP.
    Sftp,
    /// API.
    Api,
    /// Directory trust.
    AdTrust,
    /// Identity federation.
    Federation,
    /// Secure mail of healthcare.
    Kim,
    /// Connector to the telematics infrastructure.
    TiConnector,
    /// Remote maintenance.
    RemoteMaintenance,
    /// Backup traffic.
    Backup,
    /// Replication.
    Replication,
    /// Public web.
    PublicWeb,
}

/// Who cuts a connection, how, how long it takes, what breaks, how to verify, how to undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Guard that executes it; `None` if only a person can.
    pub guard: Option<String>,
    /// Person or crew who may.
    pub who: String,
    /// How, in words.
    pub how: String,
    /// Seconds until it is cut.
    pub takes_s: u32,
    /// Service ids that break.
    pub breaks: Vec<String>,
    /// How to verify.
    pub verify: String,
    /// How to undo.
    pub undo: String,
}

/// A typed link between two ends; an end is a zone, system or party id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Name for people.
    pub name: String,
    /// Kind.
    pub kind: ConnectionKind,
    /// One end.
    pub from: String,
    /// Other end.
    pub to: String,
    /// Whether traffic can be opened from `to` as well.
    pub both_ways: bool,
    /// Destination TCP ports that it lets through; empty means all.
    pub ports: Vec<u16>,
    /// Crew or party id responsible; `None` is a lint finding.
    pub owner: Option<String>,
    /// Switch; `None` is a lint finding.
    pub switch: Option<Switch>,
}

/// A kind of data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataClass {
    /// Name for people.
    pub name: String,
    /// Records in all.
    pub records: u64,
    /// Health or social data (Art. 9 GDPR, SGB X).
    pub special: bool,
    /// Records by insurer party id, where known.
    pub by_insurer: BTreeMap<String, u64>,
}

/// People who do the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crew {
    /// Name for people.
    pub name: String,
    /// People available at once.
    pub size: u32,
    /// Phone number or other way that works when everything is down; empty is a lint finding.
    pub out_of_band: String,
    /// Hours from call to first work.
    pub reach_hours: u32,
    /// When somebody works, every week; empty: around the clock.
    #[serde(default)]
    pub shifts: Vec<Shift>,
}

/// A shift of every week, by the clock of the estate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// Days on which it begins, Monday is 0.
    pub days: Vec<u8>,
    /// Minute of the day at which it begins.
    pub from_minute: u16,
    /// Minute of the day at which it ends; not after `from_minute`: on the next day.
    pub until_minute: u16,
    /// People on shift.
    pub people: u32,
}

/// A backup set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSet {
    /// Name for people.
    pub name: String,
    /// System that holds the backups.
    pub stored_on: String,
    /// System or place of a copy that an attacker of the estate cannot delete.
    pub offline_copy: Option<String>,
    /// Recovery point objective in minutes.
    pub rpo_minutes: u32,
    /// Size in GB.
    pub size_gb: u32,
    /// GB that one restore of it reads in an hour; `None`: the recipe's minutes hold.
    #[serde(default)]
    pub gb_per_hour: Option<u32>,
}

/// One step of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipeStep {
    /// What is done.
    pub action: String,
    /// Planned minutes.
    pub minutes: u32,
    /// The backup set of the system is read back: its size and the bandwidth of its store hold, and nobody stands beside it.
    #[serde(default)]
    pub restores: bool,
    /// It takes a place in the clean room.
    #[serde(default)]
    pub clean_room: bool,
    /// How much shorter or longer it can turn out; `None`: nobody estimated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<ThreePointEstimate>,
}

/// The two ends of a three-point estimate as in PERT (program evaluation and review technique); the most likely duration between
/// them is what is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreePointEstimate {
    /// Minutes if all goes well; 1 to the planned minutes.
    pub optimistic_minutes: u32,
    /// Minutes if most goes wrong, doing it again included; not below the planned minutes.
    pub pessimistic_minutes: u32,
}

impl RecipeStep {
    /// Returns the optimistic, most likely and pessimistic duration in percent of the planned one, if it was estimated.
    pub fn estimate_percent(&self) -> Option<(u32, u32, u32)> {
        let estimate = self.estimate?;
        let planned = u64::from(self.minutes.max(1));
        let percent = |minutes: u32| u32::try_from(u64::from(minutes) * 100 / planned).unwrap_or(u32::MAX);
        Some((
            percent(estimate.optimistic_minutes),
            100,
            percent(estimate.pessimistic_minutes),
        ))
    }
}

/// How a system comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Name for people.
    pub name: String,
    /// Steps in order.
    pub steps: Vec<RecipeStep>,
}

/// What observes what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sensor {
    /// Name for people.
    pub name: String,
    /// Zone or system ids observed.
    pub observes: Vec<String>,
    /// Evidence classes: `logon`, `process`, `file`, `flow`, `backup`.
    pub classes: Vec<String>,
    /// Days records are kept.
    pub retention_days: u32,
}

/// A privileged account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Name for people.
    pub name: String,
    /// Systems it logs on to.
    pub logs_on_to: Vec<String>,
    /// Systems it normally comes from.
    pub comes_from: Vec<String>,
}

impl Estate {
    /// Returns the id of the system with this address. O(systems).
    pub fn system_at(&self, address: Ipv4Addr) -> Option<&str> {
        self.systems
            .iter()
            .find(|(_, s)| s.address == Some(address))
            .map(|(id, _)| id.as_str())
    }

    /// Returns the id of the zone whose network contains this address, the longest prefix first. O(zones).
    pub fn zone_of(&self, address: Ipv4Addr) -> Option<&str> {
        let inside = |(network, prefix): (Ipv4Addr, u8)| network_of(address, prefix) == network_of(network, prefix);
        let matching = self
            .zones
            .iter()
            .filter_map(|(id, z)| Some((id, z.network?)))
            .filter(|(_, n)| inside(*n));
        matching.max_by_key(|(_, (_, prefix))| *prefix).map(|(id, _)| id.as_str())
    }

    /// Returns the guard that can cut this system: the guard of its zone.
    pub fn guard_of(&self, system: &str) -> Option<&str> {
        self.zones.get(&self.systems.get(system)?.zone)?.guard.as_deref()
    }

    /// Returns whether the zone belongs to the provider (has a site).
    pub fn is_inside(&self, zone: &str) -> bool {
        self.zones.get(zone).is_some_and(|z| z.site.is_some())
    }
}

/// Returns the first address of the network of this prefix length that `address` lies in.
pub(crate) fn network_of(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    Ipv4Addr::from(u32::from(address) & mask)
}
