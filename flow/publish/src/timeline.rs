use leckwehr_incident::{AlarmLevel, PlanKind, Situation, Timestamp};

use crate::report::TruthEvent;
use crate::scale::Scale;
use crate::svg::{Svg, round, shorten};
use crate::{Language, phase_word};

const WIDTH: f64 = 1180.0;
const LABELS: f64 = 150.0;
const LANE: f64 = 34.0;
/// Least distance of ticks.
const TICKS_APART: f64 = 84.0;
/// Width of a character of the label font, in pixels.
const CHARACTER: f64 = 6.6;

/// Draws what happened when: what the attacker did (if told), phases, alarms, cut, restoration, publications.
pub(crate) fn timeline(situation: &Situation, truth: &[TruthEvent], published: &[Timestamp], l: Language) -> String {
    let scale = Scale::new(
        times(situation, truth, published),
        zero(situation),
        LABELS,
        WIDTH - LABELS - 20.0,
    );
    let mut actors: Vec<&str> = truth.iter().map(|event| event.actor.as_str()).collect();
    actors.sort_unstable();
    actors.dedup();
    let height = LANE * (actors.len() as f64 + 5.0) + 34.0;
    let mut svg = Svg::new(
        WIDTH,
        height,
        l.pick(
            "Zeitverlauf; die Tabelle darunter sagt dasselbe",
            "timeline; the table below says the same",
        ),
    );
    grid(&mut svg, &scale, height);
    let mut lane = 0.0;
    for actor in actors {
        label(&mut svg, lane, actor);
        let events = truth.iter().filter(|event| event.actor == actor);
        for event in events {
            mark(&mut svg, scale.x(event.at), lane, Mark::Cross, "m-truth", &event.text);
        }
        lane += 1.0;
    }
    phases(&mut svg, &scale, lane, situation, l);
    alarms(&mut svg, &scale, lane + 1.0, situation, l);
    steps(&mut svg, &scale, lane + 2.0, situation, PlanKind::Takedown, l);
    steps(&mut svg, &scale, lane + 3.0, situation, PlanKind::Restore, l);
    label(&mut svg, lane + 4.0, l.pick("Veröffentlicht", "published"));
    for at in published {
        mark(&mut svg, scale.x(*at), lane + 4.0, Mark::Square, "m-publish", &at.to_string());
    }
    svg.finish()
}

/// Returns the time that others are counted from: the first phase entered.
pub(crate) fn zero(situation: &Situation) -> Timestamp {
    situation.history.first().map_or(situation.as_of, |(at, ..)| *at)
}

/// Returns every time that the drawings of an incident must show.
pub(crate) fn times(situation: &Situation, truth: &[TruthEvent], published: &[Timestamp]) -> Vec<Timestamp> {
    let mut times: Vec<Timestamp> = situation.history.iter().map(|(at, ..)| *at).collect();
    times.extend(situation.alarms.values().map(|view| view.alarm.at));
    times.extend(truth.iter().map(|event| event.at));
    times.extend(published);
    for plan in situation.plans.values() {
        times.push(plan.proposed);
        for step in plan.steps.values() {
            times.push(step.intended);
            times.extend(step.ended.iter().map(|(at, _)| *at));
        }
    }
    times.extend(situation.services.values().flat_map(|s| &s.changes).map(|(at, _)| *at));
    if situation.facts > 0 {
        times.push(situation.as_of);
    }
    times
}

/// Draws the vertical ticks and the left-out gaps.
pub(crate) fn grid(svg: &mut Svg, scale: &Scale, height: f64) {
    let gaps = scale.gaps();
    let clear = |x: f64| {
        gaps.iter()
            .all(|(from, to, _)| (x - (from + to) / 2.0).abs() > TICKS_APART * 0.7)
    };
    for (x, text) in scale.ticks(TICKS_APART).into_iter().filter(|(x, _)| clear(*x)) {
        svg.shape(
            "line",
            "tick",
            &[("x1", &round(x)), ("x2", &round(x)), ("y1", &0), ("y2", &(height - 22.0))],
        );
        svg.text(x, height - 6.0, "t-mid t-small", &text);
    }
    for (from, to, text) in gaps {
        let box_ = [
            ("x", round(from)),
            ("width", round(to - from)),
            ("y", 0.0),
            ("height", height - 22.0),
        ];
        let box_: Vec<(&str, &dyn std::fmt::Display)> = box_.iter().map(|(n, v)| (*n, v as _)).collect();
        svg.shape("rect", "gap", &box_);
        svg.text((from + to) / 2.0, height - 6.0, "t-mid t-small", &format!("⋯ {text}"));
    }
}

