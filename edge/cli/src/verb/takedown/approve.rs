use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use leckwehr_control::{APPROVAL_MS_MAX, undo_hash};
use leckwehr_crypt::{SignError, Signer, SigningKey, from_hex, hex};
use leckwehr_guard::Approval;
use leckwehr_incident::PlanRecord;
use serde_json::json;

use super::room::{now, plan_of_file};
use crate::output::say;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Bytes that a signer program may print.
const SIGNATURE_CHARS: usize = 128;
/// Hours in the longest validity.
const HOURS_MAX: i64 = APPROVAL_MS_MAX / 3_600_000;

/// Approve a plan with your own key: read it, and sign its hash.
///
/// The approval names the plan's hash and an end of validity; changing anything in the plan makes it worthless. Hand the file that
/// it writes to whoever runs the takedown. Two different people must approve. Example:
///
///     leckwehr takedown approve plan.json --as anna --key anna.approver
///     leckwehr takedown approve plan.json --as anna --signer ./sign-with-token    # a key that never leaves its token
///     leckwehr takedown approve plan.json --as anna --key anna.approver --undo    # approve that it is undone
#[derive(clap::Args)]
pub struct Args {
    /// The plan, as `leckwehr takedown plan --out` writes it (plan.json).
    plan: PathBuf,
    /// Your name, as guards and the control room know it.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// File with your private key: 64 hex digits.
    #[arg(long, value_name = "FILE", required_unless_present = "signer")]
    key: Option<PathBuf>,
    /// Program that signs with a key it alone can use: it gets the message on its standard input and prints the Ed25519 signature
    /// as 128 hex digits.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "key")]
    signer: Option<PathBuf>,
    /// For how many hours the approval counts.
    #[arg(long, value_name = "HOURS", default_value_t = 8, value_parser = clap::value_parser!(i64).range(1..=HOURS_MAX))]
    hours: i64,
    /// Approve the undoing of the plan instead.
    #[arg(long)]
    undo: bool,
    /// File to write; NAME.approval.json beside the plan unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let plan = plan_of_file(&args.plan)?;
    let hash = if args.undo { undo_hash(&plan.hash) } else { plan.hash.clone() };
    say(&text(&plan, args.undo));
    let until = now().plus_ms(args.hours * 3_600_000);
    let message = Approval::message(&hash, Some(until));
    let signature = signer(args)?.sign(&message);
    let signature = signature.map_err(|error| {
        Problem::new("LW-CONTAIN-020", "the plan could not be signed", &error).hint("check the key or the signer program")
    })?;
    let approval = Approval {
        approver: args.name.clone(),
        signature: hex(&signature),
        valid_until: Some(until),
    };
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| args.plan.with_file_name(format!("{}.approval.json", args.name)));
    let written = json!({ "hash": hash, "plan": plan.hash, "undo": args.undo, "approval": approval });
    write(&out, &written)?;
    if args.json {
        print_json(&written)?;
    } else {
        let what = if args.undo { "the undoing of plan" } else { "plan" };
        print(&format!(
            "{} approved {what} {} until {until}: {}\n",
            args.name,
            plan.hash,
            out.display()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a person approves, in words.
fn text(plan: &PlanRecord, undo: bool) -> String {
    let steps = plan.steps.iter().map(|s| {
        format!(
            "  {:>3} {} {} at {}: {}\n",
            s.number, s.action, s.target, s.executor, s.reason
        )
    });
    let what = if undo { "TO BE UNDONE: " } else { "" };
    format!(
        "{what}{}, {} euros of harm per hour\n{}",
        plan.summary,
        plan.harm_eur_per_hour,
        steps.collect::<String>()
    )
}

fn signer(args: &Args) -> Result<Box<dyn Signer>, Problem> {
    if let Some(program) = &args.signer {
        return Ok(Box::new(Program(program.clone())));
    }
    let file = args.key.clone().unwrap_or_default();
    let text = fs::read_to_string(&file).map_err(|error| {
        Problem::new("LW-CONTAIN-021", format!("the key {} cannot be read", file.display()), &error)
            .hint("`leckwehr guard keys --approver NAME` makes one")
    })?;
    let seed = from_hex(text.trim()).and_then(|bytes| bytes.try_into().ok());
    let key = seed.and_then(|seed| SigningKey::from_seed(&seed).ok());
    let key = key.ok_or_else(|| {
        Problem::plain("LW-CONTAIN-021", format!("{} holds no key", file.display())).hint("a key is 64 hex digits in one line")
    })?;
    Ok(Box::new(key))
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

fn write(path: &Path, value: &serde_json::Value) -> Result<(), Problem> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
    fs::write(path, text).map_err(|error| {
        Problem::new("LW-CONTAIN-022", format!("{} cannot be written", path.display()), &error).hint("name another: --out FILE")
    })
}
