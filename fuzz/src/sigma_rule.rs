use leckwehr_detect::{Correlator, Engine, Matcher, Rules, Seen};
use leckwehr_telemetry::{Lines, Sheet};

use crate::{Target, fingerprint};

/// Sigma: a text becomes rules, filters and correlations, which are joined and tried on a few records.
pub const TARGET: Target = Target {
    name: "sigma_rule",
    run,
    seeds: &[
        "title: T\nid: r\nlogsource:\n  product: zeek\n  service: conn\ndetection:\n  a:\n    x|contains|all: [ab, 'c*d']\n    y|re: '^a+b?$'\n  b:\n    - z: 1\n    - z|cidr: 10.0.0.0/8\n  k:\n    - word\n  condition: (a or 1 of b*) and not k\n",
        "title: T\nlogsource: {product: zeek, service: conn}\ndetection:\n  a:\n    x|windash|contains: ' -enc '\n    x|base64offset|contains: foo\n    y|fieldref|endswith: x\n    z|exists: true\n    y|hour|gte: 3\n    x|neq: [a, null]\n  condition: all of them\n",
        "title: R\nname: r0\nlogsource: {product: zeek, service: conn}\ndetection:\n  a: {x: 1}\n  condition: a\n---\ntitle: C\ncorrelation:\n  type: value_count\n  rules: [r0]\n  group-by: [y]\n  timespan: 5m\n  condition: {gte: 1, field: z}\n",
        "title: F\nlogsource: {product: zeek}\nfilter:\n  rules: [r]\n  known: {y: 2}\n  condition: not known\n",
    ],
    words: &[
        "|contains",
        "|all",
        "|re",
        "|cidr",
        "|cased",
        "|wide",
        "|base64",
        "|expand",
        "|gt",
        "|minute",
        "'*'",
        "'?'",
        "null",
        "[]",
        "1 of ",
        "all of them",
        " and ",
        " not ",
        "---\n",
        "temporal_ordered",
        "event_count",
        "  window: session\n  gap: 1m\n",
        "&a",
        "*a",
    ],
};

const RECORDS: [&str; 3] = [
    r#"{"_path":"conn","ts":1,"x":"a -enc cd Zm9v","y":"aab","z":"10.1.2.3","w":"word"}"#,
    r#"{"_path":"conn","ts":2,"x":1,"y":null,"z":[1,"ä "]}"#,
    r#"{"_path":"conn","ts":3}"#,
];

fn run(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let mut rules = Rules::default();
    let errors = rules.add("fuzz.yml", text);
    let kinds = errors
        .iter()
        .chain(&rules.dangling())
        .map(|e| e.to_string().len() as u64 / 16)
        .collect::<Vec<_>>();
    let engine = Engine::new(&rules);
    let (mut matcher, mut correlator) = (Matcher::new(engine.clone()), Correlator::new(engine));
    let (mut sheet, mut lines) = (Sheet::new(), Lines::default());
    let mut reached = vec![rules.all().len() as u64, rules.correlations().len() as u64];
    for record in RECORDS {
        if lines.read(record.as_bytes(), &mut sheet).is_err() {
            continue;
        }
        let seen = Seen {
            names: sheet.names(),
            sources: sheet.sources(),
            fields: sheet.fields(),
            source: sheet.source(),
        };
        let fired = matcher.matches(seen).to_vec();
        assert_eq!(
            fired,
            matcher.matches_by_trying_all(seen),
            "the index lost or invented a rule"
        );
        for rule in &fired {
            reached.push(matcher.explain(*rule, seen).fields.len() as u64);
        }
        let at = sheet.record().ok().flatten().map(|record| record.time);
        reached.push(at.map_or(0, |at| correlator.push(&fired, seen, at).len() as u64));
    }
    fingerprint(reached.into_iter().chain(kinds))
}
