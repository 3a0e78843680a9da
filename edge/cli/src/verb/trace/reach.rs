use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use leckwehr_control::ReplayNews;
use leckwehr_estate::nearest;
use leckwehr_incident::Timestamp;
use leckwehr_trace::load::{Credentials, LoadError, LoadOptions, Loaded, load_contacts};
use leckwehr_trace::{Certainty, Contacts, Reach, backward, forward, forward_restless, forward_skewed};
use serde_json::{Value, json};

use super::{Progress, print, print_json};
use crate::problem::Problem;

/// Lines printed for people; --json has everything.
const LINES_MAX: usize = 40;
/// Warnings about the files printed for people.
const WARNINGS_MAX: usize = 10;

/// Print who could have been reached from a node, or from where one could have been reached, and on which way.
///
/// Contacts are read from Parquet or CSV (columns time, from, to, and optionally account, by), Zeek's own logs, or telemetry
/// (JSON lines); files are told apart by their content. A NODE is a host, or account@host. With --from: everything that
/// steps forward in time could have reached since then. With --to: from where, and until when at the latest, it could have
/// been reached. With both: the way between them.
///
/// Reach is what could have been, not what was; and what is not in the files is not excluded.
///
/// Exit code 0: answered. 1: with --from and --to, there is no way between them in what was recorded.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("ends").required(true).multiple(true).args(["from", "to"])))]
pub struct Args {
    /// Files with contacts or telemetry.
    #[arg(required = true)]
    contacts: Vec<PathBuf>,
    /// Where the attacker was, and since when (RFC 3339); since the first contact if no time is given.
    #[arg(long, value_name = "NODE[@TIME]")]
    from: Vec<String>,
    /// Where the attacker came to, and until when; until the last contact if no time is given.
    #[arg(long, value_name = "NODE[@TIME]")]
    to: Vec<String>,
    /// Longest time that he waited anywhere, such as 90s, 15m, 12h or 7d.
    #[arg(long, value_name = "DURATION", conflicts_with = "skew")]
    waiting: Option<Span>,
    /// How wrong the clocks can be: whoever is reached only if they are is marked.
    #[arg(long, value_name = "DURATION")]
    skew: Option<Span>,
    /// What a held host gives.
    #[arg(long, value_enum, default_value = "hosts")]
    credentials: CredentialsName,
    /// Folder of the estate: names hosts by their addresses, and says which are unknown.
    #[arg(long, value_name = "DIR")]
    estate: Option<PathBuf>,
    /// Print one JSON object with all nodes.
    #[arg(long)]
    json: bool,
}

/// What a held host gives.
#[derive(Clone, Copy, clap::ValueEnum)]
enum CredentialsName {
    /// Accounts are not looked at: whoever holds a host can open whatever was opened from it.
    Hosts,
    /// The same, and the nodes account@host say which credentials are within grasp from when on.
    Wide,
    /// Only sessions are followed; a switch of accounts needs a record, so what is not reached is not excluded.
    Narrow,
}

