use serde_json::Value;

use crate::place::{Place, stderr, stdout};

#[test]
fn lint_names_every_problem_with_its_place_and_counts_the_rest() {
    let place = Place::new();
    let output = place.run(&["rules", "lint", "rules"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let text = stdout(&output);
    for part in [
        "windows/process_creation/*",
        "endswith",
        "2 rules by 2 authors can be used, 0 of them on no record; 0 cannot",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    place.write("rules/broken.yml", "title: Broken\nlogsource: {product: windows, category: dns_query}\ndetection:\n  selection: {a|whatever: b}\n  condition: selection\n");
    place.write("rules/mac.yml", "title: Other\nlogsource: {product: macos, category: process_creation}\ndetection:\n  selection: {a: b}\n  condition: selection\n");
    let output = place.run(&["rules", "lint", "rules", "--lang", "de"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.contains("rules/broken.yml:4:") && text.contains("LW-DETECT-00"),
        "{text}"
    );
    assert!(text.contains("rules/mac.yml:1:1: \"Other\" kann nie anschlagen"), "{text}");
    let json = stdout(&place.run(&["rules", "lint", "rules", "--json"]));
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().filter(|l| l["problem"].is_string()).count(), 1);
    assert!(lines.iter().any(|l| l["title"] == "Other" && l["never"].is_string()));
    assert_eq!(lines.last().unwrap()["by_modifier"]["endswith"], 2);
}

#[test]
fn strict_also_refuses_rules_that_can_never_fire() {
    let place = Place::new();
    place.write("rules/mac.yml", "title: Other\nlogsource: {product: macos, category: process_creation}\ndetection:\n  selection: {a: b}\n  condition: selection\n");
    assert_eq!(place.run(&["rules", "lint", "rules"]).status.code(), Some(0));
    assert_eq!(place.run(&["rules", "lint", "rules", "--strict"]).status.code(), Some(1));
}

#[test]
fn show_explains_a_rule_by_file_id_or_title() {
    let place = Place::new();
    let by_file = stdout(&place.run(&["rules", "show", "rules/shadows.yml"]));
    for part in [
        "Shadow copies deleted",
        "author        Grace H.",
        "DRL 1.1",
        "T1490",
        "windows/process_creation/* – Sysmon 1, Security 4688",
        "Image ends with \"\\\\vssadmin.exe\"",
        "CommandLine contains \"delete\" and \"shadows\"",
    ] {
        assert!(by_file.contains(part), "{part} is not in {by_file}");
    }
    let id = "22222222-2222-4222-8222-222222222222";
    assert_eq!(stdout(&place.run(&["rules", "show", id, "--rules", "rules"])), by_file);
    let german = stdout(&place.run(&["rules", "show", "shadow copies deleted", "--rules", "rules", "--lang", "de"]));
    assert!(german.contains("CommandLine enthält \"delete\" und \"shadows\""), "{german}");
    let unknown = place.run(&["rules", "show", "shadow", "--rules", "rules"]);
    assert!(
        unknown.status.code() == Some(2) && stderr(&unknown).contains("perhaps 2222"),
        "{}",
        stderr(&unknown)
    );
    let own = place.run(&["rules", "show", "admin-share-write.yml"]);
    assert_eq!(own.status.code(), Some(2));
}
