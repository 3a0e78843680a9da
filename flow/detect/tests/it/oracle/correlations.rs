use leckwehr_detect::{CORRELATION_GROUPS_MAX, Correlator, Engine, Matcher, Rules};
use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{Lines, Sheet};
use proptest::prelude::*;
use rsigma_eval::event::JsonEvent;
use rsigma_eval::{CorrelationConfig, CorrelationEngine};

use super::data::seen;

/// Seconds in the correlations' time span.
const SPAN_S: i64 = 30;

/// A record: seconds since the one before, which rule it fires, its user and its number.
type Step = (i64, u8, u8, i64);
/// A correlation that fired: place of the record, value in thousandths, group.
type Told = (usize, i64, String);

/// Three rules (`x` is 0, 1 or 2) and one correlation over them.
fn yaml(correlation: &str) -> String {
    let rule = |n: u8| {
        format!(
            "title: R{n}\nid: 0000000{n}-2222-4333-8444-555555555555\nname: r{n}\nlogsource:\n  product: zeek\n  service: conn\ndetection:\n  a:\n    x: {n}\n  condition: a\n---\n"
        )
    };
    let head = "title: C\nid: c0000000-2222-4333-8444-555555555555\ncorrelation:\n";
    format!("{}{}{}{head}{correlation}", rule(0), rule(1), rule(2))
}

fn body(kind: &str, rules: &str, rest: &str) -> String {
    yaml(&format!(
        "  type: {kind}\n  rules: [{rules}]\n  group-by: [user]\n  timespan: {SPAN_S}s\n{rest}"
    ))
}

fn record(step: &Step) -> serde_json::Value {
    serde_json::json!({"x": step.1, "user": format!("u{}", step.2), "n": step.3})
}

struct Ours {
    matcher: Matcher,
    correlator: Correlator,
    sheet: Sheet,
}

impl Ours {
    fn new(yaml: &str) -> Self {
        let mut rules = Rules::default();
        let errors = rules.add("t.yml", yaml);
        assert!(errors.is_empty() && rules.dangling().is_empty(), "{yaml}\n{errors:?}");
        let engine = Engine::new(&rules);
        Self {
            matcher: Matcher::new(engine.clone()),
            correlator: Correlator::new(engine),
            sheet: Sheet::new(),
        }
    }

    fn push(&mut self, at_s: i64, mut record: serde_json::Value) -> Vec<(i64, String)> {
        record["_path"] = "conn".into();
        record["ts"] = 1.into();
        Lines::default().read(record.to_string().as_bytes(), &mut self.sheet).unwrap();
        let fired = self.matcher.matches(seen(&self.sheet)).to_vec();
        let at = Timestamp(at_s * 1_000_000_000);
        let told = self.correlator.push(&fired, seen(&self.sheet), at);
        let pairs = told.into_iter().map(|c| {
            let group: Vec<String> = c.group.iter().map(|(name, value)| format!("{name}={value}")).collect();
            (thousandths(c.value), group.join(" "))
        });
        pairs.collect()
    }
}

fn thousandths(value: f64) -> i64 {
    (value * 1_000.0).round() as i64
}

fn ours(yaml: &str, steps: &[Step]) -> Vec<Told> {
    let mut ours = Ours::new(yaml);
    let mut at_s = 1_000;
    let each = steps.iter().enumerate().flat_map(|(place, step)| {
        at_s += step.0;
        let told = ours.push(at_s, record(step));
        told.into_iter().map(move |(value, group)| (place, value, group))
    });
    each.collect()
}

fn theirs(yaml: &str, steps: &[Step]) -> Vec<Told> {
    let collection = rsigma_parser::parse_sigma_yaml(yaml).unwrap();
    let mut engine = CorrelationEngine::new(CorrelationConfig::default());
    engine.add_collection(&collection).unwrap();
    let (mut at_s, mut told) = (1_000, Vec::new());
    for (place, step) in steps.iter().enumerate() {
        at_s += step.0;
        let record = record(step);
        for result in engine.process_event_at(&JsonEvent::borrow(&record), at_s) {
            if let Some(body) = result.as_correlation() {
                let group: Vec<String> = body.group_key.iter().map(|(name, value)| format!("{name}={value}")).collect();
                told.push((place, thousandths(body.aggregated_value), group.join(" ")));
            }
        }
    }
    told
}

