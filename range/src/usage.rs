use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;

use leckwehr_crypt::{hex, sha256};
use leckwehr_estate::{Service, SystemKind};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::benign::{USER_DOCUMENTS, UserWork, ask_files, certificate, document, document_path, get_page, keep_record, submit};
use crate::cast::Cast;
use crate::host::HostRole;
use crate::part::{Say, Voice};
use crate::portal::WEB_PORT;
use crate::service::{EPA_PORT, INTAKE_PORT};
use crate::shell::{Accounts, Ask, Login, log_in_through};
use crate::wire::Net;
use crate::world::World;

/// How long people try to use a service again, in milliseconds.
const TRIAL_MS_MAX: u64 = 10_000;
/// Users who try a file server: one of them may sit on a host that is still cut.
const USERS_MAX: usize = 3;
/// Pause between two tries, in milliseconds.
const TRIAL_PAUSE_MS: u64 = 50;

/// A service that a node shall use, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trial {
    /// Service id.
    pub service: String,
    /// How.
    pub way: Way,
}

/// What using a service means.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "kebab-case")]
pub enum Way {
    /// Send an eAU, get its receipt; it must also arrive in core processing.
    Eau {
        /// eAU intake.
        intake: SocketAddrV4,
        /// Its id.
        message_id: String,
    },
    /// Put a document into a patient record and find it there.
    Record {
        /// The record store.
        epa: SocketAddrV4,
    },
    /// Get a page.
    Page {
        /// Web server.
        portal: SocketAddrV4,
    },
    /// Write a file, which a backup is made of, and read it again.
    File {
        /// Who, and where.
        work: UserWork,
    },
    /// Read a backup.
    Backup {
        /// The backup server, as an administrator.
        login: Login,
    },
}

/// How the use of a service went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Used {
    /// Why it did not work; `None` if it did.
    pub error: Option<String>,
    /// The eAU that was accepted and must arrive.
    pub message_id: Option<String>,
}

/// Returns the trials of a drill as (node, trial), for each service at whose door stands something that nodes of this range can
/// use. A service works if it works for one of them.
pub fn trials(world: &World, cast: &Cast) -> Vec<(String, Trial)> {
    let services = world.estate.services.iter();
    let trials = services.filter_map(|(id, service)| Some((id, ways(world, cast, id, door(service)?))));
    let trial = |service: &String, way| {
        let service = service.clone();
        Trial { service, way }
    };
    trials
        .flat_map(|(id, ways)| ways.into_iter().map(move |(node, way)| (node, trial(id, way))))
        .collect()
}

/// The system at which a service is used: its probe, or the only thing it needs.
fn door(service: &Service) -> Option<&str> {
    match (&service.probe, service.needs.as_slice()) {
        (Some(probe), _) => Some(probe),
        (None, [only]) => only.any_of.first().map(String::as_str),
        (None, _) => None,
    }
}

/// Who uses the service at this door, and how; none if nobody can.
fn ways(world: &World, cast: &Cast, service: &str, door: &str) -> Vec<(String, Way)> {
    let Some(host) = world.host(door) else {
        return Vec::new();
    };
    let at = |port| SocketAddrV4::new(host.address, port);
    let eau = |intake| Way::Eau {
        intake,
        message_id: format!("trial-{service}@praxis.example"),
    };
    match host.kind {
        SystemKind::EauIntake => vec![("practice-a".into(), eau(at(INTAKE_PORT)))],
        // What arrives in core processing comes in through an intake that delivers there.
        SystemKind::Payments => {
            let intakes = world.hosts.iter().filter(|h| h.backend == Some(host.address)).take(1);
            let intake = |h: &HostRole| eau(SocketAddrV4::new(h.address, INTAKE_PORT));
            intakes.map(|h| ("practice-a".into(), intake(h))).collect()
        }
        SystemKind::EpaStore => vec![("insurer".into(), Way::Record { epa: at(EPA_PORT) })],
        SystemKind::Portal => vec![("insurer".into(), Way::Page { portal: at(WEB_PORT) })],
        SystemKind::FileServer => {
            let users = cast.users.iter().filter(|(_, work)| work.system == door).take(USERS_MAX);
            users
                .map(|(node, work)| (node.clone(), Way::File { work: work.clone() }))
                .collect()
        }
        SystemKind::BackupServer => {
            let logins = world.daily.iter().filter(|(system, _)| system == door).take(1);
            let backup = |login: &Login| Way::Backup { login: login.clone() };
            logins.map(|(_, login)| (cast.administrator.clone(), backup(login))).collect()
        }
        _ => Vec::new(),
    }
}

