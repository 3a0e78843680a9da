use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use leckwehr_detect::{AddressBook, Place};

use super::account::{FileAccount, LoadAccount, NAMED_MAX, Refusal};
use super::error::LoadError;
use super::names::Names;
use super::session::{Credentials, weave};
use super::{LoadOptions, Loaded};
use crate::reach::{Contact, Contacts};

/// Hosts, accounts, node numbers and states, each: more are refused.
pub const NODES_MAX: u32 = 1 << 24;
/// Contacts held in memory; more are refused, or streamed with [`super::ParquetContacts`].
pub const CONTACTS_MAX: usize = 200_000_000;
/// 1990-01-01 in nanoseconds: no log that is read here is older.
pub(super) const EARLIEST_NS: i64 = 631_152_000_000_000_000;
/// Clocks may be wrong by a day.
pub(super) const LATE_NS_MAX: i64 = 86_400_000_000_000;

/// A host as a record names it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node<'a> {
    Text(&'a str),
    Number(i64),
}

/// A contact as a record gives it; what is missing is empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) at: Option<i64>,
    pub(super) from: Node<'a>,
    pub(super) to: Node<'a>,
    /// Account of the session that arrives.
    pub(super) account: &'a str,
    /// Account of the session that opened it.
    pub(super) by: &'a str,
    pub(super) took_ns: i64,
}

/// Accounts of a kept record, as numbers; [`NO_ACCOUNT`] if it does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accounts {
    pub(super) account: u32,
    pub(super) by: u32,
}

pub(super) const NO_ACCOUNT: u32 = u32::MAX;

/// Where records stood: runs of neighbours, and which record each contact is from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// First record of the run, its file and its row.
    runs: Vec<(usize, usize, u64)>,
    /// Record of each contact; empty if they are the same.
    pub(super) records: Vec<u32>,
}

impl Places {
    pub(super) fn record(&self, contact: usize) -> Option<usize> {
        match self.records.is_empty() {
            true => Some(contact),
            false => self.records.get(contact).map(|record| *record as usize),
        }
    }

    pub(super) fn place(&self, record: usize) -> Option<(usize, u64)> {
        let run = self.runs.partition_point(|(first, ..)| *first <= record).checked_sub(1)?;
        let (first, file, row) = self.runs.get(run)?;
        Some((*file, row + (record - first) as u64))
    }

    fn add(&mut self, record: usize, file: usize, row: u64) {
        let follows = |(first, f, r): &(usize, usize, u64)| *f == file && *r + (record - first) as u64 == row;
        if !self.runs.last().is_some_and(follows) {
            self.runs.push((record, file, row));
        }
    }
}

/// Collects records, numbers what they name, and keeps the account.
pub(super) struct Gather<'e> {
    options: LoadOptions<'e>,
    book: Option<AddressBook>,
    hosts: Numbered,
    accounts: Numbered,
    /// Host of a node number, as a number one higher.
    numbers: Vec<u32>,
    contacts: Vec<Contact>,
    /// As long as `contacts`, or empty where credentials do not matter.
    sessions: Vec<Accounts>,
    account: LoadAccount,
    places: Places,
    /// Latest time of each file so far.
    newest: BTreeMap<usize, i64>,
    unknown: BTreeSet<String>,
    file: usize,
}

impl<'e> Gather<'e> {
    pub(super) fn new(options: LoadOptions<'e>) -> Self {
        Self {
            options,
            book: options.estate.map(AddressBook::new),
            hosts: Numbered::default(),
            accounts: Numbered::default(),
            numbers: Vec::new(),
            contacts: Vec::new(),
            sessions: Vec::new(),
            account: LoadAccount::default(),
            places: Places::default(),
            newest: BTreeMap::new(),
            unknown: BTreeSet::new(),
            file: 0,
        }
    }

