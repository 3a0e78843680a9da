use regex_syntax::hir::{Class, Hir, HirKind};

use crate::sigma::condition::Expr;
use crate::sigma::item::{Comparison, Expression, Item, Test};
use crate::sigma::lower::lowered;
use crate::sigma::needles::{Map, NEEDLE_BYTES_MIN};
use crate::sigma::pattern::{Anchor, Pattern};

/// Something cheap to see in a record; a rule can only fire if one of its witnesses is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Witness {
    /// The field has this text, in lower case.
    Text(u32, Anchor, Box<[u8]>),
    /// The field has this number, by its bits.
    Number(u32, u64),
    /// The field is there.
    Present(u32),
    /// This text is somewhere in the record, in lower case.
    Word(Box<[u8]>),
}

/// How many rules of a log source could use a witness: what all share tells nothing.
pub(crate) type Shares = Map<u64, u32>;

/// Chooses witnesses for the rules of one log source.
pub(crate) struct Choice<'a> {
    pub(crate) slot_of: &'a dyn Fn(&str) -> u32,
    pub(crate) shares: Shares,
    pub(crate) rules: usize,
}

/// Witnesses of which one must be there, and how likely that is.
type Chosen = Option<(Vec<Witness>, f64)>;

impl Choice<'_> {
    /// Counts every witness that a rule could use. O(texts in the rule).
    pub(crate) fn count(&mut self, expr: &Expr) {
        let mut keys = Vec::new();
        self.collect(expr, &mut keys);
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            *self.shares.entry(key).or_default() += 1;
        }
    }

    fn collect(&self, expr: &Expr, keys: &mut Vec<u64>) {
        match expr {
            Expr::All(parts) | Expr::Any(parts) | Expr::AtLeast(_, parts) => parts.iter().for_each(|p| self.collect(p, keys)),
            Expr::Not(_) => {}
            Expr::Item(item) => {
                if let Test::Text(patterns) = &item.test {
                    let each = patterns.iter().flat_map(|p| self.of_pattern(item, p));
                    keys.extend(each.map(|w| key_of(&w)));
                } else if let Some(each) = self.of_item(item) {
                    keys.extend(each.iter().map(key_of));
                }
            }
        }
    }

    /// Returns the rarest set of witnesses, or nothing where the rule can fire on what a record lacks.
    pub(crate) fn choose(&self, expr: &Expr) -> Option<Vec<Witness>> {
        self.best(expr).map(|(witnesses, _)| witnesses)
    }

    fn best(&self, expr: &Expr) -> Chosen {
        match expr {
            Expr::All(parts) => {
                let each = parts.iter().filter_map(|p| self.best(p));
                each.min_by(|(_, a), (_, b)| a.total_cmp(b))
            }
            Expr::Any(parts) => joined(parts.iter().map(|p| self.best(p)).collect::<Option<Vec<_>>>()?),
            Expr::AtLeast(n, parts) => {
                let found: Vec<_> = parts.iter().filter_map(|p| self.best(p)).collect();
                // Those that need nothing may all hold; beyond them one of the others must.
                (parts.len() - found.len() < *n).then(|| joined(found)).flatten()
            }
            Expr::Not(_) => None,
            Expr::Item(item) => {
                if let Test::Text(patterns) = &item.test {
                    let each = patterns.iter().map(|p| {
                        let rated = self.of_pattern(item, p).into_iter().map(|w| {
                            let p = self.likely(&w);
                            (w, p)
                        });
                        rated.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(w, p)| (vec![w], p))
                    });
                    return joined(each.collect::<Option<Vec<_>>>()?);
                }
                let witnesses = self.of_item(item)?;
                let p = witnesses.iter().map(|w| self.likely(w)).sum();
                Some((witnesses, p))
            }
        }
    }

    /// Returns the witnesses of a test that is not of texts, of which one must be there.
    fn of_item(&self, item: &Item) -> Option<Vec<Witness>> {
        let slot = item.field.as_deref().map(self.slot_of);
        let present = || slot.map(|slot| vec![Witness::Present(slot)]);
        match &item.test {
            Test::Text(_) | Test::Null | Test::Exists(false) => None,
            Test::Regex(list) => {
                let each = list.iter().map(required);
                let Some(texts) = each.collect::<Option<Vec<_>>>() else {
                    return present();
                };
                let witness = |text: Box<[u8]>| match slot {
                    Some(slot) => Witness::Text(slot, Anchor::Anywhere, text),
                    None => Witness::Word(text),
                };
                Some(texts.into_iter().flatten().map(witness).collect())
            }
            Test::Number(list) => {
                let slot = slot?;
                let equal = list.iter().all(|(how, _)| *how == Comparison::Equal);
                if !equal {
                    return present();
                }
                Some(list.iter().map(|(_, n)| Witness::Number(slot, n.value().to_bits())).collect())
            }
            Test::Network(_) | Test::Bool(_) | Test::Exists(true) | Test::Field { .. } | Test::Time(..) | Test::Unfilled(_) => {
                present()
            }
        }
    }

    /// Returns all witnesses of a pattern; each one alone must be there.
    fn of_pattern(&self, item: &Item, pattern: &Pattern) -> Vec<Witness> {
        let slot = item.field.as_deref().map(self.slot_of);
        let lower = |text: &[u8]| match std::str::from_utf8(text) {
            Ok(text) if pattern.cased => lowered(text),
            _ => text.into(),
        };
        let mut found = Vec::new();
        if pattern.tokens.is_empty() && pattern.anchor == Anchor::Whole {
            found.extend(slot.map(|slot| Witness::Text(slot, Anchor::Whole, Box::default())));
        }
        for (text, anchor) in pattern.runs() {
            let text = lower(text);
            match slot {
                _ if anchor == Anchor::Anywhere && text.len() < NEEDLE_BYTES_MIN => {}
                Some(slot) => found.push(Witness::Text(slot, anchor, text)),
                None if text.len() < NEEDLE_BYTES_MIN => {}
                None => found.push(Witness::Word(text)),
            }
        }
        if found.is_empty() {
            found.extend(slot.map(Witness::Present));
        }
        found
    }

    /// Returns roughly how likely a record of this log source has the witness.
    fn likely(&self, witness: &Witness) -> f64 {
        let rarity = |bytes: usize| match bytes {
            0..=2 => 0.3,
            3 => 0.15,
            4 => 0.08,
            5 | 6 => 0.03,
            7..=9 => 0.01,
            _ => 0.004,
        };
        let alone = match witness {
            Witness::Text(_, Anchor::Whole, _) => 0.004,
            Witness::Text(_, Anchor::End, text) => rarity(text.len()) * 0.7,
            // Paths begin alike.
            Witness::Text(_, Anchor::Start, text) => 0.05 + rarity(text.len() / 2),
            // The field must be scanned.
            Witness::Text(_, Anchor::Anywhere, text) | Witness::Word(text) => 0.003 + rarity(text.len()),
            Witness::Number(..) => 0.03,
            Witness::Present(_) => 2.0,
        };
        let shared = self.shares.get(&key_of(witness)).copied().unwrap_or(0);
        let share = f64::from(shared.saturating_sub(1)) / self.rules.max(20) as f64;
        alone + share
    }
}

