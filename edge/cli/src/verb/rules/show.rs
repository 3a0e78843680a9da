use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leckwehr_detect::{Node, Outline, Rules};
use leckwehr_publish::Language;

use crate::output::{Out, Tongue};
use crate::problem::Problem;

/// Values shown of one list; the rest is counted.
const VALUES_SHOWN: usize = 12;

/// Explain a Sigma rule: whose it is, which records it looks at, and its condition as a tree.
///
/// Name a file, or the id or title of a rule below --rules (without --rules: one of Leckwehr's own).
///
/// Example:
///
///     leckwehr rules show rules/windows/proc_creation_win_vssadmin.yml
///
///     leckwehr rules show c947b146-0abc-4c87-9c64-b17e9d7274a2 --rules rules
#[derive(clap::Args)]
pub struct Args {
    /// File, id or title.
    #[arg(value_name = "RULE|ID")]
    rule: String,
    /// Folders or files of rules among which it is looked for.
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
    /// Language of the text.
    #[arg(long, value_enum, default_value_t)]
    lang: Tongue,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let (file, text) = find(args)?;
    let mut outlines = Outline::read(&text);
    let is_meant = |o: &Outline| o.id.as_deref() == Some(&args.rule) || o.title.eq_ignore_ascii_case(&args.rule);
    if outlines.iter().any(is_meant) {
        outlines.retain(is_meant);
    }
    let problems = Rules::default().add(&file, &text);
    if outlines.is_empty() {
        let why = problems
            .first()
            .map_or_else(|| "there is no rule in it".to_owned(), ToString::to_string);
        return Err(
            Problem::plain("LW-RULES-003", format!("{file} holds no rule that can be read: {why}"))
                .hint("run `leckwehr rules lint` on its folder"),
        );
    }
    let mut out = Out::new();
    for outline in &outlines {
        out.text(&page(outline, &file, args.lang.language()))?;
    }
    for problem in &problems {
        out.text(&format!("! {problem} [{}]\n", problem.code()))?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!problems.is_empty())))
}

/// Returns the file and text that holds the rule.
fn find(args: &Args) -> Result<(String, String), Problem> {
    let read = |file: &Path| {
        let text = std::fs::read_to_string(file);
        text.map_err(|e| {
            Problem::new("LW-RULES-002", format!("{} cannot be read", file.display()), &e)
                .hint("check the path and its permissions")
        })
    };
    let path = Path::new(&args.rule);
    if path.is_file() {
        return Ok((args.rule.clone(), read(path)?));
    }
    let own = args.rules.is_empty();
    let rules = match own {
        true => Rules::own().map_err(|e| Problem::new("LW-RULES-003", "our own rules cannot be read", &e))?,
        false => Rules::load(&args.rules).0,
    };
    let statuses = rules.lint();
    let is_meant = |id: &str, title: &str| id == args.rule || title.eq_ignore_ascii_case(&args.rule);
    if let Some(found) = statuses.iter().find(|s| is_meant(&s.id, &s.title)) {
        let text = match Rules::own_text(&found.file).filter(|_| own) {
            Some(text) => text.to_owned(),
            None => read(Path::new(&found.file))?,
        };
        return Ok((found.file.clone(), text));
    }
    let wanted = args.rule.to_lowercase();
    let near = statuses
        .iter()
        .filter(|s| s.title.to_lowercase().contains(&wanted) || s.id.starts_with(&args.rule));
    let near: Vec<String> = near.take(5).map(|s| format!("{} ({:?})", s.id, s.title)).collect();
    let problem = Problem::plain("LW-RULES-002", format!("there is neither a file nor a rule {:?}", args.rule));
    Err(match near.is_empty() {
        true => problem.hint("name a file, or --rules DIR and an id that `leckwehr rules lint --json DIR` lists"),
        false => problem.hint(format!("perhaps {}", near.join(" or "))),
    })
}

fn page(outline: &Outline, file: &str, l: Language) -> String {
    let mut lines = vec![outline.title.clone()];
    let mut row = |head: &str, text: String| {
        if !text.trim().is_empty() {
            lines.push(format!(
                "  {head:<14}{}",
                text.trim().replace('\n', &format!("\n{}", " ".repeat(16)))
            ));
        }
    };
    let unknown = l.pick("nicht genannt", "not named");
    row("id", outline.id.clone().unwrap_or_default());
    row(
        l.pick("Verfasser", "author"),
        outline.author.clone().unwrap_or_else(|| unknown.to_owned()),
    );
    let license = outline.license.clone().unwrap_or_else(|| {
        let told = l.pick(
            "nicht genannt; Regeln von SigmaHQ stehen unter DRL 1.1: mit jedem Befund den Verfasser nennen",
            "not named; rules of SigmaHQ are under DRL 1.1: name the author with every finding",
        );
        told.to_owned()
    });
    row(l.pick("Lizenz", "licence"), license);
    row(l.pick("Stufe", "level"), outline.level.unwrap_or("informational").to_owned());
    row(
        l.pick("Datum", "date"),
        outline.dates.join(l.pick(", geändert ", ", changed ")),
    );
    row("ATT&CK", outline.techniques.join(", "));
    row(l.pick("Datei", "file"), file.to_owned());
    row(l.pick("wozu", "what for"), outline.description.clone().unwrap_or_default());
    if let Some(source) = &outline.source {
        let records = match source.unmapped() {
            Some(why) => format!("{source} – {}: {why}", l.pick("kann nie anschlagen", "can never fire")),
            None => format!("{source} – {}", records(&source.to_string(), l)),
        };
        row(l.pick("Logquelle", "log source"), records);
    }
    row(l.pick("harmlos bei", "harmless if"), outline.false_positives.join("; "));
    row(l.pick("mehr unter", "read on"), outline.references.join("\n"));
    for (what, text) in &outline.correlation {
        row(what, text.clone());
    }
    let mut text = lines.join("\n") + "\n";
    for condition in &outline.conditions {
        text.push_str(&format!("\n{}\n", l.pick("Schlägt an, wenn", "Fires if")));
        draw(condition, 1, l, &mut text);
    }
    text + "\n"
}

