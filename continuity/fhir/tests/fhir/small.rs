//! A handful of R4's types, so that tests of FHIRPath need no packages.

use std::sync::Arc;

use leckwehr_fhir::path::{ElementType, Primitive, Schema, TypeId};
use leckwehr_fhir::source::{NameId, Names};

/// A child as written, its element, its type.
type Child = (&'static str, &'static str, &'static str);

const TYPES: &[(&str, &str, &[Child])] = &[
    ("Resource", "", &[("id", "id", "id"), ("meta", "meta", "Element")]),
    (
        "Element",
        "",
        &[("id", "id", "string"), ("extension", "extension", "Extension")],
    ),
    (
        "Patient",
        "Resource",
        &[
            ("id", "id", "id"),
            ("text", "text", "Narrative"),
            ("contained", "contained", "Resource"),
            ("extension", "extension", "Extension"),
            ("name", "name", "HumanName"),
            ("gender", "gender", "code"),
            ("birthDate", "birthDate", "date"),
            ("deceasedDateTime", "deceased", "dateTime"),
            ("deceasedBoolean", "deceased", "boolean"),
            ("managingOrganization", "managingOrganization", "Reference"),
        ],
    ),
    (
        "Organization",
        "Resource",
        &[
            ("id", "id", "id"),
            ("name", "name", "string"),
            ("partOf", "partOf", "Reference"),
        ],
    ),
    (
        "Narrative",
        "Element",
        &[("status", "status", "code"), ("div", "div", "xhtml")],
    ),
    (
        "Extension",
        "Element",
        &[
            ("url", "url", "uri"),
            ("extension", "extension", "Extension"),
            ("valueQuantity", "value", "Quantity"),
            ("valueCode", "value", "code"),
            ("valueString", "value", "string"),
        ],
    ),
    (
        "HumanName",
        "Element",
        &[
            ("extension", "extension", "Extension"),
            ("use", "use", "code"),
            ("family", "family", "string"),
            ("given", "given", "string"),
        ],
    ),
    ("Reference", "Element", &[("reference", "reference", "string")]),
    (
        "Quantity",
        "Element",
        &[
            ("value", "value", "decimal"),
            ("comparator", "comparator", "code"),
            ("unit", "unit", "string"),
            ("system", "system", "uri"),
            ("code", "code", "code"),
        ],
    ),
    ("xhtml", "Element", &[]),
    ("boolean", "Element", &[]),
    ("decimal", "Element", &[]),
    ("date", "Element", &[("extension", "extension", "Extension")]),
    ("dateTime", "Element", &[]),
    ("uri", "Element", &[]),
    (
        "string",
        "Element",
        &[("id", "id", "string"), ("extension", "extension", "Extension")],
    ),
    ("code", "string", &[]),
    ("id", "string", &[]),
];

/// The types, and their names as documents and expressions are to use them.
pub struct Small {
    pub names: Arc<Names>,
}

impl Small {
    pub fn new() -> Self {
        let mut names = Names::new();
        for (name, _, children) in TYPES {
            names.intern(name);
            for (written, element, _) in *children {
                names.intern(written);
                names.intern(element);
            }
        }
        Self { names: Arc::new(names) }
    }
}

impl Schema for Small {
    fn type_named(&self, name: &str) -> Option<TypeId> {
        TYPES.iter().position(|(n, ..)| *n == name).map(|at| TypeId(at as u32))
    }

    fn type_name(&self, of: TypeId) -> &str {
        TYPES[of.0 as usize].0
    }

    fn is_subtype(&self, of: TypeId, base: TypeId) -> bool {
        of == base
            || self
                .type_named(TYPES[of.0 as usize].1)
                .is_some_and(|of| self.is_subtype(of, base))
    }

    fn primitive(&self, of: TypeId) -> Option<Primitive> {
        Primitive::of_type_name(self.type_name(of))
    }

    fn child(&self, of: TypeId, name: NameId) -> Option<ElementType> {
        let text = self.names.text(name)?;
        let (_, element, of) = TYPES[of.0 as usize].2.iter().find(|(written, ..)| *written == text)?;
        Some(ElementType {
            element: self.names.get(element)?,
            type_id: self.type_named(of)?,
        })
    }

    fn element_types(&self, of: TypeId, element: &str) -> Option<Vec<TypeId>> {
        let found = TYPES[of.0 as usize].2.iter().filter(|(_, name, _)| *name == element);
        let types: Vec<_> = found.filter_map(|(.., of)| self.type_named(of)).collect();
        (!types.is_empty()).then_some(types)
    }
}
