//! `[[lines]]`: which line a number leads to.
//!
//! The list is looked at through an index that is made once. Whoever changes the list makes it anew.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tracing::warn;

use super::Line;
use super::keys::{Described, Doc, Item};
use super::numbers::{Number, SIGNIFICANT_DIGITS_MIN, Written};
use crate::carrier_kind::CarrierKind;

/// Of so many numbers it is said that they are ambiguous.
const TOLD_MAX: usize = 100;

/// What a number leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The place of the line in the list.
    Line(usize),
    /// Nobody has a line for it.
    None,
    /// It lacks its country code, and these lines end with it.
    Ambiguous(Vec<usize>),
}

/// Two lines for one number of the same carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Double {
    pub(super) at: usize,
    pub(super) first: usize,
    /// Otherwise one of the two lacks its country code, and they are the same if it is the other's.
    pub(super) certain: bool,
}

/// All lines.
#[derive(Default)]
pub struct Lines {
    list: Vec<Line>,
    directory: OnceLock<Directory>,
}

impl Lines {
    /// Where a call of this carrier to this number leads. Where the carrier is not known, the lines of all count.
    pub fn find(&self, carrier: Option<CarrierKind>, number: &str, country: Option<&str>) -> Found {
        let directory = self.directory.get_or_init(|| Directory::new(&self.list, country));
        if directory.country.as_deref() == country {
            return directory.look_up(carrier, number);
        }
        Directory::new(&self.list, country).look_up(carrier, number)
    }

    /// Lines that another one before them has answered already, or seems to.
    pub(super) fn doubles(&self, country: Option<&str>) -> Vec<Double> {
        let directory = Directory::new(&self.list, country);
        (0..self.list.len()).filter_map(|at| directory.double_of(at)).collect()
    }

    /// Says once for each number that nobody can know whom it means.
    pub(super) fn tell_ambiguous(&self, number: &str, places: &[usize]) {
        let Some(directory) = self.directory.get() else { return };
        let mut told = directory.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD_MAX && told.insert(number.chars().take(40).collect()) {
            let lines: Vec<&str> =
                places.iter().filter_map(|at| Some(self.list.get(*at)?.number.as_str())).collect();
            warn!(
                "calls to {number} go to the default bot: it has no country code, and {} end with it; set numbers.country",
                lines.join(" and ")
            );
        }
    }
}

/// The index.
#[derive(Debug, Default)]
struct Directory {
    country: Option<String>,
    entries: Vec<Listed>,
    addresses: HashMap<String, Vec<usize>>,
    /// By all digits of every reading; lines that are written so come before those that may be meant.
    whole: HashMap<String, Vec<usize>>,
    /// Lines that may have a country code in them, by their digits from the last to the first. Sorted.
    backwards: Vec<(Vec<u8>, usize)>,
    /// Lines that may lack their country code, by their digits.
    short: HashMap<String, Vec<usize>>,
    told: Mutex<BTreeSet<String>>,
}

/// What the index keeps of a line.
#[derive(Debug)]
struct Listed {
    carrier: Option<CarrierKind>,
    written: Written,
}

impl Listed {
    fn is_address(&self) -> bool {
        matches!(self.written, Written::Address { .. })
    }
}

impl Directory {
    fn new(lines: &[Line], country: Option<&str>) -> Directory {
        let listed = lines
            .iter()
            .map(|line| Listed { carrier: line.carrier_kind(), written: Written::of(&line.number) });
        let mut directory = Directory {
            country: country.map(str::to_owned),
            entries: listed.collect(),
            ..Directory::default()
        };
        let mut meant = Vec::new();
        for (at, listed) in directory.entries.iter().enumerate() {
            if let Written::Address { text, .. } = &listed.written {
                directory.addresses.entry(text.clone()).or_default().push(at);
            }
            let Some(number) = listed.written.number() else { continue };
            let mut readings = number.readings(country).into_iter();
            if let Some(first) = readings.next() {
                directory.whole.entry(first).or_default().push(at);
            }
            meant.extend(readings.map(|reading| (reading, at)));
            if country.is_none() && number.is_long_form() {
                directory.backwards.push((backwards(number), at));
            }
            if country.is_none() && number.is_short_form() {
                directory.short.entry(number.digits.clone()).or_default().push(at);
            }
        }
        for (reading, at) in meant {
            directory.whole.entry(reading).or_default().push(at);
        }
        directory.backwards.sort_unstable();
        directory
    }

