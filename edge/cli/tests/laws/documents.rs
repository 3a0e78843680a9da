use crate::{Text, assert_none, read, root};

const DOCUMENTS: [&str; 10] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/errors.md",
    "docs/estate.md",
    "docs/glossary.md",
    "docs/protocol.md",
    "docs/epa-key-derivation.md",
];

/// Commands in the first `sh` block of a document, without their comments.
fn commands(document: &Text) -> Vec<String> {
    let block = document.text.lines().skip_while(|line| *line != "```sh").skip(1);
    let lines = block.take_while(|line| *line != "```");
    let commands = lines.map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned());
    commands.filter(|command| !command.is_empty()).collect()
}

/// What the continuous integration runs: `run` shows a command and does it.
fn runs(script: &Text) -> Vec<String> {
    let lines = script.text.lines().filter_map(|line| line.trim().strip_prefix("run "));
    lines.map(str::to_owned).collect()
}

/// Returns the relative links of a document that lead nowhere.
fn dead_links(document: &Text) -> Vec<String> {
    let folder = root().join(&document.path).parent().unwrap().to_owned();
    let mut dead = Vec::new();
    for (place, line) in document.lines() {
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let outside = link.contains("://") || link.starts_with("mailto:") || file.is_empty();
            if !outside && !folder.join(file).exists() {
                dead.push(format!("{place}: {link}"));
            }
        }
    }
    dead
}

#[test]
fn the_commands_of_the_readme_are_those_that_are_tested() {
    let promised = commands(&read("README.md"));
    assert_eq!(promised.len(), 2, "two commands do everything: {promised:?}");
    let done = runs(&read(".ci/run"));
    let untested: Vec<String> = promised.iter().filter(|c| !done.contains(c)).cloned().collect();
    assert_none("README.md promises what .ci/run does not run", &untested);
    let unlike = |verb: &str| {
        let of_ci = done.iter().filter(move |c| c.starts_with(verb));
        of_ci.filter(|c| !promised.contains(c)).cloned().collect::<Vec<_>>()
    };
    assert_none("other tests than README.md promises", &unlike("cargo test"));
    assert_none("other runs than README.md promises", &unlike("cargo run"));
}

#[test]
fn links_lead_somewhere() {
    let dead: Vec<String> = DOCUMENTS.iter().flat_map(|path| dead_links(&read(path))).collect();
    assert_none("dead links", &dead);
}

#[test]
fn a_dead_link_and_a_promise_are_found() {
    let document = Text {
        path: "docs/x.md".into(),
        text: "[a](nowhere.md#x) [b](errors.md) [c](https://example.org) [d](#x)\n```sh\nmake  # it\n```\n".into(),
    };
    assert_eq!(dead_links(&document), ["docs/x.md:1: nowhere.md#x"]);
    assert_eq!(commands(&document), ["make"]);
}
