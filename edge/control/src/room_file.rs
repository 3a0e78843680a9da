use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};

use leckwehr_contain::Protocol;
use leckwehr_crypt::{Identity, from_hex};
use leckwehr_estate::Estate;
use serde::Deserialize;

use crate::config::{Config, Confirmer, LifeLine};

/// Largest file that is read here, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Milliseconds in a planned minute.
const MINUTE_MS: u64 = 60_000;

/// What is wrong with the file of a control room.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct RoomFileError {
    /// The file.
    pub file: String,
    /// What is wrong there.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// The file of a control room: `room.toml`. Paths count from its folder.
///
/// ```toml
/// estate = "estate"                  # folder
/// folder = "room"                    # ledger and site; one that is there is continued
/// seed = "control-room.seed"         # these four as `leckwehr guard keys` makes them
/// root = "root.pem"
/// certificate = "control-room.pem"
/// key = "control-room.key"
/// protocol = "protocol.toml"         # who may approve what; needs the estate
/// approvals = 2                      # people who must approve a plan
/// [executors]
/// guard-a = "10.0.0.1:8443"
/// [approvers]                        # public keys
/// anna = "3b6a…"
/// [[confirmer]]                      # who says that work by hand is done, beside the approvers
/// name = "carla"
/// key = "9f1c…"
/// for = ["crew:windows"]
/// [[life-line]]                      # a takedown that costs one of these is undone
/// from = "ward-1"
/// to = "10.1.0.5:443"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RoomToml {
    #[serde(default)]
    estate: Option<PathBuf>,
    #[serde(default)]
    protocol: Option<PathBuf>,
    folder: PathBuf,
    seed: PathBuf,
    root: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    #[serde(default = "two")]
    approvals: usize,
    executors: BTreeMap<String, SocketAddrV4>,
    approvers: BTreeMap<String, String>,
    #[serde(default)]
    confirmer: Vec<ConfirmerToml>,
    #[serde(default)]
    life_line: Vec<LifeLineToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmerToml {
    name: String,
    key: String,
    #[serde(rename = "for")]
    executors: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LifeLineToml {
    from: String,
    to: SocketAddrV4,
}

fn two() -> usize {
    2
}

impl Config {
    /// Reads the file of a control room and every file that it names.
    ///
    /// # Errors
    /// The first place that is wrong, with what to do.
    pub fn read(file: &Path) -> Result<Self, RoomFileError> {
        let base = file.parent().unwrap_or(Path::new("."));
        let bytes = read(file)?;
        let text = String::from_utf8(bytes).map_err(|e| fault(file, e.to_string(), "write it in UTF-8"))?;
        let room: RoomToml = toml::from_str(&text)
            .map_err(|error| fault(file, error.to_string(), "`leckwehr takedown run --help` shows a whole file"))?;
        let within = |path: &Path| base.join(path);
        if room.approvals < 2 {
            let remedy = "write `approvals = 2` or more: executors refuse plans with fewer";
            return Err(fault(file, format!("approvals = {}", room.approvals), remedy));
        }
        if room.approvers.len() < room.approvals {
            let reason = format!("{} approvers, and {} must approve", room.approvers.len(), room.approvals);
            return Err(fault(file, reason, "add people under [approvers]"));
        }
        let seed = seed(&within(&room.seed))?;
        let (root, certificate, key) = (within(&room.root), within(&room.certificate), within(&room.key));
        let identity = Identity::from_pem(&read(&root)?, &read(&certificate)?, &read(&key)?)
            .map_err(|error| fault(&certificate, error.to_string(), "make them with `leckwehr guard keys`"))?;
        let mut approvers = BTreeMap::new();
        for (name, key) in room.approvers {
            approvers.insert(name.clone(), public_key(file, &format!("[approvers] {name}"), &key)?);
        }
        let mut confirmers = Vec::new();
        for ConfirmerToml { name, key, executors } in room.confirmer {
            let both = ["crew:", "party:"].map(|kind| executors.iter().any(|e| e.starts_with(kind)));
            if both == [true, true] {
                let reason = format!("[[confirmer]] {name} speaks for our crews and for a party");
                return Err(fault(
                    file,
                    reason,
                    "both sides' word needs two people: give each a key of their own",
                ));
            }
            if approvers.contains_key(&name) {
                let reason = format!("[[confirmer]] {name} is an approver");
                return Err(fault(
                    file,
                    reason,
                    "approvers confirm our crews' work as they are; choose another name",
                ));
            }
            let key = public_key(file, &format!("[[confirmer]] {name}"), &key)?;
            confirmers.push(Confirmer { name, key, executors });
        }
        let estate = match &room.estate {
            Some(folder) => Estate::load(&within(folder)).map_err(|errors| {
                fault(
                    &within(folder),
                    errors.to_string(),
                    "`leckwehr estate check` names every place",
                )
            })?,
            None => Estate::default(),
        };
        let protocol = room.protocol.as_ref().map(|path| {
            let path = within(path);
            let text = String::from_utf8_lossy(&read(&path)?).into_owned();
            Protocol::parse(&path.display().to_string(), &text, &estate)
                .map_err(|errors| fault(&path, errors.to_string(), "`leckwehr takedown protocol` names every place"))
        });
        let protocol = protocol.transpose()?;
        let life_lines = room.life_line.into_iter().map(|line| LifeLine {
            from: line.from,
            to: line.to,
        });
        Ok(Self {
            estate,
            folder: within(&room.folder),
            ledger_seed: seed,
            site_seed: seed,
            identity,
            executors: room.executors,
            mirrors: Vec::new(),
            vault: None,
            policy: leckwehr_contain::TakedownPolicy::default(),
            approvers,
            approvals_min: room.approvals,
            protocol,
            confirmers,
            life_lines: life_lines.collect(),
            minute_ms: MINUTE_MS,
        })
    }
}

fn public_key(file: &Path, whose: &str, text: &str) -> Result<[u8; 32], RoomFileError> {
    let key = from_hex(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    key.ok_or_else(|| fault(file, format!("{whose}: not a public key"), "64 hex digits of an Ed25519 key"))
}

/// Reads a secret of 32 bytes, written as 64 hex digits.
fn seed(path: &Path) -> Result<[u8; 32], RoomFileError> {
    let bytes = read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let seed = from_hex(text.trim()).and_then(|bytes| bytes.try_into().ok());
    seed.ok_or_else(|| {
        fault(
            path,
            "not a seed of 64 hex digits".to_owned(),
            "make one with `leckwehr guard keys`",
        )
    })
}

fn read(path: &Path) -> Result<Vec<u8>, RoomFileError> {
    let cannot = |error: std::io::Error| fault(path, error.to_string(), "check the name and who may read it");
    if fs::metadata(path).map_err(cannot)?.len() > FILE_BYTES_MAX {
        return Err(fault(
            path,
            format!("longer than {FILE_BYTES_MAX} bytes"),
            "name the right file",
        ));
    }
    fs::read(path).map_err(cannot)
}

fn fault(file: &Path, reason: String, remedy: &str) -> RoomFileError {
    RoomFileError {
        file: file.display().to_string(),
        reason,
        remedy: remedy.to_owned(),
    }
}
