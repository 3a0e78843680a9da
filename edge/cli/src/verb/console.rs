use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use leckwehr_console::{Console, ConsoleError, WatchError};
use leckwehr_estate::Estate;
use leckwehr_incident::Timestamp;

use crate::problem::Problem;
use crate::verb;

/// Show the situation of a ledger as a web page on this machine; read only.
///
/// The page renews itself while the ledger grows. Ctrl-C ends it. `/api/situation` has the same as JSON.
#[derive(clap::Args)]
pub struct Args {
    /// Ledger: store folder or exported folder.
    ledger: PathBuf,
    /// Folder of the estate: names of services, zones and insurers.
    #[arg(long, value_name = "DIR")]
    estate: Option<PathBuf>,
    /// Loopback address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

pub fn run(args: Args) -> Result<ExitCode, Problem> {
    let estate = match &args.estate {
        Some(dir) => verb::estate::load(dir)?,
        None => Estate::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::new("LW-CONSOLE-004", "the console cannot start", &error))?;
    runtime.block_on(serve(args, estate)).map_err(|error| problem(&error))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: Args, estate: Estate) -> Result<(), ConsoleError> {
    let console = Console::open(args.ledger, estate, args.listen, now).await?;
    announce(&console.url());
    let interrupted = async {
        // Without a signal handler the process simply ends on Ctrl-C, which loses nothing: the console only reads.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    console.serve(interrupted).await
}

#[expect(clippy::print_stderr, reason = "the command line talks to people on stderr")]
fn announce(url: &str) {
    eprintln!("console: {url}  (Ctrl-C ends it)");
}

#[expect(clippy::disallowed_methods, reason = "the console shows how long a duty still has")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

fn problem(error: &ConsoleError) -> Problem {
    let (code, summary, hint) = match error {
        ConsoleError::Watch(WatchError::Ledger { .. }) => (
            "LW-CONSOLE-001",
            "the ledger cannot be read",
            "name a folder with ledger.db, or one written by `leckwehr ledger export`",
        ),
        ConsoleError::Watch(WatchError::Facts { .. } | WatchError::Rewritten { .. }) => (
            "LW-CONSOLE-002",
            "the ledger does not tell an incident",
            "run `leckwehr ledger verify` and `leckwehr ledger show` on it",
        ),
        ConsoleError::NotLoopback { .. } | ConsoleError::Listen { .. } => (
            "LW-CONSOLE-003",
            "the console cannot listen there",
            "use --listen 127.0.0.1:0, and an SSH tunnel to look from elsewhere",
        ),
        ConsoleError::Serve(_) => ("LW-CONSOLE-004", "the console stopped", "start it again: nothing was lost"),
    };
    Problem::new(code, summary, error).hint(hint)
}
