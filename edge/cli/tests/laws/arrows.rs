use std::process::Command;

use serde_json::Value;

use crate::{assert_none, root};

/// Rooms of the flow, in its one direction.
const FLOW: [&str; 6] = ["telemetry", "detect", "trace", "contain", "restore", "publish"];

/// A crate: `leckwehr-detect` in `flow/detect` is the room `detect` of the group `flow`.
#[derive(Clone)]
struct Room {
    group: String,
    name: String,
}

impl Room {
    fn new(group: &str, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Place in the flow, from the left.
    fn place(&self) -> Option<usize> {
        FLOW.iter().position(|room| *room == self.name)
    }
}

/// Returns whether `from` may import `to`.
fn allowed(from: &Room, to: &Room) -> bool {
    match (from.group.as_str(), to.group.as_str()) {
        ("edge" | "range" | "fuzz", _) | ("foundation" | "continuity", "foundation") => true,
        ("flow", "foundation") => from.place().is_some(),
        ("flow", "flow") => matches!((from.place(), to.place()), (Some(from), Some(to)) if to < from),
        ("continuity", "continuity") => (from.name.as_str(), to.name.as_str()) == ("eau", "fhir"),
        _ => false,
    }
}

fn forbidden(arrows: &[(Room, Room)]) -> Vec<String> {
    let found = arrows.iter().filter(|(from, to)| !allowed(from, to));
    found
        .map(|(from, to)| format!("{}/{} imports {}/{}", from.group, from.name, to.group, to.name))
        .collect()
}

/// Reads all arrows of the workspace, those of tests and build scripts too.
fn arrows() -> Vec<(Room, Room)> {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let top = metadata["workspace_root"].as_str().unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let mut arrows = Vec::new();
    for package in packages {
        let manifest = package["manifest_path"].as_str().unwrap();
        let from = room(top, manifest.trim_end_matches("/Cargo.toml"));
        let crate_name = format!("leckwehr-{}", from.name);
        assert_eq!(package["name"].as_str(), Some(crate_name.as_str()), "{manifest}");
        let inside = package["dependencies"].as_array().unwrap().iter();
        let paths = inside.filter_map(|dependency| dependency["path"].as_str());
        arrows.extend(paths.map(|path| (from.clone(), room(top, path))));
    }
    arrows
}

/// The room in a folder; `range` and `fuzz` are groups of one.
fn room(top: &str, folder: &str) -> Room {
    let path = folder.strip_prefix(top).unwrap_or(folder).trim_start_matches('/');
    let (group, name) = path.split_once('/').unwrap_or((path, path));
    Room::new(group, name)
}

#[test]
fn rooms_import_to_their_left_and_down_only() {
    let arrows = arrows();
    assert!(arrows.len() > 30, "only {} arrows were read", arrows.len());
    assert_none("law 1, one way: these arrows are forbidden", &forbidden(&arrows));
}

#[test]
fn a_forbidden_arrow_is_found() {
    let bad = [
        (("flow", "detect"), ("flow", "trace")),
        (("flow", "publish"), ("continuity", "eau")),
        (("flow", "restore"), ("edge", "guard")),
        (("continuity", "fhir"), ("continuity", "eau")),
        (("continuity", "epa"), ("continuity", "fhir")),
        (("continuity", "eau"), ("flow", "telemetry")),
        (("continuity", "pay"), ("continuity", "eau")),
        (("foundation", "ledger"), ("flow", "telemetry")),
        (("flow", "unheard-of"), ("foundation", "crypt")),
        (("cellar", "crypt"), ("foundation", "crypt")),
    ];
    let good = [
        (("flow", "publish"), ("flow", "telemetry")),
        (("continuity", "eau"), ("continuity", "fhir")),
        (("edge", "cli"), ("range", "range")),
        (("range", "range"), ("edge", "control")),
    ];
    let of = |(from, to): ((&str, &str), (&str, &str))| (Room::new(from.0, from.1), Room::new(to.0, to.1));
    let found = forbidden(&bad.into_iter().chain(good).map(of).collect::<Vec<_>>());
    assert_eq!(found.len(), bad.len(), "{found:#?}");
    assert_eq!(found[0], "flow/detect imports flow/trace");
}
