use std::sync::Arc;

use leckwehr_telemetry::{FieldId, FieldNames, Fields, LogSources, SourceId, Value};

use crate::sigma::engine::{Engine, Group, Node};
use crate::sigma::explain::Grounds;
use crate::sigma::index::Index;
use crate::sigma::item::Part;
use crate::sigma::lower::{lower_into, trimmed};
use crate::sigma::predicate::{Case, Check, Predicate, lies_in, number};

/// Finds the rules that fire on a record: one per thread and per reader, whose tables of names and sources it follows.
///
/// Nothing is allocated for a record on which no rule fires, once the matcher has grown to the usual record.
#[derive(Debug)]
pub struct Matcher {
    engine: Arc<Engine>,
    /// Names of the reader's table that were looked at.
    names_seen: usize,
    /// By slot: the reader's number of the field.
    ids: Vec<Option<FieldId>>,
    /// By number of the log source: groups of rules.
    routes: Vec<Option<Box<[u32]>>>,
    state: State,
}

/// A record with the names that it was read with.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The reader's table of names.
    pub names: &'a FieldNames,
    /// The reader's table of log sources.
    pub sources: &'a LogSources,
    /// The record.
    pub fields: &'a Fields,
    /// Its log source.
    pub source: SourceId,
}

/// What was found out about the present record.
#[derive(Debug, Default)]
struct State {
    /// Number of the record; what bears another number is of an earlier one.
    turn: u32,
    slots: Vec<Slot>,
    values: Vec<Lowered>,
    low: Vec<u8>,
    /// All values in lower case, if `arena_turn` is the present one.
    arena: Vec<u8>,
    arena_turn: u32,
    arena_trusted: bool,
    /// By predicate: the turn, and in the lowest bit the answer.
    answers: Vec<u64>,
    /// By rule: the turn in which it became a candidate.
    candidate: Vec<u32>,
    candidates: Vec<u32>,
    fired: Vec<u32>,
    word: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    turn: u32,
    first: u32,
    count: u32,
}

/// A value in lower case; null has no text.
#[derive(Debug, Clone, Copy)]
struct Lowered {
    start: u32,
    end: u32,
    null: bool,
    trusted: bool,
}

impl Matcher {
    /// Builds a matcher for one reader.
    pub fn new(engine: Arc<Engine>) -> Self {
        let state = State {
            slots: vec![Slot::default(); engine.slots.len()],
            answers: vec![0; engine.predicates.len()],
            candidate: vec![0; engine.rules().len()],
            ..State::default()
        };
        Self {
            names_seen: 0,
            ids: vec![None; engine.slots.len()],
            routes: Vec::new(),
            state,
            engine,
        }
    }

    /// Returns the rules.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Returns the numbers of all rules that fire on the record, quiet ones too, in ascending order.
    ///
    /// O(bytes of the fields that rules of the log source ask for, and the candidates' conditions).
    pub fn matches(&mut self, seen: Seen<'_>) -> &[u32] {
        self.decide(seen, |state, record, group| state.gather(record, &group.index))
    }

    /// The same without the index: every rule of the log source is tried. For checks of the index; many times slower.
    pub fn matches_by_trying_all(&mut self, seen: Seen<'_>) -> &[u32] {
        self.decide(seen, |state, _, group| state.candidates.extend(&group.rules))
    }

    fn decide(&mut self, seen: Seen<'_>, mut gather: impl FnMut(&mut State, Record<'_>, &Group)) -> &[u32] {
        self.follow(seen.names);
        let at = seen.source.index();
        if at >= self.routes.len() {
            self.routes.resize(at + 1, None);
        }
        self.state.begin();
        let Some(route) = self.routes.get_mut(at) else { return &[] };
        let engine = &*self.engine;
        let route = route.get_or_insert_with(|| engine.route(seen.sources.get(seen.source)).into());
        let record = Record {
            engine,
            ids: &self.ids,
            fields: seen.fields,
        };
        for group in route.iter().filter_map(|g| engine.groups.get(*g as usize)) {
            gather(&mut self.state, record, group);
        }
        self.state.decide(record);
        &self.state.fired
    }

    /// Returns why a rule fires on the record: its selections that hold, and the values that they hold for.
    pub fn explain(&mut self, rule: u32, seen: Seen<'_>) -> Grounds {
        self.follow(seen.names);
        self.state.begin();
        let engine = &*self.engine;
        let record = Record {
            engine,
            ids: &self.ids,
            fields: seen.fields,
        };
        let mut grounds = Grounds::default();
        for (name, node) in engine.selections.get(rule as usize).iter().flat_map(|s| s.iter()) {
            if self.state.holds(record, node) {
                grounds.selections.push(name.to_string());
                self.state.grounds(record, seen.names, node, &mut grounds);
            }
        }
        grounds
    }

    /// Takes over names that the reader has met since the last record.
    fn follow(&mut self, names: &FieldNames) {
        if self.names_seen == names.len() {
            return;
        }
        for (id, name) in names.since(self.names_seen) {
            if id != FieldId::OTHER
                && let Some(slot) = self.engine.slots.find(name)
                && let Some(known) = self.ids.get_mut(slot as usize)
            {
                *known = Some(id);
            }
        }
        self.names_seen = names.len();
    }
}

