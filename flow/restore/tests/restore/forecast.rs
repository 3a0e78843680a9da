//! Forecasts against recoveries whose true durations nobody told them.

use leckwehr_restore::outage::{
    OutageEffort, OutageProblem, Play, Spread, backlog_hours, check_outages, forecast_outages, generated_recovery, plan_outages,
};
use leckwehr_restore::recovery;

/// A small generator of its own, so that the truth shares nothing with the forecast.
struct Luck(u64);

impl Luck {
    fn unit(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Log-normal with median 1.
    fn factor(&mut self, sigma: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.unit()).sum();
        ((sum - 6.0) * sigma).exp()
    }
}

/// What really happens: tasks in the plan's order, each as long as the world says.
fn truth(problem: &OutageProblem, luck: &mut Luck) -> OutageProblem {
    let common = 1.1 * luck.factor(0.18);
    let mut real = problem.clone();
    for task in &mut real.tasks {
        let again = if luck.unit() < 0.06 { 2.0 } else { 1.0 };
        task.duration = (f64::from(task.duration) * common * 1.15 * luck.factor(0.3) * again).ceil() as u32;
    }
    real
}

/// What recoveries of the past took: (planned, actual) of each task.
fn history(count: u64) -> Vec<Vec<(u32, u32)>> {
    let past = |seed: u64| {
        let problem = generated_recovery(45, 5_000 + seed);
        let real = truth(&problem, &mut Luck(seed * 31 + 5));
        let pairs = problem.tasks.iter().zip(&real.tasks);
        pairs.map(|(planned, took)| (planned.duration, took.duration)).collect()
    };
    (0..count).map(past).collect()
}

/// Percent of outages that end by their P90 and by their P50.
fn covered(spread: &Spread) -> (u32, u32) {
    let (mut kept, mut kept_half, mut all) = (0, 0, 0);
    for seed in 0..60 {
        let problem = generated_recovery(45, 1_000 + seed);
        let quick = OutageEffort {
            evaluations: 150,
            seed,
            ..OutageEffort::default()
        };
        let plan = plan_outages(&problem, &quick, &mut || false).unwrap();
        let said = forecast_outages(&problem, &plan, spread, 100, seed).unwrap();
        let real = truth(&problem, &mut Luck(seed + 77));
        let same_order = OutageEffort {
            evaluations: 1,
            order: plan.order.clone(),
            ..OutageEffort::default()
        };
        let happened = plan_outages(&real, &same_order, &mut || true).unwrap();
        for (o, end) in happened.until.iter().enumerate() {
            kept += u32::from(*end <= said.p90[o]);
            kept_half += u32::from(*end <= said.p50[o]);
            all += 1;
        }
    }
    (kept * 100 / all, kept_half * 100 / all)
}

/// The forecast does not know the true durations, nor how slow a whole recovery is; nine of ten services keep its P90. By
/// assumption it is cautious, measured on a dozen recoveries it is right at the median as well.
#[test]
fn p90_covers_what_it_says() {
    let (kept, half) = covered(&Spread::default());
    println!("assumed spread: P90 covers {kept} %, P50 {half} %");
    assert!((80..=97).contains(&kept), "P90 covers {kept} %");
    assert!((45..=62).contains(&half), "P50 covers {half} %");
    let measured = Spread::measured(&history(12)).unwrap();
    let (kept, half) = covered(&measured);
    println!("measured spread {measured:?}: P90 covers {kept} %, P50 {half} %");
    assert!((80..=97).contains(&kept), "P90 covers {kept} %");
    assert!((45..=62).contains(&half), "P50 covers {half} %");
}

#[test]
fn a_spread_is_measured_only_on_enough() {
    assert_eq!(Spread::measured(&history(2)), None);
    assert_eq!(Spread::measured(&[vec![(2, 3)], vec![(2, 3)], vec![(2, 3)]]), None);
    // Always half as long again, never anything else: no spread is left, only the pace.
    let same = vec![vec![(2, 3); 20]; 4];
    let spread = Spread::measured(&same).unwrap();
    assert_eq!(
        (spread.common_percent, spread.task_percent),
        ((150, 150, 150), (100, 100, 100))
    );
}

#[test]
fn one_more_pair_of_hands_helps_where_hands_are_short() {
    let mut problem = generated_recovery(30, 5);
    let crew = problem.tasks[0].demand[1].0;
    problem.resources[crew].shifts = vec![(0, 2)];
    for task in &mut problem.tasks {
        task.demand = vec![(crew, 1)];
    }
    let plan = plan_outages(
        &problem,
        &OutageEffort {
            evaluations: 200,
            ..OutageEffort::default()
        },
        &mut || false,
    )
    .unwrap();
    let play = Play {
        problem: &problem,
        order: &plan.order,
        spread: &Spread::default(),
        chances: &[],
        fixed: &[],
        scenarios: 50,
        seed: 1,
    };
    let savings = play.savings_of_one_more().unwrap();
    assert!(savings[crew] > 0);
    assert!(savings.iter().enumerate().all(|(r, s)| r == crew || *s == 0), "{savings:?}");
    let chain = forecast_outages(&problem, &plan, &Spread::default(), 50, 1)
        .unwrap()
        .critical_percent;
    assert!(chain.iter().any(|p| *p > 50) && chain.iter().all(|p| *p <= 100));
}

#[test]
fn a_backlog_is_gone_when_more_is_done_than_comes() {
    assert_eq!(backlog_hours(100, 10.0, 150), Some(20.0));
    assert_eq!(backlog_hours(100, 10.0, 100), None);
}

#[test]
fn the_example_estate_comes_back() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/essen");
    let estate = leckwehr_estate::Estate::load(&folder).unwrap();
    let lost = estate
        .systems
        .keys()
        .filter(|id| estate.is_inside(&estate.systems[*id].zone))
        .cloned()
        .collect();
    let way = recovery(&estate, &lost, None).unwrap();
    let plan = plan_outages(
        &way.problem,
        &OutageEffort {
            evaluations: 30,
            ..OutageEffort::default()
        },
        &mut || false,
    )
    .unwrap();
    assert_eq!(check_outages(&way.problem, &plan, &[]), Ok(()));
    assert_eq!(way.services.len(), estate.services.len());
    assert!(plan.until.iter().all(|end| *end > 0));
    // The directory is back before what logs on with it.
    let end = |service: &str| plan.until[way.services.iter().position(|s| s == service).unwrap()];
    assert!(end("log-on") <= *plan.until.iter().max().unwrap());
}
