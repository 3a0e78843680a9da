use leckwehr_estate::{Estate, Party, PartyKind, Service, SystemKind};
use leckwehr_incident::{Phase, ServiceLevel, ServiceView, Situation, Timestamp};

use crate::Language;

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
}

/// Returns every service of the estate or the situation: what is broken first, then by priority and name.
pub(crate) fn service_states<'a>(situation: &'a Situation, estate: &'a Estate) -> Vec<ServiceState<'a>> {
    let known = estate
        .services
        .iter()
        .map(|(id, service)| (id.as_str(), Some(service), situation.services.get(id)));
    let strangers = situation
        .services
        .iter()
        .filter(|(id, _)| !estate.services.contains_key(*id))
        .map(|(id, view)| (id.as_str(), None, Some(view)));
    let mut states: Vec<_> = known.chain(strangers).map(|(id, s, v)| service_state(id, s, v)).collect();
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
    }
}

impl ServiceState<'_> {
    /// Returns whether this insurer gets the service.
    pub fn is_for(&self, party: &str) -> bool {
        self.service
            .is_some_and(|s| s.customers.is_empty() || s.customers.iter().any(|c| c == party))
    }

    /// Returns what a customer should do now; empty if the service works.
    pub fn advice(&self, estate: &Estate, language: Language) -> String {
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
            Works::Limited => self.still_gives(language),
            Works::No => language
                .pick(
                    "Bitte nutzen Sie Ihr vereinbartes Ersatzverfahren. Diese Seite sagt, wenn der Dienst zurück ist.",
                    "Please use your agreed fallback. This page will say when the service is back.",
                )
                .to_owned(),
        }
    }

    fn still_gives(&self, language: Language) -> String {
        let gives: Vec<&str> = self
            .service
            .iter()
            .flat_map(|s| &s.degraded)
            .map(|mode| mode.gives.as_str())
            .collect();
        if gives.is_empty() {
            return language
                .pick("Nur die wichtigsten Funktionen laufen.", "Only essential functions run.")
                .to_owned();
        }
        format!("{} {}", language.pick("Es bleibt:", "Still available:"), gives.join("; "))
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
