use std::sync::{Arc, LazyLock};

use leckwehr_detect::{Engine, Matcher, Rules, Seen};
use leckwehr_telemetry::{Lines, Sheet};

use crate::{Target, fingerprint};

/// Sigma: any line against fixed rules of every kind; the index must find what trying all rules finds.
pub const TARGET: Target = Target {
    name: "sigma_record",
    run,
    seeds: &[
        r#"{"_path":"conn","ts":1,"a":"x abcd y","b":"C:\\Windows\\cmd.exe","c":"10.1.2.3","d":[1,2.5,"-3"],"e":true,"f":null}"#,
        r#"{"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","CommandLine":"powershell -enc SQBFAFgA ","Image":"C:\\p.exe"}"#,
        r#"{"_path":"conn","ts":1,"a":"ſſſKÄß","t":"2024-03-05T23:45:10+02:00","g":{"h":["AB","ab "]}}"#,
    ],
    words: &[
        "\"a\":",
        "\"b\":",
        "\\u0000",
        "ſ",
        "K",
        " \"",
        "abcd",
        "\\\\cmd.exe",
        "-enc",
        "10.0.0.0",
        "null",
        "[]",
        "1e400",
        "İ",
    ],
};

const RULES: &str = "title: A\nid: a\nlogsource: {product: zeek, service: conn}\ndetection:\n  s:\n    a|contains: [abcd, 'b?d', xy]\n  condition: s\n---
title: B\nid: b\nlogsource: {product: zeek, service: conn}\ndetection:\n  s:\n    b|endswith: ['\\cmd.exe', '.exe']\n    a|startswith: x\n  n:\n    c|cidr: [10.0.0.0/8, 'fe80::/10']\n  condition: s or n\n---
title: C\nid: c\nlogsource: {product: zeek, service: conn}\ndetection:\n  s:\n    a|re: '(?i)s{2}k'\n  e:\n    f: null\n    d|lt: 0\n  condition: s or not e\n---
title: D\nid: d\nlogsource: {product: zeek, service: conn}\ndetection:\n  k: [abcd, 'cmd*exe']\n  h:\n    t|hour: 21\n    g.h|cased: ab\n  condition: 1 of them\n---
title: E\nid: e\nlogsource: {product: windows, category: process_creation}\ndetection:\n  s:\n    CommandLine|windash|contains: ' -enc '\n  w:\n    CommandLine|wide|base64offset|contains: IEX\n  f:\n    CommandLine|fieldref|contains: Image\n  condition: (s and w) or f\n";

static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    let mut rules = Rules::default();
    let errors = rules.add("fixed.yml", RULES);
    assert!(errors.is_empty(), "{errors:?}");
    Engine::new(&rules)
});

fn run(bytes: &[u8]) -> u64 {
    let mut sheet = Sheet::new();
    if Lines::default().read(bytes, &mut sheet).is_err() {
        return 0;
    }
    let seen = Seen {
        names: sheet.names(),
        sources: sheet.sources(),
        fields: sheet.fields(),
        source: sheet.source(),
    };
    let mut matcher = Matcher::new(ENGINE.clone());
    let fired = matcher.matches(seen).to_vec();
    assert_eq!(
        fired,
        matcher.matches_by_trying_all(seen),
        "the index lost or invented a rule"
    );
    let told = fired
        .iter()
        .map(|rule| matcher.explain(*rule, seen).fields.len() as u64)
        .sum();
    fingerprint(fired.iter().map(|rule| u64::from(*rule) + 1).chain([told]))
}
