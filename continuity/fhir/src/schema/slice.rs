use std::sync::Arc;

use super::discriminator::{Criterion, DiscriminatorKind, SliceTest, SliceTests, Step};
use super::profile::{Element, Profile, Strength};
use super::{Schema, tree};

/// Most definitions looked at while finding out what makes a slice.
const CRITERIA_MAX: usize = 256;
/// Deepest parts of a value that tell slices apart.
const PARTS_DEPTH_MAX: usize = 4;

/// An element of a profile on the way to what tells slices apart.
#[derive(Clone)]
struct Spot {
    profile: Arc<Profile>,
    element: u32,
}

impl Spot {
    fn get(&self) -> &Element {
        &self.profile.elements[self.element as usize]
    }
}

impl Schema {
    /// What makes an element one of each slice of a sliced element, in the order of its slices. Found out once.
    pub fn slice_tests(&self, profile: &Arc<Profile>, element: u32) -> Arc<[SliceTests]> {
        let sliced = &profile.elements[element as usize];
        let tests = sliced.tests.get_or_init(|| {
            let slices = sliced.slices.iter().map(|s| SliceTests {
                tests: self.tests_of(profile, sliced, *s),
            });
            slices.collect::<Vec<_>>().into()
        });
        Arc::clone(tests)
    }

    fn tests_of(&self, profile: &Arc<Profile>, sliced: &Element, slice: u32) -> Vec<SliceTest> {
        let start = Spot {
            profile: Arc::clone(profile),
            element: slice,
        };
        let discriminators = sliced.slicing.iter().flat_map(|s| &s.discriminators);
        discriminators
            .map(|discriminator| {
                let mut spots = vec![start.clone()];
                for step in &discriminator.path {
                    spots = spots.iter().flat_map(|s| self.step(s, step)).take(CRITERIA_MAX).collect();
                }
                let criteria = spots
                    .iter()
                    .flat_map(|spot| self.criteria(spot, discriminator.kind))
                    .collect();
                SliceTest {
                    path: discriminator.path.clone(),
                    criteria,
                }
            })
            .collect()
    }

    fn step(&self, spot: &Spot, step: &Step) -> Vec<Spot> {
        match step {
            Step::Child(name) => self.children_named(spot, name),
            Step::Extension(url) => {
                let extensions = self.children_named(spot, "extension");
                let sliced = extensions.iter().flat_map(|e| {
                    e.get().slices.iter().map(|s| Spot {
                        element: *s,
                        ..e.clone()
                    })
                });
                sliced.filter(|s| self.is_extension_with(s, url)).collect()
            }
            Step::Resolve => {
                let targets = spot.get().types.iter().flat_map(|t| &t.targets);
                targets.filter_map(|t| self.profile(t)).map(root).collect()
            }
            Step::OfType(code) => {
                let element = spot.get();
                let typed = element
                    .slices
                    .iter()
                    .find(|s| spot.profile.elements[**s as usize].type_named(code).is_some());
                vec![Spot {
                    element: typed.copied().unwrap_or(spot.element),
                    ..spot.clone()
                }]
            }
            Step::Unknown => Vec::new(),
        }
    }

    /// The definitions of a child: those within the element, else those of its profiles, else those of its type.
    fn children_named(&self, spot: &Spot, name: &str) -> Vec<Spot> {
        let element = spot.get();
        let within = |spot: &Spot, of: &Element| -> Option<Spot> {
            let child = of.children.iter().find(|c| {
                let child = &spot.profile.elements[**c as usize];
                &*child.name == name
                    || (child.is_choice && child.types.iter().any(|t| tree::choice_name(&child.name, &t.code) == name))
            })?;
            Some(Spot {
                element: *child,
                ..spot.clone()
            })
        };
        let own = within(spot, element);
        let profiles = element
            .types
            .iter()
            .flat_map(|t| &t.profiles)
            .filter_map(|p| self.profile(p))
            .map(root);
        let mut found: Vec<Spot> = profiles.filter_map(|p| within(&p, p.get())).collect();
        // what the profile says within the element counts, unless it only repeats the type and a named profile says more
        if let Some(own) = own {
            let tells = |c: &Criterion| !matches!(c, Criterion::Present);
            if found.is_empty() || self.criteria(&own, DiscriminatorKind::Value).iter().any(tells) {
                return vec![own];
            }
            return found;
        }
        if found.is_empty() {
            if let Some(content) = element.content {
                found.extend(within(spot, &spot.profile.elements[content as usize]));
            }
            let types = element.types.iter().filter_map(|t| self.type_profile(&t.code)).map(root);
            found.extend(types.filter_map(|t| within(&t, t.get())));
        }
        found
    }

