//! The types of R4 for tests, from published StructureDefinitions.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use leckwehr_fhir::path::{ElementType, Primitive, Schema, TypeId};
use leckwehr_fhir::source::{NameId, Names};
use serde_json::Value;

#[derive(Default)]
pub struct Definitions {
    numbers: HashMap<String, TypeId>,
    types: Vec<Type>,
    pub names: Arc<Names>,
}

#[derive(Default)]
struct Type {
    name: String,
    base: Option<String>,
    primitive: Option<Primitive>,
    /// By name as written: name of the element, type.
    children: HashMap<NameId, ElementType>,
    elements: HashMap<String, Vec<TypeId>>,
}

impl Definitions {
    pub fn load(folder: &Path) -> Self {
        let mut found = Vec::new();
        for file in ["profiles-types.json", "profiles-resources.json"] {
            let bundle: Value = serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap();
            for entry in bundle["entry"].as_array().unwrap() {
                let resource = &entry["resource"];
                let is_type = resource["resourceType"] == "StructureDefinition" && resource["kind"] != "logical";
                if is_type && resource["derivation"] != "constraint" {
                    found.push(resource.clone());
                }
            }
        }
        let mut made = Self::default();
        for definition in &found {
            made.add_types(definition);
        }
        let mut names = Names::new();
        for definition in &found {
            made.add_elements(definition, &mut names);
        }
        made.names = Arc::new(names);
        made
    }

    fn add_type(&mut self, key: &str, of: Type) {
        self.numbers.insert(key.to_owned(), TypeId(self.types.len() as u32));
        self.types.push(of);
    }

    fn add_types(&mut self, definition: &Value) {
        let name = definition["type"].as_str().unwrap();
        let base = definition["baseDefinition"]
            .as_str()
            .map(|b| b.rsplit('/').next().unwrap().to_owned());
        let is_primitive = definition["kind"] == "primitive-type";
        self.add_type(
            name,
            Type {
                name: name.to_owned(),
                base,
                primitive: is_primitive.then(|| Primitive::of_type_name(name)).flatten(),
                ..Type::default()
            },
        );
        for element in definition["snapshot"]["element"].as_array().unwrap() {
            let path = element["path"].as_str().unwrap();
            let code = element["type"][0]["code"].as_str().unwrap_or_default();
            if path.contains('.') && matches!(code, "BackboneElement" | "Element") {
                self.add_type(
                    path,
                    Type {
                        name: code.to_owned(),
                        base: Some(code.to_owned()),
                        ..Type::default()
                    },
                );
            }
        }
    }

    fn add_elements(&mut self, definition: &Value, names: &mut Names) {
        for element in definition["snapshot"]["element"].as_array().unwrap() {
            let path = element["path"].as_str().unwrap();
            let Some((parent, name)) = path.rsplit_once('.') else {
                continue;
            };
            let parent = self.numbers[parent].0 as usize;
            let base = name.trim_end_matches("[x]");
            let element_name = names.intern(base);
            let mut types = Vec::new();
            for (written, type_id) in self.types_of(element, path, base) {
                let child = ElementType {
                    element: element_name,
                    type_id,
                };
                self.types[parent].children.insert(names.intern(&written), child);
                types.push(type_id);
            }
            self.types[parent].elements.insert(base.to_owned(), types);
        }
    }

    fn types_of(&self, element: &Value, path: &str, base: &str) -> Vec<(String, TypeId)> {
        if let Some(reference) = element["contentReference"].as_str() {
            return vec![(base.to_owned(), self.numbers[reference.rsplit('#').next().unwrap()])];
        }
        if let Some(backbone) = self.numbers.get(path) {
            return vec![(base.to_owned(), *backbone)];
        }
        let mut types = Vec::new();
        for of in element["type"].as_array().into_iter().flatten() {
            let mut code = of["code"].as_str().unwrap();
            if code.starts_with("http://hl7.org/fhirpath/") {
                let of_resource = path.matches('.').count() == 1 && base == "id" && !path.starts_with(char::is_lowercase);
                code = if of_resource { "id" } else { "string" };
            }
            let Some(type_id) = self.numbers.get(code) else { continue };
            let capital = code[..1].to_uppercase() + &code[1..];
            let written = if path.ends_with("[x]") {
                format!("{base}{capital}")
            } else {
                base.to_owned()
            };
            types.push((written, *type_id));
        }
        types
    }
}

impl Schema for Definitions {
    fn type_named(&self, name: &str) -> Option<TypeId> {
        self.numbers.get(name).copied().filter(|_| !name.contains('.'))
    }

    fn type_name(&self, of: TypeId) -> &str {
        &self.types[of.0 as usize].name
    }

    fn is_subtype(&self, of: TypeId, base: TypeId) -> bool {
        let mut at = Some(of);
        while let Some(here) = at {
            if here == base {
                return true;
            }
            at = self.types[here.0 as usize]
                .base
                .as_ref()
                .and_then(|b| self.numbers.get(b).copied());
        }
        false
    }

    fn primitive(&self, of: TypeId) -> Option<Primitive> {
        self.types[of.0 as usize].primitive
    }

    fn child(&self, of: TypeId, name: NameId) -> Option<ElementType> {
        self.types[of.0 as usize].children.get(&name).copied()
    }

    fn element_types(&self, of: TypeId, element: &str) -> Option<Vec<TypeId>> {
        self.types[of.0 as usize].elements.get(element).cloned()
    }
}
