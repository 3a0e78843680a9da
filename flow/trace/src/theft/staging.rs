use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::SystemKind;
use leckwehr_incident::{Impact, Tier, Timestamp};
use leckwehr_telemetry::{Event, Kind};
use serde::{Deserialize, Serialize};

use super::suspects::Suspects;
use crate::coverage::CLOCK_SKEW_MS;
use crate::scene::Scene;

/// Bytes between two inside hosts that are a load and not a listing.
pub const INTERNAL_BYTES_MIN: u64 = 100_000;
/// Files read in one session from which on it is a collection.
pub const FILES_READ_MIN: usize = 5;
/// Findings of staging shown, in order of time.
const STAGINGS_MAX: usize = 1_000;
/// References kept per entry.
const EVIDENCE_MAX: usize = 6;
const ARCHIVE_ENDINGS: [&str; 12] = [
    ".7z", ".zip", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".cab", ".ace", ".arj",
];
const DUMP_ENDINGS: [&str; 10] = [
    ".bak", ".dump", ".sql", ".dmp", ".vhdx", ".vmdk", ".ova", ".dit", ".pst", ".bacpac",
];
const ARCHIVE_TYPES: [&str; 8] = [
    "x-7z-compressed",
    "/zip",
    "x-rar",
    "x-tar",
    "/gzip",
    "x-bzip",
    "zstd",
    "vnd.ms-cab",
];
const TOOLS: [&str; 18] = [
    "7z a ",
    "7z.exe a",
    "7za a ",
    "rar a ",
    "rar.exe a",
    "tar c",
    "tar -c",
    "zip -",
    "compress-archive",
    "makecab",
    "mysqldump",
    "pg_dump",
    "mongodump",
    "sqlcmd",
    "ntdsutil",
    "rclone",
    "esentutl",
    "expdp",
];
/// ATT&CK: data staged, archived, or collected by a program.
const TECHNIQUES: [&str; 6] = ["T1074", "T1560", "T1119", "T1213", "T1039", "T1005"];

/// What was done with data before it could leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StagingKind {
    /// An archive was written.
    Archive,
    /// A database or memory dump was written.
    Dump,
    /// A program that packs or dumps was run.
    Tool,
    /// Files were read in a session of the attacker's.
    FilesRead,
    /// Another inside host sent it a load.
    InternalTransfer,
    /// A rule for collection or staging fired.
    Finding,
    /// An archive went out on the wire.
    ArchiveSent,
}

/// One piece of evidence that data was brought together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Staging {
    /// What.
    pub kind: StagingKind,
    /// Hosts where the data then lay.
    pub hosts: Vec<String>,
    /// Address outside that it was sent to, for [`StagingKind::ArchiveSent`].
    pub to: Option<String>,
    /// First and last record.
    pub seen: (Timestamp, Timestamp),
    /// Bytes, where the records give them: sizes of files, bytes of connections. A bound for neither side.
    pub bytes: Option<u64>,
    /// What it was, in words.
    pub what: String,
    /// Where the raw records are.
    pub evidence: Vec<String>,
}

#[derive(Default)]
struct Group {
    count: usize,
    bytes: Option<u64>,
    seen: Option<(Timestamp, Timestamp)>,
    evidence: Vec<String>,
    names: BTreeSet<String>,
}

