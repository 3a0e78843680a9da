use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use smallvec::smallvec;

use super::evaluate::{Doubt, EvaluationError, Evaluator, Items, Outcome, Scope, Stop, TEXT_BYTES_MAX};
use super::expression::Call;
use super::function::Function;
use super::operator::answer;
use super::pattern::Pattern;
use super::value::Value;

impl<'a> Evaluator<'a> {
    /// Returns a single text.
    pub fn single_text(&self, items: &[Value<'a>]) -> Result<Option<Cow<'a, str>>, Stop> {
        match items {
            [] => Ok(None),
            [item] => self.text(item).map(Some).ok_or_else(|| EvaluationError::WrongType.into()),
            _ => Err(EvaluationError::Several.into()),
        }
    }

    fn text_argument(&mut self, call: &'a Call, index: usize, scope: Scope<'_, 'a>) -> Result<Option<Cow<'a, str>>, Stop> {
        let items = self.argument(call, index, scope)?;
        self.single_text(&items)
    }

    /// Functions of text. Empty input gives an empty result.
    pub fn call_on_text(&mut self, call: &'a Call, items: Items<'a>, scope: Scope<'_, 'a>) -> Outcome<'a> {
        if call.function == Function::Join {
            return self.join(call, &items, scope);
        }
        let Some(text) = self.single_text(&items)? else {
            return Ok(Items::new());
        };
        self.spend(1 + text.len() / 16)?;
        match call.function {
            Function::Upper => self.text_made(text.to_uppercase()),
            Function::Lower => self.text_made(text.to_lowercase()),
            Function::Trim => self.text_made(text.trim().to_owned()),
            Function::Length => Ok(smallvec![Value::Integer(text.chars().count() as i64)]),
            Function::ToChars => {
                self.spend(text.len())?;
                Ok(text.chars().map(|c| Value::String(c.to_string().into())).collect())
            }
            Function::Substring => self.substring(call, &text, scope),
            Function::Replace | Function::ReplaceMatches => self.replace(call, &text, scope),
            Function::Matches | Function::MatchesFull => self.matches(call, &text, scope),
            _ => {
                let Some(argument) = self.text_argument(call, 0, scope)? else {
                    return Ok(Items::new());
                };
                self.with_argument(call.function, &text, &argument)
            }
        }
    }

    fn with_argument(&mut self, function: Function, text: &str, argument: &str) -> Outcome<'a> {
        let position = |at: Option<usize>| at.map_or(-1, |at| text[..at].chars().count() as i64);
        match function {
            Function::IndexOf => Ok(smallvec![Value::Integer(position(text.find(argument)))]),
            Function::LastIndexOf => Ok(smallvec![Value::Integer(position(text.rfind(argument)))]),
            Function::StartsWith => Ok(answer(Some(text.starts_with(argument)))),
            Function::EndsWith => Ok(answer(Some(text.ends_with(argument)))),
            Function::Contains => Ok(answer(Some(text.contains(argument)))),
            Function::Split if argument.is_empty() => Ok(smallvec![Value::String(text.to_owned().into())]),
            Function::Split => {
                self.spend(text.len())?;
                Ok(text
                    .split(argument)
                    .map(|part| Value::String(part.to_owned().into()))
                    .collect())
            }
            Function::Encode => self.made(encode(text, argument)),
            Function::Decode => self.made(decode(text, argument)),
            Function::Escape => self.made(escape(text, argument)),
            Function::Unescape => self.made(unescape(text, argument)),
            _ => Err(EvaluationError::WrongType.into()),
        }
    }

    fn made(&mut self, text: Option<String>) -> Outcome<'a> {
        text.map_or(Ok(Items::new()), |text| self.text_made(text))
    }

