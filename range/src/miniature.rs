use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use leckwehr_estate::{ConnectionKind, Estate, Need, System, SystemKind};

use crate::service::service_port;

/// Fewest hosts a drill is about: one of every kind that the scenario touches, and people at work.
pub const HOSTS_MIN: usize = 16;
/// Most hosts that one small machine plays without its people waiting for the processor instead of the attacker.
pub const HOSTS_MAX: usize = 200;

/// An estate that cannot be drilled.
#[derive(Debug, thiserror::Error)]
pub enum MiniatureError {
    /// Too few or too many hosts.
    #[error("a drill has {HOSTS_MIN} to {HOSTS_MAX} hosts, not {0}")]
    Hosts(usize),
    /// The estate has no system of a kind that the drill needs.
    #[error("the estate has no system of kind {0:?} whose zone lies in a site and has a guard")]
    NoSystem(SystemKind),
    /// There is no way in.
    #[error("the estate has no remote-maintenance connection to a jump host with a guard at its switch")]
    NoEntry,
    /// A node of the drill has that name already.
    #[error("{what} {name:?} has the name of {other} in the drill")]
    NameTaken {
        /// `system`, `guard`.
        what: &'static str,
        /// The name.
        name: String,
        /// Who has it.
        other: &'static str,
    },
    /// Somebody in the drill has that address already.
    #[error("system {system:?} has the address {address}, which {other} has in the drill")]
    AddressTaken {
        /// The system.
        system: String,
        /// The address.
        address: Ipv4Addr,
        /// Who has it.
        other: String,
    },
    /// Nobody administers anything.
    #[error("no account of the estate logs on to a system of the drill: there is nothing to steal and nobody to learn from")]
    NoDailyLogon,
}

impl MiniatureError {
    /// Returns what can be done about it in the estate.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Hosts(_) => "choose another number with --hosts",
            Self::NoSystem(_) => "add such a system in a zone with site, network and guard",
            Self::NoEntry => "add a connection of kind remote-maintenance to a jump host, with a switch that has a guard",
            Self::NameTaken { .. } => "drill a copy of the estate in which it is called otherwise",
            Self::AddressTaken { .. } => "give the system, or the network of the zone outside that it is in, another address",
            Self::NoDailyLogon => "add accounts with logs_on_to, to systems whose zone is not protected",
        }
    }
}

/// What must be there, in order.
const NEEDED: [SystemKind; 11] = [
    SystemKind::Directory,
    SystemKind::BackupServer,
    SystemKind::BackupVault,
    SystemKind::FileServer,
    SystemKind::EauIntake,
    SystemKind::EpaStore,
    SystemKind::Payments,
    SystemKind::Portal,
    SystemKind::Database,
    SystemKind::Application,
    SystemKind::Mail,
];

/// What the rest is made of, in turn.
const FILLERS: [SystemKind; 8] = [
    SystemKind::Workstation,
    SystemKind::Application,
    SystemKind::Workstation,
    SystemKind::FileServer,
    SystemKind::Workstation,
    SystemKind::Database,
    SystemKind::Workstation,
    SystemKind::Gateway,
];

/// Takes `hosts` representative systems out of an estate and leaves the rest away, with everything that names it.
///
/// Systems that the estate lacks in number are made up as further workstations.
pub fn miniature(estate: &Estate, hosts: usize) -> Result<Estate, MiniatureError> {
    if !(HOSTS_MIN..=HOSTS_MAX).contains(&hosts) {
        return Err(MiniatureError::Hosts(hosts));
    }
    let entry = estate.connections.values().find_map(|c| {
        let jump = estate.systems.get(&c.to)?;
        let fits = c.kind == ConnectionKind::RemoteMaintenance && jump.kind == SystemKind::JumpHost;
        (fits && c.switch.as_ref()?.guard.is_some() && usable(estate, jump)).then(|| c.to.clone())
    });
    let mut kept: BTreeSet<String> = BTreeSet::from([entry.ok_or(MiniatureError::NoEntry)?]);
    for kind in NEEDED {
        let first = next_of(estate, &kept, kind);
        kept.insert(first.ok_or(MiniatureError::NoSystem(kind))?);
    }
    kept.insert(administrator(estate, &kept).ok_or(MiniatureError::NoSystem(SystemKind::Workstation))?);
    kept.extend(next_of(estate, &kept, SystemKind::FileServer));
    let mut turns = FILLERS.iter().cycle();
    let mut idle_turns = 0;
    while kept.len() < hosts && idle_turns < FILLERS.len() {
        let found = turns.next().and_then(|kind| next_of(estate, &kept, *kind));
        idle_turns = if found.is_some() { 0 } else { idle_turns + 1 };
        kept.extend(found);
    }
    let mut small = reduce(estate, &kept);
    add_workstations(&mut small, hosts);
    // The hosts of a drill offer the small services of the drill, whatever the originals offer.
    for system in small.systems.values_mut() {
        system.probe_port = Some(service_port(system.kind));
    }
    Ok(small)
}

