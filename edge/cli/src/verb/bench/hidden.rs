use std::collections::BTreeMap;
use std::process::ExitCode;

use leckwehr_incident::Tier;
use leckwehr_trace::hidden::{Hidden, Hiding, Hits, Score};
use leckwehr_trace::routes::BRIDGES;
use serde::Serialize;

use super::TraceArgs;
use super::clock::cpu_ms;
use crate::problem::Problem;
use crate::verb::trace::{print, print_json};

/// Seeds of one run at most.
const SEEDS_MAX: u64 = 10_000;

/// One way of looking at one log.
#[derive(Serialize)]
struct Trial {
    score: Score,
    whole: bool,
    cpu_ms: f64,
}

/// One seed: with hypotheses, and beside it the baselines.
#[derive(Serialize)]
struct Seed {
    seed: u64,
    bridged: Trial,
    unbridged: Trial,
    reach: Trial,
    /// Hosts named with hypotheses, and those besides that plain reach lists as possible.
    listed: Hits,
}

/// Means over all seeds of one way of looking.
#[derive(Serialize)]
struct Mean {
    what: &'static str,
    hosts_named: f64,
    recall: f64,
    precision: f64,
    proven_precision: f64,
    probable_precision: f64,
    hypothesis_precision: f64,
    /// Share of all hosts of the routes that each tier names.
    proven_recall: f64,
    probable_recall: f64,
    hypothesis_recall: f64,
    /// Hosts not named although a record names them, and because none does.
    missed: usize,
    nameless: usize,
    whole: usize,
    cpu_ms: f64,
}

/// What is listed down to one tier: how much of the routes is in it, and how long the list is.
#[derive(Serialize)]
struct List {
    tiers: &'static str,
    /// Hosts of all routes behind the first, and how many of them are listed.
    hidden: usize,
    found: usize,
    recall: f64,
    precision: f64,
    /// Hosts listed per route, and hosts of the network that could be.
    hosts_listed: f64,
    hosts: u32,
    whole: usize,
}

#[derive(Serialize)]
struct Report {
    hiding: Hiding,
    seeds: Vec<Seed>,
    means: Vec<Mean>,
    lists: Vec<List>,
}

/// Hides routes and prints how much of them is found.
pub(super) fn run(args: &TraceArgs) -> Result<ExitCode, Problem> {
    if args.seeds == 0 || args.seeds > SEEDS_MAX {
        let problem = Problem::plain("LW-BENCH-001", format!("--seeds {} cannot be measured", args.seeds));
        return Err(problem.hint(format!("take 1 to {SEEDS_MAX}")));
    }
    let hiding = Hiding::default();
    let seeds: Vec<Seed> = (0..args.seeds).map(|i| seed(&hiding, args.seed.wrapping_add(i))).collect();
    let means = vec![
        mean("with hypotheses", &seeds, |s| &s.bridged),
        mean("no bridging", &seeds, |s| &s.unbridged),
        mean("plain forward reach", &seeds, |s| &s.reach),
    ];
    let lists = lists(&hiding, &seeds);
    let report = Report {
        hiding,
        seeds,
        means,
        lists,
    };
    if args.json {
        print_json(&report)?
    } else {
        print(&text(&report))?
    }
    Ok(ExitCode::SUCCESS)
}

fn seed(hiding: &Hiding, seed: u64) -> Seed {
    let hidden = Hidden::new(hiding, seed);
    let trial = |named: &dyn Fn() -> BTreeMap<u32, Tier>| {
        let before = cpu_ms();
        let named = named();
        let cpu_ms = cpu_ms() - before;
        let score = hidden.score(&named);
        let whole = score.is_whole();
        (Trial { score, whole, cpu_ms }, named)
    };
    let (bridged, named) = trial(&|| hidden.name(BRIDGES));
    let (unbridged, _) = trial(&|| hidden.name(0));
    let (reach, mut listed) = trial(&|| hidden.reach());
    listed.extend(named);
    Seed {
        seed,
        bridged,
        unbridged,
        reach,
        listed: hidden.score(&listed).all,
    }
}

