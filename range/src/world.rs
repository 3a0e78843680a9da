use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use leckwehr_crypt::Dice;
use leckwehr_estate::{ConnectionKind, Estate, SystemKind};
use serde::{Deserialize, Serialize};

use crate::cable::{EDGE, GATEWAY};
use crate::director::DrillConfig;
use crate::fabric::Fabric;
use crate::host::HostRole;
use crate::miniature::{MiniatureError, miniature};
use crate::shell::{Accounts, Login};
use crate::topology::CONTROL_NODE;

/// The control room's address on the management cables.
pub const CONTROL: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
/// Port on which agents and guards take orders.
pub const ORDER_PORT: u16 = 7100;
/// Port on which the control room takes telemetry.
pub const TELEMETRY_PORT: u16 = 7200;

/// What the attacker is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Steals, deletes the backups, encrypts, floods.
    Ransom,
    /// Steals and deletes the backups, floods; encrypts nothing.
    Wiper,
}

/// A host outside the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outsider {
    /// Name in the drill.
    pub name: String,
    /// Address.
    pub address: Ipv4Addr,
    /// Connection of the estate over which it comes in; the guard at the edge cuts it under this id.
    pub connection: Option<String>,
}

/// A guard and what lies behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GuardPlace {
    /// System or connection id → interfaces.
    pub compartments: BTreeMap<String, Vec<String>>,
    /// Interfaces that lead outside.
    pub outside: Vec<String>,
}

/// Looks whether a drill can be made of an estate.
pub fn check(config: &DrillConfig) -> Result<(), MiniatureError> {
    World::new(&config.estate, config.hosts, config.seed, &config.folder).map(drop)
}

/// The miniature and everything in it, computed from an estate and a seed.
pub struct World {
    /// The reduced estate.
    pub estate: Estate,
    /// Hosts, in the order of their interfaces `h0`, `h1`, ….
    pub hosts: Vec<HostRole>,
    /// Guards by name; the one at the edge is [`World::edge`].
    pub guards: BTreeMap<String, GuardPlace>,
    /// Name of the guard at the edge.
    pub edge: String,
    /// Outsiders, in the order of their interfaces `x0`, `x1`, ….
    pub outsiders: Vec<Outsider>,
    /// Credential with which the attacker enters: vendor host first, jump host second.
    pub entry: [Login; 2],
    /// The administrator's workstation and its daily logons.
    pub administrator: String,
    /// Account, secret and host of each daily logon.
    pub daily: Vec<(String, Login)>,
    /// Secrets of all administrative accounts.
    pub secrets: Accounts,
}

/// Places of outsiders in [`World::outsiders`] that others ask for by name. Those before [`outsider::MIRROR_A`] are behind the
/// guard at the edge.
pub mod outsider {
    /// The vendor's maintenance host.
    pub const VENDOR: usize = 0;
    /// Where stolen data goes.
    pub const DROP: usize = 2;
    /// First foreign web host.
    pub const MIRROR_A: usize = 6;
    /// Second foreign web host.
    pub const MIRROR_B: usize = 7;
    /// Somebody who reads the status site.
    pub const READER: usize = 8;
    /// The control room's own line to the foreign web hosts.
    pub const CONTROL_LINE: usize = 9;
}

impl World {
    /// Computes the world. Equal arguments give equal worlds.
    pub fn new(estate: &Estate, hosts: usize, seed: u64, folder: &Path) -> Result<Self, MiniatureError> {
        let mut dice = Dice::new(seed, "world");
        let estate = miniature(estate, hosts)?;
        let entry = entries(&estate);
        let (connection, jump) = dice.pick(&entry).cloned().ok_or(MiniatureError::NoEntry)?;
        let edge = estate.connections[&connection]
            .switch
            .as_ref()
            .and_then(|s| s.guard.clone())
            .ok_or(MiniatureError::NoEntry)?;
        let mut world = Self {
            hosts: plain_hosts(&estate, folder),
            guards: BTreeMap::new(),
            outsiders: outsiders(&estate, &connection),
            edge,
            entry: [nobody(), nobody()],
            administrator: String::new(),
            daily: Vec::new(),
            secrets: Accounts::new(),
            estate,
        };
        world.blind_some(&mut dice);
        world.place_guards();
        world.give_accounts(&mut dice);
        world.prepare_entry(&jump, &mut dice);
        world.lay_credentials(&jump, &mut dice);
        world.check()?;
        Ok(world)
    }