/// Inside a site, behind a guard, with an address.
fn usable(estate: &Estate, system: &System) -> bool {
    let guarded = estate
        .zones
        .get(&system.zone)
        .is_some_and(|z| z.site.is_some() && z.guard.is_some());
    guarded && system.address.is_some()
}

/// The next system of a kind: those that carry most services first, administrators' own machines last, then by id.
fn next_of(estate: &Estate, kept: &BTreeSet<String>, kind: SystemKind) -> Option<String> {
    let carries = |id: &String| {
        let names = |needs: &[Need]| needs.iter().any(|n| n.any_of.contains(id));
        estate.services.values().filter(|s| names(&s.needs)).count()
    };
    let candidates = estate
        .systems
        .iter()
        .filter(|(id, s)| s.kind == kind && !kept.contains(*id) && usable(estate, s));
    let administers = |id: &String| estate.accounts.values().any(|a| a.comes_from.contains(id));
    candidates
        .max_by_key(|(id, _)| (!administers(id), carries(id), std::cmp::Reverse(*id)))
        .map(|(id, _)| id.clone())
}

/// The workstation from which most accounts administer.
fn administrator(estate: &Estate, kept: &BTreeSet<String>) -> Option<String> {
    let uses = |id: &String| estate.accounts.values().filter(|a| a.comes_from.contains(id)).count();
    let workstations = estate
        .systems
        .iter()
        .filter(|(id, s)| s.kind == SystemKind::Workstation && !kept.contains(*id) && usable(estate, s));
    workstations
        .max_by_key(|(id, _)| (uses(id), std::cmp::Reverse(*id)))
        .map(|(id, _)| id.clone())
}

fn reduce(estate: &Estate, kept: &BTreeSet<String>) -> Estate {
    let mut small = estate.clone();
    small.systems.retain(|id, _| kept.contains(id));
    let services: BTreeSet<String> = small.services.keys().cloned().collect();
    let thin = |needs: &mut Vec<Need>| {
        for need in needs.iter_mut() {
            need.any_of.retain(|id| kept.contains(id) || services.contains(id));
        }
        needs.retain(|need| !need.any_of.is_empty());
    };
    for system in small.systems.values_mut() {
        thin(&mut system.needs);
    }
    for service in small.services.values_mut() {
        thin(&mut service.needs);
        service.degraded.iter_mut().for_each(|mode| thin(&mut mode.needs));
        service.probe = service.probe.take().filter(|p| kept.contains(p));
    }
    let ends = |id: &String| kept.contains(id) || estate.zones.contains_key(id) || estate.parties.contains_key(id);
    small.connections.retain(|_, c| ends(&c.from) && ends(&c.to));
    let server = small
        .systems
        .iter()
        .find(|(_, s)| s.kind == SystemKind::BackupServer)
        .map(|(id, _)| id.clone());
    for set in small.backup_sets.values_mut().filter(|b| !kept.contains(&b.stored_on)) {
        set.stored_on = server.clone().unwrap_or_default();
    }
    for system in small.systems.values_mut() {
        system.backup = system.backup.take().filter(|b| small.backup_sets.contains_key(b));
    }
    for sensor in small.sensors.values_mut() {
        sensor
            .observes
            .retain(|id| kept.contains(id) || estate.zones.contains_key(id));
    }
    for account in small.accounts.values_mut() {
        account.logs_on_to.retain(|id| kept.contains(id));
        account.comes_from.retain(|id| kept.contains(id));
    }
    small.accounts.retain(|_, a| !a.logs_on_to.is_empty());
    small
}

/// Fills up with workstations in the zone that has most of them.
fn add_workstations(small: &mut Estate, hosts: usize) {
    let mut zones: BTreeMap<&String, usize> = BTreeMap::new();
    for system in small.systems.values().filter(|s| s.kind == SystemKind::Workstation) {
        *zones.entry(&system.zone).or_default() += 1;
    }
    let Some(zone) = zones.into_iter().max_by_key(|(_, n)| *n).map(|(zone, _)| zone.clone()) else {
        return;
    };
    let Some((network, prefix)) = small.zones.get(&zone).and_then(|z| z.network) else {
        return;
    };
    let model = small
        .systems
        .values()
        .find(|s| s.kind == SystemKind::Workstation && s.zone == zone)
        .cloned();
    let size = 1_u32 << (32 - u32::from(prefix.min(32)));
    let mut offset = 1;
    while small.systems.len() < hosts && offset + 1 < size {
        let address = Ipv4Addr::from(u32::from(network) + offset);
        offset += 1;
        if let (None, Some(model)) = (small.system_at(address), &model) {
            let id = format!("{zone}-extra-{offset}");
            let name = format!("Workstation {offset} ({zone})");
            small.systems.insert(
                id,
                System {
                    name,
                    address: Some(address),
                    ..model.clone()
                },
            );
        }
    }
}
