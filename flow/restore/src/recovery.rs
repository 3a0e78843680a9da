use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, Need, System};
use leckwehr_incident::Timestamp;

use crate::calendar::{longest, presence};
use crate::order::down;
use crate::outage::{Outage, OutageEffort, OutageProblem, OutageProblemError, Resource, Task, plan_outages};

/// Minutes of one time unit of a recovery.
pub const TASK_UNIT_MINUTES: u32 = 5;
/// To restore a system that has no recipe.
const RESTORE_MINUTES: u32 = 120;
/// Hours of its plain harm that the breach of a service's maximum tolerable period counts for at once.
const BREACH_HOURS: u64 = 24;
/// How often a vital service's harm counts.
const VITAL_FACTOR: u64 = 3;
/// In how many parts work of a whole shift is divided: each fits into a shift even if it takes eight times as long.
const PARTS_PER_SHIFT: u32 = 8;
/// A store's bandwidth, in percent of it.
const WHOLE_STORE_PERCENT: u32 = 100;
/// The resource of places in the clean room.
const CLEAN_ROOM: &str = "clean-room";
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
    /// The problem, in units of [`TASK_UNIT_MINUTES`].
    pub problem: OutageProblem,
    /// What each task is.
    pub work: Vec<Work>,
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
/// is longer than an eighth of a shift can be handed over. Reading a backup back takes its size by the bandwidth of its store, and nobody's time. A circle of needs is
/// broken at one of its members, with a warning. O(needs of the estate · circles).
pub fn recovery(estate: &Estate, lost: &BTreeSet<String>, start: Option<Timestamp>) -> Result<Recovery, OutageProblemError> {
    let mut built = Builder::new(estate, lost, start).build();
    loop {
        let look = OutageEffort {
            evaluations: 1,
            ..OutageEffort::default()
        };
        match plan_outages(&built.problem, &look, &mut || true) {
            Err(OutageProblemError::Circle(task)) => {
                built.problem.tasks[task].after.clear();
                let of = &built.work[task].of;
                built
                    .warnings
                    .push(format!("{of} waits for itself: it is started without what it needs, by hand"));
            }
            Err(other) => return Err(other),
            Ok(_) => return Ok(built),
        }
    }
}

struct Builder<'a> {
    estate: &'a Estate,
    down: BTreeSet<String>,
    built: Recovery,
    /// First and last task of each system, and the task of each service that is needed.
    first: BTreeMap<String, usize>,
    last: BTreeMap<String, usize>,
}

impl<'a> Builder<'a> {
    fn new(estate: &'a Estate, lost: &BTreeSet<String>, start: Option<Timestamp>) -> Self {
        let built = Recovery {
            problem: OutageProblem::default(),
            work: Vec::new(),
            crews: Vec::new(),
            places: Vec::new(),
            services: Vec::new(),
            warnings: Vec::new(),
        };
        Self {
            estate,
            down: down(estate, lost),
            built,
            first: BTreeMap::new(),
            last: BTreeMap::new(),
        }
        .with_resources(start)
        .with_tasks(lost)
    }

    fn with_resources(mut self, start: Option<Timestamp>) -> Self {
        let always = |units: u32| vec![(0, units)];
        let crews = self.estate.crews.iter();
        let crews = crews.map(|(id, crew)| (id.clone(), presence(crew, start, self.estate.utc_offset_minutes)));
        let people = std::iter::once((String::new(), always(HANDS_WITHOUT_CREW))).chain(crews);
        let stores = self
            .estate
            .systems
            .iter()
            .filter(|(_, system)| system.restore_gb_per_hour.is_some());
        let stores = stores.map(|(id, _)| (format!("store:{id}"), always(WHOLE_STORE_PERCENT)));
        let clean_room = self
            .estate
            .clean_room_slots
            .map(|slots| (CLEAN_ROOM.to_owned(), always(slots)));
        let places = stores.chain(clean_room).collect::<Vec<_>>();
        let (mut crews, mut shifts): (Vec<String>, Vec<_>) = people.unzip();
        self.built.crews.append(&mut crews);
        for (place, units) in places {
            self.built.places.push(place);
            shifts.push(units);
        }
        self.built.problem.resources = shifts.into_iter().map(|shifts| Resource { shifts }).collect();
        self
    }

    fn with_tasks(mut self, lost: &BTreeSet<String>) -> Self {
        let ids: Vec<String> = self.down.iter().cloned().collect();
        for id in &ids {
            if self.estate.systems.contains_key(id) {
                self.system(id, lost.contains(id));
            } else {
                self.task(id, "", None, 0, Vec::new());
            }
        }
        self
    }

