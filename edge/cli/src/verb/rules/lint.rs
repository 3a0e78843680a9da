use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_detect::{Outline, RuleError, RuleStatus, Rules};
use serde_json::{Value, json};

use crate::output::{Out, Tongue, table};
use crate::problem::Problem;

/// Check folders of Sigma rules: name every rule that is broken, uses what cannot be matched, or can fire on no record.
///
/// Every line begins with file:line:column, as editors and compilers have it, and says what to do. Then it counts the rules by
/// log source, level and modifier. Exit code 1: some rule is broken or cannot be matched (with --strict also: can fire on no
/// record).
///
/// Example:
///
///     leckwehr rules lint rules/windows
///
///     leckwehr rules lint --json rules | jq 'select(.problem)'
#[derive(clap::Args)]
pub struct Args {
    /// Folders or files of rules (*.yml, *.yaml).
    #[arg(required = true, value_name = "DIR")]
    rules: Vec<PathBuf>,
    /// Also fail on rules that can fire on no record, as no telemetry is read as their log source.
    #[arg(long)]
    strict: bool,
    /// Print JSON lines: one per problem, one per rule, then one with the counts.
    #[arg(long)]
    json: bool,
    /// Language of the text.
    #[arg(long, value_enum, default_value_t)]
    lang: Tongue,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let (rules, errors) = Rules::load(&args.rules);
    let statuses = rules.lint();
    if statuses.is_empty() && errors.is_empty() {
        return Err(Problem::plain("LW-RULES-001", "there is no rule below the given folders")
            .hint("name a folder with *.yml or *.yaml files, e.g. the `rules` of SigmaHQ/sigma"));
    }
    let counts = Counts::new(&statuses, &errors);
    let mut out = Out::new();
    if args.json {
        write_json(&mut out, &statuses, &errors, &counts)?;
    } else {
        out.text(&text(&statuses, &errors, &counts, args.lang))?;
    }
    out.flush()?;
    let bad = !errors.is_empty() || (args.strict && counts.never > 0);
    Ok(ExitCode::from(u8::from(bad)))
}

/// How many rules there are of what.
struct Counts {
    usable: usize,
    never: usize,
    errors: usize,
    sources: BTreeMap<String, usize>,
    levels: BTreeMap<&'static str, usize>,
    modifiers: BTreeMap<String, usize>,
    authors: usize,
}

impl Counts {
    fn new(statuses: &[RuleStatus], errors: &[RuleError]) -> Self {
        let (mut sources, mut levels, mut modifiers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for status in statuses {
            let source = if status.source.is_empty() {
                status.kind
            } else {
                &status.source
            };
            *sources.entry(source.to_owned()).or_default() += 1;
            *levels.entry(status.level).or_default() += 1;
        }
        let files: BTreeSet<&str> = statuses.iter().map(|s| s.file.as_str()).collect();
        let texts = files.into_iter().filter_map(|file| std::fs::read_to_string(file).ok());
        for modifier in texts
            .flat_map(|text| Outline::read(&text))
            .flat_map(|outline| outline.modifiers)
        {
            *modifiers.entry(modifier).or_default() += 1;
        }
        let authors: BTreeSet<&str> = statuses.iter().map(|s| s.author.as_str()).collect();
        Self {
            usable: statuses.len(),
            never: statuses.iter().filter(|s| s.never.is_some()).count(),
            errors: errors.len(),
            sources,
            levels,
            modifiers,
            authors: authors.len(),
        }
    }
}

fn write_json(out: &mut Out, statuses: &[RuleStatus], errors: &[RuleError], counts: &Counts) -> Result<(), Problem> {
    for error in errors {
        let at = error.position();
        out.json(
            &json!({ "problem": error.code(), "file": error.file(), "line": at.map(|p| p.line),
            "column": at.map(|p| p.column), "what": error.to_string() }),
        )?;
    }
    for s in statuses {
        let rule = json!({ "rule": s.id, "title": s.title, "author": s.author, "kind": s.kind, "level": s.level,
            "techniques": s.techniques, "source": s.source, "file": s.file, "line": s.at.line, "column": s.at.column,
            "never": s.never });
        out.json(&rule)?;
    }
    out.json(
        &json!({ "rules": counts.usable, "problems": counts.errors, "never_fire": counts.never, "authors": counts.authors,
        "by_source": counts.sources, "by_level": counts.levels, "by_modifier": Value::from_iter(counts.modifiers.clone()) }),
    )
}

fn text(statuses: &[RuleStatus], errors: &[RuleError], counts: &Counts, lang: Tongue) -> String {
    let l = lang.language();
    let mut text = String::new();
    for error in errors {
        text.push_str(&format!("{error} [{}]\n", error.code()));
    }
    for status in statuses {
        let Some(why) = &status.never else { continue };
        let (file, at, title) = (&status.file, status.at, &status.title);
        let never = l.pick("kann nie anschlagen", "can never fire");
        let remedy = l.pick(
            "Logquelle berichtigen oder Regel weglassen",
            "mend its logsource or leave it out",
        );
        text.push_str(&format!(
            "{file}:{at}: {title:?} {never}: {why} ({}); {remedy}\n",
            status.source
        ));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let by = |head: [&str; 2], counts: Vec<(&str, usize)>| {
        let mut counts = counts;
        counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let head = vec![head.iter().map(|h| (*h).to_owned()).collect()];
        let rows = counts.into_iter().map(|(what, n)| vec![what.to_owned(), n.to_string()]);
        table(&head.into_iter().chain(rows).collect::<Vec<_>>())
    };
    let rules = l.pick("Regeln", "rules");
    let sources = counts.sources.iter().map(|(s, n)| (s.as_str(), *n)).collect();
    text.push_str(&by(
        [
            l.pick(
                "Logquelle (Produkt/Kategorie/Dienst)",
                "log source (product/category/service)",
            ),
            rules,
        ],
        sources,
    ));
    text.push('\n');
    text.push_str(&by(
        [l.pick("Stufe", "level"), rules],
        counts.levels.iter().map(|(s, n)| (*s, *n)).collect(),
    ));
    text.push('\n');
    let modifiers = counts.modifiers.iter().map(|(s, n)| (s.as_str(), *n)).collect();
    text.push_str(&by([l.pick("Modifikator", "modifier"), rules], modifiers));
    let Counts {
        usable,
        never,
        errors,
        authors,
        ..
    } = counts;
    let sum = match l {
        leckwehr_publish::Language::De => format!(
            "\n{usable} Regeln von {authors} Verfassern brauchbar, davon {never} ohne passende Telemetrie; {errors} unbrauchbar\n"
        ),
        leckwehr_publish::Language::En => {
            format!("\n{usable} rules by {authors} authors can be used, {never} of them on no record; {errors} cannot be used\n")
        }
    };
    text + &sum
}
