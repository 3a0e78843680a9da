//! One frame of an append-only file: `magic 4 | seq 8 | length 4 | check 8 | SHA-256 of body 32 | body`.
//!
//! The check covers everything before it, so a length is believed only if it was written so; the digest covers the body.
//! After damage, reading goes on at the next place where magic and check fit.

use leckwehr_crypt::sha256;

pub(crate) const HEADER_BYTES: usize = 4 + 8 + 4 + 8 + 32;
const MAGIC: [u8; 4] = *b"LWf1";
const CHECKED_BYTES: usize = 16;

/// Appends one frame. The body must be shorter than 4 GiB, which the limits on messages guarantee.
pub(crate) fn write(out: &mut Vec<u8>, seq: u64, body: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    let check = sha256(&out[start..]);
    out.extend_from_slice(&check[..8]);
    out.extend_from_slice(&sha256(body));
    out.extend_from_slice(body);
}

/// What stands at one place of a file.
#[derive(Debug, PartialEq)]
pub(crate) enum Read<'a> {
    /// A whole frame and the offset after it.
    Whole { seq: u64, body: &'a [u8], next: usize },
    /// A frame whose body is damaged, and the offset after it.
    BadBody { seq: u64, next: usize },
    /// No frame here; the next one whose header fits begins at this offset.
    Gap { next: usize },
    /// No frame here, and none after it.
    Torn,
    /// The end.
    End,
}

/// Reads at `offset`.
pub(crate) fn read(bytes: &[u8], offset: usize) -> Read<'_> {
    if offset >= bytes.len() {
        return Read::End;
    }
    if let Some(header) = header(bytes, offset) {
        let body = &bytes[offset + HEADER_BYTES..];
        if let Some(body) = body.get(..header.length) {
            let next = offset + HEADER_BYTES + header.length;
            let seq = header.seq;
            return if sha256(body) == header.digest {
                Read::Whole { seq, body, next }
            } else {
                Read::BadBody { seq, next }
            };
        }
    }
    let later = (offset + 1..bytes.len()).find(|at| header(bytes, *at).is_some_and(|h| h.fits(bytes, *at)));
    later.map_or(Read::Torn, |next| Read::Gap { next })
}

struct Header {
    seq: u64,
    length: usize,
    digest: [u8; 32],
}

impl Header {
    fn fits(&self, bytes: &[u8], offset: usize) -> bool {
        bytes.len() - offset >= HEADER_BYTES + self.length
    }
}

fn header(bytes: &[u8], offset: usize) -> Option<Header> {
    let bytes = bytes.get(offset..)?;
    if !bytes.starts_with(&MAGIC) {
        return None;
    }
    let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    if sha256(&header[..CHECKED_BYTES])[..8] != header[CHECKED_BYTES..CHECKED_BYTES + 8] {
        return None;
    }
    Some(Header {
        seq: u64::from_le_bytes(header[4..12].try_into().ok()?),
        length: u32::from_le_bytes(header[12..16].try_into().ok()?) as usize,
        digest: header[24..].try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, 1, b"one");
        write(&mut bytes, 2, b"two");
        write(&mut bytes, 3, b"three");
        bytes
    }

    fn seqs(bytes: &[u8]) -> Vec<u64> {
        let (mut at, mut found) = (0, Vec::new());
        loop {
            match read(bytes, at) {
                Read::Whole { seq, next, .. } => {
                    found.push(seq);
                    at = next;
                }
                Read::BadBody { next, .. } | Read::Gap { next } => at = next,
                Read::Torn | Read::End => return found,
            }
        }
    }

    #[test]
    fn one_flipped_bit_costs_one_frame_at_most() {
        let whole = three();
        assert_eq!(seqs(&whole), [1, 2, 3]);
        for bit in 0..whole.len() * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(seqs(&bad).len(), 2, "bit {bit}");
        }
    }

    #[test]
    fn a_cut_leaves_the_whole_frames_before_it() {
        let whole = three();
        let ends = [HEADER_BYTES + 3, 2 * (HEADER_BYTES + 3), whole.len()];
        for cut in 0..=whole.len() {
            assert_eq!(seqs(&whole[..cut]).len(), ends.iter().filter(|e| **e <= cut).count());
        }
    }
}
