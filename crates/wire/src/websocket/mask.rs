//! Masking: what a client does to its payload, and where its masks come from.

/// Masks for the frames of a client.
///
/// A mask must be new for every frame, so that a script in a browser cannot choose the bytes that a proxy sees
/// (RFC 6455 §10.3). Nobody chooses our payloads byte for byte, hence a small generator from an unpredictable seed is
/// enough, and one of them can serve all connections of a thread.
#[derive(Clone, Debug)]
pub struct Masks(u64);

impl Masks {
    /// `seed` comes from the operating system's randomness.
    pub fn new(seed: u64) -> Masks {
        Masks(seed)
    }

    pub fn next_mask(&mut self) -> [u8; 4] {
        // SplitMix64: every seed is good, also zero.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let [a, b, c, d, ..] = (mixed ^ (mixed >> 31)).to_le_bytes();
        [a, b, c, d]
    }
}

/// Masks or unmasks in place; doing it twice changes nothing.
pub(super) fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (at, byte) in tail.iter_mut().enumerate() {
        *byte ^= mask[at & 3];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_masked_like_byte_by_byte() {
        let mask = [0x37, 0xFA, 0x21, 0x3D];
        for length in 0..100_usize {
            let plain: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
            let expected: Vec<u8> = plain.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect();

            let mut masked = plain.clone();
            apply_mask(&mut masked, mask);

            assert_eq!(masked, expected, "length {length}");
        }
    }

    #[test]
    fn masks_differ_from_frame_to_frame_and_from_seed_to_seed() {
        let mut masks = Masks::new(0);
        let first: Vec<[u8; 4]> = (0..1000).map(|_| masks.next_mask()).collect();
        let mut distinct = first.clone();
        distinct.sort_unstable();
        distinct.dedup();

        assert!(distinct.len() >= 999);
        assert_ne!(Masks::new(1).next_mask(), first[0]);
    }
}
