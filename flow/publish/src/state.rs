use std::collections::BTreeMap;

use leckwehr_estate::{DegradedMode, Estate, Party, PartyKind, Service, SystemKind};
use leckwehr_incident::{ForecastView, Phase, ServiceLevel, ServiceView, Situation, Timestamp};
use leckwehr_restore::{ServiceNow, expected, services_now};

use crate::Language;
use crate::moment::moment;

/// What a service does for its customers, in the four words that the public site uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Works {
    /// Not for customers.
    No,
    /// Its essential function.
    Limited,
    /// Not known.
    Unknown,
    /// Whole.
    Yes,
}

impl Works {
    /// Judges a level; a service without one is unknown, never working.
    pub fn of(level: Option<ServiceLevel>) -> Self {
        match level {
            None => Self::Unknown,
            Some(ServiceLevel::Off | ServiceLevel::Rebuilding | ServiceLevel::CleanRoom) => Self::No,
            Some(ServiceLevel::Limited) => Self::Limited,
            Some(ServiceLevel::Provisional | ServiceLevel::Full) => Self::Yes,
        }
    }

    /// Returns the CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Limited => "limited",
            Self::Unknown => "unknown",
            Self::Yes => "yes",
        }
    }

    /// Returns the shape that says the same as the colour.
    pub fn shape(self) -> &'static str {
        match self {
            Self::No => "■",
            Self::Limited => "◐",
            Self::Unknown => "?",
            Self::Yes => "●",
        }
    }

    /// Returns the words.
    pub fn words(self, language: Language) -> &'static str {
        match self {
            Self::No => language.pick("funktioniert nicht", "does not work"),
            Self::Limited => language.pick("funktioniert eingeschränkt", "works with limits"),
            Self::Unknown => language.pick("unbekannt", "unknown"),
            Self::Yes => language.pick("funktioniert", "works"),
        }
    }
}

/// Returns the words for a level.
pub fn level_words(level: Option<ServiceLevel>, language: Language) -> &'static str {
    match level {
        None => language.pick("Stand unbekannt", "state unknown"),
        Some(ServiceLevel::Off) => language.pick("abgeschaltet", "off"),
        Some(ServiceLevel::Rebuilding) => language.pick("im Wiederaufbau", "being rebuilt"),
        Some(ServiceLevel::CleanRoom) => language.pick("in der Prüfumgebung", "in the clean room"),
        Some(ServiceLevel::Limited) => language.pick("Notbetrieb", "essential functions only"),
        Some(ServiceLevel::Provisional) => language.pick("läuft unter Beobachtung", "runs under observation"),
        Some(ServiceLevel::Full) => language.pick("läuft vollständig", "runs in full"),
    }
}

/// Returns the word for a phase.
pub fn phase_word(phase: Phase, language: Language) -> &'static str {
    match phase {
        Phase::Watching => language.pick("Normalbetrieb", "watching"),
        Phase::Alarm => language.pick("Alarm", "alarm"),
        Phase::Declared => language.pick("Vorfall erklärt", "declared"),
        Phase::Contained => language.pick("eingedämmt", "contained"),
        Phase::Assessed => language.pick("ausgewertet", "assessed"),
        Phase::Restoring => language.pick("Wiederaufbau", "restoring"),
        Phase::Recovered => language.pick("wiederhergestellt", "recovered"),
        Phase::Closed => language.pick("abgeschlossen", "closed"),
    }
}

/// Returns what a phase means, for the public. Fixed wording: operators' free text never reaches the site.
pub fn phase_sentence(phase: Phase, language: Language) -> &'static str {
    match phase {
        Phase::Watching => language.pick(
            "Zurzeit ist uns kein Vorfall bekannt. Wir beobachten unsere Systeme.",
            "We know of no incident at present. We are watching our systems.",
        ),
        Phase::Alarm => language.pick(
            "Wir prüfen Hinweise auf einen Angriff.",
            "We are examining signs of an attack.",
        ),
        Phase::Declared => language.pick(
            "Wir behandeln die Lage als Angriff auf unsere Systeme und bereiten vor, betroffene Teile vom Netz zu trennen.",
            "We are treating this as an attack on our systems and are preparing to disconnect the parts concerned.",
        ),
        Phase::Contained => language.pick(
            "Systeme sind vom Netz getrennt, damit der Angriff sich nicht ausbreitet. Einige Dienste stehen deshalb still.",
            "Systems have been disconnected to stop the attack from spreading. Some services are down for that reason.",
        ),
        Phase::Assessed => language.pick(
            "Eine erste Auswertung liegt vor. Was wir wissen und was nicht, steht unten.",
            "A first analysis is available. What we know and what we do not know is stated below.",
        ),
        Phase::Restoring => language.pick(
            "Dienste kommen in festgelegter Reihenfolge zurück, jeder erst nach einer Prüfung.",
            "Services are coming back in a fixed order, each one only after a check.",
        ),
        Phase::Recovered => language.pick(
            "Die Dienste laufen wieder auf dem geplanten Stand. Wir beobachten weiter.",
            "Services are back at the planned level. We keep watching.",
        ),
        Phase::Closed => language.pick("Der Vorfall ist abgeschlossen.", "The incident is closed."),
    }
}

