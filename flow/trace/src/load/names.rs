use std::collections::BTreeMap;

/// Which session on a host a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Session {
    /// The host, in whatever session.
    Any,
    /// A session of which the record does not say whose it is; it may be anybody's.
    Unknown,
    /// The session of an account, by its number.
    As(u32),
}

/// The states that nodes stand for: hosts, and credentials on hosts. Nodes are numbered in order of host, then of account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// In order of name; numbers in order of value before names.
    pub(super) hosts: Vec<String>,
    pub(super) accounts: Vec<String>,
    /// In order; the index is the node.
    pub(super) states: Vec<(u32, Session)>,
    pub(super) by_host: BTreeMap<String, u32>,
}

impl Names {
    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Says whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Returns the host of a node.
    pub fn host(&self, node: u32) -> &str {
        let state = self.states.get(node as usize);
        let host = state.and_then(|(host, _)| self.hosts.get(*host as usize));
        host.map_or("", String::as_str)
    }

    /// Returns the account of a node, if it stands for the session of one.
    pub fn account(&self, node: u32) -> Option<&str> {
        match self.states.get(node as usize)? {
            (_, Session::As(account)) => self.accounts.get(*account as usize).map(String::as_str),
            _ => None,
        }
    }

    /// Returns the text of a node: `host`, `account@host`, or `?@host` for a session of nobody knows whom.
    pub fn text(&self, node: u32) -> String {
        match self.states.get(node as usize) {
            Some((_, Session::Any)) | None => self.host(node).to_owned(),
            Some((_, Session::Unknown)) => format!("?@{}", self.host(node)),
            Some((_, Session::As(_))) => format!("{}@{}", self.account(node).unwrap_or(""), self.host(node)),
        }
    }

    /// Returns the hosts by name, in their order.
    pub fn hosts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// Returns all nodes of a host; none if it is unknown. O(log nodes).
    pub fn nodes_of_host(&self, host: &str) -> std::ops::Range<u32> {
        let Some(host) = self.by_host.get(host) else { return 0..0 };
        let start = self.states.partition_point(|(h, _)| h < host);
        let end = self.states.partition_point(|(h, _)| h <= host);
        start as u32..end as u32
    }

    /// Returns the nodes that stand for a text as the start or end of a way: for `host` all its sessions, for
    /// `account@host` that session, which is on the host too. `None` if there is no such host or session.
    pub fn nodes(&self, text: &str) -> Option<Vec<u32>> {
        let all = self.nodes_of_host(text);
        if !all.is_empty() {
            return Some(all.collect());
        }
        let (_, host) = text.rsplit_once('@')?;
        let on_host = self.nodes_of_host(host);
        let named = |node: &u32| self.text(*node) == text;
        let session = on_host.clone().find(named)?;
        let any = on_host.filter(|node| self.session(*node) == Some(Session::Any));
        Some(any.chain([session]).collect())
    }

    /// Returns which session a node stands for.
    pub fn session(&self, node: u32) -> Option<Session> {
        self.states.get(node as usize).map(|(_, session)| *session)
    }

    pub(super) fn find(&self, host: u32, session: Session) -> Option<u32> {
        self.states.binary_search(&(host, session)).ok().map(|node| node as u32)
    }
}
