//! Records of the Linux audit system, one line each; `audit_event` joins them to events.

use leckwehr_incident::Timestamp;

/// Pairs read of one record.
pub const PAIRS_MAX: usize = 1_024;

/// One line: `type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditRecord<'a> {
    /// The host, where several are collected; else empty.
    pub node: &'a str,
    /// `SYSCALL`, `PATH`, …; a number the writer had no name for is `1300` or `UNKNOWN[1300]`.
    pub kind: &'a str,
    /// When the event happened.
    pub time: Timestamp,
    /// The event's number within its host.
    pub serial: u64,
    /// The pairs, and behind a group separator those that auditd added in words.
    pub body: &'a str,
}

impl<'a> AuditRecord<'a> {
    /// Reads a record as auditd (`type=… msg=audit(…)`), its dispatcher (`node=…` before it) and the kernel's log
    /// (`audit: type=1300 audit(…)`) write it; `None` if it is none.
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut rest = line.trim_matches([' ', '\r', '\n', '\0']);
        // The kernel's log starts with the seconds since boot.
        if let Some((_, behind)) = rest.strip_prefix('[').and_then(|r| r.split_once("] ")) {
            rest = behind;
        }
        rest = rest.strip_prefix("audit: ").unwrap_or(rest);
        let mut node = "";
        if let Some(behind) = rest.strip_prefix("node=") {
            (node, rest) = behind.split_once(' ')?;
        }
        let (kind, behind) = rest.strip_prefix("type=")?.split_once(' ')?;
        let stamp = behind.strip_prefix("msg=").unwrap_or(behind).strip_prefix("audit(")?;
        let (stamp, body) = stamp.split_once(')')?;
        let (time, serial) = stamp.split_once(':')?;
        Some(Self {
            node,
            kind,
            time: seconds(time)?,
            serial: serial.parse().ok()?,
            body: body.strip_prefix(':').unwrap_or(body).trim_start(),
        })
    }

    /// Iterates over the pairs, those within `msg='…'` too.
    pub fn pairs(&self) -> AuditPairs<'a> {
        AuditPairs {
            rest: self.body,
            left: PAIRS_MAX,
        }
    }
}

/// A value as it stands in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditValue<'a> {
    /// Between quotes: what it says.
    Quoted(&'a str),
    /// Without: a number, a word, or bytes in hexadecimal where the field is one of [`is_encoded`].
    Bare(&'a str),
}

impl<'a> AuditValue<'a> {
    /// Returns the text as it stands.
    pub fn text(self) -> &'a str {
        match self {
            Self::Quoted(text) | Self::Bare(text) => text,
        }
    }
}

/// The pairs of a record.
#[derive(Debug, Clone)]
pub struct AuditPairs<'a> {
    rest: &'a str,
    left: usize,
}

impl<'a> Iterator for AuditPairs<'a> {
    type Item = (&'a str, AuditValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        loop {
            self.rest = self.rest.trim_start_matches(is_between);
            if self.rest.is_empty() {
                return None;
            }
            let end = self.rest.find(|c| c == '=' || is_between(c)).unwrap_or(self.rest.len());
            let (key, behind) = self.rest.split_at(end);
            let Some(behind) = behind.strip_prefix('=') else {
                // A word that is no pair: `avc:  denied  { read } for`.
                self.rest = behind;
                continue;
            };
            if key == "msg" && behind.starts_with('\'') {
                self.rest = behind.get(1..)?;
                continue;
            }
            let (value, rest) = value(behind);
            self.rest = rest;
            if !key.is_empty() {
                return Some((key, value));
            }
        }
    }
}

/// Blanks, the apostrophe that ends `msg='…'`, the brackets and commas of old messages, and the group separator.
fn is_between(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | ',' | '\'' | '(' | ')' | '\x1d')
}

fn value(text: &str) -> (AuditValue<'_>, &str) {
    if let Some((quoted, rest)) = text.strip_prefix('"').and_then(|t| t.split_once('"')) {
        return (AuditValue::Quoted(quoted), rest);
    }
    // `(null)` and `(none)` are words; elsewhere a bracket ends the value.
    let word = ["(null)", "(none)"].into_iter().find(|w| text.starts_with(w));
    let end = word.map_or_else(|| text.find(is_between).unwrap_or(text.len()), str::len);
    let (bare, rest) = text.split_at(end);
    (AuditValue::Bare(bare), rest)
}

