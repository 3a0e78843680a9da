use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_contain::cacao::export_plan;
use leckwehr_contain::cut::certificate::{CutCertificate, estate_json};
use leckwehr_contain::cut::{CUTS_MAX, CutPolicy, Inseparable, Separation, reach_after};
use leckwehr_contain::protocol::crew_minutes;
use leckwehr_contain::{
    ContainError, CutOption, Protocol, Scale, TakedownPolicy, options, protocol_plan, separations, takedown_plan,
};
use leckwehr_control::{Replayed, what_if_options};
use leckwehr_incident::{PlanRecord, Tier, Timestamp};
use leckwehr_publish::{CutPicture, cut_map, cut_page};
use serde_json::json;

use super::plan_text::{self, price};
use super::{CERTIFICATE, Case, CaseArgs, ESTATE, IMPACT, PLAN, read_protocol, write_file};
use crate::output::Tongue;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Plan a takedown: every option with its harm, the cheapest cut with its proof, and the plan that people approve.
///
/// Changes nothing. With --out, certificate.json and estate.json are verified by `leckwehr takedown check`. With telemetry,
/// every option is replayed on the recorded events.
///
/// Exit code 1: there is nothing to cut.
///
/// Examples:
///
///     leckwehr takedown plan --estate examples/apt29 --protocol examples/protocol-apt29.toml day1.zeek.jsonl
///
///     leckwehr takedown plan --estate examples/essen --ledger incident/ledger --option minimum --out cut
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    case: CaseArgs,
    /// The agreed protocol: every step cites its clause.
    #[arg(long, value_name = "FILE")]
    protocol: Option<PathBuf>,
    /// Runbook: programs for steps that are else people's work. The plan is bound to it; people approve one hash over both.
    #[arg(long, value_name = "FILE")]
    runbook: Option<PathBuf>,
    /// The option that is planned.
    #[arg(long, value_enum, default_value = "surgical")]
    option: OptionName,
    /// Cheapest cuts to list.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=CUTS_MAX as u64))]
    cuts: u64,
    /// What the cheapest cut protects besides protected zones: zones, systems, services, data classes.
    #[arg(long, value_name = "ID")]
    protect: Vec<String>,
    /// Take the attacker to be everywhere outside, not only where he was seen.
    #[arg(long)]
    outside: bool,
    /// Let the cheapest cut take down vital services too.
    #[arg(long)]
    cut_vital: bool,
    /// When the replay cuts (RFC 3339); the first finding if not given.
    #[arg(long, value_name = "TIME", requires = "telemetry")]
    cut_at: Option<Timestamp>,
    /// Generation of the plan; a guard refuses older ones.
    #[arg(long, value_name = "N", default_value_t = 1)]
    generation: u64,
    /// Folder for plan.json, playbook.json (CACAO), certificate.json and what they stand on.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Draw the option as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Draw the option as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Language.
    #[arg(long, value_enum, default_value = "en")]
    lang: Tongue,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is planned.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OptionName {
    /// The hosts where the attacker was, and the connections he used.
    Surgical,
    /// Their whole zones.
    Compartment,
    /// Their whole sites.
    Site,
    /// Everything behind a guard.
    Everything,
    /// The cheapest cut between the attacker and what is protected.
    Minimum,
}

impl OptionName {
    fn scale(self) -> Scale {
        match self {
            Self::Surgical => Scale::Surgical,
            Self::Compartment => Scale::Compartment,
            Self::Site => Scale::Site,
            Self::Everything => Scale::Everything,
            Self::Minimum => Scale::Minimum,
        }
    }
}

/// Everything that the answer says.
pub(super) struct Answer {
    pub(super) case: Case,
    pub(super) protocol: Option<Protocol>,
    /// All options, the cheapest cut last if there is one.
    pub(super) options: Vec<CutOption>,
    /// Systems in reach after each option.
    pub(super) in_reach: Vec<BTreeSet<String>>,
    pub(super) cuts: Result<Vec<Separation>, Inseparable>,
    /// The replay of each option, and when it cuts.
    pub(super) replay: Option<(Timestamp, Vec<Replayed>)>,
    pub(super) chosen: Scale,
    pub(super) plan: Result<PlanRecord, ContainError>,
    /// Minutes of each crew.
    pub(super) crews: BTreeMap<String, u64>,
}

impl Answer {
    fn option(&self) -> Option<&CutOption> {
        self.options.iter().find(|o| o.scale == self.chosen)
    }
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let answer = answer(args)?;
    let plan = match &answer.plan {
        Ok(plan) => Some(plan),
        Err(ContainError::Nothing) => None,
        Err(error) => return Err(cannot(error)),
    };
    match &answer.cuts {
        Err(error @ Inseparable::Unknown { .. }) => return Err(cannot(error)),
        Err(error) if args.option == OptionName::Minimum => return Err(cannot(error)),
        _ => {}
    }
    write(args, &answer, plan)?;
    match args.json {
        true => print_json(&as_json(&answer))?,
        false => print(&plan_text::text(&answer, args.lang.language()))?,
    }
    Ok(ExitCode::from(u8::from(plan.is_none())))
}

fn cannot(error: &dyn std::error::Error) -> Problem {
    let problem = Problem::new("LW-CONTAIN-004", "no takedown can be planned", error);
    problem.hint("choose another --option, protect something else with --protect, or let people change the protocol")
}

