use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_crypt::hex;
use leckwehr_incident::Timestamp;
use leckwehr_ledger::{Form, Hash, KeyFrom, LedgerError, Pages, Reader, Report, Trust, leaf_hash, verify};
use serde_json::{Value, json};

use crate::problem::Problem;

/// Entries read at a time.
const PAGE_ENTRIES: u64 = 1_024;

/// Verify, show, prove and export the ledger: the tamper-evident log of everything that was found, decided and done.
///
/// PATH is a store folder (with ledger.db) or an exported folder (with checkpoint). Nothing is ever changed in it.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Verify(VerifyArgs),
    Show(ShowArgs),
    Prove(ProveArgs),
    Export(ExportArgs),
}

/// Check every entry, hash, signature and page; name each place that is not as it was written.
///
/// Exit code 0: nothing found. 1: damaged, cut off, rolled back or rewritten.
#[derive(clap::Args)]
struct VerifyArgs {
    /// Store folder or exported folder.
    path: PathBuf,
    /// An older checkpoint that was kept elsewhere: the ledger must still begin with what it covers.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// The verifier key (name+id+base64) from a place that an attacker of the ledger does not hold.
    #[arg(long, value_name = "LINE")]
    vkey: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Print entries.
#[derive(clap::Args)]
struct ShowArgs {
    /// Store folder or exported folder.
    path: PathBuf,
    /// First entry.
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// At most this many entries.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print one JSON object per line, with the whole entry.
    #[arg(long)]
    json: bool,
}

/// Prove that an entry is in the ledger, or that an earlier state is the beginning of a later one (RFC 9162).
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true)))]
struct ProveArgs {
    /// Store folder or exported folder.
    path: PathBuf,
    /// The entry to prove.
    #[arg(long, value_name = "N", group = "what")]
    index: Option<u64>,
    /// Size of the earlier state.
    #[arg(long, value_name = "N", group = "what")]
    from_size: Option<u64>,
    /// Size of the later state; without it, all entries.
    #[arg(long, value_name = "N")]
    to_size: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Write the ledger as a folder of static files (C2SP tlog-tiles) that any web host can serve.
#[derive(clap::Args)]
struct ExportArgs {
    /// Store folder or exported folder.
    path: PathBuf,
    /// New folder to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Verify(args) => run_verify(&args),
        Verb::Show(args) => run_show(&args),
        Verb::Prove(args) => run_prove(&args),
        Verb::Export(args) => run_export(&args),
    }
}

fn run_verify(args: &VerifyArgs) -> Result<ExitCode, Problem> {
    let against = match &args.against {
        Some(file) => Some(std::fs::read_to_string(file).map_err(|error| {
            Problem::new(
                "LW-LEDGER-003",
                format!("cannot read the checkpoint {}", file.display()),
                &error,
            )
            .hint("give a file with the text of an earlier checkpoint")
        })?),
        None => None,
    };
    let trust = Trust {
        against,
        verifier_key: args.vkey.clone(),
    };
    let report = verify(&args.path, &trust).map_err(|error| problem(&args.path, &error))?;
    if args.json {
        print(&format!("{}\n", verify_json(&report)))?;
    } else {
        print(&verify_text(&args.path, &report))?;
    }
    Ok(ExitCode::from(u8::from(!report.is_ok())))
}

fn verify_text(path: &Path, report: &Report) -> String {
    let mut text = String::new();
    for damage in &report.damage {
        text += &format!("DAMAGED  {damage}\n");
    }
    for note in &report.notes {
        text += &format!("note     {note}\n");
    }
    let verdict = if report.is_ok() { "verified" } else { "NOT AS IT WAS WRITTEN" };
    text += &format!("{}: {verdict}", path.display());
    if let Some(checkpoint) = &report.checkpoint {
        text += &format!(
            "\n  {} entries of {}, root {}",
            checkpoint.size,
            checkpoint.origin,
            hex(&checkpoint.root)
        );
    }
    text += match report.pages {
        Pages::Checked(_) => "\n  every byte of the database compared with its page sums",
        Pages::NoSums => {
            "\n  no page sums (open, or not closed cleanly): entries, hashes and checkpoint are covered, unused bytes of ledger.db are not"
        }
        Pages::NotAStore => "",
    };
    if let Some(size) = report.against {
        text += &format!("\n  begins with the {size} entries of the older checkpoint");
    }
    if report.key == KeyFrom::Folder {
        text += "\n  the verifier key was taken from the folder itself: give --vkey to rule out that everything was replaced";
    }
    text + "\n"
}

