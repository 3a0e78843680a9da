use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::civil::Date;
use serde::Serialize;

use crate::digest::{Digest, Due, plain};
use crate::fault::Language;
use crate::input::Orders;
use crate::journal::Known;
use crate::statement::{Evidence, Paid};

/// Days within which payments of the same payer, payee and amount are taken for one: TARGET closes for four at most, and
/// weekly payments are seven apart.
pub const LIKE_DAYS_MAX: i32 = 4;

/// Why a payment is held back. None of them is an end: each says what people can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Why {
    /// A file that waits for its release holds it.
    Reserved {
        /// SHA-256 of the file.
        file: String,
    },
    /// A file that was released holds it.
    Released {
        /// SHA-256 of the file.
        file: String,
    },
    /// The orders hold it twice, alike in everything.
    Twin,
    /// Another input of this run holds one of the same payer, payee and amount about this day.
    LikeOther,
    /// A file of an earlier run holds one of the same payer, payee and amount about this day, which these orders do not explain.
    LikeRun {
        /// SHA-256 of the file.
        file: String,
    },
    /// A file of an earlier run holds the same one with another amount: the order was changed since.
    OtherAmount {
        /// SHA-256 of the file.
        file: String,
    },
    /// The normal system sent it: reference or text are the same.
    Paid {
        /// File that says so.
        evidence: String,
        /// Its line.
        evidence_line: u64,
    },
    /// The normal system sent one of the same payer, payee and amount about this day, which these orders do not explain.
    PerhapsPaid {
        /// File that says so.
        evidence: String,
        /// Its line.
        evidence_line: u64,
    },
}

impl Why {
    /// Returns a word for the reason: what tables count by.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Reserved { .. } => "reserved",
            Self::Released { .. } => "released",
            Self::Twin => "twin",
            Self::LikeOther => "like-other",
            Self::LikeRun { .. } => "like-run",
            Self::OtherAmount { .. } => "other-amount",
            Self::Paid { .. } => "paid",
            Self::PerhapsPaid { .. } => "perhaps-paid",
        }
    }

    /// Whether a person may say that it is another payment nevertheless.
    pub fn can_be_overruled(&self) -> bool {
        matches!(
            self,
            Self::LikeOther | Self::LikeRun { .. } | Self::OtherAmount { .. } | Self::PerhapsPaid { .. }
        )
    }

    /// Returns the reason and what to do.
    pub fn text(&self, language: Language) -> String {
        let short = |file: &String| file.get(..12).unwrap_or(file).to_owned();
        let (de, en) = match self {
            Self::Reserved { file } => (
                format!("liegt in Datei {}, die auf Freigabe wartet: freigeben oder mit `cancel` aufgeben", short(file)),
                format!("is in file {}, which waits for its release: release it, or give it up with `cancel`", short(file)),
            ),
            Self::Released { file } => (
                format!("wurde mit Datei {} schon freigegeben; nichts zu tun", short(file)),
                format!("was released with file {} already; nothing to do", short(file)),
            ),
            Self::Twin => (
                "steht zweimal völlig gleich in den Aufträgen; sind beide gemeint, geben Sie ihnen verschiedene Texte".to_owned(),
                "stands twice in the orders, alike in everything; if both are meant, give them different texts".to_owned(),
            ),
            Self::LikeOther => (
                "gleicht in Zahler, Empfänger, Betrag und Zeit einer aus einer anderen Eingabe; ist es eine weitere: `--pay-like`".to_owned(),
                "is like one of another input in payer, payee, amount and time; if it is a further one: `--pay-like`".to_owned(),
            ),
            Self::LikeRun { file } => (
                format!("gleicht einer aus Datei {} in Zahler, Empfänger, Betrag und Zeit; ist es eine weitere: `--pay-like`", short(file)),
                format!("is like one of file {} in payer, payee, amount and time; if it is a further one: `--pay-like`", short(file)),
            ),
            Self::OtherAmount { file } => (
                format!("liegt mit anderem Betrag in Datei {}; ist es eine weitere: `--pay-like`, sonst den Unterschied von Hand klären", short(file)),
                format!("is in file {} with another amount; if it is a further one: `--pay-like`, else settle the difference by hand", short(file)),
            ),
            Self::Paid { evidence, evidence_line } => (
                format!("wurde vom Normalbetrieb schon bezahlt ({evidence}:{evidence_line}); nichts zu tun"),
                format!("was paid by the normal system already ({evidence}:{evidence_line}); nothing to do"),
            ),
            Self::PerhapsPaid { evidence, evidence_line } => (
                format!("wurde vielleicht schon bezahlt ({evidence}:{evidence_line}, anderer Text); ist es eine weitere: `--pay-like`"),
                format!("was perhaps paid already ({evidence}:{evidence_line}, another text); if it is a further one: `--pay-like`"),
            ),
        };
        language.pick(&de, &en).to_owned()
    }
}

/// Decides payment by payment whether it may be paid.
///
/// A payment that the journal or the evidence shows is *explained* if one of these orders is exactly that payment; then it says
/// nothing about others. One that is not explained holds back every payment that is like it.
pub(crate) struct Guard<'a> {
    orders: &'a Orders,
    evidence: &'a Evidence,
    known: &'a Known,
    overruled: &'a BTreeSet<(String, u64)>,
    /// Payments of the period and of some days around it.
    identities: HashSet<Digest>,
    /// Evidence by payee and amount.
    paid: HashMap<(&'a str, u64), Vec<&'a Paid>>,
    /// Evidence that is explained: file and line.
    explained: HashSet<(usize, u64)>,
    accepted: HashSet<Digest>,
    /// Accepted by likeness: input and days.
    alike: HashMap<Digest, Vec<(usize, Date, Date)>>,
}

