use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use leckwehr_crypt::{RecordKey, Redacted, SigningKey, hex, sha256};
use leckwehr_incident::{Fact, PaymentStage, Timestamp, What};

use crate::desk_error::DeskError;
use crate::disk::Faults;
use crate::journal::{FileState, Item, Journal, Known, Record, Stage};
use crate::message;
use crate::plan::{MESSAGE_PREFIX, PaymentFile, Plan};
use crate::roster::{APPROVAL_HOURS_MAX, APPROVALS_NEEDED, Roster, approval_bytes, deed_bytes};

const JOURNAL: &str = "journal";
const SEALED: &str = "sealed";
const RELEASED: &str = "released";

/// A person who does something, with the key that proves it.
pub struct Person<'k> {
    /// Name on the roster.
    pub name: &'k str,
    /// Private key.
    pub key: &'k SigningKey,
}

impl Person<'_> {
    fn sign(&self, bytes: &[u8]) -> String {
        hex(&self.key.sign(bytes))
    }
}

/// The folder of the emergency payment run: journal, sealed files, released files. One process at a time.
pub struct Desk {
    folder: PathBuf,
    key: RecordKey,
    faults: Faults,
    journal: Journal,
}

impl Desk {
    /// Opens or begins a desk. The key checks the journal and seals files; keep it off the machine's disk. O(journal).
    ///
    /// # Errors
    /// Disk, lock, another key, or damage.
    pub fn open(folder: &Path, key: &RecordKey, faults: Faults) -> Result<Self, DeskError> {
        for part in [folder.to_owned(), folder.join(SEALED), folder.join(RELEASED)] {
            std::fs::create_dir_all(&part).map_err(DeskError::io("make the folder", &part))?;
        }
        let journal = Journal::open(&folder.join(JOURNAL), key, faults.clone())?;
        let desk = Self {
            folder: folder.to_owned(),
            key: key.clone(),
            faults,
            journal,
        };
        desk.check_released()?;
        Ok(desk)
    }

