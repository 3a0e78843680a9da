use leckwehr_estate::{Crew, Estate, RecipeStep, System};

use crate::calendar::{Clock, longest, presence};
use crate::outage::Resource;

/// In how many parts work of a whole shift is divided: each fits into a shift even if it takes eight times as long.
const PARTS_PER_SHIFT: u32 = 8;
/// A store's bandwidth, in percent of it.
const WHOLE_STORE_PERCENT: u32 = 100;
/// The resource of places in the clean room.
const CLEAN_ROOM: &str = "clean-room";

/// What work takes: people in shifts, bandwidth of stores, places in the clean room. Resources are people first, then places.
pub(crate) struct Means<'a> {
    pub estate: &'a Estate,
    pub clock: Clock,
    /// Crew of each resource that is people; the first, without a name, for work without a crew.
    pub crews: Vec<String>,
    /// What the resources after the crews are: `store:SYSTEM`, `clean-room`.
    pub places: Vec<String>,
    pub resources: Vec<Resource>,
}

/// Work that is done without interruption.
pub(crate) struct Piece {
    pub action: String,
    pub crew: Option<String>,
    pub minutes: u32,
    /// Resource (position) and units held meanwhile.
    pub demand: Vec<(usize, u32)>,
    /// Part of the same step as the piece before it: they turn out alike.
    pub goes_on: bool,
    /// What the estate says of its duration: optimistic, most likely and pessimistic percent of the planned time.
    pub estimate: Option<(u32, u32, u32)>,
}

impl Piece {
    /// Takes no time and nobody.
    pub fn nothing() -> Self {
        Self {
            action: String::new(),
            crew: None,
            minutes: 0,
            demand: Vec::new(),
            goes_on: false,
            estimate: None,
        }
    }
}

impl<'a> Means<'a> {
    /// `there` says after how many minutes a crew is there; `hands` are people for work without a crew.
    pub fn new(estate: &'a Estate, clock: Clock, hands: u32, there: impl Fn(&str, &Crew) -> u32) -> Self {
        let mut means = Self {
            estate,
            clock,
            crews: vec![String::new()],
            places: Vec::new(),
            resources: vec![always(hands.max(1))],
        };
        for (id, crew) in &estate.crews {
            let shifts = presence(crew, &clock, there(id, crew));
            means.crews.push(id.clone());
            means.resources.push(Resource { shifts });
        }
        let stores = estate
            .systems
            .iter()
            .filter(|(_, system)| system.restore_gb_per_hour.is_some());
        let stores = stores.map(|(id, _)| (store(id), WHOLE_STORE_PERCENT));
        let clean_room = estate.clean_room_slots.map(|slots| (CLEAN_ROOM.to_owned(), slots));
        for (place, units) in stores.chain(clean_room) {
            means.places.push(place);
            means.resources.push(always(units));
        }
        means
    }

    /// The pieces of a system's recipe, if it has one.
    pub fn of_recipe(&self, system: &System) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        for step in recipe_steps(self.estate, system)? {
            let room = self.place(CLEAN_ROOM).filter(|_| step.clean_room).map(|room| (room, 1));
            match copying(self.estate, system).filter(|_| step.restores) {
                Some(copying) => {
                    let taken = copying
                        .store
                        .and_then(|(id, percent)| Some((self.place(&store(id))?, percent)));
                    pieces.push(Piece {
                        action: step.action.clone(),
                        crew: None,
                        minutes: copying.minutes,
                        demand: taken.into_iter().chain(room).collect(),
                        goes_on: false,
                        estimate: step.estimate_percent(),
                    });
                }
                None => pieces.extend(self.by_hand(
                    &step.action,
                    system.crew.as_deref(),
                    step.minutes,
                    room,
                    step.estimate_percent(),
                )),
            }
        }
        Some(pieces)
    }

    /// Work of one of a crew, in as many pieces as it takes shifts; at least one.
    pub fn by_hand(
        &self,
        action: &str,
        crew: Option<&str>,
        minutes: u32,
        place: Option<(usize, u32)>,
        estimate: Option<(u32, u32, u32)>,
    ) -> Vec<Piece> {
        let position = crew.and_then(|crew| self.crews.iter().position(|c| c == crew));
        let resource = position.unwrap_or(0);
        let mut demand: Vec<(usize, u32)> = place.into_iter().collect();
        if minutes > 0 {
            demand.push((resource, 1));
        }
        let shift = self.resources.get(resource).map_or(u32::MAX, |r| longest(&r.shifts));
        let part = (shift / PARTS_PER_SHIFT)
            .max(1)
            .saturating_mul(self.clock.unit_minutes.max(1));
        let parts = minutes.div_ceil(part).max(1);
        let piece = |number: u32| Piece {
            action: match parts {
                1 => action.to_owned(),
                _ => format!("{action} ({number}/{parts})"),
            },
            crew: crew.map(str::to_owned),
            minutes: (minutes - (number - 1) * part).min(part),
            demand: demand.clone(),
            goes_on: number > 1,
            estimate,
        };
        (1..=parts).map(piece).collect()
    }

    /// The resource of a place.
    fn place(&self, name: &str) -> Option<usize> {
        let at = self.places.iter().position(|place| place == name)?;
        Some(self.crews.len() + at)
    }
}

/// Minutes of work of a system's recipe, one step after the other; `None` if it has none.
pub(crate) fn recipe_minutes(estate: &Estate, system: &System) -> Option<u32> {
    let minutes = |step: &RecipeStep| match copying(estate, system).filter(|_| step.restores) {
        Some(copying) => copying.minutes,
        None => step.minutes,
    };
    let steps = recipe_steps(estate, system)?;
    Some(steps.iter().map(minutes).fold(0, u32::saturating_add))
}

fn recipe_steps<'e>(estate: &'e Estate, system: &System) -> Option<&'e [RecipeStep]> {
    let recipe = estate.recipes.get(system.recipe.as_ref()?)?;
    (!recipe.steps.is_empty()).then_some(recipe.steps.as_slice())
}

/// How long a system's backup is read back, and which percentage of its store that takes.
struct Copying<'e> {
    minutes: u32,
    store: Option<(&'e str, u32)>,
}

/// `None` if nothing is known of the speed.
fn copying<'e>(estate: &'e Estate, system: &System) -> Option<Copying<'e>> {
    let set = estate.backup_sets.get(system.backup.as_ref()?)?;
    let store = estate.systems.get(&set.stored_on).and_then(|store| store.restore_gb_per_hour);
    let rate = set.gb_per_hour.into_iter().chain(store).min()?.max(1);
    let minutes = (u64::from(set.size_gb) * 60).div_ceil(u64::from(rate));
    let share = |whole: u32| {
        let percent = (u64::from(rate) * u64::from(WHOLE_STORE_PERCENT)).div_ceil(u64::from(whole.max(1)));
        (set.stored_on.as_str(), u32::try_from(percent).unwrap_or(WHOLE_STORE_PERCENT))
    };
    Some(Copying {
        minutes: u32::try_from(minutes).unwrap_or(u32::MAX),
        store: store.map(share),
    })
}

fn store(system: &str) -> String {
    format!("store:{system}")
}

fn always(units: u32) -> Resource {
    Resource {
        shifts: vec![(0, units)],
    }
}
