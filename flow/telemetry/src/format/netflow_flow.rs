//! One data record of NetFlow or IPFIX as fields and columns.

use leckwehr_incident::Timestamp;

use crate::columns::Columns;
use crate::format::Fault;
use crate::format::netflow_element::{Form, number, write};
use crate::format::netflow_template::TemplateField;
use crate::{FieldsFull, Kind, Outcome, Product, Sheet};

/// What a packet's header says about the times in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub version: u16,
    /// When the packet was sent, in nanoseconds since 1970.
    sent_ns: i64,
    /// When the exporter was started, if the header says.
    started_ns: Option<i64>,
    /// One of so many packets was looked at; 0 if the header does not say.
    sampling: u16,
}

const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;
/// Seconds from 1900, where NTP counts from, to 1970.
const NTP_1970_S: i64 = 2_208_988_800;

impl Header {
    /// A header with the exporter's up time in milliseconds, and seconds and nanoseconds since 1970.
    pub fn up_since(version: u16, up_ms: u32, seconds: u32, nanoseconds: u32, sampling: u16) -> Self {
        let sent_ns = i64::from(seconds) * SECOND + i64::from(nanoseconds.min(999_999_999));
        Self {
            version,
            sent_ns,
            started_ns: Some(sent_ns - i64::from(up_ms) * MILLISECOND),
            // The two upper bits are the mode.
            sampling: sampling & 0x3fff,
        }
    }

    /// Says when the exporter was started, if the header does not.
    pub fn started_if_unknown(&mut self, started_ms: Option<u64>) {
        let started_ns = started_ms.and_then(|ms| i64::try_from(ms).ok()?.checked_mul(MILLISECOND));
        self.started_ns = self.started_ns.or(started_ns);
    }

    /// IPFIX says only when the message was sent.
    pub fn exported(version: u16, seconds: u32) -> Self {
        Self {
            version,
            sent_ns: i64::from(seconds) * SECOND,
            started_ns: None,
            sampling: 0,
        }
    }
}

/// What is known of a flow while its fields are read.
#[derive(Debug)]
pub(crate) struct Flow<'h> {
    header: &'h Header,
    columns: Columns,
    start_ns: Option<i64>,
    end_ns: Option<i64>,
    /// Up times in milliseconds, until it is known since when they count.
    start_up_ms: Option<u64>,
    end_up_ms: Option<u64>,
    started_ns: Option<i64>,
    duration_ns: Option<i64>,
    firewall_event: u64,
    text: String,
    full: Option<FieldsFull>,
}

impl<'h> Flow<'h> {
    pub fn new(header: &'h Header) -> Self {
        Self {
            header,
            columns: Columns {
                product: Product::Netflow,
                ..Columns::default()
            },
            start_ns: None,
            end_ns: None,
            start_up_ms: None,
            end_up_ms: None,
            started_ns: header.started_ns,
            duration_ns: None,
            firewall_event: 0,
            text: String::new(),
            full: None,
        }
    }

    /// Takes the numbers that the columns need.
    pub fn field(&mut self, field: &TemplateField, octets: &[u8]) {
        let Some(value) = number(octets) else { return };
        let ns = |factor: i64| i64::try_from(value).ok().and_then(|v| v.checked_mul(factor));
        let columns = &mut self.columns;
        let count = Some(value);
        match (field.id, field.is_reverse) {
            (1 | 85 | 231, false) => columns.bytes_out = columns.bytes_out.max(count),
            (1 | 85, true) | (232, false) => columns.bytes_in = columns.bytes_in.max(count),
            // Templates that hold UDP's and TCP's ports apart fill the other one with zeros.
            (7 | 180 | 182, false) => columns.origin_port = columns.origin_port.max(value as u16),
            (11 | 181 | 183, false) => columns.port = columns.port.max(value as u16),
            (22, false) => self.start_up_ms = count,
            (21, false) => self.end_up_ms = count,
            (150 | 322, false) => self.start_ns = ns(SECOND),
            (151, false) => self.end_ns = ns(SECOND),
            (152 | 323, false) => self.start_ns = ns(MILLISECOND),
            (153, false) => self.end_ns = ns(MILLISECOND),
            (154 | 156, false) => self.start_ns = Some(ntp_ns(value)),
            (155 | 157, false) => self.end_ns = Some(ntp_ns(value)),
            (158, false) => self.start_ns = ns(1_000).map(|before| self.header.sent_ns.saturating_sub(before)),
            (159, false) => self.end_ns = ns(1_000).map(|before| self.header.sent_ns.saturating_sub(before)),
            (160, false) => self.started_ns = ns(MILLISECOND),
            (161, false) => self.duration_ns = ns(MILLISECOND),
            (162, false) => self.duration_ns = ns(1_000),
            (233, false) => self.firewall_event = value,
            _ => {}
        }
    }

