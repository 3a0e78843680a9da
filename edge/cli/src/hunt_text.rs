use std::fmt::Write as _;

use leckwehr_control::HuntReport;
use leckwehr_detect::{RuleError, Rules};
use leckwehr_publish::Language;

use crate::output::table;

/// Lines shown of each list; --json has all that are kept.
const SHOWN: usize = 20;
/// Hosts named per rule.
const HOSTS_SHOWN: usize = 3;

/// Returns what a hunt found, read and lost, for people.
pub fn text(report: &HuntReport, rules: &Rules, errors: &[RuleError], l: Language) -> String {
    let mut text = String::new();
    findings(&mut text, report, l);
    read(&mut text, report, l);
    let used = rules.all().len() + rules.correlations().len();
    match errors {
        [] => drop(writeln!(text, "{}: {used}", l.pick("Regeln", "Rules"))),
        errors => {
            let words = l.pick(
                "nicht brauchbar (leckwehr rules lint nennt alle)",
                "cannot be used (leckwehr rules lint names all)",
            );
            let _ = writeln!(text, "{}: {used}; {} {words}", l.pick("Regeln", "Rules"), errors.len());
            some(&mut text, errors.iter().map(ToString::to_string), errors.len() as u64, l);
        }
    }
    if report.interrupted {
        text.push_str(l.pick(
            "\nUNTERBROCHEN: der Rest wurde nicht gelesen\n",
            "\nINTERRUPTED: the rest was not read\n",
        ));
    }
    text
}

fn findings(text: &mut String, report: &HuntReport, l: Language) {
    let tally = &report.tally;
    if tally.rules.is_empty() {
        text.push_str(l.pick("Keine Regel hat angeschlagen.\n\n", "No rule fired.\n\n"));
        return;
    }
    let head = [
        l.pick("Stufe", "level"),
        l.pick("Befunde", "findings"),
        l.pick("Systeme", "hosts"),
        l.pick("erster", "first"),
        l.pick("letzter", "last"),
        l.pick("Regel", "rule"),
        l.pick("Verfasser", "author"),
        l.pick("auf", "on"),
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (_, rule) in tally.gravest_first() {
        let named: Vec<&str> = rule.hosts.keys().take(HOSTS_SHOWN).map(String::as_str).collect();
        let more = rule.hosts.len().saturating_sub(HOSTS_SHOWN);
        let more = if more > 0 { format!(" +{more}") } else { String::new() };
        let beyond = if rule.hosts_beyond > 0 { "+" } else { "" };
        rows.push(vec![
            level(rule.weight).to_owned(),
            rule.count.to_string(),
            format!("{}{beyond}", rule.hosts.len()),
            rule.first.to_string(),
            rule.last.to_string(),
            rule.title.clone(),
            rule.author.clone(),
            named.join(", ") + &more,
        ]);
    }
    text.push_str(&table(&rows));
    let (found, by) = (tally.findings(), tally.rules.len());
    let _ = match l {
        Language::De => writeln!(text, "\n{found} Befunde von {by} Regeln"),
        Language::En => writeln!(text, "\n{found} findings by {by} rules"),
    };
    text.push('\n');
}

/// The word of Sigma for a weight.
pub fn level(weight: u8) -> &'static str {
    match weight {
        0..10 => "informational",
        10..25 => "low",
        25..40 => "medium",
        40..90 => "high",
        _ => "critical",
    }
}

fn read(text: &mut String, report: &HuntReport, l: Language) {
    let HuntReport {
        files,
        records,
        damaged,
        cut_off,
        outside_window,
        ..
    } = report;
    let _ = match l {
        Language::De => writeln!(
            text,
            "Gelesen: {files} Dateien, {records} Datensätze, {outside_window} davon außerhalb der Zeit"
        ),
        Language::En => writeln!(
            text,
            "Read: {files} files, {records} records, {outside_window} of them outside the time asked for"
        ),
    };
    if *damaged > 0 {
        let _ = writeln!(
            text,
            "{}: {damaged}",
            l.pick("Nicht lesbare Datensätze", "Records that could not be read")
        );
        let places = report.damaged_places.iter();
        let places = places.map(|d| {
            format!(
                "{}#{} ({} {}): {}",
                d.file,
                d.record,
                l.pick("Byte", "byte"),
                d.offset,
                d.reason
            )
        });
        some(text, places, *damaged, l);
    }
    if *cut_off > 0 {
        let words = l.pick(
            "Dateien, die nicht bis zum Ende lesbar sind",
            "Files that cannot be read to their end",
        );
        let _ = writeln!(text, "{words}: {cut_off}");
        some(
            text,
            report.cut_off_files.iter().map(|f| format!("{}: {}", f.file, f.reason)),
            *cut_off,
            l,
        );
    }
    let lossy = report.lossy_sources();
    if !lossy.is_empty() {
        let _ = writeln!(
            text,
            "{}: {}",
            l.pick("Quellen mit Verlusten", "Sources with losses"),
            lossy.len()
        );
        let total = lossy.len() as u64;
        let lines = lossy.into_iter().map(|(name, loss)| {
            let (records, missing, damaged) = (loss.records, loss.missing, loss.damaged);
            match l {
                Language::De => {
                    format!("{name}: {records} gelesen, {missing} fehlen nach eigener Zählung, {damaged} nicht lesbar")
                }
                Language::En => format!("{name}: {records} read, {missing} missing by its own numbering, {damaged} not readable"),
            }
        });
        some(text, lines, total, l);
    }
}

/// Writes the first lines and counts the rest.
fn some(text: &mut String, lines: impl Iterator<Item = String>, total: u64, l: Language) {
    let mut shown = 0;
    for line in lines.take(SHOWN) {
        let _ = writeln!(text, "  {line}");
        shown += 1;
    }
    if total > shown {
        let _ = writeln!(text, "  {} {}", l.pick("und weitere", "and further"), total - shown);
    }
}
