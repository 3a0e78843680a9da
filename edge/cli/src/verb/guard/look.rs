use std::process::ExitCode;

use leckwehr_guard::{Firewall, Guard, GuardConfig, Nft, ask_running};
use serde_json::{Value, json};

use super::{Which, clock, problem, runtime};
use crate::output::say;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Check a configuration without changing anything: files, keys, interfaces, and whether the kernel can be asked.
#[derive(clap::Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    which: Which,
}

/// Say what is cut, since which plan, what was stopped there, and what was refused lately.
#[derive(clap::Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    which: Which,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Take back every cut and block of this guard, whoever ordered it. For the person at the machine: it is written into the
/// journal, and the control room is told.
#[derive(clap::Args)]
pub(super) struct UndoArgs {
    #[command(flatten)]
    which: Which,
    /// Really do it; without it, say what would be taken back.
    #[arg(long)]
    yes: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Checks a configuration.
pub(super) fn check(args: &CheckArgs) -> Result<ExitCode, Problem> {
    let config = args.which.read()?;
    config.switches().map_err(|fault| problem(&fault.into()))?;
    let mut nft = Nft::open().map_err(|error| problem(&leckwehr_guard::ServiceError::Kernel(error)))?;
    let prepared = nft.state().is_ok();
    let named = config
        .interfaces
        .values()
        .flatten()
        .chain(&config.outside)
        .chain(&config.management.interfaces);
    let missing: Vec<&String> = named
        .filter(|name| !std::path::Path::new("/sys/class/net").join(name).exists())
        .collect();
    for name in &missing {
        say(&format!("interface {name} is not there now; it is cut when it comes"));
    }
    let state = if prepared {
        "a guard has set up its tables"
    } else {
        "no guard has run here, or not as this user"
    };
    print(&format!(
        "{}: {} compartments, {} approvers, {state}\n",
        config.name,
        config.interfaces.len() + config.switches().map_or(0, |switches| switches.len()),
        config.approvers.len(),
    ))?;
    Ok(ExitCode::from(u8::from(!missing.is_empty())))
}

/// Asks the guard that runs, or looks itself.
fn ask(config: &GuardConfig, question: &str) -> Result<Value, Problem> {
    let answer = runtime()?.block_on(async {
        let asked = ask_running(&config.folder, question).await;
        let asked = asked.map_err(|error| {
            Problem::new("LW-GUARD-006", "the running guard does not answer", &error)
                .hint("ask as the user that it runs as, or as root")
        })?;
        if let Some(answer) = asked {
            return Ok(answer);
        }
        say("no guard runs on this folder; looking myself");
        let guard = Guard::open(config, clock()).map_err(|error| problem(&error))?;
        let answer = match question {
            "undo-all" => guard.undo_all().await.map(|undone| json!({ "undone": undone })),
            _ => guard.status().await,
        };
        Ok(answer.unwrap_or_else(|refusal| json!({"error": refusal.to_string()})))
    })?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(Problem::plain("LW-GUARD-007", format!("the guard could not do it: {error}"))
            .hint("`nft delete table inet leckwehr; nft delete table bridge leckwehr` opens everything")),
        None => Ok(answer),
    }
}

/// Says what is in force.
pub(super) fn status(args: &StatusArgs) -> Result<ExitCode, Problem> {
    let status = ask(&args.which.read()?, "status")?;
    if args.json {
        print_json(&status)?;
    } else {
        print(&text(&status))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes everything back.
pub(super) fn undo_all(args: &UndoArgs) -> Result<ExitCode, Problem> {
    let config = args.which.read()?;
    if !args.yes {
        print(&text(&ask(&config, "status")?))?;
        say("nothing was changed; --yes takes all of this back");
        return Ok(ExitCode::from(1));
    }
    let undone = ask(&config, "undo-all")?;
    if args.json {
        print_json(&undone)?;
    } else {
        let list = undone["undone"].as_array().cloned().unwrap_or_default();
        let lines = list
            .iter()
            .filter_map(Value::as_str)
            .map(|line| format!("taken back: {line}\n"));
        print(&format!("{}{} in all\n", lines.collect::<String>(), list.len()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(status: &Value) -> String {
    let counted = |count: &Value| {
        format!(
            "{} packets stopped there since",
            count["packets"].as_u64().unwrap_or_default()
        )
    };
    let mut text = format!(
        "{}, generation {}\n",
        status["name"].as_str().unwrap_or_default(),
        status["generation"]
    );
    let state = &status["state"];
    for (interface, count) in state["cut"].as_object().into_iter().flatten() {
        text += &format!("  cut: {interface}, {}\n", counted(count));
    }
    for block in state["blocks"].as_array().into_iter().flatten() {
        let what = block["block"].as_str().unwrap_or_default();
        text += &format!("  rule {}: {what}, {}\n", block["rule_number"], counted(&block["stopped"]));
    }
    for (interface, count) in state["passed"].as_object().into_iter().flatten() {
        text += &format!("  A HOLE: {} packets passed {interface} behind the cut\n", count["packets"]);
    }
    for step in status["in_force"].as_array().into_iter().flatten() {
        let plan: String = step["plan"].as_str().unwrap_or_default().chars().take(12).collect();
        text += &format!(
            "  in force: {} (step {} of plan {plan})\n",
            step["order"].as_str().unwrap_or_default(),
            step["step"]
        );
    }
    if text.lines().count() == 1 {
        text += "  nothing is cut\n";
    }
    text += "lately:\n";
    for report in status["reports"].as_array().into_iter().flatten() {
        let event = report["event"]["event"].as_str().unwrap_or_default();
        let why = report["event"]["reason"]
            .as_str()
            .or(report["event"]["text"].as_str())
            .unwrap_or_default();
        text += &format!(
            "  {} {event} {} {why}\n",
            report["number"],
            report["order"].as_str().unwrap_or_default()
        );
    }
    text
}
