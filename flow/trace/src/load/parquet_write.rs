use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use crate::reach::{Columns, Contacts};

/// Rows of one row group.
pub const GROUP_ROWS: usize = 1 << 20;
/// Bytes of one page: a page of times is decoded into the cache.
const PAGE_BYTES: usize = 1 << 20;

/// Writes contacts as Parquet, to be read fast: required columns `time` (INT64, TIMESTAMP of nanoseconds in UTC), `from` and
/// `to` (INT32), PLAIN, not packed, in row groups of [`GROUP_ROWS`]. 16 bytes a contact.
pub struct ContactWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    times: Vec<i64>,
    froms: Vec<i32>,
    tos: Vec<i32>,
}

impl<W: Write + Send> ContactWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// If the sink cannot be written, as [`std::io::Error`] inside.
    pub fn new(sink: W) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::PLAIN)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_data_page_size_limit(PAGE_BYTES)
            .set_data_page_row_count_limit(usize::MAX)
            .set_write_batch_size(PAGE_BYTES / 8)
            .build();
        Ok(Self {
            file: SerializedFileWriter::new(sink, schema()?, Arc::new(properties))?,
            times: Vec::with_capacity(GROUP_ROWS),
            froms: Vec::with_capacity(GROUP_ROWS),
            tos: Vec::with_capacity(GROUP_ROWS),
        })
    }

    /// Adds contacts; nodes are below 2³¹.
    ///
    /// # Errors
    /// If the sink cannot be written.
    pub fn push(&mut self, columns: Columns<'_>) -> Result<()> {
        let mut start = 0;
        while start < columns.len() {
            let end = columns.len().min(start + GROUP_ROWS - self.times.len());
            let part = columns.part(start, end);
            self.times.extend_from_slice(part.times);
            self.froms.extend(part.froms.iter().map(|node| *node as i32));
            self.tos.extend(part.tos.iter().map(|node| *node as i32));
            if self.times.len() == GROUP_ROWS {
                self.end_group()?;
            }
            start = end;
        }
        Ok(())
    }

    /// Ends the file and gives the sink back.
    ///
    /// # Errors
    /// If the sink cannot be written.
    pub fn finish(mut self) -> Result<W> {
        if !self.times.is_empty() {
            self.end_group()?;
        }
        self.file.into_inner()
    }

    fn end_group(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group()?;
        if let Some(mut column) = group.next_column()? {
            column.typed::<Int64Type>().write_batch(&self.times, None, None)?;
            column.close()?;
        }
        for nodes in [&self.froms, &self.tos] {
            if let Some(mut column) = group.next_column()? {
                column.typed::<Int32Type>().write_batch(nodes, None, None)?;
                column.close()?;
            }
        }
        group.close()?;
        self.times.clear();
        self.froms.clear();
        self.tos.clear();
        Ok(())
    }
}

/// Writes contacts in order of time; see [`ContactWriter`].
///
/// # Errors
/// If the sink cannot be written.
pub fn write_contacts<W: Write + Send>(sink: W, contacts: &Contacts) -> Result<W> {
    let mut writer = ContactWriter::new(sink)?;
    writer.push(contacts.columns())?;
    writer.finish()
}

fn schema() -> Result<TypePtr> {
    let time = LogicalType::timestamp(true, TimeUnit::NANOS);
    let time = Type::primitive_type_builder("time", Physical::INT64).with_logical_type(Some(time));
    let node = |name| {
        Type::primitive_type_builder(name, Physical::INT32)
            .with_repetition(Repetition::REQUIRED)
            .build()
    };
    let time = time.with_repetition(Repetition::REQUIRED).build()?;
    let fields = vec![Arc::new(time), Arc::new(node("from")?), Arc::new(node("to")?)];
    Ok(Arc::new(Type::group_type_builder("contact").with_fields(fields).build()?))
}
