use super::definition::{ElementDefinition, TypeDefinition};

/// The elements of a StructureDefinition as a tree: children by name, slices below the element that they slice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    /// Last part of the path, without `[x]`.
    pub name: String,
    /// Written with `[x]`: any of several types, named after the type.
    pub is_choice: bool,
    /// Name of the slice; empty if this is no slice.
    pub slice: String,
    pub definition: ElementDefinition,
    pub children: Vec<Node>,
    pub slices: Vec<Node>,
}

impl Node {
    fn new(name: &str) -> Self {
        let (name, is_choice) = match name.strip_suffix("[x]") {
            Some(stem) => (stem, true),
            None => (name, false),
        };
        Self {
            name: name.to_owned(),
            is_choice,
            ..Self::default()
        }
    }

    /// Makes a tree of a list of elements, a snapshot or a differential. The places come from the ids where they fit the
    /// paths, else from paths and slice names in order; parents that a differential leaves out come in empty. O(elements).
    pub fn from_list(elements: Vec<ElementDefinition>) -> Option<Self> {
        let mut root: Option<Node> = None;
        let mut last: Vec<(String, String)> = Vec::new();
        for element in elements {
            let place = place_of(&element, &last);
            let first = place.first()?;
            let root = root.get_or_insert_with(|| Node::new(&first.0));
            let target = root.descend(&place[1..]);
            target.definition = element;
            last = place;
        }
        root
    }

    /// The child with this name; a choice also answers to its name with a type (`valueString`).
    pub fn child_position(&self, name: &str) -> Option<usize> {
        self.children.iter().position(|c| c.name == name)
    }

    fn descend(&mut self, place: &[(String, String)]) -> &mut Node {
        let mut node = self;
        for (name, slice) in place {
            node = node.child_or_new(name);
            if slice.is_empty() {
                continue;
            }
            // a reslice `a/b` lies below the slice `a`
            let ends: Vec<usize> = slice.match_indices('/').map(|(i, _)| i).chain([slice.len()]).collect();
            for end in ends {
                node = node.slice_or_new(&slice[..end]);
            }
        }
        node
    }

    fn child_or_new(&mut self, name: &str) -> &mut Node {
        let fresh = Node::new(name);
        let position = self
            .children
            .iter()
            .position(|c| c.name == fresh.name && c.is_choice == fresh.is_choice);
        let index = position.unwrap_or_else(|| {
            self.children.push(fresh);
            self.children.len() - 1
        });
        &mut self.children[index]
    }

    fn slice_or_new(&mut self, slice: &str) -> &mut Node {
        let index = self.slices.iter().position(|s| s.slice == slice).unwrap_or_else(|| {
            self.slices.push(Node {
                name: self.name.clone(),
                is_choice: self.is_choice,
                slice: slice.to_owned(),
                ..Node::default()
            });
            self.slices.len() - 1
        });
        &mut self.slices[index]
    }

    /// Takes children that are written with their type (`valueString` beside or instead of `value[x]`) as slices of the
    /// choice, if the tree of the base has that choice: the type is what slices it.
    pub fn fold_typed_choices(&mut self, has_choice: &dyn Fn(&str) -> bool) {
        let mut kept: Vec<Node> = Vec::new();
        for child in std::mem::take(&mut self.children) {
            let stem = if child.is_choice {
                None
            } else {
                choice_stem(&child.name, has_choice)
            };
            let Some((stem, code)) = stem else {
                kept.push(child);
                continue;
            };
            let index = kept.iter().position(|c| c.is_choice && c.name == stem).unwrap_or_else(|| {
                kept.push(Node::new(&format!("{stem}[x]")));
                kept.len() - 1
            });
            let mut slice = child;
            slice.slice = std::mem::replace(&mut slice.name, stem);
            slice.is_choice = true;
            if slice.definition.types.is_none() {
                slice.definition.types = Some(vec![TypeDefinition {
                    code,
                    ..TypeDefinition::default()
                }]);
            }
            kept[index].slices.push(slice);
        }
        self.children = kept;
    }
}

/// Splits `valueString` into `value` and `String`, if `value` is a choice.
fn choice_stem(name: &str, has_choice: &dyn Fn(&str) -> bool) -> Option<(String, String)> {
    let uppers = name
        .char_indices()
        .filter(|(i, c)| *i > 0 && c.is_ascii_uppercase())
        .map(|(i, _)| i);
    for at in uppers {
        if has_choice(&name[..at]) {
            return Some((name[..at].to_owned(), type_of_suffix(&name[at..])));
        }
    }
    None
}

