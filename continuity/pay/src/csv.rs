use csv_core::{ReadRecordResult, ReaderBuilder};

use crate::fault::{Defect, Fault, Field};
use crate::input::whole;
use crate::order::{ORDERS_MAX, Row};

/// Longest row in bytes.
const ROW_BYTES_MAX: usize = 16 << 10;
/// Most columns.
const COLUMNS_MAX: usize = 64;

/// Reads rows under a head line that names the columns. Separator is the comma, semicolon or tab that the head has most of.
/// O(bytes).
pub(crate) fn rows(file: &str, text: &str) -> Result<Vec<Row>, Fault> {
    let head = text.lines().next().unwrap_or_default();
    let count = |separator: &u8| head.bytes().filter(|b| b == separator).count();
    let separator = [b',', b';', b'\t'].into_iter().max_by_key(count).unwrap_or(b',');
    let mut reader = Rows {
        csv: ReaderBuilder::new().delimiter(separator).build(),
        rest: text.as_bytes(),
        output: vec![0; ROW_BYTES_MAX],
        ends: vec![0; COLUMNS_MAX],
    };
    let (_, names) = reader.next(file)?.ok_or_else(|| whole(file, 1, Defect::Missing))?;
    let columns = columns(&names).ok_or_else(|| whole(file, 1, Defect::Column))?;
    let mut rows = Vec::new();
    while let Some((line, values)) = reader.next(file)? {
        if rows.len() == ORDERS_MAX {
            return Err(whole(file, line, Defect::TooMany));
        }
        let mut row = Row { line, ..Row::default() };
        if values.len() == columns.len() {
            row.values = columns.iter().copied().zip(values).collect();
        } else {
            row.defects.push((Field::File, Defect::RowLength));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn columns(names: &[String]) -> Option<Vec<Field>> {
    let columns: Vec<Field> = names
        .iter()
        .map(|name| Field::of_column(name.trim()))
        .collect::<Option<_>>()?;
    let mut sorted = columns.clone();
    sorted.sort_unstable();
    sorted.dedup();
    (sorted.len() == columns.len()).then_some(columns)
}

struct Rows<'t> {
    csv: csv_core::Reader,
    rest: &'t [u8],
    output: Vec<u8>,
    ends: Vec<usize>,
}

impl Rows<'_> {
    /// Returns the next row with the line it begins at; empty lines are passed over.
    fn next(&mut self, file: &str) -> Result<Option<(u64, Vec<String>)>, Fault> {
        // The parser counts a line when it meets its end, and passes over empty lines at the beginning of a row.
        let empty = self.rest.iter().take_while(|b| matches!(b, b'\n' | b'\r'));
        let line = self.csv.line() + empty.filter(|b| **b == b'\n').count() as u64;
        let (mut bytes, mut fields) = (0, 0);
        loop {
            let (output, ends) = (self.output.get_mut(bytes..), self.ends.get_mut(fields..));
            let (Some(output), Some(ends)) = (output, ends) else {
                return Err(whole(file, line, Defect::LineTooLong));
            };
            let (result, read, written, ended) = self.csv.read_record(self.rest, output, ends);
            self.rest = self.rest.get(read..).unwrap_or_default();
            bytes += written;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => return Err(whole(file, line, Defect::LineTooLong)),
                ReadRecordResult::OutputEndsFull => return Err(whole(file, line, Defect::RowLength)),
                ReadRecordResult::Record => return Ok(Some((line, self.values(fields)))),
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    fn values(&self, fields: usize) -> Vec<String> {
        let mut begin = 0;
        let ends = self.ends.iter().take(fields);
        let values = ends.map(|end| {
            let value = self.output.get(begin..*end).unwrap_or_default();
            begin = *end;
            String::from_utf8_lossy(value).into_owned()
        });
        values.collect()
    }
}
