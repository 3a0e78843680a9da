use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::Estate;
use leckwehr_incident::{Impact, OutsideRole, Tier, Timestamp};

use crate::impact_report::{CoverageTrack, Hypothesis, Sight};
use crate::moment::precise;
use crate::route::{glyph, role_words, tier_class, tier_words};
use crate::svg::{Svg, round, shorten};
use crate::{Language, duration_words};

/// Hosts drawn; of those that are only possible, fewer.
const ROWS_MAX: usize = 80;
const POSSIBLE_ROWS_MAX: usize = 24;
/// Steps drawn; the table has them all.
const STEPS_MAX: usize = 120;
/// Tracks of the coverage strip.
const TRACKS_MAX: usize = 40;
/// A pause between two steps that is named.
const PAUSE_S_MIN: f64 = 60.0;

const LABELS: f64 = 300.0;
const HEAD: f64 = 46.0;
const ROW: f64 = 38.0;
const COLUMN: f64 = 54.0;
const COLUMN_MAX: f64 = 120.0;
const WIDTH_MIN: f64 = 1290.0;

/// What a step of the drawing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StepKind {
    Hop,
    Reach,
    Outflow,
    Hypothesis,
}

/// A step as drawing and table number it.
#[derive(Debug, Clone)]
pub(crate) struct MapStep<'a> {
    pub number: usize,
    pub at: Timestamp,
    pub until: Option<Timestamp>,
    pub from: &'a str,
    pub to: &'a str,
    pub kind: StepKind,
    pub tier: Tier,
    pub means: String,
    pub account: &'a str,
    pub times: usize,
    pub evidence: Vec<&'a str>,
}

/// Returns every step in order of time: hops merged by ends and means, arrivals by reach alone, outflow, hypotheses.
pub(crate) fn steps<'a>(impact: &'a Impact, hypotheses: &'a [Hypothesis], l: Language) -> Vec<MapStep<'a>> {
    let mut merged: BTreeMap<(&str, &str, &str), MapStep<'a>> = BTreeMap::new();
    for hop in &impact.hops {
        let key = (hop.from.as_str(), hop.to.as_str(), hop.means.as_str());
        let step = merged.entry(key).or_insert_with(|| MapStep {
            number: 0,
            at: hop.at,
            until: None,
            from: &hop.from,
            to: &hop.to,
            kind: StepKind::Hop,
            tier: hop.tier,
            means: hop.means.clone(),
            account: hop.account.as_deref().unwrap_or(""),
            times: 0,
            evidence: Vec::new(),
        });
        step.times += 1;
        step.at = step.at.min(hop.at);
        step.tier = step.tier.min(hop.tier);
        step.evidence.extend(hop.evidence.iter().map(String::as_str));
    }
    let mut steps: Vec<MapStep<'a>> = merged.into_values().collect();
    steps.extend(reached(impact, l));
    steps.extend(outflow(impact, l));
    steps.extend(hypotheses.iter().map(|h| MapStep {
        number: 0,
        at: h.earliest,
        until: Some(h.latest),
        from: &h.from,
        to: &h.to,
        kind: StepKind::Hypothesis,
        tier: Tier::Possible,
        means: l.pick("Vermutung: kein Beleg", "hypothesis: not on record").to_owned(),
        account: "",
        times: 1,
        evidence: vec![&h.why],
    }));
    steps.sort_by(|a, b| (a.at, a.kind, a.from, a.to, &a.means).cmp(&(b.at, b.kind, b.from, b.to, &b.means)));
    for (n, step) in steps.iter_mut().enumerate() {
        step.number = n + 1;
    }
    steps
}

