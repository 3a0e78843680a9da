//! Values of binary XML as text: [MS-EVEN6] 2.2.15, as Windows' own rendering of an event shows them.

use std::fmt::Write;

use crate::fields::ValueKind;

/// A value's type, its `Value` byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueType(pub u8);

impl ValueType {
    pub const NULL: Self = Self(0x00);
    pub const STRING: Self = Self(0x01);
    pub const BINARY_XML: Self = Self(0x21);
    const ARRAY: u8 = 0x80;
    const STRING_ARRAY: Self = Self(0x81);
    const ANSI_ARRAY: Self = Self(0x82);

    /// Returns the type of the items if this is an array.
    pub fn items(self) -> Option<Self> {
        (self.0 & Self::ARRAY != 0).then_some(Self(self.0 & !Self::ARRAY))
    }

    /// Returns how many bytes the first item of an array has, its end included.
    pub fn item_length(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::STRING_ARRAY => {
                let end = bytes.as_chunks::<2>().0.iter().position(|unit| *unit == [0, 0]);
                Some(end.map_or(bytes.len(), |end| 2 * end + 2))
            }
            Self::ANSI_ARRAY => Some(bytes.iter().position(|b| *b == 0).map_or(bytes.len(), |end| end + 1)),
            Self(other) => match other & !Self::ARRAY {
                0x03 | 0x04 => Some(1),
                0x05 | 0x06 => Some(2),
                0x07 | 0x08 | 0x0b | 0x0d | 0x14 => Some(4),
                0x09 | 0x0a | 0x0c | 0x10 | 0x11 | 0x15 => Some(8),
                0x0f | 0x12 => Some(16),
                0x13 => Some(8 + 4 * usize::from(*bytes.get(1)?)),
                _ => None,
            },
        }
    }

    /// Appends the value to `text` and returns what kind it is; `None` if its bytes are not of this type.
    pub fn render(self, bytes: &[u8], text: &mut String) -> Option<ValueKind> {
        // Writing to a String cannot fail.
        let number = |written: std::fmt::Result| written.ok().map(|()| ValueKind::Number);
        match self.0 {
            0x00 => return Some(ValueKind::Null),
            0x01 => {
                push_utf16(bytes, text);
                return Some(ValueKind::Text);
            }
            0x02 => text.extend(bytes.iter().take_while(|b| **b != 0).map(|b| char::from(*b))),
            0x03 => return number(write!(text, "{}", i8::from_le_bytes(fixed(bytes)?))),
            0x04 => return number(write!(text, "{}", u8::from_le_bytes(fixed(bytes)?))),
            0x05 => return number(write!(text, "{}", i16::from_le_bytes(fixed(bytes)?))),
            0x06 => return number(write!(text, "{}", u16::from_le_bytes(fixed(bytes)?))),
            0x07 => return number(write!(text, "{}", i32::from_le_bytes(fixed(bytes)?))),
            0x08 => return number(write!(text, "{}", u32::from_le_bytes(fixed(bytes)?))),
            0x09 => return number(write!(text, "{}", i64::from_le_bytes(fixed(bytes)?))),
            0x0a => return number(write!(text, "{}", u64::from_le_bytes(fixed(bytes)?))),
            0x0b => return number(write!(text, "{}", f32::from_le_bytes(fixed(bytes)?))),
            0x0c => return number(write!(text, "{}", f64::from_le_bytes(fixed(bytes)?))),
            0x0d => {
                let is_true = bytes.iter().any(|b| *b != 0);
                text.push_str(if is_true { "true" } else { "false" });
            }
            0x0e => push_hex(bytes, text),
            0x0f => push_guid(fixed(bytes)?, text),
            0x11 => push_time(FileTime(u64::from_le_bytes(fixed(bytes)?)), text),
            0x12 => push_system_time(fixed(bytes)?, text),
            0x13 => push_sid(bytes, text)?,
            0x10 | 0x14 | 0x15 | 0x20 => {
                let value = match bytes.len() {
                    4 => u64::from(u32::from_le_bytes(fixed(bytes)?)),
                    _ => u64::from_le_bytes(fixed(bytes)?),
                };
                write!(text, "0x{value:x}").ok()?;
            }
            0x23 => push_utf16(bytes, text),
            _ => return None,
        }
        Some(ValueKind::Text)
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.first_chunk().copied()
}

/// Appends UTF-16LE up to its end or first NUL; unpaired surrogates become U+FFFD.
pub(super) fn push_utf16(bytes: &[u8], text: &mut String) {
    let (units, _) = bytes.as_chunks::<2>();
    let (steps, _) = units.as_chunks::<UNITS>();
    let mut plain = 0;
    for step in steps {
        let low = step.map(|[low, _]| low);
        // No unit is NUL, and none is beyond ASCII.
        let is_plain = step
            .iter()
            .fold(true, |is, [low, high]| is & (*high == 0) & (*low != 0) & (*low < 0x80));
        let Some(ascii) = str::from_utf8(&low).ok().filter(|_| is_plain) else {
            break;
        };
        text.push_str(ascii);
        plain += UNITS;
    }
    let rest = units.get(plain..).unwrap_or(&[]).iter().map(|unit| u16::from_le_bytes(*unit));
    let said = rest.take_while(|unit| *unit != 0);
    text.extend(char::decode_utf16(said).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

/// Units of UTF-16 that one step looks at.
const UNITS: usize = 8;

fn push_hex(bytes: &[u8], text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(nibble)]));
        }
    }
}

