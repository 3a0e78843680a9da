//! OpenTelemetry logs (OTLP 1.x, `opentelemetry/proto/logs/v1/logs.proto`), as Protocol Buffers and as JSON.

use std::collections::VecDeque;
use std::fmt::Write;

use leckwehr_incident::Timestamp;
use serde_json::Value as Json;

use crate::columns::Columns;
use crate::format::json::JsonReader;
use crate::format::protobuf::{Message, Wire};
use crate::format::text::Text;
use crate::format::{Fault, Read, dissolve};
use crate::{FieldsFull, Kind, Product, RawPlace, Sheet};

/// Nested lists and maps of an attribute that are looked into.
const DEPTH_MAX: usize = 16;
/// Pairs kept of one record, those of its resource and scope counted in.
const PAIRS_MAX: usize = 512;
/// Records of one request that wait to be handed out.
pub const REQUEST_RECORDS_MAX: usize = 65_536;

/// How a request's body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpEncoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

/// Reads requests (`ExportLogsServiceRequest`) and gives their log records one by one.
#[derive(Debug, Default)]
pub(crate) struct OtlpReader {
    records: VecDeque<LogRecord>,
    place: RawPlace,
}

/// A log record with what it shares with others.
#[derive(Debug, Default, Clone)]
struct LogRecord {
    time_ns: u64,
    observed_ns: u64,
    severity: String,
    severity_number: u64,
    body: String,
    event_name: String,
    trace: String,
    pairs: Vec<(String, String)>,
}

impl OtlpReader {
    /// Takes a request; returns how many records it holds.
    ///
    /// # Errors
    /// Why it cannot be read, or not to its end; the records before are kept.
    pub fn take(&mut self, body: &[u8], encoding: OtlpEncoding, place: RawPlace) -> Result<usize, Fault> {
        self.place = place;
        let before = self.records.len();
        match encoding {
            OtlpEncoding::Protobuf => self.take_protobuf(body)?,
            OtlpEncoding::Json => self.take_json(body)?,
        }
        Ok(self.records.len() - before)
    }

    /// Writes the next record into the sheet. A body that is a record of another format is read as that.
    pub fn more(&mut self, text: &mut Text, json: &mut JsonReader, sheet: &mut Sheet) -> Result<Read, Fault> {
        while let Some(record) = self.records.pop_front() {
            sheet.clear();
            sheet.place = self.place;
            let body = record.body.trim();
            if body.starts_with('{') {
                if json.read(body.as_bytes(), &mut sheet.names, &mut sheet.fields).is_ok() && dissolve(sheet).is_ok() {
                    return Ok(Read::Record);
                }
            } else if let Some(Ok(read)) = text.read(body.as_bytes(), json, sheet) {
                match read {
                    Read::Record => return Ok(Read::Record),
                    // A line of an audit event: it comes with the others.
                    Read::Nothing => continue,
                }
            }
            sheet.clear();
            record.write(sheet).map_err(FieldsFull::reason)?;
            return Ok(Read::Record);
        }
        Ok(Read::Nothing)
    }

    fn push(&mut self, record: LogRecord) -> Result<(), Fault> {
        if self.records.len() >= REQUEST_RECORDS_MAX {
            return Err("more OTLP records than the limit of one request".into());
        }
        self.records.push_back(record);
        Ok(())
    }

    fn take_protobuf(&mut self, body: &[u8]) -> Result<(), Fault> {
        each(body, 1, &mut |resource_logs| {
            let mut shared = LogRecord::default();
            each(resource_logs, 1, &mut |resource| {
                each(resource, 1, &mut |pair| shared.pair("resource.", pair))
            })?;
            each(resource_logs, 2, &mut |scope_logs| {
                let mut shared = shared.clone();
                each(scope_logs, 1, &mut |scope| {
                    let mut message = Message::new(scope);
                    for (number, wire) in message.by_ref() {
                        if let (1, Wire::Bytes(name)) = (number, wire) {
                            shared.push("scope.name", String::from_utf8_lossy(name).into_owned());
                        }
                    }
                    whole(&message)
                })?;
                each(scope_logs, 2, &mut |record| self.push(shared.clone().read(record)?))
            })
        })
    }

