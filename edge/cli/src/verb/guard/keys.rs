use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_crypt::{Authority, SigningKey, hex, random_bytes};
use leckwehr_guard::{CONTROL_ROOM, order_key};
use serde_json::json;

use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Make a first set of keys: a root, the control room's and each guard's certificate, the control room's seed, approvers' keys.
///
/// The root's own key is not kept: for another guard, make a new set. Files that hold secrets are readable by their owner only;
/// nothing that is there is written over.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Folder to write into.
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Guards and agents, as plans name them.
    #[arg(long = "guard", value_name = "NAME", required = true)]
    guards: Vec<String>,
    /// People who may approve; at least two.
    #[arg(long = "approver", value_name = "NAME")]
    approvers: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> Result<ExitCode, Problem> {
    let failed = |error: &dyn std::error::Error| {
        Problem::new("LW-GUARD-008", "the keys cannot be made", error).hint("name a new folder: --into DIR")
    };
    std::fs::create_dir_all(&args.into).map_err(|error| failed(&error))?;
    let write = |name: String, text: &str| write_new(&args.into.join(name), text).map_err(|error| failed(&error));
    let authority = Authority::generate("leckwehr").map_err(|error| failed(&error))?;
    for name in args.guards.iter().map(String::as_str).chain([CONTROL_ROOM]) {
        let identity = authority.issue(name).map_err(|error| failed(&error))?;
        let [root, certificate, key] = identity.to_pem();
        if name == CONTROL_ROOM {
            write("root.pem".to_owned(), &root)?;
        }
        write(format!("{name}.pem"), &certificate)?;
        write(format!("{name}.key"), &key)?;
    }
    let seed = random_bytes::<32>().map_err(|error| failed(&error))?;
    write("control-room.seed".to_owned(), &hex(&seed))?;
    let room = order_key(&seed).map_err(|error| failed(&error))?.verifying_key();
    let mut approvers = serde_json::Map::new();
    for name in &args.approvers {
        let key = SigningKey::generate().map_err(|error| failed(&error))?;
        write(format!("{name}.approver"), &hex(key.seed()))?;
        approvers.insert(name.clone(), json!(hex(key.verifying_key().as_bytes())));
    }
    let public = json!({"control-room": hex(room.as_bytes()), "approvers": approvers});
    if args.json {
        print_json(&public)?;
    } else {
        let mut text = format!("control-room = {}\n[approvers]\n", public["control-room"]);
        for (name, key) in &approvers {
            text += &format!("{name} = {key}\n");
        }
        print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let named = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(named)?;
    file.write_all(text.as_bytes()).map_err(named)?;
    file.sync_all()
}
