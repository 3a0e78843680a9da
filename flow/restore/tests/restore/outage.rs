//! Least cost of outages: against CP-SAT's answers, against its own checker, and re-planned in the middle.

use leckwehr_restore::outage::{
    Outage, OutageEffort, OutageProblem, OutageProblemError, OutageViolation, Resource, Task, check_outages, generated_recovery,
    plan_outages,
};

/// Optimal costs, proved by OR-Tools CP-SAT (`tests/tools/cp_sat.py`) on `generated_recovery(tasks, seed)`.
const PROVED: [(usize, u64, u64); 3] = [(30, 1, 2044), (60, 119, 9555), (60, 120, 5978)];

/// Small recoveries of which the optimum is proved elsewhere.
#[test]
fn proved_optima_are_met() {
    for (tasks, seed, optimum) in PROVED {
        let problem = generated_recovery(tasks, seed);
        let effort = OutageEffort {
            evaluations: 30_000,
            seed: 1,
            ..OutageEffort::default()
        };
        let plan = plan_outages(&problem, &effort, &mut || false).unwrap();
        assert_eq!(check_outages(&problem, &plan, &[]), Ok(()));
        assert!(plan.cost >= optimum, "{} is below a proved optimum", plan.cost);
        assert!(
            plan.cost * 1000 <= optimum * 1005,
            "{tasks} tasks, seed {seed}: {} for {optimum}",
            plan.cost
        );
        assert_eq!(plan, plan_outages(&problem, &effort, &mut || false).unwrap());
    }
}

/// What is under way stays; the rest begins after now; the earlier order is where the new search begins.
#[test]
fn a_plan_is_continued_from_where_one_stands() {
    let mut problem = generated_recovery(60, 3);
    let first = plan_outages(
        &problem,
        &OutageEffort {
            evaluations: 500,
            ..OutageEffort::default()
        },
        &mut || false,
    )
    .unwrap();
    let now = 30;
    let fixed: Vec<(usize, u32)> = first.start.iter().copied().enumerate().filter(|(_, s)| *s < now).collect();
    let late = fixed.iter().map(|(a, _)| *a).max().unwrap();
    problem.tasks[late].duration += 20;
    let effort = OutageEffort {
        evaluations: 200,
        order: first.order,
        fixed: fixed.clone(),
        now,
        ..OutageEffort::default()
    };
    let second = plan_outages(&problem, &effort, &mut || false).unwrap();
    let stays: Vec<usize> = fixed.iter().map(|(a, _)| *a).collect();
    assert_eq!(check_outages(&problem, &second, &stays), Ok(()));
    for (a, start) in second.start.iter().enumerate() {
        match fixed.iter().find(|(f, _)| *f == a) {
            Some((_, stood)) => assert_eq!(start, stood),
            None => assert!(*start >= now),
        }
    }
}

fn task(duration: u32, after: Vec<Vec<usize>>) -> Task {
    Task {
        duration,
        demand: vec![(0, 1)],
        release: 0,
        after,
    }
}

#[test]
fn alternatives_shifts_and_breaches_decide() {
    // Two ways to the same need: the shorter one first, though it has the higher number.
    let needs = Outage {
        needs: vec![vec![2]],
        weight: 1,
        breach_at: 9,
        breach_step: 100,
        breach_weight: 2,
    };
    let mut problem = OutageProblem {
        resources: vec![Resource { shifts: vec![(0, 1)] }],
        tasks: vec![task(9, vec![]), task(2, vec![]), task(3, vec![vec![0, 1]])],
        outages: vec![needs],
    };
    let effort = OutageEffort {
        evaluations: 100,
        ..OutageEffort::default()
    };
    let plan = plan_outages(&problem, &effort, &mut || false).unwrap();
    assert_eq!((plan.start[1], plan.start[2], plan.cost), (0, 2, 5));
    // Nobody is there at first: the end comes after the breach.
    problem.resources[0].shifts = vec![(0, 0), (6, 1)];
    let plan = plan_outages(&problem, &effort, &mut || false).unwrap();
    assert_eq!((plan.until[0], plan.cost), (11, 11 + 100 + 2 * 2));
    let mut wrong = plan.clone();
    wrong.start[2] = 7;
    assert_eq!(check_outages(&problem, &wrong, &[]), Err(OutageViolation::Order(2)));
}

