use std::fmt;

use leckwehr_crypt::{RecordKey, Redacted, from_hex, hex};
use serde::{Deserialize, Serialize};

use crate::EpaError;

/// The key that all others are derived from. Kept where an attacker of the storage cannot get it.
#[derive(Clone)]
pub struct MasterKey(RecordKey);

impl MasterKey {
    /// Takes 32 secret bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(RecordKey::from_bytes(bytes))
    }

    /// Derives what one insured person's context needs: version 1 of `docs/epa-key-derivation.md`.
    pub(crate) fn context_keys(&self, kvnr: &Redacted<String>) -> Result<ContextKeys, EpaError> {
        let kvnr = kvnr.reveal().as_bytes();
        let [letter, digits @ ..] = kvnr else {
            return Err(EpaError::BadKvnr);
        };
        if !letter.is_ascii_uppercase() || digits.len() != 9 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(EpaError::BadKvnr);
        }
        let patient = self.0.derive(&[b"leckwehr epa v1 patient ", kvnr].concat());
        Ok(ContextKeys {
            name: self.0.derive(b"leckwehr epa v1 name").tag(kvnr),
            record: patient.derive(b"leckwehr epa v1 record"),
            audit: patient.derive(b"leckwehr epa v1 audit"),
        })
    }
}

/// The keys of one context, dropped when the access ends.
pub(crate) struct ContextKeys {
    /// Keyed hash of the KVNR: the folder's name, and bound to everything sealed in it.
    pub name: [u8; 32],
    pub record: RecordKey,
    pub audit: RecordKey,
}

/// Names a document: 16 random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DocumentId(pub(crate) [u8; 16]);

impl DocumentId {
    /// Reads the 32 hex digits that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        from_hex(text)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl From<DocumentId> for String {
    fn from(id: DocumentId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for DocumentId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a document id is 32 hex digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        from_hex(text).unwrap()
    }

    /// The vectors of `docs/epa-key-derivation.md`, which were computed by another implementation of HKDF (Python's
    /// `hmac`). A derived key has no readable form; that it is the right one shows by opening what the other sealed.
    #[test]
    fn the_published_vectors_hold() {
        let page = include_str!("../../../docs/epa-key-derivation.md");
        let value = |vector: &str, name: &str| {
            let rest = page.split_once(&format!("### {vector}\n")).unwrap().1;
            let line = rest.lines().find(|l| l.starts_with(&format!("| {name} |"))).unwrap();
            line.split('`').nth(1).unwrap().to_owned()
        };
        for vector in ["Vector 1", "Vector 2"] {
            let master: [u8; 32] = bytes(&value(vector, "master key")).try_into().unwrap();
            let kvnr = Redacted::new(value(vector, "KVNR"));
            let keys = MasterKey::from_bytes(master).context_keys(&kvnr).unwrap();
            assert_eq!(hex(&keys.name), value(vector, "name"));
            for (purpose, key) in [("record key", &keys.record), ("audit key", &keys.audit)] {
                let published: [u8; 32] = bytes(&value(vector, purpose)).try_into().unwrap();
                let sealed = RecordKey::from_bytes(published).encrypt(b"", b"x").unwrap();
                assert_eq!(key.decrypt(b"", &sealed).unwrap(), b"x", "{vector}: {purpose}");
            }
        }
    }

    #[test]
    fn what_is_no_kvnr_is_refused() {
        let master = MasterKey::from_bytes([1; 32]);
        for bad in [
            "",
            "A12345678",
            "A1234567890",
            "a123456780",
            "1123456780",
            "A12345678x",
            "Ä12345678",
        ] {
            assert!(matches!(
                master.context_keys(&Redacted::new(bad.to_owned())),
                Err(EpaError::BadKvnr)
            ));
        }
    }
}