/// Reads seconds since 1970 with up to nine digits of a fraction, exactly.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.bytes().all(|b| b.is_ascii_digit()).then(|| whole.parse().ok())??;
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut nanosecond: i64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    for _ in fraction.len()..9 {
        nanosecond *= 10;
    }
    Some(Timestamp(whole.checked_mul(1_000_000_000)?.checked_add(nanosecond)?))
}

/// Returns whether bare values of this field are bytes in hexadecimal (audit-userspace, `typetab.h`, `ESCAPED`).
pub fn is_encoded(kind: &str, key: &str) -> bool {
    let known = [
        "acct",
        "cmd",
        "comm",
        "cwd",
        "data",
        "dir",
        "exe",
        "file",
        "grp",
        "key",
        "name",
        "ocomm",
        "old-disk",
        "new-disk",
        "path",
        "proctitle",
        "root_dir",
        "sw",
        "vm",
        "watch",
    ];
    known.contains(&key) || (kind == "EXECVE" && argument(key).is_some())
}

/// Returns the number of an argument, and of its part where it was too long for one record: `a1`, `a1[0]`.
pub fn argument(key: &str) -> Option<(usize, Option<usize>)> {
    let rest = key.strip_prefix('a')?;
    match rest.split_once('[') {
        Some((number, part)) => Some((number.parse().ok()?, Some(part.strip_suffix(']')?.parse().ok()?))),
        None => rest
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| Some((rest.parse().ok()?, None)))?,
    }
}

/// Writes the value as text into `into`: bytes in hexadecimal are decoded where the field may hold them, NULs between the
/// parts of `proctitle` become blanks, what is no UTF-8 becomes U+FFFD. O(length).
pub fn decode(kind: &str, key: &str, value: AuditValue<'_>, into: &mut String) {
    match value {
        AuditValue::Bare(bare) if is_encoded(kind, key) => match unhex(bare) {
            Some(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                match key {
                    "proctitle" => into.extend(text.trim_end_matches('\0').chars().map(|c| if c == '\0' { ' ' } else { c })),
                    // An abstract socket's or terminal's bytes keep their place, without the end of the string.
                    _ => into.push_str(text.trim_end_matches('\0')),
                }
            }
            None => into.push_str(bare),
        },
        AuditValue::Bare(text) | AuditValue::Quoted(text) => into.push_str(text),
    }
}

/// Decodes pairs of hexadecimal digits; `None` if there is anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    if text.is_empty() { None } else { pairs.map(byte).collect() }
}

/// An address of `saddr`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketAddress {
    /// AF_INET or AF_INET6 with its port.
    Internet(std::net::SocketAddr),
    /// AF_UNIX: the path, or the abstract name without its NUL.
    Unix(String),
    /// Another family, by its number.
    Other(u16),
}

