use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use leckwehr_telemetry::LogSource;

use crate::sigma::condition::Expr;
use crate::sigma::correlation::Correlation;
use crate::sigma::index::Index;
use crate::sigma::item::Item;
use crate::sigma::logsource::RuleSource;
use crate::sigma::predicate::{Check, Predicate};
use crate::sigma::rule::Rule;
use crate::sigma::ruleset::Rules;
use crate::sigma::witness::Choice;

/// Rules joined for matching: filters put in, equal items interned, witnesses indexed by log source.
///
/// Unchangeable and shared; each thread has a [`crate::Matcher`] of its own.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<Arc<Rule>>,
    correlations: Vec<Arc<Correlation>>,
    quiet: Vec<bool>,
    pub(crate) programs: Vec<Node>,
    /// By rule: each selection by name, to tell why it fired.
    pub(crate) selections: Vec<Named>,
    pub(crate) predicates: Vec<Predicate>,
    pub(crate) slots: Slots,
    pub(crate) groups: Vec<Group>,
}

/// A condition over numbered predicates.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Is(u32),
    All(Box<[Node]>),
    Any(Box<[Node]>),
    Not(Box<Node>),
    AtLeast(usize, Box<[Node]>),
}

/// Selections by name.
pub(crate) type Named = Box<[(Box<str>, Node)]>;

/// The rules of one log source.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) source: RuleSource,
    pub(crate) rules: Vec<u32>,
    pub(crate) index: Index,
}

/// Field names that rules ask for, numbered.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    by_name: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Slots {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(slot) = self.by_name.get(name) {
            return *slot;
        }
        let slot = self.names.len() as u32;
        self.by_name.insert(name.into(), slot);
        self.names.push(name.into());
        slot
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

impl Engine {
    /// Joins the rules. O(texts in all rules).
    pub fn new(rules: &Rules) -> Arc<Self> {
        let conditions: Vec<Expr> = rules.all().iter().map(|rule| filtered(rule, rules)).collect();
        let mut interner = Interner::default();
        let programs: Vec<Node> = conditions.iter().map(|c| interner.node(c)).collect();
        let selections = rules.all().iter().map(|rule| {
            let named = rule.compiled.selections.iter();
            named.map(|(name, expr)| (name.clone(), interner.node(expr))).collect()
        });
        let selections = selections.collect();
        let mut by_source: BTreeMap<&RuleSource, Vec<u32>> = BTreeMap::new();
        for (number, rule) in rules.all().iter().enumerate() {
            by_source.entry(&rule.source).or_default().push(number as u32);
        }
        let slots = interner.slots;
        let groups = by_source.into_iter().map(|(source, members)| Group {
            source: source.clone(),
            index: index_of(&members, &conditions, &slots),
            rules: members,
        });
        let groups = groups.collect();
        let quiet = rules.all().iter().map(|rule| is_quiet(rule, rules.correlations())).collect();
        let engine = Self {
            rules: rules.all().to_vec(),
            correlations: rules.correlations().to_vec(),
            quiet,
            programs,
            selections,
            predicates: interner.predicates,
            slots,
            groups,
        };
        engine.into()
    }

    /// Returns the rules; their places are the numbers that a matcher gives.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// Returns the correlations, in the order in which they were read.
    pub fn correlations(&self) -> &[Arc<Correlation>] {
        &self.correlations
    }

    /// Returns whether the rule is only there for correlations that tell in its stead (`generate: false`).
    pub fn is_quiet(&self, rule: u32) -> bool {
        self.quiet.get(rule as usize).copied().unwrap_or(false)
    }

    /// Returns the groups of rules for records of a source, in ascending order.
    pub(crate) fn route(&self, source: &LogSource) -> Vec<u32> {
        let numbered = (0u32..).zip(&self.groups);
        numbered
            .filter(|(_, group)| group.source.is_for(source))
            .map(|(n, _)| n)
            .collect()
    }
}

fn index_of(members: &[u32], conditions: &[Expr], slots: &Slots) -> Index {
    let slot_of = |name: &str| slots.find(name).unwrap_or(u32::MAX);
    let mut choice = Choice {
        slot_of: &slot_of,
        shares: Default::default(),
        rules: members.len(),
    };
    let of = |rule: &u32| conditions.get(*rule as usize);
    for condition in members.iter().filter_map(of) {
        choice.count(condition);
    }
    let witnesses = members.iter().filter_map(|rule| Some((*rule, choice.choose(of(rule)?))));
    Index::new(&witnesses.collect::<Vec<_>>())
}

/// Puts the filters that are meant for a rule into its condition.
fn filtered(rule: &Rule, rules: &Rules) -> Expr {
    let condition = rule.compiled.condition.clone();
    let filters = rules.filters().iter().filter(|filter| filter.is_for(rule));
    let mut parts: Vec<Expr> = filters.map(|filter| filter.condition.clone()).collect();
    if parts.is_empty() {
        return condition;
    }
    parts.insert(0, condition);
    Expr::all(parts)
}

/// A rule that correlations are built on is silent unless one of them says otherwise.
fn is_quiet(rule: &Rule, correlations: &[Arc<Correlation>]) -> bool {
    let mut uses = correlations
        .iter()
        .filter(|c| c.rules.iter().any(|name| rule.is_called(name)))
        .peekable();
    uses.peek().is_some() && uses.all(|c| !c.generate)
}

#[derive(Default)]
struct Interner {
    numbers: HashMap<Arc<Item>, u32>,
    predicates: Vec<Predicate>,
    slots: Slots,
}

impl Interner {
    fn node(&mut self, expr: &Expr) -> Node {
        match expr {
            Expr::All(parts) => Node::All(self.nodes(parts)),
            Expr::Any(parts) => Node::Any(self.nodes(parts)),
            Expr::AtLeast(n, parts) => Node::AtLeast(*n, self.nodes(parts)),
            Expr::Not(part) => Node::Not(self.node(part).into()),
            Expr::Item(item) => Node::Is(self.predicate(item)),
        }
    }

    /// Numbers the parts and puts the cheap ones first.
    fn nodes(&mut self, parts: &[Expr]) -> Box<[Node]> {
        let mut nodes: Vec<Node> = parts.iter().map(|p| self.node(p)).collect();
        nodes.sort_by_cached_key(|node| self.cost(node));
        nodes.into()
    }

    fn cost(&self, node: &Node) -> u32 {
        match node {
            Node::Is(n) => self.predicates.get(*n as usize).map_or(0, |p| {
                // A keyword looks at the whole record.
                p.check.cost().saturating_mul(if p.slot.is_none() { 20 } else { 1 })
            }),
            Node::All(parts) | Node::Any(parts) | Node::AtLeast(_, parts) => {
                parts.iter().map(|p| self.cost(p)).fold(0, u32::saturating_add)
            }
            Node::Not(part) => self.cost(part),
        }
    }

    fn predicate(&mut self, item: &Arc<Item>) -> u32 {
        if let Some(number) = self.numbers.get(item) {
            return *number;
        }
        let number = self.predicates.len() as u32;
        let slot = item.field.as_deref().map(|name| self.slots.number(name));
        let check = Check::new(&item.test, &mut |name| self.slots.number(name));
        self.predicates.push(Predicate { slot, check });
        self.numbers.insert(item.clone(), number);
        number
    }
}
