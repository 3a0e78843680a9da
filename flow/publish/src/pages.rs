use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use leckwehr_crypt::{hex, sha256};
use leckwehr_estate::{Estate, Party};
use leckwehr_incident::{Claim, ClaimView, Confidence, Phase, Situation, Timestamp};

use crate::redact::Redaction;
use crate::state::{ServiceState, insurers, service_states, worst_for};
use crate::{Language, PublishError, SiteConfig, Works, level_words, moment, phase_sentence, phase_word};

/// The style of every page; it is inline, so that a page is one file.
const STYLE: &str = include_str!("../templates/site.css");

/// Everything that the pages, the feed and the summary are written from.
pub(crate) struct Pages<'a> {
    pub situation: &'a Situation,
    pub estate: &'a Estate,
    pub config: &'a SiteConfig,
    pub states: Vec<ServiceState<'a>>,
    pub insurers: Vec<(&'a str, &'a Party)>,
    pub claims: Vec<&'a ClaimView>,
    pub redaction: Redaction,
}

/// Returns the Content-Security-Policy that allows one inline style and nothing else.
pub fn policy(style: &str) -> String {
    let hash = STANDARD.encode(sha256(style.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

/// What all pages share.
struct Frame<'a> {
    l: Language,
    title: &'a str,
    style: &'static str,
    policy: String,
    /// Way back to the root of the site.
    top: String,
    /// Way back to the root of this language.
    home: String,
    others: Vec<(Language, String)>,
    tlp: &'static str,
    as_of: String,
    issued: String,
    valid_until: String,
    seq: u64,
    ledger_size: u64,
    checkpoint: &'a str,
}

#[derive(Template)]
#[template(path = "index.html")]
struct Index<'a> {
    f: Frame<'a>,
    l: Language,
    phase: &'static str,
    sentence: &'static str,
    simple: Vec<&'static str>,
    services: Vec<ServiceRow<'a>>,
    insurers: usize,
    affected: usize,
    unclear: usize,
    timeline: Vec<(String, &'static str, &'static str)>,
    claims: Vec<ClaimRow>,
    unknowns: usize,
    next_review: Option<String>,
}

#[derive(Template)]
#[template(path = "service.html")]
struct ServicePage<'a> {
    f: Frame<'a>,
    l: Language,
    service: ServiceRow<'a>,
    customers: usize,
    changes: Vec<(String, &'static str, Works)>,
}

#[derive(Template)]
#[template(path = "customer.html")]
struct CustomerPage<'a> {
    f: Frame<'a>,
    l: Language,
    name: &'a str,
    services: Vec<ServiceRow<'a>>,
}

#[derive(Template)]
#[template(path = "customers.html")]
struct CustomersPage<'a> {
    f: Frame<'a>,
    l: Language,
    customers: Vec<(String, &'a str, Works)>,
}

struct ServiceRow<'a> {
    page: String,
    name: &'a str,
    works: Works,
    level: &'static str,
    since: String,
    advice: String,
}

struct ClaimRow {
    text: String,
    text_language: String,
    confidence: &'static str,
    evidence: usize,
    coverage: String,
    not_seen: String,
    said: String,
    review_by: String,
    overdue: bool,
    corrected: Vec<String>,
}

impl<'a> Pages<'a> {
    /// Collects; claims in `silent` are not shown.
    pub fn new(situation: &'a Situation, estate: &'a Estate, config: &'a SiteConfig, silent: &BTreeSet<&str>) -> Self {
        let claims = situation.claims.iter().filter(|(id, _)| !silent.contains(id.as_str()));
        Self {
            situation,
            estate,
            config,
            states: service_states(situation, estate),
            insurers: insurers(estate),
            claims: claims.map(|(_, view)| view).collect(),
            redaction: Redaction::new(situation, estate),
        }
    }

    /// Returns every page in every language, by path.
    pub fn render(&self) -> Result<BTreeMap<String, Vec<u8>>, PublishError> {
        let mut files = BTreeMap::new();
        for language in self.config.languages.iter().copied() {
            self.add(&mut files, language, "index.html".to_owned(), |f| self.index(f).render())?;
            for state in &self.states {
                let path = format!("service/{}", page_name(state.id));
                self.add(&mut files, language, path, |f| self.service(f, state).render())?;
            }
            self.add(&mut files, language, "customer/index.html".to_owned(), |f| {
                self.customers(f).render()
            })?;
            for (id, party) in &self.insurers {
                let path = format!("customer/{}", page_name(id));
                self.add(&mut files, language, path, |f| self.customer(f, id, party).render())?;
            }
        }
        Ok(files)
    }

