use super::NameId;
use super::document::{NodeId, Stop, Written};
use super::scan::{Kind, Token, scan};
use super::tree::{ARRAY_ITEM, DECODED, NARRATIVE, Tree};
use crate::IssueKind;

/// Reads one JSON object into the tree.
///
/// JSON may write a primitive in two places (`given` and `_given`), so the text is scanned first and put in order then.
pub(super) fn read(source: &str, tree: &mut Tree) -> Result<(), Stop> {
    let tokens = scan(source, tree)?;
    let resource_type = tree.names.intern("resourceType");
    let mut order = Order {
        tokens: &tokens,
        source,
        resource_type,
        members: Vec::new(),
    };
    order.root(tree)
}

struct Order<'a> {
    tokens: &'a [Token],
    source: &'a str,
    resource_type: NameId,
    /// The members of the objects that we are in, innermost last: name, whether a shadow (`_name`), token.
    members: Vec<(NameId, bool, u32)>,
}

impl Order<'_> {
    fn root(&mut self, tree: &mut Tree) -> Result<(), Stop> {
        let Some(root) = self.tokens.first().filter(|t| t.kind == Kind::Object) else {
            return Err((IssueKind::NotWellFormed, 0));
        };
        let at = root.at as usize;
        let unnamed = tree.names.intern("");
        let node = tree.enter(unnamed, at, Written::JsonObject);
        self.object(tree, node, 0)?;
        match tree.nodes[0].resource_type() {
            Some(name) => tree.nodes[0].name = name,
            None => tree.note(IssueKind::NoResourceType, at),
        }
        tree.leave();
        Ok(())
    }

    /// Adds the members of an object to a node.
    fn object(&mut self, tree: &mut Tree, node: NodeId, object: u32) -> Result<(), Stop> {
        let begin = self.members.len();
        let end = self.tokens[object as usize].end;
        let mut next = object + 1;
        while next < end {
            let token = &self.tokens[next as usize];
            self.members.push((token.key, token.shadow, next));
            next = token.end;
        }
        if next == object + 1 {
            tree.note(IssueKind::EmptyJson, self.tokens[object as usize].at as usize);
        }
        self.members[begin..].sort_unstable();
        for at in begin + 1..self.members.len() {
            let (before, here) = (self.members[at - 1], self.members[at]);
            if (before.0, before.1) == (here.0, here.1) {
                tree.note(IssueKind::DuplicateKey, self.tokens[here.2 as usize].key_at as usize);
            }
        }
        let mut next = object + 1;
        while next < end {
            let token = &self.tokens[next as usize];
            let other = self.partner(begin, token.key, !token.shadow);
            match (token.shadow, other) {
                (false, _) if token.key == self.resource_type => self.name_resource(tree, node, token),
                (false, shadow) => self.member(tree, token.key, Some(next), shadow)?,
                (true, None) => self.member(tree, token.key, None, Some(next))?,
                (true, Some(_)) => {}
            }
            next = token.end;
        }
        self.members.truncate(begin);
        Ok(())
    }

    fn partner(&self, begin: usize, key: NameId, shadow: bool) -> Option<u32> {
        let members = &self.members[begin..];
        let at = members.partition_point(|(k, s, _)| (*k, *s) < (key, shadow));
        members.get(at).filter(|(k, s, _)| (*k, *s) == (key, shadow)).map(|m| m.2)
    }

    fn name_resource(&self, tree: &mut Tree, node: NodeId, token: &Token) {
        let text = if token.decoded {
            token
                .value
                .start()
                .and_then(|start| tree.decoded.get(start..token.value.end()))
        } else {
            token
                .value
                .start()
                .and_then(|start| self.source.get(start..token.value.end()))
        };
        match text.map(str::to_owned) {
            Some(text) if token.kind == Kind::String && !text.is_empty() => {
                let name = tree.names.intern(&text);
                tree.set_resource(node, name);
            }
            _ => tree.note(IssueKind::NoResourceType, token.key_at as usize),
        }
    }

    fn member(&mut self, tree: &mut Tree, name: NameId, value: Option<u32>, shadow: Option<u32>) -> Result<(), Stop> {
        let is_array = |token: Option<u32>| token.is_some_and(|t| self.tokens[t as usize].kind == Kind::Array);
        let key_at = value.or(shadow).map_or(0, |t| self.tokens[t as usize].key_at as usize);
        match (is_array(value), is_array(shadow)) {
            (false, false) => return self.item(tree, name, value, shadow, Some(key_at)),
            (true, true) => {}
            (true, false) if shadow.is_none() => {}
            (false, true) if value.is_none() => {}
            _ => tree.note(IssueKind::JsonShape, key_at),
        }
        let mut values = self.items(value);
        let mut shadows = self.items(shadow);
        let mut items = 0;
        loop {
            let (value, shadow) = (self.take(&mut values), self.take(&mut shadows));
            if value.is_none() && shadow.is_none() {
                break;
            }
            items += 1;
            self.item(tree, name, value, shadow, None)?;
        }
        if items == 0 {
            tree.note(IssueKind::EmptyJson, key_at);
        }
        Ok(())
    }

    /// Returns the tokens that are items of an array: the first and the one past the last.
    fn items(&self, array: Option<u32>) -> (u32, u32) {
        match array {
            Some(array) if self.tokens[array as usize].kind == Kind::Array => (array + 1, self.tokens[array as usize].end),
            Some(single) => (single, self.tokens[single as usize].end),
            None => (0, 0),
        }
    }

    fn take(&self, items: &mut (u32, u32)) -> Option<u32> {
        let here = (items.0 < items.1).then_some(items.0)?;
        items.0 = self.tokens[here as usize].end;
        Some(here)
    }

    /// Adds one node from a value, its shadow or both. Items of an array have no key of their own.
    fn item(
        &mut self,
        tree: &mut Tree,
        name: NameId,
        value: Option<u32>,
        shadow: Option<u32>,
        key_at: Option<usize>,
    ) -> Result<(), Stop> {
        let some = |token: Option<u32>| token.filter(|t| self.tokens[*t as usize].kind != Kind::Null);
        let at = value.or(shadow).map_or(0, |t| self.tokens[t as usize].at as usize);
        let at = key_at.unwrap_or(at);
        let (value, shadow) = (some(value), some(shadow));
        if value.is_none() && shadow.is_none() {
            tree.note(IssueKind::JsonNull, at);
            return Ok(());
        }
        tree.count(tree.open.len(), at)?;
        let token = value.map(|t| self.tokens[t as usize]);
        let node = tree.enter(name, at, token.map_or(Written::JsonNull, |t| t.kind.written()));
        if key_at.is_none() {
            tree.set_flag(node, ARRAY_ITEM);
        }
        match shadow.map(|t| (t, self.tokens[t as usize].kind)) {
            Some((shadow, Kind::Object)) => self.object(tree, node, shadow)?,
            Some((shadow, _)) => tree.note(IssueKind::JsonShape, self.tokens[shadow as usize].at as usize),
            None => {}
        }
        match (value, token.map(|t| t.kind)) {
            (Some(object), Some(Kind::Object)) => {
                if shadow.is_some() {
                    tree.note(IssueKind::JsonShape, at);
                }
                self.object(tree, node, object)?;
            }
            (Some(_), Some(Kind::Array)) => tree.note(IssueKind::JsonShape, at),
            _ => {}
        }
        if let Some(token) = token.filter(|t| t.value.start().is_some()) {
            self.set_value(tree, node, &token, at);
        }
        tree.leave();
        Ok(())
    }

    fn set_value(&self, tree: &mut Tree, node: NodeId, token: &Token, at: usize) {
        tree.set_value(node, token.value);
        if token.decoded {
            tree.set_flag(node, DECODED);
        }
        if token.value.end() == token.value.start().unwrap_or_default() {
            tree.note(IssueKind::EmptyValue, at);
        }
        let parent = tree.nodes[node.index()].parent;
        let is = |node: u32, text| tree.names.text(tree.nodes[node as usize].name) == text;
        if is(node.0, "div") && is(parent, "text") && token.kind == Kind::String {
            tree.set_flag(node, NARRATIVE);
        }
    }
}
