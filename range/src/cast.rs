use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use leckwehr_contain::TakedownPolicy;
use leckwehr_control::{Config, Input, Mirror};
use leckwehr_crypt::{Authority, Dice, Identity, OpeningKey, SigningKey, VerifyingKey, hex, random_bytes};
use leckwehr_estate::{Estate, SystemKind};
use leckwehr_guard::{Approval, order_key};
use leckwehr_incident::PlanRecord;
use leckwehr_ledger::VerifierKey;

use crate::attacker::AttackRole;
use crate::benign::{PracticeWork, UserWork, initial_documents};
use crate::clock::now;
use crate::director::{DrillConfig, DrillError};
use crate::files::Files;
use crate::host::HostRole;
use crate::node::DROP_PORT;
use crate::part::{OrderRole, Role};
use crate::portal::WEB_PORT;
use crate::service::{EPA_PORT, FILES_PORT, INTAKE_PORT};
use crate::shell::Accounts;
use crate::world::{ORDER_PORT, Scenario, World, management, outsider};

/// Backups that lie on the backup server at the start.
const SNAPSHOTS: usize = 5;
/// What a planned minute takes in a drill, in milliseconds: recipes are written for the real thing.
const MINUTE_MS: u64 = 5;
/// How long a word for a plan counts, in milliseconds.
const APPROVAL_MS: i64 = 3_600_000;
/// People who approve plans in a drill, with keys of their own that the control room does not have.
const APPROVERS: [&str; 2] = ["officer-in-charge", "crisis-manager"];

/// Name under which the control room signs its ledger.
const LEDGER: &str = "leckwehr/control-room";

/// Files as they must be: system → path → SHA-256 values that count as right.
pub type RightFiles = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Who plays what: keys, people and roles of one drill.
pub struct Cast {
    folder: PathBuf,
    seed: u64,
    scenario: Scenario,
    authority: Authority,
    approvers: BTreeMap<String, SigningKey>,
    site_key: SigningKey,
    ledger_key: SigningKey,
    /// Opens what the eAU intake sealed; only core processing and the score have it.
    pub spool_key: OpeningKey,
    /// Users by workstation.
    pub users: BTreeMap<String, UserWork>,
    /// The administrator's workstation.
    pub administrator: String,
    directory: Option<String>,
}

impl Cast {
    /// Makes keys and people for a world.
    pub fn new(config: &DrillConfig, world: &World) -> Result<Self, DrillError> {
        let keys = |error: &dyn std::fmt::Display| DrillError::Keys(error.to_string());
        let mut approvers = BTreeMap::new();
        for name in APPROVERS {
            approvers.insert(name.to_owned(), SigningKey::generate().map_err(|e| keys(&e))?);
        }
        Ok(Self {
            folder: config.folder.clone(),
            seed: config.seed,
            scenario: config.scenario,
            authority: Authority::generate("leckwehr drill").map_err(|e| keys(&e))?,
            approvers,
            site_key: SigningKey::generate().map_err(|e| keys(&e))?,
            ledger_key: SigningKey::generate().map_err(|e| keys(&e))?,
            spool_key: OpeningKey::generate().map_err(|e| keys(&e))?,
            users: users(world, config.seed),
            administrator: world.administrator.clone(),
            directory: directory(&world.estate).map(|id| format!("agent:{id}")),
        })
    }

    /// Lays documents and backups onto the hosts and into the vault, and returns what is right.
    pub fn lay_files(&self, world: &World) -> Result<RightFiles, DrillError> {
        let mut right = RightFiles::new();
        let vault = world
            .first_of(SystemKind::BackupVault)
            .map(|v| Files::open(&v.folder))
            .transpose()?;
        for host in &world.hosts {
            let contents = match host.kind {
                SystemKind::FileServer => initial_documents(&users_of(&self.users, &host.system)),
                SystemKind::BackupServer => snapshots(self.seed),
                _ => continue,
            };
            let files = Files::open(&host.folder)?;
            for (path, content) in contents {
                files.write(&path, &content)?;
                if let Some(vault) = &vault {
                    vault.write(&format!("stock/{}/{path}", host.system), &content)?;
                }
                let digest = files.digest(&path).unwrap_or_default();
                let of_host: &mut BTreeMap<_, _> = right.entry(host.system.clone()).or_default();
                of_host.insert(path, BTreeSet::from([digest]));
            }
        }
        Ok(right)
    }

