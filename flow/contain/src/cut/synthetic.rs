use leckwehr_crypt::Dice;

use super::network::{Link, NEVER, Network};

/// Systems of one made-up zone.
const ZONE_SYSTEMS: u32 = 200;

/// A made-up network of the shape of an estate, with the attacker at one end and what is protected at the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntheticNetwork {
    /// Vertices and links.
    pub network: Network,
    /// Where the attacker may be.
    pub sources: Vec<u32>,
    /// What is protected.
    pub targets: Vec<u32>,
}

impl SyntheticNetwork {
    /// Makes zones of systems: eight of ten connections stay within a zone or lead to the next one, the others lead anywhere.
    /// One system in 100 and one connection in 100 may not be cut. The attacker is in the first zone, what is protected in
    /// the middle one. Everything follows from `seed`. O(systems + connections).
    pub fn new(systems: u32, connections: u32, seed: u64) -> Self {
        let mut dice = Dice::new(seed, "synthetic network");
        let systems = systems.max(8);
        let end = (systems / 2).clamp(1, ZONE_SYSTEMS / 2);
        let sources: Vec<u32> = (0..end).step_by(4).collect();
        let targets: Vec<u32> = (systems / 2..systems / 2 + end).step_by(4).collect();
        let mut weight = |top: usize| match dice.below(100) {
            0 => NEVER,
            _ => 1 + dice.below(top) as u64,
        };
        let vertices: Vec<u64> = (0..systems).map(|_| weight(1_000)).collect();
        let mut links = Vec::with_capacity(connections as usize);
        for _ in 0..connections {
            let from = dice.below(systems as usize) as u32;
            let near = from + dice.below(ZONE_SYSTEMS as usize * 2) as u32;
            let to = if dice.below(10) < 8 {
                near % systems
            } else {
                dice.below(systems as usize) as u32
            };
            let weight = match dice.below(100) {
                0 => NEVER,
                _ => 1 + dice.below(1_000) as u64,
            };
            links.push(Link {
                from,
                to,
                weight,
                both_ways: dice.below(4) == 0,
            });
        }
        let mut network = Network { vertices, links };
        for end in sources.iter().chain(&targets) {
            network.vertices[*end as usize] = NEVER;
        }
        Self {
            network,
            sources,
            targets,
        }
    }
}
