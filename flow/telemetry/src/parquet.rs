use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use crate::ocsf_class::{activity, class};
use crate::{Event, Events, Kind, Outcome};

/// Events of one row group.
pub const GROUP_EVENTS: usize = 32_768;
/// Bytes of raw fields held for one row group; a group with more is written earlier.
pub const GROUP_FIELD_BYTES: usize = 1 << 26;

/// Writes events as Parquet, its columns named and nested as the Open Cybersecurity Schema Framework (1.6) does.
///
/// `time` is in UTC, in nanoseconds, `timezone_offset` the source's own in minutes. `raw` says where the raw record is:
/// file or stream, number, byte offset. `unmapped` holds every field of the record by its name, further values of one name
/// under `name#2` and so on. What a record does not say is null. Zstandard; memory is bounded by [`GROUP_EVENTS`] and
/// [`GROUP_FIELD_BYTES`].
pub struct EventWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    held: Events,
}

impl<W: Write + Send> EventWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// That the sink cannot be written, as [`std::io::Error`] inside.
    pub fn new(sink: W) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .build();
        Ok(Self {
            file: SerializedFileWriter::new(sink, schema()?, Arc::new(properties))?,
            held: Events::default(),
        })
    }

    /// Adds events.
    ///
    /// # Errors
    /// That the sink cannot be written.
    pub fn push(&mut self, events: &Events) -> Result<()> {
        self.held.append(events);
        if self.held.len() >= GROUP_EVENTS || self.held.field_bytes() >= GROUP_FIELD_BYTES {
            self.end_group()?;
        }
        Ok(())
    }

    /// Ends the file and gives the sink back.
    ///
    /// # Errors
    /// That the sink cannot be written.
    pub fn finish(mut self) -> Result<W> {
        if !self.held.is_empty() {
            self.end_group()?;
        }
        self.file.into_inner()
    }

    fn end_group(&mut self) -> Result<()> {
        let events = std::mem::take(&mut self.held);
        let mut group = self.file.next_row_group()?;
        for (_, get) in COLUMNS {
            match get {
                Get::Time => {
                    let times: Vec<i64> = events.iter().map(|e| e.time().0).collect();
                    write::<Int64Type, _>(&mut group, &times, None, None)?;
                }
                Get::Int(get) => optional::<Int32Type, _>(&mut group, events.iter().map(|e| get(&e)))?,
                Get::Long(get) => optional::<Int64Type, _>(&mut group, events.iter().map(|e| get(&e)))?,
                Get::Text(get) => {
                    let said = |event: Event<'_>| Some(get(&event)).filter(|t| !t.is_empty()).map(ByteArray::from);
                    optional::<ByteArrayType, _>(&mut group, events.iter().map(said))?;
                }
            }
        }
        unmapped(&mut group, &events)?;
        group.close().map(drop)
    }
}

/// How a column's value of an event is found.
enum Get {
    Time,
    Int(fn(&Event<'_>) -> Option<i32>),
    Long(fn(&Event<'_>) -> Option<i64>),
    /// Empty is null.
    Text(for<'a> fn(&Event<'a>) -> &'a str),
}

/// Columns by their dotted path; those of one group stand together.
const COLUMNS: &[(&str, Get)] = &[
    ("time", Get::Time),
    ("timezone_offset", Get::Int(|e| e.utc_offset_s().map(|s| s / 60))),
    ("class_uid", Get::Int(|e| Some(class(e.kind()).uid))),
    ("class_name", Get::Text(|e| class(e.kind()).name)),
    ("category_uid", Get::Int(|e| Some(class(e.kind()).uid / 1_000))),
    ("activity_id", Get::Int(|e| Some(activity(e.kind(), e.action())))),
    ("activity_name", Get::Text(|e| e.action())),
    (
        "type_uid",
        Get::Long(|e| Some(i64::from(class(e.kind()).uid) * 100 + i64::from(activity(e.kind(), e.action())))),
    ),
    // Raw telemetry claims no severity: that is a finding's.
    ("severity_id", Get::Int(|_| Some(0))),
    (
        "status_id",
        Get::Int(|e| {
            Some(match e.outcome() {
                Outcome::Success => 1,
                Outcome::Failure => 2,
                Outcome::Unknown => 0,
            })
        }),
    ),
    ("metadata.product.name", Get::Text(|e| e.product().word())),
    ("metadata.log_name", Get::Text(|e| e.service())),
    ("metadata.log_provider", Get::Text(|e| e.sensor())),
    ("metadata.labels", Get::Text(|e| e.category())),
    ("metadata.version", Get::Text(|_| "1.6.0")),
    ("device.hostname", Get::Text(|e| e.host())),
    ("src_endpoint.ip", Get::Text(|e| address(e.origin()))),
    ("src_endpoint.hostname", Get::Text(|e| host(e.origin()))),
    ("src_endpoint.port", Get::Int(|e| port(e.origin_port()))),
    ("dst_endpoint.ip", Get::Text(|e| address(e.destination()))),
    ("dst_endpoint.hostname", Get::Text(|e| host(e.destination()))),
    ("dst_endpoint.port", Get::Int(|e| port(e.port()))),
    ("actor.user.name", Get::Text(|e| e.account())),
    ("process.cmd_line", Get::Text(|e| object(e, &[Kind::Process]))),
    (
        "file.path",
        Get::Text(|e| object(e, &[Kind::File, Kind::Share, Kind::ShareFile, Kind::Transfer])),
    ),
    (
        "file.size",
        Get::Long(|e| size(e).filter(|_| !matches!(e.kind(), Kind::Requests))),
    ),
    (
        "http_request.url.path",
        Get::Text(|e| object(e, &[Kind::Web, Kind::Requests])),
    ),
    ("query.hostname", Get::Text(|e| object(e, &[Kind::Name]))),
    ("tls.sni", Get::Text(|e| object(e, &[Kind::Tls]))),
    (
        "service.name",
        Get::Text(|e| object(e, &[Kind::Ticket, Kind::RemoteCall, Kind::Flow])),
    ),
    ("resource.name", Get::Text(|e| object(e, &[Kind::Backup, Kind::Other]))),
    (
        "traffic.bytes_out",
        Get::Long(|e| e.bytes_out().and_then(|b| i64::try_from(b).ok())),
    ),
    (
        "traffic.bytes_in",
        Get::Long(|e| e.bytes_in().and_then(|b| i64::try_from(b).ok())),
    ),
    ("count", Get::Long(|e| size(e).filter(|_| matches!(e.kind(), Kind::Requests)))),
    ("duration", Get::Long(|e| e.duration_ns().map(|ns| ns / 1_000_000))),
    ("raw.source", Get::Text(|e| e.source())),
    ("raw.record", Get::Long(|e| i64::try_from(e.record()).ok())),
    ("raw.offset", Get::Long(|e| i64::try_from(e.offset()).ok())),
];

fn address(text: &str) -> &str {
    if text.parse::<std::net::IpAddr>().is_ok() { text } else { "" }
}

fn host(text: &str) -> &str {
    if text.parse::<std::net::IpAddr>().is_ok() { "" } else { text }
}

fn port(port: u16) -> Option<i32> {
    (port != 0).then_some(i32::from(port))
}

fn size(event: &Event<'_>) -> Option<i64> {
    event.size().and_then(|size| i64::try_from(size).ok())
}

fn object<'a>(event: &Event<'a>, kinds: &[Kind]) -> &'a str {
    if kinds.contains(&event.kind()) { event.object() } else { "" }
}

fn optional<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<()> {
    let (mut said, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        said.extend(value);
    }
    write::<T, W>(group, &said, Some(&levels), None)
}

fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    definitions: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) -> Result<()> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, definitions, repetitions)?;
        column.close()?;
    }
    Ok(())
}