/// Which records a log source means, for those that most rules are for.
fn records(source: &str, l: Language) -> &'static str {
    match source {
        "windows/process_creation/*" => l.pick("Sysmon 1, Security 4688", "Sysmon 1, Security 4688"),
        "windows/registry_set/*" => "Sysmon 13",
        "windows/registry_event/*" => "Sysmon 12, 13, 14",
        "windows/registry_add/*" | "windows/registry_delete/*" => "Sysmon 12",
        "windows/file_event/*" => "Sysmon 11",
        "windows/image_load/*" => "Sysmon 7",
        "windows/network_connection/*" => "Sysmon 3",
        "windows/dns_query/*" => "Sysmon 22",
        "windows/process_access/*" => "Sysmon 10",
        "windows/create_remote_thread/*" => "Sysmon 8",
        "windows/pipe_created/*" => "Sysmon 17, 18",
        "windows/driver_load/*" => "Sysmon 6",
        "windows/ps_script/*" => "PowerShell 4104",
        "windows/ps_module/*" => "PowerShell 4103",
        _ => l.pick("Datensätze dieser Quelle", "records of this source"),
    }
}

fn draw(node: &Node, deep: usize, l: Language, text: &mut String) {
    let pad = "  ".repeat(deep);
    let several = |head: &str, parts: &[Node], text: &mut String| match parts {
        [one] => draw(one, deep, l, text),
        parts => {
            text.push_str(&format!("{pad}{head}\n"));
            parts.iter().for_each(|part| draw(part, deep + 1, l, text));
        }
    };
    match node {
        Node::All(parts) => several(l.pick("alles davon:", "all of:"), parts, text),
        Node::Any(parts) => several(l.pick("eines davon:", "one of:"), parts, text),
        Node::AtLeast(n, parts) => several(&format!("{} {n}:", l.pick("mindestens", "at least")), parts, text),
        Node::Not(part) => {
            text.push_str(&format!("{pad}{}\n", l.pick("nicht:", "not:")));
            draw(part, deep + 1, l, text);
        }
        Node::Named(name, part) => {
            text.push_str(&format!("{pad}[{name}]\n"));
            draw(part, deep + 1, l, text);
        }
        Node::Item {
            field,
            modifiers,
            values,
        } => text.push_str(&format!("{pad}{}\n", item(field.as_deref(), modifiers, values, l))),
        Node::Members { field, which, body } => {
            let which = if which == "all" {
                l.pick("jedes Element", "every member")
            } else {
                l.pick("ein Element", "a member")
            };
            text.push_str(&format!("{pad}{which} {} {field}:\n", l.pick("von", "of")));
            draw(body, deep + 1, l, text);
        }
        Node::Left(what) => text.push_str(&format!("{pad}{what}\n")),
    }
}

/// One field in words.
fn item(field: Option<&str>, modifiers: &[String], values: &[String], l: Language) -> String {
    let has = |word: &str| modifiers.iter().any(|m| m == word);
    let field = field.unwrap_or(l.pick("irgendein Feld", "any field"));
    let verb = match modifiers {
        _ if has("contains") => l.pick("enthält", "contains"),
        _ if has("startswith") => l.pick("beginnt mit", "begins with"),
        _ if has("endswith") => l.pick("endet mit", "ends with"),
        _ if has("re") => l.pick("passt auf", "matches"),
        _ if has("cidr") => l.pick("liegt in", "lies in"),
        _ if has("exists") => l.pick("ist vorhanden:", "is there:"),
        _ if has("fieldref") => l.pick("hat denselben Wert wie", "has the value of"),
        _ if has("gt") => ">",
        _ if has("gte") => "≥",
        _ if has("lt") => "<",
        _ if has("lte") => "≤",
        _ if has("neq") => "≠",
        _ => l.pick("ist", "is"),
    };
    let plain = [
        "contains",
        "startswith",
        "endswith",
        "re",
        "cidr",
        "exists",
        "fieldref",
        "gt",
        "gte",
        "lt",
        "lte",
        "neq",
        "all",
    ];
    let other: Vec<&str> = modifiers.iter().map(String::as_str).filter(|m| !plain.contains(m)).collect();
    let other = if other.is_empty() {
        String::new()
    } else {
        format!(" ({})", other.join(", "))
    };
    let joint = if has("all") {
        l.pick(" und ", " and ")
    } else {
        l.pick(" oder ", " or ")
    };
    let shown: Vec<String> = values.iter().take(VALUES_SHOWN).map(|v| format!("{v:?}")).collect();
    let more = match values.len().saturating_sub(VALUES_SHOWN) {
        0 => String::new(),
        more => format!("{joint}… (+{more})"),
    };
    format!("{field} {verb}{other} {}{more}", shown.join(joint))
}
