use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, System};
use leckwehr_incident::Timestamp;

use crate::calendar::Clock;
use crate::means::{Means, Piece};
use crate::order::down;
use crate::outage::{Chance, OutageProblem, OutageProblemError};
use crate::tasks::Tasks;

/// Minutes of one time unit of an estate's way back.
const TASK_UNIT_MINUTES: u32 = 5;
/// To restore a system that has no recipe.
const RESTORE_MINUTES: u32 = 120;
/// People who work on systems without a crew.
const HANDS_WITHOUT_CREW: u32 = 4;

/// What a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// System, or the service that is up from here on.
    pub of: String,
    /// What is done, in the words of the recipe; empty for a service.
    pub action: String,
    /// Crew that does it.
    pub crew: Option<String>,
}

/// An estate's way back as a scheduling problem, with the names of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The problem, in units of [`Self::unit_minutes`].
    pub problem: OutageProblem,
    /// Minutes of one time unit.
    pub unit_minutes: u32,
    /// What each task is.
    pub work: Vec<Work>,
    /// How the duration of each task can turn out.
    pub chances: Vec<Chance>,
    /// Tasks that are under way, with their start.
    pub fixed: Vec<(usize, u32)>,
    /// Crew of each resource that is people; empty for people without a crew. Resources after these are places: a store's bandwidth
    /// in percent, or the clean room.
    pub crews: Vec<String>,
    /// What the resources after the crews are: `store:SYSTEM`, `clean-room`.
    pub places: Vec<String>,
    /// Service of each outage.
    pub services: Vec<String>,
    /// Circles that had to be broken, one sentence each.
    pub warnings: Vec<String>,
}

/// Turns lost systems into tasks (the steps of their recipes, one of the crew at each), their needs into AND/OR groups, and
/// services that are down into outages: harm per hour, three times that for vital ones, and a breach at the MTPD.
///
/// Crews begin when they are there, and from `start` on keep their shifts; without a start they work around the clock. Work that
/// is longer than an eighth of a shift can be handed over. Reading a backup back takes its size by the bandwidth of its store,
/// and nobody's time. A circle of needs is broken at one of its members, with a warning. O(needs of the estate · circles).
pub fn recovery(estate: &Estate, lost: &BTreeSet<String>, start: Option<Timestamp>) -> Result<Recovery, OutageProblemError> {
    let clock = Clock {
        start,
        utc_offset_minutes: estate.utc_offset_minutes,
        unit_minutes: TASK_UNIT_MINUTES,
    };
    let means = Means::new(estate, clock, HANDS_WITHOUT_CREW, |_, crew| {
        crew.reach_hours.saturating_mul(60)
    });
    let mut tasks = Tasks::new(means, down(estate, lost), BTreeSet::new());
    let systems: Vec<(&String, &System)> = lost.iter().filter_map(|id| estate.systems.get_key_value(id)).collect();
    let mut first_tasks = Vec::with_capacity(systems.len());
    for (id, system) in &systems {
        let (first, last) = tasks.chain(id, pieces(&tasks.means, system), Vec::new(), release(system));
        tasks.back_with(id, last);
        first_tasks.push(first);
    }
    tasks.add_followers(&BTreeMap::new());
    for ((_, system), first) in systems.iter().zip(first_tasks) {
        tasks.waits_for(first, &system.needs);
    }
    tasks.finish().map(|(recovery, _)| recovery)
}

fn pieces(means: &Means<'_>, system: &System) -> Vec<Piece> {
    let by_recipe = means.of_recipe(system);
    by_recipe.unwrap_or_else(|| means.by_hand("restore", system.crew.as_deref(), RESTORE_MINUTES, None, None))
}

fn release(system: &System) -> u32 {
    system.available_after_hours.saturating_mul(60 / TASK_UNIT_MINUTES)
}
