use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use leckwehr_estate::{Connection, Estate};

use crate::Language;
use crate::svg::{Svg, escape, round, shorten};

/// Zones drawn; those where nothing happens are counted.
const ZONES_MAX: usize = 80;
/// Systems named in one zone; the others are counted.
const NAMES_MAX: usize = 8;
const BOX: f64 = 300.0;
const GAP: f64 = 170.0;
const LINE: f64 = 17.0;
const HEAD: f64 = 64.0;
const SPACE: f64 = 16.0;

const RED: &str = "#b3261e";
const GREEN: &str = "#1b6e3c";
const GREY: &str = "#5f6368";
const INK: &str = "#1f1f1f";

/// What the picture of a cut shows, as ids of the estate.
#[derive(Debug, Clone, Default)]
pub struct CutPicture {
    /// Systems where the attacker may be.
    pub held: BTreeSet<String>,
    /// Systems that he can still reach by some way once the cut is done.
    pub in_reach: BTreeSet<String>,
    /// Systems that are protected.
    pub protected: BTreeSet<String>,
    /// Systems taken off the grid.
    pub systems: BTreeSet<String>,
    /// Connections cut.
    pub connections: BTreeSet<String>,
    /// Systems and connections that are never cut.
    pub life_lines: BTreeSet<String>,
}

/// Draws a cut as one SVG that needs nothing beside it: the attacker's side at the left, what is protected at the right, cut
/// connections dashed and crossed. Every meaning is a sign and a word as well as a colour. O(zones + systems + connections).
pub fn cut_map(picture: &CutPicture, estate: &Estate, l: Language) -> String {
    let (columns, left_out) = columns(picture, estate);
    let height_of = |zone: &Place<'_>| 34.0 + LINE * zone.lines.len() as f64;
    let height_of_column = |column: &Vec<Place<'_>>| column.iter().map(|z| height_of(z) + SPACE).sum::<f64>();
    let tallest = columns.iter().map(height_of_column).fold(0.0, f64::max);
    let (width, height) = (3.0 * BOX + 2.0 * GAP + 40.0, HEAD + tallest + 90.0);
    let mut svg = Svg::new(width, height, l.pick("Der Schnitt", "The cut"));
    let sheet: [(&str, &dyn std::fmt::Display); 3] = [("width", &width), ("height", &height), ("fill", &"#ffffff")];
    svg.shape("rect", "", &sheet);
    let heads = l.pick(
        ["Seite des Angreifers", "dazwischen", "geschützt"],
        ["attacker's side", "between", "protected"],
    );
    let mut at: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for (n, (column, head)) in columns.iter().zip(heads).enumerate() {
        let x = 20.0 + n as f64 * (BOX + GAP);
        svg.text_of(x, 30.0, 17, INK, head);
        let mut y = HEAD;
        for zone in column {
            at.insert(zone.id, (n, y + 17.0));
            draw_zone(&mut svg, zone, (x, y), height_of(zone), n);
            y += height_of(zone) + SPACE;
        }
    }
    for (id, connection) in &estate.connections {
        let ends = (zone_of(estate, &connection.from), zone_of(estate, &connection.to));
        let places = ends.0.zip(ends.1).and_then(|(a, b)| Some((*at.get(a)?, *at.get(b)?)));
        if let Some((from, to)) = places.filter(|(from, to)| from != to) {
            draw_connection(&mut svg, picture, id, connection, from, to);
        }
    }
    let legend = l.pick(
        "● Angreifer   ○ noch erreichbar   ◆ geschützt   ✂ getrennt   ━ Lebensader (grün)   - - getrennte Verbindung (rot)",
        "● attacker   ○ still in reach   ◆ protected   ✂ cut off   ━ life-line (green)   - - connection cut (red)",
    );
    svg.text_of(20.0, height - 40.0, 13, INK, legend);
    if left_out > 0 {
        let text = l.pick(
            format!("{left_out} weitere Zonen, in denen nichts geschieht"),
            format!("{left_out} further zones where nothing happens"),
        );
        svg.text_of(20.0, height - 18.0, 12, GREY, &text);
    }
    svg.finish()
}

/// Returns the picture in a page of its own, with the same as a table: kind, id, name, and what each switch costs.
pub fn cut_page(picture: &CutPicture, estate: &Estate, rows: &[[String; 3]], title: &str, l: Language) -> String {
    let mut body = String::new();
    for [switch, name, cost] in rows {
        let _ = write!(
            body,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(switch),
            escape(name),
            escape(cost)
        );
    }
    let heads = l.pick(["Schalter", "Name", "Kosten"], ["switch", "name", "cost"]);
    format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{title}</title><style>body{{font:16px \
         sans-serif;margin:1.5rem;color:{INK}}}table{{border-collapse:collapse}}td,th{{border:1px solid #888;padding:.3rem \
         .6rem;text-align:left}}.map{{overflow-x:auto}}</style></head><body><main><h1>{title}</h1><div class=\"map\" tabindex=\"0\">{}</div>\
         <table><thead><tr><th>{}</th><th>{}</th><th>{}</th></tr></thead><tbody>{body}</tbody></table></main></body></html>\n",
        l.tag(),
        cut_map(picture, estate, l),
        heads[0],
        heads[1],
        heads[2],
        title = escape(title),
    )
}

/// A zone of the drawing with its lines: sign, text, colour.
struct Place<'e> {
    id: &'e str,
    name: &'e str,
    lines: Vec<(String, &'static str)>,
}

