//! Syslog messages: RFC 5424, and RFC 3164 in the shapes that are found in files and on the wire.

use leckwehr_incident::Timestamp;

use super::civil::Civil;

/// What a source that writes neither year nor zone is to be read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyslogClock {
    /// A time not long after the record was written: that of receipt, or the last change of its file.
    pub reference: Timestamp,
    /// Seconds east of UTC of a source that writes local time.
    pub offset_s: i32,
}

/// One syslog message; what it does not say is empty or `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Syslog<'a> {
    /// Facility × 8 + severity, 0 to 191.
    pub priority: Option<u8>,
    /// When it was written.
    pub time: Option<Timestamp>,
    /// The offset from UTC that it was written with, in seconds east.
    pub offset_s: Option<i32>,
    /// HOSTNAME.
    pub host: &'a str,
    /// APP-NAME, or the tag without its process.
    pub app: &'a str,
    /// PROCID.
    pub process: &'a str,
    /// MSGID.
    pub message_id: &'a str,
    /// STRUCTURED-DATA as it stands, `[id name="value"]…`; see [`Syslog::parameters`].
    pub structured: &'a str,
    /// MSG without its byte order mark.
    pub message: &'a str,
}

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit",
    "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

impl<'a> Syslog<'a> {
    /// Reads a message. Nothing is refused: what follows no document at all is a message without a header, so that no sender
    /// hides from the rules by sending a header that cannot be read. O(length).
    pub fn parse(text: &'a str, clock: SyslogClock) -> Self {
        let text = text.trim_end_matches(['\0', '\r', '\n']);
        let (priority, rest) = priority(text).map_or((None, text), |(p, rest)| (Some(p), rest));
        let parsed = priority
            .and(rest.strip_prefix("1 "))
            .and_then(|rest| Self::rfc5424(rest, clock))
            .unwrap_or_else(|| Self::rfc3164(rest, clock));
        Self { priority, ..parsed }
    }

    /// Returns whether the text starts as a syslog line does: with a priority, or with a time that a host name follows.
    pub fn is(text: &str) -> bool {
        if let Some((_, rest)) = priority(text) {
            return !rest.starts_with(['{', '<']);
        }
        let Some((civil, rest)) = Civil::rfc3164(text).or_else(|| Civil::rfc3339(text)) else {
            return false;
        };
        let mut words = rest.split_ascii_whitespace();
        let (host, tag) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let is_time_of_syslog = civil.year.is_none() || text.as_bytes().get(10) == Some(&b'T');
        is_time_of_syslog && rest.starts_with(' ') && (is_tag(host) || (is_host(host) && is_tag(tag)))
    }

    /// Returns the facility's name of `syslog.h`.
    pub fn facility(&self) -> Option<&'static str> {
        FACILITIES.get(usize::from(self.priority? >> 3)).copied()
    }

    /// Returns the severity's name of `syslog.h`.
    pub fn severity(&self) -> Option<&'static str> {
        SEVERITIES.get(usize::from(self.priority? & 7)).copied()
    }

    /// Iterates over the structured data: element id, parameter, value as it stands between its quotes ([`unescape`] it).
    pub fn parameters(&self) -> Parameters<'a> {
        Parameters {
            rest: self.structured,
            id: "",
        }
    }

    /// Reads what follows `<PRI>1 `; `None` if the header is not of RFC 5424.
    fn rfc5424(rest: &'a str, clock: SyslogClock) -> Option<Self> {
        let (time, rest) = rest.split_once(' ')?;
        let (civil, behind) = match time {
            "-" => (None, ""),
            _ => Civil::rfc3339(time).map(|(civil, behind)| (Some(civil), behind))?,
        };
        let mut words = rest.splitn(5, ' ');
        let (host, app, process, message_id) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let rest = words.next().unwrap_or("-");
        // A bracket that is never closed is no structured data: the text stays whole in the message.
        let structured = structured_end(rest).and_then(|end| rest.get(..end)).unwrap_or("");
        let message = match rest.strip_prefix('-') {
            Some(behind) if behind.is_empty() || behind.starts_with(' ') => behind,
            _ => rest.get(structured.len()..)?,
        };
        let message = message.strip_prefix(' ').unwrap_or(message);
        behind.is_empty().then(|| Self {
            priority: None,
            time: civil.and_then(|c| c.instant(clock.reference, clock.offset_s)),
            offset_s: civil.and_then(|c| c.offset_s),
            host: nil(host),
            app: nil(app),
            process: nil(process),
            message_id: nil(message_id),
            structured,
            message: message.strip_prefix('\u{feff}').unwrap_or(message),
        })
    }

    fn rfc3164(text: &'a str, clock: SyslogClock) -> Self {
        let start = router_prefix(text);
        let Some((civil, rest)) = Civil::rfc3164(start).or_else(|| Civil::rfc3339(start)) else {
            return Self::tagged(text);
        };
        // Routers close their time with a colon and name no host.
        let (rest, named) = match rest.strip_prefix(": ") {
            Some(rest) => (rest, false),
            None => (rest, true),
        };
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let first = rest.split(' ').next().unwrap_or("");
        let (host, rest) = if named && is_host(first) && !is_tag(first) {
            let behind = rest.get(first.len()..).unwrap_or("");
            (first, behind.strip_prefix(' ').unwrap_or(behind))
        } else {
            ("", rest)
        };
        Self {
            time: civil.instant(clock.reference, clock.offset_s),
            offset_s: civil.offset_s,
            host,
            ..Self::tagged(rest)
        }
    }

    /// Reads `tag[process]: message`; without a tag all of it is the message.
    fn tagged(text: &'a str) -> Self {
        let word = text.split([' ', '\t']).next().unwrap_or("");
        let tag = word.strip_suffix(':').unwrap_or("");
        let (app, process) = match tag.split_once('[') {
            Some((app, process)) => (app, process.strip_suffix(']').unwrap_or(process)),
            None => (tag, ""),
        };
        let message = if is_program(app) { text.get(word.len()..) } else { None };
        let (app, process) = if message.is_some() { (app, process) } else { ("", "") };
        let message = message.map_or(text, |m| m.strip_prefix(' ').unwrap_or(m));
        Self {
            app,
            process,
            message: message.strip_prefix('\u{feff}').unwrap_or(message),
            ..Self::default()
        }
    }
}

