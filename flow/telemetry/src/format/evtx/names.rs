use super::value::push_utf16;
use crate::{FieldId, FieldNames};

/// Names of one chunk by their place in it, so that each is decoded once in a while and not at every use.
#[derive(Debug, Default)]
pub(super) struct ChunkNames {
    places: Vec<Place>,
    text: String,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// Offset in the chunk, with the kind of thing in the high bit.
    offset: u32,
    name: FieldId,
    /// Bytes of the entry in the chunk.
    length: u32,
}

/// Entries remembered; two of one slot take turns.
const PLACES: usize = 1 << 10;
const EMPTY: Place = Place {
    offset: u32::MAX,
    name: FieldId::OTHER,
    length: 0,
};
const LITERAL: u32 = 1 << 31;

impl ChunkNames {
    /// Forgets the names of the chunk before.
    pub fn clear(&mut self) {
        self.places.clear();
        self.places.resize(PLACES, EMPTY);
    }

    /// Returns the name whose entry (next, hash, count, units, NUL) begins at `place`, and the entry's length in bytes.
    pub fn name(&mut self, chunk: &[u8], place: usize, names: &mut FieldNames) -> Option<(FieldId, usize)> {
        const HEADER: usize = 8;
        let offset = u32::try_from(place).ok()?;
        if let Some(known) = self.known(offset) {
            return Some((known.name, known.length as usize));
        }
        let rest = chunk.get(place..)?;
        let (header, rest) = rest.split_first_chunk::<HEADER>()?;
        let units = 2 * usize::from(u16::from_le_bytes([header[6], header[7]]));
        let length = HEADER + units + 2;
        let name = self.intern(rest.get(..units)?, names);
        self.remember(offset, name, length as u32);
        Some((name, length))
    }

    /// Returns the literal text `units` that stands at `place`, as a name.
    pub fn literal(&mut self, place: usize, units: &[u8], names: &mut FieldNames) -> FieldId {
        let offset = place as u32 | LITERAL;
        if let Some(known) = self.known(offset) {
            return known.name;
        }
        let name = self.intern(units, names);
        self.remember(offset, name, 0);
        name
    }

    fn known(&self, offset: u32) -> Option<Place> {
        self.places.get(slot(offset)).filter(|place| place.offset == offset).copied()
    }

    fn remember(&mut self, offset: u32, name: FieldId, length: u32) {
        if let Some(place) = self.places.get_mut(slot(offset)) {
            *place = Place { offset, name, length };
        }
    }

    fn intern(&mut self, units: &[u8], names: &mut FieldNames) -> FieldId {
        self.text.clear();
        push_utf16(units, &mut self.text);
        names.intern(&self.text)
    }
}

fn slot(offset: u32) -> usize {
    (offset.wrapping_mul(0x9E37_79B1) >> 22) as usize
}
