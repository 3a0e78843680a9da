use leckwehr_incident::Finding;
use leckwehr_telemetry::{Event, FieldNames, Fields, LogSources, Value};

use crate::behaviour::Look;
use crate::{AddressBook, Correlated, CorrelationSnapshot, Correlator, Engine, Matcher, Place, RestoreError, Rules, Seen};

/// Matches rules on columnar events, with what the estate knows beside the record's fields: `place.origin`,
/// `place.destination`, `place.origin.kind`, `place.destination.kind`.
#[derive(Debug)]
pub(crate) struct RuleWatch {
    matcher: Matcher,
    correlator: Correlator,
    names: FieldNames,
    sources: LogSources,
    fields: Fields,
}

impl RuleWatch {
    pub(crate) fn new(rules: &Rules) -> Self {
        let engine = Engine::new(rules);
        Self {
            matcher: Matcher::new(engine.clone()),
            correlator: Correlator::new(engine),
            names: FieldNames::new(),
            sources: LogSources::new(),
            fields: Fields::new(),
        }
    }

    /// Adds what fires on an event.
    pub(crate) fn observe(&mut self, look: &Look<'_>, book: &AddressBook, found: &mut Vec<Finding>) {
        let event = &look.event;
        self.read(event, book);
        let categories = [event.category()];
        let categories = if event.category().is_empty() { &[] } else { &categories[..] };
        let source = self.sources.intern(event.product().word(), event.service(), categories);
        let seen = Seen {
            names: &self.names,
            sources: &self.sources,
            fields: &self.fields,
            source,
        };
        let fired = self.matcher.matches(seen).to_vec();
        let engine = self.matcher.engine().clone();
        for number in &fired {
            let Some(rule) = engine.rules().get(*number as usize).filter(|_| !engine.is_quiet(*number)) else {
                continue;
            };
            found.push(Finding {
                rule: rule.id.clone(),
                title: rule.title.clone(),
                author: rule.author.clone(),
                techniques: rule.techniques.clone(),
                weight: rule.weight,
                ..finding(look, summary(event))
            });
        }
        for correlated in self.correlator.push(&fired, seen, look.at) {
            found.extend(of_correlation(&engine, &correlated, look));
        }
    }

    /// Returns what the correlations remember, if there are any.
    pub(crate) fn snapshot(&self) -> Option<CorrelationSnapshot> {
        let any = !self.matcher.engine().correlations().is_empty();
        any.then(|| self.correlator.snapshot())
    }

    /// Goes on with what the correlations remembered.
    pub(crate) fn restore(&mut self, snapshot: Option<CorrelationSnapshot>) -> Result<(), RestoreError> {
        snapshot.map_or(Ok(()), |snapshot| self.correlator.restore(snapshot))
    }

    /// Copies the event's fields; a record that has more than fit is matched on those that do.
    fn read(&mut self, event: &Event<'_>, book: &AddressBook) {
        self.fields.clear();
        let ends = [
            ("place.origin", "place.origin.kind", event.origin()),
            ("place.destination", "place.destination.kind", event.destination()),
        ];
        for (name, kind_name, text) in ends {
            let place = book.place(text);
            let mut push = |name: &str, value: &str| self.fields.push(self.names.intern(name), Value::Text(value)).is_ok();
            push(name, place.word());
            if let Place::System(id) = &place
                && let Some(kind) = book.kind(id)
            {
                push(kind_name, &format!("{kind:?}").to_lowercase());
            }
        }
        for (name, value) in event.fields() {
            if self.fields.push(self.names.intern(name), Value::Text(value)).is_err() {
                break;
            }
        }
    }
}

/// Returns a finding about the record's host that lacks what its rule says.
fn finding(look: &Look<'_>, detail: String) -> Finding {
    let event = &look.event;
    Finding {
        at: look.at,
        rule: String::new(),
        title: String::new(),
        author: String::new(),
        techniques: Vec::new(),
        host: look.host.name.to_owned(),
        account: (!event.account().is_empty()).then(|| event.account().to_owned()),
        origin: look.origin_name().map(str::to_owned),
        weight: 0,
        evidence: vec![event.reference()],
        detail,
        indicators: look.indicators(),
    }
}

fn summary(event: &Event<'_>) -> String {
    let to = match (event.destination(), event.port()) {
        ("", _) => String::new(),
        (address, port) => format!(" to {address}:{port}"),
    };
    let detail = format!("{}{to}: {} {}", event.service(), event.action(), event.object());
    detail.trim().to_owned()
}

fn of_correlation(engine: &Engine, correlated: &Correlated, look: &Look<'_>) -> Option<Finding> {
    let correlation = engine.correlations().get(correlated.correlation as usize)?;
    let group: Vec<String> = correlated
        .group
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let detail = format!("{} {} {}", correlation.kind(), correlated.value, group.join(" "));
    Some(Finding {
        rule: correlation.id.clone(),
        title: correlation.title.clone(),
        author: correlation.author.clone(),
        techniques: correlation.techniques.clone(),
        weight: correlation.weight,
        ..finding(look, detail.trim().to_owned())
    })
}
