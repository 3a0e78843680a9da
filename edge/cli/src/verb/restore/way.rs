use std::collections::BTreeSet;
use std::path::PathBuf;

use leckwehr_estate::{Estate, nearest};
use leckwehr_incident::{Situation, Timestamp};
use leckwehr_restore::outage::{
    OutageEffort, OutageForecast, OutagePlan, Play, Spread, check_outages, latest_starts, plan_outages,
};
use leckwehr_restore::{InsurerWay, Recovery, RestoreConfig, insurer_ways, recovery, recovery_left, with_insurers};

use super::status::situation_of;
use crate::output::Tongue;
use crate::problem::Problem;
use crate::verb::takedown::room::now;

/// What is lost, and how long to look for the best way back.
#[derive(clap::Args)]
pub struct WayArgs {
    /// Folder of the estate.
    estate: PathBuf,
    /// Systems that are lost (ids); everything inside the provider's sites if not given.
    #[arg(long, value_name = "SYSTEM", num_args = 1..)]
    lost: Vec<String>,
    /// Ledger of the incident: planned is what its facts leave to do, by the steps of a restoration; what is verified is not planned
    /// again, and of what is under way only the rest.
    #[arg(long, value_name = "DIR", conflicts_with = "lost")]
    ledger: Option<PathBuf>,
    /// When the work begins (RFC 3339), for the shifts of crews; now if not given.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Orders of work to try.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    tries: u64,
    /// Recoveries to play through for the forecast.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    scenarios: u32,
    /// Where all choices come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Language of what people read.
    #[arg(long, value_enum, default_value = "en")]
    pub language: Tongue,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// A planned way back.
pub struct Way {
    pub estate: Estate,
    /// What the ledger says, if there is one.
    pub situation: Option<Situation>,
    pub recovery: Recovery,
    pub plan: OutagePlan,
    /// Of the services' outages, then two of each insurer: its essential services, and all.
    pub forecast: OutageForecast,
    pub insurers: Vec<InsurerWay>,
    /// Latest start of each task at which no service is back later.
    latest: Vec<u32>,
    /// What one more person of each crew would save of the mean cost, in percent of it.
    pub savings_percent: Vec<f64>,
}

impl Way {
    /// Plans and forecasts.
    pub fn plan(args: &WayArgs) -> Result<Self, Problem> {
        let estate = crate::verb::estate::load(&args.estate)?;
        let situation = args.ledger.as_deref().map(situation_of).transpose()?;
        let refused = |error: &dyn std::error::Error| {
            Problem::new("LW-RESTORE-004", "this loss cannot be planned", error)
                .hint("look at the recipes, crews and needs of the systems named: `leckwehr estate lint`")
        };
        let at = args.at.unwrap_or_else(now);
        let recovery = match &situation {
            Some(situation) => {
                let config = RestoreConfig {
                    clock: Some(at),
                    ..RestoreConfig::default()
                };
                recovery_left(situation, &estate, &config)
            }
            None => recovery(&estate, &lost(&estate, &args.lost)?, Some(at)),
        };
        let recovery = recovery.map_err(|e| refused(&e))?;
        let problem = &recovery.problem;
        let effort = OutageEffort {
            evaluations: args.tries,
            seed: args.seed,
            fixed: recovery.fixed.clone(),
            ..OutageEffort::default()
        };
        let plan = plan_outages(problem, &effort, &mut || false).map_err(|e| refused(&e))?;
        let fixed: Vec<usize> = recovery.fixed.iter().map(|(task, _)| *task).collect();
        if let Err(violation) = check_outages(problem, &plan, &fixed) {
            let summary = format!("the checker refuses the plan ({violation:?})");
            return Err(
                Problem::plain("LW-RESTORE-003", summary).hint("report this with the estate: it is a fault of the planner")
            );
        }
        let insurers = insurer_ways(&estate, &recovery.services);
        let with_insurers = with_insurers(problem, &insurers);
        let play = Play {
            problem: &with_insurers,
            order: &plan.order,
            spread: &Spread::default(),
            chances: &recovery.chances,
            fixed: &recovery.fixed,
            scenarios: args.scenarios,
            seed: args.seed,
        };
        let forecast = play.forecast().map_err(|e| refused(&e))?;
        let fewer = Play {
            scenarios: args.scenarios.div_ceil(10),
            ..play
        };
        let savings = fewer.savings_of_one_more().map_err(|e| refused(&e))?;
        let latest = latest_starts(problem, &plan, &recovery.fixed).map_err(|e| refused(&e))?;
        let whole = forecast.mean_cost.max(1) as f64;
        let savings_percent = savings.iter().map(|s| *s as f64 / whole * 100.0).collect();
        Ok(Self {
            estate,
            situation,
            recovery,
            insurers,
            latest,
            plan,
            forecast,
            savings_percent,
        })
    }

    /// Outages by their planned end, the soonest first.
    pub fn outages(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.plan.until.len()).collect();
        all.sort_by_key(|o| (self.plan.until[*o], &self.recovery.services[*o]));
        all
    }

    /// Tasks with work in them by their planned start.
    pub fn tasks(&self) -> Vec<usize> {
        let tasks = &self.recovery.problem.tasks;
        let mut all: Vec<usize> = (0..tasks.len()).filter(|a| tasks[*a].duration > 0).collect();
        all.sort_by_key(|a| (self.plan.start[*a], *a));
        all
    }

    /// End of a task in time units.
    pub fn end(&self, task: usize) -> u32 {
        self.plan.start[task] + self.recovery.problem.tasks[task].duration
    }

    /// How much later a task can end without any service being back later, in time units.
    pub fn slack(&self, task: usize) -> u32 {
        self.latest[task] - self.plan.start[task]
    }

    /// Minutes of time units.
    pub fn minutes(&self, units: u32) -> u64 {
        u64::from(units) * u64::from(self.recovery.unit_minutes)
    }

    /// Time units as [`clock`] writes them.
    pub fn clock(&self, units: u32) -> String {
        clock(self.minutes(units))
    }

    /// The crew that one more person would help most, with the saving in percent.
    pub fn most_helpful(&self) -> Option<(&str, f64)> {
        let crews = self
            .recovery
            .crews
            .iter()
            .map(String::as_str)
            .zip(self.savings_percent.iter().copied());
        crews.filter(|(_, saved)| *saved >= 0.1).max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

fn lost(estate: &Estate, named: &[String]) -> Result<BTreeSet<String>, Problem> {
    if named.is_empty() {
        let inside = estate.systems.iter().filter(|(_, s)| estate.is_inside(&s.zone));
        return Ok(inside.map(|(id, _)| id.clone()).collect());
    }
    if let Some(id) = named.iter().find(|id| !estate.systems.contains_key(*id)) {
        let problem = Problem::plain("LW-RESTORE-005", format!("the estate has no system {id}"));
        return Err(match nearest(id, estate.systems.keys().map(String::as_str)) {
            Some(near) => problem.hint(format!("did you mean {near}?")),
            None => problem.hint("`leckwehr estate show` lists what there is"),
        });
    }
    Ok(named.iter().cloned().collect())
}

/// Minutes as `3 d 04:35` or `04:35`.
pub fn clock(minutes: u64) -> String {
    let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    if days > 0 {
        format!("{days} d {hours:02}:{rest:02}")
    } else {
        format!("{hours:02}:{rest:02}")
    }
}
