use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_estate::{Estate, EstateErrors, LintFinding, Need, PartyKind, Service, Severity, lint, nearest};
use serde_json::{Value, json};

use crate::problem::Problem;

/// Check, show and explain the estate: what the provider runs, for whom, connected how, restored how.
///
/// DIR is a folder of *.toml files; docs/estate.md describes them.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Lint(LintArgs),
    Show(ShowArgs),
    Why(WhyArgs),
}

/// Report what will hurt on the day, worst first, each with its remedy.
///
/// Exit code 0: nothing of severity high. 1: something is.
#[derive(clap::Args)]
struct LintArgs {
    /// Folder of the estate.
    dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Print what there is, and the services in the order in which they come back.
#[derive(clap::Args)]
struct ShowArgs {
    /// Folder of the estate.
    dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Print what a service or system rests on, as a tree: all branches are needed, and one of each group of alternatives.
#[derive(clap::Args)]
struct WhyArgs {
    /// Folder of the estate.
    dir: PathBuf,
    /// Service or system id.
    service: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Lint(args) => run_lint(&args),
        Verb::Show(args) => run_show(&args),
        Verb::Why(args) => run_why(&args),
    }
}

/// Loads an estate; every mistake becomes a line of the problem.
pub fn load(dir: &Path) -> Result<Estate, Problem> {
    Estate::load(dir).map_err(|errors| unloadable(&errors))
}

fn unloadable(errors: &EstateErrors) -> Problem {
    let mut text = errors.to_string();
    text.retain(|c| c == '\n' || !c.is_control());
    let mut lines = text.lines().map(str::to_owned);
    let summary = lines.next().unwrap_or_default();
    let mut problem =
        Problem::plain("LW-ESTATE-001", summary).hint("mend the places named above; docs/estate.md has every field");
    problem.detail = lines.collect();
    problem
}

fn run_lint(args: &LintArgs) -> Result<ExitCode, Problem> {
    let estate = load(&args.dir)?;
    let findings = lint(&estate);
    let bad = findings.iter().any(|f| f.severity == Severity::High);
    let text = if args.json {
        pretty(&json!({ "estate": estate.name, "passed": !bad, "findings": findings }))
    } else {
        lint_text(&estate, &findings)
    };
    print(&text)?;
    Ok(ExitCode::from(u8::from(bad)))
}

fn lint_text(estate: &Estate, findings: &[LintFinding]) -> String {
    let mut text = format!("{}: {}\n", estate.name, counted(findings.len(), "weakness", "weaknesses"));
    for (severity, title) in [
        (
            Severity::High,
            "high: stops a vital service, or leaves no way to cut or to come back",
        ),
        (Severity::Medium, "medium: costs time"),
        (Severity::Low, "low: worth knowing"),
    ] {
        let these: Vec<&LintFinding> = findings.iter().filter(|f| f.severity == severity).collect();
        if !these.is_empty() {
            let _ = writeln!(text, "\n{title} ({})", these.len());
        }
        for f in these {
            let _ = writeln!(
                text,
                "\n  {} [{}]\n    {}\n    try: {}",
                f.subject, f.code, f.message, f.remedy
            );
        }
    }
    text
}

fn run_show(args: &ShowArgs) -> Result<ExitCode, Problem> {
    let estate = load(&args.dir)?;
    let text = if args.json {
        pretty(&show_json(&estate))
    } else {
        show_text(&estate)
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// How many there are of each kind of entry, in the order of the files.
fn counts(estate: &Estate) -> [(&'static str, usize); 15] {
    let parties = |kind| estate.parties.values().filter(|p| p.kind == kind).count();
    let inside = estate.zones.values().filter(|z| z.site.is_some()).count();
    [
        ("sites", estate.sites.len()),
        ("zones inside", inside),
        ("zones outside", estate.zones.len() - inside),
        ("systems", estate.systems.len()),
        ("services", estate.services.len()),
        ("insurers", parties(PartyKind::Insurer)),
        ("third parties", parties(PartyKind::ThirdParty)),
        ("connections", estate.connections.len()),
        ("data classes", estate.data_classes.len()),
        ("crews", estate.crews.len()),
        ("backup sets", estate.backup_sets.len()),
        ("recipes", estate.recipes.len()),
        ("sensors", estate.sensors.len()),
        ("accounts", estate.accounts.len()),
        ("guards", guards(estate)),
    ]
}

fn guards(estate: &Estate) -> usize {
    let of_zones = estate.zones.values().filter_map(|z| z.guard.as_ref());
    let of_switches = estate.connections.values().filter_map(|c| c.switch.as_ref()?.guard.as_ref());
    of_zones.chain(of_switches).collect::<BTreeSet<_>>().len()
}

fn insured(estate: &Estate) -> u64 {
    estate.parties.values().map(|p| p.insured).sum()
}

fn connection_kinds(estate: &Estate) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for connection in estate.connections.values() {
        *kinds.entry(connection.kind.name()).or_insert(0) += 1;
    }
    kinds
}

fn system_kinds(estate: &Estate) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for system in estate.systems.values() {
        *kinds.entry(system.kind.name()).or_insert(0) += 1;
    }
    kinds
}

fn by_priority(estate: &Estate) -> Vec<(&String, &Service)> {
    let mut services: Vec<_> = estate.services.iter().collect();
    services.sort_by_key(|(id, s)| (s.priority, !s.vital, s.mtpd_minutes, *id));
    services
}

fn show_json(estate: &Estate) -> Value {
    let services = by_priority(estate).into_iter().map(|(id, s)| {
        json!({
            "id": id, "name": s.name, "priority": s.priority, "vital": s.vital, "rto_minutes": s.rto_minutes,
            "mtpd_minutes": s.mtpd_minutes, "harm_eur_per_hour": s.harm_eur_per_hour,
            "arrivals_per_hour": s.arrivals_per_hour, "needs": needs_json(&s.needs),
            "systems": estate.needs_of_service(id),
        })
    });
    let counts: BTreeMap<_, _> = counts(estate)
        .into_iter()
        .map(|(name, n)| (name.replace(' ', "_"), n))
        .collect();
    json!({
        "estate": estate.name, "counts": counts, "insured": insured(estate), "systems": system_kinds(estate),
        "connections": connection_kinds(estate), "services": services.collect::<Vec<_>>(),
    })
}

fn show_text(estate: &Estate) -> String {
    let mut text = format!("{}\n\n", estate.name);
    for (name, n) in counts(estate) {
        let _ = writeln!(text, "  {n:>6}  {name}");
    }
    let _ = writeln!(
        text,
        "  {:>6}  insured persons, in millions",
        format!("{:.1}", insured(estate) as f64 / 1e6)
    );
    let width = estate
        .services
        .keys()
        .map(String::len)
        .max()
        .unwrap_or(0)
        .max("service".len());
    let _ = writeln!(
        text,
        "\n  p  {:width$}  {:>7}  {:>7}  vital  systems  needs",
        "service", "RTO", "MTPD"
    );
    for (id, s) in by_priority(estate) {
        let (rto, mtpd) = (duration(s.rto_minutes), duration(s.mtpd_minutes));
        let vital = if s.vital { "vital" } else { "" };
        let (systems, needs) = (estate.needs_of_service(id).len(), needs_text(&s.needs));
        let _ = writeln!(
            text,
            "  {}  {id:width$}  {rto:>7}  {mtpd:>7}  {vital:5}  {systems:>7}  {needs}",
            s.priority
        );
    }
    for (title, kinds) in [("systems", system_kinds(estate)), ("connections", connection_kinds(estate))] {
        let _ = writeln!(text, "\n  {title} by kind");
        for (kind, n) in kinds {
            let _ = writeln!(text, "  {n:>6}  {kind}");
        }
    }
    text
}

fn needs_text(needs: &[Need]) -> String {
    let groups: Vec<String> = needs.iter().map(|n| n.any_of.join("|")).collect();
    groups.join(" and ")
}

fn needs_json(needs: &[Need]) -> Value {
    needs
        .iter()
        .map(|n| n.any_of.as_slice())
        .collect::<Vec<_>>()
        .into_iter()
        .collect()
}

fn duration(minutes: u32) -> String {
    match minutes {
        m if m % 1440 == 0 => format!("{} d", m / 1440),
        m if m % 60 == 0 => format!("{} h", m / 60),
        m => format!("{m} min"),
    }
}

fn run_why(args: &WhyArgs) -> Result<ExitCode, Problem> {
    let estate = load(&args.dir)?;
    let id = args.service.as_str();
    if !estate.services.contains_key(id) && !estate.systems.contains_key(id) {
        let problem = Problem::plain("LW-ESTATE-002", format!("the estate has no service or system `{id}`"));
        let near = nearest(id, estate.services.keys().chain(estate.systems.keys()).map(String::as_str));
        return Err(match near {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint(format!("leckwehr estate show {} lists the services", args.dir.display())),
        });
    }
    let text = if args.json {
        let mut nodes = BTreeMap::new();
        why_nodes(&estate, id, &mut nodes);
        pretty(&json!({ "service": id, "nodes": nodes }))
    } else {
        Tree::of(&estate, id)
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Collects what `id` rests on; each node once.
fn why_nodes<'e>(estate: &'e Estate, id: &'e str, nodes: &mut BTreeMap<&'e str, Value>) {
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        if nodes.contains_key(id) {
            continue;
        }
        let needs = needs_of(estate, id);
        let kind = estate.systems.get(id).map_or("service", |s| s.kind.name());
        nodes.insert(id, json!({ "kind": kind, "needs": needs_json(needs) }));
        open.extend(needs.iter().flat_map(|n| &n.any_of).map(String::as_str));
    }
}

fn needs_of<'e>(estate: &'e Estate, id: &str) -> &'e [Need] {
    let system = estate.systems.get(id).map(|s| s.needs.as_slice());
    system
        .or_else(|| estate.services.get(id).map(|s| s.needs.as_slice()))
        .unwrap_or_default()
}

