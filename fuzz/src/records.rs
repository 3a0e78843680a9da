//! What all targets of telemetry look at: the records that come out.

use leckwehr_telemetry::{FIELDS_MAX, Fault, Lines, Read, Sheet};

use crate::fingerprint;

/// Describes the record in the sheet, or why there is none. Its promises are held: numbers of names are known, texts lie in the
/// arena, a record has a place.
pub(crate) fn shape(read: &Result<Read, Fault>, sheet: &Sheet) -> u64 {
    match read {
        Ok(Read::Nothing) => 1,
        Err(fault) => fingerprint(fault.reason.bytes().map(u64::from)),
        Ok(Read::Record) => {
            assert!(sheet.fields().len() <= FIELDS_MAX, "more fields than the limit");
            let bytes: usize = sheet.named().iter().map(|(name, value)| name.len() + value.len()).sum();
            let source = sheet.source().index() as u64;
            let columns = match sheet.record() {
                Ok(Some(record)) => fingerprint([record.kind as u64, record.outcome as u64, u64::from(record.port > 0)]),
                Ok(None) => 2,
                Err(reason) => reason.len() as u64,
            };
            fingerprint([
                source,
                sheet.fields().len() as u64,
                bytes.checked_ilog2().unwrap_or(0).into(),
                columns,
            ])
        }
    }
}

/// Reads all records that wait, ends the stream, and reads again.
pub(crate) fn drain(lines: &mut Lines, sheet: &mut Sheet) -> u64 {
    let mut shapes = Vec::new();
    for _ in 0..2 {
        // A damaged record is told once and passed over.
        for _ in 0..100_000 {
            let read = lines.more(sheet);
            shapes.push(shape(&read, sheet));
            if read == Ok(Read::Nothing) {
                break;
            }
        }
        lines.finish();
    }
    assert_eq!(lines.more(sheet), Ok(Read::Nothing), "records without an end");
    while let Some(loss) = lines.loss() {
        shapes.push(loss.records.min(9));
    }
    shapes.sort_unstable();
    shapes.dedup();
    fingerprint(shapes)
}
