use std::borrow::Cow;

use rust_decimal::Decimal;

use super::moment::Moment;
use super::unit::Unit;
use crate::source::NodeId;

/// One item of a collection: a node of the document, or a value of FHIRPath's own types. It may be patient data.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    /// A node of the document.
    Node(NodeId),
    /// `System.Boolean`.
    Boolean(bool),
    /// `System.Integer`.
    Integer(i64),
    /// `System.Decimal`, with the digits it was written with.
    Decimal(Decimal),
    /// `System.String`.
    String(Cow<'a, str>),
    /// `System.Date`, `System.DateTime` or `System.Time`.
    Moment(Moment),
    /// `System.Quantity`.
    Quantity(Box<Quantity>),
    /// What `type()` returns.
    Type(Box<TypeInfo<'a>>),
}

/// A number with its unit.
#[derive(Clone, PartialEq)]
pub struct Quantity {
    /// The number.
    pub value: Decimal,
    /// What it is of.
    pub unit: Unit,
}

/// Name of a type, and the model it is of: `System` or `FHIR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeInfo<'a> {
    /// `System` or `FHIR`.
    pub namespace: &'static str,
    /// `Integer`, `Patient`.
    pub name: &'a str,
}

/// FHIRPath's own types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// `System.Any`.
    Any,
    /// `System.Boolean`.
    Boolean,
    /// `System.String`.
    String,
    /// `System.Integer`.
    Integer,
    /// `System.Decimal`.
    Decimal,
    /// `System.Date`.
    Date,
    /// `System.DateTime`.
    DateTime,
    /// `System.Time`.
    Time,
    /// `System.Quantity`.
    Quantity,
}

impl System {
    /// Returns the name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "Any",
            Self::Boolean => "Boolean",
            Self::String => "String",
            Self::Integer => "Integer",
            Self::Decimal => "Decimal",
            Self::Date => "Date",
            Self::DateTime => "DateTime",
            Self::Time => "Time",
            Self::Quantity => "Quantity",
        }
    }
}
