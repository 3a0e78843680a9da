use leckwehr_estate::{Estate, Source, lint};
use proptest::prelude::*;

use crate::graph::{Needs, estate, give_recipe, graphs};

/// An estate without weaknesses; the tests below give it one each.
const SOUND: &str = r#"
name = "Musterkasse IT"
[site.north]
town = "Nordstadt"
[party.provider]
kind = "provider"
[party.clinic]
kind = "third-party"
healthcare = true
[party.printer]
kind = "third-party"
[zone.office]
site = "north"
party = "provider"
guard = "guard-north"
[zone.records]
site = "north"
party = "provider"
guard = "guard-north"
protected = true
[zone.clinic-net]
party = "clinic"
[crew.network]
size = 2
out_of_band = "satellite phone 1"
reach_hours = 1
[data-class.diagnoses]
records = 7
special = true
[recipe.build]
steps = [{ action = "build", minutes = 60 }]
[backup-set.nightly]
stored_on = "backup-1"
offline_copy = "tape in a safe in town"
rpo_minutes = 1440
size_gb = 10
[sensor.audit]
observes = ["records"]
classes = ["logon"]
retention_days = 30
[system.ad-1]
kind = "directory"
zone = "office"
backup = "nightly"
recipe = "build"
[system.ad-2]
kind = "directory"
zone = "office"
backup = "nightly"
recipe = "build"
[system.phone-1]
kind = "phone"
zone = "office"
[system.backup-1]
kind = "backup-server"
zone = "office"
backup = "nightly"
[system.app-1]
kind = "application"
zone = "records"
recipe = "build"
needs = ["ad-1|ad-2"]
data = ["diagnoses"]
probe_port = 443
[system.app-2]
kind = "application"
zone = "records"
recipe = "build"
needs = ["ad-1|ad-2"]
data = ["diagnoses"]
[service.care]
priority = 1
vital = true
rto_minutes = 60
mtpd_minutes = 600
needs = ["app-1|app-2"]
probe = "app-1"
[service.news]
priority = 2
rto_minutes = 60
mtpd_minutes = 600
needs = ["app-1|app-2"]
[account.operator]
logs_on_to = ["app-1", "app-2"]
comes_from = ["app-1"]
[connection.clinic-link]
kind = "api"
from = "clinic-net"
to = "app-1"
owner = "network"
[connection.clinic-link.switch]
guard = "guard-edge"
who = "network"
how = "drop"
takes_s = 5
verify = "probe"
undo = "reload"
[connection.print-link]
kind = "sftp"
from = "app-1"
to = "printer"
owner = "network"
[connection.print-link.switch]
guard = "guard-edge"
who = "network"
how = "drop"
takes_s = 6
verify = "probe it"
undo = "reload it"
"#;

