use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::Estate;
use leckwehr_incident::Timestamp;
use toml::de::DeTable;

use super::model::{Caps, Clause, MEASURES, Measure, Protocol, Words};
use super::reader::{Fields, Known, ProtocolErrors, Reader};
use crate::approval::{ApprovalRules, PEOPLE_MAX, Person};

/// First line of every protocol.
pub const PROTOCOL_FORMAT: &str = "leckwehr-protocol/1";
/// Clauses that one protocol may have.
pub const CLAUSES_MAX: usize = 1_000;
/// Longest time between a notice and the cut, in minutes.
const NOTICE_MINUTES_MAX: u64 = 7 * 24 * 60;
/// Highest amount of euros per hour.
const EUR_MAX: u64 = 1_000_000_000_000;
/// What people do before a system is switched off, in order. A clause about switching off demands one about evidence.
const EVIDENCE: [Measure; 3] = [Measure::Snapshot, Measure::CaptureMemory, Measure::CaptureDisk];

impl Protocol {
    /// Reads a protocol that was agreed about an estate. `file` is its name for messages.
    ///
    /// # Errors
    /// Every mistake at once, with line, column and the nearest valid name.
    pub fn parse(file: &str, text: &str, estate: &Estate) -> Result<Self, ProtocolErrors> {
        let mut reader = Reader::new(file, text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let offset = error.span().map_or(0, |s| s.start);
            reader.mistake(offset, format!("not TOML: {}", error.message()), None);
        }
        reader.check()?;
        let mut top = Fields::new("the protocol", document.get_ref(), 0);
        let protocol = Loader {
            names: Names::of(estate),
            reader: &mut reader,
        }
        .protocol(&mut top);
        reader.rest(&top);
        reader.check().map(|()| protocol)
    }
}

/// What the estate calls things.
struct Names<'e> {
    anything: Known<'e>,
    cuttable: Known<'e>,
    parties: Known<'e>,
}

impl<'e> Names<'e> {
    fn of(estate: &'e Estate) -> Self {
        fn keys<V>(map: &BTreeMap<String, V>) -> impl Iterator<Item = &str> {
            map.keys().map(String::as_str)
        }
        let parties: BTreeSet<&str> = keys(&estate.parties).collect();
        let cuttable = keys(&estate.systems)
            .chain(keys(&estate.connections))
            .chain(keys(&estate.services));
        let targets = keys(&estate.systems)
            .chain(keys(&estate.connections))
            .chain(keys(&estate.zones));
        Self {
            anything: Known {
                what: "system, zone, connection or party",
                names: targets.chain(parties.iter().copied()).collect(),
            },
            cuttable: Known {
                what: "system, connection or service",
                names: cuttable.collect(),
            },
            parties: Known {
                what: "party",
                names: parties,
            },
        }
    }
}

struct Loader<'l, 'e, 'r> {
    names: Names<'e>,
    reader: &'l mut Reader<'r>,
}

