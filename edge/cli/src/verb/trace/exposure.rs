use std::fmt::Write as _;
use std::process::ExitCode;

use leckwehr_incident::{Tier, Timestamp};
use leckwehr_trace::{ConnectionExposure, CoverageLedger, Exposure, LedgerConfig, PartyExposure, exposure};

use super::{Case, CaseArgs, LedgerArgs, print, print_json};
use crate::problem::Problem;

/// Insurers shown one by one in the text; --json has them all.
const INSURERS_SHOWN: usize = 20;
/// Observations, addresses and accounts shown per connection or party.
const DETAILS_SHOWN: usize = 6;

/// Print which data, insurers, third parties and other healthcare environments lie in reach, and what each partner must check.
///
/// In reach does not mean taken. Tiers: proven, probable and possible are those of the hosts; excluded only where complete
/// coverage proves it; everything else is unknown, never "not affected". Records are upper bounds: each data class counts
/// once, however many systems hold it.
///
/// Every connection in reach counts as open until its end, unless a fact of --ledger says since when it, or our end of it, is
/// cut.
///
/// --json also holds the coverage ledger: what was seen of each asset, by evidence class, in slots of five minutes.
///
/// Example:
///
///     leckwehr trace exposure --estate examples/essen telemetry/
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    case: CaseArgs,
    #[command(flatten)]
    ledger: LedgerArgs,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let cuts = args.ledger.cuts()?;
    let case = Case::read(&args.case)?;
    let ledger = CoverageLedger::new(&case.events, &case.estate, &case.config.accounts, &LedgerConfig::new());
    let found = exposure(&case.events, &case.impact, &case.estate, &ledger, &cuts);
    if args.case.json {
        print_json(&serde_json::json!({ "input": case.input(), "exposure": found, "coverage": ledger }))?;
    } else {
        print(&text(&found))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(found: &Exposure) -> String {
    let mut text = String::new();
    let Some((from, to)) = found.window else {
        return "no record, so nothing is known to be in reach\n".to_owned();
    };
    let _ = writeln!(text, "Examined: {from} – {to}");
    let _ = writeln!(
        text,
        "\nData in reach (records, at most)\n  {:<9} {:>14}  class",
        "tier", "records"
    );
    for data in &found.data {
        let since = data.since.map_or_else(String::new, |s| format!(", since {s}"));
        let special = if data.special { " (special category)" } else { "" };
        let _ = writeln!(
            text,
            "  {:<9} {:>14}  {}: {}{special}{since}",
            word(data.tier),
            data.records_max,
            data.class,
            data.name
        );
        let reached = data.places.iter().filter(|p| p.tier <= Tier::Possible);
        for place in reached.take(DETAILS_SHOWN) {
            let _ = writeln!(
                text,
                "             {} on {}: {}",
                word(place.tier),
                place.system,
                place.because
            );
        }
    }
    write_insurers(&mut text, found);
    let _ = writeln!(
        text,
        "\nOther healthcare environments to which a connection leads from what is in reach"
    );
    let list = found.healthcare_environments.join(", ");
    let _ = writeln!(text, "  {}", if list.is_empty() { "none is known" } else { &list });
    let _ = writeln!(text, "\nPartners");
    for party in found
        .parties
        .iter()
        .filter(|p| p.tier <= Tier::Possible || !p.records.is_empty())
    {
        write_party(&mut text, party);
    }
    write_rest(&mut text, found);
    let _ = writeln!(text, "\nNot known");
    for sentence in &found.unknowns {
        let _ = writeln!(text, "  - {sentence}");
    }
    text
}

fn write_insurers(text: &mut String, found: &Exposure) {
    let _ = writeln!(
        text,
        "\nRecords by insurer (at most)\n  {:>12} {:>12} {:>12} {:>12}  insurer",
        "proven", "probable", "possible", "unknown"
    );
    for insurer in found.insurers.iter().take(INSURERS_SHOWN) {
        let r = &insurer.records;
        let _ = writeln!(
            text,
            "  {:>12} {:>12} {:>12} {:>12}  {} ({} insured)",
            r.proven, r.probable, r.possible, r.unknown, insurer.name, insurer.insured_max
        );
    }
    let r = &found.records_of_no_insurer;
    let _ = writeln!(
        text,
        "  {:>12} {:>12} {:>12} {:>12}  of no single insurer by the estate: may be any insurer's",
        r.proven, r.probable, r.possible, r.unknown
    );
    let more = found.insurers.len().saturating_sub(INSURERS_SHOWN);
    if more > 0 {
        let _ = writeln!(text, "  … and {more} more: --json lists them");
    }
}

fn write_party(text: &mut String, party: &PartyExposure) {
    let health = if party.healthcare { ", healthcare" } else { "" };
    let _ = writeln!(text, "  {} ({}{health}): {}", party.name, party.kind, word(party.tier));
    let _ = writeln!(text, "      {}", party.summary);
    for connection in party.connections.iter().filter(|c| c.tier <= Tier::Possible) {
        write_connection(text, connection);
    }
    let check = &party.check;
    if !check.logs.is_empty() {
        let (from, to) = (time(check.from), time(check.to));
        let _ = writeln!(text, "      to check on their side, {from} – {to}:");
        let _ = writeln!(text, "        addresses: {}", list(&check.addresses));
        let _ = writeln!(text, "        accounts:  {}", list(&check.accounts));
        for log in &check.logs {
            let _ = writeln!(text, "        log:       {log}");
        }
    }
    if !party.contact.is_empty() {
        let _ = writeln!(text, "      contact: {}", party.contact);
    }
}

fn write_connection(text: &mut String, c: &ConnectionExposure) {
    let cut = c.cut.map_or_else(|| "not known to be cut".to_owned(), |t| format!("cut {t}"));
    let way = if c.opens_outward {
        "opens outward"
    } else {
        "opened by them only"
    };
    let _ = writeln!(
        text,
        "      {} ({}) {} → {}: {} at our end since {}, crossed: {}, {way}, {cut}",
        c.connection,
        c.kind,
        c.our_end,
        c.their_end,
        word(c.tier),
        time(c.since),
        word(c.crossed)
    );
    let (flow, logon) = (c.coverage.flow * 100.0, c.coverage.logon * 100.0);
    let _ = writeln!(
        text,
        "        seen of our end since then: {flow:.0} % of connections, {logon:.0} % of log-ons"
    );
    for o in c.observed.iter().take(DETAILS_SHOWN) {
        let arrow = if o.outbound { "→" } else { "←" };
        let _ = writeln!(
            text,
            "        {} × {} {} {arrow} {}:{}, {} bytes out, {} in, {} – {}",
            o.count, o.what, o.host, o.peer, o.port, o.bytes_out, o.bytes_in, o.seen.0, o.seen.1
        );
    }
    let more = (c.observed.len() + c.observed_more).saturating_sub(DETAILS_SHOWN);
    if more > 0 {
        let _ = writeln!(text, "        … and {more} more observations: --json lists them");
    }
    for sentence in c.evidence.iter().take(DETAILS_SHOWN) {
        let _ = writeln!(text, "        step of the attacker: {sentence}");
    }
}

fn write_rest(text: &mut String, found: &Exposure) {
    let names = |tier: Tier| -> Vec<String> {
        let rest = found.parties.iter().filter(|p| p.tier == tier && p.records.is_empty());
        rest.map(|p| p.name.clone()).collect()
    };
    for tier in [Tier::Unknown, Tier::Excluded] {
        let names = names(tier);
        if !names.is_empty() {
            let _ = writeln!(text, "  {} ({}): {}", word(tier), names.len(), list(&names));
        }
    }
}

fn list(names: &[String]) -> String {
    let mut text = names.iter().take(DETAILS_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(DETAILS_SHOWN) {
        0 if names.is_empty() => text.push_str("none known"),
        0 => {}
        more => {
            let _ = write!(text, " and {more} more");
        }
    }
    text
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "an unknown time".to_owned(), |t| t.to_string())
}

fn word(tier: Tier) -> &'static str {
    match tier {
        Tier::Proven => "proven",
        Tier::Probable => "probable",
        Tier::Possible => "possible",
        Tier::Excluded => "excluded",
        Tier::Unknown => "unknown",
    }
}
