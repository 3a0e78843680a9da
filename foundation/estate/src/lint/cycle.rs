use std::collections::VecDeque;

use super::{LintFinding, Severity};
use crate::Estate;
use crate::dependency::Graph;

/// Systems and services that wait for each other: after a full stop none of them comes up first.
pub(super) fn check(estate: &Estate, findings: &mut Vec<LintFinding>) {
    let graph = Graph::new(estate);
    let starts: Vec<bool> = graph.cold_start(|_| 0).iter().map(Option::is_some).collect();
    for members in components(&graph) {
        let stuck = members.iter().copied().find(|&n| !starts[n]);
        let from = stuck.or_else(|| members.first().copied());
        let Some(path) = from.and_then(|n| cycle_through(&graph, n, |m| stuck.is_none() || !starts[m])) else {
            continue;
        };
        let shown: Vec<&str> = path.iter().map(|&n| graph.ids[n]).collect();
        let (severity, end) = match stuck {
            Some(_) => (Severity::High, "none of them starts first after a full stop"),
            None => (Severity::Low, "alternatives outside the circle must start first"),
        };
        findings.push(LintFinding {
            code: "dependency-cycle",
            severity,
            subject: format!("cycle {}", shown.first().unwrap_or(&"")),
            message: format!("{}: {end}", shown.join(" → ")),
            remedy: "let one of them start without the next: a local copy, a fixed address, an alternative".to_owned(),
        });
    }
}

/// Returns the sets of nodes that all reach each other, where there is a way back at all (Kosaraju). O(needs).
fn components(graph: &Graph<'_>) -> Vec<Vec<usize>> {
    let n = graph.ids.len();
    let mut finished = Vec::with_capacity(n);
    let mut seen = vec![false; n];
    for start in 0..n {
        visit(start, &mut seen, |m| graph.alternatives(m).collect(), |m| finished.push(m));
    }
    let mut seen = vec![false; n];
    let mut components = Vec::new();
    for &start in finished.iter().rev() {
        let mut members = Vec::new();
        visit(start, &mut seen, |m| graph.dependants(m).collect(), |m| members.push(m));
        members.sort_unstable();
        if members.len() > 1 || members.first().is_some_and(|&m| graph.alternatives(m).any(|a| a == m)) {
            components.push(members);
        }
    }
    components
}

/// Walks depth first with a stack of its own and reports each node once its successors are done.
fn visit(start: usize, seen: &mut [bool], next: impl Fn(usize) -> Vec<usize>, mut done: impl FnMut(usize)) {
    if std::mem::replace(&mut seen[start], true) {
        return;
    }
    let mut stack = vec![(start, next(start))];
    while let Some((node, rest)) = stack.last_mut() {
        match rest.pop() {
            Some(n) if !std::mem::replace(&mut seen[n], true) => stack.push((n, next(n))),
            Some(_) => {}
            None => {
                done(*node);
                stack.pop();
            }
        }
    }
}

/// Returns the shortest way from `from` back to itself over nodes that `may` be used.
fn cycle_through(graph: &Graph<'_>, from: usize, may: impl Fn(usize) -> bool) -> Option<Vec<usize>> {
    let mut came_from: Vec<Option<usize>> = vec![None; graph.ids.len()];
    let mut open = VecDeque::from([from]);
    while let Some(n) = open.pop_front() {
        for next in graph.alternatives(n).filter(|&m| may(m)) {
            if next == from {
                let mut path = vec![from, n];
                while let Some(before) = path.last().filter(|&&n| n != from).and_then(|&n| came_from[n]) {
                    path.push(before);
                }
                path.reverse();
                return Some(path);
            }
            if came_from[next].is_none() {
                came_from[next] = Some(n);
                open.push_back(next);
            }
        }
    }
    None
}
