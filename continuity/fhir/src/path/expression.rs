use super::evaluate::{Evaluator, Scene, Stop};
use super::function::Function;
use super::parser;
use super::schema::{Schema, TypeId};
use super::value::{System, Value};
use crate::source::{NameId, Names, NodeId};

/// Longest expression compiled, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of an expression: brackets, arguments, operators upon operators.
pub const EXPRESSION_DEPTH_MAX: usize = 200;

/// A compiled FHIRPath expression: compile once, evaluate for every document. Immutable, `Send` and `Sync`.
pub struct Expression {
    root: Expr,
}

impl Expression {
    /// Compiles an expression: names become the numbers of `names`, type names those of `schema`, literal patterns regular
    /// expressions. O(bytes).
    ///
    /// # Errors
    /// Text that is not FHIRPath, unknown functions and variables, wrong numbers of arguments, and what is too long or too deep.
    pub fn compile(text: &str, schema: &dyn Schema, names: &Names) -> Result<Self, PathError> {
        let root = parser::parse(text, schema, names)?;
        Ok(Self { root })
    }

    /// Checks that an expression can mean something for elements of a type: that each step names an element which exists, and
    /// that no function is given what it can never take. What cannot be told before is let pass. O(expression · types).
    ///
    /// # Errors
    /// The first place that cannot be right.
    pub fn check(&self, schema: &dyn Schema, context: TypeId) -> Result<(), PathError> {
        super::check::check(&self.root, schema, context)
    }

    /// Evaluates the expression for one node. The work is limited by [`Scene::steps_max`].
    ///
    /// # Errors
    /// [`Stop::Error`] if the expression cannot be applied to the data; [`Stop::Unknown`] if it asks what cannot be told here.
    pub fn evaluate<'a>(&'a self, scene: &Scene<'a>, node: NodeId) -> Result<Vec<Value<'a>>, Stop> {
        Evaluator::new(scene, node).run(&self.root).map(|items| items.into_vec())
    }

    /// Evaluates the expression as a rule: an empty result does not hold, a single boolean is the answer, anything else holds.
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate).
    pub fn holds(&self, scene: &Scene<'_>, node: NodeId) -> Result<bool, Stop> {
        let mut evaluator = Evaluator::new(scene, node);
        evaluator.holds(&self.root)
    }
}

/// Why an expression cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (byte {at})")]
pub struct PathError {
    /// What is wrong.
    pub kind: PathErrorKind,
    /// Where, in bytes from the start of the expression.
    pub at: usize,
}

/// What can be wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathErrorKind {
    /// Longer than [`EXPRESSION_BYTES_MAX`].
    #[error("longer than {EXPRESSION_BYTES_MAX} bytes")]
    TooLong,
    /// Deeper than [`EXPRESSION_DEPTH_MAX`].
    #[error("nested deeper than {EXPRESSION_DEPTH_MAX} levels")]
    TooDeep,
    /// A string, name or comment without its end.
    #[error("text or comment without its end")]
    Unfinished,
    /// A backslash before a character that needs none.
    #[error("unknown escape")]
    Escape,
    /// A character or word that cannot stand there.
    #[error("unexpected here")]
    Unexpected,
    /// Not a number, date or time that exists.
    #[error("not a number, date or time")]
    Literal,
    /// A function of that name does not exist.
    #[error("no function `{0}`")]
    NoSuchFunction(String),
    /// A function with too few or too many arguments.
    #[error("wrong number of arguments")]
    Arguments,
    /// A variable of that name does not exist.
    #[error("no variable `%{0}`")]
    NoSuchVariable(String),
    /// A type of that name does not exist.
    #[error("no type `{0}`")]
    NoSuchType(String),
    /// An element of that name does not exist.
    #[error("no element `{0}`")]
    NoSuchElement(String),
    /// A pattern that is no regular expression.
    #[error("not a regular expression")]
    Pattern,
    /// A function or operator that can never take this type.
    #[error("the wrong type for this")]
    WrongType,
    /// A function that depends on an order of items that have none.
    #[error("items without an order")]
    Unordered,
}

/// The name of a step: its number if the schema has one, and its text.
pub(super) struct Name {
    pub id: Option<NameId>,
    pub text: Box<str>,
}

/// A type that an expression names.
pub(super) struct TypeSpec {
    pub fhir: Option<TypeId>,
    pub system: Option<System>,
    /// Whether the name was written with `System.`, where an unknown name is merely never met.
    pub of_system: bool,
    pub name: Box<str>,
}

impl TypeSpec {
    /// Whether there is such a type, or the name is merely never met.
    pub fn exists(&self) -> bool {
        self.fhir.is_some() || self.system.is_some() || self.of_system
    }
}

/// A variable of the environment.
pub(super) enum Variable {
    Context,
    Resource,
    RootResource,
    Text(Box<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    Equal,
    Equivalent,
    NotEqual,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}

impl Operator {
    pub fn is_logic(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Xor | Self::Implies)
    }

    /// Whether the answer is yes, no or nothing.
    pub fn is_condition(self) -> bool {
        use Operator as O;
        let compares = matches!(self, O::Less | O::Greater | O::LessOrEqual | O::GreaterOrEqual);
        let equals = matches!(self, O::Equal | O::Equivalent | O::NotEqual | O::NotEquivalent);
        self.is_logic() || compares || equals || matches!(self, O::In | O::Contains)
    }
}

pub(super) enum Expr {
    Literal(Value<'static>),
    Empty,
    This,
    Index,
    Total,
    Variable(Variable),
    /// A start and the steps that follow it.
    Path(Box<Expr>, Vec<Step>),
    /// `+` or `-` before a number.
    Sign(bool, Box<Expr>),
    Binary(Operator, Box<(Expr, Expr)>),
    /// `is` and `as` as operators: the function, its input, the type.
    TypeOperator(Function, Box<Expr>, TypeSpec),
}

pub(super) enum Step {
    /// The first name of a path: the type of the context itself, or a child of it.
    Begin(Name, Option<TypeId>, usize),
    Child(Name, usize),
    At(Expr),
    Call(Box<Call>),
}

pub(super) struct Call {
    pub function: Function,
    pub arguments: Vec<Expr>,
    pub of_type: Option<TypeSpec>,
    /// The pattern of `matches` and its kin, where it is a literal.
    pub pattern: Option<super::pattern::Pattern>,
    pub at: usize,
}
