//! What happens at the provider on a day on which nothing happens.

use std::net::Ipv4Addr;

use leckwehr_estate::{Estate, SystemKind};
use serde_json::{Value, json};

use super::chance::{Chance, DAY_S, HOUR_S, after, office};

/// Customers whose offices talk to the provider.
const CUSTOMERS: usize = 80;
/// Seconds from the first log-on of an attack to the first thing destroyed.
pub(super) const DESTRUCTION_S: f64 = 80.0;
const BACKUP_ACCOUNT: &str = "backup-job";
const PATCH_ACCOUNT: &str = "patch-agent";

/// A line of telemetry and when it is written.
pub(super) struct Line {
    pub(super) seconds: f64,
    pub(super) sensor: String,
    pub(super) text: String,
}

/// Who and what there is.
pub(super) struct House {
    servers: Vec<(String, Ipv4Addr)>,
    workstations: Vec<(String, Ipv4Addr)>,
    /// File, application and portal servers that users work with.
    files: Vec<(String, Ipv4Addr)>,
    backup: (String, Ipv4Addr),
    jump: (String, Ipv4Addr),
    payments: (String, Ipv4Addr),
    portals: Vec<(String, Ipv4Addr)>,
    mail: (String, Ipv4Addr),
    /// Account, where it logs on to and comes from.
    administrators: Vec<(String, Vec<String>, Vec<Ipv4Addr>)>,
}

impl House {
    /// Sorts the systems of an estate by what they do.
    pub(super) fn new(estate: &Estate) -> Self {
        let mut all = Vec::new();
        for (id, system) in &estate.systems {
            if let Some(address) = system.address.filter(|_| estate.is_inside(&system.zone)) {
                all.push((id.clone(), address, system.kind));
            }
        }
        let of = |kinds: &[SystemKind]| -> Vec<(String, Ipv4Addr)> {
            let fits = all.iter().filter(|(_, _, kind)| kinds.contains(kind));
            fits.map(|(id, address, _)| (id.clone(), *address)).collect()
        };
        let first = |kind: SystemKind| {
            of(&[kind])
                .into_iter()
                .next()
                .unwrap_or(("nobody".into(), Ipv4Addr::LOCALHOST))
        };
        let address = |id: &String| estate.systems.get(id)?.address;
        let administrators = estate.accounts.iter().map(|(name, account)| {
            let from: Vec<Ipv4Addr> = account.comes_from.iter().filter_map(address).collect();
            let to = account.logs_on_to.iter().filter(|id| estate.systems.contains_key(*id));
            (name.clone(), to.cloned().collect::<Vec<_>>(), from)
        });
        let servers = all.iter().filter(|(_, _, kind)| *kind != SystemKind::Workstation);
        Self {
            servers: servers.map(|(id, address, _)| (id.clone(), *address)).collect(),
            workstations: of(&[SystemKind::Workstation]),
            files: of(&[SystemKind::FileServer, SystemKind::Application]),
            backup: first(SystemKind::BackupServer),
            jump: first(SystemKind::JumpHost),
            payments: first(SystemKind::Payments),
            portals: of(&[SystemKind::Portal]),
            mail: first(SystemKind::Mail),
            administrators: administrators
                .filter(|(_, to, from)| !to.is_empty() && !from.is_empty())
                .collect(),
        }
    }
}

/// One day, written down in no order.
pub(super) struct Day<'a> {
    pub(super) house: &'a House,
    pub(super) chance: Chance,
    pub(super) number: usize,
    /// What does not happen every day happens on this one: monthly batch, new hosts, new programs, a wave of visitors, an
    /// archive unpacked, an administrator somewhere new.
    pub(super) special: bool,
    pub(super) lines: Vec<Line>,
}

