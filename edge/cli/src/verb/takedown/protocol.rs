use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_contain::cacao::{export_protocol, import};
use leckwehr_contain::protocol::Measure;
use serde_json::json;

use super::{FILE_BYTES_MAX, read_file, read_protocol};
use crate::output::table;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Read the agreed protocol, and hand it on as a CACAO v2 playbook or take one in.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Show(ShowArgs),
    Export(ExportArgs),
    Import(ImportArgs),
}

/// Print who may order what, and every clause; every mistake of the file with its place.
#[derive(clap::Args)]
struct ShowArgs {
    /// The protocol.
    protocol: PathBuf,
    /// Folder of the estate that it was agreed about.
    #[arg(long, value_name = "DIR")]
    estate: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Write the protocol as a CACAO v2 playbook, which is valid by the OASIS schemas taken strictly.
#[derive(clap::Args)]
struct ExportArgs {
    /// The protocol.
    protocol: PathBuf,
    /// Folder of the estate that it was agreed about.
    #[arg(long, value_name = "DIR")]
    estate: PathBuf,
}

/// Read a CACAO v2 playbook: its actions as clauses, and a list of everything that a protocol has no words for.
///
/// Nothing in a playbook is ever executed.
#[derive(clap::Args)]
struct ImportArgs {
    /// The playbook.
    playbook: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Show(args) => show(&args),
        Verb::Export(args) => {
            let estate = crate::verb::estate::load(&args.estate)?;
            print_json(&export_protocol(&read_protocol(&args.protocol, &estate)?))?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Import(args) => take_in(&args),
    }
}

fn show(args: &ShowArgs) -> Result<ExitCode, Problem> {
    let estate = crate::verb::estate::load(&args.estate)?;
    let protocol = read_protocol(&args.protocol, &estate)?;
    if args.json {
        print_json(&protocol)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["clause", "title", "measures", "about"].map(str::to_owned).to_vec()];
    for (number, clause) in &protocol.clauses {
        let measures: Vec<&str> = clause.measures.iter().map(|m| m.name()).collect();
        let about: Vec<&str> = clause
            .applies_to
            .iter()
            .chain(&clause.life_lines)
            .map(String::as_str)
            .collect();
        let about = if about.is_empty() { "all".to_owned() } else { about.join(" ") };
        rows.push(vec![number.clone(), clause.title.en.clone(), measures.join(" "), about]);
    }
    let rules = &protocol.approval;
    let people = rules.people.iter().map(|(id, person)| match &person.signs_for {
        Some(party) => format!("  {id} ({}): signs for {party}\n", person.name),
        None => format!(
            "  {id} ({}): up to {} systems and {} EUR/h\n",
            person.name, person.systems_max, person.eur_per_hour_max
        ),
    });
    print(&format!(
        "{}, version {}\ntwo people above {} systems or {} EUR/h; an approval counts for {} min\n{}{}",
        protocol.name.en,
        protocol.version,
        rules.alone_systems_max,
        rules.alone_eur_per_hour_max,
        rules.valid_ms / 60_000,
        people.collect::<String>(),
        table(&rows)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn take_in(args: &ImportArgs) -> Result<ExitCode, Problem> {
    let hint = "name a CACAO v2 playbook (JSON, `spec_version` cacao-2.0)";
    let bytes = read_file(&args.playbook, FILE_BYTES_MAX, hint)?;
    let summary = format!("{} cannot be taken in", args.playbook.display());
    let imported = import(&bytes).map_err(|e| Problem::new("LW-CONTAIN-008", summary, &e).hint(hint))?;
    if args.json {
        print_json(&json!(imported))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("{}: {} clauses\n", imported.name, imported.clauses.len());
    for clause in &imported.clauses {
        let measures: Vec<&str> = clause.measures.iter().map(|m: &Measure| m.name()).collect();
        text += &format!("  {} [{}] by {}\n", clause.title, measures.join(" "), clause.agent);
    }
    text += &format!("not expressed: {}\n", imported.not_expressed.len());
    for not in &imported.not_expressed {
        text += &format!("  {}: {}\n", not.place, not.what);
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