fn joined(parts: Vec<(Vec<Witness>, f64)>) -> Chosen {
    let p = parts.iter().map(|(_, p)| p).sum();
    let witnesses: Vec<_> = parts.into_iter().flat_map(|(w, _)| w).collect();
    (!witnesses.is_empty()).then_some((witnesses, p))
}

fn key_of(witness: &Witness) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = crate::sigma::needles::Mix::default();
    witness.hash(&mut hasher);
    hasher.finish()
}

/// Longest alternation that is followed; a longer one says too little.
const ALTERNATIVES_MAX: usize = 64;

/// Returns texts in lower case of which one lies in every text that the expression fits.
fn required(expression: &Expression) -> Option<Vec<Box<[u8]>>> {
    let hir = regex_syntax::Parser::new().parse(expression.0.as_str()).ok()?;
    let found = literals(&hir)?;
    found.iter().all(|t| t.len() > NEEDLE_BYTES_MIN).then_some(found)
}

/// Walks down to the longest run of characters that must be there.
fn literals(hir: &Hir) -> Option<Vec<Box<[u8]>>> {
    let mut best: Option<Vec<Box<[u8]>>> = None;
    let mut run: Vec<u8> = Vec::new();
    gather(hir, &mut run, &mut best);
    close(&mut run, &mut best);
    best
}

