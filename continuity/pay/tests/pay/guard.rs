use std::collections::BTreeSet;

use jiff::civil::Date;
use leckwehr_pay::{Desk, Evidence, Faults, LIKE_DAYS_MAX, Orders, Plan, Why};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{HEAD, NOW, TODAY, as_person, iban, key, orders, period, roster, row};

/// A payment file of the normal system as evidence: payee, cents, day, text.
fn evidence(paid: &[(u64, u64, u8, u8)]) -> Evidence {
    let mut evidence = Evidence::default();
    for (index, (creditor, cents, day, text)) in paid.iter().enumerate() {
        let file = format!(
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09\"><CstmrCdtTrfInitn><GrpHdr><NbOfTxs>1</NbOfTxs></GrpHdr>\
             <PmtInf><PmtMtd>TRF</PmtMtd><ReqdExctnDt><Dt>2026-12-{day:02}</Dt></ReqdExctnDt><Dbtr><Nm>K</Nm></Dbtr><DbtrAcct><Id><IBAN>{}</IBAN></Id></DbtrAcct>\
             <CdtTrfTxInf><PmtId><EndToEndId>NOTPROVIDED</EndToEndId></PmtId><Amt><InstdAmt Ccy=\"EUR\">{cents}.00</InstdAmt></Amt><Cdtr><Nm>N</Nm></Cdtr>\
             <CdtrAcct><Id><IBAN>{}</IBAN></Id></CdtrAcct><RmtInf><Ustrd>text {text}</Ustrd></RmtInf></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>",
            iban(900_001),
            iban(*creditor)
        );
        evidence.read(&format!("paid-{index}.xml"), file.as_bytes()).unwrap();
    }
    evidence
}

/// An order of the model: payee, euros, day of December, text.
type One = (u64, u64, u8, u8);

fn input(ones: &[One]) -> String {
    let rows = ones.iter().map(|(creditor, euros, day, text)| {
        row(
            1,
            *creditor,
            euros * 100,
            &format!("text {text}"),
            "once",
            &format!("2026-12-{day:02}"),
        )
    });
    HEAD.to_owned() + &rows.collect::<String>()
}

fn read(inputs: &[Vec<One>]) -> Orders {
    let texts: Vec<(String, String)> = inputs
        .iter()
        .enumerate()
        .map(|(n, ones)| (format!("{n}.csv"), input(ones)))
        .collect();
    orders(
        &texts
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect::<Vec<_>>(),
    )
}

fn make(desk: &Desk, orders: &Orders, evidence: &Evidence, overruled: &[(&str, u64)]) -> Plan {
    let overruled = overruled.iter().map(|(file, line)| ((*file).to_owned(), *line)).collect();
    Plan::make(
        orders,
        evidence,
        &desk.known(),
        &desk.guard_key(),
        period("2026-12-01", "2026-12-31"),
        &overruled,
    )
    .unwrap()
}

fn build(desk: &mut Desk, plan: &Plan) -> Vec<String> {
    as_person("carl", |carl| desk.build(plan, &roster(), carl, NOW)).unwrap()
}

fn day(day: u8) -> Date {
    format!("2026-12-{day:02}").parse().unwrap()
}

fn near(a: u8, execute: Date, b: Date) -> bool {
    let distance = |from: Date| from.until(b).unwrap().get_days().abs();
    distance(day(a)) <= LIKE_DAYS_MAX || distance(execute) <= LIKE_DAYS_MAX
}

fn executes(due: u8) -> Date {
    leckwehr_pay::Shift::Next.business_day(day(due))
}

/// The rules of the guard as they are written down, by looking at everything for everything.
fn expected(inputs: &[Vec<One>], before: &[One], is_released: bool, paid: &[(u64, u64, u8, u8)]) -> Vec<&'static str> {
    let all: Vec<(usize, One)> = inputs
        .iter()
        .enumerate()
        .flat_map(|(n, ones)| ones.iter().map(move |one| (n, *one)))
        .collect();
    let mut accepted: Vec<(usize, One)> = Vec::new();
    let mut words = Vec::new();
    for (input, one) in &all {
        let (creditor, euros, due, text) = *one;
        let about = |paid: &&(u64, u64, u8, u8)| (paid.0, paid.1) == (creditor, euros) && near(due, executes(due), day(paid.2));
        let explained = |paid: &(u64, u64, u8, u8)| {
            all.iter()
                .any(|(_, o)| (o.0, o.1, o.3) == (paid.0, paid.1, paid.3) && near(o.2, executes(o.2), day(paid.2)))
        };
        let like = |other: &One| {
            (other.0, other.1) == (creditor, euros)
                && [day(other.2), executes(other.2)].iter().any(|d| near(due, executes(due), *d))
        };
        let word = if before.contains(one) {
            if is_released { "released" } else { "reserved" }
        } else if accepted.iter().any(|(_, o)| o == one) {
            "twin"
        } else if paid.iter().filter(about).any(|p| p.3 == text) {
            "paid"
        } else if paid.iter().filter(about).any(|p| !explained(p)) {
            "perhaps-paid"
        } else if before.iter().any(|b| like(b) && !all.iter().any(|(_, o)| o == b)) {
            "like-run"
        } else if before
            .iter()
            .any(|b| (b.0, b.2, b.3) == (creditor, due, text) && b.1 != euros && !all.iter().any(|(_, o)| o == b))
        {
            "other-amount"
        } else if accepted.iter().any(|(other, o)| other != input && like(o)) {
            "like-other"
        } else {
            accepted.push((*input, *one));
            "pays"
        };
        words.push(word);
    }
    words
}

