use std::path::Path;

use super::account::Refusal;
use super::error::LoadError;
use super::gather::{Gather, Given, Node};
use super::parquet_column::{Column, MISSING};
use super::parquet_groups::{Groups, NodeColumn, NodeKind};
use super::parquet_stream::CHUNK_ROWS;

/// Reads the contacts of a Parquet file, of node numbers or names. Rows of damaged row groups are refused, the others read.
pub(super) fn read_file(gather: &mut Gather<'_>, path: &Path, news: &mut dyn FnMut(&Path, u64)) -> Result<(), LoadError> {
    gather.begin(&path.display().to_string());
    let groups = Groups::open(path)?;
    let (mut before, mut first_error) = (0_u64, None);
    for group in 0..groups.len() {
        let rows = groups.rows(group);
        let mut done = 0;
        if let Err(why) = read_group(gather, &groups, group, before, &mut done) {
            let (first, lost) = (before + done + 1, rows.saturating_sub(done));
            gather.refuse(Refusal::DamagedPart, first, lost);
            first_error.get_or_insert(groups.damaged(group, first, lost, why));
        }
        before = before.saturating_add(rows);
        news(path, gather.kept());
    }
    match first_error {
        // All of it is lost: that is an error, and not only a part that is missing.
        Some(error) if gather.kept_of_file() == 0 => Err(error),
        _ => Ok(()),
    }
}

struct Row {
    time: Column,
    unit_ns: i64,
    from: (Column, NodeKind),
    to: (Column, NodeKind),
    account: Option<Column>,
    by: Option<Column>,
}

fn read_group(gather: &mut Gather<'_>, groups: &Groups, group: usize, before: u64, done: &mut u64) -> Result<(), String> {
    let reader = groups.group(group)?;
    let open = |index| Column::open(&*reader, index, groups.is_optional(index));
    let node = |column: NodeColumn| Ok::<_, String>((open(column.index)?, column.kind));
    let mut row = Row {
        time: open(groups.time.index)?,
        unit_ns: groups.time.unit_ns,
        from: node(groups.from)?,
        to: node(groups.to)?,
        account: groups.account.map(open).transpose()?,
        by: groups.by.map(open).transpose()?,
    };
    while *done < groups.rows(group) {
        let rows = row.next()?;
        if rows == 0 {
            return Err("rows that the footer names are missing".to_owned());
        }
        for i in 0..rows {
            let number = before + *done + i as u64 + 1;
            match row.given(i) {
                Some(given) => gather.take(number, &given),
                None => gather.refuse(Refusal::Encoding, number, 1),
            }
        }
        *done += rows as u64;
    }
    Ok(())
}

impl Row {
    fn next(&mut self) -> Result<usize, String> {
        let rows = self.time.next(CHUNK_ROWS)?;
        let others = [&mut self.from.0, &mut self.to.0].into_iter();
        for column in others.chain(self.account.as_mut()).chain(self.by.as_mut()) {
            if column.next(CHUNK_ROWS)? != rows {
                return Err("the columns have different lengths".to_owned());
            }
        }
        Ok(rows)
    }

    fn given(&self, i: usize) -> Option<Given<'_>> {
        let at = Some(self.time.number(i)).filter(|at| *at != MISSING);
        Some(Given {
            at: at.and_then(|at| at.checked_mul(self.unit_ns)),
            from: node(&self.from, i)?,
            to: node(&self.to, i)?,
            account: text(self.account.as_ref(), i)?,
            by: text(self.by.as_ref(), i)?,
            took_ns: 0,
        })
    }
}

fn node((column, kind): &(Column, NodeKind), i: usize) -> Option<Node<'_>> {
    match kind {
        NodeKind::Text => column.text(i).map(Node::Text),
        _ => Some(Node::Number(column.number(i))),
    }
}

fn text(column: Option<&Column>, i: usize) -> Option<&str> {
    column.map_or(Some(""), |column| column.text(i))
}
