use std::fmt::Write as _;
use std::process::ExitCode;

use leckwehr_publish::Language;

use super::way::{Way, WayArgs, clock};
use crate::output::Out;
use crate::problem::Problem;

/// Characters of the time axis.
const AXIS_CHARS: usize = 64;
/// Pixels of a row and of the time axis.
const ROW_PX: usize = 18;
const AXIS_PX: f64 = 900.0;
const NAMES_PX: usize = 330;

/// Draw the plan: one bar per system, from its first step to its last.
///
/// `#` is critical: a step whose delay delays a service. For the others it says how much later they can end. Text by default; --svg prints a drawing (`leckwehr restore gantt examples/essen --svg > plan.svg`).
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    way: WayArgs,
    /// Print an SVG drawing.
    #[arg(long, conflicts_with = "json")]
    svg: bool,
}

/// Times are in minutes from the start of the plan.
struct Bar {
    system: String,
    from: u64,
    until: u64,
    /// How much later it can end without any service being back later, and whether any of its steps has no such time.
    slack: u64,
    is_critical: bool,
    critical_percent: u32,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let way = Way::plan(&args.way)?;
    let bars = bars(&way);
    let mut out = Out::new();
    if args.way.json {
        let one = |b: &Bar| {
            serde_json::json!({
                "system": b.system, "start_minutes": b.from, "end_minutes": b.until,
                "slack_minutes": b.slack, "critical": b.is_critical, "critical_percent": b.critical_percent,
            })
        };
        let all: Vec<_> = bars.iter().map(one).collect();
        out.text(&(serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"))?;
    } else if args.svg {
        out.text(&svg(&bars))?;
    } else {
        out.text(&text(&bars, args.way.language.language()))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn bars(way: &Way) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for a in way.tasks() {
        let (of, until, critical_percent) = (
            &way.recovery.work[a].of,
            way.minutes(way.end(a)),
            way.forecast.critical_percent[a],
        );
        let (slack, is_critical) = (way.minutes(way.slack(a)), way.slack(a) == 0);
        match bars.iter_mut().find(|b| b.system == *of) {
            Some(bar) => {
                if until >= bar.until {
                    (bar.until, bar.slack) = (until, slack);
                }
                bar.is_critical |= is_critical;
                bar.critical_percent = bar.critical_percent.max(critical_percent);
            }
            None => bars.push(Bar {
                system: of.clone(),
                from: way.minutes(way.plan.start[a]),
                until,
                slack,
                is_critical,
                critical_percent,
            }),
        }
    }
    bars
}

fn text(bars: &[Bar], language: Language) -> String {
    let pick = |de: &'static str, en: &'static str| if language == Language::De { de } else { en };
    let last = bars.iter().map(|b| b.until).max().unwrap_or(1).max(1);
    let width = bars.iter().map(|b| b.system.chars().count()).max().unwrap_or(0);
    let at = |minutes: u64| (minutes * AXIS_CHARS as u64 / last) as usize;
    let mut text = String::new();
    for bar in bars {
        let length = (at(bar.until) - at(bar.from)).max(1);
        let mark = if bar.is_critical { "#" } else { "=" };
        let slack = match bar.slack {
            0 => String::new(),
            slack => format!(", {} {}", pick("Puffer", "slack"), clock(slack)),
        };
        let line = " ".repeat(at(bar.from)) + &mark.repeat(length);
        let _ = writeln!(
            text,
            "{:width$} |{line:AXIS_CHARS$}| {} – {}{slack}",
            bar.system,
            clock(bar.from),
            clock(bar.until)
        );
    }
    let _ = writeln!(
        text,
        "{}",
        pick(
            "# kritisch: verspätet sich dort ein Schritt, verspätet sich ein Dienst. Puffer: so viel später kann es enden.",
            "# critical: a step there that is late makes a service late. slack: it can end so much later."
        )
    );
    text
}

fn svg(bars: &[Bar]) -> String {
    let end = bars.iter().map(|b| b.until).max().unwrap_or(1).max(1);
    let last = end as f64;
    let height = (bars.len() + 1) * ROW_PX;
    let width = NAMES_PX as f64 + AXIS_PX + 10.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n<title>leckwehr restore gantt</title>\n"
    );
    for (row, bar) in bars.iter().enumerate() {
        let y = row * ROW_PX;
        let x = NAMES_PX as f64 + bar.from as f64 / last * AXIS_PX;
        let long = ((bar.until - bar.from) as f64 / last * AXIS_PX).max(1.0);
        let colour = if bar.is_critical { "#b3261e" } else { "#2f6690" };
        // Ids are lower-case letters, digits and dashes: nothing to escape.
        let _ = writeln!(
            text,
            "<text x=\"4\" y=\"{}\">{}</text><rect x=\"{x:.1}\" y=\"{}\" width=\"{long:.1}\" height=\"{}\" fill=\"{colour}\"><title>{}: {} – {}</title></rect>",
            y + ROW_PX - 5,
            bar.system,
            y + 3,
            ROW_PX - 5,
            bar.system,
            clock(bar.from),
            clock(bar.until),
        );
    }
    let _ = writeln!(
        text,
        "<text x=\"{NAMES_PX}\" y=\"{}\">0 – {}</text>\n</svg>",
        height - 4,
        clock(end)
    );
    text
}
