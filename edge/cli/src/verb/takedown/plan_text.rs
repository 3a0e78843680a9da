//! What a plan says to people, in German and English.

use std::fmt::Write as _;

use leckwehr_contain::cut::Separation;
use leckwehr_contain::{ContainError, CutOption, Protocol, Scale};
use leckwehr_estate::Estate;
use leckwehr_incident::{PlanRecord, PlanStep, ServiceLevel};
use leckwehr_publish::Language;

use super::plan::Answer;
use crate::output::table;

/// Steps shown one by one; the file has them all.
const STEPS_SHOWN: usize = 60;

/// Writes the whole answer.
pub(super) fn text(answer: &Answer, l: Language) -> String {
    let mut text = table(&option_rows(answer, l));
    if let Some((at, _)) = &answer.replay {
        let said = l.pick(
            "„wiederholt“: mit den aufgezeichneten Ereignissen erreicht, wäre ab dieser Zeit geschnitten worden",
            "\"replayed\": reached by the recorded events, had it been cut at that time",
        );
        let _ = writeln!(text, "  {said}: {at}");
    }
    match &answer.cuts {
        Ok(cuts) => text += &cuts_text(cuts, &answer.case.estate, l),
        Err(error) => {
            let _ = writeln!(text, "\n{}: {error}", l.pick("Kein günstigster Schnitt", "No cheapest cut"));
        }
    }
    match &answer.plan {
        Ok(plan) => text += &plan_text(plan, answer.protocol.as_ref(), &answer.case.estate, l),
        Err(ContainError::Nothing) => {
            let _ = writeln!(text, "\n{}", l.pick("Nichts zu trennen.", "Nothing to cut."));
        }
        Err(error) => {
            let _ = writeln!(text, "\n{error}");
        }
    }
    for (crew, minutes) in &answer.crews {
        let name = answer.case.estate.crews.get(crew).map_or(crew.as_str(), |c| c.name.as_str());
        let _ = writeln!(
            text,
            "  {name}: {minutes} min {}",
            l.pick("mit Anfahrt", "until done, with the time to get there")
        );
    }
    text
}

fn option_rows(answer: &Answer, l: Language) -> Vec<Vec<String>> {
    let head = l.pick(
        [
            "Option",
            "Systeme",
            "Verbind.",
            "von Hand",
            "EUR/h",
            "Dienste aus",
            "Kassen",
            "Versicherte",
            "in Reichweite",
            "wiederholt",
        ],
        [
            "option",
            "systems",
            "connect.",
            "by hand",
            "EUR/h",
            "services off",
            "insurers",
            "insured",
            "in reach",
            "replayed",
        ],
    );
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (n, option) in answer.options.iter().enumerate() {
        let harm = &option.harm;
        let replayed = answer
            .replay
            .as_ref()
            .and_then(|(_, all)| all.get(n))
            .map(|r| r.reached.len().to_string());
        let off = harm.services.values().filter(|level| **level == ServiceLevel::Off).count();
        let mark = if option.scale == answer.chosen { "→ " } else { "" };
        rows.push(vec![
            format!("{mark}{}", scale_words(option.scale, l)),
            option.systems.len().to_string(),
            option.connections.len().to_string(),
            option.by_hand.len().to_string(),
            price(harm.eur_per_hour),
            off.to_string(),
            harm.insurers.to_string(),
            price(harm.insured),
            answer.in_reach.get(n).map_or(0, std::collections::BTreeSet::len).to_string(),
            replayed.unwrap_or_else(|| "–".into()),
        ]);
    }
    rows
}

pub(super) fn scale_words(scale: Scale, l: Language) -> &'static str {
    match scale {
        Scale::Surgical => l.pick("chirurgisch", "surgical"),
        Scale::Compartment => l.pick("Abschnitt", "compartment"),
        Scale::Site => l.pick("Standort", "site"),
        Scale::Everything => l.pick("alles", "everything"),
        Scale::Minimum => l.pick("günstigster Schnitt", "cheapest cut"),
    }
}

fn cuts_text(cuts: &[Separation], estate: &Estate, l: Language) -> String {
    let mut text = String::new();
    for (n, cut) in cuts.iter().enumerate() {
        let head = match n {
            0 => l.pick("Günstigster Schnitt", "Cheapest cut").to_owned(),
            _ => l.pick(format!("{}. in der Reihe", n + 1), format!("Next best, no. {}", n + 1)),
        };
        let _ = writeln!(
            text,
            "\n{head}: {} EUR {} {} h, {} {} EUR/h",
            price(cut.value),
            l.pick("in", "over"),
            cut.policy.hours,
            l.pick("zusammen", "together"),
            price(cut.option.harm.eur_per_hour)
        );
        for switch in &cut.switches {
            let _ = writeln!(
                text,
                "  {} ({}): {} EUR",
                switch.switch,
                name_of(&switch.switch, estate),
                price(switch.weight)
            );
        }
        if n == 0 {
            text += &assumptions(cut, l);
        }
    }
    text
}

