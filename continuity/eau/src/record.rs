use leckwehr_crypt::{OpeningKey, SealError, SealingKey, hex};
use serde::{Deserialize, Serialize};

use crate::message::{self, Class, Incoming, Looked, Opened};

/// A record as it stands on disk and travels to the receiver: readable only with the opening key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedRecord {
    /// Sequence number in the spool, from 1; gaps are possible after a crash.
    pub seq: u64,
    /// What the first look said.
    pub class: Class,
    /// Another record has the same identifier and a different hash: a UUID fault of the sender, not a duplicate (KP5-06).
    pub identifier_conflict: bool,
    /// Time of receipt, nanoseconds since 1970.
    pub received_at_ns: i64,
    /// SHA-256 of the Bundle's identifier, or of the message id where there is none.
    pub identifier_hash: [u8; 32],
    /// SHA-256 of the document.
    pub payload_hash: [u8; 32],
    /// The sealed envelope: 60 bytes more than message id, sender and document with 8 bytes of lengths.
    pub sealed: Vec<u8>,
}

const META_BYTES: usize = 1 + 1 + 8 + 32 + 32;

impl SealedRecord {
    /// Seals a message. Sequence number and everything in clear are bound to the sealed part.
    pub(crate) fn seal(
        key: &SealingKey,
        seq: u64,
        message: &Incoming,
        looked: &Looked,
        identifier_conflict: bool,
    ) -> Result<Self, SealError> {
        let mut record = Self {
            seq,
            class: looked.class,
            identifier_conflict,
            received_at_ns: message.received_at_ns,
            identifier_hash: looked.identifier_hash,
            payload_hash: looked.payload_hash,
            sealed: Vec::new(),
        };
        record.sealed = key.seal(&record.context(), &message::envelope(message))?;
        Ok(record)
    }

    /// Opens the record; refused if the key is another one or a single bit was changed.
    pub fn open(&self, key: &OpeningKey) -> Result<Opened, SealError> {
        let plain = key.open(&self.context(), &self.sealed)?;
        message::open_envelope(&plain).ok_or(SealError::CannotOpen)
    }

    /// Returns the pair that a message is taken once for.
    pub(crate) fn identity(&self) -> ([u8; 32], [u8; 32]) {
        (self.identifier_hash, self.payload_hash)
    }

    /// Returns the payload hash in hex, for reports.
    pub fn payload_hex(&self) -> String {
        hex(&self.payload_hash)
    }

    pub(crate) fn to_body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(META_BYTES + self.sealed.len());
        body.extend_from_slice(&self.meta());
        body.extend_from_slice(&self.sealed);
        body
    }

    pub(crate) fn from_body(seq: u64, body: &[u8]) -> Option<Self> {
        let (meta, sealed) = body.split_first_chunk::<META_BYTES>()?;
        Some(Self {
            seq,
            class: *Class::ALL.get(usize::from(meta[0]))?,
            identifier_conflict: match meta[1] {
                0 => false,
                1 => true,
                _ => return None,
            },
            received_at_ns: i64::from_le_bytes(meta[2..10].try_into().ok()?),
            identifier_hash: meta[10..42].try_into().ok()?,
            payload_hash: meta[42..].try_into().ok()?,
            sealed: sealed.to_vec(),
        })
    }

    fn meta(&self) -> [u8; META_BYTES] {
        let mut meta = [0; META_BYTES];
        meta[0] = self.class as u8;
        meta[1] = u8::from(self.identifier_conflict);
        meta[2..10].copy_from_slice(&self.received_at_ns.to_le_bytes());
        meta[10..42].copy_from_slice(&self.identifier_hash);
        meta[42..].copy_from_slice(&self.payload_hash);
        meta
    }

    fn context(&self) -> Vec<u8> {
        [&b"leckwehr eau spool v1"[..], &self.seq.to_le_bytes(), &self.meta()].concat()
    }
}