    fn look_up(&self, carrier: Option<CarrierKind>, number: &str) -> Found {
        let written = Written::of(number);
        if let Written::Address { text, .. } = &written
            && let Some(at) =
                self.addresses.get(text).and_then(|places| self.pick(carrier, places.iter().copied()))
        {
            return Found::Line(at);
        }
        let Some(number) = written.number() else { return Found::None };
        // The same user at another host is another line.
        let is_address = matches!(written, Written::Address { .. });
        let may_be = |at: &usize| !(is_address && self.entries.get(*at).is_none_or(Listed::is_address));
        for reading in number.readings(self.country.as_deref()) {
            let places = self.whole.get(&reading).map(Vec::as_slice).unwrap_or_default();
            if let Some(at) = self.pick(carrier, places.iter().copied().filter(may_be)) {
                return Found::Line(at);
            }
        }
        let mut ends = self.endings(number);
        ends.retain(|at| may_be(at) && self.fits(carrier, *at));
        self.unambiguous(carrier, ends)
    }

    /// The lines that end with the number, or that the number ends with, where a country code is missing.
    fn endings(&self, number: &Number) -> Vec<usize> {
        let mut ends = Vec::new();
        if number.is_short_form() {
            let reversed = backwards(number);
            let from = self.backwards.partition_point(|(digits, _)| *digits < reversed);
            let same =
                self.backwards.iter().skip(from).take_while(|(digits, _)| digits.starts_with(&reversed));
            ends.extend(same.filter(|(digits, _)| digits.len() > reversed.len()).map(|(_, at)| *at));
        }
        if number.is_long_form() && !self.short.is_empty() {
            let longest = number.digits.len().saturating_sub(SIGNIFICANT_DIGITS_MIN);
            for cut in 1..=longest {
                let ending = number.digits.get(cut..).and_then(|ending| self.short.get(ending));
                ends.extend(ending.into_iter().flatten());
            }
        }
        ends
    }

    /// One number, however many carriers bring it.
    fn unambiguous(&self, carrier: Option<CarrierKind>, ends: Vec<usize>) -> Found {
        let readings = |at: &usize| Some(self.entries.get(*at)?.written.number()?.readings(None));
        match ends.as_slice() {
            [] => Found::None,
            [first, others @ ..] if others.iter().all(|at| readings(at) == readings(first)) => {
                self.pick(carrier, ends.iter().copied()).map_or(Found::None, Found::Line)
            }
            _ => Found::Ambiguous(ends),
        }
    }

    fn carrier(&self, at: usize) -> Option<CarrierKind> {
        self.entries.get(at)?.carrier
    }

    fn fits(&self, carrier: Option<CarrierKind>, at: usize) -> bool {
        match (carrier, self.carrier(at)) {
            (None, _) | (_, None) => true,
            (Some(calling), Some(named)) => calling == named,
        }
    }

    /// The line that names this carrier; else the one that names none; when the carrier is not known, the first.
    fn pick(
        &self,
        carrier: Option<CarrierKind>,
        mut places: impl Iterator<Item = usize> + Clone,
    ) -> Option<usize> {
        let named = |wanted: Option<CarrierKind>| places.clone().find(|at| self.carrier(*at) == wanted);
        match carrier {
            Some(_) => named(carrier).or_else(|| named(None)),
            None => named(None).or_else(|| places.next()),
        }
    }

    fn double_of(&self, at: usize) -> Option<Double> {
        let listed = self.entries.get(at)?;
        let beside = |other: &usize| *other != at && self.carrier(*other) == listed.carrier;
        let double = |first: usize, certain: bool| Double { at, first, certain };
        let earlier = |places: Option<&Vec<usize>>| {
            places?.iter().copied().find(|other| {
                let two_hosts =
                    listed.is_address() && self.entries.get(*other).is_some_and(Listed::is_address);
                *other < at && beside(other) && !two_hosts
            })
        };
        if let Written::Address { text, .. } = &listed.written
            && let Some(first) =
                self.addresses.get(text)?.iter().copied().find(|other| *other < at && beside(other))
        {
            return Some(double(first, true));
        }
        let number = listed.written.number()?;
        for reading in number.readings(self.country.as_deref()) {
            if let Some(first) = earlier(self.whole.get(&reading)) {
                return Some(double(first, true));
            }
        }
        if !number.is_short_form() {
            return None;
        }
        self.endings(number).into_iter().find(|other| beside(other)).map(|first| double(first, false))
    }
}