    /// Returns the time of the earliest review that a published claim needs.
    pub fn next_review(&self) -> Option<Timestamp> {
        self.claims.iter().map(|view| view.claim.review_by).min()
    }

    /// Returns a claim's wording for the public: hosts and accounts are counted, not named. The tag is the wording's.
    pub fn wording(&self, claim: &Claim, language: Language) -> (String, String) {
        let own = claim.text.get_key_value(language.tag());
        match own.or_else(|| claim.text.first_key_value()) {
            Some((tag, text)) => (self.redaction.apply(text, language), tag.clone()),
            None => (String::new(), language.tag().to_owned()),
        }
    }

    fn add(
        &self,
        files: &mut BTreeMap<String, Vec<u8>>,
        language: Language,
        page: String,
        render: impl FnOnce(Frame<'_>) -> askama::Result<String>,
    ) -> Result<(), PublishError> {
        let path = format!("{}{page}", self.folder(language));
        let html = render(self.frame(language, &page)).map_err(|source| PublishError::Page {
            path: path.clone(),
            source,
        })?;
        files.insert(path, html.into_bytes());
        Ok(())
    }

    fn folder(&self, language: Language) -> String {
        if self.config.languages.first() == Some(&language) {
            String::new()
        } else {
            format!("{}/", language.tag())
        }
    }

    fn frame(&self, l: Language, page: &str) -> Frame<'_> {
        let up = |path: &str| "../".repeat(path.matches('/').count());
        let top = up(&format!("{}{page}", self.folder(l)));
        let others = self.config.languages.iter().filter(|other| **other != l);
        let others = others
            .map(|other| (*other, format!("{top}{}{page}", self.folder(*other))))
            .collect();
        Frame {
            l,
            title: &self.config.title,
            style: STYLE,
            policy: policy(STYLE),
            top,
            home: up(page),
            others,
            tlp: self.config.tlp.word(),
            as_of: moment(self.situation.as_of, l),
            issued: moment(self.config.issued, l),
            valid_until: moment(self.config.valid_until, l),
            seq: self.config.seq,
            ledger_size: self.config.ledger_size,
            checkpoint: &self.config.checkpoint,
        }
    }

    fn index<'s>(&'s self, f: Frame<'s>) -> Index<'s> {
        let l = f.l;
        let phase = self.situation.phase;
        let standing: Vec<Works> = self.insurers.iter().map(|(id, _)| worst_for(id, &self.states)).collect();
        let history = self.situation.history.iter().rev();
        Index {
            f,
            l,
            phase: phase_word(phase, l),
            sentence: phase_sentence(phase, l),
            simple: l.pick(simple_words(phase, &self.states), Vec::new()),
            services: self.states.iter().map(|state| self.row(state, l, None)).collect(),
            insurers: standing.len(),
            affected: standing.iter().filter(|w| matches!(w, Works::No | Works::Limited)).count(),
            unclear: standing.iter().filter(|w| **w == Works::Unknown).count(),
            timeline: history
                .map(|(at, phase, _)| (moment(*at, l), phase_word(*phase, l), phase_sentence(*phase, l)))
                .collect(),
            claims: self.claims.iter().map(|view| self.claim_row(view, l)).collect(),
            unknowns: self.situation.impact.unknowns.len()
                + self.situation.impact.exits_unobserved.len()
                + self.situation.unknown.len()
                + self.situation.open_decisions.len(),
            next_review: self.next_review().map(|at| moment(at, l)),
        }
    }

