use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use leckwehr_detect::{Engine, Matcher, Rules};
use leckwehr_telemetry::{Item, Reader, Sheet};

use super::data::{recording, seen};

/// Every recording of SigmaHQ's regression fires the rule that it was made for.
#[test]
fn each_event_log_fires_the_rule_named_beside_it() {
    let (Some(rules), Some(folder)) = (recording("sigma/rules-windows"), recording("sigma/regression")) else {
        return;
    };
    let mut infos = Vec::new();
    collect(&folder, &mut infos);
    let (rules, _) = Rules::load(&[rules]);
    let engine = Engine::new(&rules);
    let (mut logs, mut silent) = (0, Vec::new());
    for info in infos {
        let wanted = wanted(&info);
        for log in beside(&info) {
            logs += 1;
            let mut matcher = Matcher::new(engine.clone());
            let (mut reader, mut sheet) = (Reader::open(&log).unwrap(), Sheet::new());
            let mut fired = BTreeSet::new();
            loop {
                match reader.next(&mut sheet).unwrap() {
                    Item::End => break,
                    Item::Record => {
                        let numbers = matcher.matches(seen(&sheet)).to_vec();
                        fired.extend(numbers.iter().map(|n| engine.rules()[*n as usize].id.clone()));
                    }
                    _ => {}
                }
            }
            if wanted.is_disjoint(&fired) {
                silent.push(format!("{}: wants {wanted:?}, fired {fired:?}", log.display()));
            }
        }
    }
    assert!(logs >= 97, "only {logs} event logs");
    assert!(silent.is_empty(), "{} of {logs}:\n{}", silent.len(), silent.join("\n"));
}

fn collect(folder: &Path, infos: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, infos);
        } else if path.ends_with("info.yml") {
            infos.push(path);
        }
    }
}

/// Returns the rule ids under `rule_metadata`.
fn wanted(info: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(info).unwrap();
    let lines = text.lines().skip_while(|line| !line.starts_with("rule_metadata"));
    let ids = lines.filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("id: "));
    ids.map(|id| id.trim().to_owned()).collect()
}

fn beside(info: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(info.parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "evtx")).collect()
}
