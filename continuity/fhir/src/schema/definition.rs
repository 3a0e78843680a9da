use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// A StructureDefinition as far as validation needs it; narrative, mappings and prose are passed over unread.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct StructureDefinition {
    pub url: String,
    pub version: Option<String>,
    pub name: String,
    pub kind: String,
    pub r#abstract: bool,
    #[serde(rename = "type")]
    pub type_name: String,
    pub base_definition: Option<String>,
    pub derivation: Option<String>,
    pub context: Vec<ExtensionContext>,
    pub context_invariant: Vec<String>,
    pub snapshot: Option<ElementList>,
    pub differential: Option<ElementList>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ElementList {
    #[serde(default)]
    pub element: Vec<ElementDefinition>,
}

/// Where an extension may be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ExtensionContext {
    /// `element`, `extension` or `fhirpath`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Path of an element, canonical of an extension, or an expression.
    #[serde(default)]
    pub expression: String,
}

/// One ElementDefinition; what a differential does not say is `None` or empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct ElementDefinition {
    pub id: String,
    pub path: String,
    pub slice_name: Option<String>,
    pub min: Option<u32>,
    pub max: Option<String>,
    pub types: Option<Vec<TypeDefinition>>,
    /// `fixed[x]` and `pattern[x]`.
    pub fixed: Option<Value>,
    pub pattern: Option<Value>,
    pub binding: Option<BindingDefinition>,
    pub constraints: Vec<ConstraintDefinition>,
    pub slicing: Option<SlicingDefinition>,
    pub content_reference: Option<String>,
    pub max_length: Option<u32>,
    pub min_value: Option<Value>,
    pub max_value: Option<Value>,
    pub is_xml_attribute: bool,
    pub is_modifier: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TypeDefinition {
    pub code: String,
    pub profiles: Vec<String>,
    pub targets: Vec<String>,
    pub aggregation: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct BindingDefinition {
    pub strength: String,
    pub value_set: Option<String>,
    pub extension: Vec<Extension>,
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct ConstraintDefinition {
    pub key: String,
    pub severity: String,
    pub human: String,
    pub expression: Option<String>,
    pub source: Option<String>,
    pub extension: Vec<Extension>,
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct SlicingDefinition {
    pub discriminator: Vec<DiscriminatorDefinition>,
    pub ordered: bool,
    pub rules: String,
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct DiscriminatorDefinition {
    #[serde(rename = "type")]
    pub kind: String,
    pub path: String,
}

/// The few extensions that change what a definition means.
#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Extension {
    pub url: String,
    pub value_url: Option<String>,
    pub value_uri: Option<String>,
    pub value_boolean: Option<bool>,
    pub value_canonical: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct TypeEntry {
    code: Option<String>,
    profile: Vec<String>,
    target_profile: Vec<String>,
    aggregation: Vec<String>,
    extension: Vec<Extension>,
}

const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
const SYSTEM_TYPE: &str = "http://hl7.org/fhirpath/System.";

impl From<TypeEntry> for TypeDefinition {
    fn from(entry: TypeEntry) -> Self {
        // `id` and the values of primitives are typed in FHIRPath's own system; the FHIR type stands in an extension
        let fhir_type = entry.extension.into_iter().find(|e| e.url == FHIR_TYPE);
        let code = match fhir_type.and_then(|e| e.value_url.or(e.value_uri)) {
            Some(code) => code,
            None => entry.code.unwrap_or_default(),
        };
        let code = match code.strip_prefix(SYSTEM_TYPE) {
            Some(system) => {
                let mut text = system.to_owned();
                if let Some(first) = text.get_mut(..1) {
                    first.make_ascii_lowercase();
                }
                text
            }
            None => code,
        };
        Self {
            code,
            profiles: entry.profile,
            targets: entry.target_profile,
            aggregation: entry.aggregation,
        }
    }
}

impl<'de> Deserialize<'de> for ElementDefinition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = ElementDefinition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an ElementDefinition")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ElementDefinition, A::Error> {
        let mut element = ElementDefinition::default();
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &*key {
                "id" => element.id = map.next_value()?,
                "path" => element.path = map.next_value()?,
                "sliceName" => element.slice_name = Some(map.next_value()?),
                "min" => element.min = Some(map.next_value()?),
                "max" => element.max = Some(map.next_value()?),
                "type" => {
                    let entries: Vec<TypeEntry> = map.next_value()?;
                    element.types = Some(entries.into_iter().map(TypeDefinition::from).collect());
                }
                "binding" => element.binding = Some(map.next_value()?),
                "constraint" => element.constraints = map.next_value()?,
                "slicing" => element.slicing = Some(map.next_value()?),
                "contentReference" => element.content_reference = Some(map.next_value()?),
                "maxLength" => element.max_length = Some(map.next_value()?),
                "isModifier" => element.is_modifier = Some(map.next_value()?),
                "representation" => {
                    let written: Vec<String> = map.next_value()?;
                    element.is_xml_attribute = written.iter().any(|r| r == "xmlAttr");
                }
                key if key.starts_with("fixed") => element.fixed = Some(map.next_value()?),
                key if key.starts_with("pattern") => element.pattern = Some(map.next_value()?),
                key if key.starts_with("minValue") => element.min_value = Some(map.next_value()?),
                key if key.starts_with("maxValue") => element.max_value = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(element)
    }
}
