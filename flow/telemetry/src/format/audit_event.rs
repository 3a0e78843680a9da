//! Audit records that belong together become one record: a system call with its arguments, paths and addresses.

use std::collections::VecDeque;

use leckwehr_incident::Timestamp;

use crate::columns::Columns;
use crate::format::auditd::{self, AuditRecord, AuditValue, SocketAddress};
use crate::format::syscall;
use crate::{FieldsFull, Kind, Outcome, Product, RawPlace, Sheet};

/// Events held back until their last line has come; when there are more, the oldest goes out as it is.
pub(crate) const PENDING_EVENTS_MAX: usize = 64;
/// Bytes of one event's lines; what comes beyond makes an event of its own.
pub(crate) const EVENT_BYTES_MAX: usize = 1 << 20;
/// Arguments with a field of their own (`a0` …); the command line holds all.
const ARGUMENT_FIELDS_MAX: usize = 256;
/// Nanoseconds of records' time after which an event is taken for whole (audit-userspace: `end_of_event_timeout`, 2 s).
const WHOLE_AFTER_NS: i64 = 2_000_000_000;

/// Joins the lines of one stream to events. Memory: [`PENDING_EVENTS_MAX`] × [`EVENT_BYTES_MAX`] at worst.
#[derive(Debug, Default)]
pub(crate) struct AuditEvents {
    pending: VecDeque<AuditEvent>,
    newest: Option<Timestamp>,
    spare: Vec<String>,
}

/// The lines of one event.
#[derive(Debug)]
pub(crate) struct AuditEvent {
    node: String,
    serial: u64,
    time: Timestamp,
    place: RawPlace,
    lines: String,
    has_arguments: bool,
    is_whole: bool,
}

impl AuditEvents {
    /// Takes a record that was read from `line`, as its own node or `host` wrote it.
    pub fn take(&mut self, record: &AuditRecord<'_>, line: &str, place: RawPlace, host: &str) {
        let node = if record.node.is_empty() { host } else { record.node };
        self.newest = self.newest.max(Some(record.time));
        let is_end = matches!(record.kind, "EOE" | "1320");
        let same = |e: &&mut AuditEvent| e.serial == record.serial && e.time == record.time && !e.is_full(line) && e.node == node;
        if let Some(event) = self.pending.iter_mut().rev().find(same) {
            event.add(record, line);
            event.is_whole |= is_end;
        } else if !is_end {
            let mut event = AuditEvent {
                node: node.to_owned(),
                serial: record.serial,
                time: record.time,
                place,
                lines: self.spare.pop().unwrap_or_default(),
                has_arguments: false,
                is_whole: false,
            };
            event.add(record, line);
            event.is_whole |= is_alone(record.kind);
            self.pending.push_back(event);
        }
    }

    /// Returns an event of which no more lines are expected.
    pub fn next_whole(&mut self) -> Option<AuditEvent> {
        let before = self.newest.map_or(i64::MIN, |t| t.0.saturating_sub(WHOLE_AFTER_NS));
        let whole = self.pending.iter().position(|e| e.is_whole || e.time.0 < before);
        let overdue = (self.pending.len() > PENDING_EVENTS_MAX).then_some(0);
        self.pending.remove(whole.or(overdue)?)
    }

    /// Takes all events for whole: the stream has ended, or been silent.
    pub fn finish(&mut self) {
        self.pending.iter_mut().for_each(|event| event.is_whole = true);
    }

    /// Takes the memory of an event back for later ones.
    pub fn recycle(&mut self, event: AuditEvent) {
        let mut lines = event.lines;
        if self.spare.len() < 4 && lines.capacity() <= 1 << 16 {
            lines.clear();
            self.spare.push(lines);
        }
    }
}

impl AuditEvent {
    fn is_full(&self, line: &str) -> bool {
        self.lines.len() + line.len() > EVENT_BYTES_MAX
    }

    fn add(&mut self, record: &AuditRecord<'_>, line: &str) {
        self.lines.push_str(line);
        self.lines.push('\n');
        self.has_arguments |= record.kind == "EXECVE" || record.kind == "1309";
        // The kernel's last word about a system call.
        self.is_whole |= matches!(record.kind, "PROCTITLE" | "1327");
    }

    /// Writes the event into the sheet, with the names that Sigma's rules for Linux use.
    pub fn read(&self, sheet: &mut Sheet) -> Result<(), FieldsFull> {
        sheet.place = self.place;
        let mut event = Reading::default();
        event.columns.host = sheet.put("node", &self.node)?;
        for record in self.lines.lines().filter_map(AuditRecord::parse) {
            event.record(&record, self.has_arguments, sheet)?;
        }
        event.columns.time = Some(self.time);
        event.columns.product = Product::Linux;
        event.columns.number = Some(self.serial);
        event.finish(sheet)
    }
}