#[test]
fn what_has_no_plan_is_told() {
    let mut problem = OutageProblem {
        resources: vec![Resource { shifts: vec![(0, 1)] }],
        tasks: vec![task(2, vec![vec![1]]), task(2, vec![vec![0]])],
        outages: vec![],
    };
    let wrong = |problem: &OutageProblem| plan_outages(problem, &OutageEffort::default(), &mut || false).unwrap_err();
    assert_eq!(wrong(&problem), OutageProblemError::Circle(0));
    problem.tasks[0].after.clear();
    problem.tasks[1].demand[0].1 = 2;
    assert!(matches!(wrong(&problem), OutageProblemError::NeverFits(1, _)));
    problem.tasks[1].after = vec![vec![7]];
    assert_eq!(wrong(&problem), OutageProblemError::NoSuch("task", 1));
}

/// Small problems with few tasks to move come to an end, whatever is searched for in them.
#[test]
fn few_tasks_are_planned_in_the_end() {
    for tasks in 0..8 {
        let problem = OutageProblem {
            resources: vec![Resource { shifts: vec![(0, 1)] }],
            tasks: (0..tasks)
                .map(|_| Task {
                    duration: 2,
                    demand: vec![(0, 1)],
                    ..Task::default()
                })
                .collect(),
            outages: (0..tasks)
                .map(|a| Outage {
                    needs: vec![vec![a]],
                    weight: 1 + a as u64,
                    ..Outage::default()
                })
                .collect(),
        };
        let plan = plan_outages(
            &problem,
            &OutageEffort {
                evaluations: 2_000,
                ..OutageEffort::default()
            },
            &mut || false,
        )
        .unwrap();
        assert_eq!(check_outages(&problem, &plan, &[]), Ok(()));
        // The heaviest first (Smith 1956): end 2 for the last, 2·tasks for the first.
        let least: u64 = (0..tasks as u64).map(|a| (1 + a) * 2 * (tasks as u64 - a)).sum();
        assert_eq!(plan.cost, least);
    }
}

/// A resource with more units than fit in half a word is counted to the unit.
#[test]
fn many_units_are_counted_to_the_last() {
    let task = |units| Task {
        duration: 5,
        demand: vec![(0, units)],
        ..Task::default()
    };
    let problem = OutageProblem {
        resources: vec![Resource {
            shifts: vec![(0, 100_000)],
        }],
        tasks: vec![task(60_000), task(40_000), task(40_001)],
        outages: vec![Outage {
            needs: vec![vec![0], vec![1], vec![2]],
            weight: 1,
            ..Outage::default()
        }],
    };
    let plan = plan_outages(
        &problem,
        &OutageEffort {
            evaluations: 100,
            ..OutageEffort::default()
        },
        &mut || false,
    )
    .unwrap();
    assert_eq!(check_outages(&problem, &plan, &[]), Ok(()));
    assert_eq!(plan.cost, 10);
}

/// Two tasks that take no time and are each other's alternative: hangs if a chain is followed round for ever.
#[test]
fn alternatives_in_a_circle_come_to_an_end() {
    let after = |groups: &[usize]| Task {
        after: vec![groups.to_vec()],
        ..Task::default()
    };
    let work = Task {
        duration: 3,
        demand: vec![(0, 1)],
        ..Task::default()
    };
    let problem = OutageProblem {
        resources: vec![Resource { shifts: vec![(0, 1)] }],
        tasks: vec![after(&[1, 2]), after(&[0, 2]), work.clone(), work],
        outages: vec![Outage {
            needs: vec![vec![0], vec![3]],
            weight: 1,
            ..Outage::default()
        }],
    };
    let effort = OutageEffort {
        evaluations: 1_000,
        ..OutageEffort::default()
    };
    let plan = plan_outages(&problem, &effort, &mut || false).unwrap();
    assert_eq!(check_outages(&problem, &plan, &[]), Ok(()));
    assert_eq!(plan.cost, 6);
}
