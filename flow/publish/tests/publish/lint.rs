use leckwehr_incident::Confidence;
use leckwehr_publish::{LintFinding, lint_claim};

use crate::fixture::claim;

#[test]
fn absolutes_are_refused_unless_confirmed_with_evidence() {
    let refused = [
        "At no time was data at risk.",
        "No data was stolen.",
        "We never lost a record.",
        "No personal data has left.",
        "A data leak can be ruled out.",
        "Customers were NOT affected",
        "100 % of the files are back.",
        "Es sind keine Daten abgeflossen.",
        "Die ePA war zu keinem Zeitpunkt gefährdet.",
        "Ein Abfluss ist ausgeschlossen.",
        "Versicherte sind nicht betroffen.",
        "Das ist nie geschehen.",
        "Es gab kei\u{ad}nerlei Verlust.",
        "Keine\u{a0}Daten sind verloren.",
    ];
    for text in refused {
        let findings = |confidence| lint_claim(text, &claim("c", text, text, confidence));
        assert!(
            matches!(findings(Confidence::Likely)[..], [LintFinding::Absolute { .. }, ..]),
            "{text}"
        );
        assert_eq!(findings(Confidence::Confirmed), [], "{text}");
        let mut bare = claim("c", text, text, Confidence::Confirmed);
        bare.evidence.clear();
        assert!(lint_claim(text, &bare).len() >= 2, "{text}");
    }
}

#[test]
fn bounded_sentences_pass() {
    for text in [
        "No more than 3.2 MB left through observed exits between 03:00 and 03:25.",
        "We saw the attacker on 4 systems.",
        "Höchstens 3,2 MB haben das Netz über beobachtete Ausgänge verlassen.",
        "Die Familie der Niederlassung ist informiert.",
        "Auf 4 Systemen wurde der Angreifer gesehen; 2 Ausgänge wurden nicht beobachtet.",
    ] {
        assert_eq!(lint_claim(text, &claim("c", text, text, Confidence::Assessed)), [], "{text}");
    }
}

#[test]
fn evidence_and_coverage_are_asked_for() {
    let mut bare = claim("c", "x", "x", Confidence::Assessed);
    bare.evidence.clear();
    bare.coverage = " ".to_owned();
    assert_eq!(
        lint_claim("Some text.", &bare),
        [LintFinding::NoCoverage, LintFinding::NoEvidence]
    );
    assert_eq!(lint_claim(" \n", &bare)[0], LintFinding::NoText);
    bare.confidence = Confidence::Unknown;
    bare.coverage = "nothing was recorded".to_owned();
    assert_eq!(lint_claim("How the attacker got in is not known.", &bare), []);
}
