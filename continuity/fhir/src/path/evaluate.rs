use smallvec::{SmallVec, smallvec};

use super::expression::{Expr, Name, Step, TypeSpec, Variable};
use super::function::Function;
use super::host::Host;
use super::schema::{Primitive, Schema, TypeId};
use super::typed::TypedDocument;
use super::value::{System, TypeInfo, Value};
use crate::source::{Document, NodeId};

/// Most steps of one evaluation, if nothing else is said: an item made, compared or looked at is a step.
pub const STEPS_MAX: u64 = 20_000_000;
/// Longest text that an expression may make, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What an expression is evaluated in: a document, its types, and the world beyond.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The document with the types of its nodes.
    pub typed: &'a TypedDocument<'a>,
    /// The types.
    pub schema: &'a dyn Schema,
    /// What the expression may ask.
    pub host: &'a dyn Host,
    /// How `as` is read.
    pub reading: Reading,
    /// Most steps of one evaluation.
    pub steps_max: u64,
}

impl<'a> Scene<'a> {
    /// Returns a scene that reads as R4 does, with the limit [`STEPS_MAX`].
    pub fn new(typed: &'a TypedDocument<'a>, schema: &'a dyn Schema, host: &'a dyn Host) -> Self {
        Self {
            typed,
            schema,
            host,
            reading: Reading::R4,
            steps_max: STEPS_MAX,
        }
    }
}

/// How `as` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As the rules of R4 are written: `as` picks from any number of items (dom-3: `descendants().as(canonical)`).
    R4,
    /// As FHIRPath N1 says: `as` takes one item at most.
    Strict,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The expression cannot be applied to this data.
    #[error(transparent)]
    Error(#[from] EvaluationError),
    /// The expression asks for something that cannot be told here. Never the same as "no".
    #[error(transparent)]
    Unknown(#[from] Doubt),
}

/// What makes an expression inapplicable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// Several items where one is wanted.
    #[error("several items where one is wanted")]
    Several,
    /// An item of a type that the operator or function cannot take.
    #[error("the wrong type for this")]
    WrongType,
    /// A type that does not exist.
    #[error("no such type")]
    NoSuchType,
    /// A profile that does not exist.
    #[error("no such profile")]
    NoSuchProfile,
    /// A pattern that is no regular expression.
    #[error("not a regular expression")]
    Pattern,
    /// A span that has no fixed length, or is none of time, added to a date.
    #[error("not a span of time")]
    Span,
    /// A modifier extension that the expression does not expect.
    #[error("an unexpected modifier extension")]
    Modifier,
    /// `$index` or `$total` outside of a function that has them.
    #[error("not within a function that has it")]
    Outside,
}

/// What cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// More steps than the limit.
    #[error("more steps than the limit")]
    Steps,
    /// A text longer than the limit.
    #[error("a text longer than the limit")]
    Text,
    /// A pattern that takes too long.
    #[error("a pattern takes too long")]
    Pattern,
    /// A reference out of what can be seen here.
    #[error("a reference out of what can be seen here")]
    Reference,
    /// A question of terminology.
    #[error("a question of terminology")]
    Terminology,
    /// A question of conformance to a profile.
    #[error("a question of conformance")]
    Conformance,
    /// The time of evaluation.
    #[error("the time of evaluation is not given")]
    Time,
    /// A function that needs the definitions of elements.
    #[error("a function that needs definitions")]
    Definitions,
}

/// A collection.
pub(super) type Items<'a> = SmallVec<[Value<'a>; 1]>;
/// What an evaluation gives.
pub(super) type Outcome<'a> = Result<Items<'a>, Stop>;

/// What `$this`, `$index` and `$total` are.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'a> {
    pub this: &'s [Value<'a>],
    pub index: Option<usize>,
    pub total: Option<&'s [Value<'a>]>,
}

impl<'s, 'a> Scope<'s, 'a> {
    /// Returns the scope of one item of a collection.
    pub fn item(item: &'s Value<'a>, index: usize) -> Self {
        Self {
            this: std::slice::from_ref(item),
            index: Some(index),
            total: None,
        }
    }
}

/// One evaluation.
pub(super) struct Evaluator<'a> {
    pub scene: Scene<'a>,
    pub context: NodeId,
    steps_left: u64,
}

impl<'a> Evaluator<'a> {
    pub fn new(scene: &Scene<'a>, context: NodeId) -> Self {
        Self {
            scene: *scene,
            context,
            steps_left: scene.steps_max,
        }
    }