fn label(svg: &mut Svg, lane: f64, text: &str) {
    let y = lane * LANE + LANE;
    svg.shape("line", "lane", &[("x1", &0), ("x2", &WIDTH), ("y1", &y), ("y2", &y)]);
    svg.text(4.0, y - 12.0, "t-lane", &shorten(text, 22));
}

enum Mark {
    Cross,
    Square,
    Diamond,
    Triangle,
    Circle,
}

fn mark(svg: &mut Svg, x: f64, lane: f64, mark: Mark, class: &str, hint: &str) {
    let y = lane * LANE + LANE / 2.0;
    let (x, r) = (round(x), 6.0);
    let path = match mark {
        Mark::Cross => format!("M{} {}l12 12m0-12l-12 12", x - r, y - r),
        Mark::Square => format!("M{} {}h10v10h-10z", x - 5.0, y - 5.0),
        Mark::Diamond => format!("M{x} {}l7 7l-7 7l-7-7z", y - 7.0),
        Mark::Triangle => format!("M{x} {}l7 12h-14z", y - 6.0),
        Mark::Circle => format!("M{} {y}a5 5 0 1 0 10 0a5 5 0 1 0-10 0z", x - 5.0),
    };
    svg.shape_with_hint("path", class, &[("d", &path)], hint);
}

fn phases(svg: &mut Svg, scale: &Scale, lane: f64, situation: &Situation, l: Language) {
    label(svg, lane, l.pick("Phase", "phase"));
    let y = lane * LANE + 6.0;
    for (n, (at, phase, reason)) in situation.history.iter().enumerate() {
        let end = situation.history.get(n + 1).map_or(situation.as_of, |next| next.0);
        let (x, width) = (round(scale.x(*at)), round((scale.x(end) - scale.x(*at)).max(2.0)));
        let class = format!("phase p-{phase}");
        let hint = format!("{}: {reason}", phase_word(*phase, l));
        svg.shape_with_hint(
            "rect",
            &class,
            &[("x", &x), ("y", &y), ("width", &width), ("height", &(LANE - 12.0))],
            &hint,
        );
        let room = ((width - 8.0) / CHARACTER) as usize;
        let word = phase_word(*phase, l);
        if room >= word.chars().count().min(5) && room >= 4 {
            svg.text(x + 5.0, y + 15.0, "t-phase", &shorten(word, room));
        }
    }
}

fn alarms(svg: &mut Svg, scale: &Scale, lane: f64, situation: &Situation, l: Language) {
    label(svg, lane, l.pick("Alarme", "alarms"));
    for view in situation.alarms.values() {
        let (shape, class) = match view.alarm.level {
            AlarmLevel::Notice => (Mark::Circle, "m-notice"),
            AlarmLevel::Warning => (Mark::Triangle, "m-warning"),
            AlarmLevel::Critical => (Mark::Diamond, "m-critical"),
        };
        let hint = format!("{} {}: {}", view.alarm.id, view.alarm.entity, view.alarm.reasons.join("; "));
        mark(svg, scale.x(view.alarm.at), lane, shape, class, &hint);
    }
}

fn steps(svg: &mut Svg, scale: &Scale, lane: f64, situation: &Situation, kind: PlanKind, l: Language) {
    let (name, class) = match kind {
        PlanKind::Takedown => (l.pick("Trennung", "cut"), "bar-cut"),
        PlanKind::Restore => (l.pick("Wiederaufbau", "restoration"), "bar-restore"),
    };
    label(svg, lane, name);
    let plans = situation.plans.values().filter(|view| view.plan.kind == kind);
    for plan in plans {
        for (number, step) in &plan.steps {
            let end = step.ended.as_ref().map_or(situation.as_of, |(at, _)| *at);
            let x = round(scale.x(step.intended));
            let width = round((scale.x(end) - x).max(3.0));
            let y = lane * LANE + 8.0;
            let planned = plan.plan.steps.iter().find(|s| s.number == *number);
            let hint = planned.map_or_else(String::new, |s| format!("{number}. {} {}", s.action, s.target));
            svg.shape_with_hint(
                "rect",
                class,
                &[("x", &x), ("y", &y), ("width", &width), ("height", &(LANE - 16.0))],
                &hint,
            );
        }
    }
}
