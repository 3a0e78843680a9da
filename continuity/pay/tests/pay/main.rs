//! The emergency payment run: reading, planning, the guard, approvals, crashes, and what ISO 20022's own schema says.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail like the test itself")]

mod crash;
mod desk;
mod guard;
mod hostile;
mod model;
mod plan;
mod read;
mod schema;

use std::collections::BTreeSet;
use std::path::Path;

use jiff::civil::{Date, date};
use leckwehr_crypt::{RecordKey, SigningKey, hex};
use leckwehr_incident::Timestamp;
use leckwehr_pay::{Desk, DeskError, Every, Evidence, Faults, Input, Known, Orders, Period, Person, Plan, Roster};

/// 26 November 2026, 09:00 UTC, a Thursday.
const NOW: Timestamp = Timestamp(1_795_683_600_000_000_000);
const TODAY: Date = date(2026, 11, 26);
const HEAD: &str =
    "debtor_name,debtor_iban,creditor_name,creditor_iban,amount,purpose,remittance,every,first_due,last_due,shift\n";

/// A German account with sound check digits.
fn iban(number: u64) -> String {
    let account = format!("{:08}{number:010}", 37_040_044);
    // The remainder with check digits 00, as the rule for making them has it.
    let digits = format!("{account}131400");
    let rest = digits.bytes().fold(0, |sum: u64, b| (sum * 10 + u64::from(b - b'0')) % 97);
    format!("DE{:02}{account}", 98 - rest)
}

/// One row under [`HEAD`]: payer, payee, cents, text, interval, first day.
fn row(debtor: u64, creditor: u64, cents: u64, text: &str, every: &str, first: &str) -> String {
    format!(
        "Kasse {debtor},{},Name {creditor},{},{}.{:02},BENE,{text},{every},{first},,\n",
        iban(900_000 + debtor),
        iban(creditor),
        cents / 100,
        cents % 100
    )
}

fn orders(inputs: &[(&str, &str)]) -> Orders {
    let mut orders = Orders::default();
    for (name, text) in inputs {
        let input = Input {
            name,
            bytes: text.as_bytes(),
            every: Every::Once,
        };
        orders.read(&input).unwrap();
    }
    orders
}

fn csv(rows: &[String]) -> Orders {
    orders(&[("orders.csv", &format!("{HEAD}{}", rows.concat()))])
}

fn period(from: &str, to: &str) -> Period {
    Period {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        earliest: date(2026, 11, 27),
    }
}

fn key() -> RecordKey {
    RecordKey::from_bytes([5; 32])
}

/// A plan beside an empty journal and without evidence.
fn plan(orders: &Orders, from: &str, to: &str) -> Plan {
    Plan::make(
        orders,
        &Evidence::default(),
        &Known::default(),
        &key(),
        period(from, to),
        &BTreeSet::new(),
    )
    .unwrap()
}

const PEOPLE: [&str; 3] = ["anna", "bert", "carl"];

fn person_key(name: &str) -> SigningKey {
    let seed = name.bytes().next().unwrap();
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn roster() -> Roster {
    let line = |name: &&str| format!("{name} {}\n", hex(person_key(name).verifying_key().as_bytes()));
    Roster::parse(&PEOPLE.iter().map(line).collect::<String>()).unwrap()
}

/// Opens a desk. A program that another test starts at this moment holds its lock until it runs: that is waited for.
fn open(folder: &Path, key: &RecordKey, faults: Faults) -> Result<Desk, DeskError> {
    for _ in 0..1_000_000 {
        match Desk::open(folder, key, faults.clone()) {
            Err(DeskError::Locked(_)) => std::thread::yield_now(),
            other => return other,
        }
    }
    Desk::open(folder, key, faults)
}

/// Does something as a person of the roster.
fn as_person<T>(name: &str, deed: impl FnOnce(&Person<'_>) -> T) -> T {
    deed(&Person {
        name,
        key: &person_key(name),
    })
}
