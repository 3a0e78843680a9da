//! The formats, one file each, and the table by which a record's own is found.

mod audit_event;
mod auditd;
mod cef;
mod cef_event;
pub(crate) mod channel;
mod civil;
mod device;
mod ecs;
mod evtx;
mod json;
mod kubernetes;
mod linux;
mod netflow;
mod netflow_element;
mod netflow_flow;
mod netflow_template;
mod ocsf;
mod octets;
mod otlp;
pub(crate) mod packets;
mod protobuf;
pub(crate) mod suricata;
mod syscall;
mod syslog;
mod text;
mod windows;
mod zeek;
mod zeek_tsv;

pub use self::netflow::{EXPORTERS_MAX, Loss};
pub use self::octets::{Frame, MESSAGE_BYTES_MAX, SyslogFramer};
pub use self::otlp::{OtlpEncoding, REQUEST_RECORDS_MAX};
pub use self::packets::CAPTURE_BYTES_MAX;
pub use self::syslog::SyslogClock;

pub(crate) use self::evtx::{EvtxReader, Piece, is_evtx};
use self::json::JsonReader;
use self::netflow::FlowReader;
use self::otlp::OtlpReader;
use self::text::Text;
use self::zeek_tsv::ZeekTsv;
use crate::{Fields, FieldsFull, LogSource, NamedFields, RawPlace, Record, Sheet};

/// How one family of records with named fields is normalised. A row of [`DIALECTS`].
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Returns whether a record with these fields is of this dialect, unless an earlier row claims it.
    pub is: fn(&Fields) -> bool,
    /// Returns the standard name of a field that this dialect calls otherwise.
    pub standard_name: fn(&str) -> Option<&str>,
    /// Gives the sheet its log source, and fields second names; the standard names are there.
    pub normalise: fn(&mut Sheet) -> Result<(), FieldsFull>,
    /// Maps the normalised fields; `None` for records about the logger itself.
    pub record: for<'a> fn(NamedFields<'a>, &'a LogSource) -> Result<Option<Record<'a>>, &'static str>,
}

/// Dialects of records with named fields (JSON objects), the surest marks first.
static DIALECTS: [&Dialect; 6] = [
    &zeek::DIALECT,
    &windows::DIALECT,
    &suricata::DIALECT,
    &ocsf::DIALECT,
    &kubernetes::DIALECT,
    &ecs::DIALECT,
];

/// Why a piece of a stream is damaged, and at which of its bytes that shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub reason: &'static str,
    /// Byte of the piece at which it shows; 0 if it is the piece as a whole.
    pub at: usize,
}

impl From<&'static str> for Fault {
    /// A fault of the whole, not of a place in it.
    fn from(reason: &'static str) -> Self {
        Self { reason, at: 0 }
    }
}

/// Whether a piece of a stream is a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// The sheet holds a record.
    Record,
    /// A blank line, a header.
    Nothing,
}

/// What is read line by line, with what a line's meaning depends on: one per file or stream.
#[derive(Debug, Default)]
pub struct Lines {
    json: JsonReader,
    text: Text,
    otlp: OtlpReader,
    flows: FlowReader,
    zeek: ZeekTsv,
}

impl Lines {
    /// Says how times without a year or a zone are to be read, and what time a record has that says none.
    pub fn set_clock(&mut self, clock: SyslogClock) {
        self.text.clock = clock;
    }

    /// Reads one message that came in over a syslog socket: whatever it looks like, it is one.
    ///
    /// # Errors
    /// Why it is damaged, where it carries a record of another format.
    pub fn read_syslog(&mut self, message: &[u8], sheet: &mut Sheet) -> Result<Read, Fault> {
        self.text.is_syslog = true;
        self.read(message, sheet)
    }

    /// Takes one request of OTLP/HTTP; its records come by [`Lines::more`]. Returns how many they are.
    ///
    /// # Errors
    /// Why it cannot be read to its end; what was read before is kept.
    pub fn take_otlp(&mut self, body: &[u8], encoding: OtlpEncoding, place: RawPlace) -> Result<usize, Fault> {
        self.otlp.take(body, encoding, place)
    }