/// A service as the pages show it.
#[derive(Debug, Clone)]
pub(crate) struct ServiceState<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub priority: u8,
    pub level: Option<ServiceLevel>,
    pub works: Works,
    pub since: Option<Timestamp>,
    pub changes: &'a [(Timestamp, ServiceLevel)],
    pub service: Option<&'a Service>,
    /// Modes that have what they need now, by what is known of the systems.
    pub modes: Vec<&'a DegradedMode>,
    /// A person's signed decision stands in place of a gate of a system that it rests on.
    pub decided: bool,
    /// When it is expected back, if that is known.
    pub expected: Option<&'a ForecastView>,
    /// Until when facts are known.
    pub as_of: Timestamp,
}

/// Returns what people should know and do about each service now, as the status site says it to everybody; services that work
/// have none.
pub fn service_advice(situation: &Situation, estate: &Estate, language: Language) -> BTreeMap<String, String> {
    let states = service_states(situation, estate).into_iter();
    let advice = states.map(|state| (state.id.to_owned(), state.advice(estate, language, None)));
    advice.filter(|(_, advice)| !advice.is_empty()).collect()
}

/// Returns every service of the estate or the situation: what is broken first, then by priority and name.
pub(crate) fn service_states<'a>(situation: &'a Situation, estate: &'a Estate) -> Vec<ServiceState<'a>> {
    let mut now = services_now(situation, estate);
    let known = estate
        .services
        .iter()
        .map(|(id, service)| (id.as_str(), Some(service), situation.services.get(id)));
    let strangers = situation
        .services
        .iter()
        .filter(|(id, _)| !estate.services.contains_key(*id))
        .map(|(id, view)| (id.as_str(), None, Some(view)));
    let overridden = |id: &String| situation.hosts.get(id).is_some_and(|host| !host.back.overrides.is_empty());
    let state = |(id, service, view)| {
        let modes = now.remove(id).map(|now: ServiceNow<'_>| now.modes).unwrap_or_default();
        ServiceState {
            modes,
            decided: estate.needs_of_service(id).iter().any(overridden),
            expected: expected(situation, id),
            as_of: situation.as_of,
            ..service_state(id, service, view)
        }
    };
    let mut states: Vec<_> = known.chain(strangers).map(state).collect();
    states.sort_by(|a, b| (a.works, a.priority, a.name).cmp(&(b.works, b.priority, b.name)));
    states
}

fn service_state<'a>(id: &'a str, service: Option<&'a Service>, view: Option<&'a ServiceView>) -> ServiceState<'a> {
    let level = view.map(|v| v.level);
    let changes = view.map_or(&[][..], |v| &v.changes);
    ServiceState {
        id,
        name: service.map_or(id, |s| &s.name),
        priority: service.map_or(u8::MAX, |s| s.priority),
        level,
        works: Works::of(level),
        since: changes.last().map(|(at, _)| *at),
        changes,
        service,
        modes: Vec::new(),
        decided: false,
        expected: None,
        as_of: Timestamp::default(),
    }
}

