//! The wire format of Protocol Buffers (protobuf.dev, *Encoding*), as far as a reader needs it.

/// The fields of one message.
#[derive(Debug, Clone)]
pub(crate) struct Message<'a> {
    rest: &'a [u8],
    /// Whether the rest could not be read.
    pub is_damaged: bool,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire types 1 and 5.
    Fixed(u64),
    /// Wire type 2: a text, bytes, or a message.
    Bytes(&'a [u8]),
}

impl<'a> Message<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            is_damaged: false,
        }
    }

    fn field(&mut self) -> Option<(u32, Wire<'a>)> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| *number > 0)?;
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed(u64::from_le_bytes(*self.chunk()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                Wire::Bytes(bytes)
            }
            5 => Wire::Fixed(u32::from_le_bytes(*self.chunk()?).into()),
            _ => return None,
        };
        Some((number, wire))
    }

    fn chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (chunk, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(chunk)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for i in 0..10 {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << (7 * i).min(63);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Message<'a> {
    type Item = (u32, Wire<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.is_damaged = true;
            self.rest = &[];
        }
        field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wire_type_is_read_and_damage_is_told() {
        let mut bytes = vec![0x08, 0x96, 0x01, 0x12, 3, b'a', b'b', b'c', 0x1d, 1, 0, 0, 0, 0x21];
        bytes.extend(7_u64.to_le_bytes());
        let fields: Vec<_> = Message::new(&bytes).collect();
        let expected = [
            (1, Wire::Varint(150)),
            (2, Wire::Bytes(b"abc")),
            (3, Wire::Fixed(1)),
            (4, Wire::Fixed(7)),
        ];
        assert_eq!(fields, expected);
        for damaged in [&[0x12, 9, 1][..], &[0x0b], &[0x00, 1], &[0xff; 12], &[0x1d, 1]] {
            let mut message = Message::new(damaged);
            assert_eq!((message.by_ref().count(), message.is_damaged), (0, true), "{damaged:?}");
        }
    }
}
