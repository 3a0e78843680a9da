use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::{Event, Events, Sym};

use crate::{AddressBook, Place};

/// A name or address of a record, looked up once per batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    /// As the record says it.
    pub(crate) text: &'a str,
    /// Estate id where known, else the text.
    pub(crate) name: &'a str,
    /// Digest of `name`.
    pub(crate) key: u64,
    pub(crate) side: Side,
}

/// Which side of the provider's border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Inside,
    Partner,
    Outside,
    Other,
}

impl Named<'_> {
    pub(crate) fn is_inside(&self) -> bool {
        self.side == Side::Inside
    }

    /// Returns whether bytes sent there have left the provider.
    pub(crate) fn is_beyond(&self) -> bool {
        matches!(self.side, Side::Partner | Side::Outside)
    }

    pub(crate) fn is_none(&self) -> bool {
        self.text.is_empty()
    }
}

/// The names of one batch: each distinct one is parsed, looked up and hashed once.
pub(crate) struct Names<'a> {
    book: &'a AddressBook,
    hash_key: u64,
    named: Vec<Option<Named<'a>>>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(events: &'a Events, book: &'a AddressBook, hash_key: u64) -> Self {
        Self {
            book,
            hash_key,
            named: vec![None; events.symbols().texts().count()],
        }
    }

    fn of(&mut self, sym: Sym, text: &'a str) -> Named<'a> {
        match self.named.get_mut(sym.index()) {
            Some(Some(named)) => *named,
            Some(slot) => *slot.insert(named(self.book, self.hash_key, text)),
            None => named(self.book, self.hash_key, text),
        }
    }

    /// Returns the event with its parties.
    ///
    /// A record that names a host is about that host. A connection between two hosts of the provider is about its
    /// destination; one that leaves is about its origin, and its other end counts as where it came from.
    pub(crate) fn look(&mut self, event: Event<'a>) -> Look<'a> {
        let opener = self.of(event.origin_sym(), event.origin());
        let destination = self.of(event.destination_sym(), event.destination());
        let host = self.of(event.host_sym(), event.host());
        let origin = Some(opener).filter(|o| !o.is_none());
        let (host, origin) = if !host.is_none() {
            (host, origin)
        } else if destination.is_inside() || opener.is_none() {
            (destination, origin)
        } else {
            let other = Named {
                name: destination.text,
                ..destination
            };
            (opener, Some(other))
        };
        Look {
            event,
            at: event.time(),
            host,
            origin,
            opener,
            destination,
            account: self.of(event.account_sym(), event.account()).key,
            sensor: self.of(event.sensor_sym(), event.sensor()),
        }
    }
}

fn named<'a>(book: &'a AddressBook, hash_key: u64, text: &'a str) -> Named<'a> {
    let name = book.system_or_text(text);
    let side = match book.place(text) {
        Place::System(_) | Place::Inside => Side::Inside,
        Place::Partner(_) => Side::Partner,
        Place::Outside => Side::Outside,
        Place::Group | Place::Nowhere => Side::Other,
    };
    Named {
        text,
        name,
        key: digest(hash_key, name),
        side,
    }
}

/// Returns a digest that nobody without the key can find collisions for (folded multiplication, as in wyhash).
pub(crate) fn digest(hash_key: u64, text: &str) -> u64 {
    let mut state = hash_key ^ (text.len() as u64).wrapping_mul(0xa076_1d64_78bd_642f);
    for chunk in text.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        state = fold(state ^ u64::from_le_bytes(word), 0xe703_7ed1_a0b4_28db ^ hash_key);
    }
    fold(state ^ 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3)
}

fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// One event with its parties.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) event: Event<'a>,
    pub(crate) at: Timestamp,
    /// What the record is about.
    pub(crate) host: Named<'a>,
    /// Where it came from, or went to if it left.
    pub(crate) origin: Option<Named<'a>>,
    /// Who opened the connection; empty if the record does not say.
    pub(crate) opener: Named<'a>,
    pub(crate) destination: Named<'a>,
    /// Digest of the account.
    pub(crate) account: u64,
    pub(crate) sensor: Named<'a>,
}

/// What a state machine found, before it is a [`Finding`].
pub(crate) struct Sign<'a> {
    pub(crate) title: &'static str,
    /// ATT&CK ids, separated by blanks, the most telling first.
    pub(crate) techniques: &'static str,
    pub(crate) weight: u8,
    pub(crate) origin: Option<&'a str>,
    pub(crate) detail: String,
}

impl<'a> Look<'a> {
    /// Makes a finding about the record's host.
    pub(crate) fn finding(&self, sign: Sign<'_>) -> Finding {
        Finding {
            at: self.at,
            rule: rule(sign.title),
            title: sign.title.to_owned(),
            author: AUTHOR.to_owned(),
            techniques: techniques(sign.techniques),
            host: self.host.name.to_owned(),
            account: (!self.event.account().is_empty()).then(|| self.event.account().to_owned()),
            origin: sign.origin.map(str::to_owned),
            weight: sign.weight,
            evidence: vec![self.event.reference()],
            detail: sign.detail,
            indicators: self.indicators(),
        }
    }

    /// Returns the addresses outside that the record names.
    pub(crate) fn indicators(&self) -> Vec<String> {
        let ends = [self.opener, self.destination].into_iter();
        ends.filter(Named::is_beyond).map(|end| end.text.to_owned()).collect()
    }

    /// Returns who opened the connection; the host that tells of it if the record does not say.
    pub(crate) fn opener_or_host(&self) -> Named<'a> {
        if self.opener.is_none() { self.host } else { self.opener }
    }

    /// Name of where it came from.
    pub(crate) fn origin_name(&self) -> Option<&'a str> {
        self.origin.as_ref().map(|o| o.name)
    }
}

/// Author of the detectors' findings.
pub(crate) const AUTHOR: &str = "Leckwehr";

/// Returns the id of the detector with this title.
pub(crate) fn rule(title: &str) -> String {
    format!("detector:{}", title.to_lowercase().replace(' ', "-"))
}

pub(crate) fn techniques(ids: &str) -> Vec<String> {
    ids.split(' ').filter(|t| !t.is_empty()).map(str::to_owned).collect()
}

/// How suspicious a detector thought something was, whether or not that made a finding: what a ROC table is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion {
    /// Detector: `beacon`, `egress`, `tunnel`, `change`, `logon`, `flood`, `silence`, `skew`.
    pub detector: &'static str,
    /// When.
    pub at: Timestamp,
    /// What it is about: host, pair, account, sensor, by detector.
    pub subject: String,
    /// In the unit of the detector's threshold, see [`Thresholds`](crate::Thresholds).
    pub score: f64,
}

/// Where state machines put what they found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
    /// Only for measurements.
    pub(crate) opinions: Option<Vec<Opinion>>,
}

impl Found {
    pub(crate) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(crate) fn opine(&mut self, detector: &'static str, at: Timestamp, score: f64, subject: impl FnOnce() -> String) {
        if let Some(opinions) = &mut self.opinions {
            opinions.push(Opinion {
                detector,
                at,
                subject: subject(),
                score,
            });
        }
    }
}
