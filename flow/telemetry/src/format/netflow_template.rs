//! Templates of NetFlow 9 and IPFIX, remembered per exporter within limits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::format::netflow_element::{Form, REVERSE, element};

/// Templates remembered per exporter and observation domain; the one not used for longest makes room.
pub(crate) const TEMPLATES_MAX: usize = 512;
/// Fields of a template; one with more is refused.
pub(crate) const TEMPLATE_FIELDS_MAX: usize = 512;
/// Bytes of data kept per exporter and domain until its template comes; the oldest makes room.
pub(crate) const WAITING_BYTES_MAX: usize = 256 * 1024;
/// Field length that says the length stands in the record (RFC 7011 § 7).
const VARIABLE: u16 = u16::MAX;

/// One field of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateField {
    /// Number in the registry, or 0 for another enterprise's.
    pub id: u16,
    /// Whether it is of the reverse direction (RFC 5103).
    pub is_reverse: bool,
    pub name: Box<str>,
    pub form: Form,
    length: u16,
}

/// What a data record is made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub fields: Vec<TemplateField>,
    /// Octets of the shortest record; never 0.
    pub record_bytes_min: usize,
    /// Whether its records are about the exporter.
    pub is_options: bool,
}

impl Template {
    /// Builds a template from field specifications: element, length, enterprise.
    pub fn new(fields: Vec<(u16, u16, u32)>, is_options: bool) -> Option<Self> {
        let shortest = |length: u16| if length == VARIABLE { 1 } else { usize::from(length) };
        let record_bytes_min = fields.iter().map(|(_, length, _)| shortest(*length)).sum();
        if record_bytes_min == 0 || fields.len() > TEMPLATE_FIELDS_MAX {
            return None;
        }
        let field = |(id, length, enterprise): (u16, u16, u32)| {
            let known = if enterprise == 0 || enterprise == REVERSE {
                element(id)
            } else {
                None
            };
            let (name, form) = match (known, enterprise) {
                (Some((name, form)), 0) => (name.to_owned(), form),
                (Some((name, form)), _) => (format!("reverse.{name}"), form),
                (None, 0) => (format!("element{id}"), Form::Unknown),
                (None, enterprise) => (format!("enterprise{enterprise}.element{id}"), Form::Unknown),
            };
            TemplateField {
                id: if known.is_some() { id } else { 0 },
                is_reverse: enterprise == REVERSE,
                name: name.into(),
                form,
                length,
            }
        };
        Some(Self {
            fields: fields.into_iter().map(field).collect(),
            record_bytes_min,
            is_options,
        })
    }

    /// Cuts the next record off `data`: calls `each` with every field and its octets. `None` if the record is not whole.
    pub fn record<'d>(&self, data: &'d [u8], mut each: impl FnMut(&TemplateField, &'d [u8])) -> Option<&'d [u8]> {
        let mut rest = data;
        for field in &self.fields {
            let mut length = usize::from(field.length);
            if field.length == VARIABLE {
                let (&first, behind) = rest.split_first()?;
                (length, rest) = (usize::from(first), behind);
                if first == u8::MAX {
                    let (long, behind) = rest.split_first_chunk::<2>()?;
                    (length, rest) = (usize::from(u16::from_be_bytes(*long)), behind);
                }
            }
            let (octets, behind) = rest.split_at_checked(length)?;
            each(field, octets);
            rest = behind;
        }
        Some(rest)
    }
}

/// The templates of one exporter's observation domain, and the data that came before them.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    known: BTreeMap<u16, (Arc<Template>, u64)>,
    waiting: VecDeque<(u16, Vec<u8>)>,
    waiting_bytes: usize,
    turn: u64,
    /// Data sets given up because their template did not come in time.
    pub sets_given_up: u64,
}

impl Templates {
    /// Returns the template of a data set.
    pub fn get(&mut self, id: u16) -> Option<Arc<Template>> {
        self.turn += 1;
        let (template, used) = self.known.get_mut(&id)?;
        *used = self.turn;
        Some(Arc::clone(template))
    }

