use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leckwehr_crypt::{SigningKey, VerifyingKey, hex, sha256};

use crate::hash::Hash;

/// Signature type of Ed25519 in signed notes.
const ED25519: u8 = 1;

/// Why a key or a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a name that a signed note can carry.
    #[error("{0:?} cannot name a ledger: no spaces, no plus sign, no control characters, not empty")]
    Name(String),
    /// Not a verifier key line.
    #[error("not a verifier key (name+id+base64): {0}")]
    VerifierKey(&'static str),
    /// Not a signer key line.
    #[error("not a signer key (PRIVATE+KEY+name+id+base64): {0}")]
    SignerKey(&'static str),
    /// Not a checkpoint.
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
    /// A checkpoint of somebody else, or with a damaged signature line.
    #[error("no signature of {0} on the checkpoint")]
    NotSigned(String),
    /// The signature does not fit the text.
    #[error("the signature of {0} does not fit the checkpoint")]
    BadSignature(String),
}

/// Who signs: the name of the ledger (its origin) and the public key.
///
/// Its text is the verifier key line of [signed notes](https://c2sp.org/signed-note): `name+id+base64(0x01 || key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Puts a name to a public key.
    pub fn new(name: &str, key: VerifyingKey) -> Result<Self, NoteError> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.contains(bad) {
            return Err(NoteError::Name(name.chars().take(64).collect()));
        }
        Ok(Self {
            name: name.to_owned(),
            key,
        })
    }

    /// Reads a verifier key line, with or without a line break at its end. Every other deviation is refused.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let (name, id, bytes) = parse_key(line).map_err(NoteError::VerifierKey)?;
        let key = Self::new(name, VerifyingKey::from_bytes(bytes))?;
        // The line is derived from name and key, so whatever differs from it was changed.
        if hex(&key.id()) == id && key.to_line() == line {
            Ok(key)
        } else {
            Err(NoteError::VerifierKey("the key id does not fit name and key"))
        }
    }

    /// Returns the verifier key line, without a line break.
    pub fn to_line(&self) -> String {
        format!("{}+{}+{}", self.name, hex(&self.id()), encode_key(self.key.as_bytes()))
    }

    /// Returns the name: the origin of the ledger.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the key id: the first four bytes of SHA-256 over name, line break, signature type and key.
    pub fn id(&self) -> [u8; 4] {
        let material = [self.name.as_bytes(), &[b'\n', ED25519], self.key.as_bytes()].concat();
        let [a, b, c, d, ..] = sha256(&material);
        [a, b, c, d]
    }
}

/// The private half of a [`VerifierKey`].
///
/// Its text is the signer key line that Go's `sumdb/note` reads: `PRIVATE+KEY+name+id+base64(0x01 || seed)`.
pub struct SignerKey {
    public: VerifierKey,
    key: SigningKey,
}

impl SignerKey {
    /// Puts a name to a private key.
    pub fn new(name: &str, key: SigningKey) -> Result<Self, NoteError> {
        let public = VerifierKey::new(name, key.verifying_key())?;
        Ok(Self { public, key })
    }

    /// Reads a signer key line, with or without a line break at its end. Every other deviation is refused.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let rest = line
            .strip_prefix("PRIVATE+KEY+")
            .ok_or(NoteError::SignerKey("wrong beginning"))?;
        let (name, _, seed) = parse_key(rest).map_err(NoteError::SignerKey)?;
        let key = SigningKey::from_seed(&seed).map_err(|_| NoteError::SignerKey("not an Ed25519 seed"))?;
        let signer = Self::new(name, key)?;
        if signer.to_line() == line {
            Ok(signer)
        } else {
            Err(NoteError::SignerKey("the key id does not fit name and key"))
        }
    }

    /// Returns the signer key line, without a line break: a secret.
    pub fn to_line(&self) -> String {
        let public = &self.public;
        format!(
            "PRIVATE+KEY+{}+{}+{}",
            public.name,
            hex(&public.id()),
            encode_key(self.key.seed())
        )
    }

    /// Returns the public half.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.public
    }
}

