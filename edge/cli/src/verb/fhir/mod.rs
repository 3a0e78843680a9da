//! The verbs of FHIR validation, one file each, over one shared [`Packages`].

mod explain;
mod packages;
mod validate;

pub(crate) use validate::collect;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use leckwehr_fhir::package::{Configuration, PackageError, Shelf};
use leckwehr_fhir::path::Moment;
use leckwehr_fhir::validate::{Language, Validator};

use crate::problem::Problem;

/// Validate FHIR R4 documents against the profiles of packages.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Validate(validate::Args),
    Explain(explain::Args),
    Packages(packages::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Validate(args) => validate::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Packages(args) => packages::run(&args),
    }
}

/// Where profiles come from.
#[derive(clap::Args)]
pub(crate) struct Packages {
    /// Folder with FHIR packages (.tgz or unpacked), or one package; may be given several times.
    ///
    /// The base definitions of FHIR R4 are taken from there too, else from the folder of `fhir packages fetch`.
    #[arg(long = "packages", value_name = "DIR", required = true)]
    pub(crate) folders: Vec<PathBuf>,
    /// Which packages belong together from when to when (YAML with `dependencyLists`).
    ///
    /// Without it, such a file in the folder of the packages or beside it is taken; without one, the packages
    /// around the document's profile, newest first.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Language of messages, as an argument.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Lang {
    /// German.
    De,
    /// English.
    En,
}

impl Lang {
    pub(crate) fn language(self) -> Language {
        match self {
            Self::De => Language::German,
            Self::En => Language::English,
        }
    }
}

impl Packages {
    /// Reads the packages; what in them cannot be used is told on stderr and the rest goes on.
    pub(crate) fn validator(&self) -> Result<Validator, Problem> {
        let mut shelf = Shelf::new();
        for folder in &self.folders {
            read_into(&mut shelf, folder)?;
        }
        if !shelf.packages().iter().any(|p| p.is_base) {
            let own = base_folder().filter(|f| f.is_dir());
            own.map_or(Ok(()), |folder| read_into(&mut shelf, &folder))?;
        }
        for issue in shelf.issues() {
            note(&format!("{} {}: {}", issue.package, issue.file, issue.detail));
        }
        let beside = || self.folders.iter().find_map(|f| Configuration::find(f));
        let configuration = match self.config.clone().or_else(beside) {
            Some(path) => Some(Configuration::read(&path).map_err(|e| unreadable(&e))?),
            None => None,
        };
        let mut validator = Validator::new(shelf, configuration).map_err(|e| {
            Problem::new("LW-FHIR-031", "the base definitions of FHIR R4 are not there", &e)
                .hint("fetch them once: leckwehr fhir packages fetch")
                .hint("or put the package hl7.fhir.r4.core into the folder of --packages")
        })?;
        validator.settings_mut().now = now();
        Ok(validator)
    }
}

fn read_into(shelf: &mut Shelf, folder: &Path) -> Result<(), Problem> {
    for path in Shelf::find(folder).map_err(|e| unreadable(&e))? {
        // a damaged package is named, and the others are read: what it would have said is then unknown
        if let Err(error) = shelf.read(&path) {
            note(&format!("LW-FHIR-030 {error}"));
        }
    }
    Ok(())
}

fn unreadable(error: &PackageError) -> Problem {
    Problem::new("LW-FHIR-030", "packages or their configuration cannot be read", error)
        .hint("--packages names a folder with .tgz files, --config a YAML file with dependencyLists")
}

#[expect(clippy::disallowed_methods, reason = "invariants may ask for the time")]
fn now() -> Option<Moment> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Moment::from_unix(i64::try_from(since.as_nanos()).ok()?, 0))
}

/// The folder of `fhir packages fetch`: `LECKWEHR_FHIR_PACKAGES`, else within the user's data folder.
#[expect(clippy::disallowed_methods, reason = "where a user's data is, the environment says")]
pub(crate) fn base_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty()).map(PathBuf::from);
    let data = || set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    set("LECKWEHR_FHIR_PACKAGES").or_else(|| data().map(|d| d.join("leckwehr/fhir-packages")))
}

/// Talks to people, on stderr.
#[expect(clippy::print_stderr, reason = "the command line talks to people on stderr")]
pub(crate) fn note(text: &str) {
    let mut text = text.to_owned();
    text.retain(|c| !c.is_control());
    eprintln!("note: {text}");
}
