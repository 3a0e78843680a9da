use leckwehr_estate::Estate;
use leckwehr_incident::{OutsideRole, Situation, Tier};

use crate::layout::{CELL, CELLS_PER_ROW, Edge, LABELS, Layout};
use crate::svg::{Svg, round, shorten};
use crate::{Language, moment};

/// Draws the route: zones as lanes, hosts by tier (shape and colour), steps solid if proven, dashed if probable, dotted if
/// only possible; addresses outside in the first lane, hosts without a sign as small marks at the right.
pub fn route_map(situation: &Situation, estate: &Estate, l: Language) -> String {
    let layout = Layout::new(situation, estate, l);
    let title = l.pick(
        "Weg des Angreifers durch die Zonen; die Tabelle darunter sagt dasselbe",
        "the attacker's route through the zones; the table below says the same",
    );
    let mut svg = Svg::new(layout.width, layout.height, title);
    lanes(&mut svg, &layout, l);
    for edge in &layout.edges {
        hop(&mut svg, &layout, edge, l);
    }
    nodes(&mut svg, &layout, l);
    svg.finish()
}

/// Returns the words for a tier.
pub fn tier_words(tier: Tier, l: Language) -> &'static str {
    match tier {
        Tier::Proven => l.pick("belegt", "proven"),
        Tier::Probable => l.pick("wahrscheinlich", "probable"),
        Tier::Possible => l.pick("möglich", "possible"),
        Tier::Excluded => l.pick("ausgeschlossen (mit Abdeckung)", "excluded (with coverage)"),
        Tier::Unknown => l.pick("unbekannt", "unknown"),
    }
}

/// Returns the CSS class for a tier.
pub(crate) fn tier_class(tier: Tier) -> &'static str {
    match tier {
        Tier::Proven => "proven",
        Tier::Probable => "probable",
        Tier::Possible => "possible",
        Tier::Excluded => "excluded",
        Tier::Unknown => "unknown",
    }
}

/// Returns the words for what an address outside was.
pub(crate) fn role_words(role: OutsideRole, l: Language) -> &'static str {
    match role {
        OutsideRole::Command => l.pick("Steuerung", "command"),
        OutsideRole::Exfiltration => l.pick("Abfluss", "exfiltration"),
        OutsideRole::CommandAndExfiltration => l.pick("Steuerung und Abfluss", "command, exfiltration"),
        OutsideRole::Entry => l.pick("Eingang", "entry"),
        OutsideRole::Unknown => l.pick("Rolle unbekannt", "role unknown"),
    }
}

/// Draws a small picture of a tier for legends and tables.
pub(crate) fn tier_mark(tier: Tier, isolated: bool) -> String {
    let mut svg = Svg::new(22.0, 22.0, "");
    glyph(&mut svg, (11.0, 11.0), tier, isolated, 7.0, "");
    svg.finish()
}

fn lanes(svg: &mut Svg, layout: &Layout<'_>, l: Language) {
    for (n, lane) in layout.lanes.iter().enumerate() {
        let class = if n % 2 == 0 { "zone even" } else { "zone" };
        svg.shape(
            "rect",
            class,
            &[
                ("x", &0),
                ("y", &lane.top),
                ("width", &layout.width),
                ("height", &lane.height),
            ],
        );
        svg.text(8.0, lane.top + 16.0, "t-lane", &shorten(&lane.name, 21));
        svg.text(8.0, lane.top + 30.0, "t-small", &shorten(&lane.site, 24));
        for (n, (id, tier, isolated)) in lane.rest.iter().enumerate() {
            let x = layout.rest_x + ((n % CELLS_PER_ROW) as f64 + 0.5) * CELL;
            let y = lane.top + 16.0 + (n / CELLS_PER_ROW) as f64 * CELL;
            let hint = format!("{id}: {}", tier_words(*tier, l));
            glyph(svg, (x, y), *tier, *isolated, 4.5, &hint);
        }
    }
    svg.shape(
        "line",
        "lane",
        &[("x1", &LABELS), ("x2", &LABELS), ("y1", &0), ("y2", &layout.height)],
    );
    svg.shape(
        "line",
        "lane",
        &[
            ("x1", &layout.rest_x),
            ("x2", &layout.rest_x),
            ("y1", &0),
            ("y2", &layout.height),
        ],
    );
}

