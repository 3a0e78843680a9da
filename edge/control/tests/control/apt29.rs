//! The APT29 evaluation (OTRF Security-Datasets, MIT), replayed as a responder would.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use leckwehr_control::ReplayOutcome;
use leckwehr_crypt::SigningKey;
use leckwehr_incident::{Phase, Situation, Tier};
use leckwehr_ledger::{Reader, Trust, verify};
use leckwehr_publish::verify_site;

use crate::bench::{Bench, data};

const DAY_1: &str = "trace/apt29-day1.zeek.jsonl";
const DAY_2: &str = "trace/apt29-day2.zeek.jsonl";

fn isolated(outcome: &ReplayOutcome) -> Vec<String> {
    let plan = outcome.takedown.as_ref().unwrap();
    let isolations = plan.steps.iter().filter(|s| s.action == "isolate-host");
    isolations.map(|s| s.target.clone()).collect()
}

#[test]
fn day_one_names_servers_hop_bound_and_what_it_cannot_know() {
    let Some(day) = data(DAY_1) else { return };
    let bench = Bench::new();
    let outcome = bench.replay(&[day], "out", 1).unwrap();
    let summary = &outcome.summary;
    let servers: Vec<&str> = summary.route.outside.iter().map(|o| o.address.as_str()).collect();
    assert_eq!(servers, ["192.168.0.5", "192.168.0.4"]);
    let hop = summary.route.hops.iter().find(|h| h.from == "scranton").unwrap();
    assert_eq!((hop.to.as_str(), hop.tier), ("nashua", Tier::Proven));
    assert!(
        summary.bytes_out.bound.is_some_and(|b| (1_082_089..=3_172_129).contains(&b)),
        "{:?}",
        summary.bytes_out.bound
    );
    assert!(!summary.unknowns.is_empty());
    assert_eq!(isolated(&outcome), ["nashua", "scranton"]);
    assert_eq!(summary.hosts["possible"], ["newyork"]);
    let surgical = &summary.takedown.options[0];
    assert!(surgical.residual.contains("newyork") && !surgical.systems.contains("newyork"));
    // The servers lie in no network of the estate: whether the uplink is cut is for people to decide, and they are asked.
    assert!(surgical.connections.is_empty() && surgical.undecided.contains_key("uplink"));
    let asked = |d: &&String| d.starts_with("contain: the attacker came from 192.168.0.") && d.contains("perhaps over uplink");
    assert_eq!(outcome.situation.open_decisions.iter().filter(asked).count(), 1);
    assert!(outcome.restore.steps.iter().any(|s| s.target == "nashua"));
    assert!(summary.alarms.iter().any(|a| a.entity == "host:scranton"));
    assert!(summary.rules.iter().all(|r| !r.author.is_empty()));
    // Nothing was declared, cut or published.
    let situation = &outcome.situation;
    assert_eq!(situation.phase, Phase::Alarm);
    assert!(situation.hosts.values().all(|h| !h.isolated) && situation.connections_cut.is_empty());
    assert_eq!(situation.site.seq, 0);
    assert!(situation.services.is_empty(), "a recording does not say which services ran");
}

#[test]
fn day_two_with_the_same_settings() {
    let Some(day) = data(DAY_2) else { return };
    let bench = Bench::new();
    let outcome = bench.replay(&[day], "out", 1).unwrap();
    assert_eq!(outcome.summary.hosts["proven"], ["utica", "newyork", "scranton"]);
    assert!(isolated(&outcome).contains(&"newyork".to_owned()));
    let services = &outcome.summary.restore.services;
    assert!(services.iter().all(|s| s.full_ms <= s.full_p90_ms && s.full_ms.is_some()));
    assert!(!services.is_empty());
}

#[test]
fn two_runs_with_different_keys_give_the_same_situation_byte_for_byte() {
    let Some(day) = data(DAY_1) else { return };
    let bench = Bench::new();
    bench.replay(std::slice::from_ref(&day), "a", 1).unwrap();
    bench.replay(&[day], "b", 7).unwrap();
    for file in [
        "situation.json",
        "impact.json",
        "takedown-options.json",
        "takedown-plan.json",
        "restore-plan.json",
    ] {
        assert_eq!(bench.read(&format!("a/{file}")), bench.read(&format!("b/{file}")), "{file}");
    }
    assert_ne!(bench.read("a/site-key.pub"), bench.read("b/site-key.pub"));
}

#[test]
fn the_ledger_verifies_and_folds_to_the_situation() {
    let Some(day) = data(DAY_1) else { return };
    let bench = Bench::new();
    bench.replay(&[day], "out", 1).unwrap();
    for folder in ["out/ledger", "out/ledger-export"] {
        assert!(verify(&bench.path(folder), &Trust::default()).unwrap().is_ok(), "{folder}");
    }
    assert!(!bench.path("out/ledger/ledger.key").exists(), "nobody may write on");
    let reader = Reader::open(&bench.path("out/ledger")).unwrap();
    let entries = reader.entries(0..reader.size()).unwrap();
    let situation = Situation::replay(entries.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(situation.to_json(), bench.read("out/situation.json"));
}

#[test]
fn the_site_is_signed_and_names_no_host_and_no_account() {
    let Some(day) = data(DAY_1) else { return };
    let bench = Bench::new();
    let outcome = bench.replay(&[day], "out", 1).unwrap();
    let mut files = BTreeMap::new();
    collect(&bench.path("out/site"), "", &mut files);
    let key = SigningKey::from_seed(&[2; 32]).unwrap().verifying_key();
    verify_site(&files, &key, 0, outcome.situation.as_of).unwrap();
    for (path, content) in &files {
        let text = String::from_utf8_lossy(content);
        for name in ["scranton", "nashua", "newyork", "pbeesly", "192.168.0.4"] {
            assert!(!text.to_lowercase().contains(name), "{path} names {name}");
        }
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

#[test]
fn packed_files_and_folders_give_the_same_answer() {
    let Some(day) = data(DAY_1) else { return };
    let bench = Bench::new();
    let plain = fs::read(&day).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    bench.write("gz/day1.jsonl.gz", gzip.finish().unwrap());
    bench.write("gz/readme.txt", "not telemetry");
    bench.write("zst/deep/day1.jsonl.zst", zstd::encode_all(plain.as_slice(), 1).unwrap());
    let plain = bench.replay(&[day], "out", 1).unwrap();
    for packed in ["gz", "zst"] {
        let outcome = bench.replay(&[bench.path(packed)], &format!("out-{packed}"), 1).unwrap();
        let (a, b) = (&plain.impact, &outcome.impact);
        assert_eq!(
            (a.bytes_out_max, &a.window, a.hops.len()),
            (b.bytes_out_max, &b.window, b.hops.len())
        );
        assert_eq!(plain.takedown, outcome.takedown);
    }
    let skipped = bench.replay(&[bench.path("gz")], "again", 1).unwrap().summary.input.skipped;
    assert!(skipped.len() == 1 && skipped[0].ends_with("readme.txt"), "{skipped:?}");
}
