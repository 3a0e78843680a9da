//! The verbs about single records, one file each.

mod convert;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use leckwehr_control::TelemetryFiles;
use leckwehr_telemetry::{Item, Reader, Sheet};

use crate::output::say;
use crate::problem::Problem;

/// Show records in their normal form, whatever their format, or convert them to Parquet.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Show(show::Args),
    Convert(convert::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Show(args) => show::run(&args),
        Verb::Convert(args) => convert::run(&args),
    }
}

/// What became of the records.
#[derive(Debug, Default, serde::Serialize)]
struct Counts {
    files: u64,
    records: u64,
    damaged: u64,
    cut_off: u64,
}

impl Counts {
    fn is_whole(&self) -> bool {
        self.damaged + self.cut_off == 0
    }

    /// Says in a sentence what was read and what not.
    fn say(&self) {
        let Self {
            files,
            records,
            damaged,
            cut_off,
        } = self;
        say(&format!(
            "{files} files, {records} records; {damaged} records and the ends of {cut_off} files could not be read"
        ));
    }
}

/// Reads every record below the paths, in order, until `each` says that it has enough. What cannot be read is named on stderr.
fn for_each(paths: &[PathBuf], mut each: impl FnMut(&str, &Reader, &Sheet) -> Result<bool, Problem>) -> Result<Counts, Problem> {
    let TelemetryFiles { files, unreadable } = TelemetryFiles::find(paths).map_err(|error| {
        Problem::new("LW-EVENTS-001", "there is nothing to read", &error).hint("name files or folders that exist")
    })?;
    let mut counts = Counts::default();
    let mut sheet = Sheet::new();
    let cut_off = |counts: &mut Counts, file: &str, why: &str| {
        counts.cut_off += 1;
        say(&format!("{file}: {why}"));
    };
    for (file, why) in unreadable {
        cut_off(&mut counts, &file, &why);
    }
    for path in files {
        let name = path.display().to_string();
        counts.files += 1;
        let mut reader = match Reader::open(&path) {
            Ok(reader) => reader,
            Err(error) => {
                cut_off(&mut counts, &name, &error.to_string());
                continue;
            }
        };
        loop {
            match reader.next(&mut sheet) {
                Ok(Item::Record) => {
                    counts.records += 1;
                    if !each(&name, &reader, &sheet)? {
                        return Ok(counts);
                    }
                }
                Ok(Item::Damaged(damaged)) => {
                    counts.damaged += 1;
                    say(&format!(
                        "{name}#{} (byte {}): {}",
                        damaged.record, damaged.offset, damaged.reason
                    ));
                }
                Ok(Item::Lost(loss)) => say(&format!("{name}: {} records of {} are missing", loss.records, loss.sensor)),
                Ok(Item::End) => break,
                Ok(Item::Ignored | Item::Rotated | Item::Truncated) => {}
                Err(error) => {
                    cut_off(&mut counts, &name, &error.to_string());
                    break;
                }
            }
        }
    }
    Ok(counts)
}
