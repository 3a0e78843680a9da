use std::path::Path;

use leckwehr_incident::Timestamp;

use super::account::{FileAccount, LoadAccount, Refusal};
use super::error::LoadError;
use super::gather::{EARLIEST_NS, LATE_NS_MAX, NODES_MAX};
use super::parquet_column::{Column, MISSING, Values};
use super::parquet_groups::{Groups, NodeKind};
use crate::reach::Columns;

/// Rows of one chunk: its columns fit into the second cache of a core.
pub const CHUNK_ROWS: usize = 1 << 16;

/// Contacts of a Parquet file with node numbers, chunk by chunk: for more contacts than fit into memory.
///
/// Holds one page of each column. Rows come in the order of the file; [`crate::Closure`] wants them in order of time, and
/// says so if they are not.
pub struct ParquetContacts {
    groups: Groups,
    columns: Option<[Column; 3]>,
    group: usize,
    /// Rows of the group that were given out or refused.
    done: u64,
    /// Rows of the groups before.
    before: u64,
    latest_ns: i64,
    account: LoadAccount,
}

/// Some contacts, column by column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactChunk {
    /// Times in nanoseconds.
    pub times: Vec<i64>,
    /// Nodes that opened the contacts.
    pub froms: Vec<u32>,
    /// Nodes that were touched.
    pub tos: Vec<u32>,
    /// Row of the first contact, from 0 in the file; the others follow, except where rows were refused.
    pub first_row: u64,
}

impl ContactChunk {
    /// Returns the columns as the closures take them.
    pub fn columns(&self) -> Columns<'_> {
        Columns {
            times: &self.times,
            froms: &self.froms,
            tos: &self.tos,
        }
    }

    fn clear(&mut self) {
        self.times.clear();
        self.froms.clear();
        self.tos.clear();
    }
}

impl ParquetContacts {
    /// Opens a file with the columns `time` (INT64: TIMESTAMP of any unit, or nanoseconds), `from` and `to` (INT32 or INT64).
    /// Contacts from later than a day after `now`, if given, will be refused.
    ///
    /// # Errors
    /// If the file cannot be opened, has no whole footer, or has other columns.
    pub fn open(path: &Path, now: Option<Timestamp>) -> Result<Self, LoadError> {
        let groups = Groups::open(path)?;
        for (column, name) in [(groups.from, "from"), (groups.to, "to")] {
            if column.kind == NodeKind::Text {
                return Err(LoadError::Column {
                    path: path.to_owned(),
                    column: name,
                    found: "names".to_owned(),
                    wanted: "INT32 or INT64 node numbers, to be streamed",
                });
            }
        }
        let file = FileAccount {
            path: path.display().to_string(),
            ..FileAccount::default()
        };
        Ok(Self {
            groups,
            columns: None,
            group: 0,
            done: 0,
            before: 0,
            latest_ns: now.map_or(i64::MAX, |now| now.0.saturating_add(LATE_NS_MAX)),
            account: LoadAccount {
                files: vec![file],
                ..LoadAccount::default()
            },
        })
    }

    /// Returns the rows of the file, as its footer says.
    pub fn rows(&self) -> u64 {
        (0..self.groups.len()).fold(0, |sum, group| sum.saturating_add(self.groups.rows(group)))
    }

    /// Returns what was read, kept and refused so far.
    pub fn account(&self) -> &LoadAccount {
        &self.account
    }

    /// Fills the chunk with the next contacts, at most [`CHUNK_ROWS`]; `false` at the end of the file.
    ///
    /// # Errors
    /// If the row group is damaged. Its other rows are refused, and the next call goes on behind it.
    pub fn next_chunk(&mut self, chunk: &mut ContactChunk) -> Result<bool, LoadError> {
        loop {
            if self.group >= self.groups.len() {
                chunk.clear();
                return Ok(false);
            }
            match self.read(chunk) {
                Ok(0) => self.next_group(),
                Ok(rows) => {
                    chunk.first_row = self.before + self.done;
                    self.done += rows as u64;
                    self.check(chunk);
                    if !chunk.times.is_empty() {
                        return Ok(true);
                    }
                }
                Err(why) => {
                    chunk.clear();
                    let (group, first) = (self.group, self.before + self.done + 1);
                    let lost = self.groups.rows(group).saturating_sub(self.done);
                    self.account.refuse(Refusal::DamagedPart, 0, first, lost);
                    self.next_group();
                    return Err(self.groups.damaged(group, first, lost, why));
                }
            }
        }
    }