impl ServiceState<'_> {
    /// Returns whether this insurer gets the service.
    pub fn is_for(&self, party: &str) -> bool {
        self.service
            .is_some_and(|s| s.customers.is_empty() || s.customers.iter().any(|c| c == party))
    }

    /// Returns what a customer should know and do now; empty if the service works and passed all its checks. `party` is an
    /// insurer, `None` everybody.
    pub fn advice(&self, estate: &Estate, language: Language, party: Option<&str>) -> String {
        let mut advice = self.what_to_do(estate, language, party);
        if self.decided && self.level >= Some(ServiceLevel::Limited) {
            let decided = language.pick(
                "Für einen Teil der Prüfungen vor der Rückkehr steht eine unterschriebene Entscheidung.",
                "A signed decision stands in place of some of the checks before its return.",
            );
            advice = format!("{advice} {decided}").trim().to_owned();
        }
        format!("{advice} {}", self.expectation(language)).trim().to_owned()
    }

    /// When it is expected back. A forecast that did not hold is called so.
    fn expectation(&self, language: Language) -> String {
        let Some(foretold) = self.expected else {
            return String::new();
        };
        let (p50, p90) = (moment(foretold.p50, language), moment(foretold.p90, language));
        match (language, foretold.p90 < self.as_of) {
            (Language::De, false) => format!("Erwartet um {p50}, in neun von zehn Fällen bis {p90}."),
            (Language::En, false) => format!("Expected at {p50}, in nine of ten cases by {p90}."),
            (Language::De, true) => format!("Erwartet war es bis {p90}; das ist nicht eingetreten."),
            (Language::En, true) => format!("It was expected by {p90}; that did not come true."),
        }
    }

    fn what_to_do(&self, estate: &Estate, language: Language, party: Option<&str>) -> String {
        let takes_eau = self.needs_kind(estate, SystemKind::EauIntake);
        match self.works {
            Works::Yes => String::new(),
            Works::Unknown => language
                .pick(
                    "Wir können den Stand gerade nicht messen. Rechnen Sie mit einem Ausfall.",
                    "We cannot measure the state at present. Be prepared for an outage.",
                )
                .to_owned(),
            Works::Limited if takes_eau => language
                .pick(
                    "Senden Sie eAU weiter wie gewohnt. Was wir annehmen, bewahren wir auf und verarbeiten es später. Bitte nicht doppelt senden.",
                    "Keep sending eAU (certificates of incapacity for work) as usual. What we accept is kept and processed later. Please do not send twice.",
                )
                .to_owned(),
            Works::Limited => self.still_gives(language, party),
            Works::No => language
                .pick(
                    "Bitte nutzen Sie Ihr vereinbartes Ersatzverfahren. Diese Seite sagt, wenn der Dienst zurück ist.",
                    "Please use your agreed fallback. This page will say when the service is back.",
                )
                .to_owned(),
        }
    }

    /// What still works, what does not, and what to do about it: in the mode that this customer has now, or in those that there
    /// are.
    fn still_gives(&self, language: Language, party: Option<&str>) -> String {
        let is_for = |mode: &&&DegradedMode| {
            let customers = &mode.customers;
            party.is_none_or(|party| customers.is_empty() || customers.iter().any(|c| c == party))
        };
        let own = self.modes.iter().filter(is_for).take(1).copied();
        let mut modes: Vec<&DegradedMode> = own.collect();
        if modes.is_empty() {
            modes = self.service.iter().flat_map(|s| &s.degraded).collect();
        }
        if modes.is_empty() {
            return language
                .pick("Nur die wichtigsten Funktionen laufen.", "Only essential functions run.")
                .to_owned();
        }
        let words = |of: fn(&DegradedMode) -> (Option<&String>, Option<&String>)| {
            let texts = modes.iter().map(|mode| of(mode)).filter_map(|(de, en)| match language {
                Language::De => de.or(en),
                Language::En => en.or(de),
            });
            texts.cloned().collect::<Vec<String>>().join("; ")
        };
        let said = [
            (
                language.pick("Es bleibt:", "Still available:"),
                words(|m| (m.gives_de.as_ref(), Some(&m.gives))),
            ),
            (
                language.pick("Es fehlt:", "Not available:"),
                words(|m| (m.lacks_de.as_ref(), m.lacks.as_ref())),
            ),
            (
                language.pick("Bitte:", "Please:"),
                words(|m| (m.workaround_de.as_ref(), m.workaround.as_ref())),
            ),
        ];
        let said = said.iter().filter(|(_, text)| !text.is_empty());
        let said: Vec<String> = said.map(|(head, text)| format!("{head} {text}")).collect();
        said.join(". ")
    }

    fn needs_kind(&self, estate: &Estate, kind: SystemKind) -> bool {
        let ids = self.service.iter().flat_map(|s| &s.needs).flat_map(|need| &need.any_of);
        ids.filter_map(|id| estate.systems.get(id)).any(|system| system.kind == kind)
    }
}

/// Returns the insurers of the estate, in order of id.
pub(crate) fn insurers(estate: &Estate) -> Vec<(&str, &Party)> {
    let insurers = estate.parties.iter().filter(|(_, party)| party.kind == PartyKind::Insurer);
    insurers.map(|(id, party)| (id.as_str(), party)).collect()
}

/// Returns how an insurer is served: the worst of its services.
pub(crate) fn worst_for(party: &str, states: &[ServiceState<'_>]) -> Works {
    let own = states.iter().filter(|state| state.is_for(party));
    own.map(|state| state.works).min().unwrap_or(Works::Unknown)
}
