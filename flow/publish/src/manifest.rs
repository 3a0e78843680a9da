use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use leckwehr_crypt::{SigningKey, VerifyingKey, hex, sha256};
use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

/// Name of the manifest in a site.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Name of its signature.
pub(crate) const SIGNATURE: &str = "manifest.json.sig";
/// What the manifest says it is.
const FORMAT: &str = "leckwehr-site/1";
/// Files in a site at most.
pub const FILES_MAX: usize = 10_000;
/// Size of a manifest at most, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// How far the reader's clock may be behind the publisher's, in milliseconds.
pub const CLOCK_SKEW_MAX_MS: i64 = 300_000;

/// What is signed: every file by hash, in a chain that cannot be rolled back or frozen unseen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub format: String,
    pub seq: u64,
    pub prev_hash: Option<String>,
    pub issued: String,
    pub valid_until: String,
    pub tlp: String,
    pub ledger_size: u64,
    pub checkpoint: String,
    pub files: Vec<FileEntry>,
}

/// A file of the site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileEntry {
    pub path: String,
    pub sha256: String,
    pub bytes: u64,
}

impl Manifest {
    /// Sets format and files.
    pub fn list(mut self, files: &BTreeMap<String, Vec<u8>>) -> Self {
        FORMAT.clone_into(&mut self.format);
        self.files = files
            .iter()
            .map(|(path, bytes)| FileEntry {
                path: path.clone(),
                sha256: hex(&sha256(bytes)),
                bytes: bytes.len() as u64,
            })
            .collect();
        self
    }
}

/// Signs the manifest's bytes the way minisign does (algorithm `Ed`: Ed25519 over the message itself), so that
/// `minisign -V -p key.pub -m manifest.json -x manifest.json.sig` checks a mirror without this program.
pub(crate) fn sign(manifest: &[u8], comment: &str, key: &SigningKey) -> Vec<u8> {
    let signature = key.sign(manifest);
    let global = key.sign(&[&signature[..], comment.as_bytes()].concat());
    let line = [b"Ed", &key_id(&key.verifying_key())[..], &signature].concat();
    let text = format!(
        "untrusted comment: status site\n{}\ntrusted comment: {comment}\n{}\n",
        STANDARD.encode(line),
        STANDARD.encode(global)
    );
    text.into_bytes()
}

/// Returns the public key as the second line of a minisign key file; `minisign -P` takes it as it is.
pub fn public_key_line(key: &VerifyingKey) -> String {
    STANDARD.encode([b"Ed", &key_id(key)[..], key.as_bytes()].concat())
}

/// The key id is a hint for people with many keys; here it is the start of the key's SHA-256.
fn key_id(key: &VerifyingKey) -> [u8; 8] {
    let mut id = [0; 8];
    id.copy_from_slice(&sha256(key.as_bytes())[..8]);
    id
}

fn signature_fits(manifest: &[u8], signature: &[u8], key: &VerifyingKey) -> Option<()> {
    let text = std::str::from_utf8(signature).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let [_, line, comment, global] = lines.as_slice() else {
        return None;
    };
    let line = STANDARD.decode(line).ok()?;
    let signed = line.strip_prefix(b"Ed")?.strip_prefix(&key_id(key))?;
    let comment = comment.strip_prefix("trusted comment: ")?;
    key.verify(manifest, signed).ok()?;
    key.verify(&[signed, comment.as_bytes()].concat(), &STANDARD.decode(global).ok()?)
        .ok()
}

/// A site that is what its publisher signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Sequence number.
    pub seq: u64,
    /// SHA-256 of this manifest, hex.
    pub manifest_hash: String,
    /// SHA-256 of the manifest before, hex; `None` for the first.
    pub prev_hash: Option<String>,
    /// When it was issued.
    pub issued: Timestamp,
    /// Until when it may be shown without a warning.
    pub valid_until: Timestamp,
    /// Files that fit the manifest.
    pub files: usize,
}