    /// Every released file must be known as released: an older copy of the journal would pay it again.
    fn check_released(&self) -> Result<(), DeskError> {
        let folder = self.folder.join(RELEASED);
        let released = self.journal.files.values().filter(|state| state.stage == Stage::Released);
        let known: BTreeSet<String> = released.map(|state| format!("{}.xml", state.message_id)).collect();
        for entry in std::fs::read_dir(&folder).map_err(DeskError::io("read", &folder))? {
            let entry = entry.map_err(DeskError::io("read", &folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(MESSAGE_PREFIX) && name.ends_with(".xml") && !known.contains(&name) {
                return Err(DeskError::Rollback(entry.path()));
            }
        }
        Ok(())
    }

    /// Returns the key of the digests by which the guard knows payments.
    pub fn guard_key(&self) -> RecordKey {
        guard_key(&self.key)
    }

    /// Returns the payments that files of this desk hold.
    pub fn known(&self) -> Known {
        self.journal.known()
    }

    /// Returns the files by their SHA-256.
    pub fn files(&self) -> impl Iterator<Item = (&str, &FileState)> {
        self.journal.files.iter().map(|(file, state)| (file.as_str(), state))
    }

    /// Returns the one file whose hash begins so.
    ///
    /// # Errors
    /// None or several.
    pub fn find(&self, beginning: &str) -> Result<String, DeskError> {
        let mut found = self.journal.files.keys().filter(|file| file.starts_with(beginning));
        match (found.next(), found.next()) {
            (Some(file), None) if beginning.len() >= 8 => Ok(file.clone()),
            _ => Err(DeskError::NoFile(beginning.chars().take(64).collect())),
        }
    }

    /// Writes and seals the files of a plan that was made with this desk's [`Self::known`], and reserves their payments file by
    /// file. Returns their hashes. After a crash, planning again finds what was reserved and builds the rest.
    ///
    /// # Errors
    /// Disk, person, or a plan that the journal contradicts: of that file nothing is reserved.
    pub fn build(&mut self, plan: &Plan, roster: &Roster, person: &Person<'_>, now: Timestamp) -> Result<Vec<String>, DeskError> {
        roster.check(person.name, person.key)?;
        let day = now.to_string().get(..10).unwrap_or_default().to_owned();
        let runs: BTreeSet<&str> = self.journal.files.values().map(|state| state.run.as_str()).collect();
        let run = format!("{day}-{}", runs.len() + 1);
        let held = plan.held.len() as u64;
        let mut built = Vec::with_capacity(plan.files.len());
        for file in &plan.files {
            let text = message::write(file, now);
            let hash = hex(&sha256(text.as_bytes()));
            self.seal(&hash, text.as_bytes())?;
            self.journal.append(Record::Reserved {
                at: now,
                by: person.name.to_owned(),
                signature: person.sign(&deed_bytes("build", &hash, person.name, now)),
                run: run.clone(),
                file: hash.clone(),
                message_id: file.message_id.clone(),
                payments: file.payments,
                cents: file.cents,
                held,
                roster: roster.hash().to_owned(),
                items: items(file),
            })?;
            built.push(hash);
        }
        Ok(built)
    }

    /// Takes a person's word for a file, after a look at what is sealed. It counts until `hours` from now.
    ///
    /// # Errors
    /// File, stage, person, or the sealed file.
    pub fn approve(
        &mut self,
        file: &str,
        roster: &Roster,
        person: &Person<'_>,
        now: Timestamp,
        hours: i64,
    ) -> Result<(), DeskError> {
        roster.check(person.name, person.key)?;
        if !(1..=APPROVAL_HOURS_MAX).contains(&hours) {
            return Err(DeskError::Hours);
        }
        let state = self.state(file, roster)?.clone();
        self.unseal(file)?;
        let valid_until = now.plus_ms(hours * 3_600_000);
        self.journal.append(Record::Approved {
            at: now,
            by: person.name.to_owned(),
            file: file.to_owned(),
            valid_until,
            signature: person.sign(&approval_bytes(file, &state, person.name, now, valid_until)),
        })
    }

    /// Hands a file out: two people approved it, and its execution days are to come. Returns its path.
    ///
    /// A release that was interrupted goes on where it stood, and never gives a file out a second time: the file lies under a
    /// name that nobody takes (`.unreleased`) until the journal says that it is out, and then is renamed.
    ///
    /// # Errors
    /// Stage, approvals, days, or the sealed file. Nothing is handed out then.
    pub fn release(&mut self, file: &str, roster: &Roster, by: &str, now: Timestamp, today: Date) -> Result<PathBuf, DeskError> {
        let state = self
            .journal
            .files
            .get(file)
            .ok_or_else(|| DeskError::NoFile(file.to_owned()))?
            .clone();
        let path = self.folder.join(RELEASED).join(format!("{}.xml", state.message_id));
        let waiting = path.with_extension("xml.unreleased");
        if state.stage == Stage::Released {
            return self.finish(&waiting, path, state.stage);
        }
        if state.stage == Stage::Cancelled {
            return Err(DeskError::Stage(state.stage));
        }
        let text = self.unseal(file)?;
        if state.stage == Stage::Reserved {
            self.state(file, roster)?;
            let (counted, ignored) = roster.count(file, &state, now);
            if counted.len() < APPROVALS_NEEDED {
                return Err(DeskError::NotApproved { counted, ignored });
            }
            if let Some(late) = state.execute.filter(|day| *day < today) {
                return Err(DeskError::Late(late));
            }
            self.journal.append(Record::Releasing {
                at: now,
                by: by.to_owned(),
                file: file.to_owned(),
            })?;
        }
        self.faults
            .write_file(&waiting, &text)
            .map_err(DeskError::io("write", &waiting))?;
        self.journal.append(Record::Released {
            at: now,
            by: by.to_owned(),
            file: file.to_owned(),
        })?;
        self.finish(&waiting, path, Stage::Releasing)
    }

    /// Gives a file up before its release; its payments are free for another run.
    ///
    /// # Errors
    /// File, stage, or person.
    pub fn cancel(&mut self, file: &str, roster: &Roster, person: &Person<'_>, now: Timestamp) -> Result<(), DeskError> {
        roster.check(person.name, person.key)?;
        let state = self
            .journal
            .files
            .get(file)
            .ok_or_else(|| DeskError::NoFile(file.to_owned()))?;
        if state.stage != Stage::Reserved {
            return Err(DeskError::Stage(state.stage));
        }
        self.journal.append(Record::Cancelled {
            at: now,
            by: person.name.to_owned(),
            file: file.to_owned(),
            signature: person.sign(&deed_bytes("cancel", file, person.name, now)),
        })
    }

    /// Returns whether a released file still lacks its final name, because the release was interrupted.
    pub fn is_unfinished(&self, state: &FileState) -> bool {
        let waiting = self
            .folder
            .join(RELEASED)
            .join(format!("{}.xml.unreleased", state.message_id));
        state.stage == Stage::Releasing || (state.stage == Stage::Released && waiting.exists())
    }

    /// Returns what a sealed file holds, to be looked at before a word is given for it.
    ///
    /// # Errors
    /// The sealed file.
    pub fn content(&self, file: &str) -> Result<Redacted<Vec<u8>>, DeskError> {
        self.unseal(file).map(Redacted::new)
    }

    /// Returns everything that happened as facts, in order: counts, sums and hashes.
    pub fn facts(&self) -> Vec<Fact> {
        let fact = |at: Timestamp, by: &str, file: &str, stage| {
            let state = self.journal.files.get(file)?;
            let what = What::PaymentRun {
                run: state.run.clone(),
                file: file.to_owned(),
                stage,
                payments: state.payments,
                cents: state.cents,
                held: state.held,
            };
            Some(Fact::new(at, by, what))
        };
        let facts = self.journal.records.iter().filter_map(|record| match record {
            Record::Begun { .. } => None,
            Record::Reserved { at, by, file, .. } => fact(*at, by, file, PaymentStage::Built),
            Record::Approved { at, by, file, .. } => fact(*at, by, file, PaymentStage::Approved),
            Record::Releasing { at, by, file } => fact(*at, by, file, PaymentStage::Releasing),
            Record::Released { at, by, file } => fact(*at, by, file, PaymentStage::Released),
            Record::Cancelled { at, by, file, .. } => fact(*at, by, file, PaymentStage::Cancelled),
        });
        facts.collect()
    }

    /// A file that waits for its release, built under this roster.
    fn state(&self, file: &str, roster: &Roster) -> Result<&FileState, DeskError> {
        let state = self
            .journal
            .files
            .get(file)
            .ok_or_else(|| DeskError::NoFile(file.to_owned()))?;
        match state.stage {
            Stage::Reserved if state.roster != roster.hash() => Err(DeskError::OtherRoster),
            Stage::Reserved => Ok(state),
            stage => Err(DeskError::Stage(stage)),
        }
    }

    fn finish(&self, waiting: &Path, path: PathBuf, before: Stage) -> Result<PathBuf, DeskError> {
        if waiting.exists() {
            self.faults
                .rename(waiting, &path)
                .map_err(DeskError::io("give its name to", &path))?;
        } else if before == Stage::Released {
            return Err(DeskError::Stage(before));
        }
        Ok(path)
    }

    fn sealed_path(&self, file: &str) -> PathBuf {
        self.folder.join(SEALED).join(file)
    }

    fn seal(&self, file: &str, text: &[u8]) -> Result<(), DeskError> {
        let sealed = self.sealing_key().encrypt(file.as_bytes(), text).map_err(DeskError::Seal)?;
        let path = self.sealed_path(file);
        let part = path.with_extension("part");
        let written = self
            .faults
            .write_file(&part, &sealed)
            .and_then(|()| self.faults.rename(&part, &path));
        written.map_err(DeskError::io("write", &path))
    }

    /// Opens a sealed file and holds its content against its hash.
    fn unseal(&self, file: &str) -> Result<Vec<u8>, DeskError> {
        let path = self.sealed_path(file);
        let sealed = std::fs::read(&path).map_err(|_| DeskError::Sealed(path.clone()))?;
        let text = self.sealing_key().decrypt(file.as_bytes(), &sealed).ok();
        let text = text.filter(|text| hex(&sha256(text)) == file);
        text.ok_or(DeskError::Sealed(path))
    }

    fn sealing_key(&self) -> RecordKey {
        self.key.derive(b"leckwehr pay seal v1")
    }
}

/// The key of the digests of a desk with this key.
fn guard_key(key: &RecordKey) -> RecordKey {
    key.derive(b"leckwehr pay guard v1")
}

fn items(file: &PaymentFile) -> Vec<Item> {
    let items = file.batches.iter().flat_map(|batch| {
        batch.payments.iter().map(|payment| Item {
            identity: payment.identity,
            matter: payment.matter,
            likeness: payment.likeness,
            due: payment.due,
            execute: batch.execute,
        })
    });
    items.collect()
}
