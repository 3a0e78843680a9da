use std::fs::{self, File};
use std::io::{self, BufRead, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use leckwehr_incident::Timestamp;

use crate::documents::{Documents, Found};
use crate::file::{self, LineBuffer, Unpacked};
use crate::format::packets::Packets;
use crate::format::{EvtxReader, Lines, Piece, Read, is_evtx};
use crate::{Damaged, IntakeError, LINE_BYTES_MAX, Loss, RawPlace, Sheet, SyslogClock};

/// What [`Reader::next`] came upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The sheet holds a record; [`Sheet::place`] says where it is.
    Record,
    /// Something well-formed that is no record: a blank line, a header, a line that waits for further ones.
    Ignored,
    /// Something was kept aside; the rest goes on.
    Damaged(Damaged),
    /// The numbers of a sensor tell that records are missing.
    Lost(Loss),
    /// The file that is followed was replaced by another one of the same name, which is read from its beginning.
    Rotated,
    /// The file that is followed has become shorter than what was read of it, and is read anew.
    Truncated,
    /// There is no more; of a file that is followed, at present.
    End,
}

/// Reads the records of one file, whatever its format and packing.
///
/// ```
/// use leckwehr_telemetry::{Item, Reader, Sheet};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("a.jsonl");
/// # std::fs::write(&path, "{\"EventID\":1,\"@timestamp\":\"2020-06-10T02:50:57Z\"}\n{").unwrap();
/// let mut sheet = Sheet::new();
/// let mut reader = Reader::open(&path).unwrap();
/// assert_eq!(reader.next(&mut sheet).unwrap(), Item::Record);
/// assert_eq!(sheet.named().text("EventID"), "1");
/// assert!(matches!(reader.next(&mut sheet).unwrap(), Item::Damaged(d) if d.offset == 50));
/// assert_eq!(reader.next(&mut sheet).unwrap(), Item::End);
/// ```
pub struct Reader {
    path: PathBuf,
    name: String,
    source: Unpacked,
    form: Form,
    /// Why the file could not be unpacked even at its beginning; told by the first reading.
    failed: Option<io::Error>,
    /// Device and inode, where the file is followed.
    followed: Option<(u64, u64)>,
}

enum Form {
    Lines(Box<LineForm>),
    Evtx(Box<EvtxReader>),
    Packets(Box<Packets>),
    /// Reading stopped, here.
    Spent(RawPlace),
}

#[derive(Default)]
struct LineForm {
    lines: Lines,
    /// Where objects are not one per line.
    documents: Option<Documents>,
    line: LineBuffer,
    place: RawPlace,
    /// The line was handed out whole; it is kept until the next one is read.
    is_taken: bool,
    /// Whether the line taken last may hold further records.
    has_more: bool,
    is_finished: bool,
}

