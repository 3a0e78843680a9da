use std::sync::Arc;

use super::fault::{Fault, Severity};
use super::walk::Walk;
use crate::schema::{Criterion, Element, Profile, SliceTest, SlicingRules, Step};
use crate::source::NodeId;
use crate::terminology::{Membership, Missing};

/// Which slice an element belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Home {
    Slice(usize),
    None,
}

impl Walk<'_> {
    /// Applies the children of a profile's element to those of a node.
    pub fn children(&mut self, profile: &Arc<Profile>, index: u32, node: NodeId) {
        let element = &profile.elements[index as usize];
        let mut list = self.take_list();
        for child in self.document.children(node) {
            let (name, text) = (self.document.name_id(child), self.document.name(child));
            match profile.child_of(index, name, text) {
                Some((position, _)) => list.push((position as u16, child)),
                None => match self.untyped_choice(profile, element, child) {
                    Some(position) => list.push((position as u16, child)),
                    None => self.other_child(profile, element, child),
                },
            }
        }
        if !list.is_sorted_by_key(|(position, _)| *position) {
            list.sort_by_key(|(position, _)| *position);
        }
        let mut at = 0;
        for (position, child_index) in element.children.iter().enumerate() {
            let begin = at;
            while list.get(at).is_some_and(|(p, _)| usize::from(*p) == position) {
                at += 1;
            }
            let child = &profile.elements[*child_index as usize];
            if begin == at && child.min == 0 && child.slices.is_empty() {
                continue;
            }
            let nodes: &[(u16, NodeId)] = &list[begin..at];
            self.repetitions(profile, *child_index, nodes, node);
        }
        self.give_list(list);
    }

    /// A choice that says its types in its slices alone takes all of them.
    fn untyped_choice(&self, profile: &Profile, element: &Element, child: NodeId) -> Option<usize> {
        self.typed.type_of(child)?;
        let base_name = self.document.names().text(self.typed.element(child))?;
        element.children.iter().position(|c| {
            let choice = &profile.elements[*c as usize];
            choice.is_choice && choice.types.is_empty() && *choice.name == *base_name
        })
    }

    /// A child that the profile's element does not name: a choice in a type that it does not allow, or one that is looked at
    /// by the definition of the type alone.
    fn other_child(&mut self, profile: &Arc<Profile>, element: &Element, child: NodeId) {
        if self.typed.type_of(child).is_none() {
            return; // no such element at all: said once for the document
        }
        let base_name = self.document.names().text(self.typed.element(child)).unwrap_or_default();
        let children = element.children.iter().map(|c| &profile.elements[*c as usize]);
        match children.into_iter().find(|c| c.is_choice && *c.name == *base_name) {
            Some(choice) => self.find(child, Severity::Error, Fault::Type, Some((profile, choice))),
            None => self.base(child, false),
        }
    }

    fn repetitions(&mut self, profile: &Arc<Profile>, index: u32, nodes: &[(u16, NodeId)], parent: NodeId) {
        let element = &profile.elements[index as usize];
        self.count(
            profile,
            element,
            nodes.len(),
            nodes.last().map_or(parent, |(_, n)| *n),
            parent,
        );
        if element.slices.is_empty() || element.slicing.is_none() {
            for (_, node) in nodes {
                self.element(profile, index, *node);
            }
        } else {
            self.sliced(profile, index, nodes, parent);
        }
    }

    fn count(&mut self, profile: &Arc<Profile>, element: &Element, there: usize, last: NodeId, parent: NodeId) {
        let named = || {
            let suffix = if element.is_choice { "[x]" } else { "" };
            let slice = if element.slice.is_empty() {
                String::new()
            } else {
                format!(":{}", element.slice)
            };
            format!("{}{suffix}{slice}", element.name).into()
        };
        if there < element.min as usize && !(there == 0 && self.is_own_value(element, parent)) {
            let fault = Fault::Minimum(named(), element.min);
            self.find(parent, Severity::Error, fault, Some((profile, element)));
        }
        if there > element.max as usize {
            let fault = Fault::Maximum(named(), element.max);
            self.find(last, Severity::Error, fault, Some((profile, element)));
        }
    }

    /// The element `value` of a primitive is no child but the value itself.
    fn is_own_value(&self, element: &Element, parent: NodeId) -> bool {
        &*element.name == "value" && self.document.value(parent).is_some()
    }

    fn sliced(&mut self, profile: &Arc<Profile>, index: u32, nodes: &[(u16, NodeId)], parent: NodeId) {
        let element = &profile.elements[index as usize];
        let Some(slicing) = &element.slicing else { return };
        let tests = self.schema.slice_tests(profile, index);
        let mut homes = Vec::with_capacity(nodes.len());
        for (_, node) in nodes {
            let mut home = Home::None;
            for (slice, slice_tests) in tests.iter().enumerate() {
                if slice_tests.tests.iter().all(|test| self.passes(profile, index, test, *node)) {
                    home = Home::Slice(slice);
                    break;
                }
            }
            homes.push(home);
        }
        let default = element
            .slices
            .iter()
            .position(|s| &*profile.elements[*s as usize].slice == "@default");
        let mut last_slice = 0;
        let mut is_past_end = false;
        for ((_, node), home) in nodes.iter().zip(&mut homes) {
            if *home == Home::None
                && let Some(default) = default
            {
                *home = Home::Slice(default);
            }
            match *home {
                Home::Slice(slice) => {
                    let is_late = is_past_end && slicing.rules == SlicingRules::OpenAtEnd;
                    if is_late || slicing.is_ordered && slice < last_slice {
                        let name = profile.elements[element.slices[slice] as usize].slice.clone();
                        self.find(*node, Severity::Error, Fault::SliceOrder(name), Some((profile, element)));
                    }
                    last_slice = last_slice.max(slice);
                }
                Home::None => {
                    is_past_end = true;
                    let severity = if slicing.rules == SlicingRules::Closed {
                        Severity::Error
                    } else {
                        Severity::Information
                    };
                    if severity >= self.least {
                        let fault = Fault::NoSlice(element.label.clone());
                        self.find(*node, severity, fault, Some((profile, element)));
                    }
                    self.element(profile, index, *node);
                }
            }
        }
        for (slice, slice_index) in element.slices.iter().enumerate() {
            let mut own = self.take_list();
            own.extend(
                nodes
                    .iter()
                    .zip(&homes)
                    .filter(|(_, h)| **h == Home::Slice(slice))
                    .map(|(n, _)| *n),
            );
            self.repetitions(profile, *slice_index, &own, parent);
            self.give_list(own);
        }
    }

    /// Whether one discriminator holds for a node.
    fn passes(&mut self, profile: &Arc<Profile>, sliced: u32, test: &SliceTest, node: NodeId) -> bool {
        let mut nodes = vec![node];
        for step in &test.path {
            nodes = nodes.into_iter().flat_map(|n| self.follow(n, step)).collect();
        }
        if test.criteria.is_empty() {
            let label = profile.elements[sliced as usize].label.clone();
            self.miss(Missing::Discriminator(label.clone()));
            self.find(node, Severity::Warning, Fault::SliceUndecided(label), None);
            return false;
        }
        test.criteria.iter().any(|criterion| match criterion {
            Criterion::Absent => nodes.is_empty(),
            _ => nodes.iter().any(|n| self.meets(criterion, *n)),
        })
    }

    fn follow(&self, node: NodeId, step: &Step) -> Vec<NodeId> {
        let document = self.document;
        match step {
            Step::Child(name) => {
                let is_named = |child: &NodeId| {
                    document.name(*child) == &**name || document.names().text(self.typed.element(*child)) == Some(&**name)
                };
                document.children(node).filter(is_named).collect()
            }
            Step::Extension(url) => super::links::named(document, node, "extension")
                .filter(|e| super::links::text(document, *e, "url") == Some(&**url))
                .collect(),
            Step::Resolve => self.target(node).into_iter().collect(),
            Step::OfType(code) if self.type_name(node) == &**code => vec![node],
            Step::OfType(_) | Step::Unknown => Vec::new(),
        }
    }

    fn meets(&mut self, criterion: &Criterion, node: NodeId) -> bool {
        match criterion {
            Criterion::Fixed(sample) => sample.is_fixed_in(self.document, node),
            Criterion::Pattern(sample) => sample.is_pattern_of(self.document, node),
            Criterion::Binding(value_set) => self.is_bound(node, value_set),
            Criterion::Present => true,
            Criterion::Absent => false,
            Criterion::Type(codes) => {
                let of = self.type_name(node);
                codes.iter().any(|code| **code == *of || self.schema.is_a(of, code))
            }
            Criterion::Profile(canonical) => match self.schema.profile(canonical) {
                Some(profile) => self.belongs(&profile, node),
                None => {
                    self.miss(Missing::Profile(canonical.clone()));
                    false
                }
            },
            Criterion::Parts(parts) => parts.iter().all(|(step, inner)| {
                let nodes = self.follow(node, step);
                match inner {
                    Criterion::Absent => nodes.is_empty(),
                    _ => nodes.into_iter().any(|n| self.meets(inner, n)),
                }
            }),
        }
    }

    fn is_bound(&mut self, node: NodeId, value_set: &str) -> bool {
        match self.membership(node, value_set) {
            Some(Membership::Yes) => true,
            Some(Membership::Unknown(what)) => {
                self.miss(what);
                false
            }
            Some(Membership::No) | None => false,
        }
    }
}