fn hop(svg: &mut Svg, layout: &Layout<'_>, edge: &Edge<'_>, l: Language) {
    let (Some(from), Some(to)) = (layout.nodes.get(edge.from), layout.nodes.get(edge.to)) else {
        return;
    };
    // Hundreds of "could have" lines into one block say no more than the block itself.
    if !to.labelled {
        return;
    }
    let forward = to.column > from.column;
    let (x1, x2, bend, tip) = if forward {
        (from.x + 11.0, to.x - 12.0, (to.x - from.x) * 0.45, -7.0)
    } else {
        (from.x + 11.0, to.x + 12.0, 54.0, 7.0)
    };
    let second = if forward { x2 - bend } else { x2 + bend };
    let [x1, x2, y1, y2, first, second] = [x1, x2, from.y, to.y, x1 + bend, second].map(round);
    let class = tier_class(edge.tier);
    let at = edge.at.map_or_else(String::new, |at| moment(at, l));
    let hint = format!("{} → {}: {} {at} (×{})", edge.from, edge.to, edge.means, edge.count);
    let path = format!("M{x1} {y1}C{first} {y1} {second} {y2} {x2} {y2}");
    svg.shape_with_hint("path", &format!("hop h-{class}"), &[("d", &path)], &hint);
    let tip = format!("M{x2} {y2}l{tip} -4v8z");
    svg.shape("path", &format!("tip h-{class}"), &[("d", &tip)]);
}

fn nodes(svg: &mut Svg, layout: &Layout<'_>, l: Language) {
    for (id, node) in &layout.nodes {
        let hint = format!("{id}: {}", tier_words(node.tier, l));
        if let Some(role) = node.outside {
            let path = format!("M{} {}l6 -8h12l6 8l-6 8h-12z", round(node.x - 12.0), round(node.y));
            svg.shape_with_hint("path", "n-outside", &[("d", &path)], &hint);
            svg.text(node.x, node.y - 11.0, "t-mid t-small", role_words(role, l));
        } else {
            let size = if node.labelled { 8.0 } else { 4.5 };
            glyph(svg, (node.x, node.y), node.tier, node.isolated, size, &hint);
        }
        if node.labelled {
            svg.text(node.x, node.y + 21.0, "t-mid t-node", &shorten(id, 19));
        }
    }
}

/// Draws a host: the shape says the tier as well as the colour does; a ring says "off the grid".
pub(crate) fn glyph(svg: &mut Svg, (x, y): (f64, f64), tier: Tier, isolated: bool, r: f64, hint: &str) {
    let [left, top, d] = [x - r, y - r, 2.0 * r].map(round);
    let (x, y) = (round(x), round(y));
    let path = match tier {
        Tier::Proven => format!("M{left} {top}h{d}v{d}h-{d}z"),
        Tier::Probable => format!("M{x} {top}l{r} {r}l-{r} {r}l-{r} -{r}z"),
        Tier::Possible => format!("M{x} {top}l{r} {d}h-{d}z"),
        Tier::Excluded | Tier::Unknown => format!("M{left} {y}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z"),
    };
    svg.shape_with_hint("path", &format!("n-{}", tier_class(tier)), &[("d", &path)], hint);
    if tier == Tier::Excluded {
        let bar = format!("M{} {y}h{}", round(x - r * 0.5), round(r));
        svg.shape("path", "n-bar", &[("d", &bar)]);
    }
    if isolated {
        svg.shape("circle", "n-cut", &[("cx", &x), ("cy", &y), ("r", &round(r * 1.6))]);
    }
}