/// Hosts to which no hop leads, by reach alone.
fn reached<'a>(impact: &'a Impact, l: Language) -> impl Iterator<Item = MapStep<'a>> {
    let arrived: BTreeSet<&str> = impact.hops.iter().map(|hop| hop.to.as_str()).collect();
    let lacking = impact
        .hosts
        .iter()
        .filter(move |h| h.tier <= Tier::Possible && !arrived.contains(h.system.as_str()));
    lacking.filter_map(move |host| {
        Some(MapStep {
            number: 0,
            at: host.since?,
            until: None,
            from: host.via.as_deref()?,
            to: &host.system,
            kind: StepKind::Reach,
            tier: host.tier,
            means: l.pick("nur erreichbar", "reach only").to_owned(),
            account: "",
            times: 1,
            evidence: host.reasons.iter().map(String::as_str).collect(),
        })
    })
}

/// From hosts that the evidence of an exfiltration names to its address.
fn outflow<'a>(impact: &'a Impact, l: Language) -> impl Iterator<Item = MapStep<'a>> {
    let leaves = |role| matches!(role, OutsideRole::Exfiltration | OutsideRole::CommandAndExfiltration);
    let exits = impact.outside.iter().filter(move |o| leaves(o.role));
    exits.flat_map(move |o| {
        let names = move |host: &str| {
            o.evidence
                .iter()
                .any(|e| e.strip_prefix(host).is_some_and(|rest| rest.starts_with(':')))
        };
        let hosts = impact.hosts.iter().filter(move |h| names(&h.system));
        hosts.filter_map(move |host| {
            let (first, last) = o.seen?;
            let told = o.evidence.iter().find_map(|e| flow_told(e, &host.system));
            let (first, last) = told.map_or((first, last), |(span, _)| span);
            let amount = match told {
                Some((_, recorded)) => format!("{} {}", bytes(recorded), l.pick("aufgezeichnet", "recorded")),
                None => format!("≤ {}", bytes(o.bytes_out_max)),
            };
            Some(MapStep {
                number: 0,
                at: first,
                until: Some(last),
                from: &host.system,
                to: &o.address,
                kind: StepKind::Outflow,
                tier: o.tier,
                means: format!("{}, {amount}", l.pick("Abfluss", "outflow")),
                account: "",
                times: 1,
                evidence: o.evidence.iter().map(String::as_str).collect(),
            })
        })
    })
}

/// Reads when and how much a host sent from the sentence of the analysis: `HOST: … from TIME to TIME, N bytes out, …`.
fn flow_told(sentence: &str, host: &str) -> Option<((Timestamp, Timestamp), u64)> {
    let rest = sentence.strip_prefix(host)?.strip_prefix(':')?;
    let (_, rest) = rest.split_once(" from ")?;
    let (first, rest) = rest.split_once(" to ")?;
    let (last, rest) = rest.split_once(", ")?;
    let (count, _) = rest.split_once(" bytes out")?;
    Some(((first.parse().ok()?, last.parse().ok()?), count.parse().ok()?))
}

/// Writes bytes with thin spaces between groups of three digits.
pub(crate) fn bytes(bytes: u64) -> String {
    let digits = bytes.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<&str> = groups.filter_map(|group| std::str::from_utf8(group).ok()).collect();
    format!("{} B", groups.join("\u{202f}"))
}

/// A row of the map.
struct Row {
    name: String,
    below: String,
    tier: Tier,
    outside: bool,
    since: Option<Timestamp>,
}

