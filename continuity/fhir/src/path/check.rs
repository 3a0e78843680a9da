use super::evaluate::system_of;
use super::expression::{Call, Expr, Operator, PathError, PathErrorKind, Step, TypeSpec};
use super::function::{Function, Target};
use super::schema::{Primitive, Schema, TypeId};
use super::value::{System, Value};

/// Types whose specialisations may have more elements than they have themselves.
const ABSTRACT: [&str; 4] = ["Resource", "DomainResource", "Element", "BackboneElement"];

/// Checks an expression against the types of a schema, from its root down.
pub(super) fn check(root: &Expr, schema: &dyn Schema, context: TypeId) -> Result<(), PathError> {
    let context = Kind::of(vec![Item::Fhir(context)]);
    let checker = Checker { schema, root: &context };
    checker.expr(root, &context).map(|_| ())
}

/// What a collection may hold.
#[derive(Clone)]
struct Kind {
    /// Nothing if it can be anything.
    items: Option<Vec<Item>>,
    ordered: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Item {
    Fhir(TypeId),
    System(System),
}

impl Kind {
    fn of(items: Vec<Item>) -> Self {
        Self {
            items: Some(items),
            ordered: true,
        }
    }

    fn system(of: System) -> Self {
        Self::of(vec![Item::System(of)])
    }

    fn any() -> Self {
        Self {
            items: None,
            ordered: true,
        }
    }

    fn or(self, other: Self) -> Self {
        let items = match (self.items, other.items) {
            (Some(mut left), Some(right)) => {
                for item in right {
                    if !left.contains(&item) {
                        left.push(item);
                    }
                }
                Some(left)
            }
            _ => None,
        };
        Self {
            items,
            ordered: self.ordered && other.ordered,
        }
    }
}

struct Checker<'s> {
    schema: &'s dyn Schema,
    root: &'s Kind,
}

impl Checker<'_> {
    fn expr(&self, expr: &Expr, this: &Kind) -> Result<Kind, PathError> {
        Ok(match expr {
            Expr::Literal(value) => literal(value),
            Expr::Empty => Kind::of(Vec::new()),
            Expr::This => this.clone(),
            Expr::Index => Kind::system(System::Integer),
            Expr::Total => Kind::any(),
            Expr::Variable(super::expression::Variable::Context) => self.root.clone(),
            Expr::Variable(super::expression::Variable::Text(_)) => Kind::system(System::String),
            Expr::Variable(_) => Kind::any(),
            Expr::Path(start, steps) => {
                let mut kind = self.expr(start, this)?;
                for step in steps {
                    kind = self.step(step, &kind, this)?;
                }
                kind
            }
            Expr::Sign(_, of) => self.expr(of, this)?,
            Expr::TypeOperator(function, of, spec) => {
                let kind = self.expr(of, this)?;
                self.typed(*function, &kind, spec, 0)?
            }
            Expr::Binary(operator, sides) => {
                let (left, right) = (self.expr(&sides.0, this)?, self.expr(&sides.1, this)?);
                match operator {
                    Operator::Union => left.or(right),
                    Operator::Concatenate => Kind::system(System::String),
                    Operator::Add
                    | Operator::Subtract
                    | Operator::Multiply
                    | Operator::Divide
                    | Operator::Div
                    | Operator::Mod => Kind::any(),
                    _ => Kind::system(System::Boolean),
                }
            }
        })
    }

    fn step(&self, step: &Step, of: &Kind, this: &Kind) -> Result<Kind, PathError> {
        match step {
            Step::Begin(name, Some(type_id), at) => {
                let is_context = |item: &Item| matches!(item, Item::Fhir(of) if self.schema.is_subtype(*of, *type_id));
                match &of.items {
                    Some(items) if items.iter().any(is_context) => Ok(of.clone()),
                    _ => self.child(of, &name.text, *at),
                }
            }
            Step::Begin(name, None, at) | Step::Child(name, at) => self.child(of, &name.text, *at),
            Step::At(index) => {
                self.expr(index, this)?;
                Ok(of.clone())
            }
            Step::Call(call) => self.call(call, of, this),
        }
    }

    fn child(&self, of: &Kind, name: &str, at: usize) -> Result<Kind, PathError> {
        let Some(items) = &of.items else { return Ok(Kind::any()) };
        let mut found: Option<Kind> = None;
        for item in items {
            let types = match item {
                Item::System(_) => None,
                Item::Fhir(of) => match self.schema.element_types(*of, name) {
                    Some(types) => Some(Kind::of(types.into_iter().map(Item::Fhir).collect())),
                    None if ABSTRACT.contains(&self.schema.type_name(*of)) && self.is_named(*of) => Some(Kind::any()),
                    None => None,
                },
            };
            if let Some(types) = types {
                found = Some(found.map_or(types.clone(), |found| found.or(types)));
            }
        }
        match found {
            Some(mut kind) => {
                kind.ordered = of.ordered;
                Ok(kind)
            }
            None if items.is_empty() => Ok(Kind::of(Vec::new())),
            None => Err(PathError {
                kind: PathErrorKind::NoSuchElement(name.to_owned()),
                at,
            }),
        }
    }

    /// Whether a type is the one of its name, not a backbone element that is called after it.
    fn is_named(&self, of: TypeId) -> bool {
        self.schema.type_named(self.schema.type_name(of)) == Some(of)
    }

    fn typed(&self, function: Function, of: &Kind, spec: &TypeSpec, at: usize) -> Result<Kind, PathError> {
        if !spec.exists() {
            return Err(PathError {
                kind: PathErrorKind::NoSuchType(spec.name.to_string()),
                at,
            });
        }
        if function == Function::Is {
            return Ok(Kind::system(System::Boolean));
        }
        let fhir = spec.fhir.map(Item::Fhir).into_iter();
        Ok(Kind {
            ordered: of.ordered,
            ..Kind::of(fhir.chain(spec.system.map(Item::System)).collect())
        })
    }

    fn call(&self, call: &Call, of: &Kind, this: &Kind) -> Result<Kind, PathError> {
        use Function as F;
        let per_item = matches!(
            call.function,
            F::Exists | F::All | F::Where | F::Select | F::Repeat | F::Aggregate | F::Trace | F::Iif | F::Sort
        );
        let mut arguments = Vec::new();
        for argument in &call.arguments {
            arguments.push(self.expr(argument, if per_item { of } else { this })?);
        }
        let fail = |kind| Err(PathError { kind, at: call.at });
        if depends_on_order(call.function) && !of.ordered {
            return fail(PathErrorKind::Unordered);
        }
        if takes_text(call.function) && !self.some(of, |p| p.is_some(), |s| matches!(s, System::String | System::Any)) {
            return fail(PathErrorKind::WrongType);
        }
        let mut arguments = arguments.into_iter();
        Ok(match call.function {
            F::Is | F::As | F::OfType => match &call.of_type {
                Some(spec) => self.typed(call.function, of, spec, call.at)?,
                None => Kind::any(),
            },
            F::Iif => {
                let condition = arguments.next().unwrap_or(Kind::any());
                if !self.some(&condition, |p| p == Some(Primitive::Boolean), |s| s == System::Boolean) {
                    return fail(PathErrorKind::WrongType);
                }
                arguments.reduce(Kind::or).unwrap_or(Kind::any())
            }
            F::Union | F::Combine => arguments.fold(of.clone(), Kind::or),
            F::Select => arguments.next().unwrap_or(Kind::any()),
            F::Children | F::Descendants => Kind {
                items: None,
                ordered: false,
            },
            F::Sort => Kind {
                ordered: true,
                ..of.clone()
            },
            F::Where | F::Distinct | F::Single | F::First | F::Last | F::Tail | F::Skip | F::Take => of.clone(),
            F::Intersect | F::Exclude | F::Trace | F::CheckModifiers => of.clone(),
            F::Extension => match self.schema.type_named("Extension") {
                Some(extension) => Kind::of(vec![Item::Fhir(extension)]),
                None => Kind::any(),
            },
            function => result(function).map_or(Kind::any(), Kind::system),
        })
    }

    /// Returns whether a collection may hold something that fits.
    fn some(&self, of: &Kind, fhir: impl Fn(Option<Primitive>) -> bool, system: impl Fn(System) -> bool) -> bool {
        let Some(items) = &of.items else { return true };
        let fits = |item: &Item| match item {
            Item::Fhir(of) => {
                fhir(self.schema.primitive(*of)) || (ABSTRACT.contains(&self.schema.type_name(*of)) && self.is_named(*of))
            }
            Item::System(of) => system(*of),
        };
        items.is_empty() || items.iter().any(fits)
    }
}