/// A length of time in nanoseconds.
#[derive(Clone, Copy)]
struct Span(u64);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("{text:?} is no duration: write 500ms, 90s, 15m, 12h or 7d");
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wanted)?;
        let (number, unit) = text.split_at(split);
        let unit_ns = match unit {
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return Err(wanted()),
        };
        let number: u64 = number.parse().map_err(|_| wanted())?;
        let ns = number.checked_mul(unit_ns).filter(|ns| i64::try_from(*ns).is_ok());
        ns.map(Self).ok_or_else(wanted)
    }
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let loaded = load(args)?;
    let is_forward = !args.from.is_empty();
    let question = Question {
        args,
        loaded: &loaded,
        from: ends(&loaded, &args.from, true)?,
        to: ends(&loaded, &args.to, false)?,
        is_forward,
    };
    let answer = question.answer();
    match args.json {
        true => print_json(&question.json(&answer))?,
        false => print(&question.text(&answer))?,
    }
    let nowhere = is_forward && !args.to.is_empty() && answer.ways.is_empty();
    Ok(if nowhere { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn load(args: &Args) -> Result<Loaded, Problem> {
    let estate = args.estate.as_deref().map(crate::verb::estate::load).transpose()?;
    let options = LoadOptions {
        credentials: match args.credentials {
            CredentialsName::Hosts => Credentials::Hosts,
            CredentialsName::Wide => Credentials::Wide,
            CredentialsName::Narrow => Credentials::Narrow,
        },
        estate: estate.as_ref(),
        now: Some(now()),
    };
    let progress = Progress::new();
    let number = |path: &std::path::Path| args.contacts.iter().position(|p| p == path).unwrap_or(0) + 1;
    let loaded = load_contacts(&args.contacts, &options, &mut |path, total| {
        progress.show(&ReplayNews::File {
            number: number(path),
            of: args.contacts.len(),
            path: path.display().to_string(),
        });
        progress.show(&ReplayNews::Events { total });
    });
    progress.finish();
    loaded.map_err(|error| load_problem(&error))
}

fn load_problem(error: &LoadError) -> Problem {
    Problem::new(error.code(), "the contacts cannot be loaded", error).hint(error.remedy())
}

#[expect(clippy::disallowed_methods, reason = "the command line says what the present is")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)))
}

/// Returns the nodes that the arguments name, with their times.
fn ends(loaded: &Loaded, texts: &[String], is_start: bool) -> Result<Vec<(u32, i64)>, Problem> {
    let times = loaded.contacts.times();
    let default = if is_start { times.first() } else { times.last() };
    let mut ends = Vec::new();
    for text in texts {
        let timed = text
            .rsplit_once('@')
            .and_then(|(name, time)| Some((name, time.parse::<Timestamp>().ok()?.0)));
        let (name, at) = timed.unwrap_or((text, default.copied().unwrap_or(0)));
        let nodes = loaded.names.nodes(name).ok_or_else(|| unknown(loaded, name))?;
        ends.extend(nodes.into_iter().map(|node| (node, at)));
    }
    Ok(ends)
}

fn unknown(loaded: &Loaded, name: &str) -> Problem {
    let hosts = || loaded.names.hosts();
    let problem = Problem::plain("LW-TRACE-006", format!("no contact names the node {name}"));
    let sessions: Vec<String> = (0..loaded.names.len() as u32).map(|node| loaded.names.text(node)).collect();
    match nearest(name, sessions.iter().map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean {near}?")),
        None => {
            let first: Vec<&str> = hosts().take(10).collect();
            let more = if hosts().len() > first.len() { ", …" } else { "" };
            problem.hint(format!("name one of the {} hosts: {}{more}", hosts().len(), first.join(", ")))
        }
    }
}

struct Question<'a> {
    args: &'a Args,
    loaded: &'a Loaded,
    from: Vec<(u32, i64)>,
    to: Vec<(u32, i64)>,
    is_forward: bool,
}

struct Answer {
    /// Who could have been reached, or have been the start.
    reach: Reach,
    /// The same if clocks are wrong in the worst way for the attacker; only with `skew`.
    sure: Option<Reach>,
    /// Nodes by time, ends first.
    order: Vec<u32>,
    /// Contacts on the way to each end that is reached.
    ways: Vec<(u32, Vec<usize>)>,
}