impl Loader<'_, '_, '_> {
    fn protocol(&mut self, top: &mut Fields<'_>) -> Protocol {
        let format = self.reader.text(top, "format");
        if format != PROTOCOL_FORMAT && !format.is_empty() {
            let offset = top.get("format").map_or(0, |v| v.span().start);
            let message = format!("`{format}` is no format of a protocol");
            self.reader
                .mistake(offset, message, Some(format!("write `format = \"{PROTOCOL_FORMAT}\"`")));
        }
        let agreed = self.reader.text(top, "agreed").to_owned();
        if !agreed.is_empty() && agreed.parse::<Timestamp>().is_err() {
            let offset = top.get("agreed").map_or(0, |v| v.span().start);
            let remedy = Some("write it like `2026-03-02T09:00:00Z`".to_owned());
            self.reader.mistake(offset, format!("`{agreed}` is no time"), remedy);
        }
        let protocol = Protocol {
            id: self.reader.text(top, "id").to_owned(),
            name: self.words(top, "name"),
            version: self.reader.text(top, "version").to_owned(),
            agreed,
            expected_hours: self.reader.number(top, "expected_hours", 10_000, Some(8)),
            approval: self.approval(top),
            caps: self.caps(top),
            clauses: self.clauses(top),
        };
        self.evidence_first(top, &protocol);
        protocol
    }

    fn words(&mut self, from: &mut Fields<'_>, field: &'static str) -> Words {
        let Some(mut both) = self.reader.table(from, field) else {
            return Words::default();
        };
        let words = Words {
            de: self.reader.text(&mut both, "de").to_owned(),
            en: self.reader.text(&mut both, "en").to_owned(),
        };
        self.reader.rest(&both);
        words
    }

    fn caps(&mut self, top: &mut Fields<'_>) -> Caps {
        let mut caps = Caps {
            systems_max: 0,
            connections_max: 0,
            eur_per_hour_max: 0,
        };
        if let Some(mut fields) = self.reader.table(top, "caps") {
            caps.systems_max = self.reader.number(&mut fields, "systems_max", 1_000_000, None) as usize;
            caps.connections_max = self.reader.number(&mut fields, "connections_max", 1_000_000, None) as usize;
            caps.eur_per_hour_max = self.reader.number(&mut fields, "eur_per_hour_max", EUR_MAX, None);
            self.reader.rest(&fields);
        }
        caps
    }

    fn approval(&mut self, top: &mut Fields<'_>) -> ApprovalRules {
        let mut rules = ApprovalRules::default();
        if let Some(mut fields) = self.reader.table(top, "approval") {
            rules.alone_systems_max = self.reader.number(&mut fields, "alone_systems_max", 1_000_000, None) as usize;
            rules.alone_eur_per_hour_max = self.reader.number(&mut fields, "alone_eur_per_hour_max", EUR_MAX, None);
            rules.valid_ms = self.reader.number(&mut fields, "valid_minutes", 30 * 24 * 60, None) as i64 * 60_000;
            let ahead = self.reader.number(&mut fields, "utc_offset_minutes", 14 * 60, Some(0));
            rules.utc_offset_minutes = i32::try_from(ahead).unwrap_or(0);
            if fields.get("quiet_from").is_some() || fields.get("quiet_until").is_some() {
                let from = self.minute(&mut fields, "quiet_from");
                rules.quiet_minutes = from.zip(self.minute(&mut fields, "quiet_until"));
            }
            self.reader.rest(&fields);
        }
        rules.people = self.people(top);
        rules
    }

    /// `HH:MM` as a minute of the day.
    fn minute(&mut self, fields: &mut Fields<'_>, field: &'static str) -> Option<u32> {
        let text = self.reader.text(fields, field);
        let parts = text
            .split_once(':')
            .and_then(|(h, m)| Some((h.parse::<u32>().ok()?, m.parse::<u32>().ok()?)));
        let minute = parts.filter(|(h, m)| *h < 24 && *m < 60).map(|(h, m)| h * 60 + m);
        if minute.is_none() {
            let offset = fields.get(field).map_or(fields.place(), |v| v.span().start);
            self.reader.mistake(
                offset,
                format!("`{text}` is no time of day"),
                Some("write it like `22:00`".to_owned()),
            );
        }
        minute
    }

    fn people(&mut self, top: &mut Fields<'_>) -> BTreeMap<String, Person> {
        let Some(table) = self.reader.table(top, "person") else {
            return BTreeMap::new();
        };
        let ids: Known<'_> = Known {
            what: "person",
            names: table.entries().map(|(id, _, _)| id).collect(),
        };
        if ids.names.len() > PEOPLE_MAX {
            self.reader
                .mistake(table.place(), format!("more than {PEOPLE_MAX} people"), None);
        }
        let mut people = BTreeMap::new();
        for (id, place, value) in table.entries() {
            let Some(mut fields) = self.reader.table_of(value, &format!("person `{id}`")) else {
                continue;
            };
            let signs_for = fields
                .get("signs_for")
                .is_some()
                .then(|| self.reader.text(&mut fields, "signs_for").to_owned());
            if let Some(party) = &signs_for {
                let offset = fields.get("signs_for").map_or(place, |v| v.span().start);
                self.reader.is_known(offset, party, &self.names.parties);
            }
            let none = signs_for.is_some().then_some(0);
            let person = Person {
                name: self.reader.text(&mut fields, "name").to_owned(),
                systems_max: self.reader.number(&mut fields, "systems_max", 1_000_000, none) as usize,
                eur_per_hour_max: self.reader.number(&mut fields, "eur_per_hour_max", EUR_MAX, none),
                deputies: self.deputies(&mut fields, id, &ids),
                signs_for,
            };
            self.reader.rest(&fields);
            people.insert(id.to_owned(), person);
        }
        if people.values().filter(|p| p.signs_for.is_none()).count() < 2 {
            let message = "fewer than two people may order".to_owned();
            self.reader.mistake(
                table.place(),
                message,
                Some("above the cap two different people are needed".to_owned()),
            );
        }
        people
    }

    fn deputies(&mut self, fields: &mut Fields<'_>, id: &str, ids: &Known<'_>) -> Vec<String> {
        let mut deputies = Vec::new();
        for (offset, name) in self.reader.texts(fields, "deputies") {
            if name == id {
                self.reader
                    .mistake(offset, format!("`{id}` is named as the own deputy"), None);
            } else if self.reader.is_known(offset, name, ids) {
                deputies.push(name.to_owned());
            }
        }
        deputies
    }

    fn clauses(&mut self, top: &mut Fields<'_>) -> BTreeMap<String, Clause> {
        let Some(table) = self.reader.table(top, "clause") else {
            return BTreeMap::new();
        };
        let mut clauses = BTreeMap::new();
        for (number, place, value) in table.entries() {
            if clauses.len() >= CLAUSES_MAX {
                self.reader.mistake(place, format!("more than {CLAUSES_MAX} clauses"), None);
                break;
            }
            if let Some(mut fields) = self.reader.table_of(value, &format!("clause `{number}`")) {
                let clause = self.clause(&mut fields);
                self.reader.rest(&fields);
                clauses.insert(number.to_owned(), clause);
            }
        }
        clauses
    }

    fn clause(&mut self, fields: &mut Fields<'_>) -> Clause {
        let measures = Known {
            what: "measure",
            names: MEASURES.iter().map(|(name, _)| *name).collect(),
        };
        let named = self.reader.known(fields, "measures", &measures);
        let minutes = self.reader.number(fields, "minutes", NOTICE_MINUTES_MAX, Some(15));
        let notice = self.reader.number(fields, "notice_minutes", NOTICE_MINUTES_MAX, Some(0));
        Clause {
            title: self.words(fields, "title"),
            text: self.words(fields, "text"),
            measures: named.iter().filter_map(|name| Measure::of_action(name)).collect(),
            applies_to: self.reader.known(fields, "applies_to", &self.names.anything),
            life_lines: self.reader.known(fields, "life_lines", &self.names.cuttable),
            notice_minutes: u32::try_from(notice).unwrap_or(0),
            notice_waived_if_used: self.reader.flag(fields, "notice_waived_if_used"),
            counter_signers: self.reader.known(fields, "counter_signers", &self.names.parties),
            minutes: u32::try_from(minutes).unwrap_or(0),
        }
    }

    /// Who may switch off must keep evidence; whose signature is wanted must have somebody who can give it.
    fn evidence_first(&mut self, top: &mut Fields<'_>, protocol: &Protocol) {
        let offset = top.get("clause").map_or(0, |v| v.span().start);
        let any = |measure: Measure| protocol.clauses.values().any(|c| c.measures.contains(&measure));
        if any(Measure::PowerOff) && !EVIDENCE.into_iter().any(any) {
            let remedy = "add a clause with `snapshot`, `capture-memory` or `capture-disk`".to_owned();
            self.reader.mistake(
                offset,
                "systems are switched off without evidence being kept".to_owned(),
                Some(remedy),
            );
        }
        for party in protocol.clauses.values().flat_map(|c| &c.counter_signers) {
            let signer = protocol.approval.people.values().any(|p| p.signs_for.as_ref() == Some(party));
            if !signer {
                let remedy = Some(format!("add a person with `signs_for = \"{party}\"`"));
                self.reader.mistake(
                    offset,
                    format!("nobody signs for `{party}`, whose signature a clause wants"),
                    remedy,
                );
            }
        }
    }
}
