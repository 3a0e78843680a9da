use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_crypt::{SealingKey, from_hex};
use leckwehr_eau::{BATCH_MESSAGES_MAX, Class, DamageKind, Incoming, Receipt, Spool, SpoolConfig, SpoolError, Status};
use leckwehr_incident::Timestamp;
use serde_json::json;

use crate::problem::Problem;

/// Look into a spool of eAU, or take files into one: durable and sealed before the receipt is printed.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Status(StatusArgs),
    Accept(AcceptArgs),
}

/// Count what a spool holds and name what is damaged; changes and locks nothing.
///
/// Exit code 0: every record is sound. 1: something is damaged or missing.
#[derive(clap::Args)]
struct StatusArgs {
    /// The spool's folder.
    dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Take files as they are, whatever is in them, and print a receipt for each once it is durable.
///
/// The same file under the same name is taken once. What is printed with an exit code other than 0 is durable
/// nevertheless; send the rest again.
#[derive(clap::Args)]
struct AcceptArgs {
    /// The spool's folder; it is made if it is missing.
    dir: PathBuf,
    /// Public half of the receiver's key, 64 hex digits. Its private half stays off this machine.
    #[arg(long, value_name = "HEX")]
    key: String,
    /// Sender to note, sealed with the file.
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    sender: String,
    /// Documents.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON object per receipt.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Status(args) => status(&args),
        Verb::Accept(args) => accept(&args),
    }
}

fn status(args: &StatusArgs) -> Result<ExitCode, Problem> {
    let status = Spool::look(&args.dir)
        .map_err(|e| Problem::new(e.code(), "the spool cannot be read", &e).hint("give the folder that holds the .seg files"))?;
    let text = if args.json {
        status_json(&status)
    } else {
        status_text(&status)
    };
    print(&text);
    let sound = |d: &leckwehr_eau::Damage| matches!(d.kind, DamageKind::TornTail { .. });
    Ok(ExitCode::from(u8::from(!status.damages.iter().all(sound))))
}

fn status_json(status: &Status) -> String {
    let [good, doubtful, unreadable] = status.classes;
    let object = json!({
        "records": status.records,
        "good": good,
        "doubtful": doubtful,
        "unreadable": unreadable,
        "identifier_conflicts": status.conflicts,
        "last_seq": status.last_seq,
        "segments": status.segments,
        "bytes": status.bytes,
        "first_received_ns": status.received_ns.map(|(first, _)| first),
        "last_received_ns": status.received_ns.map(|(_, last)| last),
        "damages": status.damages.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    format!("{object}\n")
}

fn status_text(status: &Status) -> String {
    let counts = Class::ALL.map(|class| format!("{} {}", status.classes[class as usize], class.word()));
    let mut text = format!(
        "{} records: {} · {} identifier conflicts\n{} bytes in {} segments, last number {}\n",
        status.records,
        counts.join(", "),
        status.conflicts,
        status.bytes,
        status.segments,
        status.last_seq,
    );
    if let Some((first, last)) = status.received_ns {
        text += &format!("received {} to {}\n", Timestamp(first), Timestamp(last));
    }
    for damage in &status.damages {
        text += &format!("damage: {damage}\n");
    }
    text
}

fn accept(args: &AcceptArgs) -> Result<ExitCode, Problem> {
    let key = from_hex(&args.key)
        .and_then(|bytes| bytes.try_into().ok())
        .map(SealingKey::from_bytes);
    let key = key.ok_or_else(|| {
        Problem::plain("LW-EAU-021", "the sealing key is not 64 hex digits").hint("give the public half of the receiver's key")
    })?;
    let opened = Spool::open(&args.dir, key, SpoolConfig::default());
    let mut spool = opened.map_err(|e| problem("the spool cannot be opened", &e))?;
    // Few files at a time, so that large ones do not fill the memory.
    for files in args.files.chunks(BATCH_MESSAGES_MAX.min(64)) {
        let batch = files
            .iter()
            .map(|file| read(file, &args.sender))
            .collect::<Result<Vec<_>, _>>()?;
        let receipts = spool
            .accept_batch(&batch)
            .map_err(|e| problem("the files were not all taken", &e))?;
        for (file, receipt) in files.iter().zip(&receipts) {
            print(&receipt_line(file, receipt, args.json));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path, sender: &str) -> Result<Incoming, Problem> {
    let bytes = std::fs::read(file).map_err(|e| {
        Problem::new("LW-EAU-022", format!("{} cannot be read", file.display()), &e)
            .hint("nothing after the receipts printed was taken")
    })?;
    Ok(Incoming {
        message_id: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        sender: sender.to_owned(),
        received_at_ns: now_ns(),
        bytes,
    })
}

fn receipt_line(file: &Path, receipt: &Receipt, json: bool) -> String {
    let file = file.display().to_string();
    if json {
        let object = json!({
            "file": file,
            "seq": receipt.seq,
            "class": receipt.class.word(),
            "duplicate_of": receipt.duplicate_of,
            "identifier_conflict": receipt.identifier_conflict,
        });
        return format!("{object}\n");
    }
    let note = match (receipt.duplicate_of, receipt.identifier_conflict) {
        (Some(_), _) => ", held already",
        (None, true) => ", same identifier as another with different content",
        (None, false) => "",
    };
    format!("{} {}{note}  {file}\n", receipt.seq, receipt.class.word())
}

fn problem(summary: &str, error: &SpoolError) -> Problem {
    let problem = Problem::new(error.code(), summary, error);
    match error {
        SpoolError::Io { .. } | SpoolError::MustReopen => {
            problem.hint("mend the disk, then give the files without a receipt again: none is taken twice")
        }
        SpoolError::Locked(_) => problem.hint("`leckwehr spool status` looks into a spool that is in use"),
        _ => problem,
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line notes when a file was given")]
fn now_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or(0)
}

/// A closed pipe ends the talk, not the work.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
