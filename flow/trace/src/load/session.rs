use std::collections::HashSet;

use super::error::LoadError;
use super::gather::{Accounts, NO_ACCOUNT, NODES_MAX};
use super::names::{Names, Session};
use crate::reach::Contact;

/// What an attacker who holds a host has in hand there.
///
/// A record says: at this time, from host A, a session of account `by` opened a contact to host B, which arrived there as
/// `account`. `by` is `account` if the record gives nothing else; on one host (A = B: runas, event 4648, a local log-on) it
/// is whoever was there. By hand, with ws, fs and db, and `ann` → fs at 1 s, `bob` from fs → db at 2 s, attacker on ws:
///
/// | | from `ann@ws` |
/// |---|---|
/// | wide | fs, and from 2 s on `bob@fs`, which gives db |
/// | narrow | `ann@fs`; db only if a record shows a switch from `ann` to `bob` on fs |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Credentials {
    /// Nodes are hosts, accounts are not looked at. One contact a record.
    Hosts,
    /// A held host gives all credentials in use on it, because whoever is administrator there reads them from memory. Hosts
    /// are reached as with [`Credentials::Hosts`]; the nodes `account@host` say beside that from when on a credential was
    /// within grasp, there. An upper bound. Up to three contacts a record.
    #[default]
    Wide,
    /// Only the session is followed: a contact is passed on by a session of the account that opened it, and a switch of
    /// accounts needs a record. No upper bound, because switches are seldom recorded (event 4648 in 2 of 29 captures): what
    /// is not reached is not excluded. A record without an account may be of any session that is there, and what it opens
    /// may become any session.
    Narrow,
}

/// Contacts between states, and the record that each one is from (empty: its own number).
pub(super) struct Woven {
    pub(super) contacts: Vec<Contact>,
    pub(super) records: Vec<u32>,
}

/// Turns records between hosts into contacts between states, and numbers the states.
pub(super) fn weave(
    credentials: Credentials,
    records: Vec<Contact>,
    sessions: &[Accounts],
    names: &mut Names,
) -> Result<Woven, LoadError> {
    let hosts = 0..names.hosts.len() as u32;
    if credentials == Credentials::Hosts {
        names.states = hosts.map(|host| (host, Session::Any)).collect();
        return Ok(Woven {
            contacts: records,
            records: Vec::new(),
        });
    }
    let opaque = Opaque::of(names.hosts.len(), &records, sessions);
    let each = |step: &mut dyn FnMut(u32, &Contact, State, State)| {
        for (number, (record, accounts)) in records.iter().zip(sessions).enumerate() {
            let mut step = |from, to| step(number as u32, record, from, to);
            match credentials {
                Credentials::Narrow => narrow(record, *accounts, &opaque, &mut step),
                _ => wide(record, *accounts, &mut step),
            }
        }
    };
    let mut seen: HashSet<State> = hosts.map(|host| (host, Session::Any)).collect();
    each(&mut |_, _, from, to| seen.extend([from, to]));
    let mut states: Vec<State> = seen.into_iter().collect();
    states.sort_unstable();
    if states.len() > NODES_MAX as usize {
        return Err(LoadError::TooManyStates);
    }
    names.states = states;
    let (mut contacts, mut rows) = (Vec::new(), Vec::new());
    each(&mut |number, record, from, to| {
        if let (Some(from), Some(to)) = (names.find(from.0, from.1), names.find(to.0, to.1)) {
            contacts.push(Contact { at: record.at, from, to });
            rows.push(number);
        }
    });
    Ok(Woven { contacts, records: rows })
}

type State = (u32, Session);

fn session(account: u32) -> Option<Session> {
    (account != NO_ACCOUNT).then_some(Session::As(account))
}

/// Who opened it: as the record says, else on another host whoever arrives there, else nobody knows.
fn opener(record: &Contact, accounts: Accounts) -> Option<Session> {
    let arriving = session(accounts.account).filter(|_| record.from != record.to);
    session(accounts.by).or(arriving)
}

/// A contact of a host with itself that names no account changes nothing.
fn says_nothing(record: &Contact, accounts: Accounts) -> bool {
    record.from == record.to && accounts.account == NO_ACCOUNT
}

fn wide(record: &Contact, accounts: Accounts, step: &mut dyn FnMut(State, State)) {
    let (from, to) = ((record.from, Session::Any), (record.to, Session::Any));
    step(from, to);
    if let Some(opener) = opener(record, accounts) {
        step(from, (record.from, opener));
    }
    if let Some(arriving) = session(accounts.account) {
        step(to, (record.to, arriving));
    }
}

/// Hosts where some session is of nobody knows whom.
struct Opaque {
    /// Something arrived there without an account: it may be anybody.
    arrived: Vec<bool>,
    /// Something was opened there without an account: by anybody who is there.
    opened: Vec<bool>,
}

impl Opaque {
    fn of(hosts: usize, records: &[Contact], sessions: &[Accounts]) -> Self {
        let mut opaque = Self {
            arrived: vec![false; hosts],
            opened: vec![false; hosts],
        };
        let mark = |list: &mut Vec<bool>, host: u32| {
            if let Some(slot) = list.get_mut(host as usize) {
                *slot = true;
            }
        };
        for (record, accounts) in records.iter().zip(sessions) {
            if says_nothing(record, *accounts) {
                continue;
            }
            if accounts.account == NO_ACCOUNT {
                mark(&mut opaque.arrived, record.to);
            }
            if opener(record, *accounts).is_none() {
                mark(&mut opaque.opened, record.from);
            }
        }
        opaque
    }
}

fn narrow(record: &Contact, accounts: Accounts, opaque: &Opaque, step: &mut dyn FnMut(State, State)) {
    if says_nothing(record, accounts) {
        return;
    }
    let is = |list: &[bool], host: u32| list.get(host as usize).copied().unwrap_or(false);
    let to = (record.to, session(accounts.account).unwrap_or(Session::Unknown));
    match opener(record, accounts) {
        Some(opener) => {
            step((record.from, opener), to);
            if is(&opaque.arrived, record.from) {
                step((record.from, Session::Unknown), to);
            }
        }
        None => step((record.from, Session::Any), to),
    }
    if is(&opaque.opened, record.to) {
        step(to, (record.to, Session::Any));
    }
}
