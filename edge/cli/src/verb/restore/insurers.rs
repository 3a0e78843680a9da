use std::collections::BTreeMap;

use leckwehr_publish::Language;
use serde_json::{Value, json};

use super::way::Way;
use crate::output::table;

/// Names of insurers that a row shows before it counts the others.
const NAMES_MAX: usize = 2;

/// What outages mean to one insurer.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Lot {
    /// Planned, median and nine-of-ten end of its essential services, then of all, in time units.
    essential: Option<[u32; 3]>,
    all: [u32; 3],
    /// Services that miss their MTPD as planned, and in nine of ten cases.
    breaches: [usize; 2],
}

fn lots(way: &Way) -> Vec<(&str, u64, Lot)> {
    let services = way.plan.until.len();
    let costs: Vec<u64> = way
        .recovery
        .problem
        .outages
        .iter()
        .zip(&way.plan.until)
        .map(|(o, until)| o.cost(*until))
        .collect();
    let lot = |(position, insurer): (usize, &'_ leckwehr_restore::InsurerWay)| {
        let of = |services: &[usize], at: usize| {
            let planned = services.iter().map(|s| way.plan.until[*s]).max()?;
            Some([planned, way.forecast.p50[at], way.forecast.p90[at]])
        };
        let at = services + 2 * position;
        let late = |ends: &[u32]| {
            let late = |s: &&usize| ends[**s] > way.recovery.problem.outages[**s].breach_at;
            insurer.services.iter().filter(late).count()
        };
        Lot {
            essential: of(&insurer.essential, at),
            all: of(&insurer.services, at + 1).unwrap_or_default(),
            breaches: [late(&way.plan.until), late(&way.forecast.p90)],
        }
    };
    let ways = way.insurers.iter().enumerate();
    ways.map(|(i, insurer)| (insurer.insurer.as_str(), insurer.cost(&costs), lot((i, insurer))))
        .collect()
}

/// One object for each insurer: its share of the objective, breaches, and when its services are back.
pub fn value(way: &Way) -> Vec<Value> {
    let times = |t: [u32; 3]| {
        let [planned, p50, p90] = t.map(|units| way.minutes(units));
        json!({ "planned_minutes": planned, "p50_minutes": p50, "p90_minutes": p90 })
    };
    let one = |(insurer, cost, lot): (&str, u64, Lot)| {
        json!({
            "insurer": insurer,
            "cost": cost,
            "mtpd_breaches_planned": lot.breaches[0],
            "mtpd_breaches_p90": lot.breaches[1],
            "essential": lot.essential.map(times),
            "all": times(lot.all),
        })
    };
    lots(way).into_iter().map(one).collect()
}

/// A table of insurers; those whose services are back at the same times share a row. Empty without insurers.
pub fn text(way: &Way, language: Language) -> String {
    let mut rows: BTreeMap<Lot, (u64, Vec<&str>)> = BTreeMap::new();
    for (insurer, cost, lot) in lots(way) {
        let row = rows.entry(lot).or_default();
        row.0 = row.0.saturating_add(cost);
        row.1.push(insurer);
    }
    if rows.is_empty() {
        return String::new();
    }
    let pick = |de: &'static str, en: &'static str| if language == Language::De { de } else { en };
    let head = [
        pick("Kasse", "insurer"),
        pick("Unentbehrliches: Median", "essential: median"),
        pick("9 von 10", "9 of 10"),
        pick("alles: Median", "all: median"),
        pick("9 von 10", "9 of 10"),
        pick("Fristen verfehlt (9 von 10)", "MTPD missed (9 of 10)"),
        pick("Schaden zusammen, gewichtet, EUR", "harm together, weighted, EUR"),
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for (lot, (cost, insurers)) in &rows {
        let named = insurers.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
        let more = insurers.len().saturating_sub(NAMES_MAX);
        let names = match more {
            0 => named,
            more => format!("{named} + {more}"),
        };
        let essential = |at: usize| lot.essential.map_or("-".to_owned(), |t| way.clock(t[at]));
        lines.push(vec![
            names,
            essential(1),
            essential(2),
            way.clock(lot.all[1]),
            way.clock(lot.all[2]),
            format!("{} ({})", lot.breaches[0], lot.breaches[1]),
            cost.to_string(),
        ]);
    }
    format!("\n{}", table(&lines))
}
