use leckwehr_detect::{AddressBook, Correlation, Grounds, Rule};
use leckwehr_incident::Finding;
use leckwehr_telemetry::Record;

/// Fields told in the sentence of a finding.
const FIELDS_TOLD_MAX: usize = 4;

/// Returns a finding about a record that lacks what its rule says. Where it lies is added when pieces are put together.
pub(crate) fn about(record: &Record<'_>, book: &AddressBook) -> Finding {
    let ends = [record.host, record.origin, record.destination, record.sensor];
    let host = ends.into_iter().find(|end| !end.is_empty()).unwrap_or_default();
    let host = book.system_or_text(host).to_owned();
    let origin = Some(record.origin).filter(|origin| !origin.is_empty());
    let origin = origin.map(|origin| book.system_or_text(origin).to_owned());
    let outside = [record.origin, record.destination]
        .into_iter()
        .filter(|end| book.place(end).is_outside());
    Finding {
        at: record.time,
        origin: origin.filter(|origin| *origin != host),
        host,
        account: Some(record.account.to_owned()).filter(|account| !account.is_empty()),
        indicators: outside.map(str::to_owned).collect(),
        ..Finding::default()
    }
}

/// The finding of a rule: its name and author, and the fields that made it fire.
pub(crate) fn of_rule(rule: &Rule, grounds: &Grounds, about: Finding) -> Finding {
    let told = grounds.fields.iter().take(FIELDS_TOLD_MAX);
    let told: Vec<String> = told.map(|(name, value)| format!("{name}={value}")).collect();
    Finding {
        rule: rule.id.clone(),
        title: rule.title.clone(),
        author: rule.author.clone(),
        techniques: rule.techniques.clone(),
        weight: rule.weight,
        detail: told.join(" "),
        ..about
    }
}

/// The finding of a correlation: its threshold and its group.
pub(crate) fn of_correlation(
    rule: &Correlation,
    value: &impl std::fmt::Display,
    group: &[(String, String)],
    about: Finding,
) -> Finding {
    let group: Vec<String> = group.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Finding {
        rule: rule.id.clone(),
        title: rule.title.clone(),
        author: rule.author.clone(),
        techniques: rule.techniques.clone(),
        weight: rule.weight,
        detail: format!("{} {value} {}", rule.kind(), group.join(" ")).trim().to_owned(),
        ..about
    }
}