fn push_guid(guid: [u8; 16], text: &mut String) {
    let [a, b, c, d, e, f, g, h, ..] = guid;
    text.push('{');
    push_hex(&[d, c, b, a], text);
    text.push('-');
    push_hex(&[f, e], text);
    text.push('-');
    push_hex(&[h, g], text);
    text.push('-');
    push_hex(&guid[8..10], text);
    text.push('-');
    push_hex(&guid[10..], text);
    text.push('}');
}

fn push_sid(bytes: &[u8], text: &mut String) -> Option<()> {
    let (revision, count) = (bytes.first()?, usize::from(*bytes.get(1)?));
    let authority = bytes.get(2..8)?.iter().fold(0_u64, |a, b| a << 8 | u64::from(*b));
    write!(text, "S-{revision}-{authority}").ok()?;
    for part in bytes.get(8..8 + 4 * count)?.as_chunks::<4>().0 {
        write!(text, "-{}", u32::from_le_bytes(*part)).ok()?;
    }
    Some(())
}

/// 100 ns since 1601-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy)]
struct FileTime(u64);

fn push_time(time: FileTime, text: &mut String) {
    const DAY: u64 = 86_400 * 10_000_000;
    let (days, rest) = (time.0 / DAY, time.0 % DAY);
    let (year, month, day) = civil(days);
    let (second, fraction) = (rest / 10_000_000, rest % 10_000_000);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(
        text,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:07}Z"
    )
    .ok();
}

/// Returns the date of a day counted from 1601-01-01, which begins a cycle of 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    // From a first of March on, leap days come last: Howard Hinnant, "chrono-compatible low-level date algorithms".
    let days = days + 306;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (1600 + era * 400 + year + u64::from(month <= 2), month, day)
}

fn push_system_time(bytes: [u8; 16], text: &mut String) {
    let part = |i: usize| bytes.as_chunks::<2>().0.get(i).map_or(0, |b| u16::from_le_bytes(*b));
    let (year, month, day) = (part(0), part(1), part(3));
    let (hour, minute, second, millisecond) = (part(4), part(5), part(6), part(7));
    write!(
        text,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
    )
    .ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(kind: u8, bytes: &[u8]) -> Option<String> {
        let mut text = String::new();
        ValueType(kind).render(bytes, &mut text).map(|_| text)
    }

    #[test]
    fn values_are_shown_as_windows_shows_them() {
        let utf16: Vec<u8> = "a😀é\0x".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (kind, bytes, expected) in [
            (0x01, utf16.as_slice(), "a😀é"),
            (0x01, &[0x61, 0, 0x00, 0xd8, 0x62, 0], "a\u{fffd}b"),
            (0x02, b"Abc\0", "Abc"),
            (0x03, &[0xff], "-1"),
            (0x0a, &[0xff; 8], "18446744073709551615"),
            (0x0d, &[1, 0, 0, 0], "true"),
            (0x0e, &[0xde, 0xad], "DEAD"),
            (
                0x0f,
                &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
                "{04030201-0605-0807-090A-0B0C0D0E0F10}",
            ),
            (0x10, &[0x10, 0, 0, 0], "0x10"),
            (0x11, &[0, 0, 0, 0, 0, 0, 0, 0], "1601-01-01T00:00:00.0000000Z"),
            (0x11, &0x01d6_3ed0_5a4e_8d2a_u64.to_le_bytes(), "2020-06-10T02:39:24.3225386Z"),
            (
                0x12,
                &[0xe4, 7, 2, 0, 6, 0, 29, 0, 23, 0, 59, 0, 58, 0, 7, 0],
                "2020-02-29T23:59:58.007Z",
            ),
            (0x13, &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0], "S-1-5-32-544"),
            (0x15, &0xe7_u64.to_le_bytes(), "0xe7"),
        ] {
            assert_eq!(rendered(kind, bytes).as_deref(), Some(expected), "{kind:#x} {bytes:?}");
        }
        assert_eq!(rendered(0x0a, &[1, 2, 3]), None, "too short");
        assert_eq!(rendered(0x13, &[1, 5, 0, 0]), None, "too short");
        assert_eq!(rendered(0x55, &[1]), None, "no such type");
    }

    #[test]
    fn leap_days_and_centuries_are_right() {
        for (days, date) in [
            (0, (1601, 1, 1)),
            (36_583, (1701, 3, 1)),
            (145_790, (2000, 2, 29)),
            (145_791, (2000, 3, 1)),
            (146_096, (2000, 12, 31)),
        ] {
            assert_eq!(civil(days), date, "{days}");
        }
    }
}