/// User space writes these in one line (`libaudit.h`: 1100–1199, 1200–1299, 2100–2999). The kernel's own come in several.
fn is_alone(kind: &str) -> bool {
    let starts = [
        "USER_",
        "CRED_",
        "ADD_",
        "DEL_",
        "GRP_",
        "SERVICE_",
        "DAEMON_",
        "SYSTEM_",
        "CRYPTO_",
        "ROLE_",
        "VIRT_",
        "RESP_",
        "LABEL_",
        "ACCT_",
        "CHGRP_",
        "CHUSER_",
        "USYS_",
        "SOFTWARE_",
    ];
    let number = || {
        kind.parse()
            .is_ok_and(|n: u32| (1_100..1_300).contains(&n) || (2_100..3_000).contains(&n))
    };
    starts.iter().any(|start| kind.starts_with(start)) || number()
}

/// What is known of an event while its records are read.
#[derive(Debug, Default)]
struct Reading {
    columns: Columns,
    kind: &'static str,
    call: Option<&'static str>,
    arguments: Vec<String>,
    folder: String,
    created: Option<String>,
    deleted: Option<String>,
    named: Option<String>,
    peer: Option<SocketAddress>,
    text: String,
}

/// Types that decide what an event is about.
const DECISIVE: [&str; 4] = ["USER_LOGIN", "USER_AUTH", "USER_CMD", "SYSCALL"];

impl Reading {
    fn record(&mut self, record: &AuditRecord<'_>, has_arguments: bool, sheet: &mut Sheet) -> Result<(), FieldsFull> {
        let kind = kind_name(record.kind);
        if !sheet.named().values("type").any(|known| known == kind) {
            self.columns.action_field = sheet.put("type", kind)?;
        }
        self.kind = DECISIVE.into_iter().find(|d| *d == kind).unwrap_or(self.kind);
        let (mut arch, mut name, mut name_type) = ("", String::new(), "");
        for (key, value) in record.pairs() {
            if kind == "EXECVE"
                && let Some((number, part)) = auditd::argument(key)
            {
                self.argument(number, part.is_some(), value);
                continue;
            }
            self.text.clear();
            auditd::decode(kind, key, value, &mut self.text);
            match key {
                "arch" => arch = value.text(),
                "syscall" => self.call = value.text().parse().ok().and_then(|number| syscall::name(arch, number)),
                "cwd" => self.folder.clone_from(&self.text),
                "name" if kind == "PATH" => name.clone_from(&self.text),
                "nametype" => name_type = value.text(),
                "saddr" => self.peer = auditd::socket_address(value.text()),
                _ => {}
            }
            // Both number their arguments alike; rules mean the program's, not the call's.
            let is_calls_own = has_arguments && kind == "SYSCALL" && auditd::argument(key).is_some();
            if is_calls_own {
                let own = format!("syscall.{key}");
                sheet.put(&own, &self.text)?;
            } else {
                sheet.put(key, &self.text)?;
            }
        }
        if kind == "PATH" && !name.is_empty() && name != "(null)" {
            let place = match name_type {
                "CREATE" => &mut self.created,
                "DELETE" => &mut self.deleted,
                "PARENT" => return Ok(()),
                _ => &mut self.named,
            };
            place.get_or_insert(name);
        }
        Ok(())
    }

    fn argument(&mut self, number: usize, is_part: bool, value: AuditValue<'_>) {
        // The lines before may be in another event, and a number that no kernel writes must not make room for all before it.
        let next = self.arguments.len();
        let number = if number > next + ARGUMENT_FIELDS_MAX { next } else { number };
        if self.arguments.len() <= number {
            self.arguments.resize(number + 1, String::new());
        }
        if let Some(argument) = self.arguments.get_mut(number) {
            if !is_part {
                argument.clear();
            }
            auditd::decode("EXECVE", "a0", value, argument);
        }
    }

    fn finish(mut self, sheet: &mut Sheet) -> Result<(), FieldsFull> {
        for (number, argument) in self.arguments.iter().enumerate().take(ARGUMENT_FIELDS_MAX) {
            sheet.put(&format!("a{number}"), argument)?;
        }
        let id = |sheet: &Sheet, name: &str| {
            let id = sheet.names.id(name)?;
            sheet
                .fields
                .get(id)
                .filter(|v| !matches!(v.as_text(), "?" | "unset" | "4294967295" | "-1" | "(null)"))
                .map(|_| id)
        };
        if let Some(call) = self.call
            && id(sheet, "SYSCALL").is_none()
        {
            sheet.put("SYSCALL", call)?;
        }
        for (alias, of) in [
            ("Image", "exe"),
            ("CurrentDirectory", "cwd"),
            ("ProcessId", "pid"),
            ("ParentProcessId", "ppid"),
        ] {
            let of = id(sheet, of);
            sheet.put_alias(alias, of)?;
        }
        let user = id(sheet, "UID").or_else(|| id(sheet, "uid"));
        sheet.put_alias("User", user)?;
        let first = |sheet: &Sheet, names: &[&str]| names.iter().find_map(|name| id(sheet, name));
        self.columns.account = first(sheet, &["acct", "ID", "AUID", "UID", "auid", "uid"]);
        self.columns.outcome = match first(sheet, &["res", "success", "result"]).map(|id| sheet.named().at(id)) {
            Some("success" | "yes" | "1") => Outcome::Success,
            Some("failed" | "no" | "0" | "fail") => Outcome::Failure,
            _ => Outcome::Unknown,
        };
        let category = self.meaning(sheet)?;
        let categories = category.as_slice();
        sheet.source = sheet.sources.intern("linux", "auditd", categories);
        sheet.columns = Some(self.columns);
        Ok(())
    }

