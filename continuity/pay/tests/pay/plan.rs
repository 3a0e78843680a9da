use leckwehr_pay::{FILE_PAYMENTS_MAX, PlanError, Why, write_message};

use crate::{NOW, csv, period, plan, row};

#[test]
fn payments_are_grouped_by_payer_account_and_business_day_and_late_ones_go_on_the_first_day_possible() {
    let rows = [
        // Saturday; due before the earliest day; Friday itself; another payer.
        row(1, 1, 100, "a", "once", "2026-11-28"),
        row(1, 2, 200, "b", "once", "2026-11-20"),
        row(1, 3, 300, "c", "once", "2026-11-27"),
        row(2, 4, 400, "d", "once", "2026-11-28").replace(",,\n", ",,previous\n"),
        row(1, 5, 500, "e", "once", "2026-12-01"),
    ];
    let plan = plan(&csv(&rows), "2026-11-01", "2026-11-30");
    assert_eq!((plan.files.len(), plan.payments(), plan.cents()), (2, 4, 1_000));
    let days: Vec<Vec<(String, usize)>> = plan
        .files
        .iter()
        .map(|file| {
            file.batches
                .iter()
                .map(|batch| (batch.execute.to_string(), batch.payments.len()))
                .collect()
        })
        .collect();
    assert_eq!(
        days,
        [
            vec![("2026-11-27".to_owned(), 2), ("2026-11-30".to_owned(), 1)],
            vec![("2026-11-27".to_owned(), 1)]
        ]
    );
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_ids_do_not_depend_on_the_time() {
    let make = || {
        plan(
            &csv(&[
                row(1, 1, 100, "a", "monthly", "2026-01-30"),
                row(1, 2, 100, "b", "weekly", "2026-01-01"),
            ]),
            "2026-11-01",
            "2026-11-30",
        )
    };
    let (one, other) = (make(), make());
    assert_eq!(write_message(&one.files[0], NOW), write_message(&other.files[0], NOW));
    assert_ne!(
        write_message(&one.files[0], NOW),
        write_message(&other.files[0], NOW.plus_ms(1))
    );
    assert_eq!(one.files[0].message_id, other.files[0].message_id);
}

#[test]
fn twins_are_held_a_long_period_is_refused_and_a_full_file_is_followed_by_another() {
    let twice = plan(
        &csv(&[
            row(1, 1, 100, "a", "once", "2026-11-30"),
            row(1, 1, 100, "A ", "once", "2026-11-30"),
        ]),
        "2026-11-01",
        "2026-11-30",
    );
    assert_eq!((twice.payments(), &twice.held[0].why, twice.held[0].line), (1, &Why::Twin, 3));
    let orders = csv(&[row(1, 1, 100, "a", "once", "2026-11-30")]);
    for (from, to) in [("2026-11-02", "2026-11-01"), ("2026-01-01", "2027-01-02")] {
        let none = Default::default();
        let planned = leckwehr_pay::Plan::make(
            &orders,
            &Default::default(),
            &Default::default(),
            &crate::key(),
            period(from, to),
            &none,
        );
        assert_eq!(planned.err(), Some(PlanError::Period));
    }
    let many: Vec<String> = (0..=FILE_PAYMENTS_MAX as u64)
        .map(|n| row(1, n, 100, "a", "once", "2026-11-30"))
        .collect();
    let plan = plan(&csv(&many), "2026-11-01", "2026-11-30");
    assert_eq!(
        plan.files.iter().map(|file| file.payments).collect::<Vec<_>>(),
        [FILE_PAYMENTS_MAX as u64, 1]
    );
    assert_ne!(plan.files[0].message_id, plan.files[1].message_id);
}