/// The text that is replaced, what comes in its place, and the findings as `severity subject [code]`.
const WEAKNESSES: &[(&str, &str, &str)] = &[
    (
        "to = \"printer\"\nowner = \"network\"",
        "to = \"printer\"",
        "High connection print-link [connection-without-owner]",
    ),
    (
        "[connection.print-link.switch]",
        "[connection.other]\nkind = \"api\"\nfrom = \"app-2\"\nto = \"printer\"\nowner = \"network\"\n[connection.other.switch]",
        "High connection print-link [connection-without-switch]",
    ),
    (
        "guard = \"guard-edge\"\nwho = \"network\"\nhow = \"drop\"\ntakes_s = 6",
        "who = \"network\"\nhow = \"drop\"\ntakes_s = 6",
        "Medium connection print-link [switch-without-guard]",
    ),
    (
        "guard = \"guard-edge\"\nwho = \"network\"\nhow = \"drop\"\ntakes_s = 5",
        "who = \"network\"\nhow = \"drop\"\ntakes_s = 5",
        "High connection clinic-link [healthcare-party-without-guard]",
    ),
    (
        "who = \"network\"\nhow = \"drop\"\ntakes_s = 6",
        "takes_s = 6",
        "Medium connection print-link [switch-without-person]",
    ),
    (
        "verify = \"probe it\"\n",
        "",
        "Medium connection print-link [switch-without-verify]",
    ),
    (
        "undo = \"reload it\"\n",
        "",
        "Medium connection print-link [switch-without-undo]",
    ),
    (
        "zone = \"records\"\nrecipe = \"build\"\nneeds = [\"ad-1|ad-2\"]\ndata = [\"diagnoses\"]\nprobe_port",
        "zone = \"records\"\nneeds = [\"ad-1|ad-2\"]\ndata = [\"diagnoses\"]\nprobe_port",
        "High service care [vital-service-without-recipe]",
    ),
    ("probe = \"app-1\"\n", "", "High service care [vital-service-without-probe]"),
    (
        "probe = \"app-1\"\n",
        "probe = \"app-2\"\n",
        "High service care [vital-service-without-probe]",
    ),
    (
        "needs = [\"app-1|app-2\"]\nprobe",
        "needs = [\"app-1|app-2\", \"phone-1\"]\nprobe",
        "High system phone-1 [hidden-single-point]\nHigh service care [vital-service-without-recipe]",
    ),
    (
        "kind = \"phone\"\nzone = \"office\"",
        "kind = \"phone\"\nzone = \"office\"\nneeds = [\"news\"]\n[service.desk]\npriority = 3\nrto_minutes = 1\nmtpd_minutes = 600\nneeds = [\"phone-1\"]\n",
        "",
    ),
    (
        "kind = \"phone\"\nzone = \"office\"",
        "kind = \"phone\"\nzone = \"office\"\nneeds = [\"desk\"]\n[service.desk]\npriority = 3\nrto_minutes = 1\nmtpd_minutes = 600\nneeds = [\"phone-1\"]\n",
        "High cycle phone-1 [dependency-cycle]",
    ),
    (
        "kind = \"phone\"\nzone = \"office\"",
        "kind = \"phone\"\nzone = \"office\"\nneeds = [\"desk|app-1\"]\n[service.desk]\npriority = 3\nrto_minutes = 1\nmtpd_minutes = 600\nneeds = [\"phone-1\"]\n",
        "Low cycle phone-1 [dependency-cycle]",
    ),
    (
        "minutes = 60 }",
        "minutes = 301 }",
        "High service care [service-beyond-mtpd]\nHigh service news [service-beyond-mtpd]",
    ),
    (
        "offline_copy = \"tape in a safe in town\"\n",
        "",
        "High backup-set nightly [root-of-trust-without-offline-copy]\nMedium backup-set nightly [backup-beside-source]",
    ),
    (
        "\"tape in a safe in town\"",
        "\"app-1\"",
        "High backup-set nightly [root-of-trust-without-offline-copy]\nMedium backup-set nightly [backup-beside-source]",
    ),
    (
        "zone = \"office\"\nbackup = \"nightly\"\nrecipe = \"build\"\n[system.ad-2]",
        "zone = \"office\"\nrecipe = \"build\"\n[system.ad-2]",
        "High system ad-1 [root-of-trust-without-offline-copy]",
    ),
    ("satellite phone 1", "", "High crew network [unreachable-crew]"),
    (
        "satellite phone 1",
        "extension 12 on phone-1",
        "High crew network [unreachable-crew]",
    ),
    (
        "observes = [\"records\"]",
        "observes = [\"app-1\"]",
        "Medium system app-2 [special-data-without-sensor]",
    ),
    (
        "guard = \"guard-north\"\n[zone.records]",
        "[zone.records]",
        "Medium zone office [zone-without-guard]",
    ),
    (
        "comes_from = [\"app-1\"]",
        "comes_from = [\"phone-1\"]",
        "High account operator [account-across-protected-zone]",
    ),
];

fn found(text: &str) -> String {
    let source = Source {
        name: "a.toml".to_owned(),
        text: text.to_owned(),
    };
    let estate = Estate::parse(&[source]).map_err(|e| e.to_string());
    let findings = estate.map(|e| lint(&e)).unwrap_or_default();
    let lines: Vec<String> = findings
        .iter()
        .map(|f| format!("{:?} {} [{}]", f.severity, f.subject, f.code))
        .collect();
    lines.join("\n")
}

#[test]
fn each_weakness_is_found_and_nothing_else() {
    let sound = Source {
        name: "a.toml".to_owned(),
        text: SOUND.to_owned(),
    };
    assert_eq!(lint(&Estate::parse(&[sound]).unwrap()), []);
    for (from, to, expected) in WEAKNESSES {
        assert_eq!(SOUND.matches(from).count(), 1, "{from}");
        assert_eq!(found(&SOUND.replace(from, to)), *expected, "{to}");
    }
}

