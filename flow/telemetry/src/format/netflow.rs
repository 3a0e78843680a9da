//! NetFlow 5 (Cisco), NetFlow 9 (RFC 3954) and IPFIX (RFC 7011) export packets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::format::netflow_element::number;
use crate::format::netflow_flow::{Flow, Header};
use crate::format::netflow_template::{Template, Templates};
use crate::format::{Fault, Read};
use crate::{RawPlace, Sheet};

/// Exporters and observation domains with templates and an account of their own; packets of further ones are damaged.
pub const EXPORTERS_MAX: usize = 4_096;

/// Largest gap in an exporter's numbering that is taken for a loss.
const GAP_RECORDS_MAX: u32 = 1 << 24;

/// Octets of NetFlow 5's header and of one of its records.
const V5_HEADER_BYTES: usize = 24;
const V5_RECORD_BYTES: usize = 48;

/// Reads export packets of any number of exporters.
///
/// Data that comes before its template waits for it within limits; gaps in the exporters' own numbering are told by
/// [`FlowReader::loss`].
#[derive(Debug, Default)]
pub(crate) struct FlowReader {
    exporters: BTreeMap<(Box<str>, u16, u32), Exporter>,
    sets: VecDeque<DataSet>,
    losses: VecDeque<Loss>,
}

/// Records of a sensor that are known to be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Whose.
    pub sensor: String,
    /// How many at least; NetFlow 9 numbers its packets, and of data without a template only the sets are known.
    pub records: u64,
}

#[derive(Debug, Default)]
struct Exporter {
    templates: Templates,
    /// Next sequence number, if all goes well.
    expected: Option<u32>,
    given_up: u64,
    /// When the exporter says it was started (element 160 of an options record), in milliseconds since 1970.
    started_ms: Option<u64>,
}

/// Records of one template that were not handed out yet.
#[derive(Debug)]
struct DataSet {
    template: Arc<Template>,
    header: Header,
    sensor: Arc<str>,
    place: RawPlace,
    data: Vec<u8>,
    at: usize,
}

impl FlowReader {
    /// Takes one packet of `exporter` (its address, or the file's name). Its flows come by [`FlowReader::more`].
    ///
    /// Returns how many octets the packet has: in a file, where the next one begins.
    ///
    /// # Errors
    /// Why it is no export packet, or where it ends early; what was whole before is taken.
    pub fn take(&mut self, exporter: &str, packet: &[u8], place: RawPlace) -> Result<usize, Fault> {
        match be16(packet, 0) {
            Some(5) => self.take_v5(exporter, packet, place),
            Some(9) => self.take_v9(exporter, packet, place),
            Some(10) => self.take_ipfix(exporter, packet, place),
            Some(_) => Err("not an export packet of NetFlow 5, 9 or IPFIX".into()),
            None => Err("the packet ends within its version".into()),
        }
    }

    /// Writes the next flow into the sheet; records about the exporter itself are passed over.
    pub fn more(&mut self, sheet: &mut Sheet) -> Result<Read, Fault> {
        loop {
            let Some(set) = self.sets.front_mut() else {
                return Ok(Read::Nothing);
            };
            let rest = set.data.get(set.at..).unwrap_or(&[]);
            let mut flow = Flow::new(&set.header);
            let behind = match set.template.record(rest, |field, octets| flow.field(field, octets)) {
                // What is left is padding.
                _ if rest.len() < set.template.record_bytes_min => None,
                behind => behind.map(<[u8]>::len),
            };
            let Some(left) = behind else {
                self.sets.pop_front();
                continue;
            };
            set.at = set.data.len() - left;
            if set.template.is_options {
                continue;
            }
            sheet.clear();
            sheet.place = set.place;
            let written = set
                .template
                .record(rest, |field, octets| flow.write(field, octets, sheet))
                .is_some();
            flow.finish(&set.sensor, written, sheet)?;
            return Ok(Read::Record);
        }
    }

    /// Ends the stream: data whose template never came is lost.
    pub fn finish(&mut self) {
        for ((exporter, _, domain), known) in &mut self.exporters {
            let records = known.templates.give_up();
            if records > 0 {
                let sensor = sensor(exporter, *domain).to_string();
                self.losses.push_back(Loss { sensor, records });
            }
        }
    }

