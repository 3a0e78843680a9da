/// How a search goes about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Manner {
    /// Most individuals of a population.
    pub population_max: usize,
    /// Neighbours swapped by a mutation, as a share of all activities.
    pub mutation_share: f64,
    /// How much longer than what it replaces (share of the best makespan) a child typically may be at first, and the power
    /// of the budget that is left by which that cools to zero.
    pub temperature: f64,
    pub cooling: f64,
    /// Shortest window of a crossover and spread of its length as shares of the list.
    pub window_share_min: f64,
    pub window_share_spread: f64,
    /// Spread of the handicap of a pass with look-ahead, in 1/256 time units.
    pub handicap_spread: f64,
    /// Schedules that are generated with look-ahead: it costs more than twice the time, and pays most while the population
    /// forms.
    pub lookahead_schedules: u64,
}

/// For budgets that are soon spent: what is good is kept.
const QUICK: Manner = Manner {
    population_max: 400,
    mutation_share: 0.03,
    temperature: 0.02,
    cooling: 0.7,
    window_share_min: 0.35,
    window_share_spread: 0.2,
    handicap_spread: 512.0,
    lookahead_schedules: 10_000,
};

/// For budgets that last: children differ more from their parents, and every pass looks ahead.
const THOROUGH: Manner = Manner {
    population_max: 4_000,
    mutation_share: 0.1,
    temperature: 0.015,
    cooling: 1.5,
    window_share_min: 0.1,
    window_share_spread: 0.5,
    handicap_spread: 256.0,
    lookahead_schedules: u64::MAX,
};

/// Schedules per activity from which on a search is thorough. Measured on PSPLIB: at 417 (J120, 50,000 schedules) the quick
/// manner leads by 0.2 points; at 833 (J60, 50,000), 1,000 and 2,500 (J120) the thorough one, by 0.07 % to 0.3 points.
const THOROUGH_FROM: u64 = 600;

impl Manner {
    /// The manner for a budget of schedules.
    pub fn of(schedules: u64, activities: usize) -> &'static Self {
        if schedules / activities.max(1) as u64 >= THOROUGH_FROM {
            &THOROUGH
        } else {
            &QUICK
        }
    }

    /// Individuals of each population.
    pub fn population_size(&self, schedules: u64) -> usize {
        let size = 15.0 * (schedules as f64 / 1000.0).powf(0.766);
        (size as usize).clamp(4, self.population_max)
    }
}
