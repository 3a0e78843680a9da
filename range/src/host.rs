use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use leckwehr_estate::SystemKind;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::files::Files;
use crate::sensor::Sensor;
use crate::service::{self, Version};
use crate::shell::Accounts;
use crate::wire::Net;

/// What a host of the miniature is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostRole {
    /// System id in the estate.
    pub system: String,
    /// What it mainly is.
    pub kind: SystemKind,
    /// Own address on the data side.
    pub address: Ipv4Addr,
    /// Own address on the management cable.
    pub management: Ipv4Addr,
    /// Where the control room takes telemetry; absent on hosts that are not the provider's.
    pub control: Option<SocketAddrV4>,
    /// Ships no records of commands and of files that were only read: nobody put such a sensor on it.
    pub blind: bool,
    /// Own folder.
    pub folder: PathBuf,
    /// Who may log on.
    pub accounts: Accounts,
    /// Users of the file service.
    pub users: Accounts,
    /// Hosts that this one knows.
    pub neighbours: Vec<(String, Ipv4Addr)>,
    /// Secrets that somebody left on this host: account → secret. They lie in the file [`CACHED`].
    pub secrets: Accounts,
    /// Backup vault, for hosts whose files are backed up.
    pub vault: Option<Ipv4Addr>,
    /// Core processing that the eAU intake delivers to.
    pub backend: Option<Ipv4Addr>,
    /// Key for the spool (intake: public half; core: private half) or the record store (ePA: master key).
    pub key: Option<[u8; 32]>,
}

/// Where cached credentials lie on every host.
pub const CACHED: &str = "secrets/cached-credentials";

/// A running host.
pub struct Host {
    /// Its role.
    pub role: HostRole,
    /// Its network.
    pub net: Net,
    /// Its files.
    pub files: Files,
    /// Its sensor.
    pub sensor: Sensor,
    accounts: Mutex<Accounts>,
    /// Account → generation of its secret; sessions of an older one end.
    rotations: watch::Sender<BTreeMap<String, u64>>,
    /// Versions that the vault holds (vault only).
    pub vault: Mutex<Vec<Version>>,
    /// Records that arrived at core processing (core only).
    pub core_records: Mutex<u64>,
}

/// A logged-on account; ends when its secret is changed or the host is swept.
pub struct LoggedOn {
    user: String,
    generation: u64,
    rotations: watch::Receiver<BTreeMap<String, u64>>,
}

impl LoggedOn {
    /// Waits until the session must end.
    pub async fn ended(&mut self) {
        let Self {
            user,
            generation,
            rotations,
        } = self;
        let ended = rotations
            .wait_for(|r| r.get(user).copied().unwrap_or_default() != *generation)
            .await;
        drop(ended);
    }
}

impl Host {
    /// Starts a host: sensor, logon service and the service of its kind.
    pub async fn start(role: HostRole, net: Net) -> io::Result<Arc<Self>> {
        let host = Arc::new(Self {
            sensor: Sensor::start(&role.system, net.clone(), role.control, role.blind),
            files: Files::open(&role.folder)?,
            accounts: Mutex::new(role.accounts.clone()),
            rotations: watch::Sender::new(BTreeMap::new()),
            vault: Mutex::new(Vec::new()),
            core_records: Mutex::new(0),
            role,
            net,
        });
        host.files.write(CACHED, &serde_json::to_vec(&host.role.secrets)?)?;
        service::start(&host).await?;
        Ok(host)
    }

    /// Opens a session if the secret is right.
    pub fn log_in(&self, user: &str, secret: &str) -> Option<LoggedOn> {
        (self.accounts().get(user).map(String::as_str) == Some(secret)).then(|| {
            let rotations = self.rotations.subscribe();
            let generation = rotations.borrow().get(user).copied().unwrap_or_default();
            LoggedOn {
                user: user.to_owned(),
                generation,
                rotations,
            }
        })
    }

    /// Changes secrets; sessions of these accounts end. Returns how many accounts exist here.
    pub fn rotate(&self, secrets: &Accounts) -> usize {
        let mut accounts = self.accounts();
        let mut changed = Vec::new();
        for (user, secret) in secrets {
            if let Some(present) = accounts.get_mut(user)
                && present != secret
            {
                present.clone_from(secret);
                changed.push(user.clone());
            }
        }
        self.end_sessions(&changed);
        changed.len()
    }

    /// Ends every session on this host and forgets cached secrets of others.
    pub fn sweep(&self) -> io::Result<()> {
        let users: Vec<String> = self.accounts().keys().cloned().collect();
        self.end_sessions(&users);
        for path in self.files.list("secrets")? {
            self.files.delete(&path)?;
        }
        Ok(())
    }

    /// Returns how this host is configured other than it was installed: accounts that came or went, secrets that lie around.
    pub fn differences(&self) -> io::Result<Vec<String>> {
        let (now, installed) = (self.accounts().clone(), &self.role.accounts);
        let came = now.keys().filter(|user| !installed.contains_key(*user));
        let went = installed.keys().filter(|user| !now.contains_key(*user));
        let accounts = came
            .map(|u| format!("account {u} is new"))
            .chain(went.map(|u| format!("account {u} is gone")));
        let left = self
            .files
            .list("secrets")?
            .into_iter()
            .map(|path| format!("{path} lies there"));
        Ok(accounts.chain(left).collect())
    }

    /// Changes a file, on the word of `user`; the backup agent ships the new version. Done means: the vault has it, and it is
    /// still what lies here. A shipment that hung in a cut may arrive after the file was restored to an older version.
    pub async fn change(&self, from: Ipv4Addr, user: &str, path: &str, content: &[u8]) -> io::Result<()> {
        self.files.write(path, content)?;
        self.sensor.file("change", from, user, path, content);
        service::back_up(self, user, path, content).await?;
        if self.files.read(path)? == content {
            Ok(())
        } else {
            Err(io::Error::other("somebody else changed the file meanwhile"))
        }
    }

    /// Deletes a file.
    pub async fn delete(&self, from: Ipv4Addr, user: &str, path: &str) -> io::Result<()> {
        self.files.delete(path)?;
        self.sensor.file("delete", from, user, path, &[]);
        Ok(())
    }

    fn end_sessions(&self, users: &[String]) {
        self.rotations.send_modify(|rotations| {
            for user in users {
                *rotations.entry(user.clone()).or_default() += 1;
            }
        });
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
