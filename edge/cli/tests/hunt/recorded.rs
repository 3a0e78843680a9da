use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::place::{Place, read, recordings, stderr, stdout};

/// The event logs below a folder, each with the ids of the rules that its `info.yml` names.
fn regressions(folder: &Path, found: &mut BTreeMap<PathBuf, BTreeSet<String>>) {
    let entries: BTreeSet<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let info = fs::read_to_string(folder.join("info.yml")).unwrap_or_default();
    let metadata = info.split("rule_metadata:").nth(1).unwrap_or_default();
    let metadata = metadata.split("regression_tests_info:").next().unwrap_or_default();
    let ids = metadata
        .lines()
        .filter_map(|line| Some(line.split_once("id:")?.1.trim().to_owned()));
    let ids: BTreeSet<String> = ids.collect();
    for path in entries {
        if path.is_dir() {
            regressions(&path, found);
        } else if path.extension().is_some_and(|e| e == "evtx") {
            found.insert(path, ids.clone());
        }
    }
}

#[test]
fn every_recorded_event_log_fires_the_rule_that_it_was_recorded_for() {
    let Some(data) = recordings() else { return };
    let mut wanted = BTreeMap::new();
    regressions(&data.join("sigma/regression"), &mut wanted);
    assert_eq!(wanted.len(), 97);
    let place = Place::new();
    let rules = data.join("sigma/rules-windows");
    let mut args = vec!["hunt", "--json", "--rules", rules.to_str().unwrap()];
    args.extend(wanted.keys().map(|path| path.to_str().unwrap()));
    let output = place.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (findings, summary) = read(&stdout(&output));
    let mut fired: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for finding in &findings {
        let file = finding["evidence"][0].as_str().unwrap().rsplit_once('#').unwrap().0;
        fired.entry(file).or_default().insert(finding["rule"].as_str().unwrap());
        assert!(!finding["author"].as_str().unwrap().is_empty());
    }
    let missing: Vec<(&PathBuf, &BTreeSet<String>)> = wanted
        .iter()
        .filter(|(path, ids)| {
            let fired = fired.get(path.to_str().unwrap());
            ids.is_empty() || !ids.iter().all(|id| fired.is_some_and(|f| f.contains(id.as_str())))
        })
        .collect();
    assert!(missing.is_empty(), "{} of 97 do not fire: {missing:#?}", missing.len());
    let summary = summary.unwrap();
    assert_eq!(
        (&summary["cut_off"], &summary["damaged"]),
        (&0.into(), &0.into()),
        "{}",
        summary["damaged_places"]
    );
}