fn literal(value: &Value<'_>) -> Kind {
    system_of(value).map_or(Kind::any(), Kind::system)
}

fn depends_on_order(function: Function) -> bool {
    use Function as F;
    matches!(function, F::First | F::Last | F::Tail | F::Skip | F::Take)
}

fn takes_text(function: Function) -> bool {
    use Function as F;
    matches!(
        function,
        F::IndexOf
            | F::LastIndexOf
            | F::Substring
            | F::StartsWith
            | F::EndsWith
            | F::Contains
            | F::Upper
            | F::Lower
            | F::Replace
            | F::Matches
            | F::MatchesFull
            | F::ReplaceMatches
            | F::Length
            | F::ToChars
            | F::Encode
            | F::Decode
            | F::Escape
            | F::Unescape
            | F::Trim
            | F::Split
    )
}

/// Returns what a function gives, where that does not depend on its input.
fn result(function: Function) -> Option<System> {
    use Function as F;
    Some(match function {
        F::Empty | F::Exists | F::All | F::AllTrue | F::AnyTrue | F::AllFalse | F::AnyFalse | F::SubsetOf | F::SupersetOf => {
            System::Boolean
        }
        F::IsDistinct | F::ConvertsTo(_) | F::StartsWith | F::EndsWith | F::Contains | F::Matches | F::MatchesFull | F::Not => {
            System::Boolean
        }
        F::HasValue | F::MemberOf | F::Subsumes | F::SubsumedBy | F::HtmlChecks | F::ConformsTo | F::Comparable => {
            System::Boolean
        }
        F::Count | F::IndexOf | F::LastIndexOf | F::Length | F::Precision | F::Ceiling | F::Floor | F::Truncate => {
            System::Integer
        }
        F::Substring | F::Upper | F::Lower | F::Replace | F::ReplaceMatches | F::ToChars | F::Encode | F::Decode => {
            System::String
        }
        F::Escape | F::Unescape | F::Trim | F::Split | F::Join => System::String,
        F::Exp | F::Ln | F::Log | F::Sqrt => System::Decimal,
        F::Now => System::DateTime,
        F::Today => System::Date,
        F::TimeOfDay => System::Time,
        F::To(target) => match target {
            Target::Boolean => System::Boolean,
            Target::Integer => System::Integer,
            Target::Decimal => System::Decimal,
            Target::String => System::String,
            Target::Date => System::Date,
            Target::DateTime => System::DateTime,
            Target::Time => System::Time,
            Target::Quantity => System::Quantity,
        },
        _ => return None,
    })
}
