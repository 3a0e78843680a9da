use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;

const NONCE_BYTES: usize = 12;
const POINT_BYTES: usize = 32;

/// What can go wrong when sealing or opening.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
    /// The key's bytes are not a key.
    #[error("not a key of 32 bytes")]
    BadKey,
    /// Wrong key, wrong context, or changed bytes.
    #[error("cannot be opened: wrong key, wrong context or damaged")]
    CannotOpen,
}

/// Returns `N` bytes from the operating system's generator.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| SealError::NoRandomness)?;
    Ok(bytes)
}

/// Returns bytes as AES-256 in counter mode leaves them under this key and a nonce that never changes: what ransomware makes of a
/// file, the same on every run. For made-up attacks only: it protects nothing.
pub fn scrambled(key: &[u8; 32], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealError::BadKey)?;
    let mut body = plain.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; NONCE_BYTES]);
    let sealed = LessSafeKey::new(key).seal_in_place_separate_tag(nonce, Aad::empty(), &mut body);
    sealed.map(|_| body).map_err(|_| SealError::CannotOpen)
}

/// A symmetric key for records (AES-256-GCM with a random 96-bit nonce; at most 2^32 records under one key).
#[derive(Clone)]
pub struct RecordKey([u8; 32]);

impl RecordKey {
    /// Takes 32 secret bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Derives a key for `info` (HKDF-SHA256, RFC 5869, empty salt): one master key, one key per purpose or patient.
    pub fn derive(&self, info: &[u8]) -> Self {
        Self(hkdf(&self.0, &[info]))
    }

    /// Returns a name for `message` that only holders of the key can compute (HKDF-SHA256 used as a keyed hash).
    ///
    /// Use a key of its own for names: the value equals the key that [`Self::derive`] makes for the same bytes.
    pub fn tag(&self, message: &[u8]) -> [u8; 32] {
        hkdf(&self.0, &[message])
    }

    /// Encrypts: nonce, ciphertext, tag. `context` is bound but not stored.
    pub fn encrypt(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE_BYTES] = random_bytes()?;
        let mut body = plain.to_vec();
        self.key()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut body)
            .map_err(|_| SealError::CannotOpen)?;
        Ok([&nonce[..], &body].concat())
    }

    /// Decrypts what [`Self::encrypt`] wrote under the same context.
    pub fn decrypt(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::CannotOpen)?;
        let mut body = body.to_vec();
        let plain = self
            .key()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut body)
            .map_err(|_| SealError::CannotOpen)?;
        Ok(plain.to_vec())
    }

    fn key(&self) -> Result<LessSafeKey, SealError> {
        UnboundKey::new(&AES_256_GCM, &self.0)
            .map(LessSafeKey::new)
            .map_err(|_| SealError::BadKey)
    }
}

/// The public half: whoever holds it can seal, not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealingKey([u8; POINT_BYTES]);

/// The private half, kept where an attacker of the sealing host cannot get it.
pub struct OpeningKey {
    seed: [u8; 32],
    private: PrivateKey,
}

impl SealingKey {
    /// Takes the 32 bytes of a public key.
    pub fn from_bytes(bytes: [u8; POINT_BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; POINT_BYTES] {
        &self.0
    }

    /// Seals `plain`: ephemeral X25519 (RFC 7748) → HKDF-SHA256 over secret and both points → AES-256-GCM.
    /// The result is ephemeral point (32), nonce (12), ciphertext, tag (16): 60 bytes more than `plain`.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let ephemeral = OpeningKey::generate()?;
        let point = *ephemeral.sealing_key()?.as_bytes();
        let key = ephemeral.agree_with(&self.0, &point, &self.0)?;
        Ok([&point[..], &key.encrypt(context, plain)?].concat())
    }
}

impl OpeningKey {
    /// Makes a new key.
    pub fn generate() -> Result<Self, SealError> {
        Self::from_seed(&random_bytes()?)
    }