impl Reader {
    /// Opens a file; compression and format are told by content.
    ///
    /// # Errors
    /// That it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, IntakeError> {
        Self::open_at(path, RawPlace::default())
    }

    /// Opens a file to go on where [`Reader::position`] said.
    ///
    /// # Errors
    /// That it cannot be opened, or read up to there.
    pub fn open_at(path: &Path, place: RawPlace) -> Result<Self, IntakeError> {
        let open = || -> io::Result<Self> {
            let file = File::open(path)?;
            let mut reader = Self::start(path, file)?;
            reader.go_to(place)?;
            Ok(reader)
        };
        open().map_err(|source| IntakeError::Open {
            path: path.to_owned(),
            source,
        })
    }

    /// Opens a plain file of lines that somebody else writes: a line counts when its end is there, and when the file is
    /// replaced or cut, that is told and reading goes on.
    ///
    /// # Errors
    /// That it cannot be opened, or is packed or an event log.
    pub fn follow(path: &Path, place: RawPlace) -> Result<Self, IntakeError> {
        let mut reader = Self::open_at(path, place)?;
        let identity = fs::metadata(path).map(|m| (m.dev(), m.ino()));
        let identity = identity.and_then(|identity| match (&reader.form, reader.source.is_packed) {
            (Form::Lines(_), false) => Ok(identity),
            _ => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "only plain files of lines can be followed",
            )),
        });
        reader.followed = Some(identity.map_err(|source| IntakeError::Open {
            path: path.to_owned(),
            source,
        })?);
        Ok(reader)
    }

    /// Reads what is no file: standard input, a buffer. Its name stands for its path.
    ///
    /// # Errors
    /// That not even its beginning can be read.
    pub fn over(name: &str, source: impl io::Read + Send + 'static) -> Result<Self, IntakeError> {
        Self::begin(Path::new(name), source, Timestamp::default()).map_err(|source| IntakeError::Open {
            path: name.into(),
            source,
        })
    }

    fn start(path: &Path, file: File) -> io::Result<Self> {
        let changed_s = file.metadata()?.mtime();
        Self::begin(path, file, Timestamp(changed_s.saturating_mul(1_000_000_000)))
    }

    fn begin(path: &Path, source: impl io::Read + Send + 'static, changed: Timestamp) -> io::Result<Self> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let mut source = file::unpack(source)?;
        let beginning = source.content.fill_buf();
        let documents = beginning.as_ref().is_ok_and(|b| Documents::is(b)).then(Documents::default);
        let beginning = beginning.map(|b| (is_evtx(b), Packets::is(b)));
        let ((is_evtx, is_packets), failed) = beginning.map_or_else(|error| ((false, false), Some(error)), |is| (is, None));
        let form = if is_evtx {
            Form::Evtx(Box::default())
        } else if is_packets {
            Form::Packets(Box::new(Packets::new(&name)))
        } else {
            let mut form = LineForm {
                documents,
                ..LineForm::default()
            };
            form.lines.set_clock(SyslogClock {
                reference: changed,
                offset_s: 0,
            });
            Form::Lines(Box::new(form))
        };
        let (path, followed) = (path.to_owned(), None);
        Ok(Self {
            path,
            name,
            source,
            form,
            failed,
            followed,
        })
    }

    fn go_to(&mut self, place: RawPlace) -> io::Result<()> {
        let is_plain = !self.source.is_packed && place.offset > 0;
        // What a header says about the columns must be read again; nothing else stands before that is needed.
        let can_seek = is_plain && !self.source.content.fill_buf()?.starts_with(b"#");
        match &mut self.form {
            Form::Evtx(evtx) if place.offset > 0 => evtx.resume(place, &mut *self.source.content),
            // A pipe cannot go back, and need not.
            Form::Lines(form) if can_seek => {
                self.source.seek(&self.path, place.offset)?;
                form.place = place;
                Ok(())
            }
            Form::Lines(form) => form.resume(place, &mut *self.source.content),
            Form::Packets(packets) => {
                // Read, not passed over: templates stand before the packets that need them.
                let mut passed = Sheet::new();
                while packets.place().record + 1 < place.record {
                    if packets.next(&mut *self.source.content, &mut passed)?.is_none() {
                        break;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Says how times are to be read whose source writes no year or no zone; without it, by the file's last change, in UTC.
    pub fn set_clock(&mut self, clock: SyslogClock) {
        if let Form::Lines(form) = &mut self.form {
            form.lines.set_clock(clock);
        }
    }

    /// Returns the name of the file without its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns where the next piece begins: from there [`Reader::open_at`] goes on.
    pub fn position(&self) -> RawPlace {
        match &self.form {
            Form::Lines(form) => form.place,
            Form::Evtx(evtx) => evtx.position(),
            Form::Packets(packets) => RawPlace {
                record: packets.place().record + 1,
                ..packets.place()
            },
            Form::Spent(place) => *place,
        }
    }

    /// Returns the raw bytes of the record that the sheet holds: its line, or its chunk from it on. Empty for one that was
    /// written in several lines.
    pub fn raw(&self, sheet: &Sheet) -> &[u8] {
        match &self.form {
            Form::Lines(form) if sheet.place().record + 1 == form.place.record => &form.line.bytes,
            Form::Evtx(evtx) => evtx.raw(sheet.place()),
            _ => &[],
        }
    }

    /// Returns how many bytes of the file on disk were read; of one that is packed, packed ones.
    pub fn bytes_on_disk(&self) -> u64 {
        self.source.on_disk.load(Ordering::Relaxed)
    }

    /// Reads on to the next record, or to the next thing to tell.
    ///
    /// # Errors
    /// That the file cannot be read or unpacked any further; what was read before stays read, and the reader is at its end.
    pub fn next(&mut self, sheet: &mut Sheet) -> Result<Item, IntakeError> {
        if let Some(error) = self.failed.take() {
            return Err(self.spent(error));
        }
        let Self { source, form, .. } = self;
        let is_followed = self.followed.is_some();
        let read = match form {
            Form::Lines(form) => form.next(&mut *source.content, is_followed, &self.name, sheet),
            Form::Evtx(evtx) => evtx.next(&mut *source.content, sheet).map(|piece| match piece {
                Piece::Record => Item::Record,
                Piece::Damaged(place, fault) => Item::Damaged(Damaged::new(&self.name, place, fault, evtx.raw(place))),
                Piece::End => Item::End,
            }),
            Form::Packets(packets) => packet(packets, &mut *source.content, &self.name, sheet),
            Form::Spent(_) => Ok(Item::End),
        };
        match read {
            Ok(Item::End) if is_followed => self.look_again(),
            Ok(item) => Ok(item),
            Err(source) => Err(self.spent(source)),
        }
    }

    fn spent(&mut self, source: io::Error) -> IntakeError {
        let place = self.position();
        self.form = Form::Spent(place);
        IntakeError::Read {
            path: self.path.clone(),
            offset: place.offset,
            events: place.record.saturating_sub(1),
            source,
        }
    }

    /// Looks whether the file that is followed is still the same, and still as long.
    fn look_again(&mut self) -> Result<Item, IntakeError> {
        let (Form::Lines(form), Some(identity)) = (&mut self.form, self.followed) else {
            return Ok(Item::End);
        };
        // Between the moving away of a log and the creation of the next one there is none.
        let Ok(found) = fs::metadata(&self.path) else {
            return Ok(Item::End);
        };
        let waiting = if form.is_taken { 0 } else { form.line.consumed };
        let read_to = form.place.offset + waiting;
        let item = match (found.dev(), found.ino()) == identity {
            true if found.len() >= read_to => return Ok(Item::End),
            true => Item::Truncated,
            false => Item::Rotated,
        };
        let again = File::open(&self.path).and_then(|file| Self::start(&self.path, file));
        let again = again.map_err(|source| self.spent(source))?;
        *self = Self {
            followed: Some((found.dev(), found.ino())),
            ..again
        };
        Ok(item)
    }
}

impl LineForm {
    fn next(&mut self, source: &mut dyn BufRead, is_followed: bool, name: &str, sheet: &mut Sheet) -> io::Result<Item> {
        if self.has_more {
            if let Some(loss) = self.lines.loss() {
                return Ok(Item::Lost(loss));
            }
            match self.lines.more(sheet) {
                Ok(Read::Record) => return Ok(Item::Record),
                Ok(Read::Nothing) => self.has_more = false,
                Err(fault) => return Ok(Item::Damaged(Damaged::new(name, sheet.place(), fault, b""))),
            }
        }
        if self.documents.is_some() {
            return self.next_document(source, name, sheet);
        }
        if std::mem::take(&mut self.is_taken) {
            self.line.clear();
        }
        let is_whole = self.line.read(source, LINE_BYTES_MAX)?;
        if !is_whole && (is_followed || self.line.consumed == 0) {
            if !is_followed && !self.is_finished {
                self.lines.finish();
                (self.is_finished, self.has_more) = (true, true);
                return self.next(source, is_followed, name, sheet);
            }
            return Ok(Item::End);
        }
        let place = RawPlace {
            record: self.place.record.max(1),
            offset: self.place.offset,
        };
        self.place = RawPlace {
            record: place.record + 1,
            offset: place.offset + self.line.consumed,
        };
        self.is_taken = true;
        Ok(self.take_line(place, name, sheet))
    }

    fn next_document(&mut self, source: &mut dyn BufRead, name: &str, sheet: &mut Sheet) -> io::Result<Item> {
        let Some(documents) = &mut self.documents else {
            return Ok(Item::End);
        };
        let found = documents.read(source, LINE_BYTES_MAX)?;
        let place = RawPlace {
            record: self.place.record.max(1),
            offset: self.place.offset + documents.skipped,
        };
        if found == Found::End {
            return Ok(Item::End);
        }
        self.place = RawPlace {
            record: place.record + 1,
            offset: place.offset + documents.length,
        };
        std::mem::swap(&mut documents.bytes, &mut self.line.bytes);
        let fault = match found {
            Found::TooLong => "the object is longer than the limit",
            Found::Other => "something stands between JSON objects",
            _ => return Ok(self.take_line(place, name, sheet)),
        };
        Ok(Item::Damaged(Damaged::new(name, place, fault.into(), &self.line.bytes)))
    }

    fn take_line(&mut self, place: RawPlace, name: &str, sheet: &mut Sheet) -> Item {
        let line = match place.offset {
            0 => self.line.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.line.bytes),
            _ => &self.line.bytes,
        };
        if self.line.is_too_long {
            return Item::Damaged(Damaged::new(name, place, "the line is longer than the limit".into(), line));
        }
        sheet.set_place(place);
        self.has_more = true;
        match self.lines.read(line, sheet) {
            Ok(Read::Record) => Item::Record,
            Ok(Read::Nothing) => Item::Ignored,
            Err(fault) => Item::Damaged(Damaged::new(name, place, fault, line.trim_ascii())),
        }
    }

    /// Goes on at a place; what stands before it is passed over, but for the header lines that say what columns mean.
    fn resume(&mut self, place: RawPlace, source: &mut dyn BufRead) -> io::Result<()> {
        let mut passed = 0;
        if place.offset > 0 && source.fill_buf()?.starts_with(b"#") {
            let (mut before, mut sheet) = ((&mut *source).take(place.offset), Sheet::new());
            while passed < place.offset {
                self.line.clear();
                self.line.read(&mut before, LINE_BYTES_MAX)?;
                if self.line.consumed == 0 {
                    break;
                }
                passed += self.line.consumed;
                if self.line.bytes.starts_with(b"#") {
                    // What is wrong with a header was told when it was read first.
                    let _told = self.lines.read(&self.line.bytes, &mut sheet);
                }
            }
            self.line.clear();
        }
        passed += io::copy(&mut source.take(place.offset - passed), &mut io::sink())?;
        if passed < place.offset {
            let text = format!(
                "it has {passed} bytes of content, and was to be read on from byte {}",
                place.offset
            );
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.place = place;
        Ok(())
    }
}

fn packet(packets: &mut Packets, source: &mut dyn BufRead, name: &str, sheet: &mut Sheet) -> io::Result<Item> {
    if let Some(loss) = packets.loss() {
        return Ok(Item::Lost(loss));
    }
    Ok(match packets.next(source, sheet)? {
        Some(Ok(())) => Item::Record,
        Some(Err(fault)) => Item::Damaged(Damaged::new(name, sheet.place(), fault, b"")),
        None => packets.loss().map_or(Item::End, Item::Lost),
    })
}