impl Group {
    fn add(&mut self, event: &Event<'_>, bytes: Option<u64>) {
        self.count += 1;
        if let Some(bytes) = bytes {
            self.bytes = Some(self.bytes.unwrap_or(0).saturating_add(bytes));
        }
        let at = event.time();
        self.seen = Some(self.seen.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        if self.evidence.len() < EVIDENCE_MAX {
            self.evidence.push(event.reference());
        }
    }
}

type Key = (StagingKind, Vec<String>, Option<String>, String);

/// Returns what shows that data was brought together on hosts that the attacker held or may have held, in order of time.
pub(crate) fn stagings(scene: &Scene<'_>, impact: &Impact, suspects: &Suspects) -> Vec<Staging> {
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for row in scene.events.rows_by_time() {
        let Some(event) = scene.events.get(row) else {
            continue;
        };
        if let Some((key, bytes)) = sign(scene, impact, suspects, &event) {
            let group = groups.entry(key).or_default();
            group.add(&event, bytes);
            if group.names.len() < EVIDENCE_MAX && !event.object().is_empty() {
                group.names.insert(event.object().to_owned());
            }
        }
    }
    let enough = |(kind, ..): &Key, g: &Group| match kind {
        StagingKind::FilesRead => g.count >= FILES_READ_MIN,
        StagingKind::InternalTransfer => g.bytes.unwrap_or(0) >= INTERNAL_BYTES_MIN,
        _ => true,
    };
    let mut stagings: Vec<Staging> = groups
        .into_iter()
        .filter(|(key, group)| enough(key, group))
        .map(|((kind, hosts, to, by), group)| staging(kind, hosts, to, &by, group))
        .collect();
    stagings.extend(found(scene, suspects));
    stagings.sort_by(|a, b| (a.seen, a.kind, &a.hosts, &a.what).cmp(&(b.seen, b.kind, &b.hosts, &b.what)));
    stagings.truncate(STAGINGS_MAX);
    stagings
}

fn staging(kind: StagingKind, hosts: Vec<String>, to: Option<String>, by: &str, group: Group) -> Staging {
    let names: Vec<&str> = group.names.iter().map(String::as_str).collect();
    let named = names.join(", ");
    let count = group.count;
    let what = match kind {
        StagingKind::Archive => format!("archive written: {named}"),
        StagingKind::Dump => format!("dump written: {named}"),
        StagingKind::Tool => format!("{by} packed or dumped: {named}"),
        StagingKind::FilesRead => format!("{count} files read by {by}"),
        StagingKind::InternalTransfer => format!("{count} connections brought data from {by}"),
        StagingKind::ArchiveSent => format!("{count} transfers of an archive ({by})"),
        StagingKind::Finding => named,
    };
    Staging {
        kind,
        hosts,
        to,
        seen: group.seen.unwrap_or_default(),
        bytes: group.bytes,
        what,
        evidence: group.evidence,
    }
}

/// Returns what a record shows of staging, and its bytes.
fn sign(scene: &Scene<'_>, impact: &Impact, suspects: &Suspects, event: &Event<'_>) -> Option<(Key, Option<u64>)> {
    let at = event.time();
    let held = |node: Option<u32>| node.filter(|n| suspects.held_at(*n, at.plus_ms(CLOCK_SKEW_MS)));
    let (host, origin) = (scene.node_of(event.host_sym()), scene.node_of(event.origin_sym()));
    let to = scene.node_of(event.destination_sym());
    let name = |node: u32| scene.name(node).to_owned();
    let object = event.object().to_lowercase();
    match event.kind() {
        Kind::Process => {
            let host = held(host)?;
            let tool = TOOLS.iter().any(|tool| object.contains(tool));
            let account = event.account().to_owned();
            tool.then(|| ((StagingKind::Tool, vec![name(host)], None, account), None))
        }
        Kind::File | Kind::ShareFile if is_read(event) => {
            let host = host.or(to).filter(|h| !everyone_reads(scene, *h))?;
            let his = impact
                .credentials
                .iter()
                .any(|c| c.tier <= Tier::Probable && c.account == event.account());
            held(origin).or_else(|| held(Some(host)).filter(|_| his))?;
            let mut hosts = vec![name(host)];
            hosts.extend(origin.filter(|o| scene.is_inside(*o) && *o != host).map(name));
            let account = Some(event.account())
                .filter(|a| !a.is_empty())
                .unwrap_or("an account not named");
            let by = format!("{account} from {}", origin.map_or("the host itself", |o| scene.name(o)));
            Some(((StagingKind::FilesRead, hosts, None, by), event.size()))
        }
        Kind::File | Kind::ShareFile => {
            let host = held(host.or(to)).or_else(|| held(origin))?;
            let kind = written(&object).filter(|_| event.action() != "delete")?;
            Some(((kind, vec![name(host)], None, String::new()), event.size()))
        }
        Kind::Transfer => {
            let (from, to) = (held(origin)?, to?);
            let archive = ARCHIVE_TYPES.iter().any(|t| event.action().contains(t)) || written(&object).is_some();
            let sent = archive && scene.place(to).is_outside();
            let by = event.action().to_owned();
            sent.then(|| ((StagingKind::ArchiveSent, vec![name(from)], Some(name(to)), by), event.size()))
        }
        Kind::Flow => {
            let (from, to) = (origin.or(host)?, to?);
            if from == to || !scene.is_inside(from) || !scene.is_inside(to) {
                return None;
            }
            let (out, back) = (event.bytes_out().unwrap_or(0), event.bytes_in().unwrap_or(0));
            let (source, target, bytes) = if out > back { (from, to, out) } else { (to, from, back) };
            held(Some(target)).filter(|_| !everyone_reads(scene, source))?;
            let key = (StagingKind::InternalTransfer, vec![name(target)], None, name(source));
            Some((key, Some(bytes)))
        }
        _ => None,
    }
}

/// Every host reads policies and tickets from directories all day; that brings no data together.
fn everyone_reads(scene: &Scene<'_>, host: u32) -> bool {
    scene.book.kind(scene.name(host)) == Some(SystemKind::Directory)
}

fn is_read(event: &Event<'_>) -> bool {
    matches!(event.action(), "read" | "open" | "SMB::FILE_READ" | "SMB::FILE_OPEN")
}

fn written(name: &str) -> Option<StagingKind> {
    let ends = |endings: &[&str]| endings.iter().any(|e| name.ends_with(e));
    match (ends(&DUMP_ENDINGS), ends(&ARCHIVE_ENDINGS)) {
        (true, _) => Some(StagingKind::Dump),
        (_, true) => Some(StagingKind::Archive),
        _ => None,
    }
}

/// Returns what rules say about collection and staging on suspected hosts.
fn found(scene: &Scene<'_>, suspects: &Suspects) -> Vec<Staging> {
    let staged = |f: &&leckwehr_incident::Finding| f.techniques.iter().any(|t| TECHNIQUES.iter().any(|id| t.starts_with(id)));
    let of_suspects = |f: &&leckwehr_incident::Finding| {
        scene
            .node(&f.host)
            .is_some_and(|n| suspects.held_at(n, f.at.plus_ms(CLOCK_SKEW_MS)))
    };
    let findings = scene.findings.iter().filter(staged).filter(of_suspects);
    let told = findings.map(|f| Staging {
        kind: StagingKind::Finding,
        hosts: vec![scene.book.system_or_text(&f.host).to_owned()],
        to: None,
        seen: (f.at, f.at),
        bytes: None,
        what: format!("{}: {}", f.title, f.detail),
        evidence: f.evidence.iter().take(EVIDENCE_MAX).cloned().collect(),
    });
    told.collect()
}
