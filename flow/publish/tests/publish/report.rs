use leckwehr_incident::{Fact, Situation, What};
use leckwehr_publish::report::{NetworkMode, ReportInput, ScoreRow, TruthEvent, Verdict, render};
use leckwehr_publish::{Language, duties};

use crate::fixture::{estate, situation, time};
use crate::site::assert_well_formed;

fn score() -> Vec<ScoreRow> {
    let row = |name: &str, value: &str, target: &str, verdict| ScoreRow {
        name: name.to_owned(),
        value: value.to_owned(),
        target: target.to_owned(),
        verdict,
    };
    vec![
        row("time to detect", "12.3 s", "≤ 15 s", Verdict::Pass),
        row("packets after the cut", "0", "0", Verdict::Pass),
        row("hosts found / missed / wrong", "6 / 1 / 0", "7 / 0 / 0", Verdict::Fail),
        row("bytes out vs. bound", "3,011,002 ≤ 3,172,129", "bound holds", Verdict::Pass),
        row("backlog forecast", "not built yet", "P90 holds", Verdict::Unknown),
    ]
}

fn truth() -> Vec<TruthEvent> {
    let event = |at, actor: &str, text: &str| TruthEvent {
        at: time(at),
        actor: actor.to_owned(),
        text: text.to_owned(),
    };
    vec![
        event(-300, "attacker", "enters over remote maintenance"),
        event(-120, "attacker", "deletes 41 snapshots on backup-b-01"),
        event(-30, "attacker", "encrypts 1,204 files on office-a-01"),
        event(20, "attacker", "sends 3,011,002 bytes to 203.0.113.80"),
        event(75, "attacker", "login to app-b-01 fails: no route"),
        event(90, "flood", "4,000 requests to the portal"),
    ]
}

fn report(hosts: usize, language: Language) -> String {
    let estate = estate(hosts);
    render(&ReportInput {
        title: "Drill: the vendor's door".to_owned(),
        source: format!("vendor-door, seed 7, {hosts} hosts"),
        mode: NetworkMode::Real,
        situation: &situation(&estate),
        estate: &estate,
        score: score(),
        truth: truth(),
        annexes: Vec::new(),
        published: vec![time(85), time(145), time(880)],
        ledger_size: 1_284,
        checkpoint: "fEXjwhb9SB1XkYGxG1mfmEBbTyrC1RMQTFdsl8DyKTA=".to_owned(),
        generated_at: time(900),
        language,
    })
    .unwrap()
}

#[test]
fn a_report_is_one_well_formed_file_for_every_size() {
    for (hosts, language) in [(24, Language::En), (200, Language::De), (8, Language::De)] {
        let html = report(hosts, language);
        assert_well_formed("report", &html);
        for forbidden in ["<script", "src=", "href=\"http", "style=\"", "url("] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        println!("{hosts} hosts: {} bytes", html.len());
        std::fs::write(format!("{}/report-{hosts}.html", env!("CARGO_TARGET_TMPDIR")), html).unwrap();
    }
}

#[test]
fn every_host_of_the_drawing_is_in_the_table_too() {
    let html = report(24, Language::En);
    let tables: String = html
        .split("<table>")
        .skip(1)
        .filter_map(|t| t.split("</table>").next())
        .collect();
    for (system, host) in &situation(&estate(24)).hosts {
        assert!(host.tier.is_none() || tables.contains(&format!(">{system}</th>")), "{system}");
    }
    for words in [
        "REAL network",
        "fail",
        "no more than 3\u{202f}172\u{202f}129 B",
        "guard did not answer",
        "LTE modem",
    ] {
        assert!(
            html.contains(words) || html.contains(&words.replace("no more", "in all no more")),
            "{words}"
        );
    }
}

#[test]
fn nothing_known_gives_a_report_that_says_so() {
    let (situation, estate) = (Situation::default(), leckwehr_estate::Estate::default());
    let html = render(&ReportInput {
        title: "Replay".to_owned(),
        source: "none".to_owned(),
        mode: NetworkMode::Recorded,
        situation: &situation,
        estate: &estate,
        score: Vec::new(),
        truth: Vec::new(),
        annexes: Vec::new(),
        published: Vec::new(),
        ledger_size: 0,
        checkpoint: String::new(),
        generated_at: time(0),
        language: Language::En,
    })
    .unwrap();
    assert_well_formed("report", &html);
    assert!(html.contains("RECORDED") && html.contains("No plan.") && html.contains("none found"));
}

#[test]
fn duties_run_from_the_declaration_and_reach_every_insurer() {
    let estate = estate(8);
    assert!(duties(&Situation::default(), &estate, None).is_empty());
    let list = duties(&situation(&estate), &estate, None);
    let words: Vec<String> = list
        .iter()
        .map(|d| {
            let due = d.due.map_or_else(String::new, |at| at.to_string());
            format!(
                "{} {} to {} {}",
                due,
                d.rule.id,
                d.recipients.len(),
                if d.legal_limit { "limit" } else { "customary" }
            )
        })
        .collect();
    insta::assert_snapshot!(words.join("\n"));
}

#[test]
fn open_decisions_stand_with_the_unknowns() {
    let estate = estate(24);
    let mut situation = situation(&estate);
    let open = What::DecisionOpen {
        room: "contain".to_owned(),
        what: "pump-1 has no guard: cut it by hand".to_owned(),
    };
    situation.apply(&Fact::new(time(890), "test", open)).unwrap();
    let page = render(&ReportInput {
        title: "Drill".to_owned(),
        source: "test".to_owned(),
        mode: NetworkMode::Real,
        situation: &situation,
        estate: &estate,
        score: Vec::new(),
        truth: Vec::new(),
        annexes: Vec::new(),
        published: Vec::new(),
        ledger_size: 1,
        checkpoint: String::new(),
        generated_at: time(900),
        language: Language::En,
    });
    assert!(
        page.unwrap()
            .contains("<li>to be decided: contain: pump-1 has no guard: cut it by hand</li>")
    );
}