    fn join(&mut self, call: &'a Call, items: &[Value<'a>], scope: Scope<'_, 'a>) -> Outcome<'a> {
        let separator = self.text_argument(call, 0, scope)?.unwrap_or_default();
        let mut joined = String::new();
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                joined.push_str(&separator);
            }
            joined.push_str(&self.text(item).ok_or(EvaluationError::WrongType)?);
            if joined.len() > TEXT_BYTES_MAX {
                return Err(Doubt::Text.into());
            }
        }
        if items.is_empty() {
            Ok(Items::new())
        } else {
            self.text_made(joined)
        }
    }

    /// Positions count characters, from 0.
    fn substring(&mut self, call: &'a Call, text: &str, scope: Scope<'_, 'a>) -> Outcome<'a> {
        let start = self.argument(call, 0, scope)?;
        let Some(start) = self.integer(&start)? else {
            return Ok(Items::new());
        };
        let length = self.argument(call, 1, scope)?;
        let length = self.integer(&length)?;
        let Ok(start) = usize::try_from(start) else {
            return Ok(Items::new());
        };
        let rest: Cow<'_, str> = match text.char_indices().nth(start) {
            Some((at, _)) => Cow::Borrowed(&text[at..]),
            None => return Ok(Items::new()),
        };
        let end = match length {
            Some(length) => rest
                .char_indices()
                .nth(usize::try_from(length).unwrap_or(0))
                .map(|(at, _)| at),
            None => None,
        };
        self.text_made(rest[..end.unwrap_or(rest.len())].to_owned())
    }

    fn matches(&mut self, call: &'a Call, text: &str, scope: Scope<'_, 'a>) -> Outcome<'a> {
        let Some(pattern) = self.pattern(call, scope)? else {
            return Ok(Items::new());
        };
        self.spend(text.len())?;
        let found = if call.function == Function::Matches {
            pattern.is_in(text)
        } else {
            pattern.is_all_of(text)
        };
        Ok(answer(Some(found.ok_or(Doubt::Pattern)?)))
    }

    fn pattern(&mut self, call: &'a Call, scope: Scope<'_, 'a>) -> Result<Option<Cow<'a, Pattern>>, Stop> {
        if let Some(pattern) = &call.pattern {
            return Ok(Some(Cow::Borrowed(pattern)));
        }
        let Some(pattern) = self.text_argument(call, 0, scope)? else {
            return Ok(None);
        };
        self.spend(1_000 + pattern.len() * 100)?;
        Ok(Some(Cow::Owned(Pattern::new(&pattern).ok_or(EvaluationError::Pattern)?)))
    }

    fn replace(&mut self, call: &'a Call, text: &str, scope: Scope<'_, 'a>) -> Outcome<'a> {
        if call.function == Function::ReplaceMatches {
            let by = self.text_argument(call, 1, scope)?;
            let literal = self.text_argument(call, 0, scope)?;
            let (Some(by), Some(literal)) = (by, literal) else {
                return Ok(Items::new());
            };
            if literal.is_empty() {
                return self.text_made(text.to_owned());
            }
            let Some(pattern) = self.pattern(call, scope)? else {
                return Ok(Items::new());
            };
            self.check_growth(text, 1, &by)?;
            let replaced = pattern.replace(text, &by).ok_or(Doubt::Pattern)?;
            return self.text_made(replaced);
        }
        let (of, by) = (self.text_argument(call, 0, scope)?, self.text_argument(call, 1, scope)?);
        let (Some(of), Some(by)) = (of, by) else {
            return Ok(Items::new());
        };
        self.check_growth(text, of.len().max(1), &by)?;
        self.text_made(text.replace(&*of, &by))
    }

    /// Refuses a replacement before it is made if the result could be too long.
    fn check_growth(&mut self, text: &str, shortest: usize, by: &str) -> Result<(), Stop> {
        // A pattern's replacement may name what was found, which is the whole text at most.
        let named = by.matches('$').count().saturating_mul(text.len());
        let most = (text.len() / shortest + 1)
            .saturating_mul(by.len())
            .saturating_add(text.len())
            .saturating_add(named);
        self.spend(most / 64)?;
        if most > TEXT_BYTES_MAX * 4 {
            Err(Doubt::Text.into())
        } else {
            Ok(())
        }
    }
}

fn encode(text: &str, format: &str) -> Option<String> {
    match format {
        "base64" => Some(STANDARD.encode(text)),
        "urlbase64" => Some(URL_SAFE.encode(text)),
        "hex" => Some(text.bytes().map(|b| format!("{b:02x}")).collect()),
        _ => None,
    }
}

fn decode(text: &str, format: &str) -> Option<String> {
    let bytes = match format {
        "base64" => STANDARD.decode(text).ok()?,
        "urlbase64" => URL_SAFE.decode(text).ok()?,
        "hex" if text.is_ascii() && text.len().is_multiple_of(2) => {
            let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
            (0..text.len()).step_by(2).map(pair).collect::<Option<Vec<u8>>>()?
        }
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

const HTML: [(&str, char); 5] = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&#39;", '\'')];

fn escape(text: &str, target: &str) -> Option<String> {
    match target {
        "html" => Some(text.chars().fold(String::new(), |mut made, c| {
            match HTML.iter().find(|(_, of)| *of == c) {
                Some((entity, _)) => made.push_str(entity),
                None => made.push(c),
            }
            made
        })),
        "json" => Some(text.chars().fold(String::new(), |mut made, c| {
            match c {
                '"' | '\\' => made.extend(['\\', c]),
                '\n' => made.push_str("\\n"),
                '\r' => made.push_str("\\r"),
                '\t' => made.push_str("\\t"),
                _ => made.push(c),
            }
            made
        })),
        _ => None,
    }
}

fn unescape(text: &str, target: &str) -> Option<String> {
    let mut made = String::new();
    let mut rest = text;
    match target {
        "html" => {
            while let Some(at) = rest.find('&') {
                made.push_str(&rest[..at]);
                rest = &rest[at..];
                let entity = HTML.iter().find(|(entity, _)| rest.starts_with(entity));
                let (length, c) = entity.map_or((1, '&'), |(entity, c)| (entity.len(), *c));
                made.push(c);
                rest = &rest[length..];
            }
        }
        "json" => {
            while let Some(at) = rest.find('\\') {
                made.push_str(&rest[..at]);
                let c = rest[at + 1..].chars().next()?;
                made.push(match c {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    '"' | '\\' | '/' => c,
                    _ => return None,
                });
                rest = &rest[at + 1 + c.len_utf8()..];
            }
        }
        _ => return None,
    }
    made.push_str(rest);
    Some(made)
}
