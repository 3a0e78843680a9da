use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use leckwehr_crypt::{Dice, RecordKey, random_bytes};
use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::benign::get_page;
use crate::clock::now;
use crate::host::CACHED;
use crate::shell::{Accounts, Ask, Login, Pipe, Session, log_in_through};
use crate::wire::Net;
use crate::world::Scenario;

/// Connections that flood the portal at the same time.
const FLOOD_LANES: usize = 6;
/// Files stolen from each file server.
const STOLEN_FILES_MAX: usize = 12;
/// Pause between attempts to come back after he was thrown out, in milliseconds.
const RETURN_PAUSE_MS: u64 = 120;
/// Attempts to come back that are written down.
const RETURN_ENTRIES_MAX: usize = 500;
/// Name of the note he leaves.
const NOTE: &str = "docs/READ-ME-NOW.txt";

/// What the attacker knows at the start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttackRole {
    /// Vendor host and jump host with the stolen credentials.
    pub entry: [Login; 2],
    /// Where stolen data goes.
    pub drop: SocketAddrV4,
    /// The portal.
    pub portal: SocketAddrV4,
    /// Decides the order of things.
    pub seed: u64,
    /// What he is after.
    pub scenario: Scenario,
}

/// What he did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Logged on.
    Login,
    /// Was refused.
    Refused,
    /// Read a credential store.
    Credentials,
    /// Sent a file out, or read it through his tunnel.
    Stole,
    /// Deleted a backup.
    Deleted,
    /// Encrypted a file.
    Encrypted,
    /// Flooded the portal.
    Flooded,
    /// Tried to come back.
    Returned,
}

/// One line of the diary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was over.
    pub at: Timestamp,
    /// What.
    pub act: Act,
    /// On which host.
    pub host: Ipv4Addr,
    /// Under which account.
    pub account: String,
    /// File, where one was touched.
    pub path: String,
    /// Bytes that came out to him.
    pub bytes: u64,
    /// Did it work?
    pub done: bool,
}

/// The attacker at work.
pub struct Attacker {
    role: AttackRole,
    net: Net,
    diary: Arc<Mutex<Vec<Entry>>>,
    stop: Arc<AtomicBool>,
}

impl Attacker {
    /// Makes an attacker who has not begun.
    pub fn new(role: AttackRole, net: Net) -> Self {
        Self {
            role,
            net,
            diary: Arc::default(),
            stop: Arc::default(),
        }
    }

    /// Returns the flag that ends him.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Returns the diary.
    pub fn diary(&self) -> Arc<Mutex<Vec<Entry>>> {
        Arc::clone(&self.diary)
    }

