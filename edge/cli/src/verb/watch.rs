use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use leckwehr_console::{Asked, Console, ConsoleError, Desk};
use leckwehr_control::{ReceiveError, WatchConfig, WatchConfigError, WatchError, WatchNews, WatchReport, WatchSettings, watch};
use leckwehr_crypt::random_bytes;
use leckwehr_detect::Rules;
use leckwehr_estate::Estate;
use leckwehr_incident::{Alarm, AlarmLevel, Timestamp};
use leckwehr_publish::Language;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::output::{Out, Tongue, say};
use crate::problem::Problem;

/// Decisions that wait to be written down.
const DECISIONS_MAX: usize = 64;

/// Watch live sources: files that are written, syslog, NetFlow, OpenTelemetry; tell alarms as they come.
///
/// Rules and detectors look at every record; what they find is fused into alarms for hosts, accounts, services and parties. Findings,
/// alarms and decisions are facts in the ledger, to be looked at with `leckwehr console` or verified with `leckwehr ledger`. With
/// `console` in the configuration, alarms can be closed and findings suppressed there, with name and reason. Ctrl-C ends the watch
/// cleanly; the next start goes on where this one ended.
///
/// The configuration is TOML:
///
///     ledger = "watch"               # folder of ledger and state
///     estate = "estate"              # optional: names, services, parties
///     rules = ["sigma/rules"]        # optional: beside Leckwehr's own
///     learning-minutes = 60          # what comes first is normal
///     console = "127.0.0.1:8080"     # optional
///     [[follow]]
///     path = "/var/log/auth.log"
///     [[source]]
///     name = "routers"
///     kind = "netflow"               # syslog-udp, syslog-tcp, syslog-tls, netflow, otlp
///     listen = "0.0.0.0:2055"
#[derive(clap::Args)]
pub struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON lines: "finding", "alarm", "decision", "source", and at last "summary".
    #[arg(long)]
    json: bool,
    /// Language of the text.
    #[arg(long, value_enum, default_value_t)]
    lang: Tongue,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<ExitCode, Problem> {
    let config = WatchConfig::read(&args.config).map_err(|error| config_problem(&error))?;
    let estate = match &config.estate {
        Some(dir) => crate::verb::estate::load(dir)?,
        None => Estate::default(),
    };
    let settings = WatchSettings {
        rules: rules(&config)?,
        estate,
        ledger_seed: random_bytes()
            .map_err(|e| Problem::new("LW-WATCH-002", "no key could be made", &e).hint("check /dev/urandom"))?,
        clock: now,
        config,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Problem::new("LW-WATCH-002", "the watch cannot start", &e))?;
    let mut teller = Teller {
        out: Out::new(),
        json: args.json,
        l: args.lang.language(),
        failed: None,
    };
    let report = runtime.block_on(serve(settings, &mut teller))?;
    teller.sum(&report)?;
    Ok(ExitCode::SUCCESS)
}

fn rules(config: &WatchConfig) -> Result<Rules, Problem> {
    let mut rules = Rules::own().map_err(|e| Problem::new("LW-WATCH-003", "our own rules cannot be read", &e))?;
    let errors = rules.read(&config.rules);
    for error in &errors {
        say(&format!("{error} [{}]", error.code()));
    }
    if !errors.is_empty() {
        say(&format!(
            "{} rules cannot be used; `leckwehr rules lint` names them",
            errors.len()
        ));
    }
    Ok(rules)
}

async fn serve(settings: WatchSettings, teller: &mut Teller) -> Result<WatchReport, Problem> {
    let (sender, decisions) = mpsc::channel(DECISIONS_MAX);
    let ledger = settings.config.ledger.join("ledger");
    let (address, estate) = (settings.config.console, settings.estate.clone());
    let (ready, is_ready) = oneshot::channel();
    let mut ready = Some(ready);
    let console = tokio::spawn(async move {
        // The ledger is there once the watch is ready.
        if let Some(address) = address
            && is_ready.await.is_ok()
            && let Err(error) = show(ledger, estate, address, sender).await
        {
            say(&format!(
                "the console cannot be shown, the watch goes on without it [LW-WATCH-004]: {error}"
            ));
        }
    });
    let stop = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let mut tell = |news: WatchNews<'_>| {
        if matches!(news, WatchNews::Ready { .. })
            && let Some(ready) = ready.take()
        {
            let _ = ready.send(());
        }
        teller.tell(&news);
    };
    let report = watch(settings, decisions, stop, &mut tell).await;
    console.abort();
    report.map_err(|error| problem(&error))
}

/// Shows the console, whose decisions go to the watch.
async fn show(
    ledger: PathBuf,
    estate: Estate,
    address: SocketAddr,
    sender: mpsc::Sender<leckwehr_control::Asking>,
) -> Result<(), ConsoleError> {
    let (desk, asked) = mpsc::channel(DECISIONS_MAX);
    tokio::spawn(hand_on(asked, sender));
    let console = Console::open_with_desk(ledger, estate, address, now, Desk::new(desk)).await?;
    say(&format!("console: {}", console.url()));
    console.serve(std::future::pending()).await
}