impl<'a> Guard<'a> {
    /// `around` are the payments of the period and of [`LIKE_DAYS_MAX`] days on both sides.
    pub fn new(
        orders: &'a Orders,
        evidence: &'a Evidence,
        known: &'a Known,
        overruled: &'a BTreeSet<(String, u64)>,
        around: &[Due],
    ) -> Self {
        let mut paid: HashMap<_, Vec<_>> = HashMap::new();
        for one in &evidence.paid {
            paid.entry((one.creditor.reveal(), one.cents)).or_default().push(one);
        }
        let mut guard = Self {
            orders,
            evidence,
            known,
            overruled,
            identities: around.iter().map(|due| due.identity).collect(),
            paid,
            explained: HashSet::new(),
            accepted: HashSet::new(),
            alike: HashMap::new(),
        };
        let explained: Vec<_> = around
            .iter()
            .flat_map(|due| guard.evidence_for(due).filter(|one| is_same(one, due)))
            .collect();
        guard.explained = explained.into_iter().map(|one| (one.file, one.line)).collect();
        guard
    }

    /// Returns why a payment is held back; `None` lets it pass and remembers it.
    pub fn judge(&mut self, due: &Due) -> Option<Why> {
        let why = self.reason(due);
        if why.is_none() {
            self.accepted.insert(due.identity);
            let input = self.orders.orders.get(due.order).map_or(0, |order| order.input);
            self.alike
                .entry(due.likeness)
                .or_default()
                .push((input, due.due, due.execute));
        }
        why
    }

    fn reason(&self, due: &Due) -> Option<Why> {
        if let Some(payment) = self.known.by_identity(&due.identity) {
            let file = payment.file.clone();
            return Some(if payment.is_released {
                Why::Released { file }
            } else {
                Why::Reserved { file }
            });
        }
        if self.accepted.contains(&due.identity) {
            return Some(Why::Twin);
        }
        if let Some(one) = self.evidence_for(due).find(|one| is_same(one, due)) {
            return Some(Why::Paid {
                evidence: self.evidence_name(one),
                evidence_line: one.line,
            });
        }
        let order = self.orders.orders.get(due.order)?;
        let name = self.orders.files.get(order.input)?;
        if self.overruled.contains(&(name.clone(), order.line)) {
            return None;
        }
        let unexplained = |one: &&Paid| !self.explained.contains(&(one.file, one.line));
        if let Some(one) = self.evidence_for(due).find(unexplained) {
            return Some(Why::PerhapsPaid {
                evidence: self.evidence_name(one),
                evidence_line: one.line,
            });
        }
        let mut earlier = self.known.by_likeness(&due.likeness);
        if let Some(one) = earlier.find(|one| !self.identities.contains(&one.identity) && is_near(due, &[one.due, one.execute])) {
            return Some(Why::LikeRun { file: one.file.clone() });
        }
        let mut earlier = self.known.by_matter(&due.matter);
        if let Some(one) = earlier.find(|one| !self.identities.contains(&one.identity)) {
            return Some(Why::OtherAmount { file: one.file.clone() });
        }
        let others = self.alike.get(&due.likeness).map_or(&[][..], Vec::as_slice);
        let other = |(input, a, b): &(usize, Date, Date)| *input != order.input && is_near(due, &[*a, *b]);
        others.iter().any(other).then_some(Why::LikeOther)
    }

    /// Evidence of the same payer, payee and amount about the same day.
    fn evidence_for(&self, due: &Due) -> impl Iterator<Item = &'a Paid> + use<'a> {
        let order = self.orders.orders.get(due.order);
        let found = order.and_then(|order| self.paid.get(&(order.creditor.iban.reveal(), order.cents)));
        let days = [due.due, due.execute];
        let debtor = order.map(|order| &order.debtor.iban);
        let found: Vec<&'a Paid> = found
            .into_iter()
            .flatten()
            .copied()
            .filter(|one| one.debtor.is_none() || one.debtor.as_ref() == debtor)
            .filter(|one| days.iter().any(|day| distance(*day, one.day) <= LIKE_DAYS_MAX))
            .collect();
        found.into_iter()
    }

    fn evidence_name(&self, one: &Paid) -> String {
        self.evidence.files.get(one.file).cloned().unwrap_or_default()
    }
}

/// Whether evidence names the reference or the text of a payment.
fn is_same(one: &Paid, due: &Due) -> bool {
    let reference = one.end_to_end.as_ref().is_some_and(|id| *id.reveal() == due.end_to_end);
    let text = one.remittance.as_ref().map(|text| plain(text.reveal()));
    reference || text.is_some_and(|text| !text.is_empty() && text == plain(&due.remittance))
}

fn is_near(due: &Due, days: &[Date]) -> bool {
    days.iter()
        .any(|day| distance(due.due, *day).min(distance(due.execute, *day)) <= LIKE_DAYS_MAX)
}

fn distance(a: Date, b: Date) -> i32 {
    a.until(b).map_or(i32::MAX, |span| span.get_days().abs())
}