#[test]
fn every_check_is_described_and_shown_here() {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_to_string(manifest.join("../../docs/estate.md")).unwrap();
    let described: std::collections::BTreeSet<&str> = docs
        .lines()
        .skip_while(|l| *l != "## What the lint finds")
        .filter_map(|l| l.strip_prefix("| `")?.split('`').next())
        .collect();
    let shown = WEAKNESSES.iter().flat_map(|(_, _, e)| e.lines());
    let shown: std::collections::BTreeSet<&str> = shown.filter_map(|l| l.split(['[', ']']).nth(1)).collect();
    assert_eq!(described, shown);
}

/// Earliest minute by plain repetition: start from never, lower until nothing changes.
fn cold_start_by_repetition(needs: &Needs, minutes: &[u32]) -> Vec<Option<u32>> {
    let mut at: Vec<Option<u32>> = vec![None; needs.len()];
    for _ in 0..=needs.len() * needs.len() {
        for n in 0..needs.len() {
            let quickest = |any: &Vec<usize>| any.iter().filter_map(|&a| at[a]).min();
            let waits: Option<Vec<u32>> = needs[n].iter().map(quickest).collect();
            at[n] = waits.map(|w| w.into_iter().max().unwrap_or(0) + minutes[n]);
        }
    }
    at
}

proptest! {
    #[test]
    fn restore_times_and_circles_are_those_of_plain_repetition((systems, needs, _) in graphs(), minutes in proptest::collection::vec(1_u32..100, 10)) {
        let minutes: Vec<u32> = (0..needs.len()).map(|n| if n < systems { minutes[n] } else { 0 }).collect();
        let mut estate = estate(systems, &needs);
        for (n, minutes) in minutes.iter().enumerate().take(systems) {
            give_recipe(&mut estate, n, *minutes);
        }
        let expected = cold_start_by_repetition(&needs, &minutes);
        let findings = lint(&estate);
        for (n, at) in expected.iter().enumerate().skip(systems) {
            let subject = format!("service v{}", n - systems);
            let late = findings.iter().find(|f| f.subject == subject && f.code == "service-beyond-mtpd");
            let told: Option<u32> = late.and_then(|f| f.message.split_whitespace().find_map(|w| w.parse().ok()));
            prop_assert_eq!(told, at.filter(|m| *m > 0));
        }
        let stuck = findings.iter().any(|f| f.code == "dependency-cycle" && f.severity == leckwehr_estate::Severity::High);
        prop_assert_eq!(stuck, expected.iter().any(Option::is_none));
    }

    #[test]
    fn a_circle_is_named_exactly_where_something_rests_on_itself((systems, needs, _) in graphs()) {
        let mut reach = vec![vec![false; needs.len()]; needs.len()];
        for (n, wants) in needs.iter().enumerate() {
            wants.iter().flatten().for_each(|&a| reach[n][a] = true);
        }
        for k in 0..needs.len() {
            for i in 0..needs.len() {
                for j in 0..needs.len() {
                    reach[i][j] |= reach[i][k] && reach[k][j];
                }
            }
        }
        let circles: std::collections::BTreeSet<Vec<bool>> = (0..needs.len())
            .filter(|&n| reach[n][n])
            .map(|n| (0..needs.len()).map(|m| reach[n][m] && reach[m][n]).collect())
            .collect();
        let found = lint(&estate(systems, &needs));
        let number = |id: &str| id[1..].parse::<usize>().unwrap() + if id.starts_with('v') { systems } else { 0 };
        let mut named = std::collections::BTreeSet::new();
        for cycle in found.iter().filter(|f| f.code == "dependency-cycle") {
            let path = cycle.message.split(':').next().unwrap();
            let ids: Vec<&str> = path.split(" → ").collect();
            prop_assert_eq!(ids.first(), ids.last());
            let circle = circles.iter().find(|c| ids.iter().all(|id| c[number(id)]));
            prop_assert!(circle.is_some(), "{}", path);
            named.extend(circle);
            for step in ids.windows(2) {
                prop_assert!(needs[number(step[0])].iter().flatten().any(|&a| a == number(step[1])), "{}", path);
            }
        }
        prop_assert_eq!(named.len(), circles.len());
    }
}
