"""What OR-Tools CP-SAT finds for generated recoveries: the baseline of `cargo bench -p leckwehr-restore`.

usage: cp_sat.py CPU_SECONDS WORKERS FILE...
FILE is an OutageProblem as JSON; `cargo bench -p leckwehr-restore -- --dump FOLDER` writes all of them.
Prints one line per file: tasks, seed, cost, lower bound, status, CPU seconds. Seconds are of CPU time, so that a machine
with other work to do gives it no less.
needs: pip install ortools
"""

import json
import sys
import threading
import time

from ortools.sat.python import cp_model


def solve(problem, seconds, workers):
    tasks, model = problem["tasks"], cp_model.CpModel()
    horizon = max(t["release"] for t in tasks) + 3 * sum(t["duration"] for t in tasks)
    start = [model.new_int_var(t["release"], horizon, "") for t in tasks]
    end = [s + t["duration"] for s, t in zip(start, tasks)]

    def after(time, group):
        if len(group) == 1:
            model.add(time >= end[group[0]])
        else:
            chosen = [model.new_bool_var("") for _ in group]
            model.add_at_least_one(chosen)
            for bit, other in zip(chosen, group):
                model.add(time >= end[other]).only_enforce_if(bit)

    for s, t in zip(start, tasks):
        for group in t["after"]:
            after(s, group)
    for number, kind in enumerate(problem["resources"]):
        shifts = [s for s in kind["shifts"] if s[0] <= 2 * horizon]
        most = max(units for _, units in shifts)
        intervals, demands = [], []
        for (begin, units), until in zip(shifts, [s[0] for s in shifts[1:]] + [2 * horizon]):
            if units < most and until > begin:
                intervals.append(model.new_fixed_size_interval_var(begin, until - begin, ""))
                demands.append(most - units)
        for s, t in zip(start, tasks):
            for resource_number, units in t["demand"]:
                if resource_number == number:
                    intervals.append(model.new_fixed_size_interval_var(s, t["duration"], ""))
                    demands.append(units)
        model.add_cumulative(intervals, demands, most)
    cost = []
    for outage in problem["outages"]:
        until = model.new_int_var(0, 2 * horizon, "")
        for group in outage["needs"]:
            after(until, group)
        late, breach = model.new_int_var(0, 2 * horizon, ""), model.new_bool_var("")
        model.add(late >= until - outage["breach_at"])
        model.add(late == 0).only_enforce_if(~breach)
        cost += [outage["weight"] * until, outage["breach_weight"] * late, outage["breach_step"] * breach]
    model.minimize(sum(cost))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = workers
    begun, is_over = time.process_time(), threading.Event()

    def watch():
        while not is_over.wait(0.02):
            if time.process_time() - begun > seconds:
                solver.stop_search()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = solver.solve(model)
    is_over.set()
    watcher.join()
    used = round(time.process_time() - begun, 1)
    return solver.objective_value, solver.best_objective_bound, solver.status_name(status), used


for path in sys.argv[3:]:
    with open(path) as file:
        cost, bound, *rest = solve(json.load(file), float(sys.argv[1]), int(sys.argv[2]))
    name = path.rsplit("/", 1)[-1].removesuffix(".json")
    print(name, round(cost), round(bound), *rest, sep=",", flush=True)
