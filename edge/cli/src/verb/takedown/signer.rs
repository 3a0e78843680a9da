//! The key of a person who signs: in a file, or in something that never gives it away.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use leckwehr_crypt::{SignError, Signer, SigningKey, from_hex};

use crate::problem::Problem;

/// Bytes that a signer program may print.
const SIGNATURE_CHARS: usize = 128;

/// With what a person signs.
#[derive(clap::Args)]
pub(in crate::verb) struct SignerArgs {
    /// File with your private key: 64 hex digits.
    #[arg(long, value_name = "FILE", required_unless_present = "signer")]
    key: Option<PathBuf>,
    /// Program that signs with a key it alone can use: it gets the message on its standard input and prints the Ed25519 signature
    /// as 128 hex digits.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "key")]
    signer: Option<PathBuf>,
}

impl SignerArgs {
    /// Signs as the person does.
    pub(in crate::verb) fn sign(&self, message: &[u8]) -> Result<[u8; 64], Problem> {
        self.signer()?.sign(message).map_err(|error| {
            Problem::new("LW-CONTAIN-020", "it could not be signed", &error).hint("check the key or the signer program")
        })
    }

    fn signer(&self) -> Result<Box<dyn Signer>, Problem> {
        if let Some(program) = &self.signer {
            return Ok(Box::new(Program(program.clone())));
        }
        let file = self.key.clone().unwrap_or_default();
        let text = fs::read_to_string(&file).map_err(|error| {
            Problem::new("LW-CONTAIN-021", format!("the key {} cannot be read", file.display()), &error)
                .hint("`leckwehr guard keys --approver NAME` makes one")
        })?;
        let seed = from_hex(text.trim()).and_then(|bytes| bytes.try_into().ok());
        let key = seed.and_then(|seed| SigningKey::from_seed(&seed).ok());
        let key = key.ok_or_else(|| {
            Problem::plain("LW-CONTAIN-021", format!("{} holds no key", file.display()))
                .hint("a key is 64 hex digits in one line")
        })?;
        Ok(Box::new(key))
    }
}

/// A program that signs with a key that it alone can use, such as one on a token.
struct Program(PathBuf);

impl Signer for Program {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        use std::io::Write as _;
        let mut command = Command::new(&self.0);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|_| SignError::NoSigner)?;
        let handed = child.stdin.take().map(|mut stdin| stdin.write_all(message));
        let output = child.wait_with_output().map_err(|_| SignError::NoSigner)?;
        if !(matches!(handed, Some(Ok(()))) && output.status.success()) {
            return Err(SignError::NoSigner);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let text = text.trim().get(..SIGNATURE_CHARS).unwrap_or_default();
        let signature = from_hex(text).and_then(|bytes| bytes.try_into().ok());
        signature.ok_or(SignError::NoSigner)
    }
}