/// What a ledger was at one moment: name, number of entries, root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the ledger.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Writes and signs a checkpoint.
    pub fn sign(size: u64, root: &Hash, signer: &SignerKey) -> String {
        let name = signer.public.name();
        let body = format!("{name}\n{size}\n{}\n", STANDARD.encode(root));
        let signature = [&signer.public.id()[..], &signer.key.sign(body.as_bytes())].concat();
        format!("{body}\n— {name} {}\n", STANDARD.encode(signature))
    }

    /// Reads a checkpoint and checks the signature of `key`. Signatures of others (witnesses) may stand beside it.
    pub fn open(text: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        let checkpoint = Self::read_unverified(text)?;
        let (body, signatures) = parts(text)?;
        if checkpoint.origin != key.name {
            return Err(NoteError::NotSigned(key.name.clone()));
        }
        let mut error = NoteError::NotSigned(key.name.clone());
        for line in signatures.split_terminator('\n') {
            let (name, bytes) = parse_signature(line)?;
            let Some(signature) = bytes.strip_prefix(&key.id()[..]).filter(|_| name == key.name) else {
                continue;
            };
            if key.key.verify(body.as_bytes(), signature).is_ok() {
                return Ok(checkpoint);
            }
            error = NoteError::BadSignature(key.name.clone());
        }
        Err(error)
    }

    /// Reads a checkpoint exactly as [`Self::sign`] writes it: three lines, one signature.
    pub(crate) fn open_own(text: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        let checkpoint = Self::open(text, key)?;
        if text.split_terminator('\n').count() == 5 {
            Ok(checkpoint)
        } else {
            Err(NoteError::Checkpoint("more lines than this ledger writes"))
        }
    }

    /// Reads what a checkpoint says, without checking who says it.
    pub(crate) fn read_unverified(text: &str) -> Result<Self, NoteError> {
        let (body, _) = parts(text)?;
        let mut lines = body.split_terminator('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(NoteError::Checkpoint("fewer than three lines"));
        };
        let number: u64 = size
            .parse()
            .map_err(|_| NoteError::Checkpoint("the second line is no size"))?;
        if number.to_string() != size {
            return Err(NoteError::Checkpoint("the second line is no size"));
        }
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        Ok(Self {
            origin: origin.to_owned(),
            size: number,
            root: root.ok_or(NoteError::Checkpoint("the third line is no root"))?,
        })
    }
}

/// Splits a note into its text, which ends in a line break, and its signature lines.
fn parts(text: &str) -> Result<(&str, &str), NoteError> {
    let at = text
        .rfind("\n\n")
        .ok_or(NoteError::Checkpoint("no empty line before the signatures"))?;
    let (body, signatures) = (&text[..=at], &text[at + 2..]);
    if signatures.ends_with('\n') {
        Ok((body, signatures))
    } else {
        Err(NoteError::Checkpoint("the last line is cut off"))
    }
}

/// Reads `— name base64(id || signature)`.
fn parse_signature(line: &str) -> Result<(&str, Vec<u8>), NoteError> {
    let (name, encoded) = line
        .strip_prefix("— ")
        .and_then(|rest| rest.split_once(' '))
        .ok_or(NoteError::Checkpoint("a signature line is malformed"))?;
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|_| NoteError::Checkpoint("a signature is not base64"))?;
    Ok((name, bytes))
}

/// Reads `name+id+base64(0x01 || 32 bytes)`.
fn parse_key(line: &str) -> Result<(&str, &str, [u8; 32]), &'static str> {
    let (name, rest) = line.split_once('+').ok_or("no plus sign after the name")?;
    let (id, encoded) = rest.split_once('+').ok_or("no plus sign after the id")?;
    let bytes = STANDARD.decode(encoded).map_err(|_| "the key is not base64")?;
    match bytes.split_first() {
        Some((&ED25519, key)) => Ok((name, id, key.try_into().map_err(|_| "the key has not 32 bytes")?)),
        _ => Err("the key is not of type Ed25519"),
    }
}

fn encode_key(bytes: &[u8; 32]) -> String {
    STANDARD.encode([&[ED25519][..], bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> SignerKey {
        SignerKey::new("example.org/ledger", SigningKey::from_seed(&[7; 32]).unwrap()).unwrap()
    }

    #[test]
    fn keys_round_trip() {
        let signer = signer();
        let public = signer.verifier_key();
        assert_eq!(VerifierKey::parse(&format!("{}\n", public.to_line())).as_ref(), Ok(public));
        assert_eq!(SignerKey::parse(&signer.to_line()).unwrap().to_line(), signer.to_line());
        assert!(VerifierKey::new("two words", public.key).is_err());
    }

    #[test]
    fn the_key_of_the_go_package_documentation_is_read() {
        VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    }

    #[test]
    fn every_flipped_bit_of_a_key_or_checkpoint_is_refused() {
        let signer = signer();
        let public = signer.verifier_key();
        let refuses = |text: &str, reads: &dyn Fn(&str) -> bool| {
            assert!(reads(text));
            for bit in 0..text.len() * 8 {
                let mut bytes = text.as_bytes().to_vec();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(!String::from_utf8(bytes).is_ok_and(|t| reads(&t)), "bit {bit}");
            }
        };
        refuses(&public.to_line(), &|t| VerifierKey::parse(t).is_ok());
        refuses(&signer.to_line(), &|t| SignerKey::parse(t).is_ok());
        let checkpoint = Checkpoint::sign(3, &[9; 32], &signer);
        refuses(&checkpoint, &|t| Checkpoint::open_own(t, public).is_ok());
    }

    #[test]
    fn a_witness_may_sign_beside() {
        let signer = signer();
        let mut text = Checkpoint::sign(3, &[9; 32], &signer);
        text += "— witness.example AAAAAAAA\n";
        let checkpoint = Checkpoint::open(&text, signer.verifier_key()).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (3, [9; 32]));
        assert!(Checkpoint::open_own(&text, signer.verifier_key()).is_err());
    }
}
