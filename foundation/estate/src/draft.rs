use std::collections::BTreeMap;

use crate::nearest::nearest;
use crate::source::Lines;
use crate::{Estate, EstateError, Source};

/// Most mistakes reported of one estate.
pub const ERRORS_MAX: usize = 100;
/// Most entries of one estate, all kinds together.
pub const ENTRIES_MAX: usize = 200_000;
/// Longest id in bytes.
pub const ID_BYTES_MAX: usize = 63;

/// The kinds of entries, each a top-level table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    Site,
    Zone,
    System,
    Service,
    Party,
    Connection,
    DataClass,
    Crew,
    BackupSet,
    Recipe,
    Sensor,
    Account,
}

pub(crate) const SECTIONS: &[(&str, Section)] = &[
    ("site", Section::Site),
    ("zone", Section::Zone),
    ("system", Section::System),
    ("service", Section::Service),
    ("party", Section::Party),
    ("connection", Section::Connection),
    ("data-class", Section::DataClass),
    ("crew", Section::Crew),
    ("backup-set", Section::BackupSet),
    ("recipe", Section::Recipe),
    ("sensor", Section::Sensor),
    ("account", Section::Account),
];

/// Sections that other entries name without saying which is meant; an id is unique among them.
pub(crate) const SHARED_NAMES: &[Section] = &[
    Section::Zone,
    Section::System,
    Section::Service,
    Section::Party,
    Section::Crew,
];

impl Section {
    pub(crate) fn name(self) -> &'static str {
        SECTIONS.iter().find(|(_, s)| *s == self).map_or("", |(name, _)| name)
    }
}

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) offset: usize,
}

/// An id that must exist in one of the sections once everything is read.
pub(crate) struct Reference {
    pub(crate) place: Place,
    pub(crate) id: String,
    pub(crate) to: &'static [Section],
}

/// An estate while it is read: what is known so far, where it stands, and what is wrong with it.
pub(crate) struct Draft<'s> {
    pub(crate) estate: Estate,
    sources: &'s [Source],
    lines: Vec<Lines>,
    pub(crate) ids: BTreeMap<(Section, String), Place>,
    /// Where the fields stand that are checked against others at the end.
    pub(crate) fields: BTreeMap<(Section, String, &'static str), Place>,
    pub(crate) references: Vec<Reference>,
    pub(crate) name_at: Option<Place>,
    mistakes: Vec<(Place, String, Option<String>)>,
    left_out: usize,
}

impl<'s> Draft<'s> {
    pub(crate) fn new(sources: &'s [Source]) -> Self {
        Self {
            estate: Estate::default(),
            sources,
            lines: sources.iter().map(Lines::of).collect(),
            ids: BTreeMap::new(),
            fields: BTreeMap::new(),
            references: Vec::new(),
            name_at: None,
            mistakes: Vec::new(),
            left_out: 0,
        }
    }

    /// Notes a mistake.
    pub(crate) fn mistake(&mut self, place: Place, message: String, remedy: Option<String>) {
        if self.mistakes.len() < ERRORS_MAX {
            self.mistakes.push((place, message, remedy));
        } else {
            self.left_out += 1;
        }
    }

    /// Returns `file:line:column`.
    pub(crate) fn show(&self, place: Place) -> String {
        let (name, line, column) = self.locate(place);
        format!("{name}:{line}:{column}")
    }

    fn locate(&self, place: Place) -> (&str, usize, usize) {
        let Some((source, lines)) = self.sources.get(place.file).zip(self.lines.get(place.file)) else {
            return ("", 0, 0);
        };
        let (line, column) = lines.position(source, place.offset);
        (&source.name, line, column)
    }

    /// Registers an id; the second of two is a mistake and returns false.
    pub(crate) fn register(&mut self, section: Section, id: &str, place: Place) -> bool {
        let name = section.name();
        if let Some(wrong) = id_problem(id) {
            self.mistake(place, format!("`{id}` is no {name} id: {wrong}"), None);
            return false;
        }
        let rivals: &[Section] = if SHARED_NAMES.contains(&section) {
            SHARED_NAMES
        } else {
            &[section]
        };
        let taken = rivals.iter().find_map(|s| Some((*s, *self.ids.get(&(*s, id.to_owned()))?)));
        if let Some((other, first)) = taken {
            let message = format!("{name} `{id}` has the id of the {} at {}", other.name(), self.show(first));
            self.mistake(place, message, Some("give one of them another id".to_owned()));
            return false;
        }
        if self.ids.len() >= ENTRIES_MAX {
            self.mistake(place, format!("more than {ENTRIES_MAX} entries"), None);
            return false;
        }
        self.ids.insert((section, id.to_owned()), place);
        true
    }

    /// Notes every reference that leads nowhere.
    pub(crate) fn resolve(&mut self) {
        for Reference { place, id, to } in std::mem::take(&mut self.references) {
            if to.iter().any(|s| self.ids.contains_key(&(*s, id.clone()))) {
                continue;
            }
            let names: Vec<&str> = to.iter().map(|s| s.name()).collect();
            let known = self.ids.keys().filter(|(s, _)| to.contains(s)).map(|(_, id)| id.as_str());
            let remedy = nearest(&id, known).map(|n| format!("did you mean `{n}`?"));
            self.mistake(place, format!("no {} has the id `{id}`", names.join(" or ")), remedy);
        }
    }

    /// Returns the estate if nothing is wrong with it, else the mistakes in order and the number left out.
    pub(crate) fn finish(mut self) -> Result<Estate, (Vec<EstateError>, usize)> {
        if self.mistakes.is_empty() {
            return Ok(self.estate);
        }
        self.mistakes.sort();
        let error = |(place, message, remedy): &(Place, String, Option<String>)| {
            let (file, line, column) = self.locate(*place);
            EstateError {
                file: file.to_owned(),
                line,
                column,
                message: message.clone(),
                remedy: remedy.clone(),
            }
        };
        Err((self.mistakes.iter().map(error).collect(), self.left_out))
    }
}

/// Returns what is wrong with an id: lower-case letters, digits and dashes, beginning with a letter.
pub(crate) fn id_problem(id: &str) -> Option<&'static str> {
    if id.len() > ID_BYTES_MAX {
        return Some("at most 63 characters");
    }
    let begins = id.starts_with(|c: char| c.is_ascii_lowercase());
    let all = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (!begins || !all).then_some("lower-case letters, digits and dashes, beginning with a letter")
}
