use std::path::Path;

use crate::{Text, assert_none, in_rooms, read, root};

/// What no source may say, and why. Joined at compile time, so that this file does not say it either.
const NEVER: [(&str, &str); 3] = [
    (concat!("#[al", "low("), "say #[expect(lint, reason = \"…\")]"),
    (concat!("#![al", "low("), "say #[expect(lint, reason = \"…\")]"),
    (concat!("#[ig", "nore"), "a test runs, or says visibly that it was skipped"),
];

/// Law 9: no room needs it.
const FORBIDDEN_WORD: &str = concat!("un", "safe");

const PRINTERS: [&str; 5] = ["print!(", "println!(", "eprint!(", "eprintln!(", "dbg!("];

/// The lint that guards clock, environment, exit and sleep.
const INJECTED: &str = concat!("disallowed_", "methods");

/// Returns whether the file is built for tests, benchmarks or the build only.
fn beside_the_product(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "build.rs"))
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn faults(source: &Text) -> Vec<String> {
    let mut faults = Vec::new();
    let may_print = source.path.starts_with("edge/cli/") || beside_the_product(&source.path);
    let may_reach_out =
        ["edge/", "range/"].iter().any(|group| source.path.starts_with(group)) || beside_the_product(&source.path);
    for (place, line) in source.lines() {
        let code = line.split("//").next().unwrap_or_default();
        for (text, remedy) in NEVER {
            if code.contains(text) {
                faults.push(format!("{place}: {text} — {remedy}"));
            }
        }
        if words(code).any(|word| word == FORBIDDEN_WORD) {
            faults.push(format!("{place}: {FORBIDDEN_WORD} — law 9"));
        }
        let prints = PRINTERS.iter().any(|printer| code.contains(printer));
        if prints && !may_print {
            faults.push(format!("{place}: only the command line talks — law 6"));
        }
        if code.contains(INJECTED) && !may_reach_out {
            faults.push(format!("{place}: clock, environment and sleep are handed in — law 6"));
        }
    }
    faults
}

#[test]
fn sources_keep_the_laws() {
    let sources = in_rooms(".rs");
    assert!(sources.len() > 100, "only {} sources were read", sources.len());
    let found: Vec<String> = sources.iter().flat_map(faults).collect();
    assert_none("laws 6 and 9, and the style", &found);
}

#[test]
fn every_broken_law_is_found() {
    let text = [
        "// a comment may say unsafe".to_owned(),
        format!("{} {{}}", FORBIDDEN_WORD),
        format!("{}dead_code)]", NEVER[0].0),
        format!("    {}]", NEVER[2].0),
        format!("print{}\"x\")", "ln!("),
        format!("#[expect(clippy::{INJECTED}, reason = \"r\")]"),
    ];
    let count = |path: &str| {
        let source = Text {
            path: path.into(),
            text: text.join("\n"),
        };
        faults(&source).len()
    };
    assert_eq!(count("flow/detect/src/lib.rs"), 5);
    assert_eq!(count("edge/console/src/lib.rs"), 4);
    assert_eq!(count("edge/cli/src/main.rs"), 3);
    assert_eq!(count("flow/detect/tests/it/main.rs"), 3);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let manifests = in_rooms("/Cargo.toml");
    assert!(manifests.len() > 10);
    let without = manifests.iter().filter(|m| !m.text.contains("[lints]\nworkspace = true\n"));
    assert_none(
        "these manifests want [lints] workspace = true",
        &without.map(|m| m.path.clone()).collect::<Vec<_>>(),
    );
    let lints = format!("{FORBIDDEN_WORD}_code = \"forbid\"");
    assert!(read("Cargo.toml").text.contains(&lints), "the workspace forbids it");
}

#[test]
fn the_toolchain_is_not_pinned() {
    let pins = ["rust-toolchain", "rust-toolchain.toml"].map(|name| root().join(name));
    assert!(!pins.iter().any(|path: &std::path::PathBuf| Path::new(path).exists()));
}
