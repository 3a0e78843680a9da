use std::path::Path;

use csv_core::{ReadRecordResult, Reader};
use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{LINE_BYTES_MAX, Line, open, read_line};

use super::account::Refusal;
use super::error::LoadError;
use super::gather::{Gather, Given, Node};

/// Columns of a file; more are a mistake.
const COLUMNS_MAX: usize = 64;

/// Reads `time,from,to[,account][,by]` with these names in the first line, in any order, beside other columns.
///
/// Quotes as in RFC 4180, but a record ends with its line: a host's name has no line break, and an open quote costs one line
/// and not the rest of the file. Times are RFC 3339 or whole nanoseconds since 1970.
pub(super) fn read_file(gather: &mut Gather<'_>, path: &Path) -> Result<(), LoadError> {
    gather.begin(&path.display().to_string());
    let mut columns: Option<Columns> = None;
    let mut fields = Fields::new();
    each_line(path, &mut |number, line| {
        let line = match line {
            Ok(line) => line.strip_suffix(b"\r").unwrap_or(line),
            Err(reason) => {
                gather.refuse(reason, number, 1);
                return Ok(());
            }
        };
        if line.trim_ascii().is_empty() {
            gather.beside(1);
            return Ok(());
        }
        let Some(known) = &columns else {
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            columns = Some(Columns::read(&mut fields, line, path)?);
            return Ok(());
        };
        match fields.split(line).filter(|found| *found == known.all) {
            None => gather.refuse(Refusal::Fields, number, 1),
            Some(_) => match known.given(&fields) {
                Some(given) => gather.take(number, &given),
                None => gather.refuse(Refusal::Encoding, number, 1),
            },
        }
        Ok(())
    })
}

/// Takes a line by its number, or the reason why it is none.
type TakeLine<'t> = dyn FnMut(u64, Result<&[u8], Refusal>) -> Result<(), LoadError> + 't;

/// Hands out the lines of a file that may be packed, numbered from 1; one that is too long is only named.
pub(super) fn each_line(path: &Path, take: &mut TakeLine<'_>) -> Result<(), LoadError> {
    let mut reader = open(path).map_err(|source| LoadError::Open {
        path: path.to_owned(),
        source,
    })?;
    let (mut line, mut number, mut offset) = (Vec::new(), 0, 0);
    loop {
        let found = read_line(&mut *reader, &mut line, LINE_BYTES_MAX, &mut offset);
        let found = found.map_err(|source| LoadError::Read {
            path: path.to_owned(),
            line: number,
            source,
        })?;
        number += 1;
        match found {
            Line::End => return Ok(()),
            Line::Whole => take(number, Ok(&line))?,
            Line::TooLong => take(number, Err(Refusal::LineTooLong))?,
        }
    }
}

struct Columns {
    time: usize,
    from: usize,
    to: usize,
    account: Option<usize>,
    by: Option<usize>,
    all: usize,
}

impl Columns {
    fn read(fields: &mut Fields, line: &[u8], path: &Path) -> Result<Self, LoadError> {
        let all = fields.split(line).unwrap_or(0);
        let find = |name: &str| (0..all).find(|i| fields.get(*i).is_some_and(|f| f.trim().eq_ignore_ascii_case(name)));
        let need = |name: &'static str| {
            find(name).ok_or_else(|| LoadError::Header {
                path: path.to_owned(),
                missing: name,
            })
        };
        Ok(Self {
            time: need("time")?,
            from: need("from")?,
            to: need("to")?,
            account: find("account"),
            by: find("by"),
            all,
        })
    }

    fn given<'f>(&self, fields: &'f Fields) -> Option<Given<'f>> {
        let optional = |column: Option<usize>| column.map_or(Some(""), |column| fields.get(column));
        Some(Given {
            at: time(fields.get(self.time)?),
            from: Node::Text(fields.get(self.from)?),
            to: Node::Text(fields.get(self.to)?),
            account: optional(self.account)?,
            by: optional(self.by)?,
            took_ns: 0,
        })
    }
}

/// Reads whole nanoseconds or RFC 3339.
fn time(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<Timestamp>().ok().map(|t| t.0))
}

/// The fields of one line.
struct Fields {
    reader: Reader,
    bytes: Vec<u8>,
    ends: [usize; COLUMNS_MAX],
    all: usize,
}

impl Fields {
    fn new() -> Self {
        Self {
            reader: Reader::new(),
            bytes: Vec::new(),
            ends: [0; COLUMNS_MAX],
            all: 0,
        }
    }

    /// Splits a line and returns how many fields it has; `None` for an open quote or too many fields.
    fn split(&mut self, line: &[u8]) -> Option<usize> {
        self.all = 0;
        self.reader.reset();
        if self.bytes.len() <= line.len() {
            self.bytes.resize(line.len() + 1, 0);
        }
        if line.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
            return None;
        }
        let (result, _, bytes, fields) = self.reader.read_record(line, &mut self.bytes, &mut self.ends);
        if result != ReadRecordResult::InputEmpty {
            return None;
        }
        // No more input: what is open ends here.
        let (rest, ends) = (self.bytes.get_mut(bytes..)?, self.ends.get_mut(fields..)?);
        let (result, _, _, last) = self.reader.read_record(b"", rest, ends);
        if result != ReadRecordResult::Record {
            return None;
        }
        self.all = fields + last;
        Some(self.all)
    }

    fn get(&self, field: usize) -> Option<&str> {
        let end = *self.ends.get(..self.all)?.get(field)?;
        let start = field.checked_sub(1).map_or(0, |before| self.ends[before]);
        std::str::from_utf8(self.bytes.get(start..end)?).ok()
    }
}
