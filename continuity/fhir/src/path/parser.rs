use rust_decimal::Decimal;

use super::expression::{
    Call, EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, Expr, Name, Operator, PathError, PathErrorKind, Step, TypeSpec, Variable,
};
use super::function::Function;
use super::lexer::{Token, tokens};
use super::moment::Moment;
use super::pattern::Pattern;
use super::schema::Schema;
use super::unit::{Calendar, Unit};
use super::value::{Quantity, System, Value};
use crate::source::Names;

/// Compiles a text. Operators are read by their binding power; what nests deeper than the limit is refused.
pub(super) fn parse(text: &str, schema: &dyn Schema, names: &Names) -> Result<Expr, PathError> {
    if text.len() > EXPRESSION_BYTES_MAX {
        let kind = PathErrorKind::TooLong;
        return Err(PathError {
            kind,
            at: EXPRESSION_BYTES_MAX,
        });
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        schema,
        names,
        depth: 0,
        height: 0,
    };
    let expr = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'t, 's> {
    tokens: Vec<(Token<'t>, usize)>,
    next: usize,
    schema: &'s dyn Schema,
    names: &'s Names,
    /// How deep the parser itself is.
    depth: usize,
    /// How high the tree is that was read last: what its evaluation will need.
    height: usize,
}

/// Operators that are symbols or words, and how strongly they bind (FHIRPath N1, "Operator precedence").
const OPERATORS: [(&str, Operator, u8); 22] = [
    ("*", Operator::Multiply, 11),
    ("/", Operator::Divide, 11),
    ("div", Operator::Div, 11),
    ("mod", Operator::Mod, 11),
    ("+", Operator::Add, 10),
    ("-", Operator::Subtract, 10),
    ("&", Operator::Concatenate, 10),
    ("|", Operator::Union, 8),
    ("<", Operator::Less, 7),
    (">", Operator::Greater, 7),
    ("<=", Operator::LessOrEqual, 7),
    (">=", Operator::GreaterOrEqual, 7),
    ("=", Operator::Equal, 6),
    ("~", Operator::Equivalent, 6),
    ("!=", Operator::NotEqual, 6),
    ("!~", Operator::NotEquivalent, 6),
    ("in", Operator::In, 5),
    ("contains", Operator::Contains, 5),
    ("and", Operator::And, 4),
    ("or", Operator::Or, 3),
    ("xor", Operator::Xor, 3),
    ("implies", Operator::Implies, 2),
];

/// How strongly `is` and `as` bind.
const TYPE_POWER: u8 = 9;

impl<'t> Parser<'t, '_> {
    fn peek(&self) -> &Token<'t> {
        self.tokens.get(self.next).map_or(&Token::End, |(token, _)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |(_, at)| *at)
    }

    fn fail(&self, kind: PathErrorKind) -> PathError {
        PathError { kind, at: self.at() }
    }

    fn unexpected(&self) -> PathError {
        self.fail(PathErrorKind::Unexpected)
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(s) if *s == symbol)
    }

    fn skip(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), PathError> {
        if self.skip(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Goes one level deeper; each level is left by [`leave`](Self::leave) or by an error that ends all.
    fn enter(&mut self) -> Result<(), PathError> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            return Err(self.fail(PathErrorKind::TooDeep));
        }
        Ok(())
    }

    /// Notes how high the tree has become.
    fn grow(&mut self, height: usize) -> Result<(), PathError> {
        self.height = height;
        if height > EXPRESSION_DEPTH_MAX {
            return Err(self.fail(PathErrorKind::TooDeep));
        }
        Ok(())
    }

    fn operator(&self) -> Option<(Operator, u8)> {
        let (Token::Symbol(text) | Token::Name(text)) = self.peek() else {
            return None;
        };
        OPERATORS.iter().find(|(t, ..)| t == text).map(|(_, o, p)| (*o, *p))
    }

    /// Reads operators that bind more strongly than `power`. Each makes the tree on its left one level higher.
    fn expression(&mut self, power: u8) -> Result<Expr, PathError> {
        self.enter()?;
        let mut left = self.signed()?;
        loop {
            let height = self.height;
            if let Some((operator, binding)) = self.operator() {
                if binding <= power {
                    break;
                }
                self.next += 1;
                let right = self.expression(binding)?;
                self.grow(height.max(self.height) + 1)?;
                left = Expr::Binary(operator, Box::new((left, right)));
            } else if let Token::Name(word @ ("is" | "as")) = self.peek() {
                let function = if *word == "is" { Function::Is } else { Function::As };
                if TYPE_POWER <= power {
                    break;
                }
                self.next += 1;
                left = Expr::TypeOperator(function, Box::new(left), self.type_spec()?);
                self.grow(height + 1)?;
            } else {
                break;
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    /// A sign binds more strongly than `*`, and less than `.`.
    fn signed(&mut self) -> Result<Expr, PathError> {
        for (symbol, negative) in [("-", true), ("+", false)] {
            if self.skip(symbol) {
                self.enter()?;
                let of = self.signed()?;
                self.depth -= 1;
                self.grow(self.height + 1)?;
                return Ok(Expr::Sign(negative, Box::new(of)));
            }
        }
        self.path()
    }

    fn path(&mut self) -> Result<Expr, PathError> {
        self.height = 1;
        let (start, mut steps) = self.start()?;
        let mut height = self.height;
        loop {
            self.height = 0;
            if self.skip(".") {
                let step = self.member(false)?;
                steps.push(step);
            } else if self.skip("[") {
                let index = self.expression(0)?;
                self.expect("]")?;
                steps.push(Step::At(index));
            } else {
                break;
            }
            height = height.max(self.height);
        }
        self.grow(height + usize::from(!steps.is_empty()))?;
        Ok(if steps.is_empty() {
            start
        } else {
            Expr::Path(Box::new(start), steps)
        })
    }

    fn start(&mut self) -> Result<(Expr, Vec<Step>), PathError> {
        let token = self.peek().clone();
        let start = match token {
            Token::Symbol("(") => {
                self.next += 1;
                let inner = self.expression(0)?;
                self.expect(")")?;
                return Ok((inner, Vec::new()));
            }
            Token::Symbol("{") => {
                self.next += 1;
                self.expect("}")?;
                return Ok((Expr::Empty, Vec::new()));
            }
            Token::Text(ref text) => Expr::Literal(Value::String(text.clone().into())),
            Token::Number(text) => return Ok((self.number(text)?, Vec::new())),
            Token::Moment(text) => {
                let moment = moment(text).ok_or_else(|| self.fail(PathErrorKind::Literal))?;
                Expr::Literal(Value::Moment(moment))
            }
            Token::Variable(ref name) => Expr::Variable(self.variable(name)?),
            Token::Special("this") => Expr::This,
            Token::Special("index") => Expr::Index,
            Token::Special("total") => Expr::Total,
            Token::Name("true") => Expr::Literal(Value::Boolean(true)),
            Token::Name("false") => Expr::Literal(Value::Boolean(false)),
            Token::Name(_) | Token::Quoted(_) => return Ok((Expr::This, vec![self.member(true)?])),
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok((start, Vec::new()))
    }

    /// Reads a number, and the unit that makes it a quantity.
    fn number(&mut self, text: &str) -> Result<Expr, PathError> {
        let value: Decimal = text.parse().map_err(|_| self.fail(PathErrorKind::Literal))?;
        self.next += 1;
        let unit = match self.peek() {
            Token::Text(code) => Some(match Calendar::of_word(code) {
                Some(unit) => Unit::Calendar(unit),
                None => Unit::Ucum(code.as_str().into()),
            }),
            Token::Name(word) => Calendar::of_word(word).map(Unit::Calendar),
            _ => None,
        };
        if let Some(unit) = unit {
            self.next += 1;
            return Ok(Expr::Literal(Value::Quantity(Box::new(Quantity { value, unit }))));
        }
        Ok(Expr::Literal(match text.parse::<i32>() {
            Ok(integer) => Value::Integer(integer.into()),
            Err(_) => Value::Decimal(value),
        }))
    }

    fn variable(&self, name: &str) -> Result<Variable, PathError> {
        Ok(match name {
            "context" => Variable::Context,
            "resource" => Variable::Resource,
            "rootResource" => Variable::RootResource,
            "sct" => Variable::Text("http://snomed.info/sct".into()),
            "loinc" => Variable::Text("http://loinc.org".into()),
            "ucum" => Variable::Text("http://unitsofmeasure.org".into()),
            _ => {
                let of = |prefix: &str, kind: &str| {
                    let id = name.strip_prefix(prefix).filter(|id| !id.is_empty())?;
                    Some(Variable::Text(format!("http://hl7.org/fhir/{kind}/{id}").into()))
                };
                let found = of("vs-", "ValueSet").or_else(|| of("ext-", "StructureDefinition"));
                found.ok_or_else(|| self.fail(PathErrorKind::NoSuchVariable(name.to_owned())))?
            }
        })
    }

    /// Reads a name or a call. At the beginning of a path a name may be the type of the context.
    fn member(&mut self, begins: bool) -> Result<Step, PathError> {
        let at = self.at();
        let text = match self.peek() {
            Token::Name(text) if begins && matches!(*text, "div" | "mod" | "and" | "or" | "xor" | "implies") => {
                return Err(self.unexpected());
            }
            Token::Name(text) => (*text).to_owned(),
            Token::Quoted(text) => text.clone(),
            _ => return Err(self.unexpected()),
        };
        let quoted = matches!(self.peek(), Token::Quoted(_));
        self.next += 1;
        if !quoted && self.is_symbol("(") {
            return self.call(&text, at).map(|call| Step::Call(Box::new(call)));
        }
        let name = Name {
            id: self.names.get(&text),
            text: text.as_str().into(),
        };
        if begins {
            let type_id = text.starts_with(|c: char| c.is_ascii_uppercase());
            let type_id = type_id.then(|| self.schema.type_named(&text)).flatten();
            return Ok(Step::Begin(name, type_id, at));
        }
        Ok(Step::Child(name, at))
    }

    fn call(&mut self, name: &str, at: usize) -> Result<Call, PathError> {
        let fail = |kind| PathError { kind, at };
        let (function, fewest, most) =
            Function::named(name).ok_or_else(|| fail(PathErrorKind::NoSuchFunction(name.to_owned())))?;
        self.expect("(")?;
        let (mut arguments, mut of_type) = (Vec::new(), None);
        if function.takes_type() {
            of_type = Some(self.type_spec()?);
            self.expect(")")?;
        } else if !self.skip(")") {
            let mut height = 0;
            loop {
                arguments.push(self.expression(0)?);
                height = height.max(self.height);
                if self.skip(")") {
                    break;
                }
                self.expect(",")?;
            }
            self.height = height;
        }
        let count = arguments.len() + usize::from(of_type.is_some());
        if !(fewest..=most).contains(&count) {
            return Err(fail(PathErrorKind::Arguments));
        }
        let pattern = match (function, arguments.first()) {
            (Function::Matches | Function::MatchesFull | Function::ReplaceMatches, Some(Expr::Literal(Value::String(text)))) => {
                Some(Pattern::new(text).ok_or_else(|| fail(PathErrorKind::Pattern))?)
            }
            _ => None,
        };
        Ok(Call {
            function,
            arguments,
            of_type,
            pattern,
            at,
        })
    }

    /// Reads `Quantity`, `FHIR.Quantity` or `System.Quantity`, in brackets or not.
    fn type_spec(&mut self) -> Result<TypeSpec, PathError> {
        if self.skip("(") {
            self.enter()?;
            let spec = self.type_spec()?;
            self.depth -= 1;
            self.expect(")")?;
            return Ok(spec);
        }
        let first = self.type_word()?;
        let (namespace, name) = if self.is_symbol(".") && matches!(&*first, "System" | "FHIR") {
            self.next += 1;
            (Some(first), self.type_word()?)
        } else {
            (None, first)
        };
        let namespace = namespace.as_deref();
        let fhir = (namespace != Some("System")).then(|| self.schema.type_named(&name)).flatten();
        let system = (namespace != Some("FHIR")).then(|| system_type(&name)).flatten();
        Ok(TypeSpec {
            fhir,
            system,
            of_system: namespace == Some("System"),
            name: name.into(),
        })
    }

    fn type_word(&mut self) -> Result<String, PathError> {
        let word = match self.peek() {
            Token::Name(text) => (*text).to_owned(),
            Token::Quoted(text) | Token::Text(text) => text.clone(),
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(word)
    }
}

fn system_type(name: &str) -> Option<System> {
    Some(match name {
        "Any" => System::Any,
        "Boolean" => System::Boolean,
        "String" => System::String,
        "Integer" => System::Integer,
        "Decimal" => System::Decimal,
        "Date" => System::Date,
        "DateTime" => System::DateTime,
        "Time" => System::Time,
        "Quantity" => System::Quantity,
        _ => return None,
    })
}

fn moment(text: &str) -> Option<Moment> {
    match text.strip_prefix('T') {
        Some(time) => Moment::parse_time(time),
        None if text.contains('T') => Moment::parse_date_time(text),
        None => Moment::parse_date(text),
    }
}