/// The record and what is needed to look at it.
#[derive(Clone, Copy)]
struct Record<'a> {
    engine: &'a Engine,
    ids: &'a [Option<FieldId>],
    fields: &'a Fields,
}

impl<'a> Record<'a> {
    fn values(self, slot: u32) -> impl Iterator<Item = Value<'a>> {
        let id = self.ids.get(slot as usize).copied().flatten();
        id.into_iter().flat_map(move |id| self.fields.values(id))
    }
}

impl State {
    fn begin(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        if self.turn == 0 {
            self.slots.fill(Slot::default());
            self.answers.fill(0);
            self.candidate.fill(0);
            self.arena_turn = 0;
            self.turn = 1;
        }
        self.values.clear();
        self.low.clear();
        self.candidates.clear();
        self.fired.clear();
    }

    /// Collects the rules of one log source that may fire.
    fn gather(&mut self, record: Record<'_>, index: &Index) {
        let turn = self.turn;
        let enter = |rules: &[u32], candidate: &mut [u32], candidates: &mut Vec<u32>| {
            for rule in rules {
                if let Some(entered) = candidate.get_mut(*rule as usize).filter(|t| **t != turn) {
                    *entered = turn;
                    candidates.push(*rule);
                }
            }
        };
        enter(&index.always, &mut self.candidate, &mut self.candidates);
        for field in &index.fields {
            let slot = self.open(record, field.slot);
            if slot.count == 0 {
                continue;
            }
            let (low, candidate, candidates) = (&self.low, &mut self.candidate, &mut self.candidates);
            let mut found = |rules: &[u32]| enter(rules, candidate, candidates);
            field.present(&mut found);
            let (first, last) = (slot.first as usize, (slot.first + slot.count) as usize);
            let values = self.values.get(first..last).unwrap_or(&[]).iter();
            for (lowered, value) in values.zip(record.values(field.slot)).filter(|(l, _)| !l.null) {
                field.look(lowered.text(low), lowered.trusted, || number(value), &mut found);
            }
        }
        if !index.words.is_empty() {
            self.open_arena(record);
            let (candidate, candidates) = (&mut self.candidate, &mut self.candidates);
            index.words.look(&self.arena, self.arena_trusted, &mut |rules| {
                enter(rules, candidate, candidates)
            });
        }
    }

    fn decide(&mut self, record: Record<'_>) {
        let mut candidates = std::mem::take(&mut self.candidates);
        for rule in &candidates {
            let program = record.engine.programs.get(*rule as usize);
            if program.is_some_and(|program| self.holds(record, program)) {
                self.fired.push(*rule);
            }
        }
        candidates.clear();
        self.candidates = candidates;
        self.fired.sort_unstable();
    }

    /// Conditions are at most as deep as `condition` allows.
    fn holds(&mut self, record: Record<'_>, node: &Node) -> bool {
        match node {
            Node::Is(number) => self.is(record, *number),
            Node::All(parts) => parts.iter().all(|p| self.holds(record, p)),
            Node::Any(parts) => parts.iter().any(|p| self.holds(record, p)),
            Node::Not(part) => !self.holds(record, part),
            Node::AtLeast(n, parts) => {
                let mut wanted = *n;
                wanted == 0
                    || parts.iter().any(|p| {
                        wanted -= usize::from(self.holds(record, p));
                        wanted == 0
                    })
            }
        }
    }

    /// Collects the values for which the parts of a condition hold.
    fn grounds(&mut self, record: Record<'_>, names: &FieldNames, node: &Node, grounds: &mut Grounds) {
        match node {
            Node::All(parts) | Node::Any(parts) | Node::AtLeast(_, parts) => {
                for part in parts {
                    if self.holds(record, part) {
                        self.grounds(record, names, part, grounds);
                    }
                }
            }
            Node::Not(_) => {}
            Node::Is(number) => {
                let Some(predicate) = record.engine.predicates.get(*number as usize) else {
                    return;
                };
                let mut low = std::mem::take(&mut self.word);
                for (id, value) in record.fields.iter().filter(|(_, value)| *value != Value::Null) {
                    let asked = predicate
                        .slot
                        .is_none_or(|slot| record.ids.get(slot as usize) == Some(&Some(id)));
                    low.clear();
                    if asked {
                        lower_into(value.as_text(), &mut low);
                    }
                    let by_field = matches!(predicate.check, Check::Exists(true) | Check::Field(..));
                    if asked && (by_field || predicate.check.fits(value, &low)) {
                        grounds.push(names.name(id), value.as_text());
                    }
                }
                self.word = low;
            }
        }
    }

