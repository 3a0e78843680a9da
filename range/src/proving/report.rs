use std::fmt::Write as _;

use super::roc::{Curve, Point};
use super::{Proof, Section};

/// Writes everything as Markdown: the text of `docs/detectors.md`. Equal proofs give equal bytes.
pub fn markdown(proof: &Proof) -> String {
    let mut text = head(proof);
    for section in &proof.sections {
        text.push('\n');
        text.push_str(&section_markdown(section));
    }
    text
}

fn head(proof: &Proof) -> String {
    let seeds: Vec<String> = proof.seeds.iter().map(u64::to_string).collect();
    format!(
        "# What the behaviour detectors find, and what they do not\n\n\
         This page is written by `leckwehr bench detect --seed {} --seeds {} --markdown`; a test compares a part of it. All traffic is \
         generated with known truth (seeds {}); the default thresholds were chosen on other seeds (101 to 103). \
         Generated traffic knows nothing of the world that its maker did not think of: read the false-positive rates as lower \
         bounds, and measure again on your own.\n\n\
         *TPR*: share of attacks found. *FPR*: share of benign subjects that fire. *Precision*: share of what fires that is this \
         attack, with as many benign subjects as were generated. *AUC*: the chance that an attack scores above a benign subject. \
         *Delay*: median time from the begin of an attack to its detection, of those found. The default threshold is bold.\n",
        proof.seeds.first().copied().unwrap_or(0),
        proof.seeds.len(),
        seeds.join(", ")
    )
}

/// Writes one section.
pub fn section_markdown(section: &Section) -> String {
    match section {
        Section::Curve(curve) => curve_markdown(curve),
        Section::Formats { ways, formats } => {
            let mut text =
                "## Encrypted files, by format\n\nShare of files whose structure is suspicious.\n\n| format | benign |"
                    .to_owned();
            ways.iter().for_each(|way| {
                let _ = write!(text, " {way} |");
            });
            text.push_str("\n|---|---:|");
            ways.iter().for_each(|_| text.push_str("---:|"));
            text.push('\n');
            for format in formats {
                let _ = write!(text, "| {} | {:.2} |", format.format, format.fpr);
                format.tpr.iter().for_each(|tpr| {
                    let _ = write!(text, " {tpr:.2} |");
                });
                text.push('\n');
            }
            text
        }
        Section::Days(days) => {
            let mut text = "## A benign day of the provider\n\n".to_owned();
            let _ = writeln!(text, "{}\n", days.what);
            text.push_str("| seed | events | notice | warning | critical | attack to critical | above notice |\n|---:|---:|---:|---:|---:|---:|---|\n");
            for day in &days.days {
                let loud = if day.loud.is_empty() {
                    "none".to_owned()
                } else {
                    day.loud.join("; ")
                };
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} | {} | {} | {loud} |",
                    day.seed,
                    day.events,
                    day.notices,
                    day.warnings,
                    day.criticals,
                    day.attack_critical_s
                        .map_or_else(|| "never".to_owned(), |s| format!("{s:.1} s"))
                );
            }
            let _ = writeln!(text, "\n{}", days.words);
            text
        }
    }
}

fn curve_markdown(curve: &Curve) -> String {
    let mut text = format!(
        "## {}\n\n{} Score: {}. Benign subjects: {}.\n\n",
        curve.detector, curve.what, curve.score, curve.benign
    );
    text.push_str("| attack | n | threshold | TPR | FPR | precision | AUC | delay |\n|---|---:|---:|---:|---:|---:|---:|---:|\n");
    for point in &curve.points {
        text.push_str(&row(point, curve.threshold));
    }
    let _ = writeln!(text, "\n{}", curve.words);
    text
}

fn row(point: &Point, default: f64) -> String {
    let bold = if point.threshold == default { "**" } else { "" };
    let delay = point.delay_s.map_or_else(|| "–".to_owned(), duration);
    format!(
        "| {} | {} | {bold}{}{bold} | {:.3} | {:.4} | {:.3} | {:.3} | {delay} |\n",
        point.class, point.attacks, point.threshold, point.tpr, point.fpr, point.precision, point.auc
    )
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use leckwehr_estate::Estate;

    use crate::proving::{DayConfig, prove, section_markdown};

    /// The quick parts of the page, with the seeds that it names.
    #[test]
    fn the_page_is_what_the_proof_says() {
        let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/detectors.md")).unwrap();
        for subject in ["skew", "logon"] {
            let sections = prove(subject, &[1, 2, 3], &Estate::default(), DayConfig::default()).unwrap();
            let text: String = sections.iter().map(section_markdown).collect();
            assert!(
                page.contains(&text),
                "docs/detectors.md lacks:\n{text}\nwrite it with leckwehr bench detect --seed 1 --seeds 3 --markdown"
            );
        }
    }
}
