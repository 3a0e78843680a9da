use leckwehr_estate::Estate;
use leckwehr_incident::{ServiceLevel, Situation, Timestamp};

use crate::scale::Scale;
use crate::state::service_states;
use crate::svg::{Svg, round, shorten};
use crate::timeline::{grid, times, zero};
use crate::{Language, level_words, moment};

const WIDTH: f64 = 1180.0;
const LABELS: f64 = 230.0;
const ROW: f64 = 26.0;

/// Draws one bar per service: the level over time, by height, pattern and colour.
pub fn service_bars(situation: &Situation, estate: &Estate, l: Language) -> String {
    let states = service_states(situation, estate);
    let scale = Scale::new(times(situation, &[], &[]), zero(situation), LABELS, WIDTH - LABELS - 20.0);
    let height = ROW * states.len() as f64 + 34.0;
    let title = l.pick(
        "Dienste über die Zeit; die Tabelle darunter sagt dasselbe",
        "services over time; the table below says the same",
    );
    let mut svg = Svg::new(WIDTH, height, title);
    grid(&mut svg, &scale, height);
    for (row, state) in states.iter().enumerate() {
        let y = row as f64 * ROW;
        svg.shape(
            "line",
            "lane",
            &[("x1", &0), ("x2", &WIDTH), ("y1", &(y + ROW)), ("y2", &(y + ROW))],
        );
        svg.text(4.0, y + 17.0, "t-lane", &shorten(state.name, 31));
        let first = state.changes.first().map_or(situation.as_of, |(at, _)| *at);
        bar(&mut svg, &scale, y, (scale.start(), first), None, l);
        for (n, (at, level)) in state.changes.iter().enumerate() {
            let end = state.changes.get(n + 1).map_or(situation.as_of, |next| next.0);
            bar(&mut svg, &scale, y, (*at, end), Some(*level), l);
        }
    }
    svg.finish()
}

fn bar(svg: &mut Svg, scale: &Scale, y: f64, span: (Timestamp, Timestamp), level: Option<ServiceLevel>, l: Language) {
    let (class, height) = match level {
        None => ("b-unknown", 4.0),
        Some(ServiceLevel::Off) => ("b-off", 18.0),
        Some(ServiceLevel::Rebuilding) => ("b-rebuilding", 18.0),
        Some(ServiceLevel::CleanRoom) => ("b-clean", 18.0),
        Some(ServiceLevel::Limited) => ("b-limited", 11.0),
        Some(ServiceLevel::Provisional) => ("b-provisional", 6.0),
        Some(ServiceLevel::Full) => ("b-full", 6.0),
    };
    let (from, to) = (scale.x(span.0), scale.x(span.1));
    if to <= from {
        return;
    }
    let hint = format!("{}: {} – {}", level_words(level, l), moment(span.0, l), moment(span.1, l));
    let top = y + (ROW - height) / 2.0;
    svg.shape_with_hint(
        "rect",
        class,
        &[
            ("x", &round(from)),
            ("y", &top),
            ("width", &round(to - from)),
            ("height", &height),
        ],
        &hint,
    );
}
