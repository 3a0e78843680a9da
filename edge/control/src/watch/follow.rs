use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use leckwehr_telemetry::{Item, RawPlace, Reader, Sheet};
use serde::{Deserialize, Serialize};

use crate::watch::config::FollowConfig;

/// Where a followed file was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    inode: u64,
    record: u64,
    offset: u64,
}

/// A file that is followed, once it is there.
pub(crate) struct Followed {
    pub path: PathBuf,
    from_start: bool,
    left: Option<Left>,
    reader: Option<Reader>,
    /// Why it could not be opened, as last told.
    told: String,
}

impl Followed {
    pub fn new(config: &FollowConfig, left: Option<Left>) -> Self {
        Self {
            path: config.path.clone(),
            from_start: config.from_start,
            left,
            reader: None,
            told: String::new(),
        }
    }

    /// Returns the next item; what is new about the file itself goes to `tell`.
    pub fn next(&mut self, sheet: &mut Sheet, tell: &mut dyn FnMut(String)) -> Item {
        if self.reader.is_none() {
            self.open(tell);
        }
        let Some(reader) = &mut self.reader else { return Item::End };
        let name = self.path.display();
        match reader.next(sheet) {
            Ok(item) => {
                match &item {
                    Item::Rotated => tell(format!("{name} was replaced by a new file, which is read from its beginning")),
                    Item::Truncated => tell(format!("{name} has become shorter, and is read anew")),
                    _ => {}
                }
                item
            }
            Err(error) => {
                tell(format!("{error}; it is opened again"));
                self.left = self.left();
                self.reader = None;
                Item::End
            }
        }
    }

    /// Returns where to go on after a restart.
    pub fn left(&self) -> Option<Left> {
        let Some(reader) = &self.reader else { return self.left };
        let inode = std::fs::metadata(&self.path).ok()?.ino();
        let RawPlace { record, offset } = reader.position();
        Some(Left { inode, record, offset })
    }

    fn open(&mut self, tell: &mut dyn FnMut(String)) {
        let opened = std::fs::metadata(&self.path).map_err(|e| e.to_string()).and_then(|meta| {
            let place = match self.left {
                // Another file has the name now: it is read from its beginning.
                Some(left) if left.inode != meta.ino() || left.offset > meta.len() => RawPlace::default(),
                Some(Left { record, offset, .. }) => RawPlace { record, offset },
                None if self.from_start => RawPlace::default(),
                None => RawPlace {
                    record: 1,
                    offset: meta.len(),
                },
            };
            Reader::follow(&self.path, place).map_err(|e| super::chain(&e))
        });
        match opened {
            Ok(reader) => {
                self.reader = Some(reader);
                self.told.clear();
            }
            Err(reason) if self.told != reason => {
                tell(format!("{} cannot be followed yet: {reason}", self.path.display()));
                self.told = reason;
            }
            Err(_) => {}
        }
    }
}
