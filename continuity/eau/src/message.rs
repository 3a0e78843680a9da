use leckwehr_crypt::{Hasher, sha256};
use leckwehr_fhir::{Outcome, inspect};
use serde::{Deserialize, Serialize};

/// Longest message taken, in bytes: 25 MB net as KIM allows, with room for its base64 form.
pub const MESSAGE_BYTES_MAX: usize = 35 * 1024 * 1024;
/// Longest message id or sender taken, in bytes: a line of RFC 5322.
pub const ENVELOPE_BYTES_MAX: usize = 998;

/// A message as it comes in. It has no `Debug`: it is patient data.
#[derive(Clone)]
pub struct Incoming {
    /// Message-ID of the outer header.
    pub message_id: String,
    /// Sender's address.
    pub sender: String,
    /// Time of receipt, nanoseconds since 1970.
    pub received_at_ns: i64,
    /// The document.
    pub bytes: Vec<u8>,
}

/// A message as it comes out again under the opening key. It has no `Debug`: it is patient data.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// Message-ID of the outer header.
    pub message_id: String,
    /// Sender's address.
    pub sender: String,
    /// The document, byte for byte.
    pub bytes: Vec<u8>,
}

/// What a first look says. Nothing is rejected in emergency mode, whatever the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A well-formed eAU or cancellation bundle with identifier and profile. Not validated.
    Good,
    /// Something else that may be right: another profile, a signed container, an oddity. Held for a full check.
    Doubtful,
    /// Not a document that can be read at all. Kept nevertheless.
    Unreadable,
}

impl Class {
    /// All classes; a class is stored as its position.
    pub const ALL: [Self; 3] = [Self::Good, Self::Doubtful, Self::Unreadable];

    /// Returns the word used in JSON and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What is known of a message before it is stored.
pub(crate) struct Looked {
    pub class: Class,
    /// Hash of the Bundle's identifier, or of the message id where there is none.
    pub identifier_hash: [u8; 32],
    pub payload_hash: [u8; 32],
}

/// Looks at a message without judging it.
pub(crate) fn look(message: &Incoming) -> Looked {
    let outcome = inspect(&message.bytes);
    let identifier_hash = match &outcome.identifier {
        Some(identifier) => name_hash(b"identifier", &[&identifier.system, &identifier.value]),
        None => name_hash(b"message-id", &[&message.message_id]),
    };
    Looked {
        class: class_of(&message.bytes, &outcome),
        identifier_hash,
        payload_hash: sha256(&message.bytes),
    }
}

fn class_of(bytes: &[u8], outcome: &Outcome) -> Class {
    const WANTED: [&str; 2] = [
        "https://fhir.kbv.de/StructureDefinition/KBV_PR_EAU_Bundle",
        "https://fhir.kbv.de/StructureDefinition/KBV_PR_EAU_Storno_Bundle",
    ];
    // DER of a long-form SEQUENCE: the CAdES container a real eAU comes in. Opening it is not built yet.
    let signed = matches!(bytes, [0x30, 0x80..=0x84, ..]);
    if !outcome.well_formed {
        return if signed { Class::Doubtful } else { Class::Unreadable };
    }
    let profile = outcome.profiles.iter().any(|p| WANTED.contains(&p.url.as_str()));
    if profile && outcome.identifier.is_some() && outcome.issues.is_empty() {
        Class::Good
    } else {
        Class::Doubtful
    }
}

/// Hashes names with a label and their lengths, so that no two different lists of names give the same input.
fn name_hash(label: &[u8], names: &[&str]) -> [u8; 32] {
    let mut hasher = Hasher::default();
    hasher.update(b"leckwehr eau v1 ");
    hasher.update(label);
    for name in names {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
    hasher.finish()
}

/// Writes what gets sealed: both names with their length, then the document.
pub(crate) fn envelope(message: &Incoming) -> Vec<u8> {
    let mut plain = Vec::with_capacity(8 + message.message_id.len() + message.sender.len() + message.bytes.len());
    for name in [&message.message_id, &message.sender] {
        plain.extend_from_slice(&(name.len() as u32).to_le_bytes());
        plain.extend_from_slice(name.as_bytes());
    }
    plain.extend_from_slice(&message.bytes);
    plain
}

/// Reads what [`envelope`] wrote.
pub(crate) fn open_envelope(plain: &[u8]) -> Option<Opened> {
    let (message_id, rest) = take_name(plain)?;
    let (sender, bytes) = take_name(rest)?;
    Some(Opened {
        message_id,
        sender,
        bytes: bytes.to_vec(),
    })
}

fn take_name(plain: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = plain.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((String::from_utf8(name.to_vec()).ok()?, rest))
}