fn ones() -> impl Strategy<Value = Vec<One>> {
    vec((1..3_u64, 1..3_u64, 1..25_u8, 1..4_u8), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Leaving out any branch of `Guard::reason`, or the window, makes this red.
    #[test]
    fn the_guard_decides_as_looking_at_everything_does(
        first in ones(), second in ones(), other in ones(), paid in vec((1..3_u64, 1..3_u64, 1..25_u8, 1..4_u8), 0..4), is_released in any::<bool>(),
    ) {
        let folder = crate::crash::folder();
        let mut desk = crate::open(folder.path(), &key(), Faults::default()).unwrap();
        let earlier = make(&desk, &read(std::slice::from_ref(&first)), &Evidence::default(), &[]);
        for file in build(&mut desk, &earlier) {
            if is_released {
                for name in ["anna", "bert"] {
                    as_person(name, |person| desk.approve(&file, &roster(), person, NOW, 1)).unwrap();
                }
                desk.release(&file, &roster(), "carl", NOW, TODAY).unwrap();
            }
        }
        let before: BTreeSet<One> = first.into_iter().collect();
        let inputs = [second, other];
        let plan = make(&desk, &read(&inputs), &evidence(&paid), &[]);
        let words = expected(&inputs, &before.into_iter().collect::<Vec<_>>(), is_released, &paid);
        let held: Vec<&str> = plan.held.iter().map(|held| held.why.word()).collect();
        let expected_held: Vec<&str> = words.iter().copied().filter(|word| *word != "pays").collect();
        prop_assert_eq!(held, expected_held);
        // Nothing is dropped.
        prop_assert_eq!(plan.payments() as usize + plan.held.len(), inputs.concat().len());
    }
}

#[test]
fn a_person_can_overrule_likeness_and_nothing_else() {
    let folder = crate::crash::folder();
    let desk = crate::open(folder.path(), &key(), Faults::default()).unwrap();
    let inputs = [vec![(1, 1, 10, 1), (1, 1, 10, 1)], vec![(1, 1, 12, 2)]];
    let words = |plan: &Plan| {
        plan.held
            .iter()
            .map(|held| (held.input.clone(), held.line, held.why.can_be_overruled()))
            .collect::<Vec<_>>()
    };
    let plain = make(&desk, &read(&inputs), &Evidence::default(), &[]);
    assert_eq!(words(&plain), [("0.csv".to_owned(), 3, false), ("1.csv".to_owned(), 2, true)]);
    let overruled = make(&desk, &read(&inputs), &Evidence::default(), &[("0.csv", 3), ("1.csv", 2)]);
    assert_eq!(words(&overruled), [("0.csv".to_owned(), 3, false)]);
    assert_eq!(overruled.held[0].why, Why::Twin);
}

#[test]
fn weekly_payments_and_overlapping_periods_are_not_taken_for_each_other() {
    let folder = crate::crash::folder();
    let mut desk = crate::open(folder.path(), &key(), Faults::default()).unwrap();
    let orders = crate::csv(&[row(1, 1, 100, "x", "weekly", "2026-12-01")]);
    let plan = |desk: &Desk, from, to| {
        Plan::make(
            &orders,
            &Evidence::default(),
            &desk.known(),
            &desk.guard_key(),
            period(from, to),
            &BTreeSet::new(),
        )
        .unwrap()
    };
    let first = plan(&desk, "2026-12-01", "2026-12-16");
    assert_eq!((first.payments(), first.held.len()), (3, 0));
    build(&mut desk, &first);
    let second = plan(&desk, "2026-12-10", "2026-12-31");
    let reserved = second.held.iter().all(|held| matches!(held.why, Why::Reserved { .. }));
    assert_eq!((second.payments(), second.held.len(), reserved), (2, 1, true));
}
