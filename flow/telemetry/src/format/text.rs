//! Lines of text: syslog and what it carries, CEF, LEEF, audit records.

use std::borrow::Cow;

use leckwehr_incident::Timestamp;

use crate::columns::Columns;
use crate::format::audit_event::AuditEvents;
use crate::format::auditd::AuditRecord;
use crate::format::cef::Cef;
use crate::format::json::JsonReader;
use crate::format::syslog::{Syslog, SyslogClock, unescape};
use crate::format::{Fault, Read, cef_event, device, dissolve, linux};
use crate::{FieldsFull, Product, Sheet};

/// What the meaning of a line depends on: one per file or stream.
#[derive(Debug, Default)]
pub(crate) struct Text {
    /// How times without a year or a zone are to be read.
    pub clock: SyslogClock,
    /// Every line is syslog, whatever it looks like: it came in over a syslog socket.
    pub is_syslog: bool,
    /// A line before was syslog: what follows it is so too, be it only half of a message.
    has_syslog: bool,
    audit: AuditEvents,
    newest: Option<Timestamp>,
}

impl Text {
    /// Reads a line into the sheet, if it is of a format of this module.
    pub fn read(&mut self, line: &[u8], json: &mut JsonReader, sheet: &mut Sheet) -> Option<Result<Read, Fault>> {
        let line: Cow<'_, str> = String::from_utf8_lossy(line);
        if let Some(record) = AuditRecord::parse(&line) {
            self.audit.take(&record, &line, sheet.place, "");
            return Some(self.more(sheet));
        }
        if Cef::is(&line) {
            return Some(self.cef(&line, sheet, Columns::default()));
        }
        self.has_syslog |= Syslog::is(&line);
        if self.is_syslog || self.has_syslog {
            return Some(self.syslog(&line, json, sheet));
        }
        None
    }

    /// Reads a further record of the lines taken so far.
    pub fn more(&mut self, sheet: &mut Sheet) -> Result<Read, Fault> {
        let Some(event) = self.audit.next_whole() else {
            return Ok(Read::Nothing);
        };
        sheet.clear();
        let done = event.read(sheet);
        self.audit.recycle(event);
        done.map_err(|full| full.reason())?;
        Ok(Read::Record)
    }

    /// Takes what is held back for whole: the stream has ended, or been silent.
    pub fn finish(&mut self) {
        self.audit.finish();
    }

    fn syslog(&mut self, line: &str, json: &mut JsonReader, sheet: &mut Sheet) -> Result<Read, Fault> {
        let syslog = Syslog::parse(line, self.clock);
        self.newest = syslog.time.or(self.newest);
        let carried = syslog.message.strip_prefix("@cee:").unwrap_or(syslog.message).trim_start();
        if carried.starts_with('{') && json.read(carried.as_bytes(), &mut sheet.names, &mut sheet.fields).is_ok() {
            if dissolve(sheet).is_ok() {
                return Ok(Read::Record);
            }
            // Of no dialect: its fields stay beside those of the message.
        } else {
            sheet.clear();
        }
        if let Some(record) = AuditRecord::parse(syslog.message) {
            self.audit.take(&record, syslog.message, sheet.place, syslog.host);
            return self.more(sheet);
        }
        let columns = self.header(&syslog, sheet).map_err(|full| full.reason())?;
        if Cef::is(syslog.message) {
            return self.cef(syslog.message, sheet, columns);
        }
        let mut columns = columns;
        let done = sheet.put("message", syslog.message).and_then(|_| {
            if device::is(&syslog) {
                device::read(&syslog, sheet, &mut columns)
            } else {
                columns.product = Product::Linux;
                linux::read(&syslog, sheet, &mut columns)
            }
        });
        done.map_err(|full| full.reason())?;
        sheet.columns = Some(columns);
        Ok(Read::Record)
    }

    fn header(&self, syslog: &Syslog<'_>, sheet: &mut Sheet) -> Result<Columns, FieldsFull> {
        let mut columns = Columns {
            time: syslog.time.or_else(|| self.elsewhen()),
            utc_offset_s: syslog.offset_s,
            ..Columns::default()
        };
        columns.host = sheet.put("host", syslog.host)?;
        columns.object = sheet.put("program", syslog.app)?;
        sheet.put("pid", syslog.process)?;
        sheet.put("msgid", syslog.message_id)?;
        sheet.put("facility", syslog.facility().unwrap_or(""))?;
        sheet.put("severity", syslog.severity().unwrap_or(""))?;
        let (mut name, mut value) = (String::new(), String::new());
        for (id, parameter, escaped) in syslog.parameters() {
            name.clear();
            value.clear();
            name.extend([id, ".", parameter]);
            unescape(escaped, &mut value);
            sheet.put(&name, &value)?;
        }
        Ok(columns)
    }

    fn cef(&mut self, message: &str, sheet: &mut Sheet, columns: Columns) -> Result<Read, Fault> {
        let cef = Cef::parse(message).map_err(|_| "the CEF or LEEF header ends early")?;
        let columns = Columns {
            time: columns.time.or_else(|| self.elsewhen()),
            ..columns
        };
        cef_event::read(&cef, self.clock, sheet, columns).map_err(|full| full.reason())?;
        Ok(Read::Record)
    }

    /// The time of a record that says none: that of the one before it, or of receipt.
    fn elsewhen(&self) -> Option<Timestamp> {
        let received = Some(self.clock.reference).filter(|at| *at != Timestamp::default());
        if self.is_syslog {
            received.or(self.newest)
        } else {
            self.newest.or(received)
        }
    }
}