    pub fn run(&mut self, root: &'a Expr) -> Outcome<'a> {
        let this = [Value::Node(self.context)];
        let scope = Scope {
            this: &this,
            index: None,
            total: None,
        };
        self.eval(root, scope)
    }

    pub fn holds(&mut self, root: &'a Expr) -> Result<bool, Stop> {
        let this = [Value::Node(self.context)];
        let scope = Scope {
            this: &this,
            index: None,
            total: None,
        };
        if matches!(root, Expr::Binary(operator, _) if operator.is_condition()) {
            return Ok(self.condition(root, scope)? == Some(true));
        }
        let items = self.eval(root, scope)?;
        Ok(match &items[..] {
            [] => false,
            [item] => self.boolean(item).unwrap_or(true),
            _ => true,
        })
    }

    pub fn document(&self) -> &'a Document {
        self.scene.typed.document()
    }

    /// Takes steps off the budget.
    pub fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        let left = self.steps_left.checked_sub(steps as u64);
        self.steps_left = left.ok_or(Doubt::Steps)?;
        Ok(())
    }

    pub fn eval(&mut self, expr: &'a Expr, scope: Scope<'_, 'a>) -> Outcome<'a> {
        self.spend(1)?;
        match expr {
            Expr::Literal(value) => Ok(smallvec![borrowed(value)]),
            Expr::Empty => Ok(Items::new()),
            Expr::This => {
                self.spend(scope.this.len())?;
                Ok(scope.this.iter().cloned().collect())
            }
            Expr::Index => {
                let index = scope.index.ok_or(EvaluationError::Outside)?;
                Ok(smallvec![Value::Integer(index as i64)])
            }
            Expr::Total => {
                let total = scope.total.ok_or(EvaluationError::Outside)?;
                self.spend(total.len())?;
                Ok(total.iter().cloned().collect())
            }
            Expr::Variable(variable) => Ok(smallvec![self.variable(variable)]),
            Expr::Path(start, steps) => self.path(start, steps, scope),
            Expr::Sign(negative, of) => {
                let of = self.eval(of, scope)?;
                self.sign(*negative, of)
            }
            Expr::Binary(operator, sides) => self.binary(*operator, &sides.0, &sides.1, scope),
            Expr::TypeOperator(function, of, spec) => {
                let of = self.eval(of, scope)?;
                self.type_function(*function, of, spec)
            }
        }
    }

    fn variable(&self, variable: &'a Variable) -> Value<'a> {
        match variable {
            Variable::Context => Value::Node(self.context),
            Variable::Resource => Value::Node(self.document().resource_of(self.context)),
            Variable::RootResource => {
                let document = self.document();
                let mut root = document.resource_of(self.context);
                while document.name(root) == "contained" {
                    match document.parent(root) {
                        Some(parent) => root = document.resource_of(parent),
                        None => break,
                    }
                }
                Value::Node(root)
            }
            Variable::Text(text) => Value::String((&**text).into()),
        }
    }

    pub fn path(&mut self, start: &'a Expr, steps: &'a [Step], scope: Scope<'_, 'a>) -> Outcome<'a> {
        // The commonest path begins with a name: no need to copy `$this` for it.
        let (mut items, steps) = match (start, steps) {
            (Expr::This, [first @ (Step::Begin(..) | Step::Child(..)), rest @ ..]) => (self.named(first, scope.this)?, rest),
            _ => (self.eval(start, scope)?, steps),
        };
        for step in steps {
            items = match step {
                Step::Begin(..) | Step::Child(..) => self.named(step, &items)?,
                Step::At(index) => {
                    let index = self.eval(index, scope)?;
                    let index = self.integer(&index)?.and_then(|i| usize::try_from(i).ok());
                    index.and_then(|i| items.into_iter().nth(i)).into_iter().collect()
                }
                Step::Call(call) => self.call(call, items, scope)?,
            };
        }
        Ok(items)
    }

    fn named(&mut self, step: &'a Step, of: &[Value<'a>]) -> Outcome<'a> {
        let mut found = Items::new();
        for item in of {
            match (step, item) {
                (Step::Begin(_, Some(type_id), _), Value::Node(node)) if self.is_a(*node, *type_id) => {
                    found.push(item.clone());
                }
                (Step::Begin(name, ..) | Step::Child(name, ..), Value::Node(node)) => {
                    self.children_named(*node, name, &mut found)?
                }
                (Step::Child(name, ..), Value::Type(info)) => match &*name.text {
                    "namespace" => found.push(Value::String(info.namespace.into())),
                    "name" => found.push(Value::String(info.name.into())),
                    _ => {}
                },
                _ => {}
            }
        }
        Ok(found)
    }

    fn children_named(&mut self, node: NodeId, name: &Name, found: &mut Items<'a>) -> Result<(), Stop> {
        let looked = match name.id {
            Some(id) => self
                .scene
                .typed
                .children_named(node, id, |child| found.push(Value::Node(child))),
            // A name that the schema does not know is known to the document alone, if to anybody.
            None => {
                let document = self.document();
                let children = document.children(node).map(|child| {
                    if document.name_id(child).is_local() && document.name(child) == &*name.text {
                        found.push(Value::Node(child));
                    }
                });
                children.count()
            }
        };
        self.spend(looked)
    }

    pub fn is_a(&self, node: NodeId, base: TypeId) -> bool {
        let of = self.scene.typed.type_of(node);
        of.is_some_and(|of| of == base || self.scene.schema.is_subtype(of, base))
    }

    /// Returns what a node's value is to FHIRPath, if it is a primitive.
    pub fn primitive(&self, node: NodeId) -> Option<Primitive> {
        self.scene.schema.primitive(self.scene.typed.type_of(node)?)
    }

    /// `is`, `as` and `ofType`.
    pub fn type_function(&mut self, function: Function, items: Items<'a>, spec: &TypeSpec) -> Outcome<'a> {
        if !spec.exists() {
            return Err(EvaluationError::NoSuchType.into());
        }
        self.spend(items.len())?;
        let singly = function == Function::Is || (function == Function::As && self.scene.reading == Reading::Strict);
        if singly && items.len() > 1 {
            return Err(EvaluationError::Several.into());
        }
        if function == Function::Is {
            return Ok(items
                .iter()
                .map(|item| Value::Boolean(self.is_of(item, spec, false)))
                .collect());
        }
        Ok(items.into_iter().filter(|item| self.is_of(item, spec, true)).collect())
    }

    /// Returns whether an item is of a type. Primitive types are picked exactly: a code is a string, but not picked as one.
    pub fn is_of(&self, item: &Value<'a>, spec: &TypeSpec, picked: bool) -> bool {
        match item {
            Value::Node(node) => {
                let (Some(of), Some(base)) = (self.scene.typed.type_of(*node), spec.fhir) else {
                    // `as(Boolean)` picks FHIR's boolean: published rules write it so, and the HL7 engine does not mind case
                    let like = |of: TypeId| spec.name.eq_ignore_ascii_case(self.scene.schema.type_name(of));
                    return picked && !spec.of_system && spec.fhir.is_none() && self.scene.typed.type_of(*node).is_some_and(like);
                };
                if picked && self.scene.schema.primitive(base).is_some() {
                    return of == base;
                }
                of == base || self.scene.schema.is_subtype(of, base)
            }
            _ => spec.system.is_some_and(|s| s == System::Any || Some(s) == system_of(item)),
        }
    }

    /// Returns what `type()` says of an item.
    pub fn type_info(&self, item: &Value<'a>) -> Box<TypeInfo<'a>> {
        let schema = self.scene.schema;
        let (namespace, name) = match item {
            Value::Node(node) => ("FHIR", self.scene.typed.type_of(*node).map_or("", |of| schema.type_name(of))),
            Value::Type(_) => ("System", "TypeInfo"),
            _ => ("System", system_of(item).map_or("", System::name)),
        };
        Box::new(TypeInfo { namespace, name })
    }
}

/// Returns a literal without copying its text.
fn borrowed<'a>(value: &'a Value<'static>) -> Value<'a> {
    match value {
        Value::String(text) => Value::String((&**text).into()),
        other => other.clone(),
    }
}

/// Returns the type of a value of FHIRPath's own.
pub(super) fn system_of(item: &Value<'_>) -> Option<System> {
    Some(match item {
        Value::Node(_) | Value::Type(_) => return None,
        Value::Boolean(_) => System::Boolean,
        Value::Integer(_) => System::Integer,
        Value::Decimal(_) => System::Decimal,
        Value::String(_) => System::String,
        Value::Moment(moment) => moment.kind.system(),
        Value::Quantity(_) => System::Quantity,
    })
}
