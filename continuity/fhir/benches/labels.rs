//! Holds the validator against labelled documents: a folder whose subfolders `valid` and `invalid` say what each document is.
//!
//! `cargo bench -p leckwehr-fhir --bench labels -- FOLDER PACKAGES… [CONFIGURATION.yaml]`
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::path::{Path, PathBuf};

use leckwehr_fhir::package::{Configuration, Shelf};
use leckwehr_fhir::validate::{Language, Request, Severity, Validator, Verdict};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--")).map(PathBuf::from);
    let Some(folder) = arguments.next() else {
        println!("skipped: name a folder of labelled documents: FOLDER PACKAGES… [CONFIGURATION.yaml]");
        return Ok(());
    };
    let (mut shelf, mut configuration) = (Shelf::new(), None);
    for path in arguments {
        if path.extension().is_some_and(|e| e == "yaml") {
            configuration = Some(Configuration::read(&path)?);
        } else {
            for package in Shelf::find(&path)? {
                shelf.read(&package)?;
            }
        }
    }
    let validator = Validator::new(shelf, configuration)?;
    let mut documents = Vec::new();
    collect(&folder, &mut documents)?;
    let (mut right, mut total) = ([0, 0], [0, 0]);
    for path in documents {
        let is_in = |name: &str| path.components().any(|c| c.as_os_str() == name);
        let wanted = match (is_in("valid"), is_in("invalid")) {
            (_, true) => Verdict::Invalid,
            (true, false) => Verdict::Valid,
            _ => continue,
        };
        let report = validator.validate(std::fs::read(&path)?, &Request::default());
        let kind = usize::from(wanted == Verdict::Invalid);
        total[kind] += 1;
        if report.verdict == wanted {
            right[kind] += 1;
            if wanted == Verdict::Valid {
                continue;
            }
        }
        let mark = if report.verdict == wanted { "ok   " } else { "WRONG" };
        println!(
            "{mark} {} is {}, said {} ({})",
            path.display(),
            wanted.text(),
            report.verdict.text(),
            report.set
        );
        for issue in report
            .issues
            .iter()
            .filter(|i| i.severity > Severity::Warning || report.verdict == Verdict::Unknown && i.severity == Severity::Warning)
            .take(6)
        {
            let profile = issue
                .profile
                .as_deref()
                .unwrap_or_default()
                .rsplit('/')
                .next()
                .unwrap_or_default();
            let element = issue.element.as_deref().unwrap_or_default();
            println!(
                "      {} {}:{} {} — {} [{profile} {element}]",
                issue.fault.key(),
                issue.place.line,
                issue.place.column,
                issue.location,
                issue.fault.text(Language::English)
            );
        }
        for missing in report.missing.iter().take(4) {
            println!("      {missing:?}");
        }
    }
    println!(
        "{} of {}: valid {} of {}, invalid {} of {}",
        right[0] + right[1],
        total[0] + total[1],
        right[0],
        total[0],
        right[1],
        total[1]
    );
    Ok(())
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|e| e == "xml" || e == "json") {
            into.push(path);
        }
    }
    Ok(())
}
