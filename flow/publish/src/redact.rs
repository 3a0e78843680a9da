use std::collections::BTreeSet;

use leckwehr_estate::Estate;
use leckwehr_incident::Situation;

use crate::Language;

/// Names that must not stand on a public page: hosts of estate and incident, their addresses, accounts.
pub(crate) struct Redaction {
    names: BTreeSet<String>,
}

impl Redaction {
    /// Collects the names. Words that stand in the name of a public service (`mail`) stay: they tell nobody anything.
    pub fn new(situation: &Situation, estate: &Estate) -> Self {
        let impact = &situation.impact;
        let own = estate
            .systems
            .keys()
            .chain(estate.accounts.keys())
            .chain(situation.hosts.keys());
        let assessed = impact.hosts.iter().map(|h| &h.system);
        let accounts = impact.credentials.iter().map(|c| &c.account);
        let observed = impact
            .coverage
            .iter()
            .map(|c| &c.asset)
            .chain(impact.outside.iter().map(|o| &o.address));
        let addresses = estate.systems.values().filter_map(|s| s.address).map(|a| a.to_string());
        let public: BTreeSet<String> = estate
            .services
            .iter()
            .flat_map(|(id, service)| [id.as_str()].into_iter().chain(words(&service.name)))
            .map(str::to_lowercase)
            .collect();
        let names = own.chain(assessed).chain(accounts).chain(observed).cloned().chain(addresses);
        Self {
            names: names.filter(|name| !public.contains(&name.to_lowercase())).collect(),
        }
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
    use leckwehr_estate::Source;
    use leckwehr_incident::HostView;

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
    #[test]
    fn plain_words_are_names_unless_a_service_bears_them() {
        let mut situation = Situation::default();
        situation.hosts.insert("scranton".to_owned(), HostView::default());
        situation.hosts.insert("mail".to_owned(), HostView::default());
        let service = "[service.post]\nname = 'Mail'\npriority = 1\nrto_minutes = 1\nmtpd_minutes = 2\nharm_eur_per_hour = 1\n";
        let estate = Source {
            name: "estate.toml".to_owned(),
            text: format!("name = 'Test'\n{service}"),
        };
        let redaction = Redaction::new(&situation, &Estate::parse(&[estate]).unwrap());
        let told = redaction.apply("Seen on scranton, not on the mail server", Language::En);
        assert_eq!(told, "Seen on [an internal name], not on the mail server");
    }
}
