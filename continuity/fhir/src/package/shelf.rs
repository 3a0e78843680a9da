use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{self, PackageError};
use super::scan::{Skimmed, skim};

/// Every package that was read, side by side, and where each of their definitions is. Texts are kept as they are in the
/// package and parsed when first needed.
#[derive(Debug, Default)]
pub struct Shelf {
    packages: Vec<Package>,
    definitions: Vec<Definition>,
    by_url: HashMap<Box<str>, Vec<u32>>,
    blobs: Vec<Arc<[u8]>>,
    issues: Vec<PackageIssue>,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Name as in `package.json`, in lower case, since packages call each other either way.
    pub name: String,
    /// Version as in `package.json`.
    pub version: String,
    /// File or folder name, as dependency lists name it.
    pub file: String,
    /// Names (in lower case) and versions that it wants beside it.
    pub dependencies: Vec<(String, String)>,
    /// Whether it defines the base: the resource types and data types of FHIR.
    pub is_base: bool,
    /// How many definitions it holds.
    pub definitions: usize,
}

/// What a definition defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DefinitionKind {
    /// A StructureDefinition.
    Structure,
    /// A ValueSet.
    ValueSet,
    /// A CodeSystem.
    CodeSystem,
}

/// One definition, not parsed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// What it is.
    pub kind: DefinitionKind,
    /// Its canonical URL.
    pub url: Box<str>,
    /// Its version; empty if it has none.
    pub version: Box<str>,
    /// The type that it constrains or defines (StructureDefinition only).
    pub type_name: Box<str>,
    /// Which package it comes from: index into [`Shelf::packages`].
    pub package: u32,
    /// Whether a patch replaced what the package had.
    pub is_patch: bool,
    blob: u32,
    range: (u32, u32),
}

/// Something in a package that could not be used; the rest goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageIssue {
    /// File or folder.
    pub package: String,
    /// File inside the package.
    pub file: String,
    /// What is wrong.
    pub detail: &'static str,
}

impl Shelf {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds the packages under a folder, in order of name: `.tgz` files, and folders that hold a `package.json` of their own
    /// or in `package/`. A folder `patches/<package>` holds resources that replace those of that package. Depth is limited.
    pub fn find(folder: &Path) -> Result<Vec<PathBuf>, PackageError> {
        let mut found = Vec::new();
        if is_package(folder) {
            found.push(folder.to_owned());
        } else {
            find_into(folder, 4, &mut found)?;
        }
        found.sort_by_key(|path| patch_target(path).is_some());
        Ok(found)
    }

    /// Reads one package. Costs unpacking plus one pass over its bytes; the text stays in memory.
    pub fn read(&mut self, path: &Path) -> Result<(), PackageError> {
        let file = path.file_name().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
        let patched = patch_target(path);
        let index = match &patched {
            Some(target) => match self.position(target) {
                Some(index) => index,
                None => {
                    self.note(&file, "", "patches a package that is not there");
                    return Ok(());
                }
            },
            None if self.packages.iter().any(|p| p.file == file) => {
                self.note(&file, "", "a package of this name was read already");
                return Ok(());
            }
            None => {
                self.packages.push(Package::unnamed(&file));
                self.packages.len() - 1
            }
        };
        let mut texts = Vec::new();
        let read = archive::read(path, &mut |name, text| texts.push((name.to_owned(), text)));
        for (name, text) in texts {
            self.take(index as u32, &file, &name, text, patched.is_some());
        }
        read
    }

    /// The packages, in the order of reading.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// Which package a dependency list means: by file name, with or without `.tgz`, or `name-version`.
    pub fn position(&self, named: &str) -> Option<usize> {
        let stem = named.strip_suffix(".tgz").unwrap_or(named);
        self.packages.iter().position(|p| {
            let own = p.file.strip_suffix(".tgz").unwrap_or(&p.file);
            own == stem || own.replace('#', "-") == stem || format!("{}-{}", p.name, p.version) == stem.to_lowercase()
        })
    }

    /// All definitions with a URL, in the order of reading. O(1).
    pub fn by_url(&self, url: &str) -> impl Iterator<Item = (u32, &Definition)> {
        let indices = self.by_url.get(url).map(Vec::as_slice).unwrap_or_default();
        indices.iter().map(|i| (*i, &self.definitions[*i as usize]))
    }

    /// One definition.
    pub fn definition(&self, index: u32) -> &Definition {
        &self.definitions[index as usize]
    }

    /// All definitions.
    pub fn definitions(&self) -> impl Iterator<Item = (u32, &Definition)> {
        self.definitions.iter().enumerate().map(|(i, d)| (i as u32, d))
    }

    /// The JSON text of a definition.
    pub fn text(&self, index: u32) -> &[u8] {
        let definition = &self.definitions[index as usize];
        &self.blobs[definition.blob as usize][definition.bytes()]
    }

    /// What could not be used.
    pub fn issues(&self) -> &[PackageIssue] {
        &self.issues
    }

    /// Bytes of text held.
    pub fn bytes(&self) -> usize {
        self.blobs.iter().map(|b| b.len()).sum()
    }

