use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_contain::Attestation;
use leckwehr_publish::Language;

use super::read_json;
use crate::output::Tongue;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Read an attestation, as a partner would: whether its seal fits, what was found and changed, and what nobody knows.
///
/// Needs nothing but the file. Exit code 1: it was changed after it was drawn up.
#[derive(clap::Args)]
pub struct Args {
    /// The attestation.
    file: PathBuf,
    /// Language.
    #[arg(long, value_enum, default_value = "en")]
    lang: Tongue,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let attestation = read(&args.file)?;
    let is_sealed = attestation.is_sealed();
    match args.json {
        true => print_json(&serde_json::json!({ "sealed": is_sealed, "attestation": attestation }))?,
        false => print(&text(&attestation, args.lang.language()))?,
    }
    Ok(ExitCode::from(u8::from(!is_sealed)))
}

/// Reads an attestation.
pub(super) fn read(path: &std::path::Path) -> Result<Attestation, Problem> {
    read_json(path, "attestation", "name what `leckwehr takedown attest` wrote")
}

/// Says what it says.
pub(super) fn text(attestation: &Attestation, l: Language) -> String {
    let mut text = String::new();
    let seal = match attestation.is_sealed() {
        true => l.pick("Siegel passt", "the seal fits"),
        false => l.pick("DAS SIEGEL PASST NICHT: geändert", "THE SEAL DOES NOT FIT: it was changed"),
    };
    let title = l.pick("Auskunft für", "Attestation for");
    let _ = writeln!(
        text,
        "{title} {}, {} — {seal}\n  {}",
        attestation.partner, attestation.at, attestation.seal
    );
    let found = attestation.found.iter().map(|found| {
        let tier = serde_json::to_value(found.tier).ok();
        let tier = tier.as_ref().and_then(|t| t.as_str()).unwrap_or_default().to_owned();
        let why = found.reasons.join("; ");
        format!("{}: {tier}{}{why}", found.system, if why.is_empty() { "" } else { ": " })
    });
    let separation = attestation.separation.iter().map(|proof| {
        let what = l.pick("Trennung bewiesen von", "separation proven from");
        format!("{what} {} ({})", proof.targets.join(", "), proof.seal)
    });
    let parts: [(&str, Vec<String>); 7] = [
        (l.pick("Verbindungen", "Connections"), attestation.connections.clone()),
        (l.pick("Gefunden", "Found"), found.collect()),
        (l.pick("Kontakte", "Contacts"), attestation.contacts.clone()),
        (l.pick("Geändert", "Changed"), attestation.changed.clone()),
        (l.pick("Bewiesen", "Proven"), separation.collect()),
        (l.pick("Belege", "Evidence"), attestation.evidence.clone()),
        (l.pick("Nicht bekannt", "Not known"), attestation.not_known.clone()),
    ];
    for (head, lines) in parts {
        let _ = writeln!(text, "\n{head}");
        match lines.is_empty() {
            true => text += l.pick("  nichts\n", "  nothing\n"),
            false => lines.iter().for_each(|line| {
                let _ = writeln!(text, "  {line}");
            }),
        }
    }
    text
}
