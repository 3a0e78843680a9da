use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use leckwehr_crypt::{Redacted, hex};

use crate::audit::sync_folder;
use crate::context::Context;
use crate::error::io_error;
use crate::{AuditEvent, AuditHead, DocumentId, EpaError, MasterKey};

/// Longest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 25 * 1024 * 1024;
/// Most documents of one record.
pub const DOCUMENTS_MAX: usize = 100_000;

/// Who accesses, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    /// Telematics id, user or program: what the insured person reads in the trail.
    pub actor: &'a str,
    /// Nanoseconds since 1970.
    pub at_ns: i64,
}

/// Records of many insured persons in one folder. One process at a time.
///
/// Every call opens one context, derives its keys, checks its whole trail (O(events) of that person), and forgets the
/// keys again. Asking for a person without a record leaves no event, since there is no trail that it could stand in.
pub struct Store {
    folder: PathBuf,
    master: MasterKey,
    /// Held for its lock.
    _lock: File,
}

impl Store {
    /// Opens or begins the store in `folder`.
    pub fn open(folder: &Path, master: MasterKey) -> Result<Self, EpaError> {
        fs::create_dir_all(folder).map_err(io_error("make the folder", folder))?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).append(true).open(&path);
        let lock = lock.map_err(io_error("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(EpaError::Locked(folder.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
        Ok(Self {
            folder: folder.to_owned(),
            master,
            _lock: lock,
        })
    }

    /// Stores a document durably; the record begins with the first one.
    pub fn put(&mut self, kvnr: &Redacted<String>, access: &Access<'_>, document: &[u8]) -> Result<DocumentId, EpaError> {
        if document.len() > DOCUMENT_BYTES_MAX {
            return Err(EpaError::OverLimit {
                what: "the document",
                limit: "25 MiB",
            });
        }
        let keys = self.master.context_keys(kvnr)?;
        let folder = self.folder.join(hex(&keys.name));
        if !folder.is_dir() {
            fs::create_dir(&folder).map_err(io_error("make the folder", &folder))?;
            sync_folder(&self.folder)?;
        }
        let mut context = Context::open(folder, keys, (access.actor, access.at_ns))?;
        if context.documents() >= DOCUMENTS_MAX {
            return Err(EpaError::OverLimit {
                what: "the record",
                limit: "100,000 documents",
            });
        }
        context.put(document)
    }

    /// Hands out a document.
    pub fn get(&mut self, kvnr: &Redacted<String>, access: &Access<'_>, id: DocumentId) -> Result<Vec<u8>, EpaError> {
        self.context(kvnr, access)?.get(id)
    }

    /// Returns the ids of the documents that were stored, lost ones included.
    pub fn list(&mut self, kvnr: &Redacted<String>, access: &Access<'_>) -> Result<Vec<DocumentId>, EpaError> {
        self.context(kvnr, access)?.list()
    }

    /// Returns every access to this record so far, this one included.
    pub fn audit(&mut self, kvnr: &Redacted<String>, access: &Access<'_>) -> Result<Vec<AuditEvent>, EpaError> {
        self.context(kvnr, access)?.read_audit()
    }

    /// Returns where the trail stands, to be kept elsewhere. Reads nothing of the record but that, and is no access.
    pub fn audit_head(&mut self, kvnr: &Redacted<String>) -> Result<AuditHead, EpaError> {
        let nobody = Access { actor: "", at_ns: 0 };
        Ok(self.context(kvnr, &nobody)?.head())
    }

    /// Returns how many records there are.
    pub fn records(&self) -> Result<usize, EpaError> {
        let entries = fs::read_dir(&self.folder).map_err(io_error("list", &self.folder))?;
        Ok(entries.filter(|e| e.as_ref().is_ok_and(|e| e.path().is_dir())).count())
    }

    fn context<'a>(&self, kvnr: &Redacted<String>, access: &Access<'a>) -> Result<Context<'a>, EpaError> {
        let keys = self.master.context_keys(kvnr)?;
        let folder = self.folder.join(hex(&keys.name));
        if !folder.is_dir() {
            return Err(EpaError::NoRecord);
        }
        Context::open(folder, keys, (access.actor, access.at_ns))
    }
}
