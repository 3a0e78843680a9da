use smallvec::smallvec;

use super::evaluate::{Doubt, EvaluationError, Evaluator, Items, Outcome, Scope, Stop};
use super::expression::{Call, Expr};
use super::function::Function;
use super::operator::{answer, single};
use super::value::Value;

impl<'a> Evaluator<'a> {
    /// Applies a function to a collection.
    pub fn call(&mut self, call: &'a Call, items: Items<'a>, scope: Scope<'_, 'a>) -> Outcome<'a> {
        self.spend(1)?;
        use Function as F;
        match call.function {
            F::Is | F::As | F::OfType => match &call.of_type {
                Some(spec) => self.type_function(call.function, items, spec),
                None => Err(EvaluationError::NoSuchType.into()),
            },
            F::Exists | F::All | F::Where | F::Select | F::Repeat | F::Aggregate | F::Trace | F::Iif => {
                self.call_with_criteria(call, items, scope)
            }
            F::Empty
            | F::Count
            | F::Distinct
            | F::IsDistinct
            | F::AllTrue
            | F::AnyTrue
            | F::AllFalse
            | F::AnyFalse
            | F::SubsetOf
            | F::SupersetOf
            | F::Single
            | F::First
            | F::Last
            | F::Tail
            | F::Skip
            | F::Take
            | F::Intersect
            | F::Exclude
            | F::Union
            | F::Combine
            | F::Sort
            | F::Not => self.call_on_collection(call, items, scope),
            F::To(target) => self.convert(target, call, items, scope),
            F::ConvertsTo(_) if items.is_empty() => Ok(items),
            F::ConvertsTo(target) => {
                let converted = self.convert(target, call, items, scope)?;
                Ok(answer(Some(!converted.is_empty())))
            }
            F::Abs
            | F::Ceiling
            | F::Exp
            | F::Floor
            | F::Ln
            | F::Log
            | F::Power
            | F::Round
            | F::Sqrt
            | F::Truncate
            | F::LowBoundary
            | F::HighBoundary
            | F::Precision
            | F::Comparable => self.call_on_number(call, items, scope),
            F::Children | F::Descendants | F::Type | F::Now | F::TimeOfDay | F::Today => self.call_on_tree(call, items),
            F::Extension
            | F::HasValue
            | F::GetValue
            | F::Resolve
            | F::MemberOf
            | F::Subsumes
            | F::SubsumedBy
            | F::HtmlChecks
            | F::ConformsTo
            | F::CheckModifiers
            | F::ElementDefinition
            | F::Slice => self.call_of_fhir(call, items, scope),
            _ => self.call_on_text(call, items, scope),
        }
    }

    /// Evaluates an argument that is not applied to each item.
    pub fn argument(&mut self, call: &'a Call, index: usize, scope: Scope<'_, 'a>) -> Outcome<'a> {
        match call.arguments.get(index) {
            Some(expr) => self.eval(expr, scope),
            None => Ok(Items::new()),
        }
    }

    fn holds_for(&mut self, criterion: &'a Expr, item: &Value<'a>, index: usize) -> Result<bool, Stop> {
        Ok(self.condition(criterion, Scope::item(item, index))? == Some(true))
    }

    /// Whether the criterion holds for some item. One item decides, whatever cannot be told of others.
    pub fn exists(&mut self, criterion: &'a Expr, items: &[Value<'a>]) -> Result<bool, Stop> {
        self.is_met(criterion, items, true)
    }

    /// Whether the criterion holds for each item.
    pub fn all(&mut self, criterion: &'a Expr, items: &[Value<'a>]) -> Result<bool, Stop> {
        self.is_met(criterion, items, false).map(|met| !met)
    }

    /// Whether for some item the criterion has this answer.
    fn is_met(&mut self, criterion: &'a Expr, items: &[Value<'a>], wanted: bool) -> Result<bool, Stop> {
        let mut doubt = None;
        for (index, item) in items.iter().enumerate() {
            match self.holds_for(criterion, item, index) {
                Ok(holds) if holds == wanted => return Ok(true),
                Ok(_) => {}
                Err(Stop::Unknown(unknown)) if unknown != Doubt::Steps => doubt = Some(unknown),
                Err(stop) => return Err(stop),
            }
        }
        doubt.map_or(Ok(false), |doubt| Err(doubt.into()))
    }

    fn call_with_criteria(&mut self, call: &'a Call, items: Items<'a>, scope: Scope<'_, 'a>) -> Outcome<'a> {
        let first = call.arguments.first();
        match (call.function, first) {
            (Function::Exists, None) => Ok(answer(Some(!items.is_empty()))),
            (Function::Exists, Some(criterion)) => Ok(answer(Some(self.exists(criterion, &items)?))),
            (Function::All, Some(criterion)) => Ok(answer(Some(self.all(criterion, &items)?))),
            (Function::Where, Some(criterion)) => {
                let mut kept = Items::new();
                for (index, item) in items.into_iter().enumerate() {
                    if self.holds_for(criterion, &item, index)? {
                        kept.push(item);
                    }
                }
                Ok(kept)
            }
            (Function::Select, Some(projection)) => {
                let mut found = Items::new();
                for (index, item) in items.iter().enumerate() {
                    let part = self.eval(projection, Scope::item(item, index))?;
                    self.spend(part.len())?;
                    found.extend(part);
                }
                Ok(found)
            }
            (Function::Repeat, Some(projection)) => self.repeat(projection, items),
            (Function::Aggregate, Some(step)) => {
                let mut total = self.argument(call, 1, scope)?;
                for (index, item) in items.iter().enumerate() {
                    let scope = Scope {
                        total: Some(&total),
                        ..Scope::item(item, index)
                    };
                    total = self.eval(step, scope)?;
                }
                Ok(total)
            }
            (Function::Iif, Some(criterion)) => self.iif(call, criterion, items, scope),
            // `trace` only says what passes by, and a library does not talk.
            _ => Ok(items),
        }
    }

    fn iif(&mut self, call: &'a Call, criterion: &'a Expr, items: Items<'a>, scope: Scope<'_, 'a>) -> Outcome<'a> {
        if items.len() > 1 {
            return Err(EvaluationError::Several.into());
        }
        let scope = Scope { this: &items, ..scope };
        let condition = self.eval(criterion, scope)?;
        let holds = match &condition[..] {
            [] => false,
            [item] => self.boolean(item).ok_or(EvaluationError::WrongType)?,
            _ => return Err(EvaluationError::Several.into()),
        };
        self.argument(call, if holds { 1 } else { 2 }, scope)
    }

    /// Goes on as long as there is something new. What was found is not looked at again.
    fn repeat(&mut self, projection: &'a Expr, items: Items<'a>) -> Outcome<'a> {
        let mut found = Items::new();
        let mut seen = std::collections::HashSet::new();
        let mut next = items;
        while !next.is_empty() {
            let mut more = Items::new();
            for (index, item) in next.iter().enumerate() {
                for part in self.eval(projection, Scope::item(item, index))? {
                    self.spend(1)?;
                    let is_new = match &part {
                        Value::Node(node) => seen.insert(*node),
                        _ => !self.is_in(&part, &found)?,
                    };
                    if is_new {
                        found.push(part.clone());
                        more.push(part);
                    }
                }
            }
            next = more;
        }
        Ok(found)
    }

    fn call_on_collection(&mut self, call: &'a Call, mut items: Items<'a>, scope: Scope<'_, 'a>) -> Outcome<'a> {
        use Function as F;
        self.spend(items.len())?;
        match call.function {
            F::Empty => Ok(answer(Some(items.is_empty()))),
            F::Count => Ok(smallvec![Value::Integer(items.len() as i64)]),
            F::Distinct => self.distinct(items),
            F::IsDistinct => {
                let count = items.len();
                let distinct = self.distinct(items)?;
                Ok(answer(Some(distinct.len() == count)))
            }
            F::AllTrue => self.all_are(&items, true, true),
            F::AnyTrue => self.all_are(&items, false, false),
            F::AllFalse => self.all_are(&items, false, true),
            F::AnyFalse => self.all_are(&items, true, false),
            F::Not => Ok(answer(self.truth(&items)?.map(|truth| !truth))),
            F::Single => Ok(single(items)?.into_iter().collect()),
            F::First => Ok(items.into_iter().take(1).collect()),
            F::Last => Ok(items.pop().into_iter().collect()),
            F::Tail => Ok(items.into_iter().skip(1).collect()),
            F::Sort => self.sort(call, items),
            F::Skip | F::Take => {
                let count = self.argument(call, 0, scope)?;
                let Some(count) = self.integer(&count)? else {
                    return Ok(Items::new());
                };
                let count = usize::try_from(count).unwrap_or(0);
                if call.function == F::Skip {
                    Ok(items.into_iter().skip(count).collect())
                } else {
                    items.truncate(count);
                    Ok(items)
                }
            }
            _ => {
                let other = self.argument(call, 0, scope)?;
                self.spend(other.len())?;
                self.combine(call.function, items, other)
            }
        }
    }

    fn combine(&mut self, function: Function, mut items: Items<'a>, other: Items<'a>) -> Outcome<'a> {
        match function {
            Function::Union => self.union(items, other),
            Function::Combine => {
                items.extend(other);
                Ok(items)
            }
            Function::SubsetOf => self.is_subset(&items, &other),
            Function::SupersetOf => self.is_subset(&other, &items),
            Function::Intersect => {
                let mut both = Items::new();
                for item in items {
                    if self.is_in(&item, &other)? {
                        both.push(item);
                    }
                }
                self.distinct(both)
            }
            _ => {
                let mut rest = Items::new();
                for item in items {
                    if !self.is_in(&item, &other)? {
                        rest.push(item);
                    }
                }
                Ok(rest)
            }
        }
    }

    fn is_subset(&mut self, items: &[Value<'a>], of: &[Value<'a>]) -> Outcome<'a> {
        for item in items {
            if !self.is_in(item, of)? {
                return Ok(answer(Some(false)));
            }
        }
        Ok(answer(Some(true)))
    }

    /// Returns whether all items are `wanted`, or (if `all` is false) whether some are not.
    fn all_are(&mut self, items: &[Value<'a>], wanted: bool, all: bool) -> Outcome<'a> {
        let mut holds = true;
        for item in items {
            let truth = self.boolean(item).ok_or(EvaluationError::WrongType)?;
            holds &= truth == wanted;
        }
        Ok(answer(Some(holds == all)))
    }

    /// Sorts by the keys given, each ascending or, written with a `-`, descending; without any by the items themselves.
    /// Empty keys come first in both directions, as HL7's test cases have it.
    fn sort(&mut self, call: &'a Call, items: Items<'a>) -> Outcome<'a> {
        let mut keyed = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let mut keys = Vec::with_capacity(call.arguments.len());
            for argument in &call.arguments {
                let key = match argument {
                    Expr::Sign(true, of) => of,
                    other => other,
                };
                let key = self.eval(key, Scope::item(&item, index))?;
                keys.push(single(key)?);
            }
            if call.arguments.is_empty() {
                keys.push(Some(item.clone()));
            }
            keyed.push((keys, item));
        }
        let mut failed = None;
        keyed.sort_by(|(left, _), (right, _)| {
            for (index, (l, r)) in left.iter().zip(right).enumerate() {
                let order = match (l, r) {
                    (Some(l), Some(r)) => match self.compare(l, r) {
                        Ok(order) => order.unwrap_or(std::cmp::Ordering::Equal),
                        Err(stop) => {
                            failed.get_or_insert(stop);
                            return std::cmp::Ordering::Equal;
                        }
                    },
                    (l, r) if l.is_some() != r.is_some() => return l.is_some().cmp(&r.is_some()),
                    _ => std::cmp::Ordering::Equal,
                };
                let descending = matches!(call.arguments.get(index), Some(Expr::Sign(true, _)));
                if order.is_ne() {
                    return if descending { order.reverse() } else { order };
                }
            }
            std::cmp::Ordering::Equal
        });
        match failed {
            Some(stop) => Err(stop),
            None => Ok(keyed.into_iter().map(|(_, item)| item).collect()),
        }
    }

    fn call_on_tree(&mut self, call: &'a Call, items: Items<'a>) -> Outcome<'a> {
        let now = |evaluator: &Self| evaluator.scene.host.now().ok_or(Stop::from(Doubt::Time));
        match call.function {
            Function::Now => Ok(smallvec![Value::Moment(now(self)?)]),
            Function::Today => Ok(smallvec![Value::Moment(now(self)?.date())]),
            Function::TimeOfDay => Ok(smallvec![Value::Moment(now(self)?.time())]),
            Function::Type => Ok(items.iter().map(|item| Value::Type(self.type_info(item))).collect()),
            _ => {
                let document = self.document();
                let mut found = Items::new();
                for item in &items {
                    let Value::Node(node) = item else { continue };
                    if call.function == Function::Children {
                        found.extend(document.children(*node).map(Value::Node));
                    } else {
                        let descendants = document.descendants(*node);
                        self.spend(descendants.size_hint().0)?;
                        found.extend(descendants.map(Value::Node));
                    }
                }
                self.spend(found.len())?;
                Ok(found)
            }
        }
    }
}