/// The zones of the three columns, and how many have no place.
fn columns<'e>(picture: &CutPicture, estate: &'e Estate) -> ([Vec<Place<'e>>; 3], usize) {
    let mut members: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for (id, system) in &estate.systems {
        members.entry(&system.zone).or_default().push(id);
    }
    let cut_ends = picture.connections.iter().filter_map(|id| estate.connections.get(id));
    let ends: BTreeSet<&str> = cut_ends
        .flat_map(|c| [zone_of(estate, &c.from), zone_of(estate, &c.to)])
        .flatten()
        .collect();
    let mut columns: [Vec<Place<'e>>; 3] = Default::default();
    let (mut drawn, mut left_out) = (0, 0);
    for (id, zone) in &estate.zones {
        let systems = members.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        let has = |set: &BTreeSet<String>| systems.iter().any(|s| set.contains(*s));
        let matters = [
            &picture.held,
            &picture.in_reach,
            &picture.protected,
            &picture.systems,
            &picture.life_lines,
        ];
        if drawn >= ZONES_MAX || !(matters.into_iter().any(has) || ends.contains(id.as_str())) {
            left_out += 1;
            continue;
        }
        drawn += 1;
        let column = match (has(&picture.held) || has(&picture.in_reach), has(&picture.protected)) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        columns[column].push(Place {
            id,
            name: &zone.name,
            lines: lines(picture, systems),
        });
    }
    (columns, left_out)
}

/// What is said of the systems of a zone: cut, held, protected, in reach, each with its sign.
fn lines(picture: &CutPicture, systems: &[&String]) -> Vec<(String, &'static str)> {
    let mut named = Vec::new();
    for id in systems {
        let marks = [
            ('✂', &picture.systems, RED),
            ('●', &picture.held, RED),
            ('◆', &picture.protected, GREEN),
            ('━', &picture.life_lines, GREEN),
            ('○', &picture.in_reach, GREY),
        ];
        let fitting: Vec<(char, &'static str)> = marks
            .iter()
            .filter(|(_, set, _)| set.contains(*id))
            .map(|(sign, _, ink)| (*sign, *ink))
            .collect();
        if let Some((_, ink)) = fitting.first() {
            let signs: String = fitting
                .iter()
                .map(|(sign, _)| *sign)
                .filter(|s| *s != '○' || fitting.len() == 1)
                .collect();
            named.push((signs.starts_with('○'), format!("{signs} {}", shorten(id, 30)), *ink));
        }
    }
    named.sort();
    let more = systems.len() - named.len().min(NAMES_MAX);
    let mut lines: Vec<(String, &'static str)> = named.into_iter().take(NAMES_MAX).map(|(_, text, ink)| (text, ink)).collect();
    if more > 0 {
        lines.push((format!("+ {more}"), GREY));
    }
    lines
}

fn draw_zone(svg: &mut Svg, zone: &Place<'_>, (x, y): (f64, f64), height: f64, column: usize) {
    let ink = [RED, GREY, GREEN].get(column).copied().unwrap_or(GREY);
    let frame: [(&str, &dyn std::fmt::Display); 8] = [
        ("x", &x),
        ("y", &y),
        ("width", &BOX),
        ("height", &height),
        ("rx", &6),
        ("fill", &"#fafafa"),
        ("stroke", &ink),
        ("stroke-width", &1.5),
    ];
    svg.shape_with_hint("rect", "", &frame, &format!("{}: {}", zone.id, zone.name));
    svg.text_of(x + 10.0, y + 22.0, 14, INK, &shorten(zone.name, 38));
    for (n, (text, ink)) in zone.lines.iter().enumerate() {
        svg.text_of(x + 14.0, y + 40.0 + LINE * n as f64, 12, ink, text);
    }
}

fn draw_connection(svg: &mut Svg, picture: &CutPicture, id: &str, connection: &Connection, from: (usize, f64), to: (usize, f64)) {
    let is_cut = picture.connections.contains(id);
    let is_life_line = picture.life_lines.contains(id);
    let (ink, width, dashes) = match (is_cut, is_life_line) {
        (true, _) => (RED, 2.5, "7 5"),
        (false, true) => (GREEN, 4.0, "none"),
        (false, false) => (GREY, 0.8, "none"),
    };
    let side = |column: usize, right: bool| 20.0 + column as f64 * (BOX + GAP) + if right { BOX } else { 0.0 };
    let (start, end) = (side(from.0, from.0 <= to.0), side(to.0, to.0 <= from.0));
    let bend = if from.0 == to.0 { GAP * 0.35 } else { 0.0 };
    let (a, b) = (from.1, to.1);
    let middle = (start + end) / 2.0 + bend;
    let path = format!(
        "M{} {}C{} {} {} {} {} {}",
        round(start),
        round(a),
        round(middle),
        round(a),
        round(middle),
        round(b),
        round(end),
        round(b)
    );
    let line: [(&str, &dyn std::fmt::Display); 6] = [
        ("d", &path),
        ("fill", &"none"),
        ("stroke", &ink),
        ("stroke-width", &width),
        ("stroke-dasharray", &dashes),
        ("stroke-opacity", &if is_cut || is_life_line { 1.0 } else { 0.45 }),
    ];
    svg.shape_with_hint("path", "", &line, &format!("{id}: {}", connection.name));
    if is_cut {
        svg.text_of(
            round(middle - 60.0),
            round((a + b) / 2.0 - 4.0),
            12,
            RED,
            &format!("✂ {}", shorten(id, 22)),
        );
    }
}

/// The zone of an end: itself, a system's, or the only one of a party.
fn zone_of<'e>(estate: &'e Estate, end: &'e str) -> Option<&'e str> {
    if estate.zones.contains_key(end) {
        return Some(end);
    }
    let of_party = || estate.zones.iter().find(|(_, z)| z.party == end).map(|(id, _)| id.as_str());
    estate.systems.get(end).map(|s| s.zone.as_str()).or_else(of_party)
}
