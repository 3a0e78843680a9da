use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::hex;

/// Returns the name-based UUID of `name` in `namespace` (RFC 9562, version 5). Equal names give equal UUIDs.
///
/// It is SHA-1, which the standard demands; it names things and protects nothing.
pub fn uuid_v5(namespace: [u8; 16], name: &[u8]) -> String {
    let mut input = namespace.to_vec();
    input.extend_from_slice(name);
    let mut id = [0_u8; 16];
    for (to, from) in id.iter_mut().zip(digest(&SHA1_FOR_LEGACY_USE_ONLY, &input).as_ref()) {
        *to = *from;
    }
    id[6] = id[6] & 0x0f | 0x50;
    id[8] = id[8] & 0x3f | 0x80;
    let text = hex(&id);
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        // RFC 9562, appendix A.4: namespace DNS, name www.example.com.
        let dns = [
            0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
        ];
        assert_eq!(uuid_v5(dns, b"www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    }
}
