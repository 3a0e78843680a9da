//! What each kind of entry consists of. `docs/estate.md` has the same as tables.

use crate::draft::Section;
use crate::entry::Entry;
use crate::kind::{CONNECTION_KINDS, DAYS, EVIDENCE_CLASSES, PARTY_KINDS, SYSTEM_KINDS};
use crate::{
    Account, BackupSet, Connection, ConnectionKind, Crew, DataClass, DegradedMode, Party, PartyKind, Recipe, RecipeStep, Sensor,
    Service, Shift, Site, Switch, System, SystemKind, ThreePointEstimate, Zone,
};

/// Longest time in minutes: ten years.
const MINUTES_MAX: u64 = 10 * 366 * 24 * 60;
/// Fastest store, in GB an hour.
const GB_PER_HOUR_MAX: u64 = 1_000_000;
/// Highest amount, record count or size.
const COUNT_MAX: u64 = 1_000_000_000_000;

type E<'e, 's> = Entry<'e, 's>;

pub(crate) fn site(e: &mut E<'_, '_>) -> Site {
    Site {
        name: name(e),
        town: e.required_text("town"),
    }
}

pub(crate) fn zone(e: &mut E<'_, '_>) -> Zone {
    Zone {
        name: name(e),
        site: e.maybe_reference("site", &[Section::Site]),
        party: e.reference("party", &[Section::Party]),
        network: e.network("network"),
        guard: e.name("guard"),
        protected: e.flag("protected"),
    }
}

pub(crate) fn system(e: &mut E<'_, '_>) -> System {
    System {
        name: name(e),
        kind: e.kind("kind", SYSTEM_KINDS).unwrap_or(SystemKind::Application),
        zone: e.reference("zone", &[Section::Zone]),
        address: e.address("address"),
        needs: e.needs("needs"),
        backup: e.maybe_reference("backup", &[Section::BackupSet]),
        recipe: e.maybe_reference("recipe", &[Section::Recipe]),
        crew: e.maybe_reference("crew", &[Section::Crew]),
        data: e.references("data", &[Section::DataClass]),
        probe_port: e.number("probe_port", 1..=u64::from(u16::MAX)),
        root_of_trust: e.flag("root_of_trust"),
        available_after_hours: e.number("available_after_hours", 0..=24 * 366).unwrap_or(0),
        restore_gb_per_hour: e.number("restore_gb_per_hour", 1..=GB_PER_HOUR_MAX),
    }
}

pub(crate) fn service(e: &mut E<'_, '_>) -> Service {
    Service {
        name: name(e),
        priority: e.required_number("priority", 1..=u64::from(u8::MAX)),
        vital: e.flag("vital"),
        rto_minutes: e.required_number("rto_minutes", 1..=MINUTES_MAX),
        mtpd_minutes: e.required_number("mtpd_minutes", 1..=MINUTES_MAX),
        harm_eur_per_hour: e.number("harm_eur_per_hour", 0..=COUNT_MAX).unwrap_or(0),
        needs: e.needs("needs"),
        degraded: e.inners("degraded", |m| DegradedMode {
            name: m.required_text("name"),
            gives: m.required_text("gives"),
            gives_de: m.maybe_text("gives_de"),
            lacks: m.maybe_text("lacks"),
            lacks_de: m.maybe_text("lacks_de"),
            workaround: m.maybe_text("workaround"),
            workaround_de: m.maybe_text("workaround_de"),
            customers: m.references("customers", &[Section::Party]),
            needs: m.needs("needs"),
        }),
        probe: e.maybe_reference("probe", &[Section::System]),
        customers: e.references("customers", &[Section::Party]),
        arrivals_per_hour: e.number("arrivals_per_hour", 0..=u64::from(u32::MAX)).unwrap_or(0),
    }
}

pub(crate) fn party(e: &mut E<'_, '_>) -> Party {
    Party {
        name: name(e),
        kind: e.kind("kind", PARTY_KINDS).unwrap_or(PartyKind::Public),
        insured: e.number("insured", 0..=COUNT_MAX).unwrap_or(0),
        healthcare: e.flag("healthcare"),
        contact: e.text("contact"),
    }
}

pub(crate) fn connection(e: &mut E<'_, '_>) -> Connection {
    Connection {
        name: name(e),
        kind: e.kind("kind", CONNECTION_KINDS).unwrap_or(ConnectionKind::Api),
        from: e.reference("from", &[Section::Zone, Section::System, Section::Party]),
        to: e.reference("to", &[Section::Zone, Section::System, Section::Party]),
        both_ways: e.flag("both_ways"),
        ports: e.numbers("ports", &(1..=u64::from(u16::MAX))),
        owner: e.maybe_reference("owner", &[Section::Crew, Section::Party]),
        switch: e.inner("switch", switch),
    }
}