    /// Reads a key from its 32 bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SealError> {
        let private = PrivateKey::from_private_key(&X25519, seed).map_err(|_| SealError::BadKey)?;
        Ok(Self { seed: *seed, private })
    }

    /// Returns the 32 bytes, to be stored by the owner of the key.
    pub fn seed(&self) -> Result<[u8; 32], SealError> {
        let bytes: Curve25519SeedBin<'_> = self.private.as_be_bytes().map_err(|_| SealError::BadKey)?;
        debug_assert_eq!(bytes.as_ref().len(), self.seed.len());
        Ok(self.seed)
    }

    /// Returns the public half.
    pub fn sealing_key(&self) -> Result<SealingKey, SealError> {
        let public = self.private.compute_public_key().map_err(|_| SealError::BadKey)?;
        public.as_ref().try_into().map(SealingKey).map_err(|_| SealError::BadKey)
    }

    /// Opens what [`SealingKey::seal`] wrote under the same context.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (point, body) = sealed.split_first_chunk::<POINT_BYTES>().ok_or(SealError::CannotOpen)?;
        self.agree_with(point, point, self.sealing_key()?.as_bytes())?
            .decrypt(context, body)
    }

    fn agree_with(&self, peer: &[u8; 32], ephemeral: &[u8; 32], recipient: &[u8; 32]) -> Result<RecordKey, SealError> {
        agree(
            &self.private,
            UnparsedPublicKey::new(&X25519, peer),
            SealError::CannotOpen,
            |secret| Ok(RecordKey(hkdf(secret, &[b"leckwehr seal v1", ephemeral, recipient]))),
        )
    }
}

fn hkdf(secret: &[u8], info: &[&[u8]]) -> [u8; 32] {
    /// The only output length used here.
    struct Bytes32;
    impl KeyType for Bytes32 {
        fn len(&self) -> usize {
            32
        }
    }
    let mut out = [0; 32];
    let prk = Salt::new(HKDF_SHA256, &[]).extract(secret);
    // RFC 5869 limits the output to 255 hashes; one hash always fits.
    let filled = prk.expand(info, Bytes32).and_then(|okm| okm.fill(&mut out));
    debug_assert!(filled.is_ok());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrambled_bytes_are_the_same_every_time_and_no_longer_what_they_were() {
        let plain = vec![7; 4_096];
        let once = scrambled(&[1; 32], &plain).unwrap();
        assert_eq!(once, scrambled(&[1; 32], &plain).unwrap());
        assert_eq!(once.len(), plain.len());
        assert_ne!(once, plain);
        assert_ne!(once, scrambled(&[2; 32], &plain).unwrap());
    }

    #[test]
    fn only_the_opening_key_and_the_same_context_open() {
        let key = OpeningKey::generate().unwrap();
        let sealed = key.sealing_key().unwrap().seal(b"spool", b"eAU").unwrap();
        assert_eq!(key.open(b"spool", &sealed).unwrap(), b"eAU");
        assert_eq!(key.open(b"other", &sealed), Err(SealError::CannotOpen));
        assert_eq!(
            OpeningKey::generate().unwrap().open(b"spool", &sealed),
            Err(SealError::CannotOpen)
        );
        let again = OpeningKey::from_seed(&key.seed().unwrap()).unwrap();
        assert_eq!(again.open(b"spool", &sealed).unwrap(), b"eAU");
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let key = RecordKey::from_bytes([7; 32]).derive(b"patient 1");
        let sealed = key.encrypt(b"", b"finding").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.decrypt(b"", &bad), Err(SealError::CannotOpen), "bit {bit}");
        }
        assert_eq!(
            RecordKey::from_bytes([7; 32]).derive(b"patient 2").decrypt(b"", &sealed),
            Err(SealError::CannotOpen)
        );
    }

    #[test]
    fn short_input_is_refused() {
        assert_eq!(
            RecordKey::from_bytes([0; 32]).decrypt(b"", b"short"),
            Err(SealError::CannotOpen)
        );
        assert_eq!(
            OpeningKey::generate().unwrap().open(b"", b"short"),
            Err(SealError::CannotOpen)
        );
    }
}
