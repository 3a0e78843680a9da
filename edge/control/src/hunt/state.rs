use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use leckwehr_crypt::{hex, sha256};
use leckwehr_incident::Finding;
use serde::{Deserialize, Serialize};

use crate::hunt::report::HuntReport;
use crate::hunt::walk::Files;
use crate::hunt::{HuntError, HuntSettings};

const STATE: &str = "hunt.json";
const FINDINGS: &str = "findings.jsonl";
const VERSION: u32 = 1;

/// The folder in which a hunt keeps where it is and what it found, so that it can be resumed.
///
/// `findings.jsonl` holds every finding exactly once, whenever and however the process ended; `hunt.json` says how far it is.
#[derive(Debug)]
pub struct HuntState {
    folder: PathBuf,
    rules: String,
}

/// How far a hunt is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    version: u32,
    /// What the hunt is about, by part.
    about: Vec<(String, String)>,
    /// Pieces wholly read.
    pub pieces: usize,
    /// Batches of the next piece that were taken.
    pub batches: u64,
    /// Lines of the pieces before, of the same file.
    pub lines: u64,
    /// Bytes of the findings' file.
    findings_bytes: u64,
    pub report: HuntReport,
    /// The detectors' snapshot.
    pub detectors: Option<String>,
    pub learned: bool,
    done: bool,
}

/// An open state.
pub(crate) struct OpenState {
    folder: PathBuf,
    findings: BufWriter<File>,
    bytes: u64,
    about: Vec<(String, String)>,
}

impl HuntState {
    /// Names the folder, and what the rules are (their digest): a hunt with other rules is another hunt.
    pub fn new(folder: PathBuf, rules: String) -> Self {
        Self { folder, rules }
    }

    /// Returns the file that holds every finding exactly once.
    pub fn findings(&self) -> PathBuf {
        self.folder.join(FINDINGS)
    }

    /// Opens the folder; returns how far an earlier run came, if there was one.
    pub(crate) fn open(self, settings: &HuntSettings, files: &Files) -> Result<(OpenState, Option<Progress>), HuntError> {
        let failed = |source| HuntError::State {
            folder: self.folder.clone(),
            source,
        };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let about = about(settings, files, &self.rules);
        let progress = read(&self.folder.join(STATE)).map_err(failed)?;
        if let Some(progress) = &progress {
            let differs = |(a, b): &(&(String, String), &(String, String))| a != b;
            let different: Vec<&str> = progress
                .about
                .iter()
                .zip(&about)
                .filter(differs)
                .map(|(a, _)| a.0.as_str())
                .collect();
            if !different.is_empty() || progress.version != VERSION || progress.about.len() != about.len() {
                return Err(HuntError::OtherHunt {
                    folder: self.folder.clone(),
                    what: if different.is_empty() {
                        "versions".to_owned()
                    } else {
                        different.join(", ")
                    },
                });
            }
        }
        let bytes = progress.as_ref().map_or(0, |p| p.findings_bytes);
        let findings = open_findings(&self.folder.join(FINDINGS), bytes).map_err(failed)?;
        let open = OpenState {
            folder: self.folder,
            findings: BufWriter::with_capacity(1 << 16, findings),
            bytes,
            about,
        };
        Ok((open, progress))
    }
}

impl Progress {
    pub fn is_done(&self) -> bool {
        self.done
    }
}

impl OpenState {
    /// Keeps a finding; it is safe after the next [`OpenState::save`].
    pub fn keep(&mut self, finding: &Finding) -> Result<(), HuntError> {
        let mut line = serde_json::to_vec(finding).unwrap_or_default();
        line.push(b'\n');
        self.bytes += line.len() as u64;
        let written = self.findings.write_all(&line);
        written.map_err(|source| self.failed(source))
    }

    /// Makes findings and progress durable: first the one, then the other.
    pub fn save(&mut self, mut progress: Progress, done: bool) -> Result<(), HuntError> {
        progress.version = VERSION;
        progress.about.clone_from(&self.about);
        progress.findings_bytes = self.bytes;
        progress.done = done;
        self.write(&progress).map_err(|source| self.failed(source))
    }

    fn write(&mut self, progress: &Progress) -> io::Result<()> {
        self.findings.flush()?;
        self.findings.get_ref().sync_data()?;
        let new = self.folder.join("hunt.json.new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(progress)?)?;
        file.sync_data()?;
        fs::rename(&new, self.folder.join(STATE))?;
        File::open(&self.folder)?.sync_all()
    }

    fn failed(&self, source: io::Error) -> HuntError {
        HuntError::State {
            folder: self.folder.clone(),
            source,
        }
    }
}

fn read(path: &Path) -> io::Result<Option<Progress>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens the findings for writing behind the first `bytes`: what was written later was not yet said to be done, and comes again.
fn open_findings(path: &Path, bytes: u64) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)?;
    let there = file.metadata()?.len();
    if there < bytes {
        let lost = format!("{FINDINGS} has {there} bytes, and {bytes} were written");
        return Err(io::Error::other(lost));
    }
    file.set_len(bytes)?;
    file.seek(SeekFrom::Start(bytes))?;
    Ok(file)
}

fn about(settings: &HuntSettings, files: &Files, rules: &str) -> Vec<(String, String)> {
    let mut list = String::new();
    for file in &files.files {
        list.push_str(&format!("{}\t{}\n", file.path.display(), file.bytes));
    }
    let options = format!(
        "{} {:?} {:?} {:?}",
        settings.weight_min, settings.from, settings.to, settings.behaviour
    );
    [
        ("files or their sizes", hex(&sha256(list.as_bytes()))),
        ("rules", rules.to_owned()),
        ("options", options),
    ]
    .map(|(what, value)| (what.to_owned(), value))
    .into()
}