/// Reads a `struct sockaddr` in hexadecimal; its family is in the order of a little-endian machine, as all are that
/// [`super::syscall`] knows.
pub fn socket_address(saddr: &str) -> Option<SocketAddress> {
    let bytes = unhex(saddr)?;
    let family = u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?]);
    let port = || Some(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    let address = match family {
        1 => {
            let name = bytes.get(2..)?;
            let name = name.strip_prefix(&[0]).unwrap_or(name).split(|b| *b == 0).next()?;
            SocketAddress::Unix(String::from_utf8_lossy(name).into_owned())
        }
        2 => {
            let octets: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            SocketAddress::Internet((octets, port()?).into())
        }
        10 => {
            let octets: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            SocketAddress::Internet((octets, port()?).into())
        }
        other => SocketAddress::Other(other),
    };
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(line: &str) -> Vec<(String, String)> {
        let record = AuditRecord::parse(line).unwrap();
        let plain = |key: &str, value| {
            let mut text = String::new();
            decode(record.kind, key, value, &mut text);
            text
        };
        record.pairs().map(|(k, v)| (k.to_owned(), plain(k, v))).collect()
    }

    fn is(line: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(pairs(line), expected, "{line}");
    }

    #[test]
    fn heads_of_all_writers_are_read() {
        for (line, node, kind, serial) in [
            ("type=CWD msg=audit(1364481363.243:24287): cwd=\"/\"", "", "CWD", 24_287),
            ("node=fs-1 type=CWD msg=audit(1364481363.243:1):  cwd=\"/\"", "fs-1", "CWD", 1),
            ("audit: type=1307 audit(1364481363.243:2): cwd=\"/\"", "", "1307", 2),
            ("[   12.5] audit: type=1307 audit(1364481363.243:2): cwd=\"/\"", "", "1307", 2),
        ] {
            let record = AuditRecord::parse(line).unwrap();
            assert_eq!((record.node, record.kind, record.serial), (node, kind, serial));
            assert_eq!(record.time.0, 1_364_481_363_243_000_000);
            assert_eq!(record.body, "cwd=\"/\"");
        }
        for no in [
            "",
            "type=CWD",
            "type=CWD msg=audit(x:1): a=b",
            "type=X msg=audit(1.2): a=b",
            "msg=audit(1.2:3): a=b",
        ] {
            assert_eq!(AuditRecord::parse(no), None, "{no}");
        }
    }

    #[test]
    fn values_are_decoded_where_their_field_may_be_encoded() {
        is(
            "type=EXECVE msg=audit(1.0:1): argc=3 a0=\"sh\" a1=2D63 a2[0]=6563686F2078",
            &[("argc", "3"), ("a0", "sh"), ("a1", "-c"), ("a2[0]", "echo x")],
        );
        is(
            "type=SYSCALL msg=audit(1.0:1): a0=7f comm=612062 exe=\"/bin/a b\" key=(null)\x1dARCH=x86_64 UID=\"root\"",
            &[
                ("a0", "7f"),
                ("comm", "a b"),
                ("exe", "/bin/a b"),
                ("key", "(null)"),
                ("ARCH", "x86_64"),
                ("UID", "root"),
            ],
        );
        is(
            "type=PROCTITLE msg=audit(1.0:1): proctitle=6C73002D6C00",
            &[("proctitle", "ls -l")],
        );
        is(
            "type=PATH msg=audit(1.0:1): name=C3 nametype=CREATE",
            &[("name", "\u{fffd}"), ("nametype", "CREATE")],
        );
        is("type=PATH msg=audit(1.0:1): name=ABC", &[("name", "ABC")]);
    }

    #[test]
    fn pairs_inside_of_messages_are_read_and_words_skipped() {
        is(
            "type=USER_LOGIN msg=audit(1.0:1): pid=1 msg='op=login acct=\"root\" exe=\"/usr/sbin/sshd\" res=failed'",
            &[
                ("pid", "1"),
                ("op", "login"),
                ("acct", "root"),
                ("exe", "/usr/sbin/sshd"),
                ("res", "failed"),
            ],
        );
        is(
            "type=USER_END msg=audit(1.0:1): msg='PAM: x acct=\"a\" : exe=\"/s\" (hostname=?, addr=?, res=success)'",
            &[
                ("acct", "a"),
                ("exe", "/s"),
                ("hostname", "?"),
                ("addr", "?"),
                ("res", "success"),
            ],
        );
        is(
            "type=AVC msg=audit(1.0:1): avc:  denied  { read } for  pid=7 tcontext=u:r:t:s0",
            &[("pid", "7"), ("tcontext", "u:r:t:s0")],
        );
    }

    #[test]
    fn socket_addresses_of_three_families_are_read() {
        let internet = |text: &str| SocketAddress::Internet(text.parse().unwrap());
        assert_eq!(
            socket_address("02000035080808080000000000000000"),
            Some(internet("8.8.8.8:53"))
        );
        let v6 = format!("0A0001BB00000000{}00000000", "20010DB8000000000000000000000001");
        assert_eq!(socket_address(&v6), Some(internet("[2001:db8::1]:443")));
        assert_eq!(
            socket_address("01002F746D702F7800"),
            Some(SocketAddress::Unix("/tmp/x".to_owned()))
        );
        assert_eq!(socket_address("1000"), Some(SocketAddress::Other(16)));
        for no in ["", "02", "0200", "02000035", "zz00"] {
            assert_eq!(socket_address(no), None, "{no}");
        }
    }
}