    fn is_extension_with(&self, spot: &Spot, url: &str) -> bool {
        let element = spot.get();
        let of_profile = element.types.iter().flat_map(|t| &t.profiles);
        if of_profile.into_iter().any(|p| crate::package::split_canonical(p).0 == url) {
            return true;
        }
        let children = element.children.iter().map(|c| &spot.profile.elements[*c as usize]);
        children
            .into_iter()
            .any(|c| &*c.name == "url" && c.fixed.as_ref().and_then(|f| f.value()) == Some(url))
    }

    /// What an element must be; if it says so in its slices alone, what any of them must be.
    fn criteria(&self, spot: &Spot, kind: DiscriminatorKind) -> Vec<Criterion> {
        let own = self.criterion(spot, kind);
        let is_vague = kind == DiscriminatorKind::Value && matches!(own, None | Some(Criterion::Present));
        if is_vague {
            let slices = spot.get().slices.iter().map(|s| Spot {
                element: *s,
                ..spot.clone()
            });
            let told: Vec<Criterion> = slices
                .filter_map(|s| self.criterion(&s, kind))
                .filter(|c| !matches!(c, Criterion::Present | Criterion::Absent))
                .collect();
            if !told.is_empty() {
                return told;
            }
        }
        own.into_iter().collect()
    }

    fn criterion(&self, spot: &Spot, kind: DiscriminatorKind) -> Option<Criterion> {
        let element = spot.get();
        match kind {
            DiscriminatorKind::Value => self.value_criterion(spot, PARTS_DEPTH_MAX),
            DiscriminatorKind::Exists if element.max == 0 => Some(Criterion::Absent),
            DiscriminatorKind::Exists => Some(Criterion::Present),
            DiscriminatorKind::Type => {
                let codes: Vec<Box<str>> = if element.types.is_empty() {
                    vec![spot.profile.type_name.clone()]
                } else {
                    element.types.iter().map(|t| t.code.clone()).collect()
                };
                Some(Criterion::Type(codes))
            }
            DiscriminatorKind::Profile => {
                if spot.element == 0 {
                    return Some(Criterion::Profile(spot.profile.canonical().into()));
                }
                let mut profiles = element.types.iter().flat_map(|t| &t.profiles);
                profiles.next().map(|p| Criterion::Profile(p.clone()))
            }
            DiscriminatorKind::Unknown => None,
        }
    }

    fn value_criterion(&self, spot: &Spot, depth: usize) -> Option<Criterion> {
        let element = spot.get();
        if let Some(fixed) = &element.fixed {
            return Some(Criterion::Fixed(fixed.clone()));
        }
        if let Some(pattern) = &element.pattern {
            return Some(Criterion::Pattern(pattern.clone()));
        }
        let parts = self.parts(spot, depth);
        if !parts.is_empty() {
            return Some(Criterion::Parts(parts));
        }
        if let Some(binding) = element.binding.as_ref().filter(|b| b.strength == Strength::Required) {
            return Some(Criterion::Binding(binding.value_set.clone()));
        }
        if element.max == 0 {
            return Some(Criterion::Absent);
        }
        (element.min > 0).then_some(Criterion::Present)
    }

    /// What is fixed below an element, where nothing is fixed at it.
    fn parts(&self, spot: &Spot, depth: usize) -> Vec<(Step, Criterion)> {
        let Some(depth) = depth.checked_sub(1) else {
            return Vec::new();
        };
        let children = spot.get().children.iter().map(|c| Spot {
            element: *c,
            ..spot.clone()
        });
        let told = children.filter_map(|child| {
            let element = child.get();
            let is_told = element.fixed.is_some() || element.pattern.is_some() || !element.children.is_empty();
            let criterion = is_told.then(|| self.value_criterion(&child, depth)).flatten()?;
            let tells = !matches!(criterion, Criterion::Present | Criterion::Absent | Criterion::Binding(_)) && element.min > 0;
            tells.then(|| (Step::Child(element.name.clone()), criterion))
        });
        told.collect()
    }
}

fn root(profile: Arc<Profile>) -> Spot {
    Spot { profile, element: 0 }
}