fn verify_json(report: &Report) -> Value {
    let damage = |d: &leckwehr_ledger::Damage| json!({"file": d.file, "place": d.place.to_string(), "what": d.what});
    json!({
        "verified": report.is_ok(),
        "form": match report.form { Form::Store => "store", Form::Export => "export" },
        "origin": report.checkpoint.as_ref().map(|c| &c.origin),
        "entries": report.checkpoint.as_ref().map(|c| c.size),
        "root": report.checkpoint.as_ref().map(|c| hex(&c.root)),
        "key": match report.key { KeyFrom::OutOfBand => "handed in", KeyFrom::Folder => "folder" },
        "pages_checked": match report.pages { Pages::Checked(pages) => Some(pages), Pages::NoSums | Pages::NotAStore => None },
        "against": report.against,
        "damage": report.damage.iter().map(damage).collect::<Vec<_>>(),
        "notes": report.notes,
    })
}

fn run_show(args: &ShowArgs) -> Result<ExitCode, Problem> {
    let problem = |error| problem(&args.path, &error);
    let reader = Reader::open(&args.path).map_err(problem)?;
    let end = args
        .limit
        .map_or(reader.size(), |limit| args.from.saturating_add(limit).min(reader.size()));
    let mut next = args.from.min(end);
    while next < end {
        let to = end.min(next + PAGE_ENTRIES);
        let mut text = String::new();
        for (index, entry) in (next..to).zip(reader.entries(next..to).map_err(problem)?) {
            text += &if args.json {
                format!("{}\n", show_json(index, &entry))
            } else {
                show_text(index, &entry)
            };
        }
        print(&text)?;
        next = to;
    }
    Ok(ExitCode::SUCCESS)
}

/// One line: index, then time, kind and speaker of a fact, or the entry itself.
fn show_text(index: u64, entry: &[u8]) -> String {
    let fact: Option<Value> = serde_json::from_slice(entry).ok();
    let header = fact.as_ref().and_then(|fact| {
        let at = Timestamp(fact.get("at")?.as_i64()?);
        Some((at, fact.get("what")?.get("fact")?.as_str()?, fact.get("by")?.as_str()?))
    });
    match header {
        Some((at, kind, by)) => {
            let what = fact.as_ref().and_then(|fact| fact.get("what")).and_then(Value::as_object);
            let mut what = what.cloned().unwrap_or_default();
            what.remove("fact");
            format!(
                "{index:>6}  {at}  {}  {}  {}\n",
                printable(kind),
                printable(by),
                printable(&Value::from(what).to_string())
            )
        }
        None => match std::str::from_utf8(entry) {
            Ok(text) => format!("{index:>6}  {}\n", printable(text)),
            Err(_) => format!("{index:>6}  hex {}\n", hex(entry)),
        },
    }
}

/// An entry may hold what an attacker wrote: control characters must not reach the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

fn show_json(index: u64, entry: &[u8]) -> Value {
    match (serde_json::from_slice::<Value>(entry), std::str::from_utf8(entry)) {
        (Ok(value), _) => json!({"index": index, "entry": value}),
        (Err(_), Ok(text)) => json!({"index": index, "text": text}),
        (Err(_), Err(_)) => json!({"index": index, "hex": hex(entry)}),
    }
}