/// Returns the lists of hosts that a reader may work with, the surest first, each with all of those before.
fn lists(hiding: &Hiding, seeds: &[Seed]) -> Vec<List> {
    let sum = |parts: &[Hits]| Hits {
        right: parts.iter().map(|h| h.right).sum(),
        named: parts.iter().map(|h| h.named).sum(),
    };
    let list = |tiers, of: &dyn Fn(&Seed) -> Hits| {
        let hits = sum(&seeds.iter().map(of).collect::<Vec<_>>());
        let hidden = seeds.iter().map(|s| s.bridged.score.hosts).sum();
        List {
            tiers,
            hidden,
            found: hits.right,
            recall: ratio(hits.right, hidden),
            precision: ratio(hits.right, hits.named),
            hosts_listed: hits.named as f64 / seeds.len() as f64,
            hosts: hiding.hosts.saturating_sub(1),
            whole: seeds.iter().filter(|s| of(s).right == s.bridged.score.hosts).count(),
        }
    };
    let named = |s: &Seed| s.bridged.score;
    vec![
        list("proven", &|s| named(s).proven),
        list("+ probable", &|s| sum(&[named(s).proven, named(s).probable])),
        list("+ hypothesis", &|s| named(s).all),
        list("+ possible (plain reach)", &|s| s.listed),
    ]
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

fn mean(what: &'static str, seeds: &[Seed], of: impl Fn(&Seed) -> &Trial) -> Mean {
    let sum = |count: fn(&Score) -> usize| seeds.iter().map(|s| count(&of(s).score)).sum::<usize>();
    let hosts = sum(|s| s.hosts);
    let all = sum(|s| s.all.right);
    let (proven, probable, hypothesis) = (
        sum(|s| s.proven.right),
        sum(|s| s.probable.right),
        sum(|s| s.hypothesis.right),
    );
    let nameless = sum(|s| s.nameless);
    Mean {
        what,
        hosts_named: sum(|s| s.all.named) as f64 / seeds.len() as f64,
        recall: ratio(all, hosts),
        precision: ratio(all, sum(|s| s.all.named)),
        proven_precision: ratio(proven, sum(|s| s.proven.named)),
        probable_precision: ratio(probable, sum(|s| s.probable.named)),
        hypothesis_precision: ratio(hypothesis, sum(|s| s.hypothesis.named)),
        proven_recall: ratio(proven, hosts),
        probable_recall: ratio(probable, hosts),
        hypothesis_recall: ratio(hypothesis, hosts),
        missed: hosts - all - nameless,
        nameless,
        whole: seeds.iter().filter(|s| of(s).whole).count(),
        cpu_ms: seeds.iter().map(|s| of(s).cpu_ms).sum::<f64>() / seeds.len() as f64,
    }
}

fn text(report: &Report) -> String {
    let h = &report.hiding;
    let mut text = format!(
        "{} hops among {} hosts, {} contacts over {} days (Zipf {}), {:.0} % of records lost, something fires on {:.0} % of the \
         attacker's hosts\nhosts right/named by tier\n{:>6} {:>8} {:>8} {:>9} {:>11} {:>9} {:>6} {:>8}   no bridging   plain reach\n",
        h.hops,
        h.hosts,
        h.contacts,
        h.days,
        h.zipf,
        h.lost * 100.0,
        h.marked * 100.0,
        "seed",
        "found",
        "proven",
        "probable",
        "hypothesis",
        "precision",
        "whole",
        "CPU ms"
    );
    for s in &report.seeds {
        let (b, of) = (&s.bridged.score, |hits: Hits| format!("{}/{}", hits.right, hits.named));
        text += &format!(
            "{:>6} {:>8} {:>8} {:>9} {:>11} {:>9.2} {:>6} {:>8.0} {:>13} {:>13}\n",
            s.seed,
            format!("{}/{}", b.all.right, b.hosts),
            of(b.proven),
            of(b.probable),
            of(b.hypothesis),
            b.all.right as f64 / b.all.named.max(1) as f64,
            if s.bridged.whole { "yes" } else { "no" },
            s.bridged.cpu_ms,
            of(s.unbridged.score.all),
            of(s.reach.score.all)
        );
    }
    for m in &report.means {
        text += &format!(
            "{:<20} recall {:.4}, precision {:.3} (proven {:.3}, probable {:.3}, hypothesis {:.3}), {:.1} hosts named, whole in \
             {} of {}; not named: {} that records name, {} that none does; {:.0} CPU ms\n",
            m.what,
            m.recall,
            m.precision,
            m.proven_precision,
            m.probable_precision,
            m.hypothesis_precision,
            m.hosts_named,
            m.whole,
            report.seeds.len(),
            m.missed,
            m.nameless,
            m.cpu_ms
        );
    }
    text += &list_text(&report.lists, report.seeds.len());
    text
}

/// One line per list: what more hidden hosts cost in hosts to look at.
fn list_text(lists: &[List], seeds: usize) -> String {
    let mut text = format!(
        "\n{:<26} {:>14} {:>8} {:>20} {:>10} {:>8}\n",
        "hosts listed as", "hidden found", "recall", "listed per route", "precision", "whole"
    );
    for list in lists {
        text += &format!(
            "{:<26} {:>14} {:>8.4} {:>20} {:>10.3} {:>8}\n",
            list.tiers,
            format!("{}/{}", list.found, list.hidden),
            list.recall,
            format!("{:.1} of {}", list.hosts_listed, list.hosts),
            list.precision,
            format!("{}/{seeds}", list.whole)
        );
    }
    text
}
