use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use leckwehr_incident::Timestamp;
use leckwehr_pay::{Desk, DeskError, Effect, Evidence, Faults, Orders, Plan, Stage};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{NOW, TODAY, as_person, csv, key, orders, period, roster, row};

/// A time after all builds.
const AFTERWARDS: Timestamp = Timestamp(NOW.0 + 60_000_000_000);

/// What the bank has: it takes every released file away at once. Payments by payee and text, which names the due day, with how often
/// they came.
pub fn published(folder: &Path) -> BTreeMap<(String, String), usize> {
    let bank = folder.join("bank");
    fs::create_dir_all(&bank).unwrap();
    for entry in fs::read_dir(folder.join("released")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "xml") {
            let taken = fs::read_dir(&bank).unwrap().count();
            fs::rename(path, bank.join(taken.to_string())).unwrap();
        }
    }
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(&bank).unwrap() {
        let read = orders(&[("released.xml", &fs::read_to_string(entry.unwrap().path()).unwrap())]);
        assert!(read.faults.is_empty(), "{:?}", read.faults);
        for order in &read.orders {
            let text = order.remittance(TODAY).reveal().clone();
            *all.entry((order.creditor.iban.reveal().to_owned(), text)).or_default() += 1;
        }
    }
    all
}

/// Orders whose payments can be told from each other by payee and text.
pub fn some_orders(count: u64) -> Orders {
    let every = ["weekly", "monthly", "once", "quarterly"];
    let rows: Vec<String> = (0..count)
        .map(|n| {
            let day = format!("2026-{:02}-{:02}", 10 + n % 3, 1 + n * 7 % 28);
            row(n % 3, n, 100 + n, "Zahlung {day}.{month}.", every[(n % 4) as usize], &day)
        })
        .collect();
    csv(&rows)
}

/// The time of a build: a second one of the same plan is another file.
fn later(desk: &Desk) -> Timestamp {
    NOW.plus_ms(desk.files().count() as i64)
}

/// What is due in a period, by another way than planning.
pub fn all_due(orders: &Orders, from: &str, to: &str) -> BTreeSet<(String, String)> {
    let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
    let due = orders.orders.iter().flat_map(|order| {
        let days = order.due_days(from, to).into_iter();
        days.map(|day| {
            (
                order.creditor.iban.reveal().to_owned(),
                order.remittance(day).reveal().clone(),
            )
        })
    });
    due.collect()
}

pub fn plan_at(desk: &Desk, orders: &Orders, from: &str, to: &str) -> Plan {
    Plan::make(
        orders,
        &Evidence::default(),
        &desk.known(),
        &desk.guard_key(),
        period(from, to),
        &BTreeSet::new(),
    )
    .unwrap()
}

/// Builds, approves and releases what there is.
pub fn finish(desk: &mut Desk, orders: &Orders, from: &str, to: &str) -> Result<(), DeskError> {
    let (plan, now) = (plan_at(desk, orders, from, to), later(desk));
    as_person("carl", |carl| desk.build(&plan, &roster(), carl, now))?;
    let files: Vec<String> = desk.files().map(|(file, _)| file.to_owned()).collect();
    for file in files {
        approve(desk, &file)?;
        release(desk, &file)?;
    }
    Ok(())
}

fn stage(desk: &Desk, file: &str) -> Stage {
    desk.files().find(|(hash, _)| *hash == file).unwrap().1.stage
}

fn approve(desk: &mut Desk, file: &str) -> Result<(), DeskError> {
    for name in ["anna", "bert"] {
        let said = desk
            .files()
            .any(|(hash, state)| hash == file && state.words.iter().any(|word| word.by == name));
        if stage(desk, file) == Stage::Reserved && !said {
            as_person(name, |person| desk.approve(file, &roster(), person, AFTERWARDS, 1))?;
        }
    }
    Ok(())
}

fn release(desk: &mut Desk, file: &str) -> Result<(), DeskError> {
    let unfinished = desk.files().any(|(hash, state)| hash == file && desk.is_unfinished(state));
    if stage(desk, file) == Stage::Reserved || unfinished {
        desk.release(file, &roster(), "carl", AFTERWARDS, TODAY)?;
    }
    Ok(())
}

#[derive(Debug, Clone)]
enum Deed {
    Build(u8, u8),
    Approve(prop::sample::Index),
    Release(prop::sample::Index),
    Cancel(prop::sample::Index),
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, Option<usize>)>> {
    let deed = prop_oneof![
        3 => (1..28_u8, 1..28_u8).prop_map(|(a, b)| Deed::Build(a.min(b), a.max(b))),
        4 => any::<prop::sample::Index>().prop_map(Deed::Approve),
        4 => any::<prop::sample::Index>().prop_map(Deed::Release),
        1 => any::<prop::sample::Index>().prop_map(Deed::Cancel),
    ];
    vec((deed, proptest::option::weighted(0.4, 0..6_000_usize)), 1..14)
}