/// One thing that is wrong with a site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No manifest or no signature.
    #[error("{path} is missing")]
    NotSigned {
        /// Which.
        path: &'static str,
    },
    /// The signature does not fit manifest and key.
    #[error("the signature does not fit the manifest and this key")]
    BadSignature,
    /// Signed, yet not a manifest of this format and within the limits.
    #[error("the manifest cannot be read: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// Older than what was already seen.
    #[error("rolled back: sequence {found}, but {seen} was seen before")]
    RolledBack {
        /// Found.
        found: u64,
        /// Seen before.
        seen: u64,
    },
    /// Past its time.
    #[error("stale: valid until {valid_until}")]
    Stale {
        /// Its end.
        valid_until: Timestamp,
    },
    /// Issued later than now.
    #[error("issued in the future, at {issued}: check the clock")]
    FromTheFuture {
        /// Its issue.
        issued: Timestamp,
    },
    /// A file is not what was signed.
    #[error("{path} was changed")]
    Changed {
        /// Its path.
        path: String,
    },
    /// A signed file is not there.
    #[error("{path} is missing")]
    Missing {
        /// Its path.
        path: String,
    },
    /// A file that nobody signed.
    #[error("{path} does not belong to the site")]
    Extra {
        /// Its path.
        path: String,
    },
}

/// Everything that is wrong with a site, not only the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the site is not what was signed: {}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct VerifyError {
    /// The faults.
    pub faults: Vec<Fault>,
}

impl From<Fault> for VerifyError {
    fn from(fault: Fault) -> Self {
        Self { faults: vec![fault] }
    }
}

/// Checks a site as an outside reader got it: `files` holds everything that was found, the manifest and its signature too.
///
/// `last_seen_seq` is the highest sequence number this reader has seen (0 for none); `now` is the reader's clock.
pub fn verify_site(
    files: &BTreeMap<String, Vec<u8>>,
    key: &VerifyingKey,
    last_seen_seq: u64,
    now: Timestamp,
) -> Result<Verified, VerifyError> {
    let bytes = files.get(MANIFEST).ok_or(Fault::NotSigned { path: MANIFEST })?;
    let signature = files.get(SIGNATURE).ok_or(Fault::NotSigned { path: SIGNATURE })?;
    signature_fits(bytes, signature, key).ok_or(Fault::BadSignature)?;
    let manifest = read(bytes)?;
    let issued = time(&manifest.issued)?;
    let valid_until = time(&manifest.valid_until)?;

    let mut faults = file_faults(&manifest, files);
    if manifest.seq < last_seen_seq {
        faults.push(Fault::RolledBack {
            found: manifest.seq,
            seen: last_seen_seq,
        });
    }
    if now > valid_until {
        faults.push(Fault::Stale { valid_until });
    }
    if issued > now.plus_ms(CLOCK_SKEW_MAX_MS) {
        faults.push(Fault::FromTheFuture { issued });
    }
    if !faults.is_empty() {
        return Err(VerifyError { faults });
    }
    Ok(Verified {
        seq: manifest.seq,
        manifest_hash: hex(&sha256(bytes)),
        prev_hash: manifest.prev_hash,
        issued,
        valid_until,
        files: manifest.files.len(),
    })
}

fn read(bytes: &[u8]) -> Result<Manifest, Fault> {
    let unreadable = |reason: String| Fault::Unreadable { reason };
    if bytes.len() > MANIFEST_BYTES_MAX {
        return Err(unreadable(format!("larger than {MANIFEST_BYTES_MAX} bytes")));
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| unreadable(e.to_string()))?;
    if manifest.format != FORMAT {
        return Err(unreadable(format!("format {:?} is not {FORMAT}", manifest.format)));
    }
    if manifest.files.len() > FILES_MAX {
        return Err(unreadable(format!("more than {FILES_MAX} files")));
    }
    Ok(manifest)
}

fn time(text: &str) -> Result<Timestamp, Fault> {
    text.parse().map_err(|_| Fault::Unreadable {
        reason: format!("{text:?} is not a time"),
    })
}

fn file_faults(manifest: &Manifest, files: &BTreeMap<String, Vec<u8>>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut extra: BTreeSet<&str> = files.keys().map(String::as_str).collect();
    extra.remove(MANIFEST);
    extra.remove(SIGNATURE);
    for entry in &manifest.files {
        extra.remove(entry.path.as_str());
        let path = entry.path.clone();
        match files.get(&entry.path) {
            None => faults.push(Fault::Missing { path }),
            Some(bytes) if hex(&sha256(bytes)) != entry.sha256 => faults.push(Fault::Changed { path }),
            Some(_) => {}
        }
    }
    faults.extend(extra.into_iter().map(|path| Fault::Extra { path: path.to_owned() }));
    faults
}