    /// Writes the field into the sheet.
    pub fn write(&mut self, field: &TemplateField, octets: &[u8], sheet: &mut Sheet) {
        if &*field.name == "paddingOctets" {
            return;
        }
        self.text.clear();
        write(field.form, octets, &mut self.text);
        let put = match field.form {
            Form::Number => sheet.put_digits(&field.name, &self.text),
            _ => sheet.put(&field.name, &self.text),
        };
        let columns = &mut self.columns;
        match (put, field.id) {
            (Err(full), _) => self.full = Some(full),
            (Ok(id), 8 | 27) if columns.origin.is_none() && !is_unspecified(octets) => columns.origin = id,
            (Ok(id), 12 | 28) if columns.destination.is_none() && !is_unspecified(octets) => columns.destination = id,
            (Ok(id), 371) => columns.account = id,
            (Ok(id), 96) => columns.object = id,
            _ => {}
        }
    }

    /// Completes the record.
    pub fn finish(mut self, sensor: &str, is_whole: bool, sheet: &mut Sheet) -> Result<(), Fault> {
        if !is_whole {
            return Err("a data record ends early".into());
        }
        if let Some(full) = self.full {
            return Err(full.reason().into());
        }
        self.times();
        self.names(sensor, sheet).map_err(FieldsFull::reason)?;
        sheet.columns = Some(self.columns);
        Ok(())
    }

    fn times(&mut self) {
        let up = |ms: Option<u64>| {
            let ms = i64::try_from(ms?).ok()?.checked_mul(MILLISECOND)?;
            let at = self.started_ns?.checked_add(ms)?;
            // The up time is a 32-bit counter; a flow from before it turned over seems to lie 49.7 days ahead.
            let turn = (i64::from(u32::MAX) + 1) * MILLISECOND;
            Some(if at > self.header.sent_ns.saturating_add(turn / 2) {
                at - turn
            } else {
                at
            })
        };
        let start = self.start_ns.or_else(|| up(self.start_up_ms));
        let end = self.end_ns.or_else(|| up(self.end_up_ms));
        let before_end = end.zip(self.duration_ns).map(|(end, took)| end.saturating_sub(took));
        let at = start.or(before_end).or(end).unwrap_or(self.header.sent_ns);
        self.columns.time = Some(Timestamp(at));
        self.columns.duration_ns = self
            .duration_ns
            .or_else(|| end.map(|end| end.saturating_sub(at)).filter(|took| *took >= 0));
    }

    /// Gives Sigma's names for firewalls, and decides what the record is about.
    fn names(&mut self, sensor: &str, sheet: &mut Sheet) -> Result<(), FieldsFull> {
        let columns = &mut self.columns;
        columns.sensor = sheet.put("exporter", sensor)?;
        for (alias, of) in [("src_ip", columns.origin), ("dst_ip", columns.destination)] {
            sheet.put_alias(alias, of)?;
        }
        for (alias, name) in [("src_port", "sourceTransportPort"), ("dst_port", "destinationTransportPort")] {
            let of = sheet.names.id(name).filter(|id| sheet.fields.get(*id).is_some());
            sheet.put_alias(alias, of)?;
        }
        if self.header.sampling > 1 {
            // One of so many packets was looked at: the counts are of these, the columns an estimate of all.
            sheet.put_number("samplingInterval", self.header.sampling)?;
            columns.bytes_out = columns
                .bytes_out
                .map(|bytes| bytes.saturating_mul(self.header.sampling.into()));
        }
        // RFC-less but common: Cisco's NSEL, element 233.
        (columns.action, columns.outcome) = match self.firewall_event {
            1 => ("created", Outcome::Success),
            2 => ("deleted", Outcome::Success),
            3 => ("denied", Outcome::Failure),
            4 => ("alert", Outcome::Unknown),
            5 => ("update", Outcome::Success),
            _ => ("", Outcome::Unknown),
        };
        sheet.put("action", columns.action)?;
        columns.kind = if columns.origin.is_some() && columns.destination.is_some() {
            Kind::Flow
        } else {
            Kind::Other
        };
        let service = match self.header.version {
            5 => "netflow5",
            9 => "netflow9",
            _ => "ipfix",
        };
        sheet.source = sheet.sources.intern("netflow", service, &["network_connection", "firewall"]);
        Ok(())
    }
}

/// An exporter whose template holds both kinds of addresses fills the other one with zeros.
fn is_unspecified(octets: &[u8]) -> bool {
    octets.iter().all(|b| *b == 0)
}

/// NTP's 32 bits of seconds since 1900 and 32 bits of a fraction.
fn ntp_ns(value: u64) -> i64 {
    let seconds = (value >> 32) as i64 - NTP_1970_S;
    let fraction = ((value & 0xffff_ffff) * 1_000_000_000) >> 32;
    seconds * SECOND + fraction as i64
}
