use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use leckwehr_telemetry::{Fault, Lines, Loss, RawPlace, Read, Sheet, SyslogClock};

use crate::receive::{Payload, Received};

/// Senders whose half-told events and templates are remembered; the one silent for longest is forgotten.
pub const PEERS_MAX: usize = 4_096;

/// Reads what was received into sheets, the streams of all senders apart.
///
/// ```text
///   streams.take(&received, &mut sheet)  then  while streams.more(&mut sheet)? == Read::Record
/// ```
#[derive(Debug, Default)]
pub struct Streams {
    known: BTreeMap<(Arc<str>, IpAddr), Stream>,
    /// Whose records come next.
    present: Option<(Arc<str>, IpAddr)>,
    turn: u64,
}

#[derive(Debug, Default)]
struct Stream {
    lines: Lines,
    place: RawPlace,
    used: u64,
}

impl Streams {
    /// Builds a reader of no sender yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the name under which a sender's records and losses are kept: `source/address`.
    pub fn name(received: &Received) -> String {
        format!("{}/{}", received.source, received.peer)
    }

    /// Takes what was received; the first record may be in the sheet at once, the others come by [`Streams::more`].
    ///
    /// # Errors
    /// Why it is damaged; records before the damage still come.
    pub fn take(&mut self, received: &Received, sheet: &mut Sheet) -> Result<Read, Fault> {
        let key = (Arc::clone(&received.source), received.peer);
        self.turn += 1;
        if self.known.len() >= PEERS_MAX && !self.known.contains_key(&key) {
            let oldest = self
                .known
                .iter()
                .min_by_key(|(_, stream)| stream.used)
                .map(|(key, _)| key.clone());
            oldest.map(|key| self.known.remove(&key));
        }
        let stream = self.known.entry(key.clone()).or_default();
        self.present = Some(key);
        stream.used = self.turn;
        stream.place.record += 1;
        let place = stream.place;
        stream.place.offset += received.payload.len() as u64;
        sheet.set_place(place);
        let lines = &mut stream.lines;
        lines.set_clock(SyslogClock {
            reference: received.at,
            offset_s: received.offset_s,
        });
        match &received.payload {
            Payload::Syslog(message) => return lines.read_syslog(message, sheet),
            Payload::Flows(packet) => drop(lines.take_flows(&received.peer.to_string(), packet, place)?),
            Payload::Otlp(body, encoding) => drop(lines.take_otlp(body, *encoding, place)?),
            Payload::End => lines.finish(),
        }
        Ok(Read::Nothing)
    }

    /// Reads a further record of the sender whose message was taken last.
    ///
    /// # Errors
    /// Why the record is damaged.
    pub fn more(&mut self, sheet: &mut Sheet) -> Result<Read, Fault> {
        match self.present.as_ref().and_then(|key| self.known.get_mut(key)) {
            Some(stream) => stream.lines.more(sheet),
            None => Ok(Read::Nothing),
        }
    }

    /// Returns a loss that the numbers of the sender whose message was taken last tell, each once.
    pub fn loss(&mut self) -> Option<Loss> {
        let key = self.present.as_ref()?;
        self.known.get_mut(key)?.lines.loss()
    }

    /// Takes for whole what waits for further messages of any sender, in quiet moments and at the end; `each` is called for
    /// every sender that had something, to read it by [`Streams::more`].
    pub fn finish(&mut self, each: &mut dyn FnMut(&mut Self)) {
        for key in self.known.keys().cloned().collect::<Vec<_>>() {
            if let Some(stream) = self.known.get_mut(&key) {
                stream.lines.finish();
                self.present = Some(key);
                each(self);
            }
        }
    }
}
