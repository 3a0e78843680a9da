use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use leckwehr_restore::rcpsp::{self, Solution};
use serde_json::{Value, json};

use crate::problem::Problem;

/// One solved file.
pub struct Row {
    pub name: String,
    pub critical_path: u32,
    pub solution: Solution,
    pub best_known: Option<u32>,
    pub cpu_s: f64,
}

/// Published average deviations from the critical path on all 600 J120 files in percent, at 1,000, 5,000 and 50,000
/// schedules; the best known values deviate by 28.96.
const PUBLISHED: [(&str, [f64; 3]); 3] = [
    ("Debels and Vanhoucke 2007, decomposition GA", [33.55, 32.18, 30.69]),
    ("Valls, Ballestin and Quintanilla 2008, hybrid GA", [34.07, 32.54, 31.24]),
    ("Kochetov and Stolyar 2003, GA, path relinking, tabu", [34.74, 33.36, 32.06]),
];
const PUBLISHED_BEST_KNOWN: f64 = 28.96;
/// What exact engines left open on the same files: mean gap to the best known in percent on J30, J60 and J120.
const EXACT: [(&str, [f64; 3]); 2] = [
    ("OR-Tools CP-SAT, 20 CPU seconds", [0.0, 0.12, 2.79]),
    ("pumpkin-solver 0.5, 10 CPU seconds", [0.0, 0.24, 3.77]),
];

/// Reads a problem.
pub fn read(path: &Path, bytes_max: u64) -> Result<rcpsp::Problem, Problem> {
    let text = read_text(path, bytes_max)?;
    rcpsp::read_patterson(&text).map_err(|error| {
        Problem::new(
            "LW-RESTORE-001",
            format!("{} is no problem in the Patterson format", path.display()),
            &error,
        )
        .hint("first line: number of activities and of resources; then capacities; then one activity after the other")
    })
}

fn read_text(path: &Path, bytes_max: u64) -> Result<String, Problem> {
    let unreadable = |error: &std::io::Error| {
        Problem::new("LW-RESTORE-002", format!("{} cannot be read", path.display()), error)
            .hint("check the path and the permissions")
    };
    let file = std::fs::File::open(path).map_err(|e| unreadable(&e))?;
    let mut text = String::new();
    file.take(bytes_max).read_to_string(&mut text).map_err(|e| unreadable(&e))?;
    Ok(text)
}

/// Reads lines `file,makespan`; lines that are none are passed over.
pub fn best_known(path: &Path) -> Result<BTreeMap<String, u32>, Problem> {
    let text = read_text(path, 16 << 20)?;
    let line = |line: &str| {
        let (name, makespan) = line.split_once(',')?;
        Some((name.to_owned(), makespan.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(line).collect())
}

/// The schedules, for people.
pub fn schedules(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let solution = &row.solution;
        let proved = if solution.is_proved() {
            "proved optimal".to_owned()
        } else {
            format!("at least {}", solution.bound)
        };
        let _ = writeln!(
            text,
            "{}: makespan {} ({proved}), {} schedules",
            row.name, solution.makespan, solution.schedules
        );
        let starts: Vec<String> = solution.start.iter().map(u32::to_string).collect();
        let _ = writeln!(text, "  start {}", starts.join(" "));
    }
    text
}

/// Means over all rows.
struct Means {
    deviation: f64,
    best_deviation: f64,
    gap: f64,
    optimal: usize,
    proved: usize,
    compared: usize,
}

fn means(rows: &[Row]) -> Means {
    let share = |of: u32, base: u32| (f64::from(of) / f64::from(base.max(1)) - 1.0) * 100.0;
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let compared: Vec<(&Row, u32)> = rows.iter().filter_map(|r| Some((r, r.best_known?))).collect();
    Means {
        deviation: mean(rows.iter().map(|r| share(r.solution.makespan, r.critical_path)).collect()),
        best_deviation: mean(compared.iter().map(|(r, b)| share(*b, r.critical_path)).collect()),
        gap: mean(compared.iter().map(|(r, b)| share(r.solution.makespan, *b)).collect()),
        optimal: compared.iter().filter(|(r, b)| r.solution.makespan <= *b).count(),
        proved: rows.iter().filter(|r| r.solution.is_proved()).count(),
        compared: compared.len(),
    }
}

/// A summary beside published figures.
pub fn table(rows: &[Row], schedules: u64) -> String {
    let m = means(rows);
    let mut text = format!("{} files, {schedules} schedules each\n\n", rows.len());
    let _ = writeln!(
        text,
        "| | deviation from critical path | above best known | gap to best known | at best known | proved |"
    );
    let _ = writeln!(text, "|---|---|---|---|---|---|");
    let compared = |value: String| if m.compared > 0 { value } else { "-".to_owned() };
    let _ = writeln!(
        text,
        "| this engine | {:.2} % | {} | {} | {} | {} |",
        m.deviation,
        compared(format!("{:.2} points", m.deviation - m.best_deviation)),
        compared(format!("{:.2} %", m.gap)),
        compared(format!("{} of {}", m.optimal, m.compared)),
        m.proved,
    );
    let column = [1_000, 5_000, 50_000].iter().position(|n| *n == schedules);
    if let Some(column) = column.filter(|_| rows.iter().any(|r| r.name.starts_with("J120"))) {
        for (who, figures) in PUBLISHED {
            let above = figures[column] - PUBLISHED_BEST_KNOWN;
            let _ = writeln!(
                text,
                "| {who} (all 600 files) | {:.2} % | {above:.2} points | - | - | - |",
                figures[column]
            );
        }
    }
    let set = ["J30_", "J60_", "J120_"]
        .iter()
        .position(|set| rows.iter().all(|r| r.name.starts_with(set)));
    for (who, figures) in EXACT.iter().filter(|_| !rows.is_empty()) {
        if let Some(set) = set {
            let _ = writeln!(text, "| {who} (a sample) | - | - | {:.2} % | - | - |", figures[set]);
        }
    }
    text
}

/// Everything for programs.
pub fn json(rows: &[Row], schedules: u64, seed: u64, only_summary: bool) -> String {
    let m = means(rows);
    let one = |row: &Row| {
        json!({
            "file": row.name,
            "makespan": row.solution.makespan,
            "bound": row.solution.bound,
            "proved": row.solution.is_proved(),
            "critical_path": row.critical_path,
            "best_known": row.best_known,
            "schedules": row.solution.schedules,
            "start": row.solution.start,
        })
    };
    let compared = |value: f64| if m.compared > 0 { json!(value) } else { Value::Null };
    let mut whole = json!({
        "schedules_max": schedules,
        "seed": seed,
        "summary": {
            "files": rows.len(),
            "deviation_percent": m.deviation,
            "above_best_known_points": compared(m.deviation - m.best_deviation),
            "gap_percent": compared(m.gap),
            "at_best_known": m.optimal,
            "compared": m.compared,
            "proved": m.proved,
        },
    });
    if !only_summary {
        whole["files"] = rows.iter().map(one).collect();
    }
    serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n"
}