fn gather(hir: &Hir, run: &mut Vec<u8>, best: &mut Option<Vec<Box<[u8]>>>) {
    match hir.kind() {
        HirKind::Literal(literal) if literal.0.is_ascii() => {
            run.extend(literal.0.iter().map(u8::to_ascii_lowercase));
        }
        HirKind::Class(class) => match one_letter(class) {
            Some(letter) => run.push(letter),
            None => close(run, best),
        },
        HirKind::Concat(parts) => parts.iter().for_each(|part| gather(part, run, best)),
        HirKind::Capture(capture) => gather(&capture.sub, run, best),
        HirKind::Repetition(repetition) => {
            close(run, best);
            if repetition.min > 0 {
                gather(&repetition.sub, run, best);
                close(run, best);
            }
        }
        HirKind::Alternation(parts) if parts.len() <= ALTERNATIVES_MAX => {
            close(run, best);
            let each = parts.iter().map(literals).collect::<Option<Vec<_>>>();
            if let Some(texts) = each {
                keep(texts.into_iter().flatten().collect(), best);
            }
        }
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(_) | HirKind::Alternation(_) => close(run, best),
    }
}

fn close(run: &mut Vec<u8>, best: &mut Option<Vec<Box<[u8]>>>) {
    if !run.is_empty() {
        keep(vec![std::mem::take(run).into()], best);
    }
}

/// Keeps the set whose shortest text is the longest; few texts are better than many.
fn keep(texts: Vec<Box<[u8]>>, best: &mut Option<Vec<Box<[u8]>>>) {
    let rank = |texts: &[Box<[u8]>]| {
        let shortest = texts.iter().map(|t| t.len()).min().unwrap_or(0);
        (shortest.min(8), std::cmp::Reverse(texts.len()), shortest)
    };
    if best.as_ref().is_none_or(|old| rank(&texts) > rank(old)) {
        *best = Some(texts);
    }
}

/// Returns the letter that all characters of the class are in lower case; the long s is for [`super::lower`].
fn one_letter(class: &Class) -> Option<u8> {
    let Class::Unicode(class) = class else { return None };
    let mut letter = None;
    for range in class.iter() {
        if u32::from(range.end()) - u32::from(range.start()) > 1 {
            return None;
        }
        for c in range.start()..=range.end() {
            let lower = match c {
                'A'..='Z' => c.to_ascii_lowercase(),
                '\u{17f}' => 's',
                '\u{212a}' => 'k',
                c if c.is_ascii() => c,
                _ => return None,
            };
            if letter.is_some_and(|l| l != lower) {
                return None;
            }
            letter = Some(lower);
        }
    }
    letter.and_then(|l| u8::try_from(l).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_texts_of_expressions() {
        let of = |text: &str| {
            let found = required(&Expression(regex::Regex::new(text).unwrap()));
            found.map(|f| f.iter().map(|t| String::from_utf8(t.to_vec()).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(of(r"(?i)Invoke-\w+Sk"), Some(vec!["invoke-".to_owned()]));
        assert_eq!(of(r"\$PSHome\[\s*\d{1,3}\s*\]"), Some(vec!["$pshome[".to_owned()]));
        assert_eq!(of(r"(abc|defg)x?"), Some(vec!["abc".to_owned(), "defg".to_owned()]));
        assert_eq!(of(r"(abc|.)"), None);
        assert_eq!(of(r"^.*\d+$"), None);
        assert_eq!(
            of(r"(longword)+|other"),
            Some(vec!["longword".to_owned(), "other".to_owned()])
        );
    }
}
