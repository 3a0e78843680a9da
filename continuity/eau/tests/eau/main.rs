//! The spool under ordinary use, damage, crashes and replay.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail like the test itself")]

mod crash;
mod machine;
mod replay;
mod spool;

use leckwehr_crypt::{OpeningKey, SealingKey};
use leckwehr_eau::Incoming;

/// The private half, which the spool never sees.
fn opening() -> OpeningKey {
    OpeningKey::from_seed(&[7; 32]).unwrap()
}

fn sealing() -> SealingKey {
    opening().sealing_key().unwrap()
}

/// A small good eAU bundle with its own identifier.
fn eau(number: u64) -> Incoming {
    eau_saying(number, "AU")
}

/// A bundle whose identifier is `number` and whose content is `text`.
fn eau_saying(number: u64, text: &str) -> Incoming {
    let bytes = format!(
        "<Bundle xmlns=\"http://hl7.org/fhir\"><meta><profile value=\"https://fhir.kbv.de/StructureDefinition/\
         KBV_PR_EAU_Bundle|1.2\"/></meta><identifier><system value=\"urn:ietf:rfc:3986\"/><value value=\"urn:uuid:{number}\"/>\
         </identifier><entry><resource><Patient><text value=\"{text}\"/></Patient></resource></entry></Bundle>"
    );
    Incoming {
        message_id: format!("<{number}@praxis.example>"),
        sender: "dr.sommer@praxis.example".to_owned(),
        received_at_ns: number as i64,
        bytes: bytes.into_bytes(),
    }
}
