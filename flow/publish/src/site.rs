use std::collections::{BTreeMap, BTreeSet};

use leckwehr_crypt::{SigningKey, hex, sha256};
use leckwehr_estate::Estate;
use leckwehr_incident::{Situation, Timestamp};

use crate::manifest::{FILES_MAX, MANIFEST, Manifest, SIGNATURE, sign};
use crate::pages::Pages;
use crate::{Language, LintFinding, feed, lint_claim, summary};

/// Traffic Light Protocol 2.0 marking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tlp {
    /// May be public.
    #[default]
    Clear,
    /// The community.
    Green,
    /// Organisation and its clients.
    Amber,
    /// Organisation only.
    AmberStrict,
}

impl Tlp {
    /// Returns the marking as the standard writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Clear => "TLP:CLEAR",
            Self::Green => "TLP:GREEN",
            Self::Amber => "TLP:AMBER",
            Self::AmberStrict => "TLP:AMBER+STRICT",
        }
    }
}

/// What a site needs besides the situation; the caller brings the clock and the numbering.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteConfig {
    /// Where the site is meant to be found, with a slash at the end; only the feed and the summary name it.
    pub base_url: String,
    /// Title, usually the provider's name.
    pub title: String,
    /// Languages; the first has the root, every other a folder named by its tag.
    pub languages: Vec<Language>,
    /// Marking.
    pub tlp: Tlp,
    /// Time of issue.
    pub issued: Timestamp,
    /// Until when a reader may trust it; a newer one must be out before.
    pub valid_until: Timestamp,
    /// Sequence number, one more than the site before.
    pub seq: u64,
    /// SHA-256 of the manifest before, hex; `None` for the first site.
    pub prev_manifest_hash: Option<String>,
    /// Entries in the ledger that the situation was folded from.
    pub ledger_size: u64,
    /// Hash line of the ledger's checkpoint.
    pub checkpoint: String,
}

/// A signed site, ready to be copied to any number of folders and hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Pages, feed and summary by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The manifest: what is signed.
    pub manifest: Vec<u8>,
    /// SHA-256 of the manifest, hex: `prev_manifest_hash` of the next site.
    pub manifest_hash: String,
    /// The signature file, minisign format.
    pub signature: Vec<u8>,
    /// Sequence number.
    pub seq: u64,
    /// Claims that were not published, and why.
    pub warnings: Vec<LeftOut>,
}

impl Site {
    /// Returns all files in the order in which they must be written: content first, manifest last.
    pub fn in_order(&self) -> Vec<(&str, &[u8])> {
        let content = self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
        content
            .chain([(SIGNATURE, self.signature.as_slice()), (MANIFEST, self.manifest.as_slice())])
            .collect()
    }
}

/// A claim that was not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Id of the claim.
    pub claim: String,
    /// Language of the wording that failed.
    pub language: String,
    /// Why.
    pub findings: Vec<LintFinding>,
}

/// A site that cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No language.
    #[error("the site has no language: name at least one")]
    NoLanguage,
    /// It would be stale at once.
    #[error("valid until {valid_until} is not after the time of issue {issued}")]
    StaleAtBirth {
        /// Time of issue.
        issued: Timestamp,
        /// End.
        valid_until: Timestamp,
    },
    /// A chain has no hole: every site but the first names the one before, by a SHA-256.
    #[error("site {seq} needs the SHA-256 of the manifest before it (64 hex digits), and only site 1 has none")]
    BrokenChain {
        /// Its number.
        seq: u64,
    },
    /// More customers and services than a site can hold.
    #[error("{files} files, at most {FILES_MAX}")]
    TooLarge {
        /// Files.
        files: usize,
    },
    /// A page could not be written.
    #[error("page {path} could not be written")]
    Page {
        /// Its path.
        path: String,
        /// The cause.
        #[source]
        source: askama::Error,
    },
    /// The manifest could not be written.
    #[error("the manifest could not be written")]
    Manifest(#[source] serde_json::Error),
}

impl PublishError {
    /// Returns the stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoLanguage => "LW-PUBLISH-001",
            Self::StaleAtBirth { .. } => "LW-PUBLISH-002",
            Self::BrokenChain { .. } => "LW-PUBLISH-003",
            Self::TooLarge { .. } => "LW-PUBLISH-004",
            Self::Page { .. } | Self::Manifest(_) => "LW-PUBLISH-005",
        }
    }
}

/// Builds and signs the site for a situation. Pure: equal arguments give equal bytes.
///
/// A claim with a wording that fails [`lint_claim`] is left out in every language and named in [`Site::warnings`].
pub fn build_site(situation: &Situation, estate: &Estate, config: &SiteConfig, key: &SigningKey) -> Result<Site, PublishError> {
    check(config)?;
    let warnings = left_out(situation);
    let silent: BTreeSet<&str> = warnings.iter().map(|w| w.claim.as_str()).collect();
    let pages = Pages::new(situation, estate, config, &silent);
    let mut files = pages.render()?;
    files.insert("feed.atom".to_owned(), feed::atom(&pages).into_bytes());
    files.insert("api/v2/summary.json".to_owned(), summary::statuspage(&pages).into_bytes());
    if files.len() > FILES_MAX {
        return Err(PublishError::TooLarge { files: files.len() });
    }
    let manifest = manifest(config).list(&files);
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(PublishError::Manifest)?;
    let comment = format!(
        "seq:{} issued:{} valid-until:{}",
        config.seq, config.issued, config.valid_until
    );
    Ok(Site {
        files,
        manifest_hash: hex(&sha256(&manifest)),
        signature: sign(&manifest, &comment, key),
        manifest,
        seq: config.seq,
        warnings,
    })
}

fn check(config: &SiteConfig) -> Result<(), PublishError> {
    if config.languages.is_empty() {
        return Err(PublishError::NoLanguage);
    }
    if config.valid_until <= config.issued {
        return Err(PublishError::StaleAtBirth {
            issued: config.issued,
            valid_until: config.valid_until,
        });
    }
    let chained = match &config.prev_manifest_hash {
        None => config.seq == 1,
        Some(hash) => config.seq > 1 && hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()),
    };
    if chained {
        Ok(())
    } else {
        Err(PublishError::BrokenChain { seq: config.seq })
    }
}

fn manifest(config: &SiteConfig) -> Manifest {
    Manifest {
        format: String::new(),
        seq: config.seq,
        prev_hash: config.prev_manifest_hash.clone(),
        issued: config.issued.to_string(),
        valid_until: config.valid_until.to_string(),
        tlp: config.tlp.word().to_owned(),
        ledger_size: config.ledger_size,
        checkpoint: config.checkpoint.clone(),
        files: Vec::new(),
    }
}

fn left_out(situation: &Situation) -> Vec<LeftOut> {
    let claims = situation.claims.values().map(|view| &view.claim);
    let mut warnings = Vec::new();
    for claim in claims {
        if claim.text.is_empty() {
            warnings.push(LeftOut {
                claim: claim.id.clone(),
                language: String::new(),
                findings: vec![LintFinding::NoText],
            });
        }
        for (language, text) in &claim.text {
            let findings = lint_claim(text, claim);
            if !findings.is_empty() {
                warnings.push(LeftOut {
                    claim: claim.id.clone(),
                    language: language.clone(),
                    findings,
                });
            }
        }
    }
    warnings
}
