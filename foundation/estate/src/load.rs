use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::draft::{Draft, Place, SECTIONS, Section};
use crate::entry::{Entry, Head, minutes_of};
use crate::nearest::nearest;
use crate::{Estate, EstateErrors, Source, check, section, source};

/// Most places of a clean room.
const CLEAN_ROOM_SLOTS_MAX: u32 = 10_000;

impl Estate {
    /// Reads every `*.toml` below `dir` as one estate.
    ///
    /// # Errors
    /// Every mistake of the whole directory, up to [`crate::ERRORS_MAX`]. References are checked once all files are valid TOML.
    pub fn load(dir: &Path) -> Result<Self, EstateErrors> {
        let (sources, mut errors) = source::read(dir);
        let (parsed, left_out) = match Self::parse(&sources) {
            Ok(estate) if errors.is_empty() => return Ok(estate),
            Ok(_) => (Vec::new(), 0),
            Err(wrong) => (wrong.errors, wrong.left_out),
        };
        errors.extend(parsed);
        Err(EstateErrors {
            dir: dir.to_owned(),
            errors,
            left_out,
        })
    }

    /// Reads an estate from texts; the pure part of [`Estate::load`].
    ///
    /// # Errors
    /// As [`Estate::load`], with an empty directory.
    pub fn parse(sources: &[Source]) -> Result<Self, EstateErrors> {
        let mut draft = Draft::new(sources);
        let mut all_valid = true;
        for (file, source) in sources.iter().enumerate() {
            all_valid &= read_file(&mut draft, file, source);
        }
        if all_valid {
            draft.resolve();
            check::addresses(&mut draft);
            check::services(&mut draft);
        }
        draft.finish().map_err(|(errors, left_out)| EstateErrors {
            dir: Path::new("").to_owned(),
            errors,
            left_out,
        })
    }
}

/// Reads one file; returns whether it is valid TOML.
fn read_file(draft: &mut Draft<'_>, file: usize, source: &Source) -> bool {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    let headers = if errors.is_empty() { BTreeMap::new() } else { headers(source) };
    let mut twice = false;
    for error in &errors {
        let place = Place {
            file,
            offset: error.span().map_or(0, |s| s.start),
        };
        match earlier_header(&headers, source, place.offset).filter(|_| error.message() == DUPLICATE_KEY) {
            Some((header, offset)) => {
                let first = draft.show(Place { offset, ..place });
                let message = format!("`{header}` is already given at {first}");
                draft.mistake(place, message, Some("give one of them another id".to_owned()));
                twice = true;
            }
            // The fields of an entry given twice are given twice as well: once is enough said.
            None if twice && error.message() == DUPLICATE_KEY => {}
            None => draft.mistake(place, format!("not TOML: {}", error.message()), None),
        }
    }
    if errors.is_empty() {
        for (key, value) in document.get_ref() {
            top_level(draft, file, key, value);
        }
    }
    errors.is_empty()
}

/// How the TOML parser calls an entry or a field given twice.
const DUPLICATE_KEY: &str = "duplicate key";

/// Returns each table header with the offset of its first line.
fn headers(source: &Source) -> BTreeMap<&str, usize> {
    let mut headers = BTreeMap::new();
    let mut start = 0;
    for line in source.text.split_inclusive('\n') {
        let header = without_comment(line);
        if header.starts_with('[') {
            headers.entry(header).or_insert(start);
        }
        start += line.len();
    }
    headers
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

/// Returns the table header in the line at `offset`, and where it was given before.
fn earlier_header<'s>(headers: &BTreeMap<&str, usize>, source: &'s Source, offset: usize) -> Option<(&'s str, usize)> {
    let line_start = source.text.get(..offset)?.rfind('\n').map_or(0, |n| n + 1);
    let header = without_comment(source.text.get(line_start..)?.lines().next()?);
    let first = headers.get(header).copied().filter(|first| *first < line_start)?;
    Some((header, first))
}