/// Draws the route as a sequence: a row for each host in order of arrival, addresses outside on top, a column for each step
/// in order of time (not to scale). Tiers by shape, line and word as well as by colour.
pub(crate) fn impact_map(impact: &Impact, estate: &Estate, steps: &[MapStep<'_>], l: Language) -> String {
    let (rows, hosts_left) = rows(impact, estate, steps, l);
    let place: BTreeMap<String, usize> = rows.iter().enumerate().map(|(n, row)| (row.name.clone(), n)).collect();
    let drawable = |s: &&MapStep<'_>| s.from != s.to && place.contains_key(s.from) && place.contains_key(s.to);
    let drawn: Vec<&MapStep<'_>> = steps.iter().filter(drawable).take(STEPS_MAX).collect();
    let steps_left = steps.len() - drawn.len();
    let complete = hosts_left == 0 && steps_left == 0;
    let columns = drawn.len() as f64 + 0.5;
    let column = ((WIDTH_MIN - LABELS) / columns).clamp(COLUMN, COLUMN_MAX);
    let right = f64::max(LABELS + column * columns, WIDTH_MIN);
    let height = HEAD + ROW * rows.len() as f64 + if complete { 6.0 } else { 26.0 };
    let title = l.pick(
        "Weg des Angreifers von System zu System; die Tabelle darunter sagt dasselbe",
        "the attacker's route from host to host; the table below says the same",
    );
    let mut svg = Svg::new(right, height, title);
    let map = Map {
        rows,
        drawn,
        place,
        column,
        right,
        l,
    };
    map.grid(&mut svg);
    map.times(&mut svg);
    for n in 0..map.rows.len() {
        map.row(&mut svg, n);
    }
    for (column, step) in map.drawn.iter().enumerate() {
        map.arrow(&mut svg, column, step);
    }
    for (column, step) in map.drawn.iter().enumerate() {
        map.badge(&mut svg, column, step);
    }
    if !complete {
        let text = l.pick(
            format!("nicht gezeichnet, in den Tabellen: {hosts_left} Systeme, {steps_left} Schritte"),
            format!("not drawn, in the tables: {hosts_left} hosts, {steps_left} steps"),
        );
        svg.text(8.0, height - 9.0, "t-small", &text);
    }
    svg.finish()
}

/// Returns the rows, and how many hosts with a sign have none.
fn rows(impact: &Impact, estate: &Estate, steps: &[MapStep<'_>], l: Language) -> (Vec<Row>, usize) {
    let first = |name: &str| steps.iter().filter(|s| s.from == name || s.to == name).map(|s| s.at).min();
    let mut outside: Vec<Row> = impact
        .outside
        .iter()
        .filter(|o| o.tier <= Tier::Probable || first(&o.address).is_some())
        .map(|o| Row {
            name: o.address.clone(),
            below: format!(
                "{} · {} · ≤ {}",
                role_words(o.role, l),
                tier_words(o.tier, l),
                bytes(o.bytes_out_max)
            ),
            tier: o.tier,
            outside: true,
            since: first(&o.address).or(o.seen.map(|seen| seen.0)),
        })
        .collect();
    let zone = |name: &str| {
        let zone = estate.systems.get(name).and_then(|s| estate.zones.get(&s.zone));
        zone.map_or(l.pick("nicht im Verzeichnis", "not in the estate"), |z| &z.name)
            .to_owned()
    };
    let row = |name: &str, tier: Tier, since: Option<Timestamp>| Row {
        name: name.to_owned(),
        below: format!("{} · {}", tier_words(tier, l), zone(name)),
        tier,
        outside: false,
        since,
    };
    let mut hosts: Vec<Row> = impact
        .hosts
        .iter()
        .filter(|h| h.tier <= Tier::Possible)
        .map(|h| row(&h.system, h.tier, h.since))
        .collect();
    let listed: BTreeSet<&str> = hosts.iter().chain(&outside).map(|r| r.name.as_str()).collect();
    let ends: BTreeSet<&str> = steps.iter().flat_map(|s| [s.from, s.to]).collect();
    // Ends of hypotheses and of steps whose host has no sign of its own.
    let (inside, strange): (Vec<&str>, Vec<&str>) = ends
        .into_iter()
        .filter(|n| !listed.contains(n))
        .partition(|n| estate.systems.contains_key(*n) || impact.hosts.iter().any(|h| h.system == *n));
    hosts.extend(inside.into_iter().map(|n| row(n, Tier::Unknown, first(n))));
    outside.extend(strange.into_iter().map(|n| Row {
        name: n.to_owned(),
        below: l.pick("nicht im Verzeichnis", "not in the estate").to_owned(),
        tier: Tier::Unknown,
        outside: true,
        since: first(n),
    }));
    outside.sort_by(|a, b| (a.since, &a.name).cmp(&(b.since, &b.name)));
    let all = hosts.len();
    // The surest are kept if there is no room for all.
    hosts.sort_by(|a, b| (a.tier, a.since, &a.name).cmp(&(b.tier, b.since, &b.name)));
    let sure = hosts.iter().filter(|r| r.tier < Tier::Possible).count();
    hosts.truncate((sure + POSSIBLE_ROWS_MAX).min(ROWS_MAX));
    let left = all - hosts.len();
    hosts.sort_by(|a, b| (a.since.is_none(), a.since, a.tier, &a.name).cmp(&(b.since.is_none(), b.since, b.tier, &b.name)));
    outside.truncate(ROWS_MAX);
    outside.extend(hosts);
    (outside, left)
}

struct Map<'m> {
    rows: Vec<Row>,
    drawn: Vec<&'m MapStep<'m>>,
    place: BTreeMap<String, usize>,
    column: f64,
    right: f64,
    l: Language,
}

impl Map<'_> {
    fn x(&self, column: usize) -> f64 {
        LABELS + self.column * (column as f64 + 0.5)
    }

    fn y(&self, name: &str) -> f64 {
        let row = self.place.get(name).copied().unwrap_or(0);
        HEAD + ROW * (row as f64 + 0.5)
    }

    fn grid(&self, svg: &mut Svg) {
        for (n, row) in self.rows.iter().enumerate() {
            let top = HEAD + ROW * n as f64;
            let class = if n % 2 == 0 { "zone even" } else { "zone" };
            svg.shape(
                "rect",
                class,
                &[("x", &0), ("y", &top), ("width", &self.right), ("height", &ROW)],
            );
            let last_outside = row.outside && self.rows.get(n + 1).is_some_and(|next| !next.outside);
            if last_outside {
                let y = top + ROW;
                svg.shape("line", "border", &[("x1", &0), ("x2", &self.right), ("y1", &y), ("y2", &y)]);
            }
        }
        svg.text(8.0, 18.0, "t-small", self.l.pick("Schritt, Zeit (UTC)", "step, time (UTC)"));
        svg.text(8.0, 34.0, "t-small", self.l.pick("seit dem vorigen", "since the one before"));
    }

    /// Above each column its time; below it the day if it changes, or the pause before it.
    fn times(&self, svg: &mut Svg) {
        let mut before: Option<Timestamp> = None;
        for (column, step) in self.drawn.iter().enumerate() {
            let text = precise(step.at);
            let (day, time) = (text.get(..10).unwrap_or(""), text.get(11..19).unwrap_or(""));
            let x = self.x(column);
            let foot = HEAD + ROW * self.rows.len() as f64;
            svg.shape("line", "tick", &[("x1", &x), ("x2", &x), ("y1", &HEAD), ("y2", &foot)]);
            svg.text(x, 18.0, "t-mid t-time", time);
            let new_day = before.is_none_or(|b| precise(b).get(..10) != Some(day));
            let pause = before.map_or(0.0, |b| step.at.seconds_since(b));
            if new_day {
                svg.text(x, 34.0, "t-mid t-small", day);
            } else if pause >= PAUSE_S_MIN {
                svg.text(x, 34.0, "t-mid t-small", &format!("+{}", coarse(pause)));
            }
            before = Some(step.at);
        }
    }

    fn row(&self, svg: &mut Svg, n: usize) {
        let Some(row) = self.rows.get(n) else {
            return;
        };
        let y = HEAD + ROW * (n as f64 + 0.5);
        svg.text(30.0, y - 2.0, "t-lane", &shorten(&row.name, 36));
        svg.text(30.0, y + 12.0, "t-small", &shorten(&row.below, 51));
        let hint = format!("{}: {}", row.name, row.below);
        if row.outside {
            let path = format!("M4 {}l5 -7h8l5 7l-5 7h-8z", round(y));
            svg.shape_with_hint("path", "n-outside", &[("d", &path)], &hint);
        } else {
            glyph(svg, (13.0, y), row.tier, false, 7.0, &hint);
        }
        let touches = |s: &MapStep<'_>| s.from == row.name || s.to == row.name;
        let columns = self
            .drawn
            .iter()
            .enumerate()
            .filter(|(_, s)| touches(s))
            .map(|(column, _)| column);
        let first = columns.clone().next().map_or(LABELS + 14.0, |c| self.x(c));
        let from = match row.since {
            Some(since) if !row.outside => self.x_of(since, &row.name),
            _ => first,
        };
        let to = if row.outside {
            columns.max().map_or(from, |c| self.x(c))
        } else {
            self.right - 8.0
        };
        let class = if row.outside {
            "held h-outside".to_owned()
        } else {
            format!("held h-{}", tier_class(row.tier))
        };
        let (from, to) = (round(from), round(to.max(from)));
        svg.shape("line", &class, &[("x1", &from), ("x2", &to), ("y1", &y), ("y2", &y)]);
        if !row.outside {
            glyph(svg, (from, y), row.tier, false, 7.0, &hint);
        }
    }

    /// The column of the step that arrives then; a time between two columns lies half-way.
    fn x_of(&self, at: Timestamp, name: &str) -> f64 {
        let arrival = self.drawn.iter().position(|s| s.at == at && s.to == name);
        let same = self.drawn.iter().position(|s| s.at == at);
        match arrival.or(same) {
            Some(column) => self.x(column),
            None => (self.x(self.drawn.partition_point(|s| s.at < at)) - self.column / 2.0).min(self.right - 14.0),
        }
    }

    fn arrow(&self, svg: &mut Svg, column: usize, step: &MapStep<'_>) {
        let (x, from, to) = (self.x(column), self.y(step.from), self.y(step.to));
        let down = if to > from { 1.0 } else { -1.0 };
        let class = class(step);
        let path = format!("M{} {}V{}", round(x), round(from), round(to - down * 16.0));
        svg.shape_with_hint("path", &format!("hop {class}"), &[("d", &path)], &hint(step, self.l));
        let tip = format!("M{} {}l-4.5 {}h9z", round(x), round(to - down * 9.0), round(-down * 8.0));
        svg.shape("path", &format!("tip {class}"), &[("d", &tip)]);
        svg.shape(
            "circle",
            &format!("tip {class}"),
            &[("cx", &round(x)), ("cy", &round(from)), ("r", &3.2)],
        );
    }

    /// The number stands beside the line, half a row from its source: there it hides neither signs nor tips.
    fn badge(&self, svg: &mut Svg, column: usize, step: &MapStep<'_>) {
        let (from, to) = (self.y(step.from), self.y(step.to));
        let (x, y) = (
            self.x(column) - 13.0,
            if to > from { from + ROW / 2.0 } else { from - ROW / 2.0 },
        );
        let circle: [(&str, &dyn std::fmt::Display); 3] = [("cx", &round(x)), ("cy", &round(y)), ("r", &8.5)];
        svg.shape("circle", &format!("badge {}", class(step)), &circle);
        svg.text(x, y + 3.6, "t-mid t-badge", &step.number.to_string());
    }
}

