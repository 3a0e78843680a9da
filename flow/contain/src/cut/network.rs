/// Weight of what may not be cut, or cannot.
pub const NEVER: u64 = u64::MAX;
/// Largest weight of anything that may be cut, in units of harm; what weighs more counts as this much. With it the sum over
/// [`PARTS_MAX`] parts stays below 2⁶².
pub const WEIGHT_MAX: u64 = 1 << 38;
/// Vertices and links that one network may have.
pub const PARTS_MAX: usize = 1 << 24;

/// A directed way between two vertices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Vertex it leaves.
    pub from: u32,
    /// Vertex it enters.
    pub to: u32,
    /// Cost of cutting it, in both directions at once; [`NEVER`] if it may not be cut.
    pub weight: u64,
    /// Whether it can be taken from `to` to `from` as well.
    pub both_ways: bool,
}

/// What an attacker can walk on: vertices and links, each with the cost of cutting it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Cost of cutting each vertex off; [`NEVER`] if it may not be.
    pub vertices: Vec<u64>,
    /// The ways between them. Ends beyond the vertices are refused by the solver.
    pub links: Vec<Link>,
}

/// Something that can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A vertex by number.
    Vertex(u32),
    /// A link by number.
    Link(u32),
}

impl Network {
    /// Returns the cost of cutting a part; [`NEVER`] for one that is not there.
    pub fn weight(&self, part: Part) -> u64 {
        match part {
            Part::Vertex(v) => self.vertices.get(v as usize).copied().unwrap_or(NEVER),
            Part::Link(l) => self.links.get(l as usize).map_or(NEVER, |link| link.weight),
        }
    }

    /// Changes the cost of cutting a part.
    pub fn weigh(&mut self, part: Part, weight: u64) {
        match part {
            Part::Vertex(v) => self.vertices.get_mut(v as usize).map(|w| *w = weight),
            Part::Link(l) => self.links.get_mut(l as usize).map(|link| link.weight = weight),
        };
    }
}
