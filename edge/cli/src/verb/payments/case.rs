use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::ToSpan as _;
use jiff::civil::Date;
use leckwehr_pay::{Desk, Every, Evidence, Fault, INPUT_BYTES_MAX, Input, Orders, Period, Plan, Shift, euros, parse_cents};

use super::place::{read_file, today};
use crate::problem::Problem;

/// How often the payments of a payment file recur.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Repeat {
    #[default]
    Once,
    Weekly,
    Monthly,
    Quarterly,
    Yearly,
}

impl Repeat {
    fn every(self) -> Every {
        match self {
            Self::Once => Every::Once,
            Self::Weekly => Every::Weekly,
            Self::Monthly => Every::Monthly,
            Self::Quarterly => Every::Quarterly,
            Self::Yearly => Every::Yearly,
        }
    }
}

/// Standing orders.
#[derive(clap::Args)]
pub(super) struct OrdersArgs {
    /// Standing orders: CSV, TOML, or a payment file (pain.001.001.03 or .09).
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    orders: Vec<PathBuf>,
    /// How often the payments of a payment file recur; other orders say it themselves.
    #[arg(long, value_enum, default_value_t, value_name = "INTERVAL")]
    every: Repeat,
    /// The number of orders that there must be.
    #[arg(long, value_name = "N")]
    expect_count: Option<u64>,
    /// The sum that all orders must have, in euros.
    #[arg(long, value_name = "EUROS")]
    expect_sum: Option<String>,
}

impl OrdersArgs {
    /// Reads all orders, and holds them against what was expected.
    pub(super) fn read(&self) -> Result<Orders, Problem> {
        let mut orders = Orders::default();
        for path in &self.orders {
            let bytes = read_file(path, INPUT_BYTES_MAX as u64)?;
            let input = Input {
                name: &path.display().to_string(),
                bytes: &bytes,
                every: self.every.every(),
            };
            orders.read(&input).map_err(|fault| whole(&fault))?;
        }
        let count = orders.orders.len() as u64 + orders.faulty;
        let cents: u128 = orders.orders.iter().map(|order| u128::from(order.cents)).sum();
        let count_fits = self.expect_count.is_none_or(|expected| expected == count);
        let sum_fits = match &self.expect_sum {
            None => true,
            Some(text) => {
                let expected = parse_cents(text).map_err(|_| Problem::plain("LW-PAY-026", "the expected sum is no amount"))?;
                orders.faulty == 0 && u128::from(expected) == cents
            }
        };
        if !count_fits || !sum_fits {
            let summary = format!(
                "the orders are not the ones expected: {count} of {} EUR, {} faulty",
                sum(cents),
                orders.faulty
            );
            return Err(
                Problem::plain("LW-PAY-026", summary).hint("find out which orders are missing or too many; nothing was done")
            );
        }
        Ok(orders)
    }
}

/// Everything that a plan is made from.
#[derive(clap::Args)]
pub(super) struct CaseArgs {
    #[command(flatten)]
    orders: OrdersArgs,
    /// First due day.
    #[arg(long, value_name = "DAY")]
    from: Date,
    /// Last due day.
    #[arg(long, value_name = "DAY")]
    to: Date,
    /// First day on which a bank can still execute; the next business day unless given.
    #[arg(long, value_name = "DAY")]
    earliest: Option<Date>,
    /// What the normal system paid already: payment files (pain.001) or reports of accounts (camt.052, .053, .054).
    #[arg(long, value_name = "FILE", num_args = 1..)]
    already_paid: Vec<PathBuf>,
    /// An order that is a further payment, although it is like one that was paid.
    #[arg(long, value_name = "FILE:LINE")]
    pay_like: Vec<String>,
}

/// What was read, and the plan that follows.
pub(super) struct Case {
    pub(super) orders: Orders,
    pub(super) evidence: Evidence,
    pub(super) plan: Plan,
}

impl CaseArgs {
    /// Reads everything and plans.
    pub(super) fn plan(&self, desk: &Desk) -> Result<Case, Problem> {
        let orders = self.orders.read()?;
        let mut evidence = Evidence::default();
        for path in &self.already_paid {
            let bytes = read_file(path, INPUT_BYTES_MAX as u64)?;
            evidence
                .read(&path.display().to_string(), &bytes)
                .map_err(|fault| whole(&fault))?;
        }
        let overruled = self
            .pay_like
            .iter()
            .map(|text| place(text))
            .collect::<Result<BTreeSet<_>, _>>()?;
        let period = Period {
            from: self.from,
            to: self.to,
            earliest: self
                .earliest
                .unwrap_or_else(|| Shift::Next.business_day(today().saturating_add(1.day()))),
        };
        let plan = Plan::make(&orders, &evidence, &desk.known(), &desk.guard_key(), period, &overruled);
        let plan = plan.map_err(|e| Problem::new("LW-PAY-024", "no run can be planned", &e))?;
        Ok(Case { orders, evidence, plan })
    }
}

fn place(text: &str) -> Result<(String, u64), Problem> {
    let place = text
        .rsplit_once(':')
        .and_then(|(file, line)| Some((Path::new(file).display().to_string(), line.parse().ok()?)));
    place.ok_or_else(|| {
        Problem::plain("LW-PAY-027", format!("`{text}` is not FILE:LINE")).hint("take it from the list of `payments plan`")
    })
}

/// An input that cannot be trusted as a whole.
fn whole(fault: &Fault) -> Problem {
    Problem::new("LW-PAY-022", "an input cannot be trusted; nothing of it was taken", fault)
}

/// Euros of a sum that may be larger than one payment.
pub(super) fn sum(cents: u128) -> String {
    u64::try_from(cents).map_or_else(|_| format!("{}.{:02}", cents / 100, cents % 100), euros)
}