/// Returns the class of lines: by tier for what is on record, of its own for what is not.
pub(crate) fn class(step: &MapStep<'_>) -> String {
    match step.kind {
        StepKind::Hypothesis => "h-hypothesis".to_owned(),
        StepKind::Outflow => format!("h-outflow h-{}", tier_class(step.tier)),
        StepKind::Hop | StepKind::Reach => format!("h-{}", tier_class(step.tier)),
    }
}

fn hint(step: &MapStep<'_>, l: Language) -> String {
    let number = step.number;
    let (from, to, means, at) = (step.from, step.to, &step.means, precise(step.at));
    format!(
        "{number}. {from} → {to}: {means}, {}, {at} (×{})",
        tier_words(step.tier, l),
        step.times
    )
}

/// One unit only, for the narrow columns.
fn coarse(seconds: f64) -> String {
    let words = duration_words(seconds);
    let mut parts = words.split(' ');
    format!("{} {}", parts.next().unwrap_or(""), parts.next().unwrap_or(""))
}

/// Draws what was seen of what: over time where it was measured by slots, else as shares.
pub(crate) fn coverage_strip(impact: &Impact, tracks: &[CoverageTrack], l: Language) -> String {
    let title = l.pick(
        "Abdeckung; die Tabelle darunter sagt dasselbe",
        "coverage; the table below says the same",
    );
    let mut worst: Vec<CoverageTrack> = match tracks.is_empty() {
        false => tracks.to_vec(),
        true => impact.coverage.iter().map(|c| of_share(impact, c)).collect(),
    };
    worst.sort_by(|a, b| {
        a.seen
            .total_cmp(&b.seen)
            .then_with(|| (&a.asset, &a.class).cmp(&(&b.asset, &b.class)))
    });
    let left = worst.len().saturating_sub(TRACKS_MAX);
    worst.truncate(TRACKS_MAX);
    let ends = worst.iter().flat_map(|t| t.spans.iter().flat_map(|s| [s.0, s.1]));
    let (from, to) = (ends.clone().min().unwrap_or_default(), ends.max().unwrap_or_default());
    let whole = to.seconds_since(from).max(1e-9);
    let width = WIDTH_MIN - LABELS - 90.0;
    let height = 22.0 * worst.len() as f64 + if left > 0 { 46.0 } else { 26.0 };
    let mut svg = Svg::new(WIDTH_MIN, height, title);
    for (n, track) in worst.iter().enumerate() {
        let y = 22.0 * n as f64;
        svg.text(8.0, y + 15.0, "t-lane", &shorten(&track.asset, 26));
        svg.text(200.0, y + 15.0, "t-small", &shorten(&track.class, 12));
        for (start, end, sight) in &track.spans {
            let x = |at: &Timestamp| LABELS + at.seconds_since(from) / whole * width;
            let class = match sight {
                Sight::Seen => "c-seen",
                Sight::Gap => "c-gap",
                Sight::Never => "c-never",
            };
            let (left, right) = (round(x(start)), round(x(end)));
            let hint = format!(
                "{} {}: {} – {}: {}",
                track.asset,
                track.class,
                precise(*start),
                precise(*end),
                sight.words(l)
            );
            let size: [(&str, &dyn std::fmt::Display); 4] = [
                ("x", &left),
                ("y", &(y + 5.0)),
                ("width", &round((right - left).max(0.5))),
                ("height", &12),
            ];
            svg.shape_with_hint("rect", class, &size, &hint);
        }
        let percent = if track.seen < 1.0 {
            (track.seen * 1_000.0).floor() / 10.0
        } else {
            100.0
        };
        svg.text(LABELS + width + 10.0, y + 15.0, "t-small", &format!("{percent:.1} %"));
    }
    let foot = 22.0 * worst.len() as f64 + 16.0;
    if let (true, Some((a, b))) = (tracks.is_empty(), impact.window) {
        svg.text(LABELS, foot, "t-small", &format!("{} – {}", precise(a), precise(b)));
    } else if !worst.is_empty() {
        svg.text(LABELS, foot, "t-small", &format!("{} – {}", precise(from), precise(to)));
    }
    if left > 0 {
        let text = l.pick(
            format!("weitere {left} mit besserer Abdeckung in der Tabelle"),
            format!("{left} more with better coverage in the table"),
        );
        svg.text(8.0, height - 8.0, "t-small", &text);
    }
    svg.finish()
}

/// Where only a share is known, not when: the share is drawn from the left and says so by its pattern.
fn of_share(impact: &Impact, c: &leckwehr_incident::Coverage) -> CoverageTrack {
    let (from, to) = impact.window.unwrap_or((Timestamp(0), Timestamp(1_000_000_000)));
    let share = if c.seen.is_finite() { c.seen.clamp(0.0, 1.0) } else { 0.0 };
    let middle = from.plus_ms((to.seconds_since(from) * share * 1e3) as i64);
    let mut spans = vec![(from, middle, Sight::Seen)];
    if share < 1.0 {
        spans.push((middle, to, Sight::Gap));
    }
    CoverageTrack {
        asset: c.asset.clone(),
        class: c.class.clone(),
        seen: share,
        spans,
    }
}