    /// Returns a gap in an exporter's numbering that was not told yet.
    pub fn loss(&mut self) -> Option<Loss> {
        self.losses.pop_front()
    }

    fn exporter(&mut self, exporter: &str, version: u16, domain: u32) -> Result<&mut Exporter, Fault> {
        let key = (exporter.into(), version, domain);
        if self.exporters.len() >= EXPORTERS_MAX && !self.exporters.contains_key(&key) {
            return Err("more NetFlow exporters than the limit: their packets are not read".into());
        }
        Ok(self.exporters.entry(key).or_default())
    }

    /// Compares a packet's sequence number with the expected one and says which comes next.
    fn number(&mut self, sensor: &str, key: (&str, u16, u32), sequence: u32, next: Option<u32>) -> Result<(), Fault> {
        let exporter = self.exporter(key.0, key.1, key.2)?;
        let expected = std::mem::replace(&mut exporter.expected, next);
        let given_up = std::mem::replace(&mut exporter.given_up, exporter.templates.sets_given_up);
        let mut records = exporter.templates.sets_given_up - given_up;
        if let Some(expected) = expected {
            let ahead = sequence.wrapping_sub(expected);
            // What is behind came late; what is far off on either side is an exporter that began anew.
            if ahead < GAP_RECORDS_MAX {
                records += u64::from(ahead);
            } else if expected.wrapping_sub(sequence) < 10_000 {
                exporter.expected = Some(expected);
            }
        }
        if records > 0 && self.losses.len() < EXPORTERS_MAX {
            self.losses.push_back(Loss {
                sensor: sensor.to_owned(),
                records,
            });
        }
        Ok(())
    }

    fn take_v5(&mut self, exporter: &str, packet: &[u8], place: RawPlace) -> Result<usize, Fault> {
        let early = Fault::from("the NetFlow 5 packet ends within its header");
        let word = |at| be32(packet, at).ok_or(early);
        let count = usize::from(be16(packet, 2).ok_or(early)?);
        let (sequence, engine) = (word(16)?, be16(packet, 20).ok_or(early)?);
        let header = Header::up_since(5, word(4)?, word(8)?, word(12)?, be16(packet, 22).ok_or(early)?);
        let length = V5_HEADER_BYTES + count * V5_RECORD_BYTES;
        let data = packet.get(V5_HEADER_BYTES..length.min(packet.len())).unwrap_or(&[]);
        let sensor = sensor(exporter, u32::from(engine));
        self.number(
            &sensor,
            (exporter, 5, u32::from(engine)),
            sequence,
            Some(sequence.wrapping_add(count as u32)),
        )?;
        self.sets.push_back(DataSet {
            template: Arc::new(v5_template()),
            header,
            sensor,
            place,
            data: data.to_vec(),
            at: 0,
        });
        match packet.len() < length {
            true => Err("the NetFlow 5 packet has fewer records than it says".into()),
            false => Ok(length),
        }
    }

    fn take_v9(&mut self, exporter: &str, packet: &[u8], place: RawPlace) -> Result<usize, Fault> {
        let early = Fault::from("the NetFlow 9 packet ends within its header");
        let word = |at| be32(packet, at).ok_or(early);
        let (sequence, domain) = (word(12)?, word(16)?);
        let header = Header::up_since(9, word(4)?, word(8)?, 0, 0);
        let sensor = sensor(exporter, domain);
        self.number(&sensor, (exporter, 9, domain), sequence, Some(sequence.wrapping_add(1)))?;
        let context = Context {
            exporter,
            domain,
            sensor,
            header,
            place,
        };
        // The header counts records, not octets. In a file the next packet's version follows, which is no set's number.
        let mut at = 20;
        while let Some(id) = be16(packet, at).filter(|id| !matches!(id, 5 | 9 | 10)) {
            // Some exporters fill their packets up with zeros.
            at = match be32(packet, at) {
                Some(0) => at + 4,
                _ => self.set(&context, packet, at, id)?.0,
            };
        }
        Ok(at.min(packet.len()))
    }