    pub(super) fn options(&self) -> LoadOptions<'e> {
        self.options
    }

    pub(super) fn kept(&self) -> u64 {
        self.account.kept
    }

    /// What follows is from this file.
    pub(super) fn begin(&mut self, path: &str) {
        let known = self.account.files.iter().position(|file| file.path == path);
        self.file = known.unwrap_or_else(|| {
            self.account.files.push(FileAccount {
                path: path.to_owned(),
                ..FileAccount::default()
            });
            self.account.files.len() - 1
        });
    }

    /// What follows is from the file of this name, without its folder; the first one of them.
    pub(super) fn begin_source(&mut self, source: &str) {
        let is_source = |path: &str| Path::new(path).file_name().is_some_and(|name| name == source) || path == source;
        if self.account.files.get(self.file).is_some_and(|file| is_source(&file.path)) {
            return;
        }
        match self.account.files.iter().position(|file| is_source(&file.path)) {
            Some(file) => self.file = file,
            None => self.begin(source),
        }
    }

    /// Contacts that the file has given so far.
    pub(super) fn kept_of_file(&self) -> u64 {
        self.account.files.get(self.file).map_or(0, |file| file.kept)
    }

    pub(super) fn lose_rest(&mut self, path: &Path, error: &LoadError) {
        self.begin(&path.display().to_string());
        if let Some(file) = self.account.files.get_mut(self.file) {
            file.unread = Some(error.to_string());
        }
    }

    pub(super) fn beside(&mut self, records: u64) {
        self.account.beside = self.account.beside.saturating_add(records);
    }

    pub(super) fn refuse(&mut self, reason: Refusal, row: u64, records: u64) {
        self.account.refuse(reason, self.file, row, records);
    }

    /// Keeps or refuses one record.
    pub(super) fn take(&mut self, row: u64, given: &Given<'_>) {
        if let Err(reason) = self.try_take(row, given) {
            self.refuse(reason, row, 1);
        }
    }

    fn try_take(&mut self, row: u64, given: &Given<'_>) -> Result<(), Refusal> {
        let at = self.time(given)?;
        if self.contacts.len() >= CONTACTS_MAX {
            return Err(Refusal::TooManyContacts);
        }
        let (from, to) = (self.host(given.from)?, self.host(given.to)?);
        if self.options.credentials != Credentials::Hosts {
            let account = self.account_number(given.account)?;
            let by = self.account_number(given.by)?;
            self.sessions.push(Accounts { account, by });
        }
        self.places.add(self.contacts.len(), self.file, row);
        self.contacts.push(Contact { at, from, to });
        self.account.keep(self.file);
        let newest = self.newest.entry(self.file).or_insert(at);
        if at < *newest {
            self.account.unsorted += 1;
        }
        *newest = at.max(*newest);
        Ok(())
    }

    fn time(&self, given: &Given<'_>) -> Result<i64, Refusal> {
        let at = given.at.ok_or(Refusal::NoTime)?;
        if at < EARLIEST_NS {
            return Err(Refusal::TooEarly);
        }
        if self.options.now.is_some_and(|now| at > now.0.saturating_add(LATE_NS_MAX)) {
            return Err(Refusal::TooLate);
        }
        if given.took_ns < 0 {
            return Err(Refusal::EndsBeforeItBegins);
        }
        Ok(at)
    }

    fn host(&mut self, node: Node<'_>) -> Result<u32, Refusal> {
        match node {
            Node::Text(text) => self.host_by_name(text),
            Node::Number(number) => {
                let number = u32::try_from(number).map_err(|_| Refusal::NodeNumber)?;
                let slot = number as usize;
                if number >= NODES_MAX {
                    return Err(Refusal::NodeNumber);
                }
                if slot >= self.numbers.len() {
                    self.numbers.resize(slot + 1, 0);
                }
                if let Some(host) = self.numbers.get(slot).and_then(|known| known.checked_sub(1)) {
                    return Ok(host);
                }
                let host = self.host_by_name(&number.to_string())?;
                if let Some(known) = self.numbers.get_mut(slot) {
                    *known = host + 1;
                }
                Ok(host)
            }
        }
    }

    fn host_by_name(&mut self, text: &str) -> Result<u32, Refusal> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Refusal::NoHost);
        }
        let name = self.book.as_ref().map_or(text, |book| book.system_or_text(text));
        let before = self.hosts.texts.len();
        let host = self.hosts.number(name)?;
        let is_new = self.hosts.texts.len() > before;
        let place = self.book.as_ref().filter(|_| is_new).map(|book| book.place(text));
        if let Some(Place::Nowhere | Place::Inside) = place {
            self.account.unknown_hosts += 1;
            self.unknown.insert(text.to_owned());
            if self.unknown.len() > NAMED_MAX {
                self.unknown.pop_last();
            }
        }
        Ok(host)
    }

    fn account_number(&mut self, text: &str) -> Result<u32, Refusal> {
        match text.trim() {
            "" | "-" => Ok(NO_ACCOUNT),
            text => self.accounts.number(text),
        }
    }

    /// Numbers the states and weaves the records into contacts between them.
    pub(super) fn finish(mut self) -> Result<Loaded, LoadError> {
        self.account.unknown_names = self.unknown.into_iter().collect();
        let (hosts, new_host) = self.hosts.in_order();
        let (accounts, new_account) = self.accounts.in_order();
        let new = |order: &[u32], old: u32| order.get(old as usize).copied().unwrap_or(NO_ACCOUNT);
        for contact in &mut self.contacts {
            contact.from = new(&new_host, contact.from);
            contact.to = new(&new_host, contact.to);
        }
        for session in &mut self.sessions {
            session.account = new(&new_account, session.account);
            session.by = new(&new_account, session.by);
        }
        let by_host = hosts.iter().cloned().zip(0..).collect();
        let mut names = Names {
            hosts,
            accounts,
            states: Vec::new(),
            by_host,
        };
        let woven = weave(self.options.credentials, self.contacts, &self.sessions, &mut names)?;
        self.places.records = woven.records;
        Ok(Loaded {
            contacts: Contacts::new(woven.contacts),
            names,
            account: self.account,
            places: self.places,
        })
    }
}

/// Texts numbered in the order in which they first came.
#[derive(Default)]
struct Numbered {
    texts: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Numbered {
    fn number(&mut self, text: &str) -> Result<u32, Refusal> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        let number = self.texts.len() as u32;
        if number >= NODES_MAX {
            return Err(Refusal::TooManyNodes);
        }
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        Ok(number)
    }

    /// Returns the texts in order, numbers by value before names, and the new number of each old one.
    fn in_order(self) -> (Vec<String>, Vec<u32>) {
        let mut old: Vec<(Option<u64>, String, u32)> = Vec::with_capacity(self.texts.len());
        old.extend(
            self.texts
                .into_iter()
                .zip(0..)
                .map(|(text, number)| (text.parse().ok(), text, number)),
        );
        old.sort_by(|a, b| (a.0.is_none(), &a.0, &a.1).cmp(&(b.0.is_none(), &b.0, &b.1)));
        let mut new = vec![0; old.len()];
        for (number, (_, _, was)) in old.iter().enumerate() {
            if let Some(slot) = new.get_mut(*was as usize) {
                *slot = number as u32;
            }
        }
        (old.into_iter().map(|(_, text, _)| text).collect(), new)
    }
}