    fn is(&mut self, record: Record<'_>, number: u32) -> bool {
        let turn = u64::from(self.turn) << 1;
        let known = self.answers.get(number as usize).copied().unwrap_or(0);
        if known & !1 == turn {
            return known & 1 == 1;
        }
        let Some(predicate) = record.engine.predicates.get(number as usize) else {
            return false;
        };
        let answer = match predicate.slot {
            Some(slot) => self.field_fits(record, slot, predicate),
            None => self.any_fits(record, predicate),
        };
        if let Some(known) = self.answers.get_mut(number as usize) {
            *known = turn | u64::from(answer);
        }
        answer
    }

    fn field_fits(&mut self, record: Record<'_>, slot: u32, predicate: &Predicate) -> bool {
        let opened = self.open(record, slot);
        let (first, last) = (opened.first as usize, (opened.first + opened.count) as usize);
        let other = match &predicate.check {
            Check::Field(other, ..) => Some(self.open(record, *other)),
            _ => None,
        };
        let seen = self.values.get(first..last).unwrap_or(&[]);
        match (&predicate.check, other) {
            (Check::Null, _) => seen.iter().all(|v| v.null),
            (Check::Exists(wanted), _) => seen.iter().any(|v| !v.null) == *wanted,
            (Check::Field(other_slot, part, case), Some(other)) => {
                let others = other.first as usize..(other.first + other.count) as usize;
                let others = self.values.get(others).unwrap_or(&[]);
                self.shares(record, (seen, slot), (others, *other_slot), *part, *case)
            }
            (check, _) => {
                let mut each = seen.iter().zip(record.values(slot)).filter(|(v, _)| !v.null);
                each.any(|(lowered, value)| check.fits(value, lowered.text(&self.low)))
            }
        }
    }

    /// Returns whether a value of one field lies in one of another.
    fn shares(
        &self,
        record: Record<'_>,
        (seen, slot): (&[Lowered], u32),
        (others, other_slot): (&[Lowered], u32),
        part: Part,
        case: Case,
    ) -> bool {
        if case == Case::Kept {
            let text = |value: Value<'_>| value != Value::Null;
            return record.values(slot).filter(|v| text(*v)).any(|value| {
                let mut needles = record.values(other_slot).filter(|v| text(*v));
                needles.any(|needle| {
                    let (value, needle) = (value.as_text().trim_ascii_end(), needle.as_text().trim_ascii_end());
                    lies_in(value.as_bytes(), needle.as_bytes(), part)
                })
            });
        }
        let text = |v: &Lowered| !v.null;
        seen.iter().filter(|v| text(v)).any(|value| {
            let mut needles = others.iter().filter(|v| text(v));
            needles.any(|needle| lies_in(trimmed(value.text(&self.low)), trimmed(needle.text(&self.low)), part))
        })
    }

    /// Asks all values of the record.
    fn any_fits(&mut self, record: Record<'_>, predicate: &Predicate) -> bool {
        if let Check::Text(texts) = &predicate.check
            && texts.is_for_arena()
        {
            self.open_arena(record);
            return texts.are_in(&self.arena);
        }
        let word = &mut self.word;
        record
            .fields
            .iter()
            .filter(|(_, value)| *value != Value::Null)
            .any(|(_, value)| {
                word.clear();
                lower_into(value.as_text(), word);
                predicate.check.fits(value, word)
            })
    }

    /// Puts the values of a field into lower case, once per record.
    fn open(&mut self, record: Record<'_>, slot: u32) -> Slot {
        let Some(known) = self.slots.get(slot as usize) else {
            return Slot::default();
        };
        if known.turn == self.turn {
            return *known;
        }
        let first = self.values.len() as u32;
        for value in record.values(slot) {
            let start = self.low.len() as u32;
            let trusted = lower_into(value.as_text(), &mut self.low);
            self.values.push(Lowered {
                start,
                end: self.low.len() as u32,
                null: value == Value::Null,
                trusted,
            });
        }
        let opened = Slot {
            turn: self.turn,
            first,
            count: self.values.len() as u32 - first,
        };
        if let Some(known) = self.slots.get_mut(slot as usize) {
            *known = opened;
        }
        opened
    }

    fn open_arena(&mut self, record: Record<'_>) {
        if self.arena_turn != self.turn {
            self.arena.clear();
            self.arena_trusted = lower_into(record.fields.arena(), &mut self.arena);
            self.arena_turn = self.turn;
        }
    }
}

impl Lowered {
    fn text(self, low: &[u8]) -> &[u8] {
        low.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }
}
