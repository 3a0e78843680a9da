//! The labelled documents: each gets its label, and each invalid one for its intended reason.

use leckwehr_fhir::validate::{Language, Request, Severity, Verdict};

use crate::packages;

const REASONS: &str = include_str!("reasons.txt");

#[test]
fn every_labelled_document_is_judged_right_and_for_the_right_reason() {
    let (Some(examples), Some(base)) = (crate::data("eau/examples"), packages::base()) else {
        return;
    };
    let Some(folder) = crate::data("eau/packages") else { return };
    let validator = packages::validator(&base, &folder);
    let mut documents = Vec::new();
    crate::collect(&examples, &mut documents);
    let mut wrong = Vec::new();
    let (mut valid, mut invalid) = (0, 0);
    for path in &documents {
        let name = path.strip_prefix(&examples).unwrap().to_str().unwrap();
        let report = validator.validate(std::fs::read(path).unwrap(), &Request::default());
        let reason = REASONS
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix('\t')?.split_once('\t'));
        let is_right = match reason {
            None => name.contains("/valid/") && report.verdict == Verdict::Valid,
            Some((key, place)) => {
                let told = |i: &leckwehr_fhir::validate::ReportIssue| {
                    i.severity == Severity::Error && i.fault.key() == key && i.location == place && i.place.line > 0
                };
                name.contains("/invalid/") && report.verdict == Verdict::Invalid && report.issues.iter().any(told)
            }
        };
        valid += usize::from(is_right && reason.is_none());
        invalid += usize::from(is_right && reason.is_some());
        if !is_right {
            let told = report.issues.iter().map(|i| format!("{} {}", i.fault.key(), i.location));
            wrong.push(format!("{name}: {} {:?}", report.verdict.text(), told.collect::<Vec<_>>()));
        }
    }
    println!(
        "{} of {}: {valid} valid, {invalid} invalid for the intended reason",
        valid + invalid,
        documents.len()
    );
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!((valid, invalid), (112, 32));
}

#[test]
fn no_text_of_a_document_is_in_a_report() {
    let Some(base) = packages::base() else { return };
    let validator = leckwehr_fhir::validate::Validator::new(packages::shelf_of_base(&base), None).unwrap();
    let secret = "SchmidtGeheim";
    let document = format!(
        r#"<Patient xmlns="http://hl7.org/fhir"><name><family value="{secret}"/><{secret}/></name><gender value="{secret}"/><birthDate value="{secret}"/></Patient>"#
    );
    let report = validator.validate(document, &Request::default());
    assert_eq!(report.verdict, Verdict::Invalid);
    let outcome = report.operation_outcome(Language::German).to_string();
    assert!(!outcome.contains(secret), "{outcome}");
    let keys: Vec<&str> = report.issues.iter().map(|i| i.fault.key()).collect();
    assert!(
        ["element-unknown", "binding-required", "format"]
            .iter()
            .all(|k| keys.contains(k)),
        "{keys:?}"
    );
}