fn backwards(number: &Number) -> Vec<u8> {
    number.digits.bytes().rev().collect()
}

impl From<Vec<Line>> for Lines {
    fn from(list: Vec<Line>) -> Lines {
        Lines { list, directory: OnceLock::new() }
    }
}

impl FromIterator<Line> for Lines {
    fn from_iter<T: IntoIterator<Item = Line>>(lines: T) -> Lines {
        lines.into_iter().collect::<Vec<Line>>().into()
    }
}

impl Deref for Lines {
    type Target = Vec<Line>;

    fn deref(&self) -> &Vec<Line> {
        &self.list
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut Vec<Line> {
        self.directory.take();
        &mut self.list
    }
}

impl Clone for Lines {
    fn clone(&self) -> Lines {
        self.list.clone().into()
    }
}

impl PartialEq for Lines {
    fn eq(&self, other: &Lines) -> bool {
        self.list == other.list
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}

impl Serialize for Lines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Lines, D::Error> {
        Vec::deserialize(deserializer).map(Lines::from)
    }
}

impl Described for Lines {
    fn item(name: &'static str, doc: Doc) -> Item {
        Vec::<Line>::item(name, doc)
    }

    fn listed(name: &'static str, doc: Doc) -> Item {
        Vec::<Line>::listed(name, doc)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::numbers::same_line;
    use super::*;

    fn lines(numbers: &[(&str, Option<&str>)]) -> Lines {
        numbers
            .iter()
            .map(|(number, carrier)| Line {
                number: (*number).to_owned(),
                carrier: carrier.map(str::to_owned),
                ..Line::default()
            })
            .collect()
    }

    #[test]
    fn an_exact_number_goes_before_one_that_may_be_meant() {
        let lines = lines(&[("+14155550100", None), ("4155550100", None), ("+914155550100", None)]);

        assert_eq!(lines.find(None, "4155550100", None), Found::Line(1));
        assert_eq!(lines.find(None, "+14155550100", None), Found::Line(0));
        assert_eq!(lines.find(None, "+914155550100", None), Found::Line(2));
        assert_eq!(lines.find(None, "4155550100", Some("91")), Found::Line(1));
        assert_eq!(lines.find(None, "04155550100", Some("91")), Found::Line(2));
    }

    #[test]
    fn without_a_country_nothing_is_guessed() {
        let lines = lines(&[("+14155550100", None), ("+914155550100", None), ("+442079460958", None)]);

        assert_eq!(lines.find(None, "02079460958", None), Found::Line(2));
        assert_eq!(lines.find(None, "4155550100", None), Found::Ambiguous(vec![0, 1]));
        assert_eq!(lines.find(None, "460958", None), Found::None, "too few digits to mean anything");
        assert_eq!(lines.find(None, "+2079460958", None), Found::None, "complete, and another number");
        assert_eq!(lines.find(None, "4155550100", Some("1")), Found::Line(0));
    }

    #[test]
    fn that_a_number_is_ambiguous_is_said_once() {
        let lines = lines(&[("+14155550100", None), ("+914155550100", None)]);
        let told = |lines: &Lines| lines.directory.get().unwrap().told.lock().unwrap().len();
        let Found::Ambiguous(places) = lines.find(None, "4155550100", None) else { panic!("it is") };

        lines.tell_ambiguous("4155550100", &places);
        lines.tell_ambiguous("4155550100", &places);
        assert_eq!(told(&lines), 1);
        for at in 0..200 {
            lines.tell_ambiguous(&at.to_string(), &places);
        }
        assert_eq!(told(&lines), TOLD_MAX, "whoever makes numbers up does not fill the memory");
    }

    #[test]
    fn a_number_may_lead_elsewhere_for_each_carrier() {
        let lines = lines(&[
            ("+14155550100", Some("plivo")),
            ("4155550100", Some("Twilio ")),
            ("+14155550101", None),
        ]);
        let twilio = Some(CarrierKind::Twilio);
        let plivo = Some(CarrierKind::Plivo);

        assert_eq!(lines.find(plivo, "+14155550100", None), Found::Line(0));
        assert_eq!(lines.find(twilio, "+14155550100", None), Found::Line(1));
        assert_eq!(lines.find(Some(CarrierKind::Mcube), "+14155550100", None), Found::None);
        assert_eq!(lines.find(None, "+14155550100", None), Found::Line(0), "the carrier is not known");
        assert_eq!(lines.find(plivo, "+14155550101", None), Found::Line(2), "any carrier");
    }

    #[test]
    fn a_line_of_its_own_goes_before_one_for_all_carriers() {
        let lines = lines(&[("+14155550100", None), ("+14155550100", Some("plivo"))]);

        assert_eq!(lines.find(Some(CarrierKind::Plivo), "+14155550100", None), Found::Line(1));
        assert_eq!(lines.find(Some(CarrierKind::Twilio), "+14155550100", None), Found::Line(0));
        assert_eq!(lines.doubles(None), []);
    }

    #[test]
    fn addresses_are_lines_too() {
        let lines = lines(&[
            ("sip:desk@a.example", None),
            ("sip:+14155550100@a.example", None),
            ("+14155550101", None),
        ]);

        assert_eq!(lines.find(None, "SIP:Desk@A.example;user=phone", None), Found::Line(0));
        assert_eq!(lines.find(None, "+14155550100", None), Found::Line(1));
        assert_eq!(lines.find(None, "sip:+14155550101@b.example", None), Found::Line(2));
        assert_eq!(
            lines.find(None, "sip:+14155550100@b.example", None),
            Found::None,
            "the same user elsewhere"
        );
        assert_eq!(lines.doubles(None), []);
    }

    #[test]
    fn doubles_are_found_certain_and_likely_ones() {
        let double = |at, first, certain| Double { at, first, certain };
        let written = [("+919876543210", None), ("09876543210", None), ("9876543210", None)];

        assert_eq!(lines(&written).doubles(Some("91")), [double(1, 0, true), double(2, 0, true)]);
        assert_eq!(lines(&written).doubles(None), [double(1, 0, false), double(2, 0, false)]);
        let other = [("+919876543210", Some("plivo")), ("+919876543210", Some("exotel"))];
        assert_eq!(lines(&other).doubles(None), []);
    }

    #[test]
    fn the_index_follows_the_list_and_the_country() {
        let mut lines = lines(&[("+14155550100", None)]);
        assert_eq!(lines.find(None, "+14155550101", None), Found::None);

        lines.push(Line { number: "04155550101".to_owned(), ..Line::default() });

        assert_eq!(lines.find(None, "+14155550101", None), Found::Line(1));
        assert_eq!(lines.find(None, "+14155550101", Some("1")), Found::Line(1));
        assert_eq!(lines.find(None, "+14155550101", Some("91")), Found::None);
        assert_eq!(lines.clone().find(None, "+14155550101", None), Found::Line(1));
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_the_rule(
            a in "(\\+|00|0|tel:|sip:\\+?|)[1-9][0-9]{5,11}(@a|@b)?",
            tail in 0..8usize,
            before in "(\\+|00|0||sip:)[1-9]{0,3}",
            country in prop_oneof![Just(None), Just(Some("91")), Just(Some("1"))],
        ) {
            let digits: String = a.chars().filter(char::is_ascii_digit).collect();
            let b = format!("{before}{}", &digits[tail.min(digits.len() - 1)..]);
            let lines = lines(&[(a.as_str(), None)]);

            let found = lines.find(None, &b, country);

            prop_assert_eq!(found == Found::Line(0), same_line(&a, &b, country), "{} and {}", a, b);
        }

        #[test]
        fn of_many_lines_the_one_that_is_meant_is_found(numbers in prop::collection::btree_set("[1-9][0-9]{9}", 2..40)) {
            let written: Vec<String> = numbers.iter().map(|number| format!("+91{number}")).collect();
            let many: Vec<(&str, Option<&str>)> = written.iter().map(|number| (number.as_str(), None)).collect();
            let lines = lines(&many);

            for (at, number) in numbers.iter().enumerate() {
                for country in [None, Some("91")] {
                    prop_assert_eq!(lines.find(None, &format!("0{number}"), country), Found::Line(at));
                    prop_assert_eq!(lines.find(None, number, country), Found::Line(at));
                }
            }
        }
    }
}
