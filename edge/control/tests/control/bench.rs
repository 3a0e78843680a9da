//! Where recordings are replayed.

use std::fs;
use std::path::{Path, PathBuf};

use leckwehr_contain::TakedownPolicy;
use leckwehr_control::{ReplayError, ReplayOutcome, ReplaySettings, replay};
use leckwehr_crypt::SigningKey;
use leckwehr_estate::Estate;
use leckwehr_publish::Language;
use tempfile::TempDir;

/// A folder for telemetry and results.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Replays into the folder `out`; `keys` tells two replays' keys apart.
    pub fn replay(&self, telemetry: &[PathBuf], out: &str, keys: u8) -> Result<ReplayOutcome, ReplayError> {
        let settings = ReplaySettings {
            estate: estate(),
            telemetry: telemetry.to_vec(),
            out: self.path(out),
            ledger_key: SigningKey::from_seed(&[keys; 32]).unwrap(),
            site_key: SigningKey::from_seed(&[keys + 1; 32]).unwrap(),
            policy: TakedownPolicy::default(),
            aware: None,
            language: Language::En,
        };
        replay(&settings, &mut |_| {})
    }
}

/// The small estate of the recording.
pub fn estate() -> Estate {
    Estate::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/apt29")).unwrap()
}

/// Twelve records of two hosts, the last ones a backup that is destroyed.
pub fn quiet_then_loud() -> String {
    let line = |second: usize, category: &str, action: &str| {
        format!(
            r#"{{"@timestamp":"2023-04-25T03:12:{second:02}Z","agent":{{"id":"sensor-b"}},"host":{{"name":"backup-1"}},"event":{{"sequence":{second},"category":["{category}"],"dataset":"backup","action":"{action}","outcome":"success"}},"file":{{"path":"snap-{second}"}},"source":{{"ip":"10.0.1.5"}},"user":{{"name":"adm-backup"}}}}"#
        )
    };
    let quiet = (1..8).map(|second| line(second, "authentication", "logon"));
    let loud = (8..13).map(|second| line(second, "configuration", "snapshot-delete"));
    quiet.chain(loud).map(|line| line + "\n").collect()
}

/// Returns the file of the shared data, or says that the test is skipped.
#[expect(clippy::disallowed_methods, reason = "tests learn from the environment where the data lies")]
pub fn data(name: &str) -> Option<PathBuf> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var("LECKWEHR_DATA").map_or(default, PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var("LECKWEHR_REQUIRE_DATA").as_deref() != Ok("1"),
        "{} is missing",
        path.display()
    );
    println!("skipped: {} is not there", path.display());
    None
}
