//! The laws of `ARCHITECTURE.md`, held against manifests, sources and documents.
//!
//! Every check is a function from text to a list of faults, so that it can be shown to find one.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail loudly")]

mod arrows;
mod codes;
mod documents;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold rooms, as the drawing in `ARCHITECTURE.md` has them.
const GROUPS: [&str; 5] = ["foundation", "flow", "continuity", "edge", "range"];

/// A file of the project: its path from the root, with `/`, and its text.
struct Text {
    path: String,
    text: String,
}

impl Text {
    /// Lines with their place, as `path:line`.
    fn lines(&self) -> impl Iterator<Item = (String, &str)> {
        let numbered = self.text.lines().enumerate();
        numbered.map(|(number, line)| (format!("{}:{}", self.path, number + 1), line))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> Text {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Text {
        path: path.to_owned(),
        text,
    }
}

/// Reads every file with this ending in the rooms.
fn in_rooms(ending: &str) -> Vec<Text> {
    let mut found = Vec::new();
    for group in GROUPS {
        collect(group, ending, &mut found);
    }
    found
}

fn collect(folder: &str, ending: &str, found: &mut Vec<Text>) {
    let mut names: Vec<_> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for path in names.iter().map(|name| format!("{folder}/{name}")) {
        if root().join(&path).is_dir() {
            collect(&path, ending, found);
        } else if path.ends_with(ending) {
            found.push(read(&path));
        }
    }
}

/// Fails with a readable list.
fn assert_none(law: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{law}\n  {}", faults.join("\n  "));
}
