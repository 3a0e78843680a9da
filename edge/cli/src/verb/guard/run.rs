use std::process::ExitCode;

use leckwehr_guard::{Guard, GuardNews};
use tokio::signal::unix::{SignalKind, signal};

use super::{Which, clock, problem, runtime};
use crate::output::say;
use crate::problem::Problem;

/// Run the guard until it is told to stop (Ctrl-C, SIGTERM). What is cut stays cut.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> Result<ExitCode, Problem> {
    let config = args.which.read()?;
    runtime()?.block_on(async {
        let guard = Guard::open(&config, clock()).map_err(|error| problem(&error))?;
        let stop = async {
            match signal(SignalKind::terminate()) {
                Ok(mut terminated) => {
                    tokio::select! {
                        _ = terminated.recv() => {}
                        _ = tokio::signal::ctrl_c() => {}
                    }
                }
                Err(_) => drop(tokio::signal::ctrl_c().await),
            }
        };
        guard.serve(&config, stop, tell).await.map_err(|error| problem(&error))?;
        Ok(ExitCode::SUCCESS)
    })
}

fn tell(news: GuardNews) {
    match news {
        GuardNews::Ready {
            address,
            recovered,
            cuts_bridges,
        } => {
            say(&format!(
                "takes orders on {address}; {recovered} cuts and blocks were brought back"
            ));
            if !cuts_bridges {
                say("this kernel has no nftables for bridges: traffic from port to port of a bridge is not cut");
            }
        }
        GuardNews::Stranger { peer, reason } => say(&format!("turned away {peer}: {reason}")),
        GuardNews::UndoneByHand { count } => say(&format!("{count} cuts and blocks were taken back by hand")),
    }
}
