use jiff::civil::Date;
use leckwehr_crypt::{RecordKey, from_hex, hex};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::order::Order;

/// Bytes of a digest that are kept: 128 bits.
const DIGEST_BYTES: usize = 16;

/// A keyed digest: without the key nobody can tell whose it is, not even by trying all account numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; DIGEST_BYTES]);

impl Digest {
    /// Writes it as hex.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    fn of(key: &RecordKey, parts: &[&str]) -> Self {
        // Texts of payments hold no line breaks, so parts cannot run into each other.
        let tag = key.tag(parts.join("\n").as_bytes());
        let mut bytes = [0; DIGEST_BYTES];
        bytes.copy_from_slice(tag.split_at(DIGEST_BYTES).0);
        Self(bytes)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = from_hex(&text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("not a digest"))
    }
}

/// One payment of an order: what the guard and the files need of it.
#[derive(Clone)]
pub(crate) struct Due {
    /// Index of its order.
    pub order: usize,
    /// The day it is due by the order.
    pub due: Date,
    /// The day the bank is to execute it.
    pub execute: Date,
    /// Text for the payee.
    pub remittance: String,
    /// The payee's reference.
    pub end_to_end: String,
    /// Of everything that makes it this payment: payer, payee, amount, due day, purpose, texts.
    pub identity: Digest,
    /// Of everything but the amount: an order whose amount was changed is the same matter.
    pub matter: Digest,
    /// Of payer, payee and amount: what two payments for the same thing share, however they are worded.
    pub likeness: Digest,
}

impl Due {
    pub fn new(key: &RecordKey, index: usize, order: &Order, due: Date, execute: Date) -> Self {
        let remittance = order.remittance(due).reveal().clone();
        let (debtor, creditor) = (order.debtor.iban.reveal(), order.creditor.iban.reveal());
        let (cents, day) = (order.cents.to_string(), due.to_string());
        let reference = order.end_to_end.as_ref().map_or("", |id| id.reveal());
        let purpose = order.purpose.as_deref().unwrap_or_default();
        let worded = plain(&remittance);
        let identity = Digest::of(key, &["payment", debtor, creditor, &cents, &day, purpose, reference, &worded]);
        let made = || format!("LW{}-{:.20}", day.replace('-', ""), identity.hex());
        Self {
            order: index,
            due,
            execute,
            end_to_end: order.end_to_end.as_ref().map_or_else(made, |id| id.reveal().clone()),
            remittance,
            identity,
            matter: Digest::of(key, &["matter", debtor, creditor, &day, purpose, reference, &worded]),
            likeness: Digest::of(key, &["likeness", debtor, creditor, &cents]),
        }
    }
}

/// A text without what systems change about it: blanks and case.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect()
}
