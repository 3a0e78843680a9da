use std::io::Read;

use crate::{Issue, IssueKind, Place};

/// Longest document read, in bytes: the net limit of a KIM mail.
pub const DOCUMENT_BYTES_MAX: usize = 25 * 1024 * 1024;
/// Deepest nesting read, in elements.
pub const DEPTH_MAX: usize = 100;
/// Most elements read: a document of the greatest length has about 700,000.
pub const ELEMENTS_MAX: usize = 1_000_000;
/// Longest single value read, in bytes. FHIR limits strings to 1 MiB; what is longer is an attachment in base64.
pub const DATA_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most attributes of one element.
pub const ATTRIBUTES_MAX: usize = 64;
/// Most namespace declarations in force at one place.
pub const NAMESPACES_MAX: usize = 64;
/// Most issues kept of one reading; what comes after the last is counted nowhere, but the document is known to be faulty.
pub const ISSUES_MAX: usize = 1_000;

/// What a reader takes before it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest document, in bytes; never more than 1 GiB, because places are kept in 32 bits.
    pub document_bytes_max: usize,
    /// Deepest nesting, in elements; never more than [`DEPTH_MAX`], because JSON is put in order by a recursion.
    pub depth_max: usize,
    /// Most elements.
    pub elements_max: usize,
    /// Longest single value, in bytes.
    pub data_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes_max: DOCUMENT_BYTES_MAX,
            depth_max: DEPTH_MAX,
            elements_max: ELEMENTS_MAX,
            data_bytes_max: DATA_BYTES_MAX,
        }
    }
}

impl Limits {
    pub(crate) fn document_bytes(&self) -> usize {
        self.document_bytes_max.min(1 << 30)
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth_max.min(DEPTH_MAX)
    }
}

/// Why a stream could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The stream is longer than the limit; no more than that was read.
    #[error("the document is longer than {bytes_max} bytes")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// Reading failed.
    #[error("reading stopped after {bytes} bytes")]
    Io {
        /// How far it came.
        bytes: usize,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl StreamError {
    /// Returns the same as an issue of the document, where it is one.
    pub fn issue(&self) -> Option<Issue> {
        match self {
            Self::TooLong { bytes_max } => Some(Issue {
                kind: IssueKind::TooLong,
                place: Place {
                    byte: *bytes_max as u64,
                    line: 0,
                    column: 0,
                },
            }),
            Self::Io { .. } => None,
        }
    }
}

/// Reads a stream up to the limit for documents and no further: memory is bounded by the limit, whatever the stream holds.
pub fn read_bounded(stream: impl Read, limits: &Limits) -> Result<Vec<u8>, StreamError> {
    let bytes_max = limits.document_bytes();
    let mut bytes = Vec::new();
    match stream.take(bytes_max as u64 + 1).read_to_end(&mut bytes) {
        Err(source) => Err(StreamError::Io {
            bytes: bytes.len(),
            source,
        }),
        Ok(_) if bytes.len() > bytes_max => Err(StreamError::TooLong { bytes_max }),
        Ok(_) => Ok(bytes),
    }
}