    /// Remembers a template in place of an earlier one of its number; returns the data that waited for it.
    pub fn insert(&mut self, id: u16, template: Template) -> Vec<Vec<u8>> {
        self.turn += 1;
        if self.known.len() >= TEMPLATES_MAX && !self.known.contains_key(&id) {
            let oldest = self.known.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id);
            oldest.map(|id| self.known.remove(&id));
        }
        self.known.insert(id, (Arc::new(template), self.turn));
        let (now, later): (VecDeque<_>, VecDeque<_>) = self.waiting.drain(..).partition(|(waits, _)| *waits == id);
        self.waiting = later;
        self.waiting_bytes = self.waiting.iter().map(|(_, data)| data.len()).sum();
        now.into_iter().map(|(_, data)| data).collect()
    }

    /// Forgets a template that the exporter withdraws (RFC 7011 § 8.1); number 2 or 3 withdraws all.
    pub fn withdraw(&mut self, id: u16) {
        if id < 256 {
            self.known.clear();
        } else {
            self.known.remove(&id);
        }
    }

    /// Keeps data whose template is not known yet.
    pub fn wait(&mut self, id: u16, data: &[u8]) {
        self.waiting_bytes += data.len();
        self.waiting.push_back((id, data.to_vec()));
        while self.waiting_bytes > WAITING_BYTES_MAX
            && let Some((_, oldest)) = self.waiting.pop_front()
        {
            self.waiting_bytes -= oldest.len();
            self.sets_given_up += 1;
        }
    }

    /// Gives up all data that waits; returns how many sets it were.
    pub fn give_up(&mut self) -> u64 {
        self.waiting_bytes = 0;
        self.waiting.drain(..).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_by_fixed_and_variable_lengths() {
        let template = Template::new(vec![(7, 2, 0), (82, VARIABLE, 0), (1, 4, REVERSE)], false).unwrap();
        assert_eq!(template.record_bytes_min, 7);
        let mut data = vec![0, 80, 2, b'l', b'o', 0, 0, 0, 9, 0, 81, 255, 1, 0];
        data.extend([b'x'; 256]);
        data.extend([0, 0, 0, 10]);
        let mut found = Vec::new();
        let mut rest = data.as_slice();
        while !rest.is_empty() {
            rest = template
                .record(rest, |field, octets| found.push((field.name.to_string(), octets.len())))
                .unwrap();
        }
        let names = ["sourceTransportPort", "interfaceName", "reverse.octetDeltaCount"];
        let lengths = [2, 2, 4, 2, 256, 4];
        let expected: Vec<_> = lengths
            .iter()
            .zip(names.iter().cycle())
            .map(|(l, n)| ((*n).to_owned(), *l))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(template.record(&data[..8], |_, _| {}), None);
    }

    #[test]
    fn templates_without_length_or_with_too_many_fields_are_refused() {
        assert_eq!(Template::new(vec![], false), None);
        assert_eq!(Template::new(vec![(1, 0, 0)], false), None);
        assert_eq!(Template::new(vec![(1, 1, 0); TEMPLATE_FIELDS_MAX + 1], false), None);
    }

    #[test]
    fn a_flood_of_templates_and_of_data_without_one_stays_within_the_limits() {
        let mut templates = Templates::default();
        let template = || Template::new(vec![(1, 4, 0)], false).unwrap();
        templates.insert(300, template());
        for id in 1_000..u16::MAX {
            templates.get(300).unwrap();
            templates.insert(id, template());
        }
        assert_eq!(templates.known.len(), TEMPLATES_MAX);
        assert!(templates.get(300).is_some(), "one in use stays");
        for id in 256..2_256 {
            templates.wait(id, &[0; 1_000]);
        }
        assert!(templates.waiting_bytes <= WAITING_BYTES_MAX);
        assert_eq!(templates.insert(2_255, template()), [vec![0; 1_000]]);
        assert_eq!(templates.sets_given_up + templates.give_up(), 1_999);
    }
}
