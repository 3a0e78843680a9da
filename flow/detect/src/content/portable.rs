use super::archive::{Inflated, inflate};
use super::text::Blocks;
use super::{Check, UNPACKED_BYTES_MAX, u16_le, u32_le};

/// Streams of one document that are looked at.
const STREAMS_MAX: usize = 4_096;
/// Bytes before `stream` in which its dictionary begins.
const DICTIONARY_BYTES_MAX: usize = 2_048;
/// Bytes at the end in which `%%EOF` must stand (ISO 32000-1, annex H.3, implementation note 18).
const TRAILER_BYTES: usize = 1_024;
/// Bytes of sectors looked at in a compound file.
const FAT_ENTRIES_MAX: usize = 4_096;

/// Checks a PDF file (ISO 32000-1, sections 7.3.8 and 7.5): packed streams must unpack, what is between streams must be text, and
/// the trailer must be there.
pub(super) fn pdf(sample: &[u8], whole: bool) -> Check {
    if find(sample, b"/Encrypt").is_some() {
        return Check::Cannot;
    }
    // The second line holds bytes that are no text on purpose.
    let (mut at, mut budget) = (
        find(sample.get(16..).unwrap_or(&[]), b"\n").map_or(16, |n| n + 17),
        UNPACKED_BYTES_MAX,
    );
    for _ in 0..STREAMS_MAX {
        let rest = sample.get(at..).unwrap_or(&[]);
        let next = find(rest, b"stream");
        let between = rest.get(..next.unwrap_or(rest.len())).unwrap_or(&[]);
        if !Blocks::count(between).is_text() {
            return Check::Fails;
        }
        let Some(next) = next else { break };
        let begin = at + next + b"stream".len();
        let data = match sample.get(begin..).unwrap_or(&[]) {
            [b'\r', b'\n', ..] => begin + 2,
            [b'\n', ..] => begin + 1,
            // The word in a text, or the end of a stream.
            _ => {
                at = begin;
                continue;
            }
        };
        let packed = is_packed(sample, at + next);
        let content = sample.get(data..).unwrap_or(&[]);
        let used = match packed.then(|| inflate(content, true, &mut budget)) {
            Some(Inflated::Whole { used, .. }) => used,
            Some(Inflated::Behind) => return ended(whole),
            Some(Inflated::Damaged) => return Check::Fails,
            Some(Inflated::Enough) => return Check::Holds,
            None => 0,
        };
        match find(content.get(used..).unwrap_or(&[]), b"endstream") {
            // Behind a packed stream there is nothing but the end of a line.
            Some(gap) if packed && gap > 4 => return Check::Fails,
            Some(gap) => at = data + used + gap + b"endstream".len(),
            None => return ended(whole),
        }
    }
    let trailer = sample.get(sample.len().saturating_sub(TRAILER_BYTES)..).unwrap_or(sample);
    if whole && find(trailer, b"%%EOF").is_none() {
        return Check::Fails;
    }
    Check::Holds
}

/// Returns whether the stream's dictionary says that it is packed, and in no other way besides.
fn is_packed(sample: &[u8], at: usize) -> bool {
    let before = sample.get(at.saturating_sub(DICTIONARY_BYTES_MAX)..at).unwrap_or(&[]);
    let begin = before.windows(4).rposition(|w| w == b" obj").unwrap_or(0);
    let dictionary = before.get(begin..).unwrap_or(before);
    let filters = ["/ASCII85Decode", "/ASCIIHexDecode", "/LZWDecode", "/DCTDecode", "/Crypt"];
    find(dictionary, b"/FlateDecode").is_some() && filters.iter().all(|f| find(dictionary, f.as_bytes()).is_none())
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let first = *word.first()?;
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|b| *b == first)?;
        if text.get(at..)?.starts_with(word) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Checks an OLE compound file (MS-CFB, sections 2.2, 2.3 and 2.6: DOC, XLS, MSG): sector chains must lead somewhere, directory
/// entries must be of a known kind.
pub(super) fn compound(sample: &[u8], whole: bool) -> Check {
    let head = || {
        let shift = u16_le(sample, 30).filter(|s| matches!(s, 9 | 12))?;
        Some((1_usize << shift, u32_le(sample, 48)? as usize, u32_le(sample, 76)? as usize))
    };
    let Some((sector, directory, fat)) = head() else {
        return if sample.len() < 512 { ended(whole) } else { Check::Fails };
    };
    let at = |number: usize| number.checked_add(1)?.checked_mul(sector);
    let table = at(fat).and_then(|from| sample.get(from..from.checked_add(sector)?));
    let entries = at(directory).and_then(|from| sample.get(from..from.checked_add(sector)?));
    let chained = |table: &[u8]| {
        let limit = u32::try_from(sample.len().max(1 << 20) / sector * 1_024).unwrap_or(u32::MAX);
        let links = table.chunks_exact(4).take(FAT_ENTRIES_MAX).filter_map(|c| u32_le(c, 0));
        links.into_iter().all(|link| link < limit || link >= 0xffff_fffa)
    };
    let listed = |entries: &[u8]| {
        let kind = |e: &[u8]| e.get(66).is_some_and(|kind| matches!(kind, 0 | 1 | 2 | 5));
        entries
            .chunks_exact(128)
            .all(|e| kind(e) && u16_le(e, 64).is_some_and(|n| n <= 64))
    };
    match (table, entries) {
        (Some(table), _) if !chained(table) => Check::Fails,
        (_, Some(entries)) if !listed(entries) => Check::Fails,
        (None, _) | (_, None) => ended(whole),
        _ => Check::Holds,
    }
}

fn ended(whole: bool) -> Check {
    if whole { Check::Fails } else { Check::Holds }
}
