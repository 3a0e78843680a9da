use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use leckwehr_detect::{Engine, Matcher, Rules};
use leckwehr_telemetry::{LINE_BYTES_MAX, Line, Lines, LogSource, Sheet, SourceId, Value, open, read_line};
use rsigma_eval::event::JsonEvent;
use rsigma_parser::SigmaCollection;

use super::data::{recording, seen};

/// Every so many lines are judged in a debug build, all of them in a release build.
const STRIDE: usize = if cfg!(debug_assertions) { 24 } else { 1 };

/// Rules that fire on other events than rsigma-eval's do, each with the only reason that is allowed.
const DIFFERENCES: &str = include_str!("differences.tsv");

/// The findings over real events are rsigma-eval's, except where this room's normal form tells more.
#[test]
fn findings_are_the_oracle_s_except_for_those_listed_with_their_reason() {
    let (Some(folder), Some(packed)) = (
        recording("sigma/rules-windows"),
        recording("telemetry/windows-events.jsonl.zst"),
    ) else {
        return;
    };
    let found = compare(&folder, &packed);
    let listed: BTreeSet<(String, String)> = DIFFERENCES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once('\t').unwrap())
        .map(|(rule, reason)| (rule.to_owned(), reason.to_owned()))
        .collect();
    let new: Vec<_> = found.keys().filter(|key| !listed.contains(*key)).collect();
    assert!(new.is_empty(), "not listed:\n{}", table(&found));
    if STRIDE == 1 {
        let gone: Vec<_> = listed.iter().filter(|key| !found.contains_key(*key)).collect();
        assert!(gone.is_empty(), "listed, but no longer so: {gone:?}");
    }
}

fn table(found: &BTreeMap<(String, String), usize>) -> String {
    let rows = found
        .iter()
        .map(|((rule, reason), n)| format!("{rule}\t{reason}\t({n} events)"));
    rows.collect::<Vec<_>>().join("\n")
}

/// Returns the differences by rule and reason, with how many events they are in.
fn compare(folder: &Path, packed: &Path) -> BTreeMap<(String, String), usize> {
    let (rules, errors) = Rules::load(&[folder.to_owned()]);
    assert_eq!(errors, [], "every rule can be used");
    let engine = Engine::new(&rules);
    let mut oracle = Oracle {
        collection: rsigma_parser::parse_sigma_directory(folder).unwrap(),
        engines: HashMap::new(),
    };
    let mut matcher = Matcher::new(engine.clone());
    let (mut sheet, mut format) = (Sheet::new(), Lines::default());
    let (mut reader, mut line, mut offset, mut number) = (open(packed).unwrap(), Vec::new(), 0, 0);
    let (mut found, mut same) = (BTreeMap::new(), 0);
    while !matches!(
        read_line(&mut *reader, &mut line, LINE_BYTES_MAX, &mut offset).unwrap(),
        Line::End
    ) {
        number += 1;
        if number % STRIDE != 0 || format.read(&line, &mut sheet).is_err() {
            continue;
        }
        let fired = matcher.matches(seen(&sheet)).to_vec();
        let ours: BTreeSet<String> = fired.iter().map(|n| engine.rules()[*n as usize].id.clone()).collect();
        let raw = serde_json::from_slice(&line).unwrap();
        let theirs = oracle.findings(&sheet, &raw);
        same += ours.intersection(&theirs).count();
        if ours == theirs {
            continue;
        }
        let named = oracle.findings(&sheet, &normal(&sheet, str::to_owned));
        let trimmed = oracle.findings(&sheet, &normal(&sheet, |text| text.trim_end().to_owned()));
        for rule in ours.symmetric_difference(&theirs) {
            let agrees = |other: &BTreeSet<String>| other.contains(rule) == ours.contains(rule);
            let reason = match () {
                () if agrees(&named) => "names",
                () if agrees(&trimmed) => "trailing blanks",
                () => "unexplained",
            };
            *found.entry((rule.clone(), reason.to_owned())).or_insert(0) += 1;
        }
    }
    assert!(same > 100 / STRIDE, "only {same} findings are the same");
    found
}

/// rsigma-eval with one engine per log source, so that it tries the same rules as ours.
struct Oracle {
    collection: SigmaCollection,
    engines: HashMap<SourceId, rsigma_eval::Engine>,
}

impl Oracle {
    fn findings(&mut self, sheet: &Sheet, event: &serde_json::Value) -> BTreeSet<String> {
        let Self { collection, engines } = self;
        let engine = engines.entry(sheet.source()).or_insert_with(|| {
            let mut engine = rsigma_eval::Engine::new();
            let fitting = collection
                .rules
                .iter()
                .filter(|rule| is_for(&rule.logsource, sheet.log_source()));
            assert!(engine.add_rules(fitting).is_empty());
            engine
        });
        let found = engine.evaluate(&JsonEvent::borrow(event));
        found.into_iter().filter_map(|f| f.header.rule_id).collect()
    }
}

fn is_for(rule: &rsigma_parser::LogSource, source: &LogSource) -> bool {
    let fits = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w.eq_ignore_ascii_case(found));
    let services = std::iter::once(&source.service).chain(&source.also);
    (rule.product.is_some() || rule.category.is_some() || rule.service.is_some())
        && fits(&rule.product, &source.product)
        && services.into_iter().any(|service| fits(&rule.service, service))
        && rule
            .category
            .as_ref()
            .is_none_or(|c| source.categories.iter().any(|found| found.eq_ignore_ascii_case(c)))
}

/// Writes the record in its normal form as flat JSON.
fn normal(sheet: &Sheet, text: impl Fn(&str) -> String) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    for (name, value) in sheet.fields().iter() {
        let value = match value {
            Value::Text(t) => text(t).into(),
            Value::Number(n) => serde_json::from_str(n).unwrap(),
            Value::Bool(b) => b.into(),
            Value::Null => serde_json::Value::Null,
        };
        match object.entry(sheet.names().name(name)) {
            serde_json::map::Entry::Vacant(entry) => {
                entry.insert(value);
            }
            serde_json::map::Entry::Occupied(mut entry) => match entry.get_mut() {
                serde_json::Value::Array(list) => list.push(value),
                one => *one = serde_json::Value::Array(vec![one.take(), value]),
            },
        }
    }
    serde_json::Value::Object(object)
}
