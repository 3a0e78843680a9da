use std::collections::VecDeque;

use super::{LintFinding, Severity};
use crate::Estate;
use crate::dependency::Graph;

/// Systems and services that wait for each other.
///
/// Where nothing outside the circle can start one of its members, the whole circle stays down after a full stop. Where an
/// alternative outside can, people must know to start that first.
pub(super) fn check(estate: &Estate, findings: &mut Vec<LintFinding>) {
    let graph = Graph::new(estate);
    let stuck: Vec<bool> = graph.cold_start(|_| 0).iter().map(Option::is_none).collect();
    let mut told = vec![false; graph.ids.len()];
    for members in components(&graph, |n| stuck[n]) {
        members.iter().for_each(|&n| told[n] = true);
        let end = "none of them starts first after a full stop";
        findings.extend(finding(&graph, members[0], |n| stuck[n], Severity::High, end));
    }
    for members in components(&graph, |_| true) {
        if !members.iter().any(|&n| told[n]) {
            let end = "an alternative outside the circle must start first";
            findings.extend(finding(&graph, members[0], |_| true, Severity::Low, end));
        }
    }
}

fn finding(graph: &Graph<'_>, from: usize, may: impl Fn(usize) -> bool, severity: Severity, end: &str) -> Option<LintFinding> {
    let path: Vec<&str> = cycle_through(graph, from, may)?.iter().map(|&n| graph.ids[n]).collect();
    Some(LintFinding {
        code: "dependency-cycle",
        severity,
        subject: format!("cycle {}", graph.ids[from]),
        message: format!("{}: {end}", path.join(" → ")),
        remedy: "let one of them start without the next: a local copy, a fixed address, an alternative".to_owned(),
    })
}

/// Returns the sets of nodes that all reach each other over nodes that `may` be used, where there is a way back at all;
/// never empty ones (Kosaraju). O(needs).
fn components(graph: &Graph<'_>, may: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
    let n = graph.ids.len();
    let excluded: Vec<bool> = (0..n).map(|m| !may(m)).collect();
    let mut finished = Vec::with_capacity(n);
    let mut seen = excluded.clone();
    for start in 0..n {
        visit(start, &mut seen, |m| graph.alternatives(m).collect(), |m| finished.push(m));
    }
    let mut seen = excluded;
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