    /// Looks for what would only show when the drill runs: names and addresses that two nodes have, and nobody at work.
    fn check(&self) -> Result<(), MiniatureError> {
        let systems = self.hosts.iter().map(|h| ("system", &h.system));
        let mut taken: BTreeMap<&str, &'static str> = BTreeMap::from([(CONTROL_NODE, "the control room")]);
        taken.extend(self.outsiders.iter().map(|o| (o.name.as_str(), "somebody outside")));
        for (what, name) in systems.chain(self.guards.keys().map(|guard| ("guard", guard))) {
            if let Some(other) = taken.insert(name, what) {
                let name = name.clone();
                return Err(MiniatureError::NameTaken { what, name, other });
            }
        }
        for host in &self.hosts {
            let (system, address) = (host.system.clone(), host.address);
            let other = if Fabric::is_management(address) {
                Some("the management network".into())
            } else if [GATEWAY, EDGE].contains(&address) {
                Some("a router".into())
            } else {
                let outside = self.outsiders.iter().find(|o| o.address == address);
                outside.map(|o| format!("{:?}, outside,", o.name))
            };
            if let Some(other) = other {
                return Err(MiniatureError::AddressTaken { system, address, other });
            }
        }
        if self.daily.is_empty() {
            return Err(MiniatureError::NoDailyLogon);
        }
        Ok(())
    }

    /// Returns the host of a system.
    pub fn host(&self, system: &str) -> Option<&HostRole> {
        self.hosts.iter().find(|h| h.system == system)
    }

    /// Returns the outsiders behind the guard at the edge, with their numbers. The others are on the control room's own line,
    /// which is no part of the estate.
    pub fn at_the_edge(&self) -> impl Iterator<Item = (usize, &Outsider)> {
        self.outsiders.iter().enumerate().take(outsider::MIRROR_A)
    }

    /// Returns the first host of a kind.
    pub fn first_of(&self, kind: SystemKind) -> Option<&HostRole> {
        self.hosts.iter().find(|h| h.kind == kind)
    }

    /// One host in three has no sensor for commands and reads.
    fn blind_some(&mut self, dice: &mut Dice) {
        for host in &mut self.hosts {
            host.blind = dice.below(3) == 0;
        }
    }

    fn place_guards(&mut self) {
        for (index, host) in self.hosts.iter().enumerate() {
            let guard = self.estate.guard_of(&host.system).unwrap_or_default().to_owned();
            let place = self.guards.entry(guard).or_default();
            place.compartments.insert(host.system.clone(), vec![format!("h{index}")]);
        }
        let place = self.guards.entry(self.edge.clone()).or_default();
        for (index, outsider) in self.outsiders.iter().enumerate().take(outsider::MIRROR_A) {
            let interface = format!("x{index}");
            if let Some(connection) = &outsider.connection {
                place
                    .compartments
                    .entry(connection.clone())
                    .or_default()
                    .push(interface.clone());
            }
            place.outside.push(interface);
        }
    }

    /// Gives every administrative account of the estate a secret, valid where the estate says; its daily use comes from the
    /// administrator's workstation.
    fn give_accounts(&mut self, dice: &mut Dice) {
        let workstations = self.estate.systems.iter().filter(|(_, s)| s.kind == SystemKind::Workstation);
        let uses = |id: &String| self.estate.accounts.values().filter(|a| a.comes_from.contains(id)).count();
        self.administrator = workstations
            .max_by_key(|(id, _)| uses(id))
            .map(|(id, _)| id.clone())
            .unwrap_or_default();
        let jumps = self
            .hosts
            .iter()
            .filter(|h| h.kind == SystemKind::JumpHost)
            .map(|h| h.system.clone())
            .collect::<BTreeSet<_>>();
        for (name, account) in &mut self.estate.accounts {
            let secret = format!("{:016x}", dice.next_u64());
            let vendors = account.logs_on_to.iter().any(|s| jumps.contains(s));
            if !vendors {
                account.comes_from = vec![self.administrator.clone()];
            }
            for host in self.hosts.iter_mut().filter(|h| account.logs_on_to.contains(&h.system)) {
                let open = !self
                    .estate
                    .zones
                    .get(&self.estate.systems[&host.system].zone)
                    .is_some_and(|z| z.protected);
                if !open || host.kind == SystemKind::BackupVault {
                    continue;
                }
                host.accounts.insert(name.clone(), secret.clone());
                if !vendors && host.system != self.administrator {
                    let login = Login {
                        host: host.address,
                        user: name.clone(),
                        secret: secret.clone(),
                    };
                    self.daily.push((host.system.clone(), login));
                }
            }
            self.secrets.insert(name.clone(), secret);
        }
    }