/// The disk stops after this many bytes or other effects.
fn faults(after: Option<usize>) -> Faults {
    let Some(after) = after else { return Faults::default() };
    let left = Arc::new(AtomicUsize::new(after));
    Faults::new(move |effect| {
        let cost = match effect {
            Effect::Write(bytes) => bytes,
            Effect::Sync | Effect::Rename | Effect::Cut => 1,
            Effect::Stopped => return None,
        };
        let before = left.load(Ordering::Relaxed);
        left.store(before.saturating_sub(cost), Ordering::Relaxed);
        (before < cost).then_some(before)
    })
}

fn act(desk: &mut Desk, orders: &Orders, deed: &Deed) -> Result<(), DeskError> {
    let files: Vec<String> = desk.files().map(|(file, _)| file.to_owned()).collect();
    let pick = |index: &prop::sample::Index| (!files.is_empty()).then(|| files[index.index(files.len())].clone());
    match deed {
        Deed::Build(from, to) => {
            let plan = plan_at(desk, orders, &format!("2026-12-{from:02}"), &format!("2026-12-{to:02}"));
            let now = later(desk);
            as_person("carl", |carl| desk.build(&plan, &roster(), carl, now)).map(|_| ())
        }
        Deed::Approve(index) => pick(index).map_or(Ok(()), |file| approve(desk, &file)),
        Deed::Release(index) => pick(index).map_or(Ok(()), |file| {
            desk.release(&file, &roster(), "carl", AFTERWARDS, TODAY).map(|_| ())
        }),
        Deed::Cancel(index) => pick(index).map_or(Ok(()), |file| {
            as_person("bert", |bert| desk.cancel(&file, &roster(), bert, NOW))
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Leaving out the reservation, the check of a plan against the journal, or the name `.unreleased` makes this red.
    #[test]
    fn over_random_runs_and_stops_of_the_disk_everything_due_is_paid_exactly_once(deeds in deeds()) {
        let folder = crate::crash::folder();
        let orders = some_orders(9);
        for (deed, after) in &deeds {
            // Opening can meet the stop as well.
            if let Ok(mut desk) = crate::open(folder.path(), &key(), faults(*after)) {
                let _ = act(&mut desk, &orders, deed);
            }
            if folder.path().join("released").exists() {
                prop_assert!(published(folder.path()).values().all(|times| *times == 1));
            }
        }
        let mut desk = crate::open(folder.path(), &key(), Faults::default()).unwrap();
        finish(&mut desk, &orders, "2026-12-01", "2026-12-31").unwrap();
        let paid = published(folder.path());
        prop_assert!(paid.values().all(|times| *times == 1));
        prop_assert_eq!(paid.into_keys().collect::<BTreeSet<_>>(), all_due(&orders, "2026-12-01", "2026-12-31"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is written is read back the same: number, sum, and each payment.
    #[test]
    fn a_file_is_read_back_with_the_same_count_sum_and_payments(
        rows in vec((0..3_u64, any::<u32>(), 1..99_999_999_999_u64, "[ -~äöüßéŁ€„]{0,60}", 0..5_usize, 1..29_u8), 1..30),
    ) {
        let every = ["once", "weekly", "monthly", "quarterly", "yearly"];
        let rows: Vec<String> = rows
            .iter()
            .map(|(debtor, creditor, cents, text, interval, day)| {
                let text = format!("\"{}\"", text.replace(['{', '}'], "").replace('"', "\"\""));
                row(*debtor, u64::from(*creditor), *cents, &text, every[*interval], &format!("2026-10-{day:02}"))
            })
            .collect();
        let orders = csv(&rows);
        prop_assert!(orders.faults.is_empty(), "{:?}", orders.faults);
        let plan = crate::plan(&orders, "2026-10-15", "2026-12-31");
        for file in &plan.files {
            let text = leckwehr_pay::write_message(file, NOW);
            // The reader holds the header's number and sum against the content.
            let back = crate::orders(&[("back.xml", &text)]);
            prop_assert!(back.faults.is_empty(), "{:?}", back.faults);
            prop_assert_eq!(back.orders.len() as u64, file.payments);
            prop_assert_eq!(back.orders.iter().map(|order| order.cents).sum::<u64>(), file.cents);
            let payments = file.batches.iter().flat_map(|batch| batch.payments.iter().map(move |payment| (batch, payment)));
            for (order, (batch, payment)) in back.orders.iter().zip(payments) {
                prop_assert!(order.debtor == batch.debtor && order.creditor == payment.creditor);
                let text = order.remittance(TODAY);
                prop_assert_eq!(text.reveal(), payment.remittance.reveal());
                prop_assert_eq!(order.due_days(batch.execute, batch.execute).len(), 1);
                prop_assert!(order.end_to_end.as_ref().is_some_and(|id| id == &payment.end_to_end));
            }
        }
    }
}