/// Looks at all records of the last seconds anew, for each record that fires one of the first `rules` rules.
fn brute_force(steps: &[Step], rules: u8, value: impl Fn(&[&(i64, Step)]) -> Option<f64>) -> Vec<Told> {
    let (mut at_s, mut past, mut told) = (1_000, Vec::new(), Vec::new());
    for (place, step) in steps.iter().enumerate() {
        at_s += step.0;
        if step.1 >= rules {
            continue;
        }
        past.push((at_s, *step));
        let window: Vec<&(i64, Step)> = past.iter().filter(|(t, s)| *t >= at_s - SPAN_S && s.2 == step.2).collect();
        told.extend(value(&window).map(|v| (place, thousandths(v), format!("user=u{}", step.2))));
    }
    told
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0i64..25, 0u8..4, 0u8..2, -5i64..20), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn correlations_fire_as_in_the_oracle(steps in steps()) {
        for (kind, rules, rest) in [
            ("event_count", "r0, r1", "  condition:\n    gte: 3\n"),
            ("event_count", "r0", "  condition:\n    gt: 1\n    lte: 3\n"),
            ("event_count", "r0", "  condition:\n    eq: 2\n"),
            ("value_count", "r0, r2", "  condition:\n    gte: 3\n    field: n\n"),
            ("value_sum", "r0, r1", "  condition:\n    gt: 20\n    field: n\n"),
            ("value_avg", "r0, r1", "  condition:\n    lt: 5\n    field: n\n"),
            ("temporal", "r0, r1, r2", "  condition: r0 and (r1 or not r2)\n"),
            ("temporal_ordered", "r0, r1", "  condition: r0 and r1\n"),
            ("event_count", "r0, r1", "  window: tumbling\n  condition:\n    gte: 3\n"),
            ("event_count", "r0, r1", "  window: session\n  gap: 10s\n  condition:\n    gte: 3\n"),
        ] {
            let yaml = body(kind, rules, rest);
            prop_assert_eq!(ours(&yaml, &steps), theirs(&yaml, &steps), "{} {}", kind, rest);
        }
    }

    #[test]
    fn correlations_fire_as_looking_at_everything_anew_says(steps in steps()) {
        let numbers = |window: &[&(i64, Step)]| window.iter().map(|(_, s)| s.3 as f64).collect::<Vec<_>>();
        let count = body("event_count", "r0, r1", "  condition:\n    gte: 3\n");
        let expected = brute_force(&steps, 2, |w| (w.len() >= 3).then_some(w.len() as f64));
        prop_assert_eq!(ours(&count, &steps), expected);

        let percentile = body("value_percentile", "r0, r1", "  condition:\n    gte: 8\n    field: n\n    percentile: 75\n");
        let expected = brute_force(&steps, 2, |w| {
            let mut sorted = numbers(w);
            sorted.sort_by(f64::total_cmp);
            let rank = 0.75 * (sorted.len() - 1) as f64;
            let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
            Some(low + (high - low) * rank.fract()).filter(|v| *v >= 8.0)
        });
        prop_assert_eq!(ours(&percentile, &steps), expected);

        let temporal = body("temporal", "r0, r1, r2", "");
        let all = |w: &[&(i64, Step)]| (0..3).all(|rule| w.iter().any(|(_, s)| s.1 == rule));
        let expected = brute_force(&steps, 3, |w| all(w).then_some(3.0));
        prop_assert_eq!(ours(&temporal, &steps), expected);

        let ordered = body("temporal_ordered", "r0, r1, r2", "");
        let in_order = |w: &[&(i64, Step)]| {
            let of = |rule: u8| w.iter().filter(move |(_, s)| s.1 == rule).map(|(t, _)| *t);
            of(0).any(|a| of(1).filter(|b| *b >= a).any(|b| of(2).any(|c| c >= b)))
        };
        let expected = brute_force(&steps, 3, |w| in_order(w).then_some(3.0));
        prop_assert_eq!(ours(&ordered, &steps), expected);
    }

    /// A correlator that is saved and restored in the middle tells the same as one that went on.
    #[test]
    fn a_restored_correlator_goes_on_as_if_nothing_had_been(steps in steps(), cut in 0usize..40) {
        let yaml = body("value_count", "r0, r1, r2", "  condition:\n    gte: 3\n    field: n\n");
        let (mut one, mut first, mut second) = (Ours::new(&yaml), Ours::new(&yaml), Ours::new(&yaml));
        let mut at_s = 1_000;
        for (place, step) in steps.iter().enumerate() {
            at_s += step.0;
            if place == cut {
                let saved = serde_json::to_string(&first.correlator.snapshot()).unwrap();
                second.correlator.restore(serde_json::from_str(&saved).unwrap()).unwrap();
                std::mem::swap(&mut first, &mut second);
            }
            prop_assert_eq!(one.push(at_s, record(step)), first.push(at_s, record(step)));
        }
        prop_assert_eq!(one.correlator.snapshot(), first.correlator.snapshot());
    }
}