fn top_level(draft: &mut Draft<'_>, file: usize, key: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>) {
    let name = key.get_ref().as_ref();
    let place = Place {
        file,
        offset: key.span().start,
    };
    if name == "name" {
        return estate_name(draft, place, value);
    }
    match (name, value.get_ref()) {
        ("clean_room_slots", DeValue::Integer(number)) => {
            let slots = number
                .as_str()
                .parse()
                .ok()
                .filter(|slots| (1..=CLEAN_ROOM_SLOTS_MAX).contains(slots));
            if slots.is_none() {
                let message = format!("`clean_room_slots` must lie between 1 and {CLEAN_ROOM_SLOTS_MAX}");
                draft.mistake(place, message, None);
            }
            draft.estate.clean_room_slots = slots;
            return;
        }
        ("utc_offset", DeValue::String(text)) => {
            match utc_offset(text) {
                Some(minutes) => draft.estate.utc_offset_minutes = minutes,
                None => draft.mistake(
                    place,
                    format!("`{text}` is no offset from UTC"),
                    Some("write it as +01:00".to_owned()),
                ),
            }
            return;
        }
        ("clean_room_slots", _) => return draft.mistake(place, "`clean_room_slots` must be a whole number".to_owned(), None),
        ("utc_offset", _) => return draft.mistake(place, "`utc_offset` must be a text".to_owned(), None),
        _ => {}
    }
    let Some((_, section)) = SECTIONS.iter().find(|(n, _)| *n == name) else {
        let known = SECTIONS
            .iter()
            .map(|(n, _)| *n)
            .chain(["name", "clean_room_slots", "utc_offset"]);
        let remedy = nearest(name, known).map(|n| format!("did you mean `{n}`?"));
        return draft.mistake(place, format!("an estate has no `{name}`"), remedy);
    };
    match value.get_ref() {
        DeValue::Table(table) => {
            for (id, value) in table {
                let offset = id.span().start;
                entry(draft, *section, Some(id.get_ref()), Place { file, offset }, value);
            }
        }
        DeValue::Array(array) => {
            for value in array {
                let offset = value.span().start;
                entry(draft, *section, None, Place { file, offset }, value);
            }
        }
        _ => draft.mistake(
            place,
            format!("`{name}` must be tables"),
            Some(format!("write `[{name}.id]`")),
        ),
    }
}

/// Minutes of `+01:00`.
fn utc_offset(text: &str) -> Option<i32> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let minutes = minutes_of(text.strip_prefix(['+', '-'])?)?;
    (minutes <= 14 * 60).then(|| sign * i32::from(minutes))
}

fn estate_name(draft: &mut Draft<'_>, place: Place, value: &Spanned<DeValue<'_>>) {
    if let Some(first) = draft.name_at.replace(place) {
        let message = format!("the estate is already named at {}", draft.show(first));
        return draft.mistake(place, message, None);
    }
    match value.get_ref() {
        DeValue::String(name) => draft.estate.name = name.to_string(),
        _ => draft.mistake(place, "`name` must be a text".to_owned(), None),
    }
}

fn entry(draft: &mut Draft<'_>, section: Section, id: Option<&str>, place: Place, value: &Spanned<DeValue<'_>>) {
    let name = section.name();
    let DeValue::Table(table) = value.get_ref() else {
        let remedy = Some(format!("write `[{name}.id]`"));
        return draft.mistake(place, format!("a {name} must be a table"), remedy);
    };
    let listed = id.is_none();
    let Some(id) = id.or_else(|| table.get("id")?.get_ref().as_str()) else {
        return draft.mistake(
            place,
            format!("a {name} in a list has no `id`"),
            Some("add `id = \"…\"`".to_owned()),
        );
    };
    if draft.register(section, id, place) {
        let head = Head {
            section,
            id,
            place,
            listed,
        };
        build(draft, head, table);
    }
}

fn build(draft: &mut Draft<'_>, head: Head<'_>, table: &DeTable<'_>) {
    macro_rules! read {
        ($map:ident, $build:path) => {{
            let built = Entry::read(draft, head, table, $build);
            draft.estate.$map.insert(head.id.to_owned(), built);
        }};
    }
    match head.section {
        Section::Site => read!(sites, section::site),
        Section::Zone => read!(zones, section::zone),
        Section::System => read!(systems, section::system),
        Section::Service => read!(services, section::service),
        Section::Party => read!(parties, section::party),
        Section::Connection => read!(connections, section::connection),
        Section::DataClass => read!(data_classes, section::data_class),
        Section::Crew => read!(crews, section::crew),
        Section::BackupSet => read!(backup_sets, section::backup_set),
        Section::Recipe => read!(recipes, section::recipe),
        Section::Sensor => read!(sensors, section::sensor),
        Section::Account => read!(accounts, section::account),
    }
}
