//! The OpenC2 technical committee's own vectors: every good one is accepted, every bad one refused.

use std::fs;
use std::path::PathBuf;

use leckwehr_guard::openc2::{Profiles, parse_command, parse_response};

#[expect(clippy::disallowed_methods, reason = "recordings lie where the caller says")]
fn data(name: &str) -> Option<PathBuf> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var("LECKWEHR_DATA").map_or(default, PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var("LECKWEHR_REQUIRE_DATA").as_deref() != Ok("1"),
        "{} is missing",
        path.display()
    );
    println!("skipped: {} is not there", path.display());
    None
}

/// What the committee's combined schema of language, packet filter and made-up profiles knows.
fn acme() -> Profiles {
    let names = [
        "x-acme",
        "x-mycompany",
        "x-mycompany_with_underscore",
        "x-395",
        "x-esm",
        "x-example",
    ];
    names
        .into_iter()
        .fold(Profiles::language().with_slpf(), |all, name| all.with_extension(name))
}

/// Number of vectors in a folder, and what is wrong with the verdicts on them.
fn judge(folder: &str, profiles: &Profiles) -> Option<(usize, Vec<String>)> {
    let root = data("openc2")?.join(folder);
    let (mut count, mut wrong) = (0, Vec::new());
    for (kind, label) in ["commands/good", "commands/bad", "responses/good", "responses/bad"].map(|k| k.split_once('/').unwrap())
    {
        let Ok(files) = fs::read_dir(root.join(kind).join(label)) else {
            continue;
        };
        for file in files {
            let path = file.unwrap().path();
            let text = fs::read(&path).unwrap();
            let fault = match kind {
                "commands" => parse_command(&text, profiles).err(),
                _ => parse_response(&text, profiles).err(),
            };
            count += 1;
            if fault.is_none() != (label == "good") {
                wrong.push(format!(
                    "{}: {}",
                    path.display(),
                    fault.map_or("accepted".into(), |f| f.to_string())
                ));
            }
        }
    }
    Some((count, wrong))
}

/// Red when any check of `openc2::value` is left out: each has its vectors.
#[test]
fn all_language_vectors_are_judged_as_labelled() {
    let Some((count, wrong)) = judge("language", &Profiles::language()) else {
        return;
    };
    println!("{count} language vectors");
    assert_eq!((count, wrong), (146, vec![]));
}

#[test]
fn all_packet_filter_vectors_are_judged_as_labelled() {
    let Some((plain, wrong)) = judge("slpf", &Profiles::slpf()) else {
        return;
    };
    assert_eq!(wrong, Vec::<String>::new());
    let (combined, wrong) = judge("slpf+acme", &acme()).unwrap();
    println!("{} packet filter vectors", plain + combined);
    assert_eq!((plain + combined, wrong), (36, vec![]));
}

/// The guard speaks the profile and its own extension, and nothing else.
#[test]
fn the_guard_speaks_packet_filtering_only() {
    let guard = Profiles::guard();
    let good = |text: &str| parse_command(text.as_bytes(), &guard).unwrap();
    let bad = |text: &str| parse_command(text.as_bytes(), &guard).unwrap_err().to_string();
    good(r#"{"action":"deny","target":{"ipv4_net":"10.0.0.0/8"},"args":{"slpf":{"direction":"ingress"},"duration":5}}"#);
    good(r#"{"action":"deny","target":{"x-leckwehr:compartment":"fs-1"},"args":{"x-leckwehr":{"lease_ms":5}}}"#);
    for (text, word) in [
        (r#"{"action":"deny","target":{"file":{"name":"x"}}}"#, "no target file"),
        (r#"{"action":"deny","target":{"x-acme:thing":1}}"#, "not spoken"),
        (
            r#"{"action":"deny","action":"allow","target":{"ipv4_net":"10.0.0.0/8"}}"#,
            "twice",
        ),
        (
            r#"{"action":"deny","target":{"ipv4_net":"10.0.0.0/8","ipv6_net":"::"}}"#,
            "exactly one",
        ),
        (
            r#"{"action":"deny","target":{"ipv4_net":"10.0.0.0/8"},"args":{"start_time":1,"stop_time":2,"duration":1}}"#,
            "two of",
        ),
        (r#"{"action":"deny","target":{"ipv4_net":"10.0.0.0/8"}} {}"#, "trailing"),
        (r#"{"action":"delete","target":{"slpf:rule_number":-1}}"#, "whole number"),
    ] {
        assert!(bad(text).contains(word), "{}", bad(text));
    }
    let deep = format!("{}1{}", "[".repeat(4_000), "]".repeat(4_000));
    assert!(bad(&deep).contains("recursion"));
}