#[test]
fn aliases_name_the_group_differently_in_each_rule() {
    let yaml = yaml(
        "  type: temporal\n  rules: [r0, r1]\n  group-by: [who]\n  timespan: 1m\n  aliases:\n    who:\n      r0: user\n      r1: account\n",
    );
    let mut ours = Ours::new(&yaml);
    assert!(ours.push(1, serde_json::json!({"x": 0, "user": "a"})).is_empty());
    assert!(ours.push(2, serde_json::json!({"x": 1, "account": "b"})).is_empty());
    let told = ours.push(3, serde_json::json!({"x": 1, "account": "a"}));
    assert_eq!(told, [(2_000, "who=a".to_owned())]);
}

#[test]
fn correlations_build_on_correlations_and_hide_their_rules() {
    let second = "---\ntitle: D\nid: d0000000-2222-4333-8444-555555555555\ncorrelation:\n  type: event_count\n  rules: [C]\n  group-by: [user]\n  timespan: 5m\n  condition:\n    gte: 2\n";
    let yaml = body("event_count", "r0", "  condition:\n    gte: 2\n") + second;
    let mut ours = Ours::new(&yaml);
    let record = || serde_json::json!({"x": 0, "user": "a"});
    let counts: Vec<usize> = (0..4).map(|at_s| ours.push(at_s, record()).len()).collect();
    assert_eq!(
        counts,
        [0, 1, 2, 2],
        "the second one fires from the second firing of the first on"
    );
    let engine = ours.matcher.engine();
    assert!(engine.is_quiet(0) && !engine.is_quiet(1));
    let loud = body("event_count", "r0", "  generate: true\n  condition:\n    gte: 2\n");
    assert!(!Ours::new(&loud).matcher.engine().is_quiet(0));
}

#[test]
fn groups_are_bounded_and_the_silent_ones_go_first() {
    let mut ours = Ours::new(&body("event_count", "r0", "  condition:\n    gte: 2\n"));
    let user = |n: usize| serde_json::json!({"x": 0, "user": format!("{n}")});
    let groups = CORRELATION_GROUPS_MAX + 10;
    for n in 0..groups {
        ours.push(1_000 + n as i64, user(n));
    }
    assert!(ours.correlator.dropped_groups() >= 10);
    let last = 1_000 + groups as i64;
    assert_eq!(ours.push(last, user(groups - 1)).len(), 1, "the newest group is remembered");
}

#[test]
fn broken_correlations_are_errors() {
    for (body, hint) in [
        (
            "  type: event_count\n  rules: []\n  timespan: 1m\n  condition:\n    gte: 1\n",
            "built on no rule",
        ),
        (
            "  type: event_count\n  rules: [r0]\n  timespan: 0s\n  condition:\n    gte: 1\n",
            "time span",
        ),
        (
            "  type: value_count\n  rules: [r0]\n  timespan: 1m\n  condition:\n    gte: 1\n",
            "field",
        ),
        (
            "  type: event_count\n  rules: [r0]\n  timespan: 1m\n  condition:\n    gte: 99999999\n",
            "remembered",
        ),
        (
            "  type: temporal\n  rules: [r0]\n  timespan: 1m\n  condition: r0 and r9\n",
            "r9",
        ),
        (
            "  type: event_count\n  rules: [r0]\n  timespan: 1m\n  condition: r0\n",
            "compare with",
        ),
        (
            "  type: value_avg\n  rules: [r0]\n  timespan: 1m\n  condition:\n    gte: 1\n    field: [a, b]\n",
            "more than one field",
        ),
        ("  type: nonsense\n  rules: [r0]\n  timespan: 1m\n", "nonsense"),
    ] {
        let errors = Rules::default().add("t.yml", &yaml(body));
        assert_eq!(errors.len(), 1, "{body}: {errors:?}");
        assert!(errors[0].to_string().contains(hint), "{errors:?}");
    }
    let mut rules = Rules::default();
    rules.add(
        "t.yml",
        &yaml("  type: event_count\n  rules: [r7]\n  timespan: 1m\n  condition:\n    gte: 1\n"),
    );
    assert!(rules.dangling()[0].to_string().contains("there is no rule \"r7\""));
    let mut circle = Rules::default();
    circle.add(
        "t.yml",
        &yaml("  type: event_count\n  rules: [C]\n  timespan: 1m\n  condition:\n    gte: 1\n"),
    );
    assert!(circle.dangling()[0].to_string().contains("built on itself"));
}
