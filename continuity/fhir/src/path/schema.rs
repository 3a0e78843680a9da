use crate::source::NameId;

/// A type of the schema as a number. Backbone elements (`Patient.contact`) have numbers of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

/// What the child of an instance is: `valueQuantity` of an Observation is its element `value`, and a Quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementType {
    /// Name of the element without the type that a choice carries in its name.
    pub element: NameId,
    /// Its type.
    pub type_id: TypeId,
}

/// What a primitive type of FHIR is to FHIRPath (FHIR R4, "FHIRPath", table of implicit conversions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primitive {
    /// `boolean`.
    Boolean,
    /// `string`, `uri` and their specialisations, `base64Binary`.
    String,
    /// `integer`, `positiveInt`, `unsignedInt`.
    Integer,
    /// `decimal`.
    Decimal,
    /// `date`.
    Date,
    /// `dateTime`, `instant`.
    DateTime,
    /// `time`.
    Time,
}

impl Primitive {
    /// Returns what the primitive type of this name is. Primitive types, and only they, have names in lower case.
    pub fn of_type_name(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "integer" | "positiveInt" | "unsignedInt" | "integer64" => Self::Integer,
            "decimal" => Self::Decimal,
            "date" => Self::Date,
            "dateTime" | "instant" => Self::DateTime,
            "time" => Self::Time,
            _ if name.starts_with(|c: char| c.is_ascii_lowercase()) && name != "xhtml" => Self::String,
            _ => return None,
        })
    }
}

/// The types that documents are made of: FHIR's base definitions. Profiles say nothing here, they only narrow.
///
/// All is asked while documents are read and rules run, so each answer should cost no more than a look into a table.
pub trait Schema: Send + Sync {
    /// Returns the type of a name as FHIR writes it (`Patient`, `HumanName`, `code`, `Resource`).
    fn type_named(&self, name: &str) -> Option<TypeId>;

    /// Returns the name of a type. A backbone element's is `BackboneElement` or `Element`.
    fn type_name(&self, of: TypeId) -> &str;

    /// Returns whether a type is `base` or a specialisation of it (`code` ⊂ `string` ⊂ `Element`).
    fn is_subtype(&self, of: TypeId, base: TypeId) -> bool;

    /// Returns what a primitive type is, and nothing for others.
    fn primitive(&self, of: TypeId) -> Option<Primitive>;

    /// Returns what a child of that name is, named as in an instance (`valueQuantity`); nothing if there is none.
    fn child(&self, of: TypeId, name: NameId) -> Option<ElementType>;

    /// Returns the types that an element may have, named as in FHIRPath (`value`); nothing if there is no such element.
    /// For checking expressions before they run; may allocate.
    fn element_types(&self, of: TypeId, element: &str) -> Option<Vec<TypeId>>;
}
