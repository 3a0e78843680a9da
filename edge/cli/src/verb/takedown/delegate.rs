use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_contain::{Absence, DELEGATION_MS_MAX};
use leckwehr_control::{Statement, absence_bytes};
use leckwehr_crypt::hex;
use leckwehr_incident::{Delegation, Timestamp};

use super::refuse::write;
use super::room::now;
use super::signer::SignerArgs;
use crate::problem::Problem;

/// Hours in the longest absence; a delegation ends before.
const HOURS_MAX: i64 = 90 * 24;

/// Hand your right to approve on for some hours, or say that you are away.
///
/// Writes a signed statement; it counts once `leckwehr takedown run` or `resume` is given it with --word, and is a fact then. Under a
/// protocol (`protocol = …` in room.toml) the word of who is away does not count for plans meanwhile, and the protocol says who
/// stands in. Example:
///
///     leckwehr takedown delegate --as anna --key anna.approver --to cem --hours 8
///
///     leckwehr takedown delegate --as anna --key anna.approver --away --hours 72
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
#[group(id = "how", required = true, multiple = false, args = ["to", "away"])]
pub struct Args {
    /// Your name, as the control room knows it.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    #[command(flatten)]
    signer: SignerArgs,
    /// Who approves in your place.
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// You are away.
    #[arg(long)]
    away: bool,
    /// For how long.
    #[arg(long, value_name = "HOURS", default_value_t = 8, value_parser = clap::value_parser!(i64).range(1..=HOURS_MAX))]
    hours: i64,
    /// From when (RFC 3339); now unless given.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// File to write; NAME.delegation.json unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let since = args.from.unwrap_or_else(now);
    let until = since.plus_ms(args.hours * 3_600_000);
    let delegated_max = DELEGATION_MS_MAX / 3_600_000;
    if args.to.is_some() && args.hours > delegated_max {
        let summary = format!(
            "--hours {}: the right to approve is handed on for at most {delegated_max} hours",
            args.hours
        );
        return Err(Problem::plain("LW-CONTAIN-035", summary).hint("hand it on again when it ends"));
    }
    let (statement, said) = match &args.to {
        Some(to) => {
            let mut delegation = Delegation {
                from: args.name.clone(),
                to: to.clone(),
                since,
                until,
                signature: String::new(),
            };
            delegation.signature = hex(&args.signer.sign(&delegation.bytes())?);
            (
                Statement::Delegation { delegation },
                format!("{to} approves for {}", args.name),
            )
        }
        None => {
            let absence = Absence {
                person: args.name.clone(),
                since,
                until,
            };
            let signature = hex(&args.signer.sign(&absence_bytes(&absence))?);
            (Statement::Absence { absence, signature }, format!("{} is away", args.name))
        }
    };
    let file = PathBuf::from(format!("{}.delegation.json", args.name));
    write(
        &statement,
        args.out.clone().unwrap_or(file),
        &format!("{said} from {since} until {until}"),
        args.json,
    )
}
