use std::collections::{BTreeMap, BTreeSet};

use super::{LintFinding, Severity, names};
use crate::{Account, BackupSet, Estate, System, SystemKind};

/// Whether backups, people, sensors, guards and accounts are what the day will need.
pub(super) fn check(estate: &Estate, findings: &mut Vec<LintFinding>) {
    roots_of_trust(estate, findings);
    backups_beside_source(estate, findings);
    crews(estate, findings);
    special_data(estate, findings);
    zones(estate, findings);
    accounts(estate, findings);
}

fn finding(code: &'static str, severity: Severity, subject: String, message: String, remedy: &str) -> LintFinding {
    LintFinding {
        code,
        severity,
        subject,
        message,
        remedy: remedy.to_owned(),
    }
}

fn is_root(system: &System) -> bool {
    use SystemKind::{BackupServer, Directory, Dns, Hypervisor, Pki};
    system.root_of_trust || matches!(system.kind, Directory | Dns | Pki | Hypervisor | BackupServer)
}

/// Roots of trust whose backup could be deleted by whoever holds the estate.
fn roots_of_trust(estate: &Estate, findings: &mut Vec<LintFinding>) {
    const CODE: &str = "root-of-trust-without-offline-copy";
    const REMEDY: &str = "keep a copy on tape, in a safe or on a backup vault, and name it as `offline_copy`";
    let mut by_set: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, system) in estate.systems.iter().filter(|(_, s)| is_root(s)) {
        match &system.backup {
            Some(set) => by_set.entry(set).or_default().push(id),
            None => {
                let message = format!("this {} has no backup at all", system.kind.name());
                findings.push(finding(CODE, Severity::High, format!("system {id}"), message, REMEDY));
            }
        }
    }
    for (set, systems) in by_set {
        let Some(why) = estate.backup_sets.get(set).and_then(|s| not_offline(estate, s)) else {
            continue;
        };
        let message = format!("{why}, and it is the only way back for {}", names(systems));
        findings.push(finding(CODE, Severity::High, format!("backup-set {set}"), message, REMEDY));
    }
}

/// Returns why an attacker of the estate could delete every copy, if so.
fn not_offline(estate: &Estate, set: &BackupSet) -> Option<String> {
    let Some(copy) = &set.offline_copy else {
        return Some("there is no offline copy".to_owned());
    };
    let system = estate.systems.get(copy)?;
    (system.kind != SystemKind::BackupVault).then(|| format!("the copy on {copy} is not offline: it is no backup vault"))
}

/// Backups that burn with what they are for.
fn backups_beside_source(estate: &Estate, findings: &mut Vec<LintFinding>) {
    let mut by_set: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, system) in &estate.systems {
        let Some((name, set)) = system.backup.as_ref().and_then(|b| estate.backup_sets.get_key_value(b)) else {
            continue;
        };
        let beside = |holder: &str| site_of(estate, holder).is_none_or(|site| Some(site) == site_of(estate, id));
        let copy_beside = match &set.offline_copy {
            Some(copy) => estate.systems.contains_key(copy) && beside(copy),
            None => true,
        };
        if beside(&set.stored_on) && copy_beside {
            by_set.entry(name).or_default().push(id);
        }
    }
    for (set, systems) in by_set {
        let message = format!("every copy lies in the data centre of its source: {}", names(systems));
        let remedy = "store it, or a copy of it, in the other data centre";
        findings.push(finding(
            "backup-beside-source",
            Severity::Medium,
            format!("backup-set {set}"),
            message,
            remedy,
        ));
    }
}

fn site_of<'e>(estate: &'e Estate, system: &str) -> Option<&'e str> {
    estate.zones.get(&estate.systems.get(system)?.zone)?.site.as_deref()
}

/// Crews that cannot be called when mail and telephones are down.
fn crews(estate: &Estate, findings: &mut Vec<LintFinding>) {
    for (id, crew) in &estate.crews {
        let mut words = crew.out_of_band.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let own = |word: &str| {
            let system = estate.systems.get(word)?;
            matches!(system.kind, SystemKind::Mail | SystemKind::Phone).then(|| word.to_owned())
        };
        let message = match words.find_map(own) {
            Some(system) => format!("it is called over {system}, which is down on the day"),
            None if crew.out_of_band.trim().is_empty() => "nobody knows how to call it on the day".to_owned(),
            None => continue,
        };
        let remedy = "write down private or satellite numbers as `out_of_band`";
        findings.push(finding(
            "unreachable-crew",
            Severity::High,
            format!("crew {id}"),
            message,
            remedy,
        ));
    }
}

/// Health data that nothing watches: afterwards nobody can say whether it was read.
fn special_data(estate: &Estate, findings: &mut Vec<LintFinding>) {
    let observed: BTreeSet<&str> = estate
        .sensors
        .values()
        .flat_map(|s| &s.observes)
        .map(String::as_str)
        .collect();
    for (id, system) in &estate.systems {
        let special = system
            .data
            .iter()
            .filter(|d| estate.data_classes.get(*d).is_some_and(|d| d.special));
        let special: Vec<&str> = special.map(String::as_str).collect();
        if special.is_empty() || observed.contains(id.as_str()) || observed.contains(system.zone.as_str()) {
            continue;
        }
        let message = format!("it holds {} and no sensor observes it or its zone", names(special));
        let remedy = "let a sensor observe it, or move the data";
        findings.push(finding(
            "special-data-without-sensor",
            Severity::Medium,
            format!("system {id}"),
            message,
            remedy,
        ));
    }
}

fn zones(estate: &Estate, findings: &mut Vec<LintFinding>) {
    for (id, _) in estate.zones.iter().filter(|(_, z)| z.site.is_some() && z.guard.is_none()) {
        let message = "it lies in our data centre and no guard can cut it".to_owned();
        findings.push(finding(
            "zone-without-guard",
            Severity::Medium,
            format!("zone {id}"),
            message,
            "name its `guard`",
        ));
    }
}

/// Accounts that carry an attacker into a protected zone: used there and outside, other than from a jump host.
fn accounts(estate: &Estate, findings: &mut Vec<LintFinding>) {
    for (id, account) in &estate.accounts {
        let Some((zone, outside)) = crossing(estate, account) else {
            continue;
        };
        let message = format!("it logs on in the protected zone {zone} and is also used on {outside}");
        let remedy = "split it: one account for the protected zone, from a system inside it or a jump host";
        findings.push(finding(
            "account-across-protected-zone",
            Severity::High,
            format!("account {id}"),
            message,
            remedy,
        ));
    }
}

fn crossing<'e>(estate: &'e Estate, account: &'e Account) -> Option<(&'e str, &'e str)> {
    let zone_of = |s: &String| estate.systems.get(s).map(|s| s.zone.as_str());
    let protected = |z: &&str| estate.zones.get(*z).is_some_and(|z| z.protected);
    let zone = account.logs_on_to.iter().filter_map(zone_of).find(protected)?;
    let elsewhere = |s: &&String| {
        estate
            .systems
            .get(*s)
            .is_some_and(|s| s.zone != zone && s.kind != SystemKind::JumpHost)
    };
    let used_on = account.logs_on_to.iter().chain(&account.comes_from).find(elsewhere)?;
    Some((zone, used_on))
}
