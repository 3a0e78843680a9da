use std::fmt::Write as _;

use leckwehr_estate::{ERRORS_MAX, Estate, EstateErrors, Source};
use proptest::prelude::*;

/// A small estate without mistakes; the tests below spoil it.
pub const GOOD: &str = r#"
name = "Musterkasse IT"

[site.north]
town = "Nordstadt"

[party.provider]
kind = "provider"

[zone.office]
site = "north"
party = "provider"
network = "10.1.1.0/24"
guard = "guard-north"

[crew.network]
size = 2
out_of_band = "satellite phone 1"
reach_hours = 1

[system.ad-1]
kind = "directory"
zone = "office"
address = "10.1.1.10"

[system.db-1]
kind = "database"
zone = "office"
address = "10.1.1.11"
needs = ["ad-1"]

[service.payments]
priority = 1
rto_minutes = 60
mtpd_minutes = 600
needs = ["db-1", "ad-1"]
"#;

fn source(name: &str, text: &str) -> Source {
    Source {
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

#[expect(clippy::expect_used, reason = "a test helper")]
fn errors(sources: &[Source]) -> EstateErrors {
    Estate::parse(sources).expect_err("the estate is spoiled")
}

#[test]
fn a_good_estate_loads_from_several_files_and_both_notations() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("more")).unwrap();
    std::fs::write(dir.path().join("estate.toml"), GOOD).unwrap();
    let listed = "[[system]]\nid = \"db-2\"\nkind = \"database\"\nzone = \"office\"\nneeds = [\"ad-1 | db-1\", \"ad-1\"]\n";
    std::fs::write(dir.path().join("more/db.toml"), listed).unwrap();
    std::fs::write(dir.path().join("notes.txt"), "not read").unwrap();
    let estate = Estate::load(dir.path()).unwrap();
    assert_eq!(estate.systems.len(), 3);
    assert_eq!(estate.systems["db-2"].needs[0].any_of, ["ad-1", "db-1"]);
    assert_eq!(estate.system_at("10.1.1.11".parse().unwrap()), Some("db-1"));
    assert_eq!(estate.zone_of("10.1.1.99".parse().unwrap()), Some("office"));
    assert_eq!(estate.guard_of("db-1"), Some("guard-north"));
}

#[test]
fn a_missing_or_empty_directory_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        Estate::load(dir.path())
            .unwrap_err()
            .to_string()
            .contains("no *.toml file here")
    );
    let absent = Estate::load(&dir.path().join("absent")).unwrap_err().to_string();
    assert!(absent.contains("cannot be opened"), "{absent}");
}

/// Each mistake by name, the text it replaces in the good estate, and the spoiled text.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("wrong kind", "kind = \"directory\"", "kind = \"dircetory\""),
    ("wrong field", "reach_hours = 1", "reach_hours = 1\nreach_hour = 1"),
    ("wrong section", "[crew.network]", "[crews.network]"),
    (
        "unknown need",
        "needs = [\"db-1\", \"ad-1\"]",
        "needs = [\"db-11|ad-1\", \"ad-1\"]",
    ),
    (
        "unknown zone",
        "zone = \"office\"\naddress = \"10.1.1.10\"",
        "zone = \"offcie\"\naddress = \"10.1.1.10\"",
    ),
    ("missing field", "size = 2\n", ""),
    ("wrong type", "size = 2", "size = \"two\""),
    ("number out of range", "priority = 1", "priority = 300"),
    ("no address", "\"10.1.1.11\"", "\"10.1.1.256\""),
    ("address twice", "\"10.1.1.11\"", "\"10.1.1.10\""),
    ("address outside its zone", "\"10.1.1.11\"", "\"10.1.2.11\""),
    ("network with host bits", "\"10.1.1.0/24\"", "\"10.1.1.7/24\""),
    (
        "overlapping networks",
        "[crew.network]",
        "[zone.lab]\nsite = \"north\"\nparty = \"provider\"\nnetwork = \"10.1.1.128/25\"\n\n[crew.network]",
    ),
    ("needs itself", "needs = [\"ad-1\"]", "needs = [\"ad-1|db-1\"]"),
    ("id in capitals", "[system.ad-1]", "[system.AD-1]"),
    (
        "id twice in one file",
        "[service.payments]",
        "[system.ad-1]\nkind = \"dns\"\n\n[service.payments]",
    ),
    ("service with the id of a system", "[service.payments]", "[service.db-1]"),
    ("MTPD below RTO", "mtpd_minutes = 600", "mtpd_minutes = 30"),
    ("not TOML", "size = 2", "size = = 2"),
];

#[test]
fn each_mistake_names_file_line_column_and_remedy() {
    let mut report = String::new();
    for (what, good, bad) in MISTAKES {
        assert!(GOOD.contains(good), "{what}");
        let found = errors(&[source("estate.toml", &GOOD.replacen(good, bad, 1))]);
        let _ = writeln!(report, "# {what}");
        for error in &found.errors {
            let _ = writeln!(report, "{error}");
        }
    }
    insta::assert_snapshot!(report);
}

