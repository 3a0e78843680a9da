/// Bytes of a block whose distribution is tested.
const BLOCK_BYTES: usize = 4_096;
/// Bytes of a piece that is text or not.
const PIECE_BYTES: usize = 512;
/// Share of control characters from which on a piece is no text; noise has 11 %.
const CONTROL_SHARE_MIN: f64 = 0.04;
/// Fewer bytes have no distribution.
const NOISE_BYTES_MIN: usize = 256;
/// Fewer bytes are judged by their entropy, of which noise of 256 bytes has 7.2 bits per byte.
const CHI_SQUARE_BYTES_MIN: usize = 1_024;
const ENTROPY_MIN: f64 = 7.0;
/// χ² of 255 degrees of freedom: noise stays below this all but never (255 + 6 standard deviations of 22.6).
const CHI_SQUARE_MAX: f64 = 390.0;

/// What kinds of blocks a file is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Blocks {
    blocks: usize,
    noise: usize,
    pieces: usize,
    text: usize,
}

impl Blocks {
    pub(super) fn count(sample: &[u8]) -> Self {
        let mut counted = Self::default();
        for block in sample.chunks(BLOCK_BYTES) {
            let pieces = block.chunks(PIECE_BYTES);
            let text = pieces.clone().filter(|piece| is_text(piece)).count();
            counted.pieces += pieces.len();
            counted.text += text;
            if block.len() >= NOISE_BYTES_MIN {
                counted.blocks += 1;
                counted.noise += usize::from(text == 0 && is_noise(block));
            }
        }
        counted
    }

    /// Share of blocks that are noise.
    pub(super) fn noise_share(&self) -> f64 {
        self.noise as f64 / self.blocks.max(1) as f64
    }

    pub(super) fn is_text(&self) -> bool {
        self.text == self.pieces
    }

    /// Text somewhere that is no accident: noise is text in one piece of very many.
    pub(super) fn has_text(&self) -> bool {
        self.text >= 2 && self.text * 50 >= self.pieces
    }

    /// Noise somewhere, or something else in the middle of text that is no text.
    pub(super) fn has_noise(&self) -> bool {
        self.noise > 0 || self.pieces - self.text >= 1 && self.text * 2 >= self.pieces
    }
}

/// Letters of any encoding that keeps ASCII, without control characters.
fn is_text(piece: &[u8]) -> bool {
    let control = |b: &&u8| (**b < 0x20 && !matches!(**b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)) || **b == 0x7f;
    let controls = piece.iter().filter(control).count();
    (controls as f64) < CONTROL_SHARE_MIN * piece.len() as f64 || controls == 0
}

fn is_noise(block: &[u8]) -> bool {
    if block.len() < CHI_SQUARE_BYTES_MIN {
        return entropy(block) >= ENTROPY_MIN;
    }
    let mut counts = [0_u32; 256];
    for byte in block {
        counts[usize::from(*byte)] += 1;
    }
    let expected = block.len() as f64 / 256.0;
    let chi: f64 = counts.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
    chi <= CHI_SQUARE_MAX
}

/// Shannon entropy of the bytes, 0 to 8 bits per byte.
pub(super) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u64; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = bytes.len().max(1) as f64;
    let shares = counts.iter().filter(|n| **n > 0).map(|n| *n as f64 / total);
    shares.map(|share| -share * share.log2()).sum()
}
