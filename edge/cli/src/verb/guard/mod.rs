//! The agent at a switch, and what the person at its machine needs.

mod keys;
mod look;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use leckwehr_guard::{Clock, GuardConfig, ServiceError};
use leckwehr_incident::Timestamp;

use crate::problem::Problem;

/// Run the agent at a switch, look at what it has cut, or take everything back.
///
/// A guard takes orders over mutual TLS (OpenC2), and only what two people approved and the
/// control room signed. What it cut stays cut when it is stopped; a restart of its machine brings
/// back what the kernel forgot.
///
/// At three in the morning, without a control room:
///
///     leckwehr guard status --config FILE            what is cut, and by which plan
///
///     leckwehr guard undo-all --config FILE --yes    opens everything, and writes it down
///
/// The configuration is TOML; `leckwehr guard keys` makes a first set of keys and certificates:
///
///     name = "guard-a"                   # as plans have it
///     folder = "state"                   # journal, book, fence; relative to this file
///     listen = "10.9.0.1:7443"
///     certificate = "guard-a.pem"
///     key = "guard-a.key"
///     root = "root.pem"
///     control-room = "6f0c…"             # public key that signs orders, 64 hex digits
///     outside = ["wan0"]                 # interfaces that lead outside
///     [management]                       # never cut: name an interface, or the control room's address
///     interfaces = ["mgmt0"]
///     rooms = ["10.9.0.5"]
///     [approvers]                        # at least two
///     anna = "d75a…"
///     bert = "3d40…"
///     [compartments.fs-1]                # a system or connection of the estate: one way each
///     interfaces = ["eth7"]              # routed or bridged; ends IPv4, IPv6, live flows
///     [compartments.app-1]
///     freeze = "/sys/fs/cgroup/system.slice/app.service"
///     [compartments.worker]
///     process = "/run/worker.pid"        # frozen in a cgroup of its own
///     [compartments.db-1]
///     unit = "postgresql.service"        # systemctl stop, start
///     [compartments.partner-dns.command] # programs of the house
///     read = ["/opt/dns-is-cut"]         # exit code 0: cut, 1: open
///     cut = ["nsupdate", "-k", "/etc/dns.key", "/etc/dns-cut"]
///     restore = ["nsupdate", "-k", "/etc/dns.key", "/etc/dns-restore"]
///     [compartments.vendor-vpn.manual]   # a person, who signs what was done
///     ask-cut = "call NN, +49 …: pull cable 7"
///     ask-restore = "call NN: plug in cable 7"
///     key = "9a1f…"
///     [compartments.perimeter.openc2]    # somebody else's firewall, OpenC2 over HTTPS
///     address = "10.9.0.9:443"
///     name = "fw-9"
///     root = "fw-root.pem"
///     target = { ipv4_net = "198.51.100.0/24" }
///     [compartments.pods.network-policy] # Kubernetes: a NetworkPolicy that allows nothing
///     address = "10.9.0.8:6443"
///     name = "kubernetes"
///     root = "k8s.pem"
///     token-file = "token"
///     namespace = "eau"
///     labels = { app = "spool" }
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Run(run::Args),
    Check(look::CheckArgs),
    Status(look::StatusArgs),
    UndoAll(look::UndoArgs),
    Keys(keys::Args),
}

/// Which guard.
#[derive(clap::Args)]
struct Which {
    /// The guard's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Which {
    fn read(&self) -> Result<GuardConfig, Problem> {
        GuardConfig::read(&self.config).map_err(|fault| {
            let remedy = fault.remedy.clone();
            Problem::new("LW-GUARD-001", "the configuration cannot be used", &fault).hint(remedy)
        })
    }
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    match args.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Check(args) => look::check(&args),
        Verb::Status(args) => look::status(&args),
        Verb::UndoAll(args) => look::undo_all(&args),
        Verb::Keys(args) => keys::run(&args),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Problem::new("LW-GUARD-003", "the guard cannot start", &error).hint("free memory or descriptors"))
}

#[expect(clippy::disallowed_methods, reason = "leases and seals end by the machine's clock")]
fn clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    })
}

fn problem(error: &ServiceError) -> Problem {
    match error {
        ServiceError::Config(fault) => {
            Problem::new("LW-GUARD-001", "the configuration cannot be used", fault).hint(fault.remedy.clone())
        }
        ServiceError::Folder { .. } => Problem::new("LW-GUARD-002", "the guard's folder cannot be used", error)
            .hint("check the folder's owner and free space; a file named as damaged can be moved away, and `status` then shows the kernel only"),
        ServiceError::Running { .. } => Problem::new("LW-GUARD-004", "a guard runs already", error)
            .hint("`leckwehr guard status` asks it"),
        ServiceError::Kernel(_) | ServiceError::Recover(_) => {
            Problem::new("LW-GUARD-005", "the kernel's firewall cannot be used", error)
                .hint("run it as root (CAP_NET_ADMIN) on a Linux with nf_tables")
                .hint("`nft list table inet leckwehr` shows what is there; `nft delete table inet leckwehr` opens everything")
        }
        ServiceError::Listen { .. } | ServiceError::Tls(_) => {
            Problem::new("LW-GUARD-003", "the guard cannot start", error).hint("check `listen`, certificate, key and root")
        }
    }
}