/// Longest program name taken for a tag, in bytes (RFC 5424, APP-NAME: 48; some file systems' paths are longer).
const TAG_BYTES_MAX: usize = 128;

/// The parameters of a message's structured data.
#[derive(Debug, Clone)]
pub struct Parameters<'a> {
    rest: &'a str,
    id: &'a str,
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, &'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.rest = self.rest.trim_start_matches(' ');
            if let Some(rest) = self.rest.strip_prefix(']') {
                self.rest = rest;
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                let end = rest.find([' ', ']'])?;
                (self.id, self.rest) = rest.split_at_checked(end)?;
            } else {
                let (name, rest) = self.rest.split_once("=\"")?;
                let end = closing_quote(rest)?;
                let value = rest.get(..end)?;
                self.rest = rest.get(end + 1..)?;
                return Some((self.id, name, value));
            }
        }
    }
}

/// Undoes the escapes of a parameter's value (`\"`, `\\`, `\]`) into `into`.
pub fn unescape(value: &str, into: &mut String) {
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        let (before, behind) = rest.split_at(at);
        into.push_str(before);
        let next = behind.get(1..2).filter(|c| matches!(*c, "\"" | "\\" | "]"));
        into.push_str(next.unwrap_or("\\"));
        rest = behind.get(1 + next.map_or(0, str::len)..).unwrap_or("");
    }
    into.push_str(rest);
}

/// Finds the quote that ends a value: the first that no backslash escapes.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|b| {
        let ends = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        ends
    })
}

/// Returns where the structured data ends, if its brackets and quotes are closed.
fn structured_end(text: &str) -> Option<usize> {
    let mut end = 0;
    while text.as_bytes().get(end) == Some(&b'[') {
        loop {
            end += 1;
            match text.as_bytes().get(end)? {
                b'"' => end += 1 + closing_quote(text.get(end + 1..)?)?,
                b']' => break,
                _ => {}
            }
        }
        end += 1;
    }
    (end > 0).then_some(end)
}

fn nil(word: &str) -> &str {
    if word == "-" { "" } else { word }
}

/// Reads `<PRI>`: one to three digits, at most 191.
fn priority(text: &str) -> Option<(u8, &str)> {
    let (number, rest) = text.strip_prefix('<')?.split_once('>')?;
    let digits = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let priority: u8 = digits.then(|| number.parse().ok())??;
    (priority <= 191).then_some((priority, rest))
}

/// Skips what routers put before the time: a sequence number, their name, and the mark of a clock that is not set.
fn router_prefix(text: &str) -> &str {
    let mut rest = text;
    for _ in 0..3 {
        let Some((word, behind)) = rest.split_once(": ") else { break };
        let is_number = !word.is_empty() && word.len() <= 12 && word.bytes().all(|b| b.is_ascii_digit());
        if !is_number {
            break;
        }
        rest = behind;
    }
    rest.trim_start_matches(['*', '.'])
}

/// Returns whether the word can be a host's name or address.
fn is_host(word: &str) -> bool {
    let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'/' | b'@' | b'%') || b >= 0x80;
    !word.is_empty() && word.len() <= 255 && word.bytes().all(ok)
}

/// Returns whether the word is `program:` or `program[1]:`.
fn is_tag(word: &str) -> bool {
    let name = word.strip_suffix(':').and_then(|word| word.split('[').next());
    name.is_some_and(|name| is_program(name) && !name.contains(':'))
}

