//! Files of export packets and datagrams: NetFlow and IPFIX one behind the other (RFC 5655), and packet captures of them and of syslog.

use std::io::{self, BufRead};

use leckwehr_incident::Timestamp;

use crate::format::{Fault, Lines, Loss, Read, SyslogClock};
use crate::{RawPlace, Sheet};

/// Longest packet of a capture, in bytes (libpcap: `MAXIMUM_SNAPLEN`).
pub const CAPTURE_BYTES_MAX: usize = 262_144;
/// Longest UDP datagram, in bytes.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Reads a file of packets. Memory: some hundred kilobytes, and what [`Lines`] keeps.
#[derive(Debug)]
pub(crate) struct Packets {
    name: String,
    lines: Lines,
    capture: Option<Capture>,
    /// Bytes read and not yet taken.
    held: Vec<u8>,
    place: RawPlace,
    is_at_end: bool,
}

/// How a capture's headers are to be read.
#[derive(Debug, Clone, Copy)]
struct Capture {
    is_little_endian: bool,
    /// Nanoseconds of one unit of the fraction.
    unit_ns: i64,
    link: u32,
}

impl Packets {
    /// Returns whether a file that begins so is one of packets.
    pub fn is(head: &[u8]) -> bool {
        let word = |at: usize| head.get(at..at + 2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
        let is_export = match word(0) {
            5 => (1..=30).contains(&word(2)),
            9 => head.len() >= 20,
            10 => word(2) >= 16,
            _ => false,
        };
        is_export || Capture::magic(head).is_some()
    }

    /// Builds a reader for the file of that name, which stands for the exporter where the packets name none.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            lines: Lines::default(),
            capture: None,
            held: Vec::new(),
            place: RawPlace::default(),
            is_at_end: false,
        }
    }

    /// Reads the next record into the sheet; `None` at the end.
    ///
    /// # Errors
    /// Outside, that the file cannot be read on; inside, why a packet is damaged: the next call goes on behind it.
    pub fn next(&mut self, reader: &mut dyn BufRead, sheet: &mut Sheet) -> io::Result<Option<Result<(), Fault>>> {
        loop {
            match self.lines.more(sheet) {
                Ok(Read::Nothing) => {}
                Ok(Read::Record) => return Ok(Some(Ok(()))),
                Err(fault) => return Ok(Some(Err(fault))),
            }
            self.fill(reader, CAPTURE_BYTES_MAX + 64)?;
            if self.held.is_empty() {
                if self.is_at_end {
                    return Ok(None);
                }
                self.is_at_end = true;
                self.lines.finish();
                continue;
            }
            if self.place.record == 0
                && let Some(capture) = Capture::magic(&self.held)
            {
                self.capture = Some(capture);
                self.drop_front(24);
            }
            self.place.record += 1;
            sheet.set_place(self.place);
            let taken = match self.capture {
                Some(capture) => self.captured(capture, sheet),
                None => self.exported(),
            };
            match taken {
                Ok(Read::Nothing) => {}
                Ok(Read::Record) => return Ok(Some(Ok(()))),
                Err(fault) => return Ok(Some(Err(fault))),
            }
        }
    }

    /// Returns a loss that the exporters' numbers tell and that was not told yet.
    pub fn loss(&mut self) -> Option<Loss> {
        self.lines.loss()
    }

    /// Returns the place of the packet that was taken last.
    pub fn place(&self) -> RawPlace {
        self.place
    }

    fn exported(&mut self) -> Result<Read, Fault> {
        let whole = self.held.get(..DATAGRAM_BYTES_MAX.min(self.held.len())).unwrap_or(&[]);
        match self.lines.take_flows(&self.name, whole, self.place) {
            Ok(bytes) => {
                self.drop_front(bytes.max(1));
                Ok(Read::Nothing)
            }
            Err(fault) => {
                // Nothing says where the next packet begins: the rest is one damaged piece.
                self.drop_front(self.held.len());
                Err(fault)
            }
        }
    }

    fn captured(&mut self, capture: Capture, sheet: &mut Sheet) -> Result<Read, Fault> {
        let word = |at: usize| capture.word(&self.held, at);
        let (Some(seconds), Some(fraction), Some(length)) = (word(0), word(4), word(8).map(|n| n as usize)) else {
            self.drop_front(self.held.len());
            return Err("the capture ends within a packet's header".into());
        };
        if length > CAPTURE_BYTES_MAX || self.held.len() < 16 + length {
            self.drop_front(self.held.len());
            return Err("the capture ends within a packet, or says that one is longer than any".into());
        }
        let at = Timestamp(i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * capture.unit_ns);
        let packet = self.held.get(16..16 + length).unwrap_or(&[]);
        let taken = match datagram(capture.link, packet) {
            Some((from, payload @ [0, 5 | 9 | 10, ..])) => {
                self.lines.take_flows(&from, payload, self.place).map(|_| Read::Nothing)
            }
            Some((_, payload @ [b'<', ..])) => {
                self.lines.set_clock(SyslogClock {
                    reference: at,
                    offset_s: 0,
                });
                self.lines.read_syslog(payload, sheet)
            }
            _ => Ok(Read::Nothing),
        };
        self.drop_front(16 + length);
        taken
    }

    fn fill(&mut self, reader: &mut dyn BufRead, bytes: usize) -> io::Result<()> {
        while self.held.len() < bytes {
            let more = reader.fill_buf()?;
            let taken = more.len();
            if taken == 0 {
                return Ok(());
            }
            self.held.extend_from_slice(more);
            reader.consume(taken);
        }
        Ok(())
    }

    fn drop_front(&mut self, bytes: usize) {
        let bytes = bytes.min(self.held.len());
        self.held.drain(..bytes);
        self.place.offset += bytes as u64;
    }
}

