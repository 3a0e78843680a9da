//! The verbs of the emergency payment run, one file each.

mod approve;
mod build;
mod case;
mod check;
mod facts;
mod key;
mod place;
mod plan;
mod release;
mod show;
mod status;

use std::process::ExitCode;

use crate::problem::Problem;

/// Pay when the payment system is down: an emergency run from standing orders, never twice, released by two people.
///
/// Orders are CSV with a head line, TOML (`[[order]]`), or the last good payment file (pain.001.001.03 or .09). Fields:
/// debtor_name, debtor_iban, creditor_name, creditor_iban, amount, first_due (needed); debtor_bic, debtor_town,
/// debtor_country, creditor_bic, currency (EUR), purpose, remittance ({year}, {month}, {day} of the due day), end_to_end,
/// every (once, weekly, monthly, quarterly, yearly), last_due, shift (next, previous business day). Example:
///
///     leckwehr payments key desk.key
///
///     leckwehr payments key anna.key >> roster          # then write the name before the key
///
///     leckwehr payments check --orders orders.csv
///
///     leckwehr payments plan desk --key desk.key --orders orders.csv --from 2026-11-01 --to 2026-11-30
///
///     leckwehr payments build desk --key desk.key --orders orders.csv --from 2026-11-01 --to 2026-11-30 \
///         --already-paid statement.xml --roster roster --as carl --person-key carl.key
///     leckwehr payments show desk 1f0c33ab --key desk.key
///
///     leckwehr payments approve desk 1f0c33ab --key desk.key --roster roster --as anna --person-key anna.key
///
///     leckwehr payments release desk 1f0c33ab --key desk.key --roster roster --as carl
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Key(key::Args),
    Check(check::Args),
    Plan(plan::Args),
    Build(build::Args),
    Show(show::Args),
    Approve(approve::Args),
    Cancel(approve::CancelArgs),
    Release(release::Args),
    Status(status::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Key(args) => key::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Plan(args) => plan::run(&args),
        Verb::Build(args) => build::run(&args),
        Verb::Show(args) => show::run(&args),
        Verb::Approve(args) => approve::run(&args),
        Verb::Cancel(args) => approve::cancel(&args),
        Verb::Release(args) => release::run(&args),
        Verb::Status(args) => status::run(&args),
    }
}
