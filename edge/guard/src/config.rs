use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use leckwehr_crypt::{Identity, VerifyingKey, client_tls, from_hex, peer_tls};
use serde::Deserialize;
use serde_json::Value;

use crate::block::Block;
use crate::management::Management;
use crate::switch::{
    CommandSwitch, FreezeSwitch, HttpsPeer, ManualSwitch, NetworkPolicySwitch, OpenC2Switch, ProcessSwitch, Switch, UnitSwitch,
};

/// Longest configuration, in bytes.
const CONFIG_BYTES_MAX: u64 = 4 << 20;
/// Root of the cgroup file system, version 2.
const CGROUP_ROOT: &str = "/sys/fs/cgroup";
const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// A guard's configuration: what a TOML file says, read and checked as a whole.
pub struct GuardConfig {
    /// Name, as plans and its certificate have it.
    pub name: String,
    /// Folder for journal, book and fence.
    pub folder: PathBuf,
    /// Where orders come to.
    pub listen: SocketAddr,
    /// Certificate, key and root.
    pub identity: Identity,
    /// The key with which the control room signs orders.
    pub controller: VerifyingKey,
    /// Public keys of the people who may approve.
    pub approvers: BTreeMap<String, VerifyingKey>,
    /// Interfaces that lead outside.
    pub outside: Vec<String>,
    /// The way over which orders come.
    pub management: Management,
    /// Whether tracked connections and local sockets are ended with a cut.
    pub ends_flows: bool,
    /// Compartments that are cut by their interfaces.
    pub interfaces: BTreeMap<String, Vec<String>>,
    switches: BTreeMap<String, SwitchToml>,
    base: PathBuf,
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct ConfigFault {
    /// The file, with the line where that is known.
    pub file: String,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Toml {
    name: String,
    folder: PathBuf,
    listen: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    root: PathBuf,
    control_room: String,
    approvers: BTreeMap<String, String>,
    #[serde(default)]
    outside: Vec<String>,
    #[serde(default)]
    management: ManagementToml,
    #[serde(default = "yes")]
    end_flows: bool,
    #[serde(default)]
    compartments: BTreeMap<String, SwitchToml>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ManagementToml {
    #[serde(default)]
    interfaces: Vec<String>,
    #[serde(default)]
    rooms: Vec<IpAddr>,
}

/// One way to cut; exactly one field is there.
#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SwitchToml {
    interfaces: Option<Vec<String>>,
    freeze: Option<PathBuf>,
    process: Option<PathBuf>,
    cgroup_root: Option<PathBuf>,
    unit: Option<String>,
    systemctl: Option<PathBuf>,
    command: Option<CommandToml>,
    manual: Option<ManualToml>,
    openc2: Option<OpenC2Toml>,
    network_policy: Option<PolicyToml>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct CommandToml {
    read: Vec<String>,
    cut: Vec<String>,
    restore: Vec<String>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ManualToml {
    ask_cut: String,
    ask_restore: String,
    key: String,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct OpenC2Toml {
    address: SocketAddr,
    name: String,
    root: PathBuf,
    target: BTreeMap<String, Value>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PolicyToml {
    address: SocketAddr,
    name: String,
    root: PathBuf,
    token_file: PathBuf,
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl GuardConfig {
    /// Reads a configuration and every file it names. Relative paths count from the configuration's folder.
    pub fn read(file: &Path) -> Result<Self, ConfigFault> {
        let fault = |reason: String, remedy: &str| ConfigFault {
            file: file.display().to_string(),
            reason,
            remedy: remedy.to_owned(),
        };
        let about =
            fs::metadata(file).map_err(|e| fault(e.to_string(), "name a readable file; `leckwehr guard --help` shows one"))?;
        if about.len() > CONFIG_BYTES_MAX {
            return Err(fault(
                format!("longer than {CONFIG_BYTES_MAX} bytes"),
                "name the configuration, not another file",
            ));
        }
        let text = fs::read_to_string(file).map_err(|e| fault(e.to_string(), "name a readable file in UTF-8"))?;
        let read: Toml = toml::from_str(&text).map_err(|e| {
            fault(
                e.to_string(),
                "mend the place shown; `leckwehr guard --help` shows every field",
            )
        })?;
        let base = file.parent().unwrap_or(Path::new("")).to_owned();
        let pem = |path: &Path| {
            let path = base.join(path);
            fs::read(&path).map_err(|e| ConfigFault {
                file: path.display().to_string(),
                reason: e.to_string(),
                remedy: "give a PEM file that this user may read".to_owned(),
            })
        };
        let identity = Identity::from_pem(&pem(&read.root)?, &pem(&read.certificate)?, &pem(&read.key)?).map_err(|e| {
            fault(
                chain(&e),
                "certificate, key and root must be PEM; `leckwehr guard keys` makes a set",
            )
        })?;
        let key = |what: &str, hex: &str| {
            let bytes = from_hex(hex).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            let key = bytes.map(VerifyingKey::from_bytes);
            key.ok_or_else(|| {
                fault(
                    format!("{what}: not a public key"),
                    "give the 64 hex digits of an Ed25519 public key",
                )
            })
        };
        let approvers: Result<_, _> = read
            .approvers
            .iter()
            .map(|(name, hex)| Ok((name.clone(), key(name, hex)?)))
            .collect();
        let mut config = Self {
            controller: key("control-room", &read.control_room)?,
            approvers: approvers?,
            name: read.name,
            folder: base.join(read.folder),
            listen: read.listen,
            identity,
            outside: read.outside,
            management: Management {
                interfaces: read.management.interfaces,
                rooms: read.management.rooms,
                port: read.listen.port(),
            },
            ends_flows: read.end_flows,
            interfaces: BTreeMap::new(),
            switches: BTreeMap::new(),
            base,
        };
        for (id, toml) in read.compartments {
            config
                .take(id, toml)
                .map_err(|reason| fault(reason, "give each compartment exactly one way to cut it"))?;
        }
        config.check().map_err(|(reason, remedy)| fault(reason, remedy))?;
        Ok(config)
    }

    fn take(&mut self, id: String, toml: SwitchToml) -> Result<(), String> {
        let ways = [
            toml.interfaces.is_some(),
            toml.freeze.is_some(),
            toml.process.is_some(),
            toml.unit.is_some(),
            toml.command.is_some(),
            toml.manual.is_some(),
            toml.openc2.is_some(),
            toml.network_policy.is_some(),
        ];
        match (ways.iter().filter(|way| **way).count(), &toml.interfaces) {
            (1, Some(interfaces)) => drop(self.interfaces.insert(id, interfaces.clone())),
            (1, None) => drop(self.switches.insert(id, toml)),
            (found, _) => return Err(format!("compartments.{id} has {found} ways to cut it")),
        }
        Ok(())
    }

    /// What would bite in an emergency.
    fn check(&self) -> Result<(), (String, &'static str)> {
        if self.approvers.len() < 2 {
            return Err((
                "fewer than two approvers: no plan can ever be approved".to_owned(),
                "name the public keys of at least two people under [approvers]",
            ));
        }
        for (id, interfaces) in &self.interfaces {
            if let Some(ours) = interfaces.iter().find(|i| self.management.interfaces.contains(i)) {
                return Err((
                    format!("compartments.{id} names {ours}, which is the management path"),
                    "take it out: the management path is never cut",
                ));
            }
        }
        if self.management
            == (Management {
                port: self.management.port,
                ..Management::default()
            })
        {
            return Err((
                "no management path: a cut could lock this guard out".to_owned(),
                "name its interface, or the control room's address, under [management]",
            ));
        }
        Ok(())
    }

    /// Builds the switches that are no interfaces.
    pub fn switches(&self) -> Result<BTreeMap<String, Box<dyn Switch>>, ConfigFault> {
        let mut built = BTreeMap::new();
        for (id, toml) in &self.switches {
            let switch = self.switch(id, toml).map_err(|reason| ConfigFault {
                file: format!("compartments.{id}"),
                reason,
                remedy: "mend this compartment".to_owned(),
            })?;
            built.insert(id.clone(), switch);
        }
        Ok(built)
    }

    fn switch(&self, id: &str, toml: &SwitchToml) -> Result<Box<dyn Switch>, String> {
        let state = || self.folder.join(format!("switch-{}", leckwehr_crypt::hex(id.as_bytes())));
        if let Some(cgroup) = &toml.freeze {
            return Ok(Box::new(FreezeSwitch::new(cgroup.clone())));
        }
        if let Some(pid_file) = &toml.process {
            let root = toml.cgroup_root.clone().unwrap_or_else(|| CGROUP_ROOT.into());
            return Ok(Box::new(ProcessSwitch::new(pid_file.clone(), root, self.folder.clone())));
        }
        if let Some(unit) = &toml.unit {
            let systemctl = toml.systemctl.clone().unwrap_or_else(|| SYSTEMCTL.into());
            return Ok(Box::new(UnitSwitch::new(systemctl, unit.clone())));
        }
        if let Some(command) = toml.command.clone() {
            return Ok(Box::new(CommandSwitch::new(command.read, command.cut, command.restore)));
        }
        if let Some(manual) = toml.manual.clone() {
            let key = from_hex(&manual.key).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            let key = key.map(VerifyingKey::from_bytes).ok_or("key: give 64 hex digits")?;
            let switch = ManualSwitch::new(state(), id.to_owned(), manual.ask_cut, manual.ask_restore, key);
            return Ok(Box::new(switch));
        }
        let file = |path: &Path| {
            let path = self.base.join(path);
            fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        if let Some(openc2) = &toml.openc2 {
            let Some((kind, specifier)) = openc2.target.iter().next().filter(|_| openc2.target.len() == 1) else {
                return Err("target: name exactly one".to_owned());
            };
            Block::traffic(kind, specifier).ok_or("target: no network or connection of OpenC2")?;
            let own = client_tls(&self.identity.trusting(&file(&openc2.root)?).map_err(|e| chain(&e))?);
            let peer = HttpsPeer::new(openc2.address, openc2.name.clone(), own.map_err(|e| chain(&e))?);
            return Ok(Box::new(OpenC2Switch::new(peer, state(), kind, specifier.clone())));
        }
        let policy = toml.network_policy.clone().ok_or("no way to cut it")?;
        let tls = peer_tls(&file(&policy.root)?).map_err(|e| chain(&e))?;
        let switch = NetworkPolicySwitch::new(
            HttpsPeer::new(policy.address, policy.name, tls),
            self.base.join(policy.token_file),
            policy.namespace,
            format!("leckwehr-{}", id.to_lowercase()),
            policy.labels,
        );
        Ok(Box::new(switch))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
