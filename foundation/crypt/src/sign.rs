use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::random_bytes;

/// What can go wrong with a signature.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key's bytes are not a key.
    #[error("not an Ed25519 key (32 bytes)")]
    BadKey,
    /// Whatever holds the key did not sign.
    #[error("whatever holds the key did not sign")]
    NoSigner,
    /// The signature does not fit the message and key.
    #[error("the signature does not fit")]
    BadSignature,
}

/// Something that signs with an Ed25519 key: a key in memory, or hardware that never gives it out.
pub trait Signer {
    /// Signs a message.
    ///
    /// # Errors
    /// The key cannot be used now: a token is not there, or a person said no.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

impl Signer for SigningKey {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(Self::sign(self, message))
    }
}

/// An Ed25519 private key (RFC 8032).
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// Makes a new key from the system's randomness.
    pub fn generate() -> Result<Self, SignError> {
        Self::from_seed(&random_bytes().map_err(|_| SignError::BadKey)?)
    }

    /// Reads a key from its 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SignError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SignError::BadKey)?;
        Ok(Self { seed: *seed, pair })
    }

    /// Returns the seed, to be stored by the owner of the key.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Signs a message: 64 bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.pair.sign(message).as_ref());
        out
    }

    /// Returns the public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        VerifyingKey(bytes)
    }
}

/// An Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// Takes the 32 bytes of a public key; whether they are a point on the curve shows when verifying.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks a signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignError> {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, signature)
            .map_err(|_| SignError::BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{from_hex, hex};

    #[test]
    fn first_vector_of_rfc_8032() {
        let seed = from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = SigningKey::from_seed(&seed.try_into().unwrap()).unwrap();
        assert_eq!(
            hex(key.verifying_key().as_bytes()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        let signature = key.sign(b"");
        assert!(hex(&signature).starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"));
        assert_eq!(key.verifying_key().verify(b"", &signature), Ok(()));
        assert_eq!(key.verifying_key().verify(b"x", &signature), Err(SignError::BadSignature));
    }
}