    fn service<'s>(&'s self, f: Frame<'s>, state: &ServiceState<'s>) -> ServicePage<'s> {
        let l = f.l;
        let changes = state.changes.iter().rev();
        ServicePage {
            f,
            l,
            service: self.row(state, l, None),
            customers: self.insurers.iter().filter(|(id, _)| state.is_for(id)).count(),
            changes: changes
                .map(|(at, level)| (moment(*at, l), level_words(Some(*level), l), Works::of(Some(*level))))
                .collect(),
        }
    }

    fn customer<'s>(&'s self, f: Frame<'s>, id: &str, party: &'s Party) -> CustomerPage<'s> {
        let l = f.l;
        let own = self.states.iter().filter(|state| state.is_for(id));
        CustomerPage {
            f,
            l,
            name: &party.name,
            services: own.map(|state| self.row(state, l, Some(id))).collect(),
        }
    }

    fn customers<'s>(&'s self, f: Frame<'s>) -> CustomersPage<'s> {
        let l = f.l;
        let row = |(id, party): &(&'s str, &'s Party)| (page_name(id), party.name.as_str(), worst_for(id, &self.states));
        CustomersPage {
            f,
            l,
            customers: self.insurers.iter().map(row).collect(),
        }
    }

    fn row<'s>(&'s self, state: &ServiceState<'s>, l: Language, party: Option<&str>) -> ServiceRow<'s> {
        ServiceRow {
            page: page_name(state.id),
            name: state.name,
            works: state.works,
            level: level_words(state.level, l),
            since: state
                .since
                .map_or_else(|| l.pick("unbekannt", "unknown").to_owned(), |at| moment(at, l)),
            advice: state.advice(self.estate, l, party),
        }
    }

    fn claim_row(&self, view: &ClaimView, l: Language) -> ClaimRow {
        let claim = &view.claim;
        let (text, text_language) = self.wording(claim, l);
        ClaimRow {
            text,
            text_language,
            confidence: confidence_words(claim.confidence, l),
            evidence: claim.evidence.len(),
            coverage: self.redaction.apply(&claim.coverage, l),
            not_seen: self.redaction.apply(&claim.not_seen, l),
            said: moment(view.said, l),
            review_by: moment(claim.review_by, l),
            overdue: claim.review_by < self.config.issued,
            corrected: view.corrected.iter().rev().map(|old| self.wording(old, l).0).collect(),
        }
    }
}

/// Returns the words for a confidence.
pub(crate) fn confidence_words(confidence: Confidence, language: Language) -> &'static str {
    match confidence {
        Confidence::Confirmed => language.pick("bestätigt", "confirmed"),
        Confidence::Likely => language.pick("wahrscheinlich", "likely"),
        Confidence::Assessed => language.pick("Einschätzung aus Teilwissen", "assessed from partial evidence"),
        Confidence::Unknown => language.pick("nicht bekannt", "unknown"),
    }
}

/// Returns the file name of a page: the id if it is safe on every file system, else the start of its SHA-256.
pub(crate) fn page_name(id: &str) -> String {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if !id.is_empty() && id != "index" && id.len() <= 64 && id.bytes().all(plain) {
        format!("{id}.html")
    } else {
        format!("id.{}.html", &hex(&sha256(id.as_bytes()))[..16])
    }
}

/// Returns the situation in Leichte Sprache: short main clauses, one thought each (DIN SPEC 33429). German only.
fn simple_words(phase: Phase, states: &[ServiceState<'_>]) -> Vec<&'static str> {
    let mut lines = match phase {
        Phase::Watching => vec!["Wir kennen im Moment kein Problem mit unseren Computern."],
        Phase::Alarm => vec![
            "Vielleicht gibt es ein Problem mit unseren Computern.",
            "Das prüfen wir gerade.",
        ],
        Phase::Declared | Phase::Contained | Phase::Assessed => vec![
            "Wahrscheinlich haben fremde Personen unsere Computer angegriffen.",
            "Wir haben Computer ausgeschaltet oder schalten sie noch aus.",
            "So kann der Angriff nicht größer werden.",
        ],
        Phase::Restoring => vec![
            "Wahrscheinlich haben fremde Personen unsere Computer angegriffen.",
            "Wir prüfen die Computer.",
            "Dann schalten wir sie Schritt für Schritt wieder ein.",
        ],
        Phase::Recovered => vec![
            "Es gab einen Angriff auf unsere Computer.",
            "Die Computer laufen wieder.",
            "Wir passen weiter auf.",
        ],
        Phase::Closed => vec!["Es gab ein Problem mit unseren Computern.", "Unsere Arbeit daran ist fertig."],
    };
    if states.iter().any(|state| state.works != Works::Yes) {
        lines.push("Ihre Kranken-Kasse kann deshalb manche Dinge später erledigen als sonst.");
    }
    lines
}
