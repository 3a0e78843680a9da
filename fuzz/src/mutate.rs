/// A small generator (splitmix64): the same seed gives the same run on every machine.
pub struct Dice(pub u64);

impl Dice {
    /// Returns the next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }

    /// Returns a number below `limit`, or 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 {
            0
        } else {
            (self.roll() % limit as u64) as usize
        }
    }
}

/// Bytes that parsers trip over.
const AWKWARD: [u8; 12] = [0, 1, 0x1f, b' ', b'\n', 0x7f, 0x80, 0xbf, 0xc0, 0xed, 0xef, 0xff];

/// Changes `bytes` in one to four ways: bits, awkward bytes, words of the format, parts left out, doubled, repeated or taken from
/// another input. The result has at most `bytes_max` bytes.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], dice: &mut Dice, bytes_max: usize) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let length = 1 + dice.below((bytes.len() - at).clamp(1, 64));
        let part = at..(at + length).min(bytes.len());
        match dice.below(10) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 if at < bytes.len() => bytes[at] = AWKWARD[dice.below(AWKWARD.len())],
            2 => bytes.insert(at, dice.roll() as u8),
            3 => drop(bytes.drain(part)),
            4 | 5 if !words.is_empty() => insert(bytes, at, words[dice.below(words.len())].as_bytes()),
            6 => {
                let copy = bytes[part].to_vec();
                let to = dice.below(bytes.len() + 1);
                insert(bytes, to, &copy);
            }
            7 => {
                let copy = bytes[part].repeat(1 << dice.below(7));
                insert(bytes, at, &copy);
            }
            8 if !other.is_empty() => {
                let from = dice.below(other.len());
                let to = from + 1 + dice.below((other.len() - from).min(256));
                insert(bytes, at, &other[from..to.min(other.len())]);
            }
            _ => bytes.truncate(at),
        }
        bytes.truncate(bytes_max);
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    let rest = bytes.split_off(at);
    bytes.extend_from_slice(part);
    bytes.extend_from_slice(&rest);
}