    fn take_json(&mut self, body: &[u8]) -> Result<(), Fault> {
        // serde_json ends a nesting deeper than 128 as an error.
        let request: Json = serde_json::from_slice(body).map_err(|_| Fault::from("not JSON"))?;
        let Some(resources) = request.get("resourceLogs").and_then(Json::as_array) else {
            return Err("no OTLP logs: resourceLogs is missing".into());
        };
        for resource_logs in resources {
            let mut shared = LogRecord::default();
            shared.json_pairs("resource.", resource_logs.pointer("/resource/attributes"));
            for scope_logs in list(resource_logs, "scopeLogs") {
                let mut shared = shared.clone();
                if let Some(name) = scope_logs.pointer("/scope/name").and_then(Json::as_str) {
                    shared.push("scope.name", name.to_owned());
                }
                for record in list(scope_logs, "logRecords") {
                    self.push(shared.clone().read_json(record))?;
                }
            }
        }
        Ok(())
    }
}

impl LogRecord {
    fn push(&mut self, name: &str, value: String) {
        if self.pairs.len() < PAIRS_MAX && !value.is_empty() {
            self.pairs.push((name.to_owned(), value));
        }
    }

    /// Reads a message `LogRecord`.
    fn read(mut self, bytes: &[u8]) -> Result<Self, Fault> {
        let mut message = Message::new(bytes);
        for (number, wire) in message.by_ref() {
            match (number, wire) {
                (1, Wire::Fixed(ns)) => self.time_ns = ns,
                (11, Wire::Fixed(ns)) => self.observed_ns = ns,
                (2, Wire::Varint(number)) => self.severity_number = number,
                (3, Wire::Bytes(text)) => self.severity = String::from_utf8_lossy(text).into_owned(),
                (5, Wire::Bytes(value)) => {
                    if let Some(text) = self.value("body", value, 0)? {
                        self.body = text;
                    }
                }
                (6, Wire::Bytes(pair)) => self.pair("", pair)?,
                (9, Wire::Bytes(id)) => self.trace = hex(id),
                (12, Wire::Bytes(name)) => self.event_name = String::from_utf8_lossy(name).into_owned(),
                _ => {}
            }
        }
        whole(&message)?;
        Ok(self)
    }

    /// Reads a message `KeyValue`.
    fn pair(&mut self, prefix: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.nested_pair(prefix, bytes, 0)
    }

    fn nested_pair(&mut self, prefix: &str, bytes: &[u8], depth: usize) -> Result<(), Fault> {
        let (mut name, mut value) = (prefix.to_owned(), &[][..]);
        let mut message = Message::new(bytes);
        for (number, wire) in message.by_ref() {
            match (number, wire) {
                (1, Wire::Bytes(key)) => name.push_str(&String::from_utf8_lossy(key)),
                (2, Wire::Bytes(any)) => value = any,
                _ => {}
            }
        }
        whole(&message)?;
        if let Some(text) = self.value(&name, value, depth)? {
            self.push(&name, text);
        }
        Ok(())
    }

    /// Reads a message `AnyValue`: a text is returned, the parts of lists and maps become pairs.
    fn value(&mut self, name: &str, bytes: &[u8], depth: usize) -> Result<Option<String>, Fault> {
        if depth > DEPTH_MAX {
            return Err("an OTLP attribute is nested deeper than the limit".into());
        }
        let mut message = Message::new(bytes);
        let mut text = None;
        for (number, wire) in message.by_ref() {
            match (number, wire) {
                (1, Wire::Bytes(string)) => text = Some(String::from_utf8_lossy(string).into_owned()),
                (2, Wire::Varint(bool)) => text = Some((bool != 0).to_string()),
                (3, Wire::Varint(int)) => text = Some((int as i64).to_string()),
                (4, Wire::Fixed(double)) => text = Some(f64::from_bits(double).to_string()),
                (5, Wire::Bytes(list)) => each(list, 1, &mut |item| {
                    if let Some(text) = self.value(name, item, depth + 1)? {
                        self.push(name, text);
                    }
                    Ok(())
                })?,
                (6, Wire::Bytes(map)) => each(map, 1, &mut |pair| self.nested_pair(&format!("{name}."), pair, depth + 1))?,
                (7, Wire::Bytes(bytes)) => text = Some(hex(bytes)),
                _ => {}
            }
        }
        whole(&message)?;
        Ok(text)
    }

