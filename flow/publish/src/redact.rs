use std::collections::BTreeSet;

use leckwehr_estate::Estate;
use leckwehr_incident::Situation;

use crate::Language;

/// Names that must not stand on a public page: hosts of estate and incident, their addresses, accounts.
pub(crate) struct Redaction {
    names: BTreeSet<String>,
}

impl Redaction {
    /// Collects the names. Ids that are plain words (`mail`) stay: they say nothing to an attacker.
    pub fn new(situation: &Situation, estate: &Estate) -> Self {
        let addresses = estate.systems.values().filter_map(|s| s.address).map(|a| a.to_string());
        let hosts = situation.impact.hosts.iter().map(|h| h.system.clone());
        let accounts = situation.impact.credentials.iter().map(|c| c.account.clone());
        let telling = |name: &String| name.contains(|c: char| c.is_ascii_digit() || "-_\\@".contains(c));
        let ids = estate
            .systems
            .keys()
            .cloned()
            .chain(accounts)
            .chain(situation.hosts.keys().cloned());
        let upper = |name: &String| name.chars().any(char::is_uppercase);
        let names = ids.chain(hosts).filter(|n| telling(n) || upper(n)).chain(addresses).collect();
        Self { names }
    }

    /// Replaces every run of names (`a, b und c`) by how many they are.
    pub fn apply(&self, text: &str, language: Language) -> String {
        let mut out = String::new();
        let mut run = 0;
        let mut between = String::new();
        for word in words(text) {
            if self.names.contains(word) {
                run += 1;
                between.clear();
            } else if run > 0 && matches!(word, " " | "," | "und" | "and" | "→" | "/") {
                between.push_str(word);
            } else {
                flush(&mut out, &mut run, &mut between, language);
                out.push_str(word);
            }
        }
        flush(&mut out, &mut run, &mut between, language);
        out
    }
}

fn flush(out: &mut String, run: &mut usize, between: &mut String, language: Language) {
    match *run {
        0 => {}
        1 => out.push_str(language.pick("[ein interner Name]", "[an internal name]")),
        n => out.push_str(&format!("[{n} {}]", language.pick("interne Namen", "internal names"))),
    }
    out.push_str(between);
    between.clear();
    *run = 0;
}

/// Splits into names (letters, digits, `-_.\@` inside) and single other characters.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let part = |c: char| c.is_alphanumeric() || "-_.\\@".contains(c);
        let end = if part(first) {
            let all = rest.find(|c| !part(c)).unwrap_or(rest.len());
            let trimmed = rest[..all].trim_end_matches('.').len();
            if trimmed == 0 { first.len_utf8() } else { trimmed }
        } else {
            first.len_utf8()
        };
        let (word, tail) = rest.split_at(end);
        words.push(word);
        rest = tail;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_instead_of_told() {
        let names = ["fs-01", "SCRANTON", "10.0.0.4"].map(str::to_owned).into();
        let redaction = Redaction { names };
        let apply = |text: &str| redaction.apply(text, Language::En);
        assert_eq!(apply("Seen on fs-01."), "Seen on [an internal name].");
        assert_eq!(
            apply("Seen on fs-01, SCRANTON and 10.0.0.4 since noon."),
            "Seen on [3 internal names] since noon."
        );
        assert_eq!(apply("Von fs-010 nichts. Ende …"), "Von fs-010 nichts. Ende …");
    }
}