impl Day<'_> {
    /// Writes the day.
    pub(super) fn write(&mut self) {
        let house = self.house;
        for n in 0..house.workstations.len() {
            // On the special day, the last two are switched on for the first time.
            if self.special || n + 2 < house.workstations.len() {
                self.user(n);
            }
        }
        self.administration();
        self.backups();
        self.log_rotation();
        self.services();
        for (host, address) in house.servers.iter().chain(&house.workstations) {
            self.heartbeat(host, *address);
        }
        // Patches come in the night of Wednesday.
        if self.number % 7 == 2 {
            self.patch_night();
        }
        if self.special {
            self.special_day();
        }
    }

    fn put(&mut self, at: f64, host: &str, event: Value, fields: Value) {
        let sensor = format!("sensor-{host}");
        let seconds = self.number as f64 * DAY_S + at;
        let mut record =
            json!({"@timestamp": after(seconds).to_string(), "agent": {"id": sensor}, "host": {"name": host}, "event": event});
        if let (Some(record), Value::Object(fields)) = (record.as_object_mut(), fields) {
            record.extend(fields);
        }
        let text = record.to_string();
        self.lines.push(Line { seconds, sensor, text });
    }

    fn logon(&mut self, at: f64, host: &str, from: Ipv4Addr, account: &str, works: bool) {
        let outcome = if works { "success" } else { "failure" };
        let event = json!({"category": ["authentication"], "action": "logon", "outcome": outcome});
        self.put(at, host, event, json!({"source": {"ip": from}, "user": {"name": account}}));
    }

    fn command(&mut self, at: f64, host: &str, from: Ipv4Addr, account: &str, line: &str) {
        let fields = json!({"source": {"ip": from}, "user": {"name": account}, "process": {"command_line": line}});
        self.put(at, host, json!({"category": ["process"], "action": "exec"}), fields);
    }

    fn file(&mut self, at: f64, host: &str, from: Ipv4Addr, who: &str, action: &str, path: &str) {
        let (structure, entropy) = match path.rsplit('.').next() {
            Some("txt" | "log" | "csv" | "conf") => ("text", 4.6),
            Some("docx" | "xlsx" | "pdf" | "gz" | "zip" | "jpg") => ("sound", 7.9),
            _ => ("binary", 5.8),
        };
        let size = self.chance.lognormal(60_000.0, 1.3) as u64;
        let fields = json!({"source": {"ip": from}, "user": {"name": who},
            "file": {"path": path, "size": size, "entropy": entropy, "structure": structure}});
        self.put(at, host, json!({"category": ["file"], "action": action}), fields);
    }

    fn flow(&mut self, at: f64, host: &str, account: &str, to: (&str, u16), (out, back): (f64, f64)) {
        let fields = json!({"user": {"name": account}, "source": {"bytes": out as u64},
            "destination": {"ip": to.0, "port": to.1, "bytes": back as u64}});
        self.put(at, host, json!({"category": ["network"], "action": "flow"}), fields);
    }

    fn lookup(&mut self, at: f64, client: Ipv4Addr, name: &str) {
        let seconds = self.number as f64 * DAY_S + at;
        let ts = after(seconds).0 as f64 / 1e9;
        let line = json!({"_path": "dns", "_system_name": "zeek-1", "ts": ts, "id.orig_h": client, "id.orig_p": 5353,
            "id.resp_h": "10.10.10.53", "id.resp_p": 53, "query": name, "qtype_name": "A", "rcode_name": "NOERROR"});
        let (sensor, text) = ("zeek-1".to_owned(), line.to_string());
        self.lines.push(Line { seconds, sensor, text });
    }

    /// A sensor tells every five minutes that it lives, and its host asks for the time.
    fn heartbeat(&mut self, host: &str, address: Ipv4Addr) {
        let mut at = self.chance.unit() * 300.0;
        let patched = self.number % 7 == 2;
        let restart = 22.0 * HOUR_S + self.chance.unit() * HOUR_S;
        while at < DAY_S {
            // A restart takes a few minutes.
            if !(patched && (restart..restart + 400.0).contains(&at)) {
                self.put(
                    at,
                    host,
                    json!({"category": ["host"], "action": "heartbeat"}),
                    json!({"host": {"name": host, "ip": address}}),
                );
                if self.chance.happens(0.3) {
                    let server = format!("192.53.103.{}", 100 + self.chance.below(4) + 4);
                    self.flow(at, host, "", (&server, 123), (48.0, 48.0));
                }
            }
            at += 300.0 + self.chance.normal();
        }
    }

    /// Somebody at work: comes, reads mail, browses, edits documents, mistypes a password.
    fn user(&mut self, n: usize) {
        let (host, address) = self.house.workstations[n].clone();
        let account = format!("user-{n}");
        let weekend = self.number % 7 >= 5;
        if weekend && !self.chance.happens(0.05) {
            return;
        }
        let come = self.chance.between(6.5, 9.5) * HOUR_S;
        let go = come + self.chance.between(7.0, 9.5) * HOUR_S;
        let servers: Vec<(String, Ipv4Addr)> = self.house.files.clone();
        let own = servers.get(n % servers.len().max(1)).cloned();
        let typing_errors = self.chance.below(3);
        for _ in 0..typing_errors {
            let early = come - 5.0 - self.chance.unit() * 15.0;
            self.logon(early, &host, address, &account, false);
        }
        self.logon(come, &host, address, &account, true);
        let mut at = come;
        while at < go {
            at += self.chance.pause(1_200.0);
            if let Some((server, _)) = &own {
                self.logon(at, server, address, &account, true);
                for _ in 0..self.chance.below(5) {
                    let ending = ["docx", "xlsx", "pdf", "txt", "csv"][self.chance.below(5)];
                    let path = format!("docs/{account}/{}.{ending}", self.chance.below(60));
                    let later = at + self.chance.unit() * 300.0;
                    self.file(later, server, address, &account, "change", &path);
                }
            }
        }
        self.browse(&host, address, &account, come, go);
        let mut at = come;
        let mail = self.house.mail.1.to_string();
        while at < go {
            let (out, back) = (self.chance.lognormal(700.0, 0.4), self.chance.lognormal(4_000.0, 1.5));
            self.flow(at, &host, &account, (&mail, 993), (out, back));
            at += 600.0;
        }
    }

    fn browse(&mut self, host: &str, address: Ipv4Addr, account: &str, come: f64, go: f64) {
        for _ in 0..3 + self.chance.below(8) {
            let mut at = self.chance.between(come, go);
            let site = (self.chance.pause(80.0) as usize).min(3_000);
            let ip = format!("198.18.{}.{}", site / 250, 1 + site % 250);
            self.lookup(at, address, &format!("www.site{site}.example-{}.org", site % 300));
            for _ in 0..1 + self.chance.below(9) {
                at += self.chance.pause(25.0);
                let (out, back) = (self.chance.lognormal(1_800.0, 1.1), self.chance.lognormal(40_000.0, 1.5));
                self.flow(at, host, account, (&ip, 443), (out, back));
            }
        }
    }

    fn administration(&mut self) {
        for (account, to, from) in self.house.administrators.clone() {
            for _ in 0..2 + self.chance.below(8) {
                let at = self.chance.between(7.0, 18.0) * HOUR_S;
                let host = to[self.chance.below(to.len())].clone();
                let origin = from[self.chance.below(from.len())];
                if self.number % 7 >= 5 && !self.chance.happens(0.1) {
                    continue;
                }
                if self.chance.happens(0.05) {
                    self.logon(at - 6.0, &host, origin, &account, false);
                }
                self.logon(at, &host, origin, &account, true);
                let lines = [
                    "systemctl status",
                    "list docs",
                    "df -h",
                    "tail /var/log/messages",
                    "apt list --upgradable",
                ];
                for _ in 0..self.chance.below(6) {
                    let line = lines[self.chance.below(lines.len())];
                    let later = at + self.chance.unit() * 900.0;
                    self.command(later, &host, origin, &account, line);
                }
            }
        }
        // The vendor looks at his appliance twice a week, over the jump host.
        if self.number % 7 == 1 || self.number % 7 == 2 || self.special {
            let at = self.chance.between(9.0, 15.0) * HOUR_S;
            let (jump, jump_address) = self.house.jump.clone();
            self.logon(at, &jump, Ipv4Addr::new(198, 51, 100, 7), "vendor", true);
            if let Some((host, _)) = self.house.files.last().cloned() {
                self.logon(at + 40.0, &host, jump_address, "vendor", true);
                self.command(at + 60.0, &host, jump_address, "vendor", "status appliance");
            }
        }
    }

    /// Every server is backed up at night; the oldest snapshots go; now and then a job fails once.
    fn backups(&mut self) {
        let (backup, address) = self.house.backup.clone();
        let event = |action: &str| json!({"category": ["configuration"], "dataset": "backup", "action": action});
        for (n, (server, _)) in self.house.servers.clone().into_iter().enumerate() {
            let at = 1.0 * HOUR_S + n as f64 * 180.0 + self.chance.unit() * 60.0;
            let path = |day: usize| format!("snapshots/{server}-{day}");
            let fields =
                |path: String| json!({"source": {"ip": address}, "user": {"name": BACKUP_ACCOUNT}, "file": {"path": path}});
            if self.chance.happens(0.03) {
                self.put(at, &backup, event("job-failed"), fields(path(self.number)));
            }
            self.put(at + 120.0, &backup, event("snapshot-create"), fields(path(self.number)));
            let prune = 5.0 * HOUR_S + n as f64 * 2.0;
            self.put(prune, &backup, event("snapshot-delete"), fields(path(self.number + 1)));
        }
    }

    fn log_rotation(&mut self) {
        for (host, address) in self.house.servers.clone() {
            for n in 0..12 {
                let at = 60.0 + self.chance.unit() * 20.0;
                self.file(at, &host, address, "root", "rename", &format!("/var/log/{n}.log.1"));
                self.file(at + 5.0, &host, address, "root", "create", &format!("/var/log/{n}.log.2.gz"));
            }
        }
    }

    /// Portals, messages of practices, and what goes out to the customers.
    fn services(&mut self) {
        let base = self.number as f64 * DAY_S;
        for (portal, _) in self.house.portals.clone() {
            for minute in 0..1_440 {
                let at = f64::from(minute) * 60.0;
                let requests = self.chance.lognormal(900.0 * office(base + at), 0.2);
                let from = format!("203.0.{}.{}", 113, 1 + self.chance.below(CUSTOMERS));
                let slow = (requests * 0.002 * self.chance.unit()) as u64;
                let http = json!({"requests": requests as u64, "window_ms": 60_000, "slow_requests": slow});
                let event = json!({"category": ["web"], "action": "requests"});
                self.put(
                    at,
                    &portal,
                    event,
                    json!({"source": {"ip": from}, "url": {"path": "/"}, "http": http}),
                );
            }
        }
        let (payments, _) = self.house.payments.clone();
        for customer in 0..CUSTOMERS {
            let to = format!("198.19.{}.{}", customer / 40, 10 + customer % 40);
            let mut at = self.chance.unit() * 1_800.0;
            while at < DAY_S {
                let volume = self.chance.lognormal(400_000.0 * office(base + at), 0.5);
                self.flow(at, &payments, "interface", (&to, 443), (volume, volume / 30.0));
                at += 1_800.0 + self.chance.normal() * 30.0;
            }
        }
    }

    /// Software distribution: log-ons, commands and hundreds of files on every server, then a restart.
    fn patch_night(&mut self) {
        let (origin_host, origin) = self.house.backup.clone();
        for (n, (host, _)) in self.house.servers.clone().into_iter().enumerate() {
            let at = 21.0 * HOUR_S + n as f64 * 90.0;
            if host == origin_host {
                continue;
            }
            self.logon(at, &host, origin, PATCH_ACCOUNT, true);
            self.command(at + 5.0, &host, origin, PATCH_ACCOUNT, "apt-get -y upgrade");
            for file in 0..150 {
                let later = at + 10.0 + self.chance.unit() * 60.0;
                self.file(
                    later,
                    &host,
                    origin,
                    PATCH_ACCOUNT,
                    "change",
                    &format!("/usr/lib/pkg-{}/{}.so", file % 9, file),
                );
            }
        }
    }

    /// Somebody comes in with the vendor's credentials, takes an administrator's, and destroys backups and files: one act every
    /// few seconds, as in the drill.
    pub(super) fn attack(&mut self, begin: f64) {
        let (jump, jump_address) = self.house.jump.clone();
        let backup = self.house.backup.0.clone();
        let admin = self
            .house
            .administrators
            .last()
            .map_or_else(|| "adm".to_owned(), |a| a.0.clone());
        self.logon(begin, &jump, Ipv4Addr::new(198, 51, 100, 7), "vendor", true);
        let come = Ipv4Addr::new(198, 51, 100, 7);
        self.command(begin + 20.0, &jump, come, "vendor", "read secrets/cached-credentials");
        for (n, (host, _)) in self.house.servers.clone().into_iter().take(6).enumerate() {
            self.logon(begin + 30.0 + n as f64 * 5.0, &host, jump_address, &admin, true);
        }
        let destroy = begin + DESTRUCTION_S;
        let event = json!({"category": ["configuration"], "dataset": "backup", "action": "snapshot-delete"});
        for n in 0..10 {
            let fields =
                json!({"source": {"ip": jump_address}, "user": {"name": admin}, "file": {"path": format!("snapshots/{n}")}});
            self.put(destroy + f64::from(n), &backup, event.clone(), fields);
        }
        if let Some((server, _)) = self.house.files.first().cloned() {
            for n in 0..60 {
                let path = format!("docs/user-1/{n}.docx");
                let fields = json!({"source": {"ip": jump_address}, "user": {"name": admin},
                    "file": {"path": path, "size": 40_000, "entropy": 7.99, "structure": "noise"}});
                let event = json!({"category": ["file"], "action": "change"});
                self.put(destroy + f64::from(n) * 0.4, &server, event, fields);
            }
        }
    }

    fn special_day(&mut self) {
        // Monthly batch: five hundred reports are written, and the bank gets twenty times as much as usual.
        let (payments, address) = self.house.payments.clone();
        if let Some((server, _)) = self.house.files.first().cloned() {
            for n in 0..500 {
                let at = 20.0 * HOUR_S + f64::from(n) * 1.2;
                self.file(at, &server, address, "batch", "create", &format!("reports/month/{n}.pdf"));
            }
            // Somebody unpacks his photographs.
            let user = self.house.workstations.first().map_or(address, |w| w.1);
            for n in 0..300 {
                let at = 12.2 * HOUR_S + f64::from(n) * 0.1;
                self.file(at, &server, user, "user-0", "create", &format!("docs/user-0/photos/{n}.jpg"));
            }
            // An administrator helps out where he never was.
            if let Some((account, _, from)) = self.house.administrators.first().cloned() {
                self.logon(14.0 * HOUR_S, &server, from[0], &account, true);
            }
        }
        for n in 0..20 {
            let volume = self.chance.lognormal(8_000_000.0, 0.2);
            self.flow(
                20.5 * HOUR_S + f64::from(n) * 30.0,
                &payments,
                "batch",
                ("198.19.0.10", 443),
                (volume, 9_000.0),
            );
        }
        // A program that somebody installed this morning asks home every minute.
        if let Some((host, _)) = self.house.workstations.get(1).cloned() {
            for n in 0..600 {
                self.flow(
                    8.0 * HOUR_S + f64::from(n) * 60.0,
                    &host,
                    "user-1",
                    ("198.18.99.9", 443),
                    (500.0, 900.0),
                );
            }
        }
        // A letter from an insurer brings visitors.
        if let Some((portal, _)) = self.house.portals.first().cloned() {
            for n in 0..240 {
                let http = json!({"requests": 150, "window_ms": 10_000, "slow_requests": 0});
                let event = json!({"category": ["web"], "action": "requests"});
                let fields = json!({"source": {"ip": "203.0.113.99"}, "url": {"path": "/"}, "http": http});
                self.put(10.0 * HOUR_S + f64::from(n) * 10.0, &portal, event, fields);
            }
        }
    }
}
