use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_control::EventWriter;

use super::for_each;
use crate::output::{Out, bar};
use crate::problem::Problem;

/// Convert records of any format to one Parquet file with OCSF column names.
///
/// Times are UTC nanoseconds; every row says where its raw record lies (`raw_file`, `raw_record`, `raw_offset`), and all fields
/// of the record are in `fields` as JSON. The file appears under its name only when it is whole. Exit code 1: some records
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
    let mut untimed = 0;
    let mut counts = for_each(&args.paths, |file, _, sheet| {
        match sheet.record() {
            Ok(Some(record)) => {
                let pushed = writer.push(&record, sheet.named(), sheet.log_source(), file, sheet.place());
                pushed.map_err(|e| failed(&e))?;
            }
            Ok(None) => {}
            Err(_) => untimed += 1,
        }
        if writer.rows() % 4_096 == 0 {
            bar.set_message(format!("{} records, {file}", writer.rows()));
        }
        Ok(true)
    })?;
    bar.finish_and_clear();
    counts.damaged += untimed;
    let rows = writer.rows();
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