fn switch(e: &mut E<'_, '_>) -> Switch {
    Switch {
        guard: e.name("guard"),
        who: e.reference_or_words("who", &[Section::Crew]).unwrap_or_default(),
        how: e.text("how"),
        takes_s: e.required_number("takes_s", 0..=MINUTES_MAX * 60),
        breaks: e.references("breaks", &[Section::Service]),
        verify: e.text("verify"),
        undo: e.text("undo"),
    }
}

pub(crate) fn data_class(e: &mut E<'_, '_>) -> DataClass {
    DataClass {
        name: name(e),
        records: e.required_number("records", 0..=COUNT_MAX),
        special: e.flag("special"),
        by_insurer: e.numbers_by("by_insurer", &[Section::Party], COUNT_MAX).into_iter().collect(),
    }
}

pub(crate) fn crew(e: &mut E<'_, '_>) -> Crew {
    Crew {
        name: name(e),
        size: e.required_number("size", 1..=u64::from(u16::MAX)),
        out_of_band: e.text("out_of_band"),
        reach_hours: e.required_number("reach_hours", 0..=24 * 366),
        shifts: e.inners("shifts", |s| Shift {
            days: s.texts_of("days", DAYS).iter().filter_map(|day| day_number(day)).collect(),
            from_minute: s.time_of_day("from"),
            until_minute: s.time_of_day("until"),
            people: s.required_number("people", 1..=u64::from(u16::MAX)),
        }),
    }
}

pub(crate) fn backup_set(e: &mut E<'_, '_>) -> BackupSet {
    BackupSet {
        name: name(e),
        stored_on: e.reference("stored_on", &[Section::System]),
        offline_copy: e.reference_or_words("offline_copy", &[Section::System]),
        rpo_minutes: e.required_number("rpo_minutes", 1..=MINUTES_MAX),
        size_gb: e.required_number("size_gb", 0..=u64::from(u32::MAX)),
        gb_per_hour: e.number("gb_per_hour", 1..=GB_PER_HOUR_MAX),
    }
}

pub(crate) fn recipe(e: &mut E<'_, '_>) -> Recipe {
    Recipe {
        name: name(e),
        steps: e.inners("steps", |s| {
            let minutes = s.required_number("minutes", 0..=MINUTES_MAX);
            RecipeStep {
                action: s.required_text("action"),
                minutes,
                restores: s.flag("restores"),
                clean_room: s.flag("clean_room"),
                estimate: estimate(s, minutes),
            }
        }),
    }
}

/// Both ends of an estimate, or none.
fn estimate(s: &mut E<'_, '_>, minutes: u32) -> Option<ThreePointEstimate> {
    const ENDS: [&str; 2] = ["optimistic_minutes", "pessimistic_minutes"];
    let planned = u64::from(minutes);
    let remedy = "`minutes` is the most likely duration: give optimistic_minutes <= minutes <= pessimistic_minutes";
    let low = s.bounded(ENDS[0], 1..=planned.max(1), remedy);
    let high = s.bounded(ENDS[1], planned.max(1)..=MINUTES_MAX, remedy);
    s.together(ENDS);
    Some(ThreePointEstimate {
        optimistic_minutes: low?,
        pessimistic_minutes: high?,
    })
}

pub(crate) fn sensor(e: &mut E<'_, '_>) -> Sensor {
    Sensor {
        name: name(e),
        observes: e.references("observes", &[Section::Zone, Section::System]),
        classes: e.texts_of("classes", EVIDENCE_CLASSES),
        retention_days: e.required_number("retention_days", 1..=3660),
    }
}

pub(crate) fn account(e: &mut E<'_, '_>) -> Account {
    Account {
        name: name(e),
        logs_on_to: e.references("logs_on_to", &[Section::System]),
        comes_from: e.references("comes_from", &[Section::System]),
    }
}

fn day_number(day: &str) -> Option<u8> {
    let position = DAYS.iter().position(|(name, ())| *name == day)?;
    u8::try_from(position).ok()
}

/// The name for people; the id where none is given.
fn name(e: &mut E<'_, '_>) -> String {
    e.maybe_text("name").unwrap_or_else(|| e.id())
}
