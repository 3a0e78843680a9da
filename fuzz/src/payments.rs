use leckwehr_crypt::RecordKey;
use leckwehr_incident::Timestamp;
use leckwehr_pay::{
    Every, Evidence, Fault, Input, Known, Language, Orders, Period, Plan, Shift, is_business_day, is_id, write_message,
};

use crate::fingerprint;

/// What standing orders are made of, as CSV and as TOML.
pub const ORDER_WORDS: &[&str] = &[
    "debtor_name",
    "debtor_iban",
    "debtor_bic",
    "debtor_town",
    "debtor_country",
    "creditor_name",
    "creditor_iban",
    "creditor_bic",
    "amount",
    "currency",
    "purpose",
    "remittance",
    "end_to_end",
    "every",
    "first_due",
    "last_due",
    "shift",
    "EUR",
    "once",
    "weekly",
    "monthly",
    "quarterly",
    "yearly",
    "next",
    "previous",
    "DE89370400440532013000",
    "CH9300762011623852957",
    "COBADEFFXXX",
    "2026-11-30",
    "30.11.2026",
    "999999999.99",
    "{year}",
    "{month}",
    "{day}",
    "\u{fc}",
    "\r\n",
    ",",
    ";",
    "\t",
    "\"",
    "\"\"",
    "[[order]]",
    "[default]",
    " = ",
    "'",
    "\"\"\"",
    "1_0",
    "inf",
    "0x1",
];

/// Reads orders, plans what is due, writes the files and reads them back: nothing may be lost or changed.
pub fn pay(name: &str, bytes: &[u8]) -> u64 {
    let mut orders = Orders::default();
    let mut evidence = Evidence::default();
    let as_evidence = evidence.read(name, bytes).err().map_or(0, |fault| defect(&fault));
    let input = Input {
        name,
        bytes,
        every: Every::Once,
    };
    if let Err(fault) = orders.read(&input) {
        return fingerprint([1, defect(&fault), as_evidence]);
    }
    for order in &orders.orders {
        assert!(order.line >= 1 && order.cents > 0, "an order has a place and an amount");
    }
    let (Ok(from), Ok(to)) = ("2026-11-01".parse(), "2026-12-31".parse()) else {
        return 0;
    };
    let period = Period {
        from,
        to,
        earliest: from,
    };
    let key = RecordKey::from_bytes([1; 32]);
    let none = std::collections::BTreeSet::new();
    let Ok(plan) = Plan::make(&orders, &evidence, &Known::default(), &key, period, &none) else {
        return 2;
    };
    let due: usize = orders.orders.iter().map(|order| order.due_days(from, to).len()).sum();
    assert_eq!(
        plan.payments() as usize + plan.held.len(),
        due,
        "everything due is paid or held"
    );
    for file in &plan.files {
        let mut back = Orders::default();
        let text = write_message(file, Timestamp(0));
        let input = Input {
            name: "back.xml",
            bytes: text.as_bytes(),
            every: Every::Once,
        };
        let read = back.read(&input);
        assert!(
            read.is_ok() && back.faults.is_empty(),
            "a file is read back: {:?}",
            back.faults
        );
        assert_eq!(back.orders.len() as u64, file.payments);
        assert!(is_id(&file.message_id) && file.batches.iter().all(|batch| is_business_day(batch.execute)));
        assert!(
            file.batches
                .iter()
                .all(|batch| Shift::Next.business_day(batch.execute) == batch.execute)
        );
    }
    let mut defects: Vec<u64> = orders.faults.iter().map(defect).collect();
    defects.sort_unstable();
    defects.dedup();
    let held = plan.held.iter().map(|held| held.why.word().len() as u64).max().unwrap_or(0);
    fingerprint(
        defects
            .into_iter()
            .chain([as_evidence, held, plan.payments().min(20), plan.files.len() as u64]),
    )
}

fn defect(fault: &Fault) -> u64 {
    assert!(!fault.text(Language::De).is_empty());
    let text = format!("{:?}{:?}", fault.field, fault.defect);
    text.bytes()
        .fold(7, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(byte.into()))
}
