use std::sync::{Arc, OnceLock};

use crate::path::Expression;

/// An invariant of an element.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Key (`ele-1`, `bdl-7`, …).
    pub key: Box<str>,
    /// Number of the key within the schema.
    pub key_id: u32,
    /// Whether a violation makes the document invalid.
    pub is_error: bool,
    /// A recommendation of the base specification, marked as best practice.
    pub is_best_practice: bool,
    /// What it says, for people.
    pub human: Box<str>,
    /// The expression, shared by all rules that have the same.
    pub expression: Arc<RuleExpression>,
}

/// An expression that is compiled when first needed, once per schema.
pub struct RuleExpression {
    /// Number within the schema: results are remembered by it.
    pub id: u32,
    /// FHIRPath as written.
    pub text: Box<str>,
    /// What it is if it is one of those that need no engine.
    pub(crate) known: Known,
    compiled: OnceLock<Option<Expression>>,
}

/// Expressions of the base specification that hang on every element; the walk answers them itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// To be evaluated.
    No,
    /// `ele-1`: a value or children.
    HasContent,
    /// `ext-1`: extensions or a value, never both.
    ExtensionOrValue,
}

impl RuleExpression {
    pub(crate) fn new(id: u32, text: &str) -> Self {
        let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let known = match bare.as_str() {
            "hasValue()or(children().count()>id.count())" => Known::HasContent,
            "extension.exists()!=value.exists()" => Known::ExtensionOrValue,
            _ => Known::No,
        };
        Self {
            id,
            text: corrected(text, &bare).into(),
            known,
            compiled: OnceLock::new(),
        }
    }

    /// The compiled expression; `None` if it is not FHIRPath.
    pub fn compiled(&self, schema: &super::Schema) -> Option<&Expression> {
        let compile = || Expression::compile(&self.text, schema, schema.names()).ok();
        self.compiled.get_or_init(compile).as_ref()
    }
}

/// Invariants of R4 that say something else than they mean, in the wording of later versions of the specification.
fn corrected<'a>(text: &'a str, bare: &str) -> &'a str {
    match bare {
        // ref-1: a reference without `reference` (an identifier, a display text) is no local one
        "reference.startsWith('#').not()or(reference.substring(1).trace('url')in%rootResource.contained.id.trace('ids'))" => {
            "reference.exists() implies (reference.startsWith('#').not() or (reference.substring(1) in %rootResource.contained.id) or (reference = '#' and %rootResource != %resource))"
        }
        _ => text,
    }
}

impl std::fmt::Debug for RuleExpression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RuleExpression").field(&self.text).finish()
    }
}