    fn take_ipfix(&mut self, exporter: &str, packet: &[u8], place: RawPlace) -> Result<usize, Fault> {
        let early = Fault::from("the IPFIX message ends within its header");
        let word = |at| be32(packet, at).ok_or(early);
        let length = usize::from(be16(packet, 2).ok_or(early)?);
        let (seconds, sequence, domain) = (word(4)?, word(8)?, word(12)?);
        if length < 16 {
            return Err("the IPFIX message says it is shorter than its header".into());
        }
        let context = Context {
            exporter,
            domain,
            sensor: sensor(exporter, domain),
            header: Header::exported(10, seconds),
            place,
        };
        let message = packet.get(..length.min(packet.len())).unwrap_or(packet);
        let (mut at, mut records) = (16, Some(0_u32));
        let mut outcome = Ok(());
        while let Some(id) = be16(message, at) {
            match self.set(&context, message, at, id) {
                Ok((next, found)) => {
                    at = next;
                    records = records.zip(found).map(|(a, b)| a.wrapping_add(b));
                }
                Err(fault) => {
                    (outcome, records) = (Err(fault), None);
                    break;
                }
            }
        }
        // The number counts data records; where one set could not be counted, the next message starts the count anew.
        let next = records.map(|records| sequence.wrapping_add(records));
        self.number(&context.sensor, (exporter, 10, domain), sequence, next)?;
        outcome?;
        match packet.len() < length {
            true => Err("the IPFIX message ends before its length".into()),
            false => Ok(length),
        }
    }

    /// Takes the set that begins at `at`; returns where the next one does, and its data records if they can be counted.
    fn set(&mut self, context: &Context<'_>, packet: &[u8], at: usize, id: u16) -> Result<(usize, Option<u32>), Fault> {
        let fault = |reason| Fault { reason, at };
        let length = be16(packet, at + 2)
            .map(usize::from)
            .ok_or(fault("a set ends within its header"))?;
        if length < 4 {
            return Err(fault("a set says it is shorter than its header"));
        }
        let body = packet.get(at + 4..at + length).ok_or(fault("a set ends before its length"))?;
        let next = at + length;
        let is_ipfix = context.header.version == 10;
        match (id, is_ipfix) {
            (0, false) | (2, true) => self.templates(context, body, is_ipfix, false)?,
            (1, false) | (3, true) => self.templates(context, body, is_ipfix, true)?,
            (256.., _) => {
                let exporter = self.exporter(context.exporter, context.header.version, context.domain)?;
                let Some(template) = exporter.templates.get(id) else {
                    exporter.templates.wait(id, body);
                    return Ok((next, None));
                };
                let records = count(&template, body);
                if template.is_options {
                    exporter.started_ms = started_ms(&template, body).or(exporter.started_ms);
                } else {
                    let started_ms = exporter.started_ms;
                    let mut set = context.data_set(template, body.to_vec());
                    set.header.started_if_unknown(started_ms);
                    self.sets.push_back(set);
                }
                return Ok((next, Some(records)));
            }
            // Reserved numbers: nothing is known of what they hold.
            _ => {}
        }
        Ok((next, Some(0)))
    }