    /// The vendor's own host, and the vendor's account on the jump host: both in the attacker's hands.
    fn prepare_entry(&mut self, jump: &str, dice: &mut Dice) {
        let jump_host = self.hosts.iter_mut().find(|h| h.system == jump);
        let Some(jump_host) = jump_host else { return };
        let users: Vec<String> = jump_host.accounts.keys().cloned().collect();
        let user = dice.pick(&users).cloned().unwrap_or_else(|| {
            let secret = format!("{:016x}", dice.next_u64());
            jump_host.accounts.insert("vendor-support".into(), secret.clone());
            self.secrets.insert("vendor-support".into(), secret);
            "vendor-support".into()
        });
        let secret = jump_host.accounts.get(&user).cloned().unwrap_or_default();
        let vendor = self.outsiders[outsider::VENDOR].address;
        let own = Login {
            host: vendor,
            user: "field-service".into(),
            secret: format!("{:016x}", dice.next_u64()),
        };
        self.entry = [
            own,
            Login {
                host: jump_host.address,
                user,
                secret,
            },
        ];
    }

    /// Lays cached credentials so that a way leads from the jump host to the backups and the files, over hosts that the
    /// seed chooses, with dead ends beside it.
    fn lay_credentials(&mut self, jump: &str, dice: &mut Dice) {
        let stepping = |h: &&HostRole| {
            use SystemKind::{Application, Database, Directory, Gateway, Mail, Payments, Workstation};
            let kind = matches!(
                h.kind,
                Application | Database | Directory | Gateway | Mail | Payments | Workstation
            );
            kind && h.system != self.administrator && self.daily.iter().any(|(s, _)| *s == h.system)
        };
        let mut steps: Vec<String> = self.hosts.iter().filter(stepping).map(|h| h.system.clone()).collect();
        dice.shuffle(&mut steps);
        steps.truncate(2 + dice.below(3));
        let of_kind = |kind| self.hosts.iter().filter(move |h| h.kind == kind).map(|h| h.system.clone());
        let mut goals: Vec<String> = of_kind(SystemKind::BackupServer).take(1).collect();
        let mut files: Vec<String> = of_kind(SystemKind::FileServer).collect();
        dice.shuffle(&mut files);
        goals.extend(files.into_iter().take(1 + dice.below(2)));
        let mut way: VecDeque<String> = steps.into();
        let mut at = jump.to_owned();
        while let Some(next) = way.pop_front() {
            self.leave_credential(&at, &next, dice);
            at = next;
        }
        for goal in &goals {
            self.leave_credential(&at, goal, dice);
        }
    }

    /// Leaves on `at` what is needed to log on to `next`, and things that lead nowhere.
    fn leave_credential(&mut self, at: &str, next: &str, dice: &mut Dice) {
        let Some((_, login)) = self.daily.iter().find(|(s, _)| s == next).cloned() else {
            return;
        };
        let others: Vec<(String, Ipv4Addr)> = self.hosts.iter().map(|h| (h.system.clone(), h.address)).collect();
        let Some(host) = self.hosts.iter_mut().find(|h| h.system == at) else {
            return;
        };
        host.secrets.insert(login.user.clone(), login.secret.clone());
        if dice.below(2) == 0 {
            host.secrets
                .insert(format!("old-{}", login.user), format!("{:016x}", dice.next_u64()));
        }
        let mut known = vec![(next.to_owned(), login.host)];
        known.extend(dice.pick(&others).cloned());
        for neighbour in known {
            if neighbour.0 != at && !host.neighbours.contains(&neighbour) {
                host.neighbours.push(neighbour);
            }
        }
    }
}

