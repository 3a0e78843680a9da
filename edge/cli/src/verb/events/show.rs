use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{NamedFields, Record, Sheet};
use serde_json::{Map, Value, json};

use super::for_each;
use crate::output::Out;
use crate::problem::Problem;

/// Show records in their normal form: time, log source, who, from where, what; and every field under its Sigma name.
///
/// A finding's evidence `FILE#12` is a place: --at shows that record alone, --raw its bytes as they lie in the file.
///
/// Example:
///
///     leckwehr events show Security.evtx --field EventID=4624 --limit 5
///
///     leckwehr events show --at evidence/Security.evtx#812 --raw
#[derive(clap::Args)]
pub struct Args {
    /// Files, and folders of files.
    #[arg(required_unless_present = "at", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// One record, by its place: FILE#NUMBER.
    #[arg(long, value_name = "PLACE", conflicts_with = "paths")]
    at: Option<String>,
    /// Print the raw record instead of the normal form.
    #[arg(long)]
    raw: bool,
    /// Only records from this time on (RFC 3339).
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Only records up to this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Only records of this host.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Only records where this field has this value, without regard to case; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    field: Vec<String>,
    /// No more records than this.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print JSON lines.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let filter = Filter::new(args)?;
    let mut out = Out::new();
    let mut shown = 0;
    let counts = for_each(&filter.paths, |file, reader, sheet| {
        let number = sheet.place().record;
        if filter.place.is_some_and(|wanted| wanted != number) || !filter.takes(sheet) {
            return Ok(true);
        }
        shown += 1;
        if args.raw {
            raw(&mut out, reader.raw(sheet), file, sheet)?;
        } else if args.json {
            out.json(&normal(file, sheet))?;
        } else {
            out.text(&text(file, sheet))?;
        }
        Ok(filter.place.is_none() && args.limit.is_none_or(|limit| shown < limit))
    })?;
    out.flush()?;
    if let (Some(number), 0) = (filter.place, shown) {
        return Err(
            Problem::plain("LW-EVENTS-002", format!("there is no record {number} in the file"))
                .hint("`leckwehr events show FILE` shows all of them with their places"),
        );
    }
    if !args.json && !args.raw {
        counts.say();
    }
    Ok(ExitCode::from(u8::from(!counts.is_whole())))
}

struct Filter<'a> {
    args: &'a Args,
    paths: Vec<PathBuf>,
    place: Option<u64>,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Filter<'a> {
    fn new(args: &'a Args) -> Result<Self, Problem> {
        let bad = |what: &str, text: &str| {
            Problem::plain("LW-EVENTS-003", format!("{text:?} is not {what}")).hint("see `leckwehr events show --help`")
        };
        let fields = args
            .field
            .iter()
            .map(|f| f.split_once('=').ok_or_else(|| bad("NAME=VALUE", f)));
        let fields = fields.collect::<Result<_, _>>()?;
        let (mut paths, mut place) = (args.paths.clone(), None);
        if let Some(at) = &args.at {
            let (file, number) = at.rsplit_once('#').ok_or_else(|| bad("FILE#NUMBER", at))?;
            place = Some(number.parse().map_err(|_| bad("FILE#NUMBER", at))?);
            paths = vec![file.into()];
        }
        Ok(Self {
            args,
            paths,
            place,
            fields,
        })
    }

    fn takes(&self, sheet: &Sheet) -> bool {
        let args = self.args;
        let named = sheet.named();
        let mut fields = self.fields.iter();
        if !fields.all(|(name, value)| named.values(name).any(|v| v.trim().eq_ignore_ascii_case(value))) {
            return false;
        }
        if args.from.is_none() && args.to.is_none() && args.host.is_none() {
            return true;
        }
        let Ok(Some(record)) = sheet.record() else { return false };
        args.from.is_none_or(|from| record.time >= from)
            && args.to.is_none_or(|to| record.time <= to)
            && args.host.as_ref().is_none_or(|host| record.host.eq_ignore_ascii_case(host))
    }
}

/// The raw record; a terminal shall not obey it.
fn raw(out: &mut Out, bytes: &[u8], file: &str, sheet: &Sheet) -> Result<(), Problem> {
    if bytes.is_empty() {
        let place = sheet.place();
        let what = format!(
            "{file}#{} was written in several parts, from byte {} on",
            place.record, place.offset
        );
        return out.text(&(what + "\n"));
    }
    out.raw(bytes)
}

fn source(sheet: &Sheet) -> String {
    let source = sheet.log_source();
    format!("{}/{}/{}", source.product, source.service, source.categories.join(","))
}

fn normal(file: &str, sheet: &Sheet) -> Value {
    let place = sheet.place();
    let mut value = json!({ "place": format!("{file}#{}", place.record), "offset": place.offset, "log_source": source(sheet) });
    match sheet.record() {
        Ok(Some(record)) => {
            value["time"] = json!(record.time.to_string());
            value["time_ns"] = json!(record.time.0);
            for (name, text) in properties(&record) {
                value[name] = json!(text);
            }
        }
        Ok(None) => value["about"] = json!("the logger itself"),
        Err(reason) => value["damaged"] = json!(reason),
    }
    value["fields"] = Value::Object(all_fields(sheet.named()));
    value
}

/// All fields of a record by name; a name that is there several times has a list.
fn all_fields(fields: NamedFields<'_>) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in fields.iter() {
        match all.get_mut(name) {
            None => drop(all.insert(name.to_owned(), value.into())),
            Some(Value::Array(list)) => list.push(value.into()),
            Some(one) => *one = Value::Array(vec![one.take(), value.into()]),
        }
    }
    all
}

fn text(file: &str, sheet: &Sheet) -> String {
    let mut text = format!("{file}#{}  {}\n", sheet.place().record, source(sheet));
    match sheet.record() {
        Ok(Some(record)) => {
            let told = properties(&record).into_iter().map(|(name, value)| format!("{name} {value}"));
            text.push_str(&format!("  {}  {}\n", record.time, told.collect::<Vec<_>>().join("  ")));
        }
        Ok(None) => text.push_str("  about the logger itself\n"),
        Err(reason) => text.push_str(&format!("  {reason}\n")),
    }
    for (name, value) in sheet.named().iter() {
        text.push_str(&format!("    {name}: {}\n", value.replace('\n', "\n      ")));
    }
    text
}

/// What the normal form says of a record, without what it does not say.
fn properties(record: &Record<'_>) -> Vec<(&'static str, String)> {
    let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
    let port = |p: u16| if p == 0 { String::new() } else { p.to_string() };
    let all = [
        ("kind", format!("{:?}", record.kind).to_lowercase()),
        ("host", record.host.to_owned()),
        ("account", record.account.to_owned()),
        ("origin", record.origin.to_owned()),
        ("origin_port", port(record.origin_port)),
        ("destination", record.destination.to_owned()),
        ("port", port(record.port)),
        ("action", record.action.to_owned()),
        (
            "outcome",
            format!("{:?}", record.outcome).to_lowercase().replace("unknown", ""),
        ),
        ("object", record.object.to_owned()),
        ("bytes_out", number(record.bytes_out)),
        ("bytes_in", number(record.bytes_in)),
        ("sensor", record.sensor.to_owned()),
        ("sequence", number(record.number)),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}
