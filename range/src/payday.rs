use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use leckwehr_crypt::{Dice, RecordKey, SigningKey, hex, random_bytes};
use leckwehr_incident::Timestamp;
use leckwehr_pay::{Desk, Every, Evidence, Faults, Input, Orders, Period, Person, Plan, Roster};
use serde::{Deserialize, Serialize};

use crate::clock::now;

/// Standing orders that are due while the services are cut.
const ORDERS: u64 = 40;
/// Largest amount of an order, in cents.
const CENTS_MAX: usize = 500_000;
/// Days in which orders fall due, and days that a run is for.
const DUE_DAYS: usize = 20;
const PERIOD_DAYS: i64 = 30;
const DAY_MS: i64 = 24 * 3_600_000;
/// Hours that a word for a file counts.
const WORD_HOURS: i64 = 1;
/// Who builds the files; and the two who release them.
const PEOPLE: [&str; 3] = ["builder", "payments-one", "payments-two"];

/// What emergency payment runs did with standing orders, counted in the files that they handed out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Paid {
    /// Orders that were due.
    pub orders: usize,
    /// Orders that were paid once, with the right amount.
    pub paid_once: usize,
    /// Payments that no order asked for, or a second time.
    pub too_many: usize,
    /// What went wrong.
    pub failures: Vec<String>,
}

/// Pays what is due in an emergency run that two people release, and runs once more, as somebody does who does not know whether
/// the first one went out.
pub(crate) fn pay_day(folder: &Path, seed: u64) -> Paid {
    let due = orders(seed, now());
    let mut paid = Paid {
        orders: due.len(),
        ..Paid::default()
    };
    for _ in 0..2 {
        if let Err(error) = run(folder, &due) {
            paid.failures.push(error);
        }
    }
    let sent = match sent(&folder.join("released")) {
        Ok(sent) => sent,
        Err(error) => {
            paid.failures.push(error.to_string());
            return paid;
        }
    };
    let once = |order: &&Due| {
        sent.get(&order.creditor)
            .is_some_and(|amounts| *amounts == [order.amount.clone()])
    };
    paid.paid_once = due.iter().filter(once).count();
    paid.too_many = sent.values().map(Vec::len).sum::<usize>().saturating_sub(due.len());
    paid
}

/// One payment that somebody waits for.
struct Due {
    creditor: String,
    amount: String,
    row: String,
}

fn orders(seed: u64, now: Timestamp) -> Vec<Due> {
    let mut dice = Dice::new(seed, "standing orders");
    let order = |number| {
        let cents = dice.below(CENTS_MAX) + 1;
        let (creditor, amount) = (iban(number), format!("{}.{:02}", cents / 100, cents % 100));
        let first = day(now.plus_ms((dice.below(DUE_DAYS) as i64 + 1) * DAY_MS));
        let debtor = iban(900_000 + number % 2);
        Due {
            row: format!("Kasse,{debtor},Person {number},{creditor},{amount},BENE,Krankengeld {number},once,{first},,\n"),
            creditor,
            amount,
        }
    };
    (1..=ORDERS).map(order).collect()
}

/// A German account with sound check digits.
fn iban(number: u64) -> String {
    let account = format!("37040044{number:010}");
    // D is 13, E is 14; the remainder with check digits 00.
    let digits = format!("{account}131400");
    let rest = digits.bytes().fold(0, |sum: u64, b| (sum * 10 + u64::from(b - b'0')) % 97);
    format!("DE{:02}{account}", 98 - rest)
}

fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// One run at the desk in this folder: plan, build, two words, release.
fn run(folder: &Path, due: &[Due]) -> Result<(), String> {
    let words = |error: &dyn std::error::Error| error.to_string();
    let bad_day = |_| "a day that no calendar has".to_owned();
    let head = "debtor_name,debtor_iban,creditor_name,creditor_iban,amount,purpose,remittance,every,first_due,last_due,shift\n";
    let rows: String = due.iter().map(|order| order.row.as_str()).collect();
    let mut orders = Orders::default();
    let input = Input {
        name: "standing-orders.csv",
        bytes: &[head.as_bytes(), rows.as_bytes()].concat(),
        every: Every::Once,
    };
    orders.read(&input).map_err(|e| words(&e))?;
    let people = Staff::open(folder)?;
    let mut desk = Desk::open(folder, &people.key, Faults::default()).map_err(|e| words(&e))?;
    let at = now();
    let period = Period {
        from: day(at).parse().map_err(bad_day)?,
        to: day(at.plus_ms(PERIOD_DAYS * DAY_MS)).parse().map_err(bad_day)?,
        earliest: day(at.plus_ms(DAY_MS)).parse().map_err(bad_day)?,
    };
    let (known, key) = (desk.known(), desk.guard_key());
    let plan = Plan::make(&orders, &Evidence::default(), &known, &key, period, &BTreeSet::new()).map_err(|e| words(&e))?;
    let [builder, first, second] = people.persons();
    for file in desk.build(&plan, &people.roster, &builder, at).map_err(|e| words(&e))? {
        for person in [&first, &second] {
            let word = desk.approve(&file, &people.roster, person, at, WORD_HOURS);
            word.map_err(|e| words(&e))?;
        }
        let released = desk.release(&file, &people.roster, builder.name, now(), period.from);
        released.map_err(|e| words(&e))?;
    }
    Ok(())
}

/// The people at the desk and the desk's key; the same in every run of a folder.
struct Staff {
    key: RecordKey,
    keys: [SigningKey; 3],
    roster: Roster,
}

impl Staff {
    fn open(folder: &Path) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        let mut keys = Vec::new();
        let mut roster = String::new();
        let seed = |name: &str| -> Result<[u8; 32], String> {
            let path = folder.join(format!("{name}.seed"));
            if !path.exists() {
                let fresh = random_bytes::<32>().map_err(|e| e.to_string())?;
                fs::write(&path, fresh).map_err(|e| e.to_string())?;
            }
            let bytes = fs::read(&path).map_err(|e| e.to_string())?;
            bytes.try_into().map_err(|_| format!("{} is no key", path.display()))
        };
        let key = RecordKey::from_bytes(seed("desk")?);
        for name in PEOPLE {
            let key = SigningKey::from_seed(&seed(name)?).map_err(|e| e.to_string())?;
            let _ = writeln!(roster, "{name} {}", hex(key.verifying_key().as_bytes()));
            keys.push(key);
        }
        Ok(Self {
            key,
            keys: keys.try_into().map_err(|_| "three people work at the desk".to_owned())?,
            roster: Roster::parse(&roster).map_err(|e| e.to_string())?,
        })
    }

    fn persons(&self) -> [Person<'_>; 3] {
        let [builder, first, second] = &self.keys;
        let [a, b, c] = PEOPLE;
        let person = |name, key| Person { name, key };
        [person(a, builder), person(b, first), person(c, second)]
    }
}

/// Amounts by payee in every file that was handed out, read without the code that wrote them.
fn sent(released: &Path) -> std::io::Result<BTreeMap<String, Vec<String>>> {
    let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in fs::read_dir(released)? {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "xml") {
            continue;
        }
        let text = fs::read_to_string(path)?;
        for payment in text.split("<CdtTrfTxInf>").skip(1) {
            let between = |from: &str, to: &str| {
                let (_, rest) = payment.split_once(from)?;
                rest.split_once(to).map(|(inner, _)| inner.to_owned())
            };
            let creditor = between("<CdtrAcct>", "</CdtrAcct>").unwrap_or_default();
            let creditor: String = creditor
                .split(['<', '>'])
                .find(|part| part.starts_with("DE"))
                .unwrap_or_default()
                .to_owned();
            let amount = between("<InstdAmt Ccy=\"EUR\">", "</InstdAmt>").unwrap_or_default();
            sent.entry(creditor).or_default().push(amount);
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red if the second run pays again, or if what is counted is not what lies in the files.
    #[test]
    fn each_order_is_paid_once_in_two_runs() {
        let folder = tempfile::tempdir().unwrap();
        let paid = pay_day(folder.path(), 1);
        assert_eq!(paid.failures, Vec::<String>::new());
        assert_eq!((paid.orders, paid.paid_once, paid.too_many), (40, 40, 0));
        // A file handed out under another name is a second payment of all that is in it.
        let released = folder.path().join("released");
        let file = fs::read_dir(&released).unwrap().next().unwrap().unwrap().path();
        fs::copy(&file, released.join("again.xml")).unwrap();
        let sent = sent(&released).unwrap();
        assert!(sent.values().any(|amounts| amounts.len() == 2));
    }
}