    fn take(&mut self, package: u32, file: &str, name: &str, text: Vec<u8>, is_patch: bool) {
        let start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let own_manifest = name == "package.json" || name == "package/package.json";
        if own_manifest {
            self.name_package(package, file, &text[start..]);
            return;
        }
        if text.len() > u32::MAX as usize {
            self.note(file, name, "larger than 4 GiB");
            return;
        }
        let Some(top) = skim(&text, start) else {
            self.note(file, name, "not a JSON object");
            return;
        };
        let mut found = Vec::new();
        if top.resource_type == "Bundle" {
            for (from, to) in &top.entries {
                if let Some(inner) = skim(&text, *from) {
                    found.push((inner, *from..*to));
                }
            }
        } else {
            let end = top.end;
            found.push((top, start..end));
        }
        found.retain(|(skimmed, _)| kind_of(skimmed).is_some() && !skimmed.url.is_empty());
        if found.is_empty() {
            return;
        }
        let blob = self.blobs.len() as u32;
        self.blobs.push(text.into());
        for (skimmed, range) in found {
            self.index(package, blob, &skimmed, range, is_patch);
        }
    }

    fn index(&mut self, package: u32, blob: u32, skimmed: &Skimmed, range: Range<usize>, is_patch: bool) {
        let Some(kind) = kind_of(skimmed) else { return };
        let definition = Definition {
            kind,
            url: skimmed.url.as_str().into(),
            version: skimmed.version.as_str().into(),
            type_name: skimmed.type_name.as_str().into(),
            package,
            is_patch,
            blob,
            range: (range.start as u32, range.end as u32),
        };
        let defines_base =
            &*definition.url == "http://hl7.org/fhir/StructureDefinition/Element" && kind == DefinitionKind::Structure;
        let owner = &mut self.packages[package as usize];
        owner.is_base |= defines_base;
        owner.definitions += 1;
        let places = self.by_url.entry(definition.url.clone()).or_default();
        if is_patch {
            // what a patch brings stands instead of all versions that the package had
            places.retain(|i| self.definitions[*i as usize].package != package || self.definitions[*i as usize].is_patch);
        }
        places.push(self.definitions.len() as u32);
        self.definitions.push(definition);
    }

    fn name_package(&mut self, package: u32, file: &str, manifest: &[u8]) {
        let Ok(manifest) = serde_json::from_slice::<serde_json::Value>(manifest) else {
            self.note(file, "package.json", "not JSON");
            return;
        };
        let text = |key: &str| manifest.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let package = &mut self.packages[package as usize];
        package.name = text("name").to_lowercase();
        package.version = text("version");
        let wanted = manifest.get("dependencies").and_then(|d| d.as_object());
        package.dependencies = wanted
            .into_iter()
            .flatten()
            .map(|(name, version)| (name.to_lowercase(), version.as_str().unwrap_or_default().to_owned()))
            .collect();
    }

    fn note(&mut self, package: &str, file: &str, detail: &'static str) {
        self.issues.push(PackageIssue {
            package: package.to_owned(),
            file: file.to_owned(),
            detail,
        });
    }
}

impl Package {
    /// Takes name and version from `name-1.2.3.tgz` or `name#1.2.3` until the manifest says them.
    fn unnamed(file: &str) -> Self {
        let stem = file.strip_suffix(".tgz").unwrap_or(file);
        let split = stem.split_once('#').or_else(|| {
            let at = stem
                .match_indices('-')
                .find(|(i, _)| stem[i + 1..].starts_with(|c: char| c.is_ascii_digit()))?
                .0;
            Some((&stem[..at], &stem[at + 1..]))
        });
        let (name, version) = split.unwrap_or((stem, ""));
        Self {
            name: name.to_lowercase(),
            version: version.to_owned(),
            file: file.to_owned(),
            dependencies: Vec::new(),
            is_base: false,
            definitions: 0,
        }
    }
}

impl Definition {
    fn bytes(&self) -> Range<usize> {
        self.range.0 as usize..self.range.1 as usize
    }
}

fn kind_of(skimmed: &Skimmed) -> Option<DefinitionKind> {
    match skimmed.resource_type.as_str() {
        "StructureDefinition" => Some(DefinitionKind::Structure),
        "ValueSet" => Some(DefinitionKind::ValueSet),
        "CodeSystem" => Some(DefinitionKind::CodeSystem),
        _ => None,
    }
}

/// `patches/<package>`: the package that a folder patches.
fn patch_target(path: &Path) -> Option<String> {
    let parent = path.parent()?.file_name()?.to_str()?;
    (path.is_dir() && parent == "patches").then(|| path.file_name().map(|f| f.to_string_lossy().into_owned()))?
}

fn find_into(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), PackageError> {
    let unreadable = |source| PackageError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    if folder.is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .map_err(unreadable)?;
    paths.sort();
    for path in paths {
        let is_dir = path.is_dir();
        if is_dir && is_package(&path) {
            found.push(path);
        } else if is_dir && path.file_name().is_some_and(|f| f == "patches") {
            find_into_patches(&path, found)?;
        } else if is_dir && depth > 0 {
            find_into(&path, depth - 1, found)?;
        } else if path.extension().is_some_and(|e| e == "tgz") || path.to_string_lossy().ends_with(".tar.gz") {
            found.push(path);
        }
    }
    Ok(())
}

fn is_package(folder: &Path) -> bool {
    folder.join("package.json").is_file() || folder.join("package/package.json").is_file()
}

fn find_into_patches(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), PackageError> {
    let unreadable = |source| PackageError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let entries: Result<Vec<PathBuf>, _> = std::fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|e| e.map(|e| e.path()))
        .collect();
    let mut folders: Vec<PathBuf> = entries.map_err(unreadable)?.into_iter().filter(|p| p.is_dir()).collect();
    folders.sort();
    found.extend(folders);
    Ok(())
}
