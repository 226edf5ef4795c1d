//! The file that holds the sentences.
//!
//! | bytes | content |
//! |---|---|
//! | 4 | `TLP1` |
//! | | then, for each sentence: |
//! | 1, n | length and letters of its id |
//! | 2, n | length (little-endian) and letters of its text |
//! | 4, n | length (little-endian) and bytes of its sound, see [`audio::adpcm`] |

const MAGIC: &[u8] = b"TLP1";

/// One sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub id: &'a str,
    pub text: &'a str,
    pub sound: &'a [u8],
}

/// The bytes of such a file. Damaged ones hold the sentences before the damage.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<'a>(pub &'a [u8]);

impl<'a> Bundle<'a> {
    pub fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        let mut rest = self.0.strip_prefix(MAGIC).unwrap_or_default();
        std::iter::from_fn(move || {
            let id = take(&mut rest, 1)?;
            let text = take(&mut rest, 2)?;
            let sound = take(&mut rest, 4)?;
            Some(Entry { id: std::str::from_utf8(id).ok()?, text: std::str::from_utf8(text).ok()?, sound })
        })
    }

    pub fn find(self, id: &str) -> Option<Entry<'a>> {
        self.entries().find(|entry| entry.id == id)
    }
}

/// Takes a length of `width` bytes and what it counts off the front.
fn take<'a>(rest: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let (length, after) = rest.split_at_checked(width)?;
    let length = length.iter().rev().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
    let (content, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(content)
}

/// Writes such a file. `None` when an id or text is longer than its length can say.
pub fn write<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Option<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    for entry in entries {
        bytes.push(u8::try_from(entry.id.len()).ok()?);
        bytes.extend_from_slice(entry.id.as_bytes());
        bytes.extend_from_slice(&u16::try_from(entry.text.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(entry.text.as_bytes());
        bytes.extend_from_slice(&u32::try_from(entry.sound.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(entry.sound);
    }
    Some(bytes)
}

/// The lines of `prompts.txt`: id and text.
pub fn sentences(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('|'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_found_again() {
        let entries = [
            Entry { id: "a", text: "Good morning.", sound: &[1, 2, 3] },
            Entry { id: "empty", text: "", sound: &[] },
            Entry { id: "long", text: &"ü".repeat(200), sound: &[9; 70_000] },
        ];

        let bytes = write(entries).unwrap();

        assert_eq!(Bundle(&bytes).entries().collect::<Vec<_>>(), entries);
        assert_eq!(Bundle(&bytes).find("long"), Some(entries[2]));
        assert_eq!(Bundle(&bytes[..bytes.len() - 1]).entries().count(), 2);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut file = MAGIC.to_vec();
            file.extend(bytes);
            Bundle(&file).entries().count();
        }
    }
}
