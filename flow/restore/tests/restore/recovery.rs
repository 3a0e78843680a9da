//! What an estate says about shifts, stores, the clean room and late hardware is in its way back.

use std::collections::BTreeSet;

use leckwehr_estate::{Estate, Source};
use leckwehr_incident::Timestamp;
use leckwehr_restore::outage::{OutageEffort, OutagePlan, Spread, check_outages, forecast_outages, plan_outages};
use leckwehr_restore::{Recovery, recovery};

/// Thursday 2026-11-26, 10:00 where the offset is an hour.
const START: Timestamp = Timestamp(1_795_683_600_000_000_000);

/// Three databases of 1 TB; the vault gives two restores at once. `more` is added to the crew, the step that restores, and the estate.
fn estate(crew: &str, step: &str, top: &str) -> Estate {
    let mut text = format!(
        "name = \"Way\"\nutc_offset = \"+01:00\"\n{top}\n[site.s]\ntown = \"T\"\n[party.p]\nkind = \"provider\"\n\
         [zone.z]\nsite = \"s\"\nparty = \"p\"\n[crew.dba]\nsize = 9\nout_of_band = \"card\"\nreach_hours = 0\n{crew}\n\
         [system.vault]\nkind = \"backup-vault\"\nzone = \"z\"\nrestore_gb_per_hour = 2000\n\
         [recipe.db]\nsteps = [{{ action = \"read it back\", minutes = 30{step} }}, {{ action = \"check it\", minutes = 60 }}]\n"
    );
    for n in 1..=3 {
        text += &format!(
            "[backup-set.b{n}]\nstored_on = \"vault\"\nrpo_minutes = 60\nsize_gb = 1000\ngb_per_hour = 1000\n\
             [system.db-{n}]\nkind = \"database\"\nzone = \"z\"\ncrew = \"dba\"\nrecipe = \"db\"\nbackup = \"b{n}\"\n\
             [service.s{n}]\npriority = 1\nrto_minutes = 60\nmtpd_minutes = 6000\nharm_eur_per_hour = 100\nneeds = [\"db-{n}\"]\n"
        );
    }
    let name = "way.toml".to_owned();
    Estate::parse(&[Source { name, text }]).unwrap()
}

fn back(estate: &Estate) -> (Recovery, OutagePlan) {
    let lost: BTreeSet<String> = (1..=3).map(|n| format!("db-{n}")).collect();
    let way = recovery(estate, &lost, Some(START)).unwrap();
    let effort = OutageEffort {
        evaluations: 200,
        ..OutageEffort::default()
    };
    let plan = plan_outages(&way.problem, &effort, &mut || false).unwrap();
    assert_eq!(check_outages(&way.problem, &plan, &[]), Ok(()));
    (way, plan)
}

/// Ends of the services in hours, the first first.
fn hours(estate: &Estate) -> Vec<f64> {
    let (_, plan) = back(estate);
    let mut ends: Vec<f64> = plan.until.iter().map(|units| f64::from(*units) / 12.0).collect();
    ends.sort_by(f64::total_cmp);
    ends
}

#[test]
fn reading_back_takes_its_size_by_the_bandwidth_of_the_store() {
    // Half an hour by the recipe and one of checking; nine people.
    assert_eq!(hours(&estate("", "", "")), [1.5, 1.5, 1.5]);
    // A terabyte takes an hour, and only two go at once.
    assert_eq!(hours(&estate("", ", restores = true", "")), [2.0, 2.0, 3.0]);
}

#[test]
fn places_in_the_clean_room_are_few() {
    assert_eq!(
        hours(&estate("", ", clean_room = true", "clean_room_slots = 1")),
        [1.5, 2.0, 2.5]
    );
    assert_eq!(hours(&estate("", ", clean_room = true", "")), [1.5, 1.5, 1.5]);
}

#[test]
fn work_waits_for_shifts_and_is_handed_over() {
    let weekdays = |from: &str, until: &str| {
        format!("shifts = [{{ days = [\"thu\", \"fri\"], from = \"{from}\", until = \"{until}\", people = 1 }}]")
    };
    // One person from 10:00 on, who goes home at 13:00: two half hours and hours of the first two, then Friday.
    let ends = hours(&estate(&weekdays("08:00", "13:00"), "", ""));
    assert_eq!((ends[0], ends[1]), (1.5, 3.0));
    assert!(ends[2] > 22.0 && ends[2] <= 23.5, "{ends:?}");
    // Of a shift of three hours, an eighth fits into every shift even where it takes much longer.
    let (way, plan) = back(&estate(&weekdays("08:00", "11:00"), "", ""));
    let parts = way.work.iter().filter(|w| w.of == "db-1").map(|w| w.action.as_str());
    let parts: Vec<&str> = parts.collect();
    assert_eq!(
        parts,
        [
            "read it back (1/2)",
            "read it back (2/2)",
            "check it (1/3)",
            "check it (2/3)",
            "check it (3/3)"
        ]
    );
    let slow = forecast_outages(&way.problem, &plan, &Spread::default(), 100, 1).unwrap();
    assert!(
        slow.p90.iter().zip(&plan.until).all(|(late, planned)| late >= planned),
        "{slow:?}"
    );
    // Nobody works but for an hour on two days: the next weeks are looked at too.
    assert!(hours(&estate(&weekdays("08:00", "09:00"), "", ""))[2] > 100.0);
    // The rest of today's shift counts: nothing begins in the night.
    let (way, plan) = back(&estate(&weekdays("08:00", "12:00"), "", ""));
    for (task, start) in way.problem.tasks.iter().zip(&plan.start).filter(|(t, _)| t.duration > 0) {
        let minute = (10 * 60 + start * 5) % 1440;
        assert!((480..720).contains(&minute) && minute + task.duration * 5 <= 720, "{minute}");
    }
}

#[test]
fn hardware_that_comes_late_is_waited_for() {
    let late = estate("", "", "");
    let mut late = late;
    late.systems.get_mut("db-2").unwrap().available_after_hours = 48;
    assert_eq!(hours(&late), [1.5, 1.5, 49.5]);
}

#[test]
fn mistakes_name_their_place() {
    let text = "name = \"x\"\nutc_offset = \"CET\"\nclean_room_slots = 0\n[crew.a]\nsize = 1\nreach_hours = 0\n\
                shifts = [{ days = [\"mo\"], from = \"25:00\", until = \"6:00\", people = 0 }]\n";
    let source = Source {
        name: "e.toml".into(),
        text: text.into(),
    };
    let said = Estate::parse(&[source]).unwrap_err().to_string();
    for part in [
        "e.toml:2:1: `CET` is no offset from UTC",
        "e.toml:3:1: `clean_room_slots` must lie between",
        "`mo` is no days of",
        "did you mean `mon`?",
        "`25:00` is no time of day for `from`",
        "`6:00` is no time of day for `until`",
        "`people`",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}