    /// Decides what the event is about.
    fn meaning(&mut self, sheet: &mut Sheet) -> Result<Option<&'static str>, FieldsFull> {
        let text = |sheet: &Sheet, name: &str| sheet.named().text(name).to_owned();
        match self.kind {
            "USER_LOGIN" => self.logon(sheet),
            // sshd tells of a failed log-on by USER_LOGIN too; programs of this host do not.
            "USER_AUTH" if self.columns.outcome == Outcome::Failure && !text(sheet, "exe").contains("sshd") => self.logon(sheet),
            "USER_CMD" => {
                let command = text(sheet, "cmd");
                self.columns.kind = Kind::Process;
                self.columns.object = sheet.put("CommandLine", &command)?;
                self.columns.action = "sudo";
                Ok(Some("process_creation"))
            }
            _ if !self.arguments.is_empty() => {
                let command = self.arguments.join(" ");
                self.columns.kind = Kind::Process;
                self.columns.object = sheet.put("CommandLine", &command)?;
                self.columns.action = "execve";
                Ok(Some("process_creation"))
            }
            _ if matches!(self.peer, Some(SocketAddress::Internet(_))) => self.connection(sheet),
            "SYSCALL" => self.file(sheet),
            _ => Ok(None),
        }
    }

    fn logon(&mut self, sheet: &Sheet) -> Result<Option<&'static str>, FieldsFull> {
        self.columns.kind = Kind::Logon;
        let known = |name: &str| sheet.names.id(name).filter(|id| !matches!(sheet.named().at(*id), "" | "?"));
        self.columns.origin = known("addr").or_else(|| known("hostname"));
        Ok(None)
    }

    fn connection(&mut self, sheet: &mut Sheet) -> Result<Option<&'static str>, FieldsFull> {
        let Some(SocketAddress::Internet(peer)) = &self.peer else {
            return Ok(None);
        };
        let address = peer.ip().to_canonical().to_string();
        let call = self.call.unwrap_or_default();
        self.columns.kind = Kind::Flow;
        if matches!(call, "accept" | "accept4" | "recvfrom" | "recvmsg") {
            self.columns.origin = sheet.put("SourceIp", &address)?;
            self.columns.origin_port = peer.port();
            sheet.put_number("SourcePort", peer.port())?;
            sheet.put("Initiated", "false")?;
        } else {
            self.columns.destination = sheet.put("DestinationIp", &address)?;
            self.columns.port = peer.port();
            sheet.put_number("DestinationPort", peer.port())?;
            sheet.put("Initiated", "true")?;
        }
        self.columns.action = self.call.unwrap_or("");
        Ok(Some("network_connection"))
    }

    fn file(&mut self, sheet: &mut Sheet) -> Result<Option<&'static str>, FieldsFull> {
        let (path, action, category) = match (&self.created, &self.deleted, &self.named) {
            (Some(path), Some(_), _) => (path, "rename", "file_event"),
            (Some(path), None, _) => (path, "create", "file_event"),
            (None, Some(path), _) => (path, "delete", "file_delete"),
            (None, None, Some(path)) => (path, "access", "file_access"),
            (None, None, None) => return Ok(None),
        };
        let absolute = if path.starts_with('/') || self.folder.is_empty() {
            path.clone()
        } else {
            format!(
                "{}/{}",
                self.folder.trim_end_matches('/'),
                path.strip_prefix("./").unwrap_or(path)
            )
        };
        self.columns.kind = Kind::File;
        self.columns.action = action;
        self.columns.object = sheet.put("TargetFilename", &absolute)?;
        Ok(Some(category))
    }
}

/// Returns the name of a type that the kernel's log gives as a number (`linux/audit.h`).
fn kind_name(kind: &str) -> &str {
    let number = kind
        .strip_prefix("UNKNOWN[")
        .and_then(|k| k.strip_suffix(']'))
        .unwrap_or(kind);
    match number {
        "1300" => "SYSCALL",
        "1302" => "PATH",
        "1304" => "SOCKETCALL",
        "1305" => "CONFIG_CHANGE",
        "1306" => "SOCKADDR",
        "1307" => "CWD",
        "1309" => "EXECVE",
        "1325" => "NETFILTER_CFG",
        "1326" => "SECCOMP",
        "1327" => "PROCTITLE",
        "1400" => "AVC",
        _ => kind,
    }
}
