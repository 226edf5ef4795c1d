//! Numbered places for connections; a number is what the poll hands back with an event.

/// A place that became free is given out again only after [`Slots::settle`]: events of the same wake-up may still
/// carry the number of a connection that has just gone.
#[derive(Debug)]
pub(super) struct Slots<T> {
    items: Vec<Option<T>>,
    free: Vec<usize>,
    freed: Vec<usize>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Slots<T> {
        Slots { items: Vec::new(), free: Vec::new(), freed: Vec::new() }
    }

    /// The number that the next [`Slots::insert`] will give.
    pub(super) fn next(&self) -> usize {
        self.free.last().copied().unwrap_or(self.items.len())
    }

    pub(super) fn insert(&mut self, item: T) -> usize {
        match self.free.pop() {
            Some(number) => {
                self.items[number] = Some(item);
                number
            }
            None => {
                self.items.push(Some(item));
                self.items.len() - 1
            }
        }
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.items.get_mut(number)?.as_mut()
    }

    pub(super) fn remove(&mut self, number: usize) -> Option<T> {
        let item = self.items.get_mut(number)?.take();
        if item.is_some() {
            self.freed.push(number);
        }
        item
    }

    pub(super) fn settle(&mut self) {
        self.free.append(&mut self.freed);
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut T)> {
        self.items.iter_mut().enumerate().filter_map(|(number, item)| Some((number, item.as_mut()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_not_given_out_again_within_one_wake_up() {
        let mut slots = Slots::new();
        let first = slots.insert('a');
        assert_eq!(slots.remove(first), Some('a'));
        assert_eq!(slots.remove(first), None);
        let second = slots.insert('b');
        assert_ne!(first, second);

        slots.settle();

        assert_eq!(slots.next(), first);
        assert_eq!(slots.insert('c'), first);
        assert_eq!(slots.iter_mut().count(), 2);
    }
}