impl Question<'_> {
    fn answer(&self) -> Answer {
        let reach = self.reach(Certainty::Pessimistic);
        let sure = self.args.skew.map(|_| self.reach(Certainty::Optimistic));
        let mut order: Vec<u32> = (0..self.loaded.names.len() as u32)
            .filter(|n| time(&reach, *n).is_some())
            .collect();
        let key = |node: &u32| time(&reach, *node).map(|at| if self.is_forward { at } else { at.saturating_neg() });
        let is_given = |node: &u32| reach.parent.get(*node as usize).is_none_or(Option::is_none);
        order.sort_by_key(|node| (key(node), !is_given(node), *node));
        let reached = |(node, until): &&(u32, i64)| self.is_forward && time(&reach, *node).is_some_and(|at| at <= *until);
        let mut ways: Vec<(u32, Vec<usize>)> = Vec::new();
        for (node, _) in self.to.iter().filter(reached) {
            ways.push((*node, self.way(&reach, *node)));
        }
        ways.sort_by_key(|(node, _)| (time(&reach, *node), *node));
        // The sessions of one host are one end: the earliest arrival stands for them.
        ways.dedup_by(|a, b| self.loaded.names.host(a.0) == self.loaded.names.host(b.0));
        Answer {
            reach,
            sure,
            order,
            ways,
        }
    }

    fn reach(&self, certainty: Certainty) -> Reach {
        let (nodes, contacts) = (self.loaded.names.len(), &self.loaded.contacts);
        match (self.is_forward, self.args.waiting, self.args.skew) {
            (true, None, None) => forward(nodes, contacts, &self.from),
            (false, None, None) => backward(nodes, contacts, &self.to),
            (true, ..) => self.limited(contacts, &self.from, certainty),
            (false, ..) => {
                let ends: Vec<_> = self.to.iter().map(|(node, at)| (*node, at.saturating_neg())).collect();
                let mut reach = self.limited(&contacts.turned(), &ends, certainty);
                reach.time.iter_mut().flatten().for_each(|at| *at = at.saturating_neg());
                reach.parent.iter_mut().flatten().for_each(|i| *i = contacts.len() - 1 - *i);
                reach
            }
        }
    }

    fn limited(&self, contacts: &Contacts, ends: &[(u32, i64)], certainty: Certainty) -> Reach {
        let nodes = self.loaded.names.len();
        match (self.args.waiting, self.args.skew) {
            (Some(waiting), _) => forward_restless(nodes, contacts, ends, waiting.0),
            (_, skew) => forward_skewed(nodes, contacts, ends, skew.map_or(0, |s| s.0), certainty),
        }
    }

    /// Follows the parents from a node back to where it all began, oldest contact first.
    fn way(&self, reach: &Reach, node: u32) -> Vec<usize> {
        let (mut way, mut here) = (Vec::new(), node);
        while let Some(contact) = reach.parent.get(here as usize).copied().flatten() {
            way.push(contact);
            here = self.loaded.contacts.get(contact).from;
            if way.len() > self.loaded.names.len() {
                break;
            }
        }
        way.reverse();
        way
    }

    /// Says whether the way of earliest arrivals keeps to the waiting limit; another one does, if not.
    fn keeps_limit(&self, way: &[usize]) -> bool {
        let at = |i: &usize| self.loaded.contacts.get(*i).at;
        let limit = self.args.waiting.map_or(u64::MAX, |w| w.0);
        way.windows(2).all(|pair| at(&pair[0]).abs_diff(at(&pair[1])) <= limit)
    }

    fn is_sure(&self, answer: &Answer, node: u32) -> Option<bool> {
        answer.sure.as_ref().map(|sure| time(sure, node).is_some())
    }

    fn json(&self, answer: &Answer) -> Value {
        let account = &self.loaded.account;
        let name = |node: u32| self.loaded.names.text(node);
        let step = |i: usize| {
            let contact = self.loaded.contacts.get(i);
            let place = self.loaded.place(i).map(|(file, row)| json!({ "file": file, "row": row }));
            let at = Timestamp(contact.at).to_string();
            json!({ "at": at, "from": name(contact.from), "to": name(contact.to), "place": place })
        };
        let node = |node: &u32| {
            let via = answer.reach.parent.get(*node as usize).copied().flatten().map(step);
            let at = time(&answer.reach, *node).map(|at| Timestamp(at).to_string());
            json!({ "node": name(*node), "at": at, "via": via, "whatever-the-clocks": self.is_sure(answer, *node) })
        };
        let way = |(end, way): &(u32, Vec<usize>)| {
            let steps: Vec<Value> = way.iter().map(|i| step(*i)).collect();
            json!({ "to": name(*end), "steps": steps, "keeps-waiting-limit": self.keeps_limit(way) })
        };
        json!({
            "direction": if self.is_forward { "forward" } else { "backward" },
            "input": account,
            "coverage": account.coverage(),
            "warnings": account.warnings(),
            "contacts": self.loaded.contacts.len(),
            "nodes": self.loaded.names.len(),
            "reached": answer.order.iter().map(node).collect::<Vec<_>>(),
            "ways": answer.ways.iter().map(way).collect::<Vec<_>>(),
        })
    }

    fn text(&self, answer: &Answer) -> String {
        let mut text = self.head(answer);
        match self.is_forward && !self.to.is_empty() {
            true => self.tell_ways(answer, &mut text),
            false => self.tell_nodes(answer, &mut text),
        }
        text.push_str("\nReach is what could have been, not what was. What the files do not hold is not excluded.\n");
        text
    }

    fn head(&self, answer: &Answer) -> String {
        let (account, names) = (&self.loaded.account, &self.loaded.names);
        let coverage = account
            .coverage()
            .map_or_else(|| "unknown".to_owned(), |c| format!("{:.1} %", c * 100.0));
        let mut text = format!(
            "{} contacts among {} nodes; {} of {} records kept, coverage of the files {coverage}\n",
            self.loaded.contacts.len(),
            names.len(),
            account.kept,
            account.read
        );
        let warnings = account.warnings();
        for warning in warnings.iter().take(WARNINGS_MAX) {
            let _ = writeln!(text, "  ! {warning}");
        }
        if warnings.len() > WARNINGS_MAX {
            let _ = writeln!(text, "  ! … {} more warnings: see --json", warnings.len() - WARNINGS_MAX);
        }
        let (verb, list) = match self.is_forward {
            true => ("could have been reached from", &self.args.from),
            false => ("could have been the start of a way to", &self.args.to),
        };
        let _ = writeln!(text, "\n{} nodes {verb} {}", answer.order.len(), list.join(", "));
        text
    }

    fn tell_nodes(&self, answer: &Answer, text: &mut String) {
        let since = if self.is_forward { "reached" } else { "until" };
        let _ = writeln!(text, "\n  {since:<24}  {:<28}  via", "node");
        for node in answer.order.iter().take(LINES_MAX) {
            let at = time(&answer.reach, *node).map_or_else(String::new, |at| Timestamp(at).to_string());
            let via = answer.reach.parent.get(*node as usize).copied().flatten();
            let via = via.map_or_else(|| "given".to_owned(), |i| self.via(i));
            let mark = if self.is_sure(answer, *node) == Some(false) {
                "  (only if clocks are wrong)"
            } else {
                ""
            };
            let _ = writeln!(text, "  {at:<24}  {:<28}  {via}{mark}", self.loaded.names.text(*node));
        }
        if answer.order.len() > LINES_MAX {
            let _ = writeln!(text, "  … {} more: see --json", answer.order.len() - LINES_MAX);
        }
    }

    fn via(&self, i: usize) -> String {
        let contact = self.loaded.contacts.get(i);
        let place = self
            .loaded
            .place(i)
            .map_or_else(String::new, |(file, row)| format!(" ({file}, row {row})"));
        match self.is_forward {
            true => format!("from {}{place}", self.loaded.names.text(contact.from)),
            false => format!("to {}{place}", self.loaded.names.text(contact.to)),
        }
    }

    fn tell_ways(&self, answer: &Answer, text: &mut String) {
        for (end, way) in &answer.ways {
            let _ = writeln!(text, "\nThe earliest way to {}:", self.loaded.names.text(*end));
            for i in way {
                let contact = self.loaded.contacts.get(*i);
                let to = self.loaded.names.text(contact.to);
                let _ = writeln!(text, "  {}  {to}  {}", Timestamp(contact.at), self.via(*i));
            }
            if !self.keeps_limit(way) {
                text.push_str("  This way of earliest arrivals waits longer than allowed; another one does not.\n");
            }
        }
        if answer.ways.is_empty() {
            let _ = writeln!(text, "\nNo way to {} in what was recorded.", self.args.to.join(", "));
        }
    }
}

fn time(reach: &Reach, node: u32) -> Option<i64> {
    reach.time.get(node as usize).copied().flatten()
}