/// The type that a choice's suffix names: `String` is `string`, `CodeableConcept` is itself.
pub(crate) fn type_of_suffix(suffix: &str) -> String {
    const PRIMITIVES: [&str; 20] = [
        "Base64Binary",
        "Boolean",
        "Canonical",
        "Code",
        "Date",
        "DateTime",
        "Decimal",
        "Id",
        "Instant",
        "Integer",
        "Markdown",
        "Oid",
        "PositiveInt",
        "String",
        "Time",
        "UnsignedInt",
        "Uri",
        "Url",
        "Uuid",
        "Integer64",
    ];
    let mut text = suffix.to_owned();
    if PRIMITIVES.contains(&suffix) {
        text[..1].make_ascii_lowercase();
    }
    text
}

/// The name of a choice with a type: `value` and `string` give `valueString`.
pub(crate) fn choice_name(stem: &str, code: &str) -> String {
    let mut name = String::with_capacity(stem.len() + code.len());
    name.push_str(stem);
    let mut rest = code.chars();
    name.extend(rest.next().map(|c| c.to_ascii_uppercase()));
    name.push_str(rest.as_str());
    name
}

/// Where an element belongs: name and slice of each step from the root.
fn place_of(element: &ElementDefinition, last: &[(String, String)]) -> Vec<(String, String)> {
    let path: Vec<&str> = element.path.split('.').collect();
    if !element.id.is_empty()
        && let Some(place) = place_of_id(&element.id, &path, element.slice_name.as_deref())
    {
        return place;
    }
    let mut same = true;
    let end = path.len() - 1;
    path.iter()
        .enumerate()
        .map(|(i, name)| {
            let slice = if i == end {
                element.slice_name.clone().unwrap_or_default()
            } else {
                same = same && last.get(i).is_some_and(|(n, _)| n == name);
                if same { last[i].1.clone() } else { String::new() }
            };
            ((*name).to_owned(), slice)
        })
        .collect()
}

fn place_of_id(id: &str, path: &[&str], slice_name: Option<&str>) -> Option<Vec<(String, String)>> {
    let steps: Vec<&str> = id.split('.').collect();
    if steps.len() != path.len() {
        return None;
    }
    let mut place = Vec::with_capacity(path.len());
    for (step, name) in steps.iter().zip(path) {
        let (own, slice) = step.split_once(':').unwrap_or((step, ""));
        // a typed choice may be `value[x]:valueString` in the id and `valueString` in the path
        let stem = own.strip_suffix("[x]");
        if own != *name && stem.is_none_or(|s| !name.starts_with(s)) && !place.is_empty() {
            return None;
        }
        place.push((own.to_owned(), slice.to_owned()));
    }
    if let (Some(slice_name), Some(last)) = (slice_name, place.last_mut())
        && last.1.is_empty()
    {
        slice_name.clone_into(&mut last.1);
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(path: &str, slice: Option<&str>, id: &str) -> ElementDefinition {
        ElementDefinition {
            id: id.to_owned(),
            path: path.to_owned(),
            slice_name: slice.map(str::to_owned),
            ..ElementDefinition::default()
        }
    }

    #[test]
    fn slices_come_from_order_or_from_ids() {
        let by_order = vec![
            element("P", None, ""),
            element("P.identifier", None, ""),
            element("P.identifier", Some("a"), ""),
            element("P.identifier.system", None, ""),
            element("P.identifier", Some("a/b"), ""),
            element("P.identifier.value", None, ""),
            element("P.name", None, ""),
        ];
        let by_id = vec![
            element("P.name", None, "P.name"),
            element("P.identifier.system", None, "P.identifier:a.system"),
            element("P.identifier.value", None, "P.identifier:a/b.value"),
        ];
        for list in [by_order, by_id] {
            let root = Node::from_list(list).unwrap();
            let identifier = &root.children[root.child_position("identifier").unwrap()];
            let a = &identifier.slices[0];
            assert_eq!((a.slice.as_str(), a.children[0].name.as_str()), ("a", "system"));
            assert_eq!(
                (a.slices[0].slice.as_str(), a.slices[0].children[0].name.as_str()),
                ("a/b", "value")
            );
            assert!(root.child_position("name").is_some());
        }
    }

    #[test]
    fn a_typed_choice_is_a_slice() {
        let mut root = Node::from_list(vec![element("E.valueString", None, "E.valueString")]).unwrap();
        root.fold_typed_choices(&|stem| stem == "value");
        let value = &root.children[0];
        assert_eq!(
            (value.name.as_str(), value.is_choice, value.slices[0].slice.as_str()),
            ("value", true, "valueString")
        );
        assert_eq!(value.slices[0].definition.types.as_ref().unwrap()[0].code, "string");
        assert_eq!(choice_name("value", "dateTime"), "valueDateTime");
    }
}