fn answer(args: &Args) -> Result<Answer, Problem> {
    let case = args.case.read()?;
    let protocol = args
        .protocol
        .as_deref()
        .map(|file| read_protocol(file, &case.estate))
        .transpose()?;
    let (estate, impact) = (&case.estate, &case.impact);
    let mut takedown = TakedownPolicy {
        scale: args.option.scale(),
        ..TakedownPolicy::default()
    };
    let mut policy = CutPolicy {
        protect: args.protect.iter().cloned().collect(),
        outside: args.outside,
        spare_vital: !args.cut_vital,
        ..CutPolicy::default()
    };
    if let Some(protocol) = &protocol {
        takedown.systems_max = protocol.caps.systems_max;
        policy.hours = protocol.expected_hours;
        policy.life_lines = protocol.life_lines();
    }
    let cuts = separations(impact, estate, &policy, args.cuts as usize);
    let cheapest = cuts.iter().flatten().next().map(|s| s.option.clone());
    let all: Vec<CutOption> = options(impact, estate, &takedown).into_iter().chain(cheapest).collect();
    let chosen = all.iter().find(|o| o.scale == takedown.scale);
    let nothing = BTreeSet::new();
    let plan = match (chosen, &protocol) {
        (None, _) => Err(ContainError::Nothing),
        (Some(option), Some(protocol)) => protocol_plan(option, impact, estate, protocol, args.generation, &nothing),
        (Some(option), None) => takedown_plan(option, impact, estate, &takedown, args.generation, &nothing),
    };
    let plan = match &args.runbook {
        Some(file) => {
            let runbook = super::room::read_runbook(file)?;
            plan.map(|plan| runbook.bind(plan))
        }
        None => plan,
    };
    Ok(Answer {
        in_reach: all
            .iter()
            .map(|option| reach_after(option, impact, estate, &policy))
            .collect(),
        replay: replay(args, &case, &all)?,
        crews: plan.as_ref().map(|plan| crew_minutes(plan, estate)).unwrap_or_default(),
        chosen: takedown.scale,
        options: all,
        protocol,
        cuts,
        plan,
        case,
    })
}

fn replay(args: &Args, case: &Case, options: &[CutOption]) -> Result<Option<(Timestamp, Vec<Replayed>)>, Problem> {
    let Some(recorded) = &case.recorded else {
        return Ok(None);
    };
    let first = recorded.findings.iter().map(|f| f.at).min();
    let Some(at) = args.cut_at.or(first) else {
        return Ok(None);
    };
    let options: Vec<&CutOption> = options.iter().collect();
    let replayed = what_if_options(&recorded.events, &case.impact, &case.estate, &options, at);
    let replayed = replayed.map_err(|e| Problem::new("LW-CONTAIN-004", "the records cannot be replayed", &e))?;
    Ok(Some((at, replayed)))
}

fn write(args: &Args, answer: &Answer, plan: Option<&PlanRecord>) -> Result<(), Problem> {
    let estate = &answer.case.estate;
    if let Some(out) = &args.out {
        if let Some(plan) = plan {
            let created = answer.case.impact.window.map_or(Timestamp(0), |(_, last)| last);
            write_file(&out.join(PLAN), &to_bytes(plan))?;
            write_file(&out.join("playbook.json"), &to_bytes(&export_plan(plan, estate, created)))?;
        }
        if let Some(cheapest) = answer.cuts.iter().flatten().next() {
            write_file(&out.join(CERTIFICATE), &CutCertificate::new(cheapest, estate).to_bytes())?;
            write_file(&out.join(ESTATE), &estate_json(estate))?;
            write_file(&out.join(IMPACT), &to_bytes(&answer.case.impact))?;
        }
    }
    let Some(option) = answer.option() else {
        return Ok(());
    };
    let l = args.lang.language();
    let picture = picture(answer, option);
    if let Some(file) = &args.svg {
        write_file(file, cut_map(&picture, estate, l).as_bytes())?;
    }
    if let Some(file) = &args.html {
        let title = l.pick("Der Schnitt", "The cut");
        let page = cut_page(&picture, estate, &plan_text::rows(answer, option, l), title, l);
        write_file(file, page.as_bytes())?;
    }
    Ok(())
}

fn to_bytes(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

fn picture(answer: &Answer, option: &CutOption) -> CutPicture {
    let impact = &answer.case.impact;
    let first = answer.cuts.iter().flatten().next();
    let place = answer.options.iter().position(|o| o.scale == option.scale);
    CutPicture {
        held: impact
            .hosts
            .iter()
            .filter(|h| h.tier <= Tier::Possible)
            .map(|h| h.system.clone())
            .collect(),
        in_reach: place.and_then(|n| answer.in_reach.get(n)).cloned().unwrap_or_default(),
        protected: first.map(|s| s.targets.iter().cloned().collect()).unwrap_or_default(),
        systems: option.systems.clone(),
        connections: option.connections.clone(),
        life_lines: first.map(|s| s.policy.life_lines.clone()).unwrap_or_default(),
    }
}

fn as_json(answer: &Answer) -> serde_json::Value {
    let reach = answer.in_reach.iter().map(BTreeSet::len);
    let options = answer.options.iter().zip(reach).enumerate().map(|(n, (option, in_reach))| {
        let replayed = answer.replay.as_ref().and_then(|(_, all)| all.get(n));
        json!({ "option": option, "in_reach": in_reach, "replayed": replayed })
    });
    let (cuts, why_not) = match &answer.cuts {
        Ok(cuts) => (Some(cuts), None),
        Err(error) => (None, Some(error.to_string())),
    };
    json!({
        "options": options.collect::<Vec<_>>(),
        "cuts": cuts,
        "no_cut": why_not,
        "replay_cuts_at": answer.replay.as_ref().map(|(at, _)| at.to_string()),
        "plan": answer.plan.as_ref().ok(),
        "crew_minutes": answer.crews,
        "price": answer.cuts.iter().flatten().next().map(|s| price(s.value)),
    })
}