    fn system(&mut self, id: &str, is_lost: bool) {
        let Some(system) = self.estate.systems.get(id) else { return };
        if !is_lost {
            // It only waits for what it needs.
            self.task(id, "", None, 0, Vec::new());
            return;
        }
        let recipe = system.recipe.as_ref().and_then(|r| self.estate.recipes.get(r));
        match recipe.filter(|r| !r.steps.is_empty()) {
            None => self.work(id, "restore", system.crew.as_deref(), RESTORE_MINUTES, Vec::new()),
            Some(recipe) => {
                for step in &recipe.steps {
                    let room = self.place(CLEAN_ROOM).filter(|_| step.clean_room).map(|room| (room, 1));
                    match self.copying(system).filter(|_| step.restores) {
                        Some((minutes, store)) => {
                            let demand = store.into_iter().chain(room).collect();
                            self.task(id, &step.action, None, minutes, demand);
                        }
                        None => self.work(
                            id,
                            &step.action,
                            system.crew.as_deref(),
                            step.minutes,
                            room.into_iter().collect(),
                        ),
                    }
                }
            }
        }
        if let Some(first) = self.first.get(id) {
            let hours = system.available_after_hours;
            self.built.problem.tasks[*first].release = hours.saturating_mul(60 / TASK_UNIT_MINUTES);
        }
    }

    /// Minutes in which the system's backup is read back, and what that takes of its store; `None` if nothing is known of it.
    fn copying(&self, system: &System) -> Option<(u32, Option<(usize, u32)>)> {
        let set = self.estate.backup_sets.get(system.backup.as_ref()?)?;
        let store = self
            .estate
            .systems
            .get(&set.stored_on)
            .and_then(|store| store.restore_gb_per_hour);
        let rate = set.gb_per_hour.into_iter().chain(store).min()?.max(1);
        let minutes = (u64::from(set.size_gb) * 60).div_ceil(u64::from(rate));
        let share = store.and_then(|whole| {
            let percent = (u64::from(rate) * u64::from(WHOLE_STORE_PERCENT)).div_ceil(u64::from(whole.max(1)));
            let place = self.place(&format!("store:{}", set.stored_on))?;
            Some((place, u32::try_from(percent).unwrap_or(WHOLE_STORE_PERCENT)))
        });
        Some((u32::try_from(minutes).unwrap_or(u32::MAX), share))
    }

    /// The resource of a place.
    fn place(&self, name: &str) -> Option<usize> {
        let at = self.built.places.iter().position(|place| place == name)?;
        Some(self.built.crews.len() + at)
    }

    /// Work of one of a crew, in as many parts as it takes shifts.
    fn work(&mut self, of: &str, action: &str, crew: Option<&str>, minutes: u32, mut demand: Vec<(usize, u32)>) {
        let position = crew.and_then(|crew| self.built.crews.iter().position(|c| c == crew));
        let resource = position.unwrap_or(0);
        if minutes > 0 {
            demand.push((resource, 1));
        }
        let shifts = self.built.problem.resources.get(resource).map(|r| longest(&r.shifts));
        let part = (shifts.unwrap_or(u32::MAX) / PARTS_PER_SHIFT)
            .max(1)
            .saturating_mul(TASK_UNIT_MINUTES);
        let parts = minutes.div_ceil(part).max(1);
        for number in 1..=parts {
            let left = minutes - (number - 1) * part;
            let action = if parts > 1 {
                format!("{action} ({number}/{parts})")
            } else {
                action.to_owned()
            };
            self.task(of, &action, crew, left.min(part), demand.clone());
        }
    }

    fn task(&mut self, of: &str, action: &str, crew: Option<&str>, minutes: u32, demand: Vec<(usize, u32)>) {
        let number = self.built.problem.tasks.len();
        self.built.problem.tasks.push(Task {
            duration: minutes.div_ceil(TASK_UNIT_MINUTES),
            demand,
            release: 0,
            after: self.last.get(of).map(|before| vec![vec![*before]]).unwrap_or_default(),
        });
        self.built.work.push(Work {
            of: of.to_owned(),
            action: action.to_owned(),
            crew: crew.map(str::to_owned),
        });
        self.first.entry(of.to_owned()).or_insert(number);
        self.last.insert(of.to_owned(), number);
    }

    /// Groups of the needs that are not met now.
    fn groups(&self, needs: &[Need]) -> Vec<Vec<usize>> {
        let open = needs.iter().filter(|n| n.any_of.iter().all(|id| self.down.contains(id)));
        let group = |n: &Need| {
            n.any_of
                .iter()
                .filter_map(|id| self.last.get(id).copied())
                .collect::<Vec<usize>>()
        };
        open.map(group).filter(|g| !g.is_empty()).collect()
    }

    fn build(mut self) -> Recovery {
        for (id, first) in self.first.clone() {
            let of_system = self.estate.systems.get(&id).map(|s| s.needs.as_slice());
            let needs = of_system.or(self.estate.services.get(&id).map(|s| s.needs.as_slice()));
            self.built.problem.tasks[first].after = self.groups(needs.unwrap_or_default());
        }
        for (id, service) in self.estate.services.iter().filter(|(id, _)| self.down.contains(*id)) {
            let Some(up) = self.last.get(id) else { continue };
            let per_hour = service.harm_eur_per_hour.max(1) * if service.vital { VITAL_FACTOR } else { 1 };
            let weight = (per_hour * u64::from(TASK_UNIT_MINUTES)).div_ceil(60);
            self.built.problem.outages.push(Outage {
                needs: vec![vec![*up]],
                weight,
                breach_at: service.mtpd_minutes / TASK_UNIT_MINUTES,
                breach_step: per_hour * BREACH_HOURS,
                breach_weight: weight,
            });
            self.built.services.push(id.clone());
        }
        self.built
    }
}
