use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::file::reader::{FileReader as _, RowGroupReader};
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::schema::types::ColumnDescriptor;

use super::error::LoadError;
use super::pread::Pread;

/// Magic number at both ends, and the length of the footer.
const SHORTEST_BYTES: u64 = 12;

/// A Parquet file with its footer read and its columns found.
pub(super) struct Groups {
    pub(super) path: PathBuf,
    reader: SerializedFileReader<Pread>,
    pub(super) time: TimeColumn,
    pub(super) from: NodeColumn,
    pub(super) to: NodeColumn,
    pub(super) account: Option<usize>,
    pub(super) by: Option<usize>,
}

/// Column of times and what one unit of it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeColumn {
    pub(super) index: usize,
    pub(super) unit_ns: i64,
}

/// Column of nodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeColumn {
    pub(super) index: usize,
    pub(super) kind: NodeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeKind {
    Narrow,
    Wide,
    Text,
}

impl Groups {
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        let cannot = |source| LoadError::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).and_then(Pread::new).map_err(cannot)?;
        let bytes = parquet::file::reader::Length::len(&file);
        let end = guard(|| {
            use parquet::file::reader::ChunkReader as _;
            file.get_bytes(bytes.saturating_sub(4), bytes.min(4) as usize)
        });
        if bytes < SHORTEST_BYTES || !end.is_ok_and(|end| &*end == b"PAR1") {
            return Err(LoadError::NoFooter {
                path: path.to_owned(),
                bytes,
            });
        }
        let reader = guard(|| SerializedFileReader::new(file)).map_err(|why| LoadError::Footer {
            path: path.to_owned(),
            why,
        })?;
        Self::find_columns(path, reader)
    }

    fn find_columns(path: &Path, reader: SerializedFileReader<Pread>) -> Result<Self, LoadError> {
        let schema = reader.metadata().file_metadata().schema_descr();
        let find = |name: &str| {
            let column = schema.columns().iter().position(|c| c.path().parts() == [name]);
            column.and_then(|index| Some((index, schema.columns().get(index)?.as_ref())))
        };
        let wrong = |column: &'static str, found: Option<&ColumnDescriptor>, wanted: &'static str| LoadError::Column {
            path: path.to_owned(),
            column,
            found: found.map_or_else(
                || "missing".to_owned(),
                |c| format!("{:?} {:?}", c.physical_type(), c.logical_type_ref()),
            ),
            wanted,
        };
        let text = |name: &'static str| match find(name) {
            None => Ok(None),
            Some((index, c)) if is_flat(c) && c.physical_type() == Type::BYTE_ARRAY => Ok(Some(index)),
            Some((_, c)) => Err(wrong(name, Some(c), "BYTE_ARRAY")),
        };
        let node = |name: &'static str| {
            let found = find(name);
            let column = found.filter(|(_, c)| is_flat(c)).and_then(|(index, c)| {
                let kind = node_kind(c)?;
                Some(NodeColumn { index, kind })
            });
            column.ok_or_else(|| wrong(name, found.map(|(_, c)| c), "INT32, INT64 or BYTE_ARRAY"))
        };
        let time = find("time");
        let unit_ns = time.filter(|(_, c)| is_flat(c)).and_then(|(index, c)| {
            let unit_ns = unit_ns(c)?;
            Some(TimeColumn { index, unit_ns })
        });
        Ok(Self {
            time: unit_ns.ok_or_else(|| wrong("time", time.map(|(_, c)| c), "INT64, nanoseconds or a TIMESTAMP"))?,
            from: node("from")?,
            to: node("to")?,
            account: text("account")?,
            by: text("by")?,
            path: path.to_owned(),
            reader,
        })
    }

    /// Returns the number of row groups.
    pub(super) fn len(&self) -> usize {
        self.reader.metadata().num_row_groups()
    }

    /// Returns the rows of a group, as the footer says.
    pub(super) fn rows(&self, group: usize) -> u64 {
        let groups = self.reader.metadata().row_groups();
        groups
            .get(group)
            .map_or(0, |group| u64::try_from(group.num_rows()).unwrap_or(0))
    }

    /// Returns whether rows can have no value in a column.
    pub(super) fn is_optional(&self, column: usize) -> bool {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        schema.columns().get(column).is_some_and(|c| c.max_def_level() > 0)
    }

    pub(super) fn group(&self, group: usize) -> Result<Box<dyn RowGroupReader + '_>, String> {
        guard(|| self.reader.get_row_group(group))
    }

    pub(super) fn damaged(&self, group: usize, first: u64, rows: u64, why: String) -> LoadError {
        LoadError::Damaged {
            path: self.path.clone(),
            group,
            first,
            last: first.saturating_add(rows.saturating_sub(1)),
            why,
        }
    }
}

/// One value a row, or none.
fn is_flat(column: &ColumnDescriptor) -> bool {
    column.max_rep_level() == 0 && column.max_def_level() <= 1
}

fn node_kind(column: &ColumnDescriptor) -> Option<NodeKind> {
    match column.physical_type() {
        Type::INT32 => Some(NodeKind::Narrow),
        Type::INT64 => Some(NodeKind::Wide),
        Type::BYTE_ARRAY => Some(NodeKind::Text),
        _ => None,
    }
}

/// Returns the nanoseconds of one unit of a column of times. A plain INT64 is nanoseconds.
fn unit_ns(column: &ColumnDescriptor) -> Option<i64> {
    if column.physical_type() != Type::INT64 {
        return None;
    }
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Timestamp(time)), _) => match time.unit {
            TimeUnit::MILLIS => Some(1_000_000),
            TimeUnit::MICROS => Some(1_000),
            TimeUnit::NANOS => Some(1),
        },
        (Some(LogicalType::Integer(_)), _) => Some(1),
        (Some(_), _) => None,
        (None, ConvertedType::TIMESTAMP_MILLIS) => Some(1_000_000),
        (None, ConvertedType::TIMESTAMP_MICROS) => Some(1_000),
        (None, _) => Some(1),
    }
}

/// Calls the Parquet reader, which panics on some damaged files: that is an error like the others.
pub(super) fn guard<T>(read: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the values do not fit together".to_owned()),
    }
}
