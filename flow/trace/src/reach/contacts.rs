/// Somebody at `from` touched `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// When, in nanoseconds.
    pub at: i64,
    /// Node that opened it.
    pub from: u32,
    /// Node that was touched.
    pub to: u32,
}

/// A run of contacts in order of time, column by column; the columns have equal lengths.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Times in nanoseconds, never falling.
    pub times: &'a [i64],
    /// Nodes that opened the contacts.
    pub froms: &'a [u32],
    /// Nodes that were touched.
    pub tos: &'a [u32],
}

impl<'a> Columns<'a> {
    /// Returns a part of the run; out of range gives what there is.
    pub(crate) fn part(self, from: usize, to: usize) -> Self {
        let to = to.min(self.times.len());
        let from = from.min(to);
        Self {
            times: &self.times[from..to],
            froms: &self.froms[from..to],
            tos: &self.tos[from..to],
        }
    }

    /// Returns the indices of the contacts that have the same time as contact `i`.
    pub(crate) fn tie(self, i: usize) -> std::ops::Range<usize> {
        let at = self.times[i];
        let before = self.times[..i].iter().rev().take_while(|t| **t == at).count();
        let after = self.times[i..].iter().take_while(|t| **t == at).count();
        i - before..i + after
    }

    /// Returns the number of contacts.
    pub fn len(self) -> usize {
        self.times.len()
    }

    /// Says whether there is none.
    pub fn is_empty(self) -> bool {
        self.times.is_empty()
    }
}

/// Contacts in order of time: 16 bytes each, and 4 more if they did not come in that order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contacts {
    times: Vec<i64>,
    froms: Vec<u32>,
    tos: Vec<u32>,
    /// Where each one stood in the input; empty if they came sorted.
    rows: Vec<u32>,
    nodes: usize,
}

impl Contacts {
    /// Most contacts held in memory; more are streamed.
    pub const MAX: usize = u32::MAX as usize;

    /// Sorts contacts by time; equal times keep the order they came in. Contacts beyond [`Contacts::MAX`] are left out:
    /// compare [`Contacts::len`].
    pub fn new(mut contacts: Vec<Contact>) -> Self {
        contacts.truncate(Self::MAX);
        let mut rows = Vec::new();
        if !contacts.is_sorted_by_key(|c| c.at) {
            rows = (0..contacts.len() as u32).collect();
            rows.sort_by_key(|row| contacts[*row as usize].at);
            contacts.sort_by_key(|c| c.at);
        }
        Self {
            times: contacts.iter().map(|c| c.at).collect(),
            froms: contacts.iter().map(|c| c.from).collect(),
            tos: contacts.iter().map(|c| c.to).collect(),
            nodes: contacts.iter().map(|c| c.from.max(c.to) as usize + 1).max().unwrap_or(0),
            rows,
        }
    }

    /// Takes columns that are in order of time already. `None` if they are not, or if their lengths differ.
    pub fn from_columns(times: Vec<i64>, froms: Vec<u32>, tos: Vec<u32>) -> Option<Self> {
        let fits = times.len() == froms.len() && times.len() == tos.len() && times.len() <= Self::MAX;
        let highest = froms.iter().chain(&tos).max().map_or(0, |n| *n as usize + 1);
        (fits && times.is_sorted()).then_some(Self {
            times,
            froms,
            tos,
            rows: Vec::new(),
            nodes: highest,
        })
    }

    /// Returns the number of contacts.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Returns the smallest number of nodes that covers all contacts.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// Returns contact `i` in order of time; behind the end, the last one (a zero contact if there is none).
    pub fn get(&self, i: usize) -> Contact {
        let i = i.min(self.len().saturating_sub(1));
        Contact {
            at: self.times.get(i).copied().unwrap_or(0),
            from: self.froms.get(i).copied().unwrap_or(0),
            to: self.tos.get(i).copied().unwrap_or(0),
        }
    }

    /// Returns where contact `i` stood in the input.
    pub fn row(&self, i: usize) -> usize {
        self.rows.get(i).map_or(i, |row| *row as usize)
    }

    /// Returns the columns.
    pub fn columns(&self) -> Columns<'_> {
        Columns {
            times: &self.times,
            froms: &self.froms,
            tos: &self.tos,
        }
    }

    /// Returns the times in nanoseconds.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// Returns the nodes that opened the contacts.
    pub fn froms(&self) -> &[u32] {
        &self.froms
    }

    /// Returns the nodes that were touched.
    pub fn tos(&self) -> &[u32] {
        &self.tos
    }

    /// Returns the bytes that the columns hold.
    pub fn bytes(&self) -> usize {
        self.len() * 16 + self.rows.len() * 4
    }

    /// Returns the contacts with time and direction turned around: what is forward there is backward here. Times are
    /// negated; contact `i` becomes contact `len − 1 − i`.
    pub fn turned(&self) -> Self {
        Self {
            times: self.times.iter().rev().map(|t| t.saturating_neg()).collect(),
            froms: self.tos.iter().rev().copied().collect(),
            tos: self.froms.iter().rev().copied().collect(),
            rows: (0..self.len()).rev().map(|i| self.row(i) as u32).collect(),
            nodes: self.nodes,
        }
    }

    /// Returns the contacts one by one.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Contact> + '_ {
        (0..self.len()).map(|i| self.get(i))
    }
}

impl FromIterator<Contact> for Contacts {
    fn from_iter<I: IntoIterator<Item = Contact>>(contacts: I) -> Self {
        Self::new(contacts.into_iter().collect())
    }
}
