use std::io::Write;
use std::sync::Arc;

use leckwehr_telemetry::{Kind, LogSource, NamedFields, Outcome, RawPlace, Record};
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

/// Rows of one row group.
const GROUP_ROWS: usize = 1 << 16;
/// Bytes of text in one row group: long records make smaller groups, so that memory stays bounded.
const GROUP_BYTES_MAX: usize = 64 << 20;

/// Columns of numbers: the first is required, the others may be null. Names are OCSF's, with `_` between their parts.
const NUMBERS: [&str; 9] = [
    "time",
    "class_uid",
    "status_id",
    "src_endpoint_port",
    "dst_endpoint_port",
    "traffic_bytes_out",
    "traffic_bytes_in",
    "duration_ns",
    "metadata_sequence",
];
/// Columns of text, null where the record does not say.
const TEXTS: [&str; 14] = [
    "device_hostname",
    "actor_user_name",
    "src_endpoint",
    "dst_endpoint",
    "activity_name",
    "object",
    "metadata_product",
    "metadata_log_name",
    "log_source_categories",
    "metadata_sensor",
    "raw_file",
    "raw_record",
    "raw_offset",
    "fields",
];

/// Writes records in the normal form as Parquet: one column per property, all fields of the record as JSON in `fields`, and where
/// the raw record lies. Zstandard, row groups of at most 65,536 rows.
pub struct EventWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    numbers: [Vec<Option<i64>>; NUMBERS.len()],
    texts: [Vec<Option<ByteArray>>; TEXTS.len()],
    bytes: usize,
    rows: u64,
}

impl<W: Write + Send> EventWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// If the sink cannot be written.
    pub fn new(sink: W) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .build();
        Ok(Self {
            file: SerializedFileWriter::new(sink, schema()?, Arc::new(properties))?,
            numbers: Default::default(),
            texts: Default::default(),
            bytes: 0,
            rows: 0,
        })
    }

    /// Adds a record of a file.
    ///
    /// # Errors
    /// If the sink cannot be written.
    pub fn push(
        &mut self,
        record: &Record<'_>,
        fields: NamedFields<'_>,
        source: &LogSource,
        file: &str,
        place: RawPlace,
    ) -> Result<()> {
        let port = |port: u16| (port > 0).then_some(i64::from(port));
        let count = |count: Option<u64>| count.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let numbers = [
            Some(record.time.0),
            Some(class_uid(record.kind)),
            Some(status_id(record.outcome)),
            port(record.origin_port),
            port(record.port),
            count(record.bytes_out),
            count(record.bytes_in),
            record.duration_ns,
            count(record.number),
        ];
        let categories = source.categories.join(" ");
        let (number, offset) = (place.record.to_string(), place.offset.to_string());
        let all: serde_json::Map<String, serde_json::Value> = all_fields(fields);
        let all = serde_json::Value::Object(all).to_string();
        let texts = [
            record.host,
            record.account,
            record.origin,
            record.destination,
            record.action,
            record.object,
            record.product.word(),
            record.service,
            &categories,
            record.sensor,
            file,
            &number,
            &offset,
            &all,
        ];
        for (column, number) in self.numbers.iter_mut().zip(numbers) {
            column.push(number);
        }
        for (column, text) in self.texts.iter_mut().zip(texts) {
            self.bytes += text.len();
            column.push((!text.is_empty()).then(|| ByteArray::from(text)));
        }
        self.rows += 1;
        if self.numbers[0].len() >= GROUP_ROWS || self.bytes >= GROUP_BYTES_MAX {
            self.end_group()?;
        }
        Ok(())
    }

    /// Returns the rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file and gives the sink back.
    ///
    /// # Errors
    /// If the sink cannot be written.
    pub fn finish(mut self) -> Result<W> {
        if !self.numbers[0].is_empty() {
            self.end_group()?;
        }
        self.file.into_inner()
    }

    fn end_group(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group()?;
        for (index, column) in self.numbers.iter_mut().enumerate() {
            let levels: Vec<i16> = column.iter().map(|n| i16::from(n.is_some())).collect();
            let levels = (index > 0).then_some(&levels[..]);
            // Class and status are small numbers, as OCSF has them.
            if matches!(index, 1..=4) {
                let values: Vec<i32> = column.iter().flatten().map(|n| *n as i32).collect();
                write::<Int32Type, W>(&mut group, &values, levels)?;
            } else {
                let values: Vec<i64> = column.iter().flatten().copied().collect();
                write::<Int64Type, W>(&mut group, &values, levels)?;
            }
            column.clear();
        }
        for column in &mut self.texts {
            let levels: Vec<i16> = column.iter().map(|t| i16::from(t.is_some())).collect();
            let values: Vec<ByteArray> = column.drain(..).flatten().collect();
            write::<ByteArrayType, W>(&mut group, &values, Some(&levels))?;
        }
        self.bytes = 0;
        group.close()?;
        Ok(())
    }
}

fn write<T: parquet::data_type::DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<()> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, levels, None)?;
        column.close()?;
    }
    Ok(())
}

/// All fields of a record by name; a name that is there several times has a list.
pub fn all_fields(fields: NamedFields<'_>) -> serde_json::Map<String, serde_json::Value> {
    let mut all = serde_json::Map::new();
    for (name, value) in fields.iter() {
        match all.get_mut(name) {
            None => drop(all.insert(name.to_owned(), value.into())),
            Some(serde_json::Value::Array(list)) => list.push(value.into()),
            Some(one) => *one = serde_json::Value::Array(vec![one.take(), value.into()]),
        }
    }
    all
}

fn schema() -> Result<TypePtr> {
    let mut fields = Vec::new();
    for (index, name) in NUMBERS.into_iter().enumerate() {
        let physical = if matches!(index, 1..=4) {
            Physical::INT32
        } else {
            Physical::INT64
        };
        let time = (index == 0).then(|| LogicalType::timestamp(true, TimeUnit::NANOS));
        let repetition = if index == 0 {
            Repetition::REQUIRED
        } else {
            Repetition::OPTIONAL
        };
        let field = Type::primitive_type_builder(name, physical)
            .with_logical_type(time)
            .with_repetition(repetition);
        fields.push(Arc::new(field.build()?));
    }
    for name in TEXTS {
        let field = Type::primitive_type_builder(name, Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::String));
        fields.push(Arc::new(field.with_repetition(Repetition::OPTIONAL).build()?));
    }
    Ok(Arc::new(Type::group_type_builder("event").with_fields(fields).build()?))
}

/// The OCSF class that a kind of event belongs to; 0, the base event, where none fits.
pub fn class_uid(kind: Kind) -> i64 {
    match kind {
        Kind::File => 1001,
        Kind::Process => 1007,
        Kind::Logon | Kind::Ticket => 3002,
        Kind::Flow | Kind::EgressCounter | Kind::RemoteCall | Kind::Tls => 4001,
        Kind::Web | Kind::Requests => 4002,
        Kind::Name => 4003,
        Kind::Share | Kind::ShareFile => 4006,
        Kind::Transfer => 4010,
        Kind::Backup | Kind::Other => 0,
    }
}

fn status_id(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Unknown => 0,
        Outcome::Success => 1,
        Outcome::Failure => 2,
    }
}
