/// Long s: matches `s` in a regular expression without regard to case, yet stays itself in lower case.
const LONG_S: char = '\u{17f}';

/// Appends `text` in lower case, each character for itself, and returns whether a shared index may be trusted for it.
///
/// Both sides of a comparison go through here, so that no context (final sigma) makes them differ. The index of
/// required literals is built from expressions that may fold more than lower case does; where a text has such a
/// character every rule that looks at the field is tried. O(bytes).
pub(crate) fn lower_into(text: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    if text.is_ascii() {
        if let Some(added) = out.get_mut(start..) {
            added.make_ascii_lowercase();
        }
        return true;
    }
    out.truncate(start);
    let mut plain = true;
    let mut utf8 = [0; 4];
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c.to_ascii_lowercase() as u8);
            continue;
        }
        plain &= c != LONG_S;
        for lower in c.to_lowercase() {
            out.extend_from_slice(lower.encode_utf8(&mut utf8).as_bytes());
        }
    }
    plain
}

/// Returns `text` in lower case as [`lower_into`] makes it.
pub(crate) fn lowered(text: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(text.len());
    lower_into(text, &mut out);
    out.into_boxed_slice()
}

/// Returns the text without blanks, tabs and line ends behind it.
pub(crate) fn trimmed(text: &[u8]) -> &[u8] {
    text.trim_ascii_end()
}
