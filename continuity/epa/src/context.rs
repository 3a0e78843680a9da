use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use leckwehr_crypt::random_bytes;

use crate::audit::{Trail, sync_folder};
use crate::error::io_error;
use crate::key::ContextKeys;
use crate::{Action, AuditEvent, AuditHead, DocumentId, EpaError};

/// One insured person's record, open for one access. Its keys go when it is dropped.
pub(crate) struct Context<'a> {
    folder: PathBuf,
    keys: ContextKeys,
    trail: Trail,
    events: Vec<AuditEvent>,
    /// Documents that the trail says were stored.
    documents: BTreeSet<DocumentId>,
    access: (&'a str, i64),
}

const MAGIC: &[u8] = b"LWEPA 1\n";

impl<'a> Context<'a> {
    /// Opens a record, checks its trail, and finishes or undoes what a crash left half done.
    pub fn open(folder: PathBuf, keys: ContextKeys, access: (&'a str, i64)) -> Result<Self, EpaError> {
        let (trail, events) = Trail::open(&folder, &keys, access)?;
        let stored = |event: &AuditEvent| match event.action {
            Action::Put { document } => Some(document),
            _ => None,
        };
        let context = Self {
            documents: events.iter().filter_map(stored).collect(),
            folder,
            keys,
            trail,
            events,
            access,
        };
        context.settle()?;
        Ok(context)
    }

    /// Stores a document. The event in the trail is the commit: before it, a crash leaves nothing; after it, the
    /// document is there when the record is opened next.
    pub fn put(&mut self, plain: &[u8]) -> Result<DocumentId, EpaError> {
        let id = DocumentId(random_bytes().map_err(EpaError::Seal)?);
        let sealed = self.keys.record.encrypt(&self.bound_to(id), plain).map_err(EpaError::Seal)?;
        let unfinished = self.file(id, "new");
        let written = File::create_new(&unfinished).and_then(|mut file| {
            file.write_all(MAGIC)?;
            file.write_all(&sealed)?;
            file.sync_all()
        });
        written.map_err(io_error("write", &unfinished))?;
        sync_folder(&self.folder)?;
        self.note(Action::Put { document: id })?;
        self.documents.insert(id);
        self.finish(id)?;
        Ok(id)
    }

    /// Hands out a document, after the event that says so is durable.
    pub fn get(&mut self, id: DocumentId) -> Result<Vec<u8>, EpaError> {
        let found = self.read(id);
        let given = found.is_ok();
        self.note(Action::Get { document: id, given })?;
        found
    }

    /// Returns the documents that were stored, lost ones included.
    pub fn list(&mut self) -> Result<Vec<DocumentId>, EpaError> {
        self.note(Action::List)?;
        Ok(self.documents.iter().copied().collect())
    }

    /// Returns the trail, this reading included.
    pub fn read_audit(mut self) -> Result<Vec<AuditEvent>, EpaError> {
        self.note(Action::ReadAudit)?;
        Ok(self.events)
    }

    pub fn head(&self) -> AuditHead {
        self.trail.head
    }

    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    fn read(&self, id: DocumentId) -> Result<Vec<u8>, EpaError> {
        let document = id.to_string();
        if !self.documents.contains(&id) {
            return Err(EpaError::NoDocument { document });
        }
        let path = self.file(id, "rec");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(EpaError::DocumentDamaged { document }),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        let sealed = bytes.strip_prefix(MAGIC);
        let plain = sealed.and_then(|sealed| self.keys.record.decrypt(&self.bound_to(id), sealed).ok());
        plain.ok_or(EpaError::DocumentDamaged { document })
    }

    fn note(&mut self, action: Action) -> Result<(), EpaError> {
        let event = self.trail.append(&self.keys, self.access, action)?;
        self.events.push(event);
        Ok(())
    }

    /// Finishes documents whose event exists, removes those without. A finished document that the trail does not know
    /// means that the trail was cut.
    fn settle(&self) -> Result<(), EpaError> {
        for entry in fs::read_dir(&self.folder).map_err(io_error("list", &self.folder))? {
            let path = entry.map_err(io_error("list", &self.folder))?.path();
            let Some(id) = id_of(&path) else { continue };
            let known = self.documents.contains(&id);
            match path.extension().and_then(|e| e.to_str()) {
                Some("new") if known => self.finish(id)?,
                Some("new") => fs::remove_file(&path).map_err(io_error("remove", &path))?,
                Some("rec") if !known => return Err(self.trail.damaged()),
                _ => {}
            }
        }
        Ok(())
    }

    fn finish(&self, id: DocumentId) -> Result<(), EpaError> {
        let path = self.file(id, "rec");
        fs::rename(self.file(id, "new"), &path).map_err(io_error("finish", &path))?;
        sync_folder(&self.folder)
    }

    fn file(&self, id: DocumentId, extension: &str) -> PathBuf {
        self.folder.join(format!("{id}.{extension}"))
    }

    fn bound_to(&self, id: DocumentId) -> Vec<u8> {
        [&b"leckwehr epa v1 document"[..], &self.keys.name, &id.0].concat()
    }
}

fn id_of(path: &Path) -> Option<DocumentId> {
    DocumentId::parse(path.file_stem()?.to_str()?)
}