    /// Enters, moves, steals, destroys, and tries to come back until he is stopped.
    pub async fn run(self) {
        let mut dice = Dice::new(self.role.seed, "attacker");
        let owned = self.explore(&mut dice).await;
        let mut backups = Vec::new();
        let mut files = Vec::new();
        for (host, chain) in owned.iter().take_while(|_| !self.stopped()) {
            let Ok(mut session) = log_in_through(&self.net, chain).await else {
                continue;
            };
            for (folder, list) in [("snapshots", &mut backups), ("docs", &mut files)] {
                if let Ok((names, _)) = session.ask(&Ask::List { folder: folder.into() }, &[]).await
                    && !names.is_empty()
                {
                    list.push((*host, chain.clone(), names));
                }
            }
        }
        for (host, chain, names) in &files {
            let _ = self.steal(*host, chain, names, &mut dice).await;
        }
        let flood = self.flood();
        let deletions = join_all(backups.iter().map(|(host, chain, names)| self.delete(*host, chain, names)));
        let encryptions = join_all(files.iter().map(|(host, chain, names)| self.encrypt(*host, chain, names)));
        let destroy = async {
            let _ = deletions.await;
            if self.role.scenario == Scenario::Ransom {
                let _ = encryptions.await;
            }
            self.come_back().await;
        };
        tokio::join!(flood, destroy);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    async fn write(&self, act: Act, host: Ipv4Addr, account: &str, path: &str, bytes: u64, done: bool) {
        let entry = Entry {
            at: now(),
            act,
            host,
            account: account.to_owned(),
            path: path.to_owned(),
            bytes,
            done,
        };
        self.diary.lock().await.push(entry);
    }

    /// Goes from host to host with what he finds; returns each host with the chain of logons that leads there.
    async fn explore(&self, dice: &mut Dice) -> BTreeMap<Ipv4Addr, Vec<Login>> {
        let mut owned: BTreeMap<Ipv4Addr, Vec<Login>> = BTreeMap::new();
        let mut known: Accounts = Accounts::new();
        let mut tried: BTreeSet<(Ipv4Addr, String, String)> = BTreeSet::new();
        let entry = self.role.entry.to_vec();
        let mut queue = VecDeque::new();
        if self.try_login(&entry).await.is_some() {
            owned.insert(entry[1].host, entry.clone());
            queue.push_back(entry);
        }
        while let (Some(chain), false) = (queue.pop_front(), self.stopped()) {
            let Some(host) = chain.last().cloned() else { continue };
            let Ok(mut session) = log_in_through(&self.net, &chain).await else {
                continue;
            };
            if let Ok((_, content)) = session.ask(&Ask::Read { path: CACHED.into() }, &[]).await {
                self.write(Act::Credentials, host.host, &host.user, CACHED, content.len() as u64, true)
                    .await;
                known.extend(serde_json::from_slice::<Accounts>(&content).unwrap_or_default());
            }
            let (names, _) = session.ask(&Ask::Neighbours, &[]).await.unwrap_or_default();
            let mut targets: Vec<Ipv4Addr> = names.iter().filter_map(|n| n.split(' ').nth(1)?.parse().ok()).collect();
            dice.shuffle(&mut targets);
            for target in targets {
                for (user, secret) in &known {
                    if self.stopped() || owned.contains_key(&target) || !tried.insert((target, user.clone(), secret.clone())) {
                        continue;
                    }
                    let mut longer = chain.clone();
                    longer.push(Login {
                        host: target,
                        user: user.clone(),
                        secret: secret.clone(),
                    });
                    if self.try_login(&longer).await.is_some() {
                        owned.insert(target, longer.clone());
                        queue.push_back(longer);
                    }
                }
            }
        }
        owned
    }

    async fn try_login(&self, chain: &[Login]) -> Option<Session<Box<dyn Pipe>>> {
        let session = log_in_through(&self.net, chain).await;
        let (host, user) = chain.last().map(|l| (l.host, l.user.as_str()))?;
        let act = if session.is_ok() { Act::Login } else { Act::Refused };
        self.write(act, host, user, "", 0, session.is_ok()).await;
        session.ok()
    }

    async fn steal(&self, host: Ipv4Addr, chain: &[Login], names: &[String], dice: &mut Dice) -> io::Result<()> {
        let mut session = log_in_through(&self.net, chain).await?;
        let user = chain.last().map(|l| l.user.clone()).unwrap_or_default();
        let mut names = names.to_vec();
        dice.shuffle(&mut names);
        for (index, path) in names.iter().take(STOLEN_FILES_MAX).enumerate() {
            if self.stopped() {
                break;
            }
            // Every fourth file comes through the tunnel, the others go straight to the drop, which counts them itself.
            if index % 4 == 0 {
                let (_, content) = session.ask(&Ask::Read { path: path.clone() }, &[]).await?;
                self.write(Act::Stole, host, &user, path, content.len() as u64, true).await;
            } else {
                session
                    .ask(
                        &Ask::Post {
                            path: path.clone(),
                            to: self.role.drop,
                        },
                        &[],
                    )
                    .await?;
                self.write(Act::Stole, host, &user, path, 0, true).await;
            }
        }
        Ok(())
    }

    async fn delete(&self, host: Ipv4Addr, chain: &[Login], names: &[String]) -> io::Result<()> {
        let mut session = log_in_through(&self.net, chain).await?;
        let user = chain.last().map(|l| l.user.clone()).unwrap_or_default();
        for path in names {
            session.ask(&Ask::Delete { path: path.clone() }, &[]).await?;
            self.write(Act::Deleted, host, &user, path, 0, true).await;
        }
        Ok(())
    }

    async fn encrypt(&self, host: Ipv4Addr, chain: &[Login], names: &[String]) -> io::Result<()> {
        let mut session = log_in_through(&self.net, chain).await?;
        let user = chain.last().map(|l| l.user.clone()).unwrap_or_default();
        let key = RecordKey::from_bytes(random_bytes().map_err(io::Error::other)?);
        for path in names {
            if self.stopped() {
                break;
            }
            let (_, content) = session.ask(&Ask::Read { path: path.clone() }, &[]).await?;
            // What he reads to encrypt has come out to him as well.
            self.write(Act::Stole, host, &user, path, content.len() as u64, true).await;
            let sealed = key.encrypt(b"", &content).map_err(io::Error::other)?;
            // Written down before it is done: a cut in between leaves the file damaged and him without an answer.
            self.write(Act::Encrypted, host, &user, path, 0, true).await;
            session.ask(&Ask::Write { path: path.clone() }, &sealed).await?;
        }
        session
            .ask(&Ask::Write { path: NOTE.into() }, b"Your files are encrypted.")
            .await
            .map(drop)
    }

    async fn flood(&self) {
        let lane = async || {
            let mut count = 0_u64;
            while !self.stopped() {
                count += u64::from(get_page(&self.net, self.role.portal).await.is_ok());
                tokio::task::yield_now().await;
            }
            count
        };
        let counts = join_all((0..FLOOD_LANES).map(|_| lane())).await;
        self.write(Act::Flooded, *self.role.portal.ip(), "", "", counts.iter().sum(), true)
            .await;
    }

    /// Knocks again and again where he came in.
    async fn come_back(&self) {
        let mut entries = 0;
        while !self.stopped() {
            let came = log_in_through(&self.net, &self.role.entry).await.is_ok();
            if came || entries < RETURN_ENTRIES_MAX {
                entries += 1;
                let jump = &self.role.entry[1];
                self.write(Act::Returned, jump.host, &jump.user, "", 0, came).await;
            }
            tokio::time::sleep(Duration::from_millis(RETURN_PAUSE_MS)).await;
        }
    }
}