impl Capture {
    /// Reads the header of a capture (draft-ietf-opsawg-pcap, § 4).
    fn magic(head: &[u8]) -> Option<Self> {
        let (is_little_endian, unit_ns) = match head.get(..4)? {
            [0xd4, 0xc3, 0xb2, 0xa1] => (true, 1_000),
            [0xa1, 0xb2, 0xc3, 0xd4] => (false, 1_000),
            [0x4d, 0x3c, 0xb2, 0xa1] => (true, 1),
            [0xa1, 0xb2, 0x3c, 0x4d] => (false, 1),
            _ => return None,
        };
        let capture = Self {
            is_little_endian,
            unit_ns,
            link: 0,
        };
        // The upper bits tell of a checksum at the frame's end.
        let link = capture.word(head, 20)? & 0xffff;
        Some(Self { link, ..capture })
    }

    fn word(self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = *bytes.get(at..)?.first_chunk()?;
        Some(if self.is_little_endian {
            u32::from_le_bytes(word)
        } else {
            u32::from_be_bytes(word)
        })
    }
}

/// Returns sender and payload of a UDP datagram that is whole in its frame (link types: tcpdump.org/linktypes).
fn datagram(link: u32, frame: &[u8]) -> Option<(String, &[u8])> {
    let packet = match link {
        0 => frame.get(4..)?,
        1 => ethernet(frame, 12)?,
        101 | 12 => frame,
        113 => frame.get(16..)?,
        276 => frame.get(20..)?,
        _ => return None,
    };
    let (from, udp) = match packet.first()? >> 4 {
        4 => {
            let header = usize::from(packet.first()? & 15) * 4;
            let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff;
            let from: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
            let is_whole_udp = fragment == 0 && packet.get(9) == Some(&17);
            (std::net::IpAddr::from(from), is_whole_udp.then(|| packet.get(header..))??)
        }
        6 => {
            let from: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
            (
                std::net::IpAddr::from(from),
                (packet.get(6) == Some(&17)).then(|| packet.get(40..))??,
            )
        }
        _ => return None,
    };
    let length = usize::from(u16::from_be_bytes([*udp.get(4)?, *udp.get(5)?]));
    Some((from.to_string(), udp.get(8..length)?))
}

/// Skips addresses, VLAN tags and the type.
fn ethernet(frame: &[u8], at: usize) -> Option<&[u8]> {
    match frame.get(at..at + 2)? {
        [0x81, 0x00] | [0x88, 0xa8] if at < 28 => ethernet(frame, at + 4),
        _ => frame.get(at + 2..),
    }
}
