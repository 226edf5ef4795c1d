use audio::framer::Framer;
use proptest::prelude::*;

#[test]
fn the_rest_comes_as_it_is_or_filled_with_silence() {
    let mut framer = Framer::new(4);
    framer.push(&[1, 2, 3, 4, 5]);
    assert_eq!(framer.pop(), Some(&[1, 2, 3, 4][..]));
    assert_eq!(framer.pop(), None);
    assert_eq!(framer.clone().flush(), Some(vec![5]));
    assert_eq!(framer.flush_padded(), Some(vec![5, 0, 0, 0]));
    assert_eq!(framer.flush(), None);
    assert_eq!(framer.held(), 0);
}

#[test]
fn clearing_forgets_what_is_held() {
    let mut framer = Framer::new(4);
    framer.push(&[1, 2, 3]);
    framer.clear();
    framer.push(&[9, 9, 9, 9]);
    assert_eq!(framer.pop(), Some(&[9, 9, 9, 9][..]));
}

#[test]
fn a_piece_of_nothing_is_a_piece_of_one() {
    let mut framer = Framer::new(0);
    framer.push(&[3]);
    assert_eq!(framer.pop(), Some(&[3][..]));
    assert_eq!(framer.pop(), None);
}

proptest! {
    #[test]
    fn nothing_is_lost_or_reordered(piece in 1usize..500, pushes in prop::collection::vec(0usize..700, 0..20)) {
        let mut framer = Framer::new(piece);
        let mut source = (0..).map(|n| n as i16);
        let mut out = Vec::new();
        for &count in &pushes {
            framer.push(&source.by_ref().take(count).collect::<Vec<_>>());
            while let Some(samples) = framer.pop() {
                prop_assert_eq!(samples.len(), piece);
                out.extend_from_slice(samples);
            }
            prop_assert!(framer.held() < piece);
        }
        out.extend(framer.flush().unwrap_or_default());
        let total: usize = pushes.iter().sum();
        prop_assert!(out.iter().copied().eq((0..total).map(|n| n as i16)));
    }
}
