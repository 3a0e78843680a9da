use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::file::reader::RowGroupReader;

use super::parquet_groups::guard;

/// One column of a row group, read piece by piece.
pub(super) struct Column {
    pub(super) values: Values,
    /// Whether each row has a value; only for columns in which rows can be without.
    levels: Option<Vec<i16>>,
}

pub(super) enum Values {
    Narrow(ColumnReaderImpl<Int32Type>, Vec<i32>),
    Wide(ColumnReaderImpl<Int64Type>, Vec<i64>),
    Text(ColumnReaderImpl<ByteArrayType>, Vec<ByteArray>),
}

/// Stands where a row has no value; no time and no node.
pub(super) const MISSING: i64 = i64::MIN;

impl Column {
    pub(super) fn open(group: &dyn RowGroupReader, column: usize, is_optional: bool) -> Result<Self, String> {
        let values = match guard(|| group.get_column_reader(column))? {
            ColumnReader::Int32ColumnReader(reader) => Values::Narrow(reader, Vec::new()),
            ColumnReader::Int64ColumnReader(reader) => Values::Wide(reader, Vec::new()),
            ColumnReader::ByteArrayColumnReader(reader) => Values::Text(reader, Vec::new()),
            _ => return Err("the column has another type here".to_owned()),
        };
        Ok(Self {
            values,
            levels: is_optional.then(Vec::new),
        })
    }

    /// Reads the next rows, at most `max` of them; fewer come at the end only.
    pub(super) fn next(&mut self, max: usize) -> Result<usize, String> {
        let levels = self.levels.as_mut();
        match &mut self.values {
            Values::Narrow(reader, values) => read(reader, max, levels, values, &i32::MIN),
            Values::Wide(reader, values) => read(reader, max, levels, values, &MISSING),
            Values::Text(reader, values) => read(reader, max, levels, values, &ByteArray::from(Vec::new())),
        }
    }

    /// Returns the number in a row; [`MISSING`] or another negative one if there is none.
    pub(super) fn number(&self, row: usize) -> i64 {
        match &self.values {
            Values::Narrow(_, values) => values.get(row).map_or(MISSING, |v| i64::from(*v)),
            Values::Wide(_, values) => values.get(row).copied().unwrap_or(MISSING),
            Values::Text(..) => MISSING,
        }
    }

    /// Returns the text in a row, empty if there is none; `None` if it is not UTF-8.
    pub(super) fn text(&self, row: usize) -> Option<&str> {
        match &self.values {
            Values::Text(_, values) => values.get(row).map_or(Some(""), |value| value.as_utf8().ok()),
            _ => Some(""),
        }
    }
}

fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    max: usize,
    mut levels: Option<&mut Vec<i16>>,
    values: &mut Vec<T::T>,
    missing: &T::T,
) -> Result<usize, String> {
    values.clear();
    if let Some(levels) = levels.as_mut() {
        levels.clear();
    }
    let (rows, found, _) = guard(|| reader.read_records(max, levels.as_deref_mut(), None, values))?;
    let Some(levels) = levels else { return Ok(rows) };
    if found < rows {
        let mut packed = std::mem::take(values).into_iter();
        let row = |level: &i16| if *level > 0 { packed.next() } else { None };
        values.extend(levels.iter().map(row).map(|value| value.unwrap_or_else(|| missing.clone())));
    }
    Ok(rows)
}
