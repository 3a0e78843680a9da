use leckwehr_incident::Timestamp;

use crate::pages::{Pages, page_name};
use crate::svg::escape;
use crate::{level_words, phase_sentence, phase_word};

/// Entries in the feed at most, newest first.
const ENTRIES_MAX: usize = 50;

struct Entry {
    id: String,
    at: Timestamp,
    title: String,
    link: String,
    text: String,
}

/// Writes the Atom feed (RFC 4287) in the first language: phases, claims with their corrections, changes of services.
pub(crate) fn atom(pages: &Pages<'_>) -> String {
    let config = pages.config;
    let base = escape(&config.base_url);
    let language = config.languages.first().copied().unwrap_or(crate::Language::De);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"{}\">\n\
         <id>{base}feed.atom</id>\n<title>{}</title>\n<updated>{}</updated>\n<author><name>{}</name></author>\n\
         <link rel=\"self\" href=\"{base}feed.atom\"/>\n<link href=\"{base}\"/>\n",
        language.tag(),
        escape(&config.title),
        config.issued,
        escape(&config.title),
    );
    let mut entries = entries(pages, language);
    entries.sort_by(|a, b| (b.at, &a.id).cmp(&(a.at, &b.id)));
    for entry in entries.into_iter().take(ENTRIES_MAX) {
        out.push_str(&format!(
            "<entry>\n<id>{base}{}</id>\n<title>{}</title>\n<updated>{}</updated>\n<link href=\"{base}{}\"/>\n\
             <content type=\"text\">{}</content>\n</entry>\n",
            escape(&entry.id),
            escape(&entry.title),
            entry.at,
            escape(&entry.link),
            escape(&entry.text),
        ));
    }
    out.push_str("</feed>\n");
    out
}

fn entries(pages: &Pages<'_>, language: crate::Language) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (n, (at, phase, _)) in pages.situation.history.iter().enumerate() {
        entries.push(Entry {
            id: format!("#phase-{n}"),
            at: *at,
            title: phase_word(*phase, language).to_owned(),
            link: String::new(),
            text: phase_sentence(*phase, language).to_owned(),
        });
    }
    for view in &pages.claims {
        let old: Vec<String> = view.corrected.iter().map(|claim| pages.wording(claim, language).0).collect();
        let corrected = language.pick("Berichtigung", "Correction");
        let before = language.pick("Früher gesagt:", "Said before:");
        let mut text = pages.wording(&view.claim, language).0;
        for earlier in old.iter().rev() {
            text.push_str(&format!(" {before} „{earlier}“"));
        }
        entries.push(Entry {
            id: format!("#{}-{}", view.claim.id, old.len()),
            at: view.said,
            title: if old.is_empty() {
                language.pick("Aussage", "Claim")
            } else {
                corrected
            }
            .to_owned(),
            link: "#claims".to_owned(),
            text,
        });
    }
    for state in &pages.states {
        for (n, (at, level)) in state.changes.iter().enumerate().skip(1) {
            entries.push(Entry {
                id: format!("service/{}#{n}", page_name(state.id)),
                at: *at,
                title: format!("{}: {}", state.name, level_words(Some(*level), language)),
                link: format!("service/{}", page_name(state.id)),
                text: format!("{}: {}", state.name, level_words(Some(*level), language)),
            });
        }
    }
    entries
}