    /// Takes one export packet of NetFlow or IPFIX from `exporter`; its flows come by [`Lines::more`]. Returns how many octets
    /// it has: in a file, where the next one begins.
    ///
    /// # Errors
    /// Why it is none, or where it ends early; what was whole before is kept.
    pub fn take_flows(&mut self, exporter: &str, packet: &[u8], place: RawPlace) -> Result<usize, Fault> {
        self.flows.take(exporter, packet, place)
    }

    /// Returns records known to be lost by the numbers of who sent them, each loss once.
    pub fn loss(&mut self) -> Option<Loss> {
        self.flows.loss()
    }

    /// Reads one line into the sheet; the format is told by its beginning. Further records of it come by [`Lines::more`].
    ///
    /// # Errors
    /// Why the line is damaged; the sheet then holds no record.
    pub fn read(&mut self, line: &[u8], sheet: &mut Sheet) -> Result<Read, Fault> {
        sheet.clear();
        let read = match self.read_columns(line, sheet) {
            Some(read) => read,
            None => self.read_format(line.trim_ascii(), sheet),
        };
        if read.is_err() {
            sheet.clear();
        }
        read
    }

    /// Reads a line of values under a header, where blanks at the ends are values too.
    fn read_columns(&mut self, line: &[u8], sheet: &mut Sheet) -> Option<Result<Read, Fault>> {
        if line.starts_with(b"#") {
            return self.zeek.header(line.trim_ascii_end());
        }
        let is_record = self.zeek.is_begun() && !line.starts_with(b"{") && !line.trim_ascii().is_empty();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        is_record.then(|| self.zeek.record(line.strip_suffix(b"\r").unwrap_or(line), sheet))
    }

    fn read_format(&mut self, line: &[u8], sheet: &mut Sheet) -> Result<Read, Fault> {
        if line.is_empty() {
            return Ok(Read::Nothing);
        }
        if is_otlp(line) {
            self.otlp.take(line, OtlpEncoding::Json, sheet.place)?;
            return self.more(sheet);
        }
        if !line.starts_with(b"{")
            && let Some(read) = self.text.read(line, &mut self.json, sheet)
        {
            return read;
        }
        self.json.read(line, &mut sheet.names, &mut sheet.fields)?;
        dissolve(sheet)?;
        Ok(Read::Record)
    }

    /// Reads a further record of the lines taken so far: to be called after [`Lines::read`] until there is none.
    ///
    /// # Errors
    /// Why the record is damaged.
    pub fn more(&mut self, sheet: &mut Sheet) -> Result<Read, Fault> {
        let mut read = self.otlp.more(&mut self.text, &mut self.json, sheet)?;
        if read == Read::Nothing {
            read = self.text.more(sheet)?;
        }
        if read == Read::Nothing {
            read = self.flows.more(sheet)?;
        }
        Ok(read)
    }

    /// Takes what waits for further lines for whole: the stream has ended, or been silent. [`Lines::more`] gives it.
    pub fn finish(&mut self) {
        self.text.finish();
        self.flows.finish();
    }
}

/// Returns whether the line is a request of OTLP, as its file exporter writes one a line.
fn is_otlp(line: &[u8]) -> bool {
    let inner = line.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    inner.is_some_and(|inner| inner.starts_with(b"\"resourceLogs\""))
}

/// Finds the dialect of a record with named fields and normalises it.
fn dissolve(sheet: &mut Sheet) -> Result<(), &'static str> {
    let found = DIALECTS.iter().enumerate().find(|(_, dialect)| (dialect.is)(&sheet.fields));
    let Some((family, dialect)) = found else {
        return Err(
            "neither Zeek (_path), Windows (EventID), Suricata (event_type), OCSF (class_uid), Kubernetes audit nor ECS (event.category)",
        );
    };
    sheet.dialect = Some(dialect);
    let standard = sheet.rename(family, dialect.standard_name);
    standard.and_then(|()| (dialect.normalise)(sheet)).map_err(FieldsFull::reason)
}
