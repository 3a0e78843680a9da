use leckwehr_detect::{DetectConfig, Detector, Rules};
use leckwehr_estate::Estate;
use leckwehr_incident::Finding;
use leckwehr_telemetry::Intake;

fn rule(logsource: &str, detection: &str) -> String {
    format!(
        "title: Test\nid: 11111111-2222-4333-8444-555555555555\nauthor: Somebody\nlevel: high\ntags: [attack.t1003.001, attack.execution]\nlogsource:\n{logsource}\ndetection:\n{detection}\n"
    )
}

const ZEEK: &str = "  product: zeek\n  service: conn";

fn found(yaml: &str, line: &str) -> Vec<Finding> {
    let mut rules = Rules::default();
    let errors = rules.add("test.yml", yaml);
    assert!(errors.is_empty(), "{errors:?}");
    let mut intake = Intake::new();
    intake.push_line("s", line.as_bytes());
    Detector::new(DetectConfig::new(rules, &Estate::default())).push(&intake.take())
}

fn fires(detection: &str, fields: &str) -> bool {
    let line = format!(r#"{{"_path":"conn","ts":1,{fields}}}"#);
    !found(&rule(ZEEK, detection), &line).is_empty()
}

#[test]
fn lists_are_or_and_maps_are_and() {
    let detection = "  a:\n    service: [http, ssl]\n    id.resp_p: 80\n  condition: a";
    assert!(fires(detection, r#""service":"SSL","id.resp_p":80"#));
    assert!(!fires(detection, r#""service":"dns","id.resp_p":80"#));
    assert!(!fires(detection, r#""service":"ssl","id.resp_p":8080"#));
    assert!(fires("  a:\n    - x: 1\n    - y: 2\n  condition: a", r#""y":2"#));
}

#[test]
fn modifiers() {
    assert!(fires(
        "  a:\n    x|contains|all: [foo, bar]\n  condition: a",
        r#""x":"BAR and foo""#
    ));
    assert!(!fires(
        "  a:\n    x|contains|all: [foo, bar]\n  condition: a",
        r#""x":"foo only""#
    ));
    assert!(fires(
        "  a:\n    x|startswith: ab\n    y|endswith: '\\C$'\n  condition: a",
        r#""x":"abc","y":"\\\\H\\c$""#
    ));
    assert!(fires(
        "  a:\n    id.orig_h|cidr: 10.0.0.0/8\n  condition: a",
        r#""id.orig_h":"10.200.3.4""#
    ));
    assert!(!fires(
        "  a:\n    id.orig_h|cidr: 10.0.0.0/8\n  condition: a",
        r#""id.orig_h":"11.0.0.1""#
    ));
    assert!(fires("  a:\n    n|gt: 5\n    n|lte: 7.5\n  condition: a", r#""n":7.5"#));
    assert!(fires(
        "  a:\n    x|exists: true\n    z|exists: false\n  condition: a",
        r#""x":"""#
    ));
    assert!(fires("  a:\n    z: null\n  condition: a", r#""x":1"#));
    assert!(!fires("  a:\n    x|cased: Foo\n  condition: a", r#""x":"foo""#));
}

#[test]
fn conditions() {
    let parts = "  s_a:\n    x: 1\n  s_b:\n    y: 1\n  filter:\n    z: 1\n  condition: ";
    assert!(fires(&format!("{parts}1 of s_* and not filter"), r#""y":1"#));
    assert!(!fires(&format!("{parts}1 of s_* and not filter"), r#""y":1,"z":1"#));
    assert!(!fires(&format!("{parts}all of s_*"), r#""y":1"#));
    assert!(fires(&format!("{parts}all of them"), r#""x":1,"y":1,"z":1"#));
    assert!(fires(
        &format!("{parts}(s_a or s_b) and not (filter and s_a)"),
        r#""z":1,"y":1"#
    ));
}

#[test]
fn keywords_look_everywhere() {
    assert!(fires(
        "  k:\n    - mimikatz\n    - evil\n  condition: k",
        r#""anything":"run MimiKatz now""#
    ));
}

#[test]
fn a_rule_never_fires_across_log_sources() {
    let yaml = rule(
        "  product: windows\n  category: process_creation",
        "  a:\n    CommandLine|contains: x\n  condition: a",
    );
    assert!(found(&yaml, r#"{"_path":"conn","ts":1,"CommandLine":"x"}"#).is_empty());
    let process =
        r#"{"EventID":4688,"Channel":"Security","@timestamp":"2020-06-10T02:50:57Z","CommandLine":"x","Hostname":"ws"}"#;
    assert_eq!(found(&yaml, process).len(), 1, "4688 feeds process_creation rules too");
}

#[test]
fn a_finding_names_rule_author_technique_and_record() {
    let found = found(
        &rule(ZEEK, "  a:\n    x: 1\n  condition: a"),
        r#"{"_path":"conn","ts":1,"x":1,"id.orig_h":"10.0.0.1"}"#,
    );
    let finding = &found[0];
    assert_eq!(finding.rule, "11111111-2222-4333-8444-555555555555");
    assert_eq!((finding.author.as_str(), finding.weight), ("Somebody", 40));
    assert_eq!(finding.techniques, ["T1003.001"]);
    assert_eq!(finding.evidence, ["s#1"]);
}

#[test]
fn a_broken_rule_is_an_error_with_its_place_and_a_remedy() {
    let cases = [
        (ZEEK, "  a:\n    x|re: 'a(?=b)'\n  condition: a", "11:5", "a.x", "look-around"),
        (ZEEK, "  a:\n    x|re: 'a('\n  condition: a", "11:5", "a.x", "expression"),
        (
            ZEEK,
            "  a:\n    x|contains|re: y\n  condition: a",
            "11:5",
            "a.x",
            "leave one of them out",
        ),
        (ZEEK, "  a:\n    x|i: y\n  condition: a", "11:5", "a.x", "flags of re"),
        (
            ZEEK,
            "  a:\n    x|expand: '%who%'\n  condition: a",
            "12:3",
            "condition",
            "placeholder %who%",
        ),
        (
            ZEEK,
            "  a:\n    x: 1\n  condition: a and b",
            "12:3",
            "condition",
            "name one of: a",
        ),
        (
            ZEEK,
            "  a:\n    x: 1\n  condition: 1 of b*",
            "12:3",
            "condition",
            "no selection fits",
        ),
        (ZEEK, "  a:\n    x: 1\n  condition: 2 of them", "12:3", "condition", "only 1"),
        (
            ZEEK,
            "  a:\n    x|cidr: '10.0.0.0/99'\n  condition: a",
            "11:5",
            "a.x",
            "no network",
        ),
        (ZEEK, "  a:\n    x|gt: much\n  condition: a", "11:5", "a.x", "no number"),
        (ZEEK, "  a:\n    x: []\n  condition: a", "11:5", "a.x", "at least one"),
        (
            ZEEK,
            "  a:\n    x:\n      y: 1\n  condition: a",
            "11:5",
            "a.x",
            "a list or map",
        ),
        (
            ZEEK,
            "  a:\n    x|exists: perhaps\n  condition: a",
            "11:5",
            "a.x",
            "true or false",
        ),
        (ZEEK, "  a:\n    x|base64: 'a*'\n  condition: a", "11:5", "a.x", "wildcards"),
        (
            ZEEK,
            "  a:\n    x: 1\n  timeframe: 5m\n  condition: a",
            "12:3",
            "timeframe",
            "correlation rule",
        ),
        (
            "  product: zeek\n  planet: mars",
            "  a:\n    x: 1\n  condition: a",
            "8:3",
            "logsource.planet",
            "product, category",
        ),
    ];
    for (logsource, detection, at, place, hint) in cases {
        let mut rules = Rules::default();
        let errors = rules.add("bad.yml", &rule(logsource, detection));
        let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 1, "{detection}: {text:?}");
        assert!(text[0].starts_with(&format!("bad.yml:{at}: ")), "{detection}: {text:?}");
        assert!(
            text[0].contains(&format!("at {place}: ")) && text[0].contains(hint),
            "{detection}: {text:?}"
        );
        assert!(rules.all().is_empty());
    }
}

#[test]
fn what_the_parser_refuses_is_an_error_with_its_place() {
    let cases = [
        (": : not yaml [".to_owned(), "bad.yml:1:"),
        (rule(ZEEK, "  a:\n    x|nosuch: 1\n  condition: a"), "bad.yml:11:6: "),
        (rule(ZEEK, "  a:\n    x: 1\n  condition: a and"), "bad.yml:12:3: "),
        (rule(ZEEK, "  a:\n    x: 1"), "bad.yml:"),
        ("title: only\n".to_owned(), "bad.yml:"),
        (String::new(), "bad.yml:1:1: "),
        ("- a list\n".to_owned(), "bad.yml:1:1: "),
    ];
    for (yaml, start) in cases {
        let errors = Rules::default().add("bad.yml", &yaml);
        let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 1, "{yaml}: {text:?}");
        assert!(text[0].starts_with(start), "{text:?}");
    }
}

#[test]
fn a_rule_without_a_log_source_that_is_read_never_fires_and_says_so() {
    let detection = "  a:\n    x: 1\n  condition: a";
    for logsource in [
        "  definition: none of them",
        "  product: macos",
        "  product: macos\n  category: process_creation",
        "  product: windows\n  category: nonsense",
    ] {
        let mut rules = Rules::default();
        assert!(rules.add("t.yml", &rule(logsource, detection)).is_empty());
        let lint = rules.lint();
        assert!(lint[0].never.is_some(), "{logsource}: {lint:?}");
        assert!(found(&rule(logsource, detection), r#"{"_path":"conn","ts":1,"x":1}"#).is_empty());
    }
    let of_a_product = rule("  product: zeek", detection);
    assert_eq!(
        found(&of_a_product, r#"{"_path":"conn","ts":1,"x":1}"#).len(),
        1,
        "a product alone is all it writes"
    );
    let mut rules = Rules::own().unwrap();
    assert!(rules.add("t.yml", &rule(ZEEK, detection)).is_empty());
    for status in rules.lint() {
        assert_eq!(status.never, None, "{status:?}");
        assert!(!status.author.is_empty() && !status.techniques.is_empty() && status.source.contains('/'));
    }
}

#[test]
fn our_own_rules_load_and_have_ids_of_their_own() {
    let rules = Rules::own().unwrap();
    let ids: std::collections::BTreeSet<&str> = rules.all().iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids.len(), rules.all().len());
    assert!(rules.all().iter().all(|r| !r.techniques.is_empty() && r.id.len() == 36));
}