    /// Returns every node with its role.
    pub fn roles(&self, world: &World) -> Result<Vec<(String, Role)>, DrillError> {
        let mut roles = Vec::new();
        let guards = world.guards.iter().enumerate();
        for (index, (name, place)) in guards {
            let orders = self.orders(name, name, management(world.hosts.len() + index))?;
            roles.push((
                name.clone(),
                Role::Guard {
                    name: name.clone(),
                    place: place.clone(),
                    orders,
                },
            ));
        }
        for host in &world.hosts {
            let orders = self.orders(&format!("agent:{}", host.system), &host.system, host.management)?;
            let user = self.users.get(&host.system).cloned();
            let daily = if host.system == self.administrator {
                world.daily.iter().map(|(_, l)| l.clone()).collect()
            } else {
                Vec::new()
            };
            let host = self.equip(host, world)?;
            roles.push((
                host.system.clone(),
                Role::Host {
                    host: Box::new(host),
                    orders,
                    user,
                    daily,
                },
            ));
        }
        roles.extend(self.outsiders(world)?);
        roles.push(("control".to_owned(), self.control(world)?));
        Ok(roles)
    }

    fn orders(&self, executor: &str, name: &str, management: Ipv4Addr) -> Result<OrderRole, DrillError> {
        let fence = self.folder.join("fences");
        std::fs::create_dir_all(&fence)?;
        Ok(OrderRole {
            executor: executor.to_owned(),
            directory: self.directory.clone(),
            management,
            identity: self.identity(name)?,
            controller: *self.order_key()?.as_bytes(),
            approvers: self.approver_keys(),
            fence: fence.join(name),
        })
    }

    fn order_key(&self) -> Result<VerifyingKey, DrillError> {
        let key = order_key(self.ledger_key.seed()).map_err(|error| DrillError::Keys(error.to_string()))?;
        Ok(key.verifying_key())
    }

    fn approver_keys(&self) -> BTreeMap<String, [u8; 32]> {
        self.approvers
            .iter()
            .map(|(name, key)| (name.clone(), *key.verifying_key().as_bytes()))
            .collect()
    }

    fn identity(&self, name: &str) -> Result<Identity, DrillError> {
        self.authority
            .issue(name)
            .map_err(|error| DrillError::Keys(error.to_string()))
    }

    /// Adds users and keys to a host.
    fn equip(&self, host: &HostRole, _world: &World) -> Result<HostRole, DrillError> {
        let keys = |error: &dyn std::fmt::Display| DrillError::Keys(error.to_string());
        let mut host = host.clone();
        host.users = users_of(&self.users, &host.system);
        host.key = match host.kind {
            SystemKind::EauIntake => Some(*self.spool_key.sealing_key().map_err(|e| keys(&e))?.as_bytes()),
            SystemKind::EpaStore => Some(random_bytes().map_err(|e| keys(&e))?),
            _ => None,
        };
        Ok(host)
    }

    fn outsiders(&self, world: &World) -> Result<Vec<(String, Role)>, DrillError> {
        let at = |index: usize| world.outsiders[index].address;
        let service = |kind, port| {
            let address = world.first_of(kind).map_or(Ipv4Addr::UNSPECIFIED, |h| h.address);
            SocketAddrV4::new(address, port)
        };
        let [own, _] = &world.entry;
        let vendor = HostRole {
            system: "vendor".into(),
            kind: SystemKind::JumpHost,
            address: own.host,
            management: Ipv4Addr::UNSPECIFIED,
            control: None,
            blind: true,
            folder: self.folder.join("outside/vendor"),
            accounts: Accounts::from([(own.user.clone(), own.secret.clone())]),
            users: Accounts::new(),
            neighbours: Vec::new(),
            secrets: Accounts::new(),
            vault: None,
            backend: None,
            key: None,
        };
        let attack = AttackRole {
            entry: world.entry.clone(),
            drop: SocketAddrV4::new(at(outsider::DROP), DROP_PORT),
            portal: service(SystemKind::Portal, WEB_PORT),
            seed: self.seed,
            scenario: self.scenario,
        };
        let practice = |name: &str| Role::Practice {
            work: PracticeWork {
                name: name.into(),
                intake: service(SystemKind::EauIntake, INTAKE_PORT),
            },
        };
        let mirror = |index: usize| Role::Mirror {
            address: at(index),
            token: self.token(),
        };
        let mirrors = [outsider::MIRROR_A, outsider::MIRROR_B]
            .map(|i| SocketAddrV4::new(at(i), WEB_PORT))
            .to_vec();
        let roles = vec![
            Role::Vendor { host: vendor },
            Role::Attacker { attack },
            Role::Drop {
                address: at(outsider::DROP),
            },
            practice("practice-a"),
            practice("practice-b"),
            Role::Insurer {
                epa: service(SystemKind::EpaStore, EPA_PORT),
            },
            mirror(outsider::MIRROR_A),
            mirror(outsider::MIRROR_B),
            Role::Reader {
                mirrors,
                key: *self.site_key.verifying_key().as_bytes(),
            },
        ];
        Ok(world.outsiders.iter().map(|o| o.name.clone()).zip(roles).collect())
    }

