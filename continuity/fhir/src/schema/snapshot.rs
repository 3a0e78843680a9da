use super::definition::ElementDefinition;
use super::tree::Node;

/// Most levels of types opened below each other while a differential is laid over its base.
pub const EXPANSION_DEPTH_MAX: usize = 24;

/// Lays a differential over the tree of its base: what a snapshot would say (FHIR R4, profiling 5.1.0.10).
///
/// `children_of` opens a leaf: it returns the children that its type (or the element that it refers to) has.
pub(crate) fn overlay(base: &mut Node, differential: Node, children_of: &dyn Fn(&Node) -> Vec<Node>) {
    merge(base, differential, children_of, 0);
}

fn merge(base: &mut Node, mut differential: Node, children_of: &dyn Fn(&Node) -> Vec<Node>, depth: usize) {
    lay_over(&mut base.definition, differential.definition);
    if depth == EXPANSION_DEPTH_MAX {
        return;
    }
    if !differential.children.is_empty() {
        let children = std::mem::take(&mut differential.children);
        let mut opened = Node {
            children,
            ..Node::default()
        };
        open(base, children_of);
        opened.fold_typed_choices(&|stem| base.children.iter().any(|c| c.is_choice && c.name == stem));
        for child in opened.children {
            match base.child_position(&child.name) {
                Some(at) => merge(&mut base.children[at], child, children_of, depth + 1),
                None => base.children.push(child),
            }
        }
    }
    for slice in differential.slices {
        match base.slices.iter().position(|s| s.slice == slice.slice) {
            Some(at) => merge(&mut base.slices[at], slice, children_of, depth + 1),
            None => {
                // a new slice begins as the element that it slices, and is optional until it says otherwise
                let mut fresh = base.clone();
                fresh.slices.clear();
                fresh.slice.clone_from(&slice.slice);
                fresh.definition.slicing = None;
                fresh.definition.min = Some(0);
                merge(&mut fresh, slice, children_of, depth + 1);
                base.slices.push(fresh);
            }
        }
    }
}

fn open(base: &mut Node, children_of: &dyn Fn(&Node) -> Vec<Node>) {
    if base.children.is_empty() {
        base.children = children_of(base);
    }
}

fn lay_over(base: &mut ElementDefinition, differential: ElementDefinition) {
    fn replace<T>(base: &mut Option<T>, new: Option<T>) {
        if new.is_some() {
            *base = new;
        }
    }
    if !differential.path.is_empty() {
        base.id = differential.id;
    }
    replace(&mut base.slice_name, differential.slice_name);
    replace(&mut base.min, differential.min);
    replace(&mut base.max, differential.max);
    replace(&mut base.types, differential.types.filter(|t| !t.is_empty()));
    replace(&mut base.fixed, differential.fixed);
    replace(&mut base.pattern, differential.pattern);
    replace(&mut base.slicing, differential.slicing);
    replace(&mut base.content_reference, differential.content_reference);
    replace(&mut base.max_length, differential.max_length);
    replace(&mut base.min_value, differential.min_value);
    replace(&mut base.max_value, differential.max_value);
    replace(&mut base.is_modifier, differential.is_modifier);
    if let Some(mut binding) = differential.binding {
        if binding.value_set.is_none() {
            binding.value_set = base.binding.as_ref().and_then(|b| b.value_set.clone());
        }
        base.binding = Some(binding);
    }
    for constraint in differential.constraints {
        match base.constraints.iter_mut().find(|c| c.key == constraint.key) {
            Some(same) => *same = constraint,
            None => base.constraints.push(constraint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::{ConstraintDefinition, TypeDefinition};
    use super::*;

    fn element(id: &str, min: u32, code: &str) -> ElementDefinition {
        let names: Vec<&str> = id.split('.').map(|s| s.split(':').next().unwrap()).collect();
        ElementDefinition {
            id: id.to_owned(),
            path: names.join("."),
            slice_name: id.rsplit('.').next().unwrap().split_once(':').map(|(_, s)| s.to_owned()),
            min: Some(min),
            types: (!code.is_empty()).then(|| {
                vec![TypeDefinition {
                    code: code.to_owned(),
                    ..TypeDefinition::default()
                }]
            }),
            ..ElementDefinition::default()
        }
    }

    #[test]
    fn slices_inherit_and_leaves_open_into_their_type() {
        let mut base = Node::from_list(vec![
            element("P", 0, ""),
            element("P.identifier", 0, "Identifier"),
            element("P.value[x]", 0, ""),
        ])
        .unwrap();
        base.children[0].definition.constraints.push(ConstraintDefinition {
            key: "ele-1".to_owned(),
            ..ConstraintDefinition::default()
        });
        let differential = Node::from_list(vec![
            element("P.identifier:a", 1, ""),
            element("P.identifier:a.system", 1, ""),
            element("P.valueString", 1, ""),
        ])
        .unwrap();
        overlay(&mut base, differential, &|leaf| {
            let code = &leaf.definition.types.as_ref().unwrap()[0].code;
            assert_eq!(code, "Identifier");
            Node::from_list(vec![
                element("Identifier", 0, ""),
                element("Identifier.system", 0, "uri"),
                element("Identifier.value", 0, "string"),
            ])
            .unwrap()
            .children
        });
        let slice = &base.children[0].slices[0];
        assert_eq!(
            (slice.definition.min, slice.definition.constraints.len(), slice.children.len()),
            (Some(1), 1, 2)
        );
        assert_eq!(slice.children[0].definition.min, Some(1));
        assert_eq!(slice.children[0].definition.types.as_ref().unwrap()[0].code, "uri");
        assert!(base.children[0].children.is_empty());
        assert_eq!(base.children[1].slices[0].slice, "valueString");
    }
}
