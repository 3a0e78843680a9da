use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil::Date;
use leckwehr_crypt::{Hasher, RecordKey, Redacted, hex};

use crate::calendar::Shift;
use crate::digest::{Digest, Due};
use crate::guard::{Guard, LIKE_DAYS_MAX, Why};
use crate::input::Orders;
use crate::journal::Known;
use crate::order::{Creditor, Debtor};
use crate::statement::Evidence;

/// Longest period of one run in days.
pub const PERIOD_DAYS_MAX: i32 = 366;
/// Most payments of one run.
pub const RUN_PAYMENTS_MAX: usize = 2_000_000;
/// Most payments of one file; a payer with more gets a further file.
pub const FILE_PAYMENTS_MAX: usize = 50_000;

/// What every message id begins with.
pub(crate) const MESSAGE_PREFIX: &str = "LW-";

/// Which payments a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// First due day.
    pub from: Date,
    /// Last due day.
    pub to: Date,
    /// No bank is asked to execute before this day; what was due before is late and goes then.
    pub earliest: Date,
}

/// Why no run can be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The end is before the beginning, or too far behind it.
    #[error("the period must end on or after its first day, and have at most {PERIOD_DAYS_MAX} days")]
    Period,
    /// More payments than a run takes.
    #[error("more than {RUN_PAYMENTS_MAX} payments are due; take a shorter period or fewer orders")]
    TooMany,
}

/// An emergency run before it is built: what will be paid, and what is held back.
pub struct Plan {
    /// One file for each payer, a further one after [`FILE_PAYMENTS_MAX`] payments.
    pub files: Vec<PaymentFile>,
    /// Payments that are held back.
    pub held: Vec<Held>,
}

/// A file for one payer.
pub struct PaymentFile {
    /// The payer's name.
    pub debtor: Redacted<String>,
    /// Id of the message: the same payments have the same id.
    pub message_id: String,
    /// Payments by account and execution day.
    pub batches: Vec<Batch>,
    /// Payments.
    pub payments: u64,
    /// Their sum in cents.
    pub cents: u64,
}

/// Payments from one account on one day.
pub struct Batch {
    /// Who pays.
    pub debtor: Debtor,
    /// When the bank executes them.
    pub execute: Date,
    /// In the order of the inputs.
    pub payments: Vec<Payment>,
}

/// A payment.
pub struct Payment {
    /// Who is paid.
    pub creditor: Creditor,
    /// Euro cents.
    pub cents: u64,
    /// ISO 20022 purpose code.
    pub purpose: Option<String>,
    /// The payee's reference.
    pub end_to_end: Redacted<String>,
    /// Text for the payee.
    pub remittance: Redacted<String>,
    /// Day on which it is due by its order.
    pub due: Date,
    /// Digest of everything about it.
    pub identity: Digest,
    /// Digest of everything but the amount.
    pub matter: Digest,
    /// Digest of payer, payee and amount.
    pub likeness: Digest,
}

/// A payment that is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Input of its order.
    pub input: String,
    /// Line of its order.
    pub line: u64,
    /// Due day.
    pub due: Date,
    /// Why.
    pub why: Why,
}

impl Plan {
    /// Selects what is due, asks the guard about each payment, and groups the rest. The same arguments give the same plan.
    ///
    /// `overruled` names orders by input and line that people say are other payments than those they are like.
    /// O(payments log payments).
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn make(
        orders: &Orders,
        evidence: &Evidence,
        known: &Known,
        key: &RecordKey,
        period: Period,
        overruled: &BTreeSet<(String, u64)>,
    ) -> Result<Self, PlanError> {
        let days = period.from.until(period.to).map_or(i32::MAX, |span| span.get_days());
        if !(0..PERIOD_DAYS_MAX).contains(&days) {
            return Err(PlanError::Period);
        }
        let around = due(orders, key, period)?;
        let mut guard = Guard::new(orders, evidence, known, overruled, &around);
        let (mut files, mut held) = (Vec::new(), Vec::new());
        let mut by_debtor: BTreeMap<&str, Vec<Due>> = BTreeMap::new();
        for one in around {
            let Some(order) = orders.orders.get(one.order) else { continue };
            if one.due < period.from || one.due > period.to {
                continue;
            }
            match guard.judge(&one) {
                None => by_debtor.entry(order.debtor.name.reveal()).or_default().push(one),
                Some(why) => held.push(Held {
                    input: orders.files.get(order.input).cloned().unwrap_or_default(),
                    line: order.line,
                    due: one.due,
                    why,
                }),
            }
        }
        for (debtor, payments) in by_debtor {
            files.extend(
                payments
                    .chunks(FILE_PAYMENTS_MAX)
                    .map(|part| PaymentFile::of(orders, debtor, part)),
            );
        }
        Ok(Self { files, held })
    }

    /// Payments that will be paid.
    pub fn payments(&self) -> u64 {
        self.files.iter().map(|file| file.payments).sum()
    }

    /// Their sum in cents.
    pub fn cents(&self) -> u64 {
        self.files.iter().map(|file| file.cents).sum()
    }
}

/// Returns what is due in the period and some days around it, in the order of the inputs.
fn due(orders: &Orders, key: &RecordKey, period: Period) -> Result<Vec<Due>, PlanError> {
    let margin = i64::from(LIKE_DAYS_MAX);
    let from = period.from.saturating_sub(margin.days());
    let to = period.to.saturating_add(margin.days());
    let mut all = Vec::new();
    for (index, order) in orders.orders.iter().enumerate() {
        for due in order.due_days(from, to) {
            if all.len() == RUN_PAYMENTS_MAX {
                return Err(PlanError::TooMany);
            }
            let wanted = order.shift.business_day(due);
            let execute = if wanted < period.earliest {
                Shift::Next.business_day(period.earliest)
            } else {
                wanted
            };
            all.push(Due::new(key, index, order, due, execute));
        }
    }
    Ok(all)
}

impl PaymentFile {
    fn of(orders: &Orders, debtor: &str, payments: &[Due]) -> Self {
        let mut id = Hasher::default();
        let mut batches: BTreeMap<(Date, &Debtor), Vec<Payment>> = BTreeMap::new();
        let mut cents = 0;
        for one in payments {
            let Some(order) = orders.orders.get(one.order) else { continue };
            id.update(one.identity.hex().as_bytes());
            cents += order.cents;
            batches.entry((one.execute, &order.debtor)).or_default().push(Payment {
                creditor: order.creditor.clone(),
                cents: order.cents,
                purpose: order.purpose.clone(),
                end_to_end: Redacted::new(one.end_to_end.clone()),
                remittance: Redacted::new(one.remittance.clone()),
                due: one.due,
                identity: one.identity,
                matter: one.matter,
                likeness: one.likeness,
            });
        }
        let batches = batches.into_iter().map(|((execute, debtor), payments)| Batch {
            debtor: debtor.clone(),
            execute,
            payments,
        });
        Self {
            debtor: Redacted::new(debtor.to_owned()),
            message_id: format!("{MESSAGE_PREFIX}{:.24}", hex(&id.finish())),
            batches: batches.collect(),
            payments: payments.len() as u64,
            cents,
        }
    }
}
