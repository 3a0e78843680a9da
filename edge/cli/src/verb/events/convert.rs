use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_telemetry::{EventWriter, Events};

use super::for_each;
use crate::output::{Out, bar};
use crate::problem::Problem;

/// Convert records of any format to one Parquet file with OCSF column names.
///
/// Columns are named and nested as OCSF 1.6 has them. Times are UTC nanoseconds; every row says where its raw record lies
/// (`raw.source`, `raw.record`, `raw.offset`), and all fields of the record are in the map `unmapped`. The file appears under its name only when it is whole. Exit code 1: some records
/// could not be read; they are named on stderr.
///
/// Example:
///
///     leckwehr events convert evidence/ --to evidence.parquet
#[derive(clap::Args)]
pub struct Args {
    /// Files, and folders of files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The Parquet file; one that is there is replaced.
    #[arg(long, value_name = "OUT.parquet")]
    to: PathBuf,
    /// Print one JSON object with the counts.
    #[arg(long)]
    json: bool,
}

/// Events handed to the writer at once.
const BATCH_EVENTS: usize = 4_096;

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode, Problem> {
    let failed = |error: &dyn std::error::Error| {
        Problem::new("LW-EVENTS-004", format!("{} cannot be written", args.to.display()), error)
            .hint("check the folder and the disk's room")
    };
    let mut unfinished = args.to.clone().into_os_string();
    unfinished.push(".part");
    let file = File::create(&unfinished).map_err(|e| failed(&e))?;
    let mut writer = EventWriter::new(BufWriter::new(file)).map_err(|e| failed(&e))?;
    let bar = bar(0, "{spinner} {elapsed_precise}  {msg}");
    let (mut events, mut rows, mut untimed) = (Events::default(), 0, 0);
    let mut counts = for_each(&args.paths, |file, _, sheet| {
        match sheet.record() {
            Ok(Some(record)) => {
                events.push_fields(&record, file, sheet.place(), sheet.named());
                rows += 1;
            }
            Ok(None) => {}
            Err(_) => untimed += 1,
        }
        if events.len() >= BATCH_EVENTS {
            writer.push(&std::mem::take(&mut events)).map_err(|e| failed(&e))?;
            bar.set_message(format!("{rows} records, {file}"));
        }
        Ok(true)
    })?;
    bar.finish_and_clear();
    counts.damaged += untimed;
    writer.push(&events).map_err(|e| failed(&e))?;
    let file = writer.finish().map_err(|e| failed(&e))?;
    file.into_inner()
        .map_err(|e| failed(&e))?
        .sync_all()
        .map_err(|e| failed(&e))?;
    std::fs::rename(&unfinished, &args.to).map_err(|e| failed(&e))?;
    if args.json {
        let mut out = Out::new();
        out.json(&serde_json::json!({ "rows": rows, "input": counts }))?;
        out.flush()?;
    } else {
        counts.say();
    }
    Ok(ExitCode::from(u8::from(!counts.is_whole())))
}
