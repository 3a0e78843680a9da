use std::collections::BTreeMap;

use serde::Serialize;

/// Places kept for each reason; more are counted only.
pub const PLACES_MAX: usize = 10;
/// Hosts unknown to the estate that are named; more are counted only.
pub const NAMED_MAX: usize = 100;

/// Why a record gives no contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The time is missing or cannot be read.
    NoTime,
    /// The time lies before 1990: a clock that was never set.
    TooEarly,
    /// The time lies more than a day after the present.
    TooLate,
    /// It ends before it begins.
    EndsBeforeItBegins,
    /// A host is missing.
    NoHost,
    /// A node number is negative or larger than the limit.
    NodeNumber,
    /// One more node than the limit.
    TooManyNodes,
    /// One more contact than the limit.
    TooManyContacts,
    /// The line is longer than the limit.
    LineTooLong,
    /// The line has not the fields of its header, or a quote that never closes.
    Fields,
    /// The bytes are not UTF-8.
    Encoding,
    /// A record that telemetry could not read.
    Record,
    /// Rows of a part of a Parquet file that is damaged.
    DamagedPart,
}

impl Refusal {
    /// Returns the reason in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoTime => "no time that can be read",
            Self::TooEarly => "a time before 1990",
            Self::TooLate => "a time more than a day after the present",
            Self::EndsBeforeItBegins => "ends before it begins",
            Self::NoHost => "a host is missing",
            Self::NodeNumber => "a node number that is negative or over the limit",
            Self::TooManyNodes => "more nodes than the limit",
            Self::TooManyContacts => "more contacts than the limit",
            Self::LineTooLong => "a line longer than the limit",
            Self::Fields => "not the fields of the header, or an open quote",
            Self::Encoding => "not UTF-8",
            Self::Record => "a damaged record",
            Self::DamagedPart => "a damaged part of a Parquet file",
        }
    }
}

/// One of the first places at which something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RefusedPlace {
    /// The file as it was named.
    pub file: String,
    /// Row, line or record, from 1.
    pub row: u64,
    /// How many records from there on; more than 1 for a damaged part.
    pub records: u64,
}

/// What was refused for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refused {
    /// How many records.
    pub records: u64,
    /// The first [`PLACES_MAX`] places.
    pub places: Vec<RefusedPlace>,
}

/// What was read of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileAccount {
    /// The file as it was named.
    pub path: String,
    /// Records that should be contacts.
    pub read: u64,
    /// Contacts.
    pub kept: u64,
    /// Why the rest of the file could not be read, if so: how many records it held is not known.
    pub unread: Option<String>,
}

/// What was read, kept and refused: `read` is `kept` plus all that was refused, always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadAccount {
    /// Records that should be contacts.
    pub read: u64,
    /// Records that became contacts.
    pub kept: u64,
    /// Records that are well-formed and tell of no contact: comments, other kinds of events, connections without an answer.
    pub beside: u64,
    /// Kept records that stood behind a later one in their file; they were put in order.
    pub unsorted: u64,
    /// What was refused, by reason.
    pub refused: BTreeMap<Refusal, Refused>,
    /// Hosts that the estate does not know; their contacts are kept.
    pub unknown_hosts: u64,
    /// The first [`NAMED_MAX`] of them, by name.
    pub unknown_names: Vec<String>,
    /// File by file.
    pub files: Vec<FileAccount>,
}

impl LoadAccount {
    /// Returns how many records were refused.
    pub fn refused(&self) -> u64 {
        self.refused.values().fold(0, |sum, r| sum.saturating_add(r.records))
    }

    /// Returns the share of records that were kept, 0 to 1: the coverage of everything computed from them. `None` if a file
    /// has a rest that was not read, because nobody knows how much that is; 1 for no record.
    pub fn coverage(&self) -> Option<f64> {
        if self.files.iter().any(|file| file.unread.is_some()) {
            return None;
        }
        let all = self.kept.saturating_add(self.refused());
        Some(if all == 0 { 1.0 } else { self.kept as f64 / all as f64 })
    }

    /// Returns one sentence for each thing that people have to know before they trust the contacts.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (reason, refused) in &self.refused {
            let first = refused.places.first();
            let first = first.map_or_else(String::new, |p| format!(", first in {} at row {}", p.file, p.row));
            warnings.push(format!("{} refused: {}{first}", refused.records, reason.words()));
        }
        if self.unsorted > 0 {
            warnings.push(format!(
                "{} stood out of order of time, and stand in order now",
                self.unsorted
            ));
        }
        if self.unknown_hosts > 0 {
            let named: Vec<&str> = self.unknown_names.iter().take(5).map(String::as_str).collect();
            let more = if self.unknown_hosts > named.len() as u64 {
                ", …"
            } else {
                ""
            };
            let (hosts, named) = (self.unknown_hosts, named.join(", "));
            warnings.push(format!("{hosts} not among the systems of the estate: {named}{more}"));
        }
        let unread = self.files.iter().filter_map(|f| Some((&f.path, f.unread.as_ref()?)));
        warnings.extend(unread.map(|(path, why)| format!("{path} was not read to its end: {why}")));
        warnings
    }

    pub(super) fn refuse(&mut self, reason: Refusal, file: usize, row: u64, records: u64) {
        self.read = self.read.saturating_add(records);
        let path = self.files.get_mut(file).map_or_else(String::new, |file| {
            file.read = file.read.saturating_add(records);
            file.path.clone()
        });
        let refused = self.refused.entry(reason).or_default();
        refused.records = refused.records.saturating_add(records);
        if refused.places.len() < PLACES_MAX {
            refused.places.push(RefusedPlace {
                file: path,
                row,
                records,
            });
        }
    }

    pub(super) fn keep(&mut self, file: usize) {
        self.read += 1;
        self.kept += 1;
        if let Some(file) = self.files.get_mut(file) {
            file.read += 1;
            file.kept += 1;
        }
    }
}