    fn read_json(mut self, record: &Json) -> Self {
        let text = |name: &str| record.get(name).map(scalar).unwrap_or_default();
        self.time_ns = text("timeUnixNano").parse().unwrap_or(0);
        self.observed_ns = text("observedTimeUnixNano").parse().unwrap_or(0);
        self.severity_number = text("severityNumber").parse().unwrap_or(0);
        self.severity = text("severityText");
        self.event_name = text("eventName");
        self.trace = text("traceId");
        if let Some(body) = record.get("body") {
            self.json_value("body", body, 0, true);
        }
        self.json_pairs("", record.get("attributes"));
        self
    }

    fn json_pairs(&mut self, prefix: &str, pairs: Option<&Json>) {
        self.nested_json_pairs(prefix, pairs, 0);
    }

    fn nested_json_pairs(&mut self, prefix: &str, pairs: Option<&Json>, depth: usize) {
        for pair in pairs.and_then(Json::as_array).into_iter().flatten() {
            let name = format!("{prefix}{}", pair.get("key").map(scalar).unwrap_or_default());
            if let Some(value) = pair.get("value") {
                self.json_value(&name, value, depth, false);
            }
        }
    }

    fn json_value(&mut self, name: &str, value: &Json, depth: usize, is_body: bool) {
        let Some((form, value)) = value.as_object().and_then(|object| object.iter().next()) else {
            return;
        };
        match form.as_str() {
            _ if depth > DEPTH_MAX => {}
            "arrayValue" => list(value, "values").for_each(|item| self.json_value(name, item, depth + 1, false)),
            "kvlistValue" => self.nested_json_pairs(&format!("{name}."), value.get("values"), depth + 1),
            _ if is_body => self.body = scalar(value),
            _ => self.push(name, scalar(value)),
        }
    }

    fn write(&self, sheet: &mut Sheet) -> Result<(), FieldsFull> {
        let ns = [self.time_ns, self.observed_ns].into_iter().find(|ns| *ns > 0);
        let mut columns = Columns {
            time: ns.and_then(|ns| i64::try_from(ns).ok()).map(Timestamp),
            product: Product::OpenTelemetry,
            kind: Kind::Other,
            ..Columns::default()
        };
        sheet.put("message", &self.body)?;
        columns.object = sheet.put("event.name", &self.event_name)?;
        sheet.put("severity", &self.severity)?;
        if self.severity_number > 0 {
            sheet.put_number("severity_number", self.severity_number)?;
        }
        sheet.put("trace_id", &self.trace)?;
        for (name, value) in &self.pairs {
            let id = sheet.put(name, value)?;
            match name.as_str() {
                "resource.host.name" => columns.host = id,
                "resource.service.name" => columns.sensor = columns.sensor.or(id),
                "client.address" | "source.address" => columns.origin = id,
                "server.address" | "destination.address" => columns.destination = id,
                "user.name" | "enduser.id" => columns.account = id,
                _ => {}
            }
        }
        // Sigma's rules for applications ask for the language or the framework.
        let named = sheet.named();
        let language = named.text("resource.telemetry.sdk.language").to_owned();
        let service = named.text("resource.service.name").to_owned();
        let product = if language.is_empty() {
            "opentelemetry"
        } else {
            language.as_str()
        };
        sheet.source = sheet.sources.intern(product, &service, &["application"]);
        sheet.columns = Some(columns);
        Ok(())
    }
}

/// Calls `with` for every field of this number that holds bytes.
fn each<'a>(bytes: &'a [u8], number: u32, with: &mut dyn FnMut(&'a [u8]) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut message = Message::new(bytes);
    for (found, wire) in message.by_ref() {
        if let (true, Wire::Bytes(inner)) = (found == number, wire) {
            with(inner)?;
        }
    }
    whole(&message)
}

fn whole(message: &Message<'_>) -> Result<(), Fault> {
    match message.is_damaged {
        true => Err("the OTLP message ends early or is no protocol buffer".into()),
        false => Ok(()),
    }
}

