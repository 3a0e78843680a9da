use std::collections::{BTreeMap, BTreeSet, HashMap};

use leckwehr_detect::{AddressBook, Place};
use leckwehr_estate::SystemKind;
use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::{Event, Events, Kind, Outcome, Sym};

use crate::technique::{Meaning, meanings};

/// What a contact between two hosts was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Means {
    Logon,
    WinRm,
    Smb,
    RemoteDesktop,
    Ssh,
    RemoteExecution,
    AdminShare,
    Flow,
}

impl Means {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Logon => "remote logon",
            Self::WinRm => "remote execution (WinRM)",
            Self::Smb => "file transfer (SMB)",
            Self::RemoteDesktop => "remote desktop",
            Self::Ssh => "remote shell (SSH)",
            Self::RemoteExecution => "remote execution (RPC)",
            Self::AdminShare => "administrative share",
            Self::Flow => "connection",
        }
    }

    fn of_port(port: u16) -> Self {
        match port {
            5985 | 5986 => Self::WinRm,
            445 | 139 => Self::Smb,
            3389 => Self::RemoteDesktop,
            22 => Self::Ssh,
            _ => Self::Flow,
        }
    }
}

/// One contact with an inside host as its target.
#[derive(Debug, Clone)]
pub(crate) struct Touch {
    pub(crate) at: Timestamp,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) account: Sym,
    pub(crate) means: Means,
    pub(crate) bytes: u64,
    pub(crate) row: usize,
}

/// One connection from an inside host to an address outside.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) at: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) host: u32,
    pub(crate) to: u32,
    pub(crate) port: u16,
    pub(crate) out: u64,
    pub(crate) back: u64,
    /// The record gives its bytes.
    pub(crate) measured: bool,
}

/// What an inside host answered on a connection that was opened from outside; `None` where the record gives no bytes.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) to: u32,
    pub(crate) bytes: Option<u64>,
}

/// A Kerberos ticket that `account` got on `host` for a service on `to`.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) at: Timestamp,
    pub(crate) host: u32,
    pub(crate) to: u32,
    pub(crate) account: Sym,
    pub(crate) service: String,
    pub(crate) row: usize,
}

/// What findings say, resolved to nodes.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) at: Timestamp,
    pub(crate) host: u32,
    pub(crate) origin: Option<u32>,
    pub(crate) account: Option<String>,
    pub(crate) meaning: Meaning,
    pub(crate) weight: u8,
    pub(crate) finding: usize,
}

