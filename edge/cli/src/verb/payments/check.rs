use std::process::ExitCode;

use leckwehr_pay::{Language, Orders};
use serde_json::json;

use super::case::{OrdersArgs, sum};
use super::place::TalkArgs;
use crate::output::Out;
use crate::problem::Problem;

/// Check standing orders: accounts, amounts, days, texts; every mistake with file, line, field and remedy.
///
/// Run it when the daily export is made, not when it is needed. Exit code 0: every order is sound. 1: some are not.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    orders: OrdersArgs,
    #[command(flatten)]
    talk: TalkArgs,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let orders = args.orders.read()?;
    let cents = orders.orders.iter().map(|order| u128::from(order.cents)).sum();
    let mut out = Out::new();
    if args.talk.json {
        out.json(&json!({
            "orders": orders.orders.len(),
            "sum_eur": sum(cents),
            "faulty": orders.faulty,
            "faults": orders.faults,
        }))?;
    } else {
        let language = args.talk.language();
        out.text(&faults(&orders, language))?;
        let sound = language.pick("gültige Aufträge über", "sound orders of");
        let faulty = language.pick("fehlerhaft", "faulty");
        out.text(&format!(
            "{} {sound} {} EUR, {} {faulty}\n",
            orders.orders.len(),
            sum(cents),
            orders.faulty
        ))?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(orders.faulty > 0)))
}

/// One line per fault.
pub(super) fn faults(orders: &Orders, language: Language) -> String {
    orders.faults.iter().map(|fault| fault.text(language) + "\n").collect()
}
