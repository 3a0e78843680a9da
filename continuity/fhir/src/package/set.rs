use std::collections::HashSet;
use std::sync::Arc;

use super::shelf::{Definition, DefinitionKind, Shelf};
use super::version::{compare_versions, satisfies, split_canonical};

/// Packages that are looked at together, in layers: what an earlier layer defines hides what a later one does.
#[derive(Debug, Clone)]
pub struct PackageSet {
    shelf: Arc<Shelf>,
    name: String,
    layers: Vec<Layer>,
    missing: Vec<String>,
}

/// Packages of one rank: indices into [`Shelf::packages`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layer {
    /// Which packages.
    pub packages: Vec<u32>,
}

impl PackageSet {
    /// The packages that a dependency list names, then the base, then those packages that `listed_elsewhere` does not name
    /// (terminologies and the like, which belong to no list).
    pub fn of_list(shelf: &Arc<Shelf>, name: &str, packages: &[String], listed_elsewhere: &HashSet<usize>) -> Self {
        let mut missing = Vec::new();
        let mut own = Vec::new();
        for package in packages {
            match shelf.position(package) {
                Some(index) => own.push(index as u32),
                None => missing.push(package.clone()),
            }
        }
        Self::layered(shelf, name, own, missing, |index| !listed_elsewhere.contains(&index))
    }

    /// The package that holds the newest definition which answers a canonical. O(definitions of that URL).
    pub fn holder(shelf: &Shelf, canonical: &str) -> Option<u32> {
        let (url, version) = split_canonical(canonical);
        let of_version = shelf
            .by_url(url)
            .filter(|(_, d)| version.is_none_or(|v| satisfies(&d.version, v)));
        let newest = of_version.max_by(|a, b| {
            let package = |d: &Definition| shelf.packages()[d.package as usize].version.as_str();
            compare_versions(&a.1.version, &b.1.version).then_with(|| compare_versions(package(a.1), package(b.1)))
        })?;
        Some(newest.1.package)
    }

    /// A package with all that it depends on, then the newest version of every other package by name, and the base between
    /// them. Without a package: the newest version of every package.
    pub fn around(shelf: &Arc<Shelf>, holder: Option<u32>) -> Self {
        let mut own: Vec<u32> = Vec::new();
        let mut missing = Vec::new();
        let mut open: Vec<u32> = holder.into_iter().collect();
        while let Some(index) = open.pop() {
            if own.contains(&index) {
                continue;
            }
            own.push(index);
            for (name, version) in &shelf.packages()[index as usize].dependencies {
                let answers = shelf.packages().iter().enumerate();
                let best = answers
                    .filter(|(_, p)| p.name == *name && (version.is_empty() || satisfies(&p.version, version)))
                    .max_by(|a, b| compare_versions(&a.1.version, &b.1.version));
                match best {
                    Some((i, _)) => open.push(i as u32),
                    None if name.ends_with(".core") => {}
                    None => missing.push(format!("{name}#{version}")),
                }
            }
        }
        let newest = newest_of_each_name(shelf, &own);
        let name = holder
            .map_or("all packages", |h| shelf.packages()[h as usize].file.as_str())
            .to_owned();
        Self::layered(shelf, &name, own, missing, |index| newest.contains(&index))
    }

    fn layered(shelf: &Arc<Shelf>, name: &str, own: Vec<u32>, missing: Vec<String>, is_rest: impl Fn(usize) -> bool) -> Self {
        let packages = || shelf.packages().iter().enumerate();
        let own: Vec<u32> = own.into_iter().filter(|i| !shelf.packages()[*i as usize].is_base).collect();
        let base = packages().filter(|(_, p)| p.is_base).map(|(i, _)| i as u32).collect();
        let rest = packages()
            .filter(|(i, p)| !p.is_base && !own.contains(&(*i as u32)) && is_rest(*i))
            .map(|(i, _)| i as u32)
            .collect();
        let layers = [own, base, rest].map(|packages| Layer { packages }).to_vec();
        Self {
            shelf: Arc::clone(shelf),
            name: name.to_owned(),
            layers,
            missing,
        }
    }

    /// Name of the dependency list, or of the package around which the set was made.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the set is made of.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Packages that are named and not there.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// The shelf beneath.
    pub fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    /// Finds the definition that a canonical names: in the first layer with one of a version that satisfies it, the newest.
    /// O(definitions of that URL).
    pub fn find(&self, kind: DefinitionKind, canonical: &str) -> Option<u32> {
        let (url, version) = split_canonical(canonical);
        self.layers.iter().find_map(|layer| {
            let of_layer = self.shelf.by_url(url).filter(|(_, d)| {
                d.kind == kind && layer.packages.contains(&d.package) && version.is_none_or(|v| satisfies(&d.version, v))
            });
            of_layer
                .max_by(|(i, a), (j, b)| {
                    let exact = |d: &Definition| version.is_some_and(|v| v == &*d.version);
                    (exact(a).cmp(&exact(b)))
                        .then_with(|| compare_versions(&a.version, &b.version))
                        // of equals, the package named first, and the first file in it
                        .then_with(|| rank(layer, b.package).cmp(&rank(layer, a.package)))
                        .then_with(|| j.cmp(i))
                })
                .map(|(index, _)| index)
        })
    }
}

fn rank(layer: &Layer, package: u32) -> usize {
    layer.packages.iter().position(|p| *p == package).unwrap_or(usize::MAX)
}

/// Of all packages, the newest one of each name that `own` does not hold.
fn newest_of_each_name(shelf: &Shelf, own: &[u32]) -> HashSet<usize> {
    let packages = shelf.packages();
    let own_names: HashSet<&str> = own.iter().map(|i| packages[*i as usize].name.as_str()).collect();
    (0..packages.len())
        .filter(|i| {
            let this = &packages[*i];
            let is_newest = packages.iter().enumerate().all(|(j, other)| {
                other.name != this.name || j == *i || compare_versions(&other.version, &this.version).then(i.cmp(&j)).is_lt()
            });
            is_newest && !own_names.contains(this.name.as_str())
        })
        .collect()
}
