//! People at work: users, administrators, practices, an insurer. They work all the time and know nothing of the drill.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use leckwehr_crypt::{Dice, hex, sha256};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::part::{Say, Voice};
use crate::service::{CareAsk, FileAsk};
use crate::shell::{Accounts, Answer, Ask, Login, log_in_through};
use crate::wire::{EXCHANGE_MS_MAX, Net, Stream, exchange, within};

/// Pause between two things a user does, in milliseconds.
const USER_PAUSE_MS: u64 = 110;
/// Pause between two logons of an administrator, in milliseconds.
const ADMIN_PAUSE_MS: u64 = 12;
/// Pause between two eAU of a practice, in milliseconds.
const PRACTICE_PAUSE_MS: u64 = 20;
/// Documents that each user has.
pub const USER_DOCUMENTS: usize = 6;

/// A user's day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserWork {
    /// User name and secret at the file service.
    pub user: String,
    /// The secret.
    pub secret: String,
    /// File service.
    pub files: SocketAddrV4,
    /// System id of the file server.
    pub system: String,
    /// Portal.
    pub portal: SocketAddrV4,
    /// Seed of what the user writes.
    pub seed: u64,
}

/// A practice that sends eAU.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PracticeWork {
    /// Name of the practice.
    pub name: String,
    /// eAU intake.
    pub intake: SocketAddrV4,
}

/// What a practice did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PracticeReport {
    /// Message ids sent at least once.
    pub sent: Vec<String>,
    /// Message ids for which a receipt came.
    pub accepted: Vec<String>,
}

/// Says when a round of work is over that somebody waits for: one that began after it was asked for.
pub struct Rounds {
    asked: watch::Receiver<u64>,
    said: u64,
    voice: Voice,
}

impl Rounds {
    /// Makes one for a worker; `asked` counts how often a round was asked for.
    pub fn new(asked: watch::Receiver<u64>, voice: Voice) -> Self {
        Self { asked, said: 0, voice }
    }

    /// A round begins; returns its mark.
    pub fn begin(&self) -> u64 {
        *self.asked.borrow()
    }

    /// The round with this mark went well.
    pub fn end(&mut self, mark: u64) {
        if mark > self.said {
            self.said = mark;
            self.voice.say(Say::Round);
        }
    }
}

/// Works on documents until told to stop. Every write is said aloud, and whether the file service confirmed it. A round is a
/// document written.
pub async fn work_as_user(work: UserWork, net: Net, voice: Voice, stop: watch::Receiver<bool>, mut rounds: Rounds) {
    let mut dice = Dice::new(work.seed, &work.user);
    let mut revision = 0_u32;
    while !*stop.borrow() {
        tokio::time::sleep(Duration::from_millis(USER_PAUSE_MS)).await;
        let mark = rounds.begin();
        if dice.below(4) == 0 {
            let _ = get_page(&net, work.portal).await;
        }
        let number = dice.below(USER_DOCUMENTS);
        let path = document_path(&work.user, number);
        let write = dice.below(3) == 0;
        revision += u32::from(write);
        let content = if write {
            document(&work.user, number, revision)
        } else {
            Vec::new()
        };
        let done = ask_files(&net, &work, &path, write.then_some(content.as_slice())).await;
        if write {
            voice.say(Say::Wrote {
                system: work.system.clone(),
                path,
                digest: hex(&sha256(&content)),
                confirmed: done.is_ok(),
            });
            if done.is_ok() {
                rounds.end(mark);
            }
        }
    }
    voice.say(Say::Rested);
}

/// Writes a file, or reads it if there is no content to write.
pub async fn ask_files(net: &Net, work: &UserWork, path: &str, content: Option<&[u8]>) -> io::Result<Vec<u8>> {
    let ask = FileAsk {
        user: work.user.clone(),
        secret: work.secret.clone(),
        path: path.to_owned(),
        write: content.is_some(),
    };
    let mut stream = net.connect(work.files).await?;
    let (answer, found): (Answer, _) = exchange(&mut stream, &ask, content.unwrap_or_default()).await?;
    answer.into_result().map(|_| found)
}

/// Logs on to every host that is administered, again and again: that is a round.
pub async fn work_as_administrator(daily: Vec<Login>, net: Net, secrets: watch::Receiver<Accounts>, mut rounds: Rounds) {
    let mut first_round = true;
    loop {
        let mark = rounds.begin();
        for login in &daily {
            let mut login = login.clone();
            if let Some(secret) = secrets.borrow().get(&login.user) {
                login.secret.clone_from(secret);
            }
            if let Ok(mut session) = log_in_through(&net, std::slice::from_ref(&login)).await {
                let _ = session.ask(&Ask::List { folder: "docs".into() }, &[]).await;
            }
            if !first_round {
                tokio::time::sleep(Duration::from_millis(ADMIN_PAUSE_MS)).await;
            }
        }
        first_round = false;
        rounds.end(mark);
        tokio::time::sleep(Duration::from_millis(ADMIN_PAUSE_MS)).await;
    }
}

