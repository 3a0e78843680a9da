use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

use crate::watch::follow::Left;

const STATE: &str = "watch.json";
pub(crate) const VERSION: u32 = 1;

/// Where a watch goes on after a restart, beside its ledger.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub version: u32,
    pub learning_until: Option<Timestamp>,
    /// By path.
    pub files: BTreeMap<String, Left>,
    /// The detectors' snapshot.
    pub detectors: String,
}

impl State {
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(folder.join(STATE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let state: Self = serde_json::from_slice(&bytes)?;
        match state.version {
            VERSION => Ok(Some(state)),
            other => Err(io::Error::other(format!(
                "{STATE} has version {other}, this program reads version {VERSION}: remove it to learn anew"
            ))),
        }
    }

    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let new = folder.join("watch.json.new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        fs::rename(&new, folder.join(STATE))?;
        File::open(folder)?.sync_all()
    }
}
