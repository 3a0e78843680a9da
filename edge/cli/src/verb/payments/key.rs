use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_crypt::{SigningKey, hex};

use crate::output::Out;
use crate::problem::Problem;

/// Make a key for a desk or a person in a new file, readable by you alone; its public half, for a roster, is printed.
#[derive(clap::Args)]
pub struct Args {
    /// The file; it must not exist.
    file: PathBuf,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let key = SigningKey::generate().map_err(|e| Problem::new("LW-PAY-023", "no key can be made", &e))?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.file);
    let written = file.and_then(|mut file| {
        file.write_all(format!("{}\n", hex(key.seed())).as_bytes())?;
        file.sync_all()
    });
    written.map_err(|e| {
        let summary = format!("{} cannot be written", args.file.display());
        Problem::new("LW-PAY-023", summary, &e).hint("name a file that does not exist yet, in a folder that you may write to")
    })?;
    let mut out = Out::new();
    out.text(&format!("{}\n", hex(key.verifying_key().as_bytes())))?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