fn label(estate: &Estate, id: &str) -> String {
    match (estate.services.get(id), estate.systems.get(id)) {
        (Some(s), _) => format!("{id} (service: {})", s.name),
        (_, Some(s)) => format!("{id} ({}, {})", s.kind.name(), s.zone),
        _ => id.to_owned(),
    }
}

/// Deepest branch that is written.
const TREE_DEPTH_MAX: usize = 100;

/// The tree of needs while it is written. What was written before is only named, so circles end.
struct Tree<'e> {
    estate: &'e Estate,
    written: BTreeSet<&'e str>,
    text: String,
}

impl<'e> Tree<'e> {
    fn of(estate: &'e Estate, id: &'e str) -> String {
        let mut tree = Self {
            estate,
            written: BTreeSet::from([id]),
            text: format!("{}\n", label(estate, id)),
        };
        tree.needs(id, &mut Vec::new());
        tree.text
    }

    fn needs(&mut self, id: &'e str, below: &mut Vec<&'static str>) {
        let needs = needs_of(self.estate, id);
        if below.len() >= TREE_DEPTH_MAX && !needs.is_empty() {
            return self.line(below, true, "… deeper needs are not shown");
        }
        for (n, need) in needs.iter().enumerate() {
            let last = n + 1 == needs.len();
            if let [only] = need.any_of.as_slice() {
                self.node(only, below, last);
                continue;
            }
            self.line(below, last, &format!("one of {}", need.any_of.len()));
            below.push(if last { "   " } else { "│  " });
            for (n, alternative) in need.any_of.iter().enumerate() {
                self.node(alternative, below, n + 1 == need.any_of.len());
            }
            below.pop();
        }
    }

    fn node(&mut self, id: &'e str, below: &mut Vec<&'static str>, last: bool) {
        let again = !self.written.insert(id) && !needs_of(self.estate, id).is_empty();
        let above = if again { ", see above" } else { "" };
        self.line(below, last, &format!("{}{above}", label(self.estate, id)));
        if !again {
            below.push(if last { "   " } else { "│  " });
            self.needs(id, below);
            below.pop();
        }
    }

    fn line(&mut self, below: &[&str], last: bool, what: &str) {
        let branch = if last { "└─ " } else { "├─ " };
        let _ = writeln!(self.text, "{}{branch}{what}", below.concat());
    }
}

fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Writes to stdout; a reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<(), Problem> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Problem::new("LW-ESTATE-003", "cannot write to stdout", &error))
        }
        _ => Ok(()),
    }
}
