use std::fmt::Write as _;
use std::process::ExitCode;

use leckwehr_trace::{
    ClaimSheet, CoverageLedger, DestinationEvidence, Judgement, LedgerConfig, TheftEvidence, detailed_claims, theft,
};

use super::{Case, CaseArgs, print, print_json};
use crate::problem::Problem;

/// Destinations, stagings and windows shown one by one in the text; --json has them all.
const SHOWN: usize = 15;

/// Print how much can have left, where to, what was staged before, and what can be claimed about it.
///
/// The bound counts every byte to every address outside, whether or not anything about it looked bad. Per destination there
/// is evidence for theft, evidence against it, or it cannot be determined, each with the reasons. A claim that the coverage
/// does not support is refused, with what would be needed to make it.
///
/// Example:
///
///     leckwehr trace theft --estate examples/apt29 apt29-day1.zeek.jsonl
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    case: CaseArgs,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let case = Case::read(&args.case)?;
    let found = theft(&case.events, &case.findings, &case.estate, &case.impact, &case.config);
    let ledger = CoverageLedger::new(&case.events, &case.estate, &case.config.accounts, &LedgerConfig::new());
    let sheet = detailed_claims(&case.impact, &case.estate, &case.config, &ledger, &found);
    if args.case.json {
        print_json(&serde_json::json!({ "input": case.input(), "theft": found, "claims": sheet }))?;
    } else {
        print(&text(&found, &sheet))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(found: &TheftEvidence, sheet: &ClaimSheet) -> String {
    let mut text = String::new();
    let Some((from, to)) = found.window else {
        return "no record, so no bound\n".to_owned();
    };
    let sentence = found.sentence.get("en").map_or("", String::as_str);
    let _ = writeln!(text, "Examined: {from} – {to}\n{sentence}");
    if let Some(sign) = found.first_sign {
        let _ = writeln!(
            text,
            "No more than {} of them after the first sign, {sign}.",
            found.bytes_since_max
        );
    }
    write_destinations(&mut text, found);
    let _ = writeln!(text, "\nLargest five-minute windows, all destinations");
    for window in &found.windows {
        let _ = writeln!(
            text,
            "  {} – {}  at most {:>12} bytes",
            window.from, window.to, window.bytes_max
        );
    }
    let _ = writeln!(text, "\nData brought together");
    for staging in found.staging.iter().take(SHOWN) {
        let bytes = staging.bytes.map_or_else(String::new, |b| format!(", {b} bytes"));
        let to = staging.to.as_ref().map_or_else(String::new, |to| format!(" → {to}"));
        let _ = writeln!(
            text,
            "  {}  {}{to}: {}{bytes} [{}]",
            staging.seen.0,
            staging.hosts.join(", "),
            staging.what,
            staging.evidence.join(", ")
        );
    }
    more(&mut text, found.staging.len());
    if found.staging.is_empty() {
        let _ = writeln!(
            text,
            "  nothing was seen; packing leaves no record on hosts without file records"
        );
    }
    for tunnel in found.tunnels.iter().filter(|t| t.is_tunnel) {
        let (host, domain, names, bytes) = (&tunnel.host, &tunnel.domain, tunnel.names, tunnel.bytes_max);
        let _ = writeln!(
            text,
            "  {host} looked up {names} names under {domain}: a tunnel, at most {bytes} bytes"
        );
    }
    write_claims(&mut text, sheet);
    text
}

fn write_destinations(text: &mut String, found: &TheftEvidence) {
    let _ = writeln!(
        text,
        "\nDestinations\n  {:>12}  {:>6}  {:<18} judgement",
        "bytes out ≤", "conns", "address"
    );
    for destination in found.destinations.iter().take(SHOWN) {
        let bound = match destination.measured {
            true => destination.bytes_out_max.to_string(),
            false => "no bound".to_owned(),
        };
        let (address, word) = (&destination.address, word(destination.judgement));
        let _ = writeln!(text, "  {bound:>12}  {:>6}  {address:<18} {word}", destination.connections);
        write_reasons(text, destination);
    }
    more(text, found.destinations.len());
    if found.others.destinations > 0 {
        let (count, bytes) = (found.others.destinations, found.others.bytes_out_max);
        let _ = writeln!(
            text,
            "  and {count} destinations with at most {bytes} bytes together that are only counted"
        );
    }
}

fn write_reasons(text: &mut String, destination: &DestinationEvidence) {
    let groups = [
        ("for", &destination.evidence_for),
        ("against", &destination.evidence_against),
        ("open", &destination.undetermined),
    ];
    for (label, sentences) in groups {
        for sentence in sentences {
            let _ = writeln!(text, "                {label:>8}: {sentence}");
        }
    }
    if let Some(window) = destination.windows.first() {
        let (from, to, bytes) = (window.from, window.to, window.bytes_max);
        let _ = writeln!(
            text,
            "                 largest: at most {bytes} bytes in five minutes, {from} – {to}"
        );
    }
}

fn write_claims(text: &mut String, sheet: &ClaimSheet) {
    let _ = writeln!(text, "\nWhat can be said");
    for detailed in &sheet.claims {
        let claim = &detailed.claim;
        let sentence = claim.text.get("en").map_or("", String::as_str);
        let _ = writeln!(text, "  {sentence}");
        let _ = writeln!(
            text,
            "      confidence {} of 100; review by {}; coverage: {}",
            detailed.stix_confidence, claim.review_by, claim.coverage
        );
        let _ = writeln!(text, "      not seen: {}", claim.not_seen);
        for change in &detailed.what_would_change {
            let _ = writeln!(text, "      would change it: {change}");
        }
    }
    let _ = writeln!(text, "\nWhat cannot be said");
    for refused in &sheet.refused {
        let _ = writeln!(text, "  “{}”", refused.would_say);
        for because in &refused.because {
            let _ = writeln!(text, "      because {because}");
        }
        for needs in &refused.needs {
            let _ = writeln!(text, "      needs {needs}");
        }
    }
}

fn more(text: &mut String, all: usize) {
    if all > SHOWN {
        let _ = writeln!(text, "  … and {} more: --json lists them", all - SHOWN);
    }
}

fn word(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::EvidenceForTheft => "evidence for theft",
        Judgement::CannotBeDetermined => "cannot be determined",
        Judgement::EvidenceAgainstTheft => "evidence against theft",
    }
}