    fn next_group(&mut self) {
        self.before = self.before.saturating_add(self.groups.rows(self.group));
        (self.done, self.columns) = (0, None);
        self.group += 1;
    }

    fn read(&mut self, chunk: &mut ContactChunk) -> Result<usize, String> {
        if self.columns.is_none() {
            let group = self.groups.group(self.group)?;
            let open = |index| Column::open(&*group, index, self.groups.is_optional(index));
            let (time, from, to) = (self.groups.time.index, self.groups.from.index, self.groups.to.index);
            self.columns = Some([open(time)?, open(from)?, open(to)?]);
        }
        let Some([time, from, to]) = self.columns.as_mut() else {
            return Ok(0);
        };
        let rows = time.next(CHUNK_ROWS)?;
        if from.next(CHUNK_ROWS)? != rows || to.next(CHUNK_ROWS)? != rows {
            return Err("the columns have different lengths".to_owned());
        }
        if rows == 0 && self.done < self.groups.rows(self.group) {
            return Err("rows that the footer names are missing".to_owned());
        }
        take_times(time, self.groups.time.unit_ns, &mut chunk.times);
        take_nodes(from, &mut chunk.froms);
        take_nodes(to, &mut chunk.tos);
        Ok(rows)
    }

    /// Refuses what is no contact. Looks at all rows at once first: most chunks are in order of time and have nothing to
    /// refuse. All bits of the node numbers together are an upper bound of the highest one.
    fn check(&mut self, chunk: &mut ContactChunk) {
        let in_time = |at: Option<&i64>| at.is_some_and(|at| (EARLIEST_NS..=self.latest_ns).contains(at));
        let times = &chunk.times;
        let good_times = times.is_sorted() && in_time(times.first()) && in_time(times.last());
        let bits = |nodes: &[u32]| nodes.iter().fold(0, |bits, node| bits | node);
        if !good_times || bits(&chunk.froms) | bits(&chunk.tos) >= NODES_MAX {
            self.check_each(chunk);
        }
        let kept = chunk.times.len() as u64;
        self.account.read += kept;
        self.account.kept += kept;
        if let Some(file) = self.account.files.first_mut() {
            file.read += kept;
            file.kept += kept;
        }
    }

    fn check_each(&mut self, chunk: &mut ContactChunk) {
        let mut good = ContactChunk::default();
        for (i, at) in chunk.times.iter().enumerate() {
            let (from, to) = (chunk.froms[i], chunk.tos[i]);
            let reason = match *at {
                MISSING => Some(Refusal::NoTime),
                at if at < EARLIEST_NS => Some(Refusal::TooEarly),
                at if at > self.latest_ns => Some(Refusal::TooLate),
                _ if from.max(to) >= NODES_MAX => Some(Refusal::NodeNumber),
                _ => None,
            };
            if let Some(reason) = reason {
                self.account.refuse(reason, 0, chunk.first_row + i as u64 + 1, 1);
                continue;
            }
            good.times.push(*at);
            good.froms.push(from);
            good.tos.push(to);
        }
        chunk.times = good.times;
        chunk.froms = good.froms;
        chunk.tos = good.tos;
    }
}

/// Moves the times out of the column, as nanoseconds.
fn take_times(column: &mut Column, unit_ns: i64, times: &mut Vec<i64>) {
    if let Values::Wide(_, values) = &mut column.values {
        std::mem::swap(values, times);
    }
    if unit_ns != 1 {
        times
            .iter_mut()
            .for_each(|at| *at = at.checked_mul(unit_ns).unwrap_or(MISSING));
    }
}

/// Copies node numbers; what is none becomes one that is over the limit.
fn take_nodes(column: &Column, nodes: &mut Vec<u32>) {
    nodes.clear();
    match &column.values {
        Values::Narrow(_, values) => nodes.extend(values.iter().map(|v| *v as u32)),
        Values::Wide(_, values) => nodes.extend(values.iter().map(|v| u32::try_from(*v).unwrap_or(u32::MAX))),
        Values::Text(..) => {}
    }
}