/// Brings decisions from the console to the watch.
async fn hand_on(mut asked: mpsc::Receiver<Asked>, sender: mpsc::Sender<leckwehr_control::Asking>) {
    while let Some(asked) = asked.recv().await {
        if sender.send((asked.decision, asked.answer)).await.is_err() {
            return;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "live records are judged by the time at which they come"
)]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Tells news to people or programs.
struct Teller {
    out: Out,
    json: bool,
    l: Language,
    failed: Option<Problem>,
}

impl Teller {
    fn tell(&mut self, news: &WatchNews<'_>) {
        let told = if self.json {
            self.tell_json(news)
        } else {
            self.tell_text(news)
        };
        // The watch goes on for the ledger's sake; that nobody could be told is said at the end.
        if let Err(problem) = told.and_then(|()| self.out.flush()) {
            self.failed.get_or_insert(problem);
        }
    }

    fn tell_json(&mut self, news: &WatchNews<'_>) -> Result<(), Problem> {
        let typed = |kind: &str, mut value: serde_json::Value| {
            value["type"] = json!(kind);
            value
        };
        match news {
            WatchNews::Found(finding) => {
                let mut line = typed("finding", json!(finding));
                line["time"] = json!(finding.at.to_string());
                self.out.json(&line)
            }
            WatchNews::Alarm(alarm) => {
                let mut line = typed("alarm", json!(alarm));
                line["time"] = json!(alarm.at.to_string());
                self.out.json(&line)
            }
            WatchNews::Decided { by, what } => self.out.json(&typed("decision", json!({ "by": by, "what": what }))),
            WatchNews::Source(text) => self.out.json(&typed("source", json!({ "text": text }))),
            WatchNews::Listening { source, address } => self
                .out
                .json(&typed("listening", json!({ "source": source, "address": address }))),
            WatchNews::Ready { facts, learning_until } => {
                let until = learning_until.map(|at| at.to_string());
                self.out
                    .json(&typed("ready", json!({ "facts": facts, "learning_until": until })))
            }
        }
    }

    fn tell_text(&mut self, news: &WatchNews<'_>) -> Result<(), Problem> {
        match news {
            WatchNews::Alarm(alarm) => {
                let text = alarm_text(alarm, self.l);
                self.out.text(&text)?;
            }
            WatchNews::Found(_) => {}
            WatchNews::Decided { by, what } => say(&format!("{by}: {}", json!(what))),
            WatchNews::Source(text) => say(text),
            WatchNews::Listening { source, address } => say(&format!("{source}: {address}")),
            WatchNews::Ready { facts, learning_until } => {
                let until = learning_until.map_or_else(String::new, |at| {
                    format!("{} {at}", self.l.pick("; lernt bis", "; learning until"))
                });
                let words = self.l.pick(
                    "Fakten im Protokoll, Strg-C beendet",
                    "facts in the ledger, Ctrl-C ends the watch",
                );
                say(&format!("{facts} {words}{until}"));
            }
        }
        Ok(())
    }

    fn sum(mut self, report: &WatchReport) -> Result<(), Problem> {
        if let Some(problem) = self.failed {
            return Err(problem);
        }
        if self.json {
            let mut summary = json!(report);
            summary["type"] = json!("summary");
            self.out.json(&summary)?;
        } else {
            let WatchReport {
                records,
                damaged,
                missing,
                findings,
                alarms,
                facts,
            } = report;
            say(&match self.l {
                Language::De => format!(
                    "{records} Datensätze, {damaged} nicht lesbar, {missing} fehlen; {findings} Befunde, {alarms} Alarme, {facts} Fakten"
                ),
                Language::En => format!(
                    "{records} records, {damaged} not readable, {missing} missing; {findings} findings, {alarms} alarms, {facts} facts"
                ),
            });
        }
        self.out.flush()
    }
}

/// An alarm with its reasons, and why it is open again.
fn alarm_text(alarm: &Alarm, l: Language) -> String {
    let level = match alarm.level {
        AlarmLevel::Notice => l.pick("Hinweis ", "notice  "),
        AlarmLevel::Warning => l.pick("WARNUNG ", "WARNING "),
        AlarmLevel::Critical => l.pick("KRITISCH", "CRITICAL"),
    };
    let mut text = format!(
        "{} {level} {} {} ({} {:.0})\n",
        alarm.at,
        alarm.entity,
        alarm.id,
        l.pick("Risiko", "risk"),
        alarm.risk
    );
    for reason in &alarm.reasons {
        text.push_str(&format!("    {reason}\n"));
    }
    if let Some(why) = &alarm.reopened {
        text.push_str(&format!("    {}: {why}\n", l.pick("wieder offen", "open again")));
    }
    text
}

fn config_problem(error: &WatchConfigError) -> Problem {
    Problem::new("LW-WATCH-001", "the configuration cannot be used", error).hint("see `leckwehr watch --help` for an example")
}

fn problem(error: &WatchError) -> Problem {
    match error {
        WatchError::Receive(error) => receive_problem(error),
        WatchError::Control(error) => Problem::new("LW-WATCH-005", "the ledger cannot be used", error)
            .hint("run `leckwehr ledger verify` on it; another watch may hold it"),
        WatchError::State(error) => Problem::new("LW-WATCH-006", "the state of the watch cannot be used", error)
            .hint("check that the ledger's folder may be written; without watch.json the detectors learn anew"),
        WatchError::Detectors(error) => Problem::new("LW-WATCH-006", "the detectors cannot go on where they were left", error)
            .hint("move watch.json away: the detectors then learn anew, and files are read from their beginning"),
    }
}

fn receive_problem(error: &ReceiveError) -> Problem {
    Problem::new(error.code(), "a source cannot be received", error).hint("mend its [[source]] in the configuration")
}