    /// Returns the line that verifies the control room's ledger.
    pub fn ledger_key(&self) -> Result<String, DrillError> {
        let key = VerifierKey::new(LEDGER, self.ledger_key.verifying_key());
        key.map(|key| key.to_line())
            .map_err(|error| DrillError::Keys(error.to_string()))
    }

    /// What the foreign hosts want to see: derived from the site's key, so that nobody else has it.
    fn token(&self) -> String {
        hex(&leckwehr_crypt::sha256(self.site_key.seed()))
    }

    fn control(&self, world: &World) -> Result<Role, DrillError> {
        let mut executors: BTreeMap<String, SocketAddrV4> = BTreeMap::new();
        for host in &world.hosts {
            executors.insert(
                format!("agent:{}", host.system),
                SocketAddrV4::new(host.management, ORDER_PORT),
            );
        }
        for (index, name) in world.guards.keys().enumerate() {
            executors.insert(
                name.clone(),
                SocketAddrV4::new(management(world.hosts.len() + index), ORDER_PORT),
            );
        }
        let mirror = |index: usize| Mirror {
            name: world.outsiders[index].name.clone(),
            address: SocketAddrV4::new(world.outsiders[index].address, WEB_PORT),
            token: self.token(),
        };
        let config = Config {
            estate: world.estate.clone(),
            folder: self.folder.join("control"),
            ledger_seed: *self.ledger_key.seed(),
            site_seed: *self.site_key.seed(),
            identity: self.identity("control-room")?,
            executors,
            mirrors: vec![mirror(outsider::MIRROR_A), mirror(outsider::MIRROR_B)],
            vault: world.first_of(SystemKind::BackupVault).map(|v| v.system.clone()),
            policy: TakedownPolicy::default(),
            approvers: self.approver_keys(),
            approvals_min: APPROVERS.len(),
            protocol: None,
            confirmers: Vec::new(),
            life_lines: Vec::new(),
            minute_ms: MINUTE_MS,
        };
        std::fs::create_dir_all(&config.folder)?;
        let hidden = vec![self.folder.join("hosts"), self.folder.join("outside")];
        Ok(Role::Control {
            config: Box::new(config),
            hidden,
        })
    }

    /// Two people look at the plan: it must fit its hash. Each signs with a key that only he holds.
    pub fn approve(&self, plan: &PlanRecord) -> Vec<Input> {
        let until = now().plus_ms(APPROVAL_MS);
        let words = self
            .approvers
            .iter()
            .filter(|_| plan.is_sealed())
            .map(|(name, key)| Input::Approved {
                hash: plan.hash.clone(),
                approval: Approval::sign(name, key, &plan.hash, Some(until)),
            });
        words.collect()
    }
}

/// The directory that changes secrets: a root of trust if there is one.
fn directory(estate: &Estate) -> Option<String> {
    let directories = estate.systems.iter().filter(|(_, s)| s.kind == SystemKind::Directory);
    directories
        .min_by_key(|(id, s)| (!s.root_of_trust, *id))
        .map(|(id, _)| id.clone())
}

/// Every workstation but the administrator's has a user, each with a file server.
fn users(world: &World, seed: u64) -> BTreeMap<String, UserWork> {
    let mut dice = Dice::new(seed, "users");
    let servers: Vec<&HostRole> = world.hosts.iter().filter(|h| h.kind == SystemKind::FileServer).collect();
    let portal = world
        .first_of(SystemKind::Portal)
        .map_or(Ipv4Addr::UNSPECIFIED, |h| h.address);
    let workstations = world
        .hosts
        .iter()
        .filter(|h| h.kind == SystemKind::Workstation && h.system != world.administrator);
    let work = workstations.enumerate().filter_map(|(index, host)| {
        let server = servers.get(index % servers.len().max(1))?;
        let work = UserWork {
            user: format!("user-{index:03}"),
            secret: format!("{:016x}", dice.next_u64()),
            files: SocketAddrV4::new(server.address, FILES_PORT),
            system: server.system.clone(),
            portal: SocketAddrV4::new(portal, WEB_PORT),
            seed,
        };
        Some((host.system.clone(), work))
    });
    work.collect()
}

fn users_of(users: &BTreeMap<String, UserWork>, system: &str) -> Accounts {
    users
        .values()
        .filter(|u| u.system == system)
        .map(|u| (u.user.clone(), u.secret.clone()))
        .collect()
}

/// Backups as they lie on the backup server: lists of what was saved, as plain text.
fn snapshots(seed: u64) -> BTreeMap<String, Vec<u8>> {
    let snapshot = |number: usize| {
        let mut dice = Dice::new(seed, &format!("snapshot {number}"));
        let lines = (0..200).map(|line| format!("saved block {line} of night {number}: {:08}\n", dice.below(100_000_000)));
        (format!("snapshots/night-{number:02}"), lines.collect::<String>().into_bytes())
    };
    (1..=SNAPSHOTS).map(snapshot).collect()
}