fn list<'a>(value: &'a Json, name: &str) -> impl Iterator<Item = &'a Json> {
    value.get(name).and_then(Json::as_array).into_iter().flatten()
}

/// Writes a scalar as text: JSON gives 64-bit numbers as strings or as numbers.
fn scalar(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().min(256) * 2);
    for byte in bytes.iter().take(256) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        match bytes.len() {
            short @ ..128 => field.push(short as u8),
            long => field.extend([long as u8 | 0x80, (long >> 7) as u8]),
        }
        field.extend_from_slice(bytes);
        field
    }

    fn pair(key: &str, value: &str) -> Vec<u8> {
        [field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat()
    }

    fn request() -> Vec<u8> {
        let mut record = vec![0x09];
        record.extend(1_682_392_329_000_000_000_u64.to_le_bytes());
        record.extend(field(3, b"WARN"));
        record.extend(field(5, &field(1, b"user eve has failed to log on")));
        record.extend(field(6, &pair("user.name", "eve")));
        let scope = [field(2, &record), field(2, &record)].concat();
        let resource = field(1, &pair("service.name", "shop"));
        field(1, &[field(1, &resource), field(2, &scope)].concat())
    }

    fn read(body: &[u8], encoding: OtlpEncoding) -> Vec<(String, String, String, String)> {
        let (mut reader, mut sheet) = (OtlpReader::default(), Sheet::new());
        let (mut text, mut json) = (Text::default(), JsonReader::default());
        reader.take(body, encoding, RawPlace::default()).unwrap();
        let mut found = Vec::new();
        while reader.more(&mut text, &mut json, &mut sheet).unwrap() == Read::Record {
            let record = sheet.record().unwrap().unwrap();
            let message = sheet.named().text("message").to_owned();
            found.push((
                record.time.to_string(),
                record.account.to_owned(),
                record.service.to_owned(),
                message,
            ));
        }
        found
    }

    #[test]
    fn both_encodings_say_the_same() {
        let json = br#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
            "scopeLogs":[{"scope":{},"logRecords":[
              {"timeUnixNano":"1682392329000000000","severityText":"WARN","body":{"stringValue":"user eve has failed to log on"},
               "attributes":[{"key":"user.name","value":{"stringValue":"eve"}}]},
              {"timeUnixNano":1682392329000000000,"body":{"stringValue":"user eve has failed to log on"},
               "attributes":[{"key":"user.name","value":{"stringValue":"eve"}}]}]}]}]}"#;
        let found = read(json, OtlpEncoding::Json);
        let expected = ("2023-04-25T03:12:09.000Z", "eve", "shop", "user eve has failed to log on");
        let expected = (
            expected.0.to_owned(),
            expected.1.to_owned(),
            expected.2.to_owned(),
            expected.3.to_owned(),
        );
        assert_eq!(found, [expected.clone(), expected]);
        assert_eq!(read(&request(), OtlpEncoding::Protobuf), found);
    }

    #[test]
    fn a_request_cut_anywhere_is_an_error_or_shorter_and_never_a_panic() {
        let whole = request();
        let mut errors = 0;
        for cut in 1..whole.len() {
            let taken = OtlpReader::default().take(&whole[..cut], OtlpEncoding::Protobuf, RawPlace::default());
            errors += usize::from(taken.is_err());
        }
        assert_eq!(errors, whole.len() - 1);
    }

    #[test]
    fn nesting_beyond_the_limit_is_an_error() {
        let mut value = field(1, b"x");
        for _ in 0..DEPTH_MAX + 2 {
            value = field(5, &field(1, &value));
        }
        let record = field(5, &value);
        let body = field(1, &field(2, &field(2, &record)));
        let taken = OtlpReader::default().take(&body, OtlpEncoding::Protobuf, RawPlace::default());
        assert!(taken.unwrap_err().reason.contains("nested"));
    }

    #[test]
    fn a_body_of_another_format_is_read_as_that() {
        let json = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1","body":{"stringValue":
            "<86>Apr 25 05:12:09 fs-1 sshd[4]: Accepted password for eve from 10.1.2.3 port 22 ssh2"}}]}]}]}"#;
        assert_eq!(read(json, OtlpEncoding::Json)[0].1, "eve");
    }
}