/// What the cheapest cut takes for granted, and what it cannot do.
fn assumptions(cut: &Separation, l: Language) -> String {
    let mut text = format!(
        "  {}: {}; {}: {}\n",
        l.pick("Angreifer", "attacker"),
        cut.sources.join(" "),
        l.pick("geschützt", "protected"),
        cut.targets.len()
    );
    for (id, service) in &cut.kept {
        let said = l.pick(
            "bleibt, weil sonst der ganze Schnitt diesen Dienst nähme",
            "stays, as the whole cut would take this service",
        );
        let _ = writeln!(text, "  {id} {said}: {service}");
    }
    let lists = [
        (
            &cut.lost,
            l.pick(
                "schon erreicht, kein Schnitt schützt es",
                "reached already, no cut protects it",
            ),
        ),
        (
            &cut.vital_off,
            l.pick("lebenswichtig und trotzdem aus", "vital and off all the same"),
        ),
    ];
    for (ids, said) in lists {
        if !ids.is_empty() {
            let _ = writeln!(text, "  {said}: {}", ids.join(" "));
        }
    }
    text
}

fn plan_text(plan: &PlanRecord, protocol: Option<&Protocol>, estate: &Estate, l: Language) -> String {
    let mut text = format!("\n{}\n{} {}\n", plan.summary, l.pick("Plan", "plan"), plan.hash);
    let head = l.pick(
        ["Nr.", "Klausel", "wer", "was", "woran", "warum"],
        ["no.", "clause", "who", "what", "to what", "why"],
    );
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(plan.steps.iter().take(STEPS_SHOWN).map(|step| {
        let clause = if protocol.is_some() {
            step.clause.clone()
        } else {
            "–".into()
        };
        let who = executor_words(step, estate);
        vec![
            step.number.to_string(),
            clause,
            who,
            step.action.clone(),
            step.target.clone(),
            step.reason.clone(),
        ]
    }));
    text += &table(&rows);
    let more = plan.steps.len().saturating_sub(STEPS_SHOWN);
    if more > 0 {
        let _ = writeln!(text, "  … {} {more}", l.pick("und weitere", "and more:"));
    }
    text
}

/// Who does a step: a guard, or people by name.
pub(super) fn executor_words(step: &PlanStep, estate: &Estate) -> String {
    match step.executor.strip_prefix("crew:") {
        Some(crew) => estate.crews.get(crew).map_or(crew, |c| c.name.as_str()).to_owned(),
        None => step.executor.clone(),
    }
}

/// Name for people of `system:…` or `connection:…`.
fn name_of<'e>(switch: &'e str, estate: &'e Estate) -> &'e str {
    let (kind, id) = switch.split_once(':').unwrap_or(("", switch));
    let name = match kind {
        "connection" => estate.connections.get(id).map(|c| c.name.as_str()),
        _ => estate.systems.get(id).map(|s| s.name.as_str()),
    };
    name.unwrap_or(id)
}

/// Rows of the page: switch, name, cost.
pub(super) fn rows(answer: &Answer, option: &CutOption, l: Language) -> Vec<[String; 3]> {
    let first = answer.cuts.iter().flatten().next().filter(|_| option.scale == Scale::Minimum);
    let cost = |switch: &str| {
        let of = first.and_then(|s| s.switches.iter().find(|c| c.switch == switch));
        of.map_or_else(|| "–".to_owned(), |c| format!("{} EUR", price(c.weight)))
    };
    let systems = option.systems.iter().map(|id| format!("system:{id}"));
    let connections = option.connections.iter().map(|id| format!("connection:{id}"));
    let by_hand = option.by_hand.iter().map(|id| format!("connection:{id}"));
    let mut rows: Vec<[String; 3]> = systems
        .chain(connections)
        .chain(by_hand)
        .map(|switch| {
            [
                switch.clone(),
                name_of(&switch, &answer.case.estate).to_owned(),
                cost(&switch),
            ]
        })
        .collect();
    let all = l.pick("zusammen, je Stunde", "together, per hour");
    rows.push([
        all.to_owned(),
        String::new(),
        format!("{} EUR", price(option.harm.eur_per_hour)),
    ]);
    rows
}

/// Writes a number with thin groups of three digits.
pub(super) fn price(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<&str> = groups.filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(" ")
}