fn is_program(name: &str) -> bool {
    !name.is_empty() && name.len() <= TAG_BYTES_MAX && !name.contains(['=', '|', '"', '{', '%', '<'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Syslog<'_> {
        let reference = "2023-04-25T00:00:00Z".parse().unwrap();
        Syslog::parse(text, SyslogClock { reference, offset_s: 0 })
    }

    #[test]
    fn the_new_protocol_is_read_with_its_structured_data() {
        let text = "<165>1 2003-10-11T22:14:15.003+02:00 mymachine.example.com evntslog 111 ID47 [exampleSDID@32473 iut=\"3\" \
                    eventSource=\"App\\\"li\\]c\\\\a\\tion\"][priority@32473 class=\"high\"] \u{feff}An event";
        let m = parse(text);
        assert_eq!((m.facility(), m.severity()), (Some("local4"), Some("notice")));
        assert_eq!(
            (m.host, m.app, m.process, m.message_id),
            ("mymachine.example.com", "evntslog", "111", "ID47")
        );
        assert_eq!(
            (m.time.unwrap().to_string().as_str(), m.offset_s),
            ("2003-10-11T20:14:15.003Z", Some(7_200))
        );
        let found: Vec<(&str, &str, String)> = m
            .parameters()
            .map(|(id, name, value)| {
                let mut plain = String::new();
                unescape(value, &mut plain);
                (id, name, plain)
            })
            .collect();
        let expected = [
            ("exampleSDID@32473", "iut", "3".to_owned()),
            ("exampleSDID@32473", "eventSource", "App\"li]c\\a\\tion".to_owned()),
            ("priority@32473", "class", "high".to_owned()),
        ];
        assert_eq!(found, expected);
        assert_eq!(m.message, "An event");
    }

    #[test]
    fn nil_values_and_structured_data_without_a_message_are_read() {
        let m = parse("<34>1 - - - - - -");
        assert_eq!((m.time, m.host, m.app, m.message), (None, "", "", ""));
        let m = parse("<34>1 2003-10-11T22:14:15Z h a - - [id]");
        assert_eq!((m.structured, m.message, m.parameters().count()), ("[id]", "", 0));
        let m = parse("<34>1 2003-10-11T22:14:15Z h a - - [id x=\"never closed");
        assert_eq!((m.structured, m.message), ("", "[id x=\"never closed"));
        assert_eq!(parse("<34>1 2003-10-11T22:14:15Z h a - - -5 degrees").message, "-5 degrees");
    }

    #[test]
    fn the_old_protocol_is_read_as_it_is_found() {
        let head = |text| {
            let m = parse(text);
            (
                m.host.to_owned(),
                m.app.to_owned(),
                m.process.to_owned(),
                m.message.to_owned(),
            )
        };
        let is = |text, host: &str, app: &str, process: &str, message: &str| {
            assert_eq!(
                head(text),
                (host.into(), app.into(), process.into(), message.into()),
                "{text}"
            );
        };
        is(
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
            "mymachine",
            "su",
            "",
            "'su root' failed",
        );
        is(
            "Oct  1 02:14:15 fs-1 sshd[402]: Failed password",
            "fs-1",
            "sshd",
            "402",
            "Failed password",
        );
        is("<13>Apr 24 23:00:00 tag: no host", "", "tag", "", "no host");
        is(
            "2023-04-24T12:00:00.5+02:00 fs-1 CRON[7]: (root) CMD (x)",
            "fs-1",
            "CRON",
            "7",
            "(root) CMD (x)",
        );
        is(
            "<189>29: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: done",
            "",
            "",
            "",
            "%SYS-5-CONFIG_I: done",
        );
        is("<30>2001:db8::1 no time", "", "", "", "2001:db8::1 no time");
        is(
            "<30>Oct 11 22:14:15 2001:db8::1 %ASA-6-302013: Built",
            "2001:db8::1",
            "",
            "",
            "%ASA-6-302013: Built",
        );
        is("<999>x", "", "", "", "<999>x");
        is("", "", "", "", "");
        assert_eq!(
            parse("Oct 11 22:14:15 h a: b").time.unwrap().to_string(),
            "2022-10-11T22:14:15.000Z"
        );
        assert_eq!(parse("<30>Oct 11 22:14:15 h a: b").facility(), Some("daemon"));
    }

    #[test]
    fn lines_of_syslog_are_known_from_others() {
        for yes in [
            "<34>1 - - - - - -",
            "<13>anything",
            "Oct 11 22:14:15 h sshd[1]: x",
            "Oct 11 22:14:15 sshd: x",
            "2023-04-24T12:00:00+02:00 h kernel: x",
        ] {
            assert!(Syslog::is(yes), "{yes}");
        }
        for no in [
            "",
            "{}",
            "<Event xmlns='x'>",
            "<1000>x",
            "2023-04-24T12:00:00Z INFO started up",
            "2023-04-24 12:00:00 GET / 200",
            "type=SYSCALL msg=audit(1.2:3): x",
        ] {
            assert!(!Syslog::is(no), "{no}");
        }
    }
}