fn run_prove(args: &ProveArgs) -> Result<ExitCode, Problem> {
    let problem = |error| problem(&args.path, &error);
    let reader = Reader::open(&args.path).map_err(problem)?;
    let to = args.to_size.unwrap_or(reader.size());
    let proof = match (args.index, args.from_size) {
        (Some(index), _) => {
            let proof = reader.inclusion_proof(index, to).map_err(problem)?;
            let entry = reader.entries(index..index.saturating_add(1)).map_err(problem)?;
            let leaf = entry.first().map(|entry| hex(&leaf_hash(entry)));
            json!({"proves": "inclusion", "index": index, "leaf_hash": leaf, "size": to, "proof": hashes(&proof)})
        }
        (None, from) => {
            let from = from.unwrap_or(0);
            let proof = reader.consistency_proof(from, to).map_err(problem)?;
            let root = hex(&reader.root_at(from).map_err(problem)?);
            json!({"proves": "consistency", "from_size": from, "from_root": root, "size": to, "proof": hashes(&proof)})
        }
    };
    let mut proof = proof;
    proof["root"] = json!(hex(&reader.root_at(to).map_err(problem)?));
    proof["checkpoint"] = json!(reader.checkpoint());
    if args.json {
        print(&format!("{proof}\n"))?;
    } else {
        print(&prove_text(&proof, reader.checkpoint()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn prove_text(proof: &Value, checkpoint: &str) -> String {
    let field = |name: &str| proof[name].as_str().unwrap_or_default().to_owned();
    let mut text = if proof["proves"] == "inclusion" {
        format!(
            "entry {} is in the ledger of {} entries\n  leaf hash {}\n",
            proof["index"],
            proof["size"],
            field("leaf_hash")
        )
    } else {
        format!(
            "the ledger of {} entries is the beginning of that of {} entries\n  old root  {}\n",
            proof["from_size"],
            proof["size"],
            field("from_root")
        )
    };
    text += &format!("  root      {}\n", field("root"));
    for hash in proof["proof"].as_array().into_iter().flatten() {
        text += &format!("  proof     {}\n", hash.as_str().unwrap_or_default());
    }
    text + "\n" + checkpoint
}

fn hashes(proof: &[Hash]) -> Vec<String> {
    proof.iter().map(|hash| hex(hash)).collect()
}

/// Exports, then verifies what was written.
fn run_export(args: &ExportArgs) -> Result<ExitCode, Problem> {
    let reader = Reader::open(&args.path).map_err(|error| problem(&args.path, &error))?;
    reader.export(&args.out).map_err(|error| problem(&args.path, &error))?;
    let trust = Trust {
        against: Some(reader.checkpoint().to_owned()),
        verifier_key: Some(reader.verifier_key().to_line()),
    };
    let report = verify(&args.out, &trust).map_err(|error| problem(&args.out, &error))?;
    print(&verify_text(&args.out, &report))?;
    Ok(ExitCode::from(u8::from(!report.is_ok())))
}

fn problem(path: &Path, error: &LedgerError) -> Problem {
    let shown = path.display();
    match error {
        LedgerError::NotALedger(_) => Problem::new("LW-LEDGER-001", format!("there is no ledger in {shown}"), error)
            .hint("give the folder that holds ledger.db, or an exported folder that holds checkpoint"),
        LedgerError::Damaged { .. } => Problem::new("LW-LEDGER-002", format!("the ledger in {shown} is damaged"), error)
            .hint(format!("leckwehr ledger verify {shown}   names every damaged place")),
        LedgerError::File { .. } => Problem::new("LW-LEDGER-003", "a file cannot be used", error)
            .hint("check that the file is there and that you may read it"),
        LedgerError::Occupied(_) => {
            Problem::new("LW-LEDGER-004", "the folder to write is not empty", error).hint("give a new folder: --out DIR")
        }
        LedgerError::Range { size, .. } => Problem::new("LW-LEDGER-005", "there are not so many entries", error)
            .hint(format!("entries are counted from 0; this ledger holds {size}")),
        LedgerError::Note { .. } => Problem::new("LW-LEDGER-006", "a key or checkpoint cannot be used", error)
            .hint("a verifier key is one line: name+id+base64, as in ledger.vkey"),
        LedgerError::Version { .. } => Problem::new("LW-LEDGER-007", "the ledger was written by a newer version", error)
            .hint("use the leckwehr that wrote it, or export it there and read the export"),
        _ => Problem::new("LW-LEDGER-008", format!("the ledger in {shown} cannot be read"), error)
            .hint(format!("leckwehr ledger verify {shown}   tells whether it is damaged"))
            .hint("copy the folder to a place you may write to, if it lies on a read-only disk and was not closed cleanly"),
    }
}

fn print(text: &str) -> Result<(), Problem> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has seen enough: `show | head`.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Problem::new("LW-LEDGER-003", "cannot write to stdout", &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_shown_with_time_kind_and_speaker() {
        let fact = br#"{"v":1,"at":1682392329250000000,"by":"detect","what":{"fact":"alarm-closed","alarm":"a1"}}"#;
        assert_eq!(
            show_text(7, fact),
            "     7  2023-04-25T03:12:09.250Z  alarm-closed  detect  {\"alarm\":\"a1\"}\n"
        );
        assert_eq!(show_json(7, fact)["entry"]["by"], "detect");
    }

    #[test]
    fn other_entries_are_shown_without_harm_to_the_terminal() {
        assert_eq!(show_text(0, b"a\x1b[2Jb\n"), "     0  a\\u{1b}[2Jb\\n\n");
        assert_eq!(show_text(1, &[0xff, 0]), "     1  hex ff00\n");
    }
}