/// Events and findings as the analysis needs them: hosts as numbers, everything in order of time.
pub(crate) struct Scene<'a> {
    pub(crate) events: &'a Events,
    pub(crate) findings: &'a [Finding],
    pub(crate) book: AddressBook,
    pub(crate) names: Vec<String>,
    pub(crate) places: Vec<Place>,
    numbers: HashMap<String, u32>,
    by_sym: HashMap<Sym, u32>,
    pub(crate) touches: Vec<Touch>,
    pub(crate) calls: Vec<Call>,
    pub(crate) replies: Vec<Reply>,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) deeds: Vec<Deed>,
    /// Hosts that some record names.
    pub(crate) mentioned: BTreeSet<u32>,
    /// Outside addresses that were addressed by number in TLS or HTTP.
    pub(crate) bare: BTreeSet<u32>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(events: &'a Events, findings: &'a [Finding], book: AddressBook) -> Self {
        let mut scene = Self {
            events,
            findings,
            book,
            names: Vec::new(),
            places: Vec::new(),
            numbers: HashMap::new(),
            by_sym: HashMap::new(),
            touches: Vec::new(),
            calls: Vec::new(),
            replies: Vec::new(),
            tickets: Vec::new(),
            deeds: Vec::new(),
            mentioned: BTreeSet::new(),
            bare: BTreeSet::new(),
        };
        scene.number_nodes();
        for row in scene.rows() {
            if let Some(event) = events.get(row) {
                scene.read(&event);
            }
        }
        scene.read_findings();
        scene
    }

    /// Returns the number of a host or address by name.
    pub(crate) fn node(&self, name: &str) -> Option<u32> {
        self.numbers.get(self.book.system_or_text(name)).copied()
    }

    /// Returns the number of a host or address by its symbol in the events.
    pub(crate) fn node_of(&self, sym: Sym) -> Option<u32> {
        self.by_sym.get(&sym).copied()
    }

    pub(crate) fn name(&self, node: u32) -> &str {
        self.names.get(node as usize).map_or("", |n| n)
    }

    pub(crate) fn place(&self, node: u32) -> &Place {
        self.places.get(node as usize).unwrap_or(&Place::Nowhere)
    }

    /// A host of the provider: by its address, or named by its own sensor.
    pub(crate) fn is_inside(&self, node: u32) -> bool {
        self.place(node).is_inside()
    }

    /// Directories and file servers are written to and read from by everyone, all the time.
    pub(crate) fn serves_files(&self, node: u32) -> bool {
        let kind = self.book.kind(self.name(node));
        matches!(
            kind,
            Some(SystemKind::Directory | SystemKind::FileServer | SystemKind::BackupServer)
        )
    }

    pub(crate) fn account(&self, sym: Sym) -> &'a str {
        self.events.symbols().text(sym)
    }

    pub(crate) fn reference(&self, row: usize) -> String {
        self.events.get(row).map_or_else(String::new, |e| e.reference())
    }

    /// Rows by time, and within one time by where they were read, whatever order they came in.
    fn rows(&self) -> Vec<usize> {
        let mut rows = self.events.rows_by_time();
        let key = |row: &usize| self.events.get(*row).map(|e| (e.time(), e.source(), e.record()));
        rows.sort_by_key(key);
        rows
    }

    /// Numbers hosts and addresses in order of their names, so that numbers do not depend on the order of records.
    fn number_nodes(&mut self) {
        let mut names: BTreeMap<String, Place> = BTreeMap::new();
        let mut resolved: HashMap<Sym, String> = HashMap::new();
        for event in self.events.iter() {
            let hosts = [
                (event.host_sym(), true),
                (event.origin_sym(), false),
                (event.destination_sym(), false),
            ];
            for (sym, reports) in hosts {
                if sym.is_none() || (resolved.contains_key(&sym) && !reports) {
                    continue;
                }
                let text = self.events.symbols().text(sym);
                let name = self.book.system_or_text(text).to_owned();
                let place = names.entry(name.clone()).or_insert_with(|| self.book.place(text));
                // A name that the estate does not know, but that one of our sensors reports from, is inside.
                if reports && *place == Place::Nowhere && event.kind() != Kind::EgressCounter {
                    *place = Place::Inside;
                }
                resolved.insert(sym, name);
            }
        }
        for (name, place) in names {
            self.numbers.insert(name.clone(), self.names.len() as u32);
            self.names.push(name);
            self.places.push(place);
        }
        let numbers = &self.numbers;
        self.by_sym = resolved
            .into_iter()
            .filter_map(|(sym, name)| Some((sym, *numbers.get(&name)?)))
            .collect();
    }

    fn read(&mut self, event: &Event<'_>) {
        let node = |sym: Sym| self.node_of(sym);
        let (host, origin, to) = (
            node(event.host_sym()),
            node(event.origin_sym()),
            node(event.destination_sym()),
        );
        if event.kind() != Kind::EgressCounter {
            self.mentioned.extend([host, origin, to].into_iter().flatten());
        }
        match event.kind() {
            Kind::Logon if event.outcome() == Outcome::Success => self.touch(event, origin, host.or(to), Means::Logon),
            // A host's own record of a connection: the host opened it.
            Kind::Flow => self.flow(event, origin.or(host), to),
            Kind::RemoteCall if is_remote_execution(event) => self.touch(event, origin, to, Means::RemoteExecution),
            Kind::Share if is_admin_share(event.object()) => self.touch(event, origin, host.or(to), Means::AdminShare),
            Kind::ShareFile if is_admin_share(event.field("path").unwrap_or("")) => {
                self.touch(event, origin, to, Means::AdminShare);
            }
            Kind::Ticket if event.outcome() == Outcome::Success => self.ticket(event, origin),
            Kind::Tls if event.object() == event.destination() => self.bare.extend(to),
            Kind::Web if event.field("host") == Some(event.destination()) => self.bare.extend(to),
            _ => {}
        }
    }

    fn touch(&mut self, event: &Event<'_>, from: Option<u32>, to: Option<u32>, means: Means) {
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        if from == to || !self.is_inside(to) || *self.place(from) == Place::Group {
            return;
        }
        self.touches.push(Touch {
            at: event.time(),
            from,
            to,
            account: event.account_sym(),
            means,
            bytes: event.bytes_out().unwrap_or(0),
            row: event.row(),
        });
    }

    fn flow(&mut self, event: &Event<'_>, from: Option<u32>, to: Option<u32>) {
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        if self.place(to).is_outside() && !self.place(from).is_outside() {
            let took_ns = event.duration_ns().unwrap_or(0).max(0);
            // Our own sensors write a flow at its end, Zeek stamps it with its start.
            let closed = event.product() == leckwehr_telemetry::Product::Leckwehr;
            let at = if closed {
                Timestamp(event.time().0.saturating_sub(took_ns))
            } else {
                event.time()
            };
            self.calls.push(Call {
                at,
                ended: Timestamp(at.0.saturating_add(took_ns)),
                host: from,
                to,
                port: event.port(),
                out: event.bytes_out().unwrap_or(0),
                back: event.bytes_in().unwrap_or(0),
                measured: event.bytes_out().is_some(),
            });
            return;
        }
        if self.place(from).is_outside() && self.is_inside(to) {
            let bytes = event.bytes_in();
            self.replies.push(Reply { to: from, bytes });
        }
        if event.bytes_in() != Some(0) || event.product() == leckwehr_telemetry::Product::Leckwehr {
            // A connection that nobody answered touches nobody.
            self.touch(event, Some(from), Some(to), Means::of_port(event.port()));
        }
    }

    fn ticket(&mut self, event: &Event<'_>, host: Option<u32>) {
        let service = event.object();
        let target = service.split('/').nth(1).unwrap_or("");
        let machine = event.account().is_empty() || event.account().ends_with('$');
        let (Some(host), Some(to), false) = (host, self.node(target), machine) else {
            return;
        };
        self.tickets.push(Ticket {
            at: event.time(),
            host,
            to,
            account: event.account_sym(),
            service: service.to_owned(),
            row: event.row(),
        });
    }

    fn read_findings(&mut self) {
        let findings = self.findings;
        for (index, finding) in findings.iter().enumerate() {
            let Some(host) = self.node(&finding.host) else {
                continue;
            };
            let origin = finding.origin.as_deref().and_then(|o| self.node(o));
            self.deeds.extend(meanings(finding).map(|meaning| Deed {
                at: finding.at,
                host,
                origin,
                account: finding.account.clone(),
                meaning,
                weight: finding.weight,
                finding: index,
            }));
        }
        let key = |d: &Deed| {
            (
                d.at,
                d.host,
                d.meaning,
                findings[d.finding].rule.clone(),
                d.account.clone(),
                d.origin,
            )
        };
        self.deeds.sort_by_cached_key(key);
    }
}

/// `\\HOST\C$` and `\\HOST\ADMIN$`; `IPC$` is the pipe that every log-on to a share opens and ends in the same letters.
fn is_admin_share(path: &str) -> bool {
    let share = path.rsplit(['\\', '/']).next().unwrap_or("");
    let drive = share.len() == 2 && share.ends_with('$') && share.starts_with(|c: char| c.is_ascii_alphabetic());
    drive || share.eq_ignore_ascii_case("ADMIN$")
}

/// Interfaces over which programs are started on another host; reading them is everyday management.
fn is_remote_execution(event: &Event<'_>) -> bool {
    let (interface, operation) = (event.object(), event.action());
    match interface {
        "svcctl" => operation.starts_with("CreateService") || operation.starts_with("StartService"),
        "atsvc" | "ITaskSchedulerService" => ["JobAdd", "NetrJobAdd", "SchRpcRegisterTask", "SchRpcRun"].contains(&operation),
        "IWbemServices" => operation.starts_with("ExecMethod"),
        _ => false,
    }
}
