//! The emergency payment run: when an insurer's payment system is down, sick pay, contributions and hospitals are paid from
//! standing orders, never twice.
//!
//! ```text
//!   pain.001, CSV, TOML ─► Orders ─┐
//!   pain.001, camt ─────► Evidence ┼─► Plan ─build─► sealed file ─2 approvals─► release ─► pain.001.001.09
//!   journal ────────────► Known ───┘    │               │              │            │
//!                                       └► held back    └── journal: reserved ─ approved ─ releasing ─ released
//! ```
//!
//! # Architecture invariants
//! - A payment has an identity (payer, payee, amount, due day, purpose, texts) that does not depend on the run. A released or
//!   reserved identity is never paid again, whatever the period. What is merely like a payment that was made is held back and
//!   named, until a person says that it is another one.
//! - Nothing is dropped: each payment that is due is in a file, or held back with a reason and a remedy, or named as faulty.
//! - The journal is durable before what it speaks of can be seen: reservation before approval, release before the final name. A
//!   crash between any two bytes leaves a state from which the same commands go on.
//! - A file is released only with the words of two different people, bound to its SHA-256 and expiring; whoever built it is
//!   never the second.
//! - On disk stand keyed digests and sealed files only, until a file is released. No name, account or text reaches an error, a
//!   report or a fact: orders are named by input and line.
//! - Planning is pure: the same inputs, journal and days give the same files but for their time of creation.

mod account;
mod amount;
mod calendar;
mod csv;
mod day;
mod desk;
mod desk_error;
mod digest;
mod disk;
mod fault;
mod guard;
mod initiation;
mod input;
mod journal;
mod message;
mod order;
mod orders_toml;
mod plan;
mod roster;
mod statement;
mod text;
mod xml;

pub use account::{Bic, Iban};
pub use amount::{AMOUNT_CENTS_MAX, euros, parse_cents};
pub use calendar::{Shift, easter_sunday, is_business_day};
pub use desk::{Desk, Person};
pub use desk_error::DeskError;
pub use digest::Digest;
pub use disk::{Effect, Faults};
pub use fault::{Defect, FAULTS_MAX, Fault, Field, Language};
pub use guard::{LIKE_DAYS_MAX, Why};
pub use input::{INPUT_BYTES_MAX, Input, Orders};
pub use journal::{FileState, JOURNAL_BYTES_MAX, Known, Stage, Word};
pub use message::write as write_message;
pub use order::{Creditor, Debtor, Every, ORDERS_MAX, Order};
pub use plan::{
    Batch, FILE_PAYMENTS_MAX, Held, PERIOD_DAYS_MAX, Payment, PaymentFile, Period, Plan, PlanError, RUN_PAYMENTS_MAX,
};
pub use roster::{APPROVAL_HOURS_MAX, APPROVALS_NEEDED, Ignored, Roster, RosterError};
pub use statement::{Evidence, Paid};
pub use text::{ID_CHARS_MAX, NAME_CHARS_MAX, REMITTANCE_CHARS_MAX, is_id, is_sepa_char, transliterate};