/// Uses services one after another and says how it went; `secrets` are those that were changed.
pub async fn try_services(trials: Vec<Trial>, net: Net, voice: Voice, secrets: Accounts) {
    for Trial { service, way } in trials {
        let until = Instant::now() + Duration::from_millis(TRIAL_MS_MAX);
        let mut used = Used {
            error: Some("no answer".into()),
            message_id: None,
        };
        while used.error.is_some() && Instant::now() < until {
            match timeout_at(until, use_once(&way, &net, &voice, &secrets)).await {
                Ok(Ok(message_id)) => used = Used { error: None, message_id },
                Ok(Err(error)) => {
                    used.error = Some(error.to_string());
                    tokio::time::sleep(Duration::from_millis(TRIAL_PAUSE_MS)).await;
                }
                Err(_) => {}
            }
        }
        voice.say(Say::Used { service, used });
    }
}

/// Uses a service once; returns the id of the eAU that was accepted.
async fn use_once(way: &Way, net: &Net, voice: &Voice, secrets: &Accounts) -> io::Result<Option<String>> {
    match way {
        Way::Eau { intake, message_id } => {
            let mut stream = net.connect(*intake).await?;
            submit(&mut stream, message_id, "practice-a", &certificate(message_id, 0)).await?;
            return Ok(Some(message_id.clone()));
        }
        Way::Record { epa } => {
            keep_record(net, *epa, "X000000000", b"trial").await?;
        }
        Way::Page { portal } => drop(get_page(net, *portal).await?),
        Way::File { work } => use_files(work, net, voice).await?,
        Way::Backup { login } => {
            let mut login = login.clone();
            if let Some(secret) = secrets.get(&login.user) {
                login.secret.clone_from(secret);
            }
            let mut session = log_in_through(net, &[login]).await?;
            let folder = "snapshots".to_owned();
            let (names, _) = session.ask(&Ask::List { folder }, &[]).await?;
            let path = names.into_iter().next().ok_or(io::Error::other("there is no backup"))?;
            session.ask(&Ask::Read { path }, &[]).await?;
        }
    }
    Ok(None)
}

/// Writes a document of its own, so that nobody at work is in the way, and reads it again.
async fn use_files(work: &UserWork, net: &Net, voice: &Voice) -> io::Result<()> {
    let path = document_path(&work.user, USER_DOCUMENTS);
    let content = document(&work.user, USER_DOCUMENTS, 0);
    ask_files(net, work, &path, Some(&content)).await?;
    voice.say(Say::Wrote {
        system: work.system.clone(),
        path: path.clone(),
        digest: hex(&sha256(&content)),
        confirmed: true,
    });
    if ask_files(net, work, &path, None).await? == content {
        Ok(())
    } else {
        Err(io::Error::other("what was written is not what is read"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use leckwehr_guard::Firewall;
    use tokio::sync::mpsc;

    use super::*;
    use crate::fabric::{Fabric, MemoryFirewall};
    use crate::shell::Answer;
    use crate::wire::{receive, send};

    /// An intake that gives receipts or refuses, and a practice on the other side of a guard.
    fn practice_and_intake(receipt: Answer) -> (Net, Way, MemoryFirewall) {
        let fabric = Arc::new(Fabric::default());
        let [practice, intake] = [20, 21].map(|n| Ipv4Addr::new(198, 19, 0, n));
        fabric.plug(intake, "guard", "h0");
        let net = |address| Net::Memory {
            fabric: Arc::clone(&fabric),
            address,
            management: Ipv4Addr::UNSPECIFIED,
        };
        let mut listener = net(intake).listen(SocketAddrV4::new(intake, INTAKE_PORT)).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (_, document) = receive::<serde_json::Value, _>(&mut stream).await.unwrap();
                assert!(!document.is_empty());
                send(&mut stream, &receipt, &[]).await.unwrap();
            }
        });
        let way = Way::Eau {
            intake: SocketAddrV4::new(intake, INTAKE_PORT),
            message_id: "m".into(),
        };
        let guard = "guard".to_owned();
        (net(practice), way, MemoryFirewall { fabric, guard })
    }

    #[tokio::test]
    async fn a_service_works_only_if_it_was_really_used() {
        let (voice, secrets) = (Voice::new("practice-a", mpsc::unbounded_channel().0), Accounts::new());
        let ok = Answer {
            ok: true,
            ..Answer::default()
        };
        let (net, way, mut firewall) = practice_and_intake(ok);
        assert_eq!(use_once(&way, &net, &voice, &secrets).await.unwrap(), Some("m".into()));
        firewall.cut(&["h0".into()], None).unwrap();
        use_once(&way, &net, &voice, &secrets).await.unwrap_err();
        let (net, way, _) = practice_and_intake(Answer::default());
        use_once(&way, &net, &voice, &secrets).await.unwrap_err();
    }
}