/// Writes the raw fields as a map: keys, then values.
fn unmapped<W: Write + Send>(group: &mut SerializedRowGroupWriter<'_, W>, events: &Events) -> Result<()> {
    let (mut keys, mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for event in events.iter() {
        let first = definitions.len();
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in event.fields() {
            let times = 1 + seen.iter().filter(|known| **known == name).count();
            seen.push(name);
            keys.push(match times {
                1 => ByteArray::from(name),
                times => ByteArray::from(format!("{name}#{times}").into_bytes()),
            });
            values.push(ByteArray::from(value));
            repetitions.push(i16::from(definitions.len() > first));
            definitions.push(1);
        }
        if definitions.len() == first {
            definitions.push(0);
            repetitions.push(0);
        }
    }
    write::<ByteArrayType, W>(group, &keys, Some(&definitions), Some(&repetitions))?;
    write::<ByteArrayType, W>(group, &values, Some(&definitions), Some(&repetitions))
}

fn schema() -> Result<TypePtr> {
    let columns: Vec<(&str, &Get)> = COLUMNS.iter().map(|(path, get)| (*path, get)).collect();
    let mut fields = members(&columns)?;
    let text = |name| {
        let text = Type::primitive_type_builder(name, Physical::BYTE_ARRAY).with_repetition(Repetition::REQUIRED);
        text.with_logical_type(Some(LogicalType::String)).build().map(Arc::new)
    };
    let entry = Type::group_type_builder("key_value").with_repetition(Repetition::REPEATED);
    let entry = entry.with_fields(vec![text("key")?, text("value")?]).build()?;
    let map = Type::group_type_builder("unmapped").with_repetition(Repetition::REQUIRED);
    let map = map
        .with_converted_type(ConvertedType::MAP)
        .with_fields(vec![Arc::new(entry)])
        .build()?;
    fields.push(Arc::new(map));
    Ok(Arc::new(Type::group_type_builder("event").with_fields(fields).build()?))
}

/// Builds the members of a group from paths without the group's own.
fn members(columns: &[(&str, &Get)]) -> Result<Vec<TypePtr>> {
    let head = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for group in columns.chunk_by(|(a, _), (b, _)| head(a) == head(b)) {
        let Some((path, get)) = group.first() else { continue };
        let name = head(path);
        found.push(Arc::new(if *path == name {
            leaf(&name, get)?
        } else {
            let inner = group.iter().filter_map(|(path, get)| Some((path.split_once('.')?.1, *get)));
            let inner = members(&inner.collect::<Vec<_>>())?;
            Type::group_type_builder(&name)
                .with_repetition(Repetition::REQUIRED)
                .with_fields(inner)
                .build()?
        }));
    }
    Ok(found)
}

fn leaf(name: &str, get: &Get) -> Result<Type> {
    let (physical, logical, repetition) = match get {
        Get::Time => {
            let time = LogicalType::timestamp(true, TimeUnit::NANOS);
            (Physical::INT64, Some(time), Repetition::REQUIRED)
        }
        Get::Int(_) => (Physical::INT32, None, Repetition::OPTIONAL),
        Get::Long(_) => (Physical::INT64, None, Repetition::OPTIONAL),
        Get::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::OPTIONAL),
    };
    let leaf = Type::primitive_type_builder(name, physical).with_logical_type(logical);
    leaf.with_repetition(repetition).build()
}
