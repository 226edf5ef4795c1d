//! The one base64 engine of this crate.
//!
//! `general_purpose::STANDARD` is scalar even on machines with vector instructions. The engine that finds them at run
//! time has to be built once, and exists for the two common architectures only.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::PAD;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static ENGINE: LazyLock<base64::engine::Simd> = LazyLock::new(|| base64::engine::Simd::standard(PAD));

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static ENGINE: LazyLock<base64::engine::GeneralPurpose> =
    LazyLock::new(|| base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, PAD));

/// Characters decoded at a time, and what they become. Small enough for the stack, so that a leg keeps no buffer as
/// large as the largest message it ever saw; a whole number of groups and of 16-bit samples.
const BLOCK_CHARS: usize = 4096;
const BLOCK_BYTES: usize = BLOCK_CHARS / 4 * 3;

/// The text was not base64, or not padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotBase64;

/// Decodes `text` piece by piece; every piece but the last has an even number of bytes. Stops at the first piece that
/// is no base64, having handed on those before it.
pub(crate) fn decode_in_blocks(text: &str, mut take: impl FnMut(&[u8])) -> Result<(), NotBase64> {
    let mut block = [0u8; BLOCK_BYTES];
    let mut pieces = text.as_bytes().chunks(BLOCK_CHARS).peekable();
    while let Some(piece) = pieces.next() {
        let length = ENGINE.decode_slice(piece, &mut block).map_err(|_| NotBase64)?;
        // Padding ends the text; inside it is an error that a piece by itself does not show.
        if pieces.peek().is_some() && length != BLOCK_BYTES {
            return Err(NotBase64);
        }
        take(&block[..length]);
    }
    Ok(())
}

/// Appends the base64 of `bytes` to `out`, without a buffer in between.
pub(crate) fn encode_onto(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let length = bytes.len().div_ceil(3) * 4;
    out.resize(start + length, 0);
    // The room is exactly what padded base64 takes, so this cannot fail; if it ever did, an empty string is what an
    // agent understands best.
    let written = ENGINE.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Result<Vec<u8>, NotBase64> {
        let mut bytes = Vec::new();
        decode_in_blocks(text, |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..10_000)) {
            let mut text = b"before".to_vec();
            encode_onto(&bytes, &mut text);

            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(decoded(&text["before".len()..]), Ok(bytes));
        }
    }

    #[test]
    fn padding_in_the_middle_is_refused_at_a_seam_too() {
        let mut text = "A".repeat(BLOCK_CHARS - 4);
        text.push_str("AA==");
        assert!(decoded(&text).is_ok());

        text.push_str("AAAA");
        assert_eq!(decoded(&text), Err(NotBase64));
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["A", "AA", "AA=", "A?==", "AAAA AAAA", "AAAA\n", "=AAA"] {
            assert_eq!(decoded(text), Err(NotBase64), "{text}");
        }
        assert_eq!(decoded(""), Ok(vec![]));
    }
}