/// Sends eAU until told to stop; each is sent again until its receipt comes, which ends a round.
pub async fn work_as_practice(work: PracticeWork, net: Net, stop: watch::Receiver<bool>, mut rounds: Rounds) -> PracticeReport {
    let mut report = PracticeReport::default();
    let mut number = 0_u64;
    let mut stream: Option<Stream> = None;
    while !*stop.borrow() {
        let mark = rounds.begin();
        number += 1;
        let message_id = format!("{}-{number}@praxis.example", work.name);
        report.sent.push(message_id.clone());
        let document = certificate(&work.name, number);
        loop {
            if stream.is_none() {
                stream = net.connect(work.intake).await.ok();
            }
            if let Some(open) = &mut stream {
                if submit(open, &message_id, &work.name, &document).await.is_ok() {
                    report.accepted.push(message_id);
                    rounds.end(mark);
                    break;
                }
                stream = None;
            }
            if *stop.borrow() {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(PRACTICE_PAUSE_MS)).await;
        }
        tokio::time::sleep(Duration::from_millis(PRACTICE_PAUSE_MS)).await;
    }
    report
}

/// Submits an eAU; done means that a receipt came.
pub async fn submit(stream: &mut Stream, message_id: &str, sender: &str, document: &[u8]) -> io::Result<()> {
    let ask = CareAsk::SubmitEau {
        message_id: message_id.to_owned(),
        sender: sender.to_owned(),
    };
    let (answer, _): (Answer, _) = exchange(stream, &ask, document).await?;
    answer.into_result().map(drop)
}

/// Writes to and reads from patient records: one after the other is a round.
pub async fn work_as_insurer(epa: SocketAddrV4, net: Net, mut rounds: Rounds) {
    let mut number = 0_u64;
    loop {
        tokio::time::sleep(Duration::from_millis(USER_PAUSE_MS)).await;
        number += 1;
        let kvnr = format!("X{:09}", number % 20);
        let mark = rounds.begin();
        if keep_record(&net, epa, &kvnr, format!("finding {number}").as_bytes())
            .await
            .is_ok()
        {
            rounds.end(mark);
        }
    }
}

/// Puts a document into a patient record and looks whether one is there.
pub async fn keep_record(net: &Net, epa: SocketAddrV4, kvnr: &str, finding: &[u8]) -> io::Result<()> {
    let mut stream = net.connect(epa).await?;
    let (kvnr, actor) = (kvnr.to_owned(), "insurer".to_owned());
    let put = CareAsk::PutRecord {
        kvnr: kvnr.clone(),
        actor: actor.clone(),
    };
    let (stored, _): (Answer, _) = exchange(&mut stream, &put, finding).await?;
    stored.into_result()?;
    let (listed, _): (Answer, _) = exchange(&mut stream, &CareAsk::ListRecord { kvnr, actor }, &[]).await?;
    match listed.into_result()?.names.first().map(String::as_str) {
        None | Some("0") => Err(io::Error::other("the record is empty")),
        Some(_) => Ok(()),
    }
}

/// Gets a web page.
pub async fn get_page(net: &Net, from: SocketAddrV4) -> io::Result<Bytes> {
    get(net, from, "/").await
}

/// Gets a path from a web server.
pub async fn get(net: &Net, from: SocketAddrV4, path: &str) -> io::Result<Bytes> {
    within(EXCHANGE_MS_MAX, async {
        let stream = net.connect(from).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let connection = tokio::spawn(connection);
        let request = Request::get(path)
            .header("host", from.ip().to_string())
            .body(Empty::<Bytes>::new());
        let response = sender
            .send_request(request.map_err(io::Error::other)?)
            .await
            .map_err(io::Error::other)?;
        let good = response.status().is_success();
        let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        connection.abort();
        if good {
            Ok(body)
        } else {
            Err(io::Error::other("the web server says no"))
        }
    })
    .await
}

/// Path of a user's document.
pub fn document_path(user: &str, number: usize) -> String {
    format!("docs/{user}-{number}.txt")
}

/// A document: a header and plain sentences, some kilobytes.
pub fn document(user: &str, number: usize, revision: u32) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "Antrag", "Bescheid", "Kasse", "Beleg", "Frist", "Konto", "Zahlung", "Akte", "Prüfung", "Beitrag", "Leistung", "Vorgang",
        "Termin", "Nachweis", "Vermerk", "Anlage",
    ];
    let mut dice = Dice::new(u64::from(revision), &format!("{user}/{number}"));
    let mut text = format!("Drill document {number} of {user}, revision {revision}\n\n");
    for index in 0..300 + dice.below(900) {
        text.push_str(WORDS[dice.below(WORDS.len())]);
        text.push(if index % 12 == 11 { '\n' } else { ' ' });
    }
    text.into_bytes()
}

/// A made-up certificate: the outline of an eAU bundle with an identifier of its own and no person in it.
pub fn certificate(practice: &str, number: u64) -> Vec<u8> {
    let digest = hex(&sha256(format!("{practice}/{number}").as_bytes()));
    let uuid = format!(
        "{}-{}-5{}-8{}-{}",
        &digest[..8],
        &digest[8..12],
        &digest[13..16],
        &digest[17..20],
        &digest[20..32]
    );
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Bundle xmlns=\"http://hl7.org/fhir\">\
         <meta><profile value=\"https://fhir.kbv.de/StructureDefinition/KBV_PR_EAU_Bundle|1.2\"/></meta>\
         <identifier><system value=\"urn:ietf:rfc:3986\"/><value value=\"urn:uuid:{uuid}\"/></identifier>\
         <type value=\"document\"/><timestamp value=\"2026-03-02T08:30:00+01:00\"/></Bundle>"
    )
    .into_bytes()
}

/// Documents that lie on a file server at the start: path → content.
pub fn initial_documents(users: &Accounts) -> BTreeMap<String, Vec<u8>> {
    let all = users
        .keys()
        .flat_map(|user| (0..USER_DOCUMENTS).map(move |n| (document_path(user, n), document(user, n, 0))));
    all.collect()
}