    fn templates(&mut self, context: &Context<'_>, body: &[u8], is_ipfix: bool, is_options: bool) -> Result<(), Fault> {
        let mut rest = body;
        // Up to three octets of padding may follow.
        while rest.len() >= 4 {
            let (id, template, behind) = if is_options {
                options_template(rest, is_ipfix)
            } else {
                template(rest, is_ipfix)
            }
            .ok_or(Fault::from("a template ends early"))?;
            rest = behind;
            let exporter = self.exporter(context.exporter, context.header.version, context.domain)?;
            match template {
                Some(fields) if fields.is_empty() && is_ipfix => exporter.templates.withdraw(id),
                Some(fields) if id >= 256 => {
                    let template = Template::new(fields, is_options)
                        .ok_or(Fault::from("a template without length or with too many fields"))?;
                    let waited = exporter.templates.insert(id, template);
                    let template = exporter.templates.get(id);
                    for (data, template) in waited.into_iter().zip(template.into_iter().cycle()) {
                        self.sets.push_back(context.data_set(template, data));
                    }
                }
                // Zeros that fill the set up.
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

/// What all sets of a packet share.
struct Context<'a> {
    exporter: &'a str,
    domain: u32,
    sensor: Arc<str>,
    header: Header,
    place: RawPlace,
}

impl Context<'_> {
    fn data_set(&self, template: Arc<Template>, data: Vec<u8>) -> DataSet {
        DataSet {
            template,
            header: self.header,
            sensor: Arc::clone(&self.sensor),
            place: self.place,
            data,
            at: 0,
        }
    }
}

fn sensor(exporter: &str, domain: u32) -> Arc<str> {
    format!("{exporter}/{domain}").into()
}

fn count(template: &Template, body: &[u8]) -> u32 {
    let (mut rest, mut records) = (body, 0);
    while rest.len() >= template.record_bytes_min
        && let Some(behind) = template.record(rest, |_, _| {})
    {
        (rest, records) = (behind, records + 1);
    }
    records
}

/// A field as a template specifies it: element, length, enterprise.
type Specification = (u16, u16, u32);
/// Finds the exporter's start in options data.
fn started_ms(template: &Template, body: &[u8]) -> Option<u64> {
    let (mut rest, mut found) = (body, None);
    while rest.len() >= template.record_bytes_min
        && let Some(behind) = template.record(rest, |field, octets| {
            if field.id == 160 && !field.is_reverse {
                found = number(octets);
            }
        })
    {
        rest = behind;
    }
    found
}

type Specified<'a> = (u16, Option<Vec<Specification>>, &'a [u8]);

/// Reads one template record: its number, its fields (`None` if it has no number), and what follows.
fn template(text: &[u8], is_ipfix: bool) -> Option<Specified<'_>> {
    let (id, count) = (be16(text, 0)?, be16(text, 2)?);
    let (fields, rest) = fields(text.get(4..)?, usize::from(count), is_ipfix)?;
    Some((id, (id > 0).then_some(fields), rest))
}

/// Reads one options template. NetFlow 9 gives the lengths of scope and options in octets, IPFIX the number of fields.
fn options_template(text: &[u8], is_ipfix: bool) -> Option<Specified<'_>> {
    let (id, first) = (be16(text, 0)?, be16(text, 2)?);
    if is_ipfix && first == 0 {
        return Some((id, Some(Vec::new()), text.get(4..)?));
    }
    let second = be16(text, 4)?;
    let count = if is_ipfix {
        usize::from(first)
    } else {
        (usize::from(first) + usize::from(second)) / 4
    };
    let (mut fields, rest) = fields(text.get(6..)?, count, is_ipfix)?;
    if !is_ipfix {
        // The scope's numbers are of another table (RFC 3954 § 6.1).
        for field in fields.iter_mut().take(usize::from(first) / 4) {
            field.2 = u32::MAX;
        }
    }
    Some((id, (id > 0).then_some(fields), rest))
}

fn fields(mut text: &[u8], count: usize, is_ipfix: bool) -> Option<(Vec<Specification>, &[u8])> {
    let mut fields = Vec::with_capacity(count.min(text.len() / 4));
    for _ in 0..count {
        let (id, length) = (be16(text, 0)?, be16(text, 2)?);
        let has_enterprise = is_ipfix && id & 0x8000 != 0;
        let enterprise = if has_enterprise { be32(text, 4)? } else { 0 };
        fields.push((if is_ipfix { id & 0x7fff } else { id }, length, enterprise));
        text = text.get(if has_enterprise { 8 } else { 4 }..)?;
    }
    Some((fields, text))
}

/// NetFlow 5's record in the terms of the registry; 210 is padding.
fn v5_template() -> Template {
    let fields = [
        (8, 4),
        (12, 4),
        (15, 4),
        (10, 2),
        (14, 2),
        (2, 4),
        (1, 4),
        (22, 4),
        (21, 4),
        (7, 2),
        (11, 2),
        (210, 1),
        (6, 1),
        (4, 1),
        (5, 1),
        (16, 2),
        (17, 2),
        (9, 1),
        (13, 1),
        (210, 2),
    ];
    let fields = fields.into_iter().map(|(id, length)| (id, length, 0)).collect();
    // It has a length.
    Template::new(fields, false).unwrap_or_else(|| Template {
        fields: Vec::new(),
        record_bytes_min: V5_RECORD_BYTES,
        is_options: true,
    })
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}