fn nobody() -> Login {
    Login {
        host: Ipv4Addr::UNSPECIFIED,
        user: String::new(),
        secret: String::new(),
    }
}

/// Remote-maintenance connections to a jump host, with the jump host.
fn entries(estate: &Estate) -> Vec<(String, String)> {
    let fits = estate.connections.iter().filter(|(_, c)| {
        let guarded = c.switch.as_ref().is_some_and(|s| s.guard.is_some());
        let jump = estate.systems.get(&c.to).is_some_and(|s| s.kind == SystemKind::JumpHost);
        c.kind == ConnectionKind::RemoteMaintenance && guarded && jump
    });
    fits.map(|(id, c)| (id.clone(), c.to.clone())).collect()
}

fn plain_hosts(estate: &Estate, folder: &Path) -> Vec<HostRole> {
    let address_of = |kind| estate.systems.values().find(|s| s.kind == kind).and_then(|s| s.address);
    let hosts = estate.systems.iter().enumerate().map(|(index, (id, system))| {
        let backed_up = matches!(system.kind, SystemKind::FileServer | SystemKind::BackupServer);
        HostRole {
            system: id.clone(),
            kind: system.kind,
            address: system.address.unwrap_or(Ipv4Addr::UNSPECIFIED),
            management: management(index),
            control: Some(SocketAddrV4::new(CONTROL, TELEMETRY_PORT)),
            blind: false,
            folder: folder.join("hosts").join(id),
            accounts: Accounts::new(),
            users: Accounts::new(),
            neighbours: Vec::new(),
            secrets: Accounts::new(),
            vault: if backed_up {
                address_of(SystemKind::BackupVault)
            } else {
                None
            },
            backend: if system.kind == SystemKind::EauIntake {
                address_of(SystemKind::Payments)
            } else {
                None
            },
            key: None,
        }
    });
    hosts.collect()
}

/// Management address of the node with this number.
pub fn management(index: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(CONTROL) + 255 + index as u32)
}

fn outsiders(estate: &Estate, entry: &str) -> Vec<Outsider> {
    let in_zone = |zone: &str, offset: u32| {
        let network = estate.zones.get(zone).and_then(|z| z.network);
        network.map(|(network, _)| Ipv4Addr::from(u32::from(network) + offset))
    };
    let entry_zone = estate.connections.get(entry).map(|c| c.from.clone()).unwrap_or_default();
    let to_kind = |kind: ConnectionKind| estate.connections.iter().find(|(_, c)| c.kind == kind);
    let from_kind = |kind, fallback: [u8; 4], offset| {
        let found = to_kind(kind).and_then(|(id, c)| {
            let zone = [&c.from, &c.to]
                .into_iter()
                .find(|end| estate.zones.get(*end).is_some_and(|z| z.site.is_none()))?;
            Some((in_zone(zone, offset)?, Some(id.clone())))
        });
        found.unwrap_or((Ipv4Addr::from(fallback), None))
    };
    let practice = from_kind(ConnectionKind::Kim, [198, 19, 0, 20], 20);
    let second = from_kind(ConnectionKind::Kim, [198, 19, 0, 21], 21);
    let insurer = from_kind(ConnectionKind::Api, [198, 18, 64, 20], 20);
    let vendor = in_zone(&entry_zone, 17).unwrap_or(Ipv4Addr::new(198, 18, 1, 17));
    let plain = |name: &str, address: [u8; 4]| Outsider {
        name: name.into(),
        address: address.into(),
        connection: None,
    };
    let named = |name: &str, (address, connection)| Outsider {
        name: name.into(),
        address,
        connection,
    };
    vec![
        named("vendor", (vendor, Some(entry.to_owned()))),
        plain("attacker", [203, 0, 113, 66]),
        plain("drop", [203, 0, 113, 80]),
        named("practice-a", practice),
        named("practice-b", second),
        named("insurer", insurer),
        plain("mirror-a", [198, 51, 100, 11]),
        plain("mirror-b", [198, 51, 100, 12]),
        plain("reader", [203, 0, 113, 20]),
        plain("control-line", [198, 51, 100, 5]),
    ]
}