#[test]
fn an_id_given_twice_names_both_files() {
    let more = "[system.db-1]\nkind = \"database\"\nzone = \"office\"\n";
    let found = errors(&[source("a.toml", GOOD), source("b.toml", more)]);
    insta::assert_snapshot!(found.to_string());
}

#[test]
fn all_mistakes_of_all_files_are_reported_in_order() {
    let a = GOOD.replace("size = 2", "size = 0").replace("[\"ad-1\"]", "[\"ad-2\"]");
    let b = "[connection.x]\nkind = \"vnp\"\nfrom = \"office\"\nto = \"nowhere\"\nowner = \"netwrok\"\n\n[connection.x.switch]\nguard = \"guard-north\"\nwho = \"netwrk\"\nbreaks = [\"payment\"]\n";
    insta::assert_snapshot!(errors(&[source("a.toml", &a), source("b.toml", b)]).to_string());
}

#[test]
fn mistakes_beyond_the_limit_are_counted() {
    let mut text = GOOD.to_owned();
    for n in 0..ERRORS_MAX + 5 {
        let _ = write!(text, "\n[system.x-{n}]\nkind = \"database\"\nzone = \"nowhere\"\n");
    }
    let found = errors(&[source("a.toml", &text)]);
    assert_eq!((found.errors.len(), found.left_out), (ERRORS_MAX, 5));
    assert!(found.to_string().ends_with("… and 5 more"));
}

#[test]
fn an_outside_zone_may_contain_others() {
    let internet = "\n[party.everyone]\nkind = \"public\"\n[zone.internet]\nparty = \"everyone\"\nnetwork = \"0.0.0.0/0\"\n";
    let estate = Estate::parse(&[source("a.toml", &format!("{GOOD}{internet}"))]).unwrap();
    assert_eq!(estate.zone_of("10.1.1.10".parse().unwrap()), Some("office"));
    assert_eq!(estate.zone_of("192.0.2.1".parse().unwrap()), Some("internet"));
}

#[test]
fn hostile_nesting_is_a_mistake_and_no_stack_overflow() {
    for open in ["[", "{b=", "b."] {
        let text = format!("a = 1\nb = {}", open.repeat(100_000));
        assert!(Estate::parse(&[source("a.toml", &text)]).is_err());
    }
}

#[test]
fn columns_count_characters_and_lines_from_one() {
    let text = GOOD.replace("town = \"Nordstadt\"", "town = \"Nördliche Stadt\", x");
    let first = errors(&[source("a.toml", &text)]).errors.swap_remove(0);
    assert_eq!((first.line, first.column), (5, 25));
}

proptest! {
    /// Whatever is cut out of or put into a file: an estate or errors that show, never a panic.
    #[test]
    fn no_text_makes_the_loader_panic(at in 0..GOOD.len(), cut in 0_usize..40, put in "[\\PC\n\\[\\]=\"|.]{0,12}") {
        let mut text = GOOD.to_owned();
        let end = (at + cut).min(text.len());
        text.replace_range(at..end, &put);
        if let Err(errors) = Estate::parse(&[source("a.toml", &text)]) {
            prop_assert!(!errors.to_string().is_empty());
            prop_assert!(errors.count() > 0);
        }
    }
}

/// Red if an estimate is taken whose ends lie on the wrong side of what is planned, or that has one end only.
#[test]
fn a_three_point_estimate_holds_what_is_planned_between_its_ends() {
    let with = |ends: &str| {
        let recipe = format!("\n[recipe.r]\nsteps = [{{ action = \"install\", minutes = 60{ends} }}]\n");
        Estate::parse(&[source("a.toml", &format!("{GOOD}{recipe}"))])
    };
    let step = |ends: &str| with(ends).unwrap().recipes["r"].steps[0].clone();
    assert_eq!(step("").estimate_percent(), None);
    let estimated = step(", optimistic_minutes = 45, pessimistic_minutes = 240");
    assert_eq!(estimated.estimate_percent(), Some((75, 100, 400)));
    let remedy = "give optimistic_minutes <= minutes <= pessimistic_minutes";
    for (ends, said) in [
        (
            ", optimistic_minutes = 61, pessimistic_minutes = 240",
            ["a.toml:", "`optimistic_minutes`", "must lie between 1 and 60", remedy],
        ),
        (
            ", optimistic_minutes = 45, pessimistic_minutes = 59",
            ["a.toml:", "`pessimistic_minutes`", "must lie between 60 and", remedy],
        ),
        (
            ", optimistic_minutes = 45",
            [
                "a.toml:",
                "recipe `r`",
                "has no `pessimistic_minutes`",
                "add `pessimistic_minutes = …`",
            ],
        ),
    ] {
        let found = with(ends).unwrap_err().to_string();
        assert!(said.iter().all(|part| found.contains(part)), "{found}");
    }
}
