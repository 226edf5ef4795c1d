//! Telephone numbers as people and carriers write them.
//!
//! The same number comes as `+919876543210`, `00919876543210`, `09876543210`, `9876543210`, `tel:…` or the user part of a
//! SIP address, in digits of any script and with any punctuation. Everything here is a pure function of the text and, for
//! national forms, of the country they are written in.

use super::keys::section;

section! {
    /// How telephone numbers are written where this gateway is.
    pub struct Numbers {
        /// The country code of numbers written without one, such as `91`. Then `09876543210` and `9876543210` are
        /// `+919876543210`. Default: none; a number without a country code leads to the line that ends with it, if
        /// there is exactly one.
        /// Example: `"91"`
        country: Option<String> = None,
    }
}

impl Numbers {
    /// The digits of the country code.
    pub fn country_code(&self) -> Option<String> {
        let digits: String = self.country.as_deref()?.chars().filter_map(digit).collect();
        (!digits.is_empty()).then_some(digits)
    }
}

/// Longer than any number or address; what is beyond it is none.
const CHARS_MAX: usize = 512;

/// E.164 allows 15 digits.
const DIGITS_MAX: usize = 15;

/// The fewest digits of a national number by which a line may be recognised without its country.
pub(super) const SIGNIFICANT_DIGITS_MIN: usize = 7;

/// The numerals in which numbers are written, by their zeros: ASCII, Arabic, Persian and Urdu, the scripts of India, full
/// width.
const ZEROS: [char; 13] = [
    '0', '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}', '\u{c66}',
    '\u{ce6}', '\u{d66}', '\u{ff10}',
];

/// What a number says about its country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// Complete: `+` or `00` stood before it.
    International,
    /// A 0 stood before it, and the country is missing. The digits lack that 0.
    National,
    /// Bare digits: with or without a country code, nobody knows.
    Open,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Number {
    pub(super) digits: String,
    pub(super) form: Form,
}

/// What somebody wrote where a number belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Nothing,
    Number(Number),
    /// Anything else, in small letters and without parameters; a SIP address often names a number all the same.
    Address {
        text: String,
        number: Option<Number>,
    },
}

impl Written {
    pub(super) fn of(text: &str) -> Written {
        let text = text.trim();
        if text.is_empty() || text.len() > CHARS_MAX {
            return Written::Nothing;
        }
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => (String::new(), text),
        };
        let bare = rest.split([';', '?']).next().unwrap_or_default();
        match scheme.as_str() {
            "tel" => match Number::of(bare) {
                Some(number) => Written::Number(number),
                None => Written::address(format!("tel:{bare}"), None),
            },
            "sip" | "sips" => Written::address(format!("{scheme}:{bare}"), user_number(bare)),
            "" if text.contains('@') => Written::address(bare.to_owned(), user_number(bare)),
            "" => match Number::of(text) {
                Some(number) => Written::Number(number),
                None => Written::address(text.to_owned(), None),
            },
            _ => Written::address(text.to_owned(), None),
        }
    }

    fn address(text: String, number: Option<Number>) -> Written {
        Written::Address { text: text.to_lowercase(), number }
    }

    /// The number in it, also of a SIP address.
    pub(super) fn number(&self) -> Option<&Number> {
        match self {
            Written::Nothing => None,
            Written::Number(number) => Some(number),
            Written::Address { number, .. } => number.as_ref(),
        }
    }
}

/// The number before the `@`. Short ones are the extensions of some exchange and mean nothing elsewhere.
fn user_number(address: &str) -> Option<Number> {
    let (user, _) = address.split_once('@')?;
    Number::of(user)
        .filter(|number| number.form == Form::International || number.digits.len() >= SIGNIFICANT_DIGITS_MIN)
}

impl Number {
    pub(super) fn of(text: &str) -> Option<Number> {
        // `+44 (0)20 7946 0958`: the 0 is for those who leave the +44 out.
        let without = text.contains("(0)").then(|| text.replacen("(0)", "", 1));
        let is_complete = |text: &str| {
            let mut begins = text.chars().filter(|c| !is_punctuation(*c));
            match begins.next() {
                Some('+' | '\u{ff0b}') => true,
                first => first.and_then(digit) == Some('0') && begins.next().and_then(digit) == Some('0'),
            }
        };
        let text = without.as_deref().filter(|_| is_complete(text)).unwrap_or(text);
        let mut digits = String::with_capacity(text.len().min(2 * DIGITS_MAX));
        let mut plus = false;
        for c in text.chars() {
            match digit(c) {
                Some(digit) => digits.push(digit),
                None if matches!(c, '+' | '\u{ff0b}') && digits.is_empty() && !plus => plus = true,
                None if is_punctuation(c) => {}
                None => return None,
            }
        }
        let (form, prefix) = match (plus, digits.as_str()) {
            (true, _) => (Form::International, 0),
            (false, digits) if digits.starts_with("00") => (Form::International, 2),
            (false, digits) if digits.starts_with('0') && digits.len() > 1 => (Form::National, 1),
            (false, _) => (Form::Open, 0),
        };
        digits.drain(..prefix);
        (!digits.is_empty()).then_some(Number { digits, form })
    }

    /// The complete numbers that this may be, the likeliest first. Without a country, only what stands there.
    pub(super) fn readings(&self, country: Option<&str>) -> Vec<String> {
        let digits = &self.digits;
        match (self.form, country) {
            (Form::International, _) => vec![digits.clone()],
            // In some countries the 0 belongs to the number.
            (Form::National, Some(country)) => {
                vec![format!("{country}{digits}"), format!("{country}0{digits}")]
            }
            (Form::National, None) => vec![format!("0{digits}")],
            (Form::Open, Some(country)) => vec![digits.clone(), format!("{country}{digits}")],
            (Form::Open, None) => vec![digits.clone()],
        }
    }

    /// Whether the country may be missing, and enough is left to recognise the number by.
    pub(super) fn is_short_form(&self) -> bool {
        self.form != Form::International && self.digits.len() >= SIGNIFICANT_DIGITS_MIN
    }

    /// Whether a country code may be in it.
    pub(super) fn is_long_form(&self) -> bool {
        self.form != Form::National
    }
}

fn digit(c: char) -> Option<char> {
    if c.is_ascii() {
        return c.is_ascii_digit().then_some(c);
    }
    let value = ZEROS
        .iter()
        .find_map(|zero| (u32::from(c)).checked_sub(u32::from(*zero)).filter(|value| *value < 10))?;
    char::from_digit(value, 10)
}

/// What people put between digits, and the invisible marks that come along when a number is copied.
fn is_punctuation(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '(' | ')' | '[' | ']' | '{' | '}' | '.' | '/')
        || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ad}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether two ways of writing hold the same digits: punctuation and the form of the international prefix do not matter.
/// A number without its country code is another text, and so is a SIP address that names the number: where callers may be
/// handed to is decided by this.
pub fn same_number(a: &str, b: &str) -> bool {
    match (Written::of(a), Written::of(b)) {
        (Written::Number(a), Written::Number(b)) => a.readings(None) == b.readings(None),
        (Written::Address { text: a, .. }, Written::Address { text: b, .. }) => a == b,
        _ => false,
    }
}

/// Whether two ways of writing mean the same line.
///
/// With a country, numbers without one belong to it. Without, a number that may lack its country code is the same as one
/// that ends with it. Two complete numbers are the same only when all their digits are.
pub fn same_line(a: &str, b: &str, country: Option<&str>) -> bool {
    let (a, b) = (Written::of(a), Written::of(b));
    if let (Written::Address { text: a, .. }, Written::Address { text: b, .. }) = (&a, &b)
        && a == b
    {
        return true;
    }
    // The same user at two hosts is two lines.
    if let (Written::Address { .. }, Written::Address { .. }) = (&a, &b) {
        return false;
    }
    let (Some(a), Some(b)) = (a.number(), b.number()) else { return false };
    let b_readings = b.readings(country);
    if a.readings(country).iter().any(|reading| b_readings.contains(reading)) {
        return true;
    }
    let ends_with = |long: &Number, short: &Number| {
        long.is_long_form()
            && short.is_short_form()
            && long.digits.len() > short.digits.len()
            && long.digits.ends_with(&short.digits)
    };
    country.is_none() && (ends_with(a, b) || ends_with(b, a))
}

/// Whether a carrier can be asked to ring this.
pub fn is_dialable(number: &str) -> bool {
    if let Some((scheme, rest)) = number.split_once(':') {
        let known = ["sip", "sips", "client", "tel"].contains(&scheme.to_ascii_lowercase().as_str());
        return known && !rest.is_empty() && !rest.chars().any(|c| c.is_whitespace() || c.is_control());
    }
    // It goes to the carrier as it stands.
    number.chars().all(|c| c.is_ascii() || c == '\u{a0}') && is_number(number)
}

/// Whether a line can have this.
pub fn is_line(number: &str) -> bool {
    is_dialable(number) || is_number(number)
}

fn is_number(text: &str) -> bool {
    match Written::of(text) {
        Written::Number(number) => (3..=DIGITS_MAX).contains(&number.digits.len()),
        Written::Address { .. } | Written::Nothing => false,
    }
}

/// The number with `+` and its country code; none where the country cannot be known.
pub fn international(number: &str, country: Option<&str>) -> Option<String> {
    let written = Written::of(number);
    let number = written.number()?;
    let digits = match (number.form, country) {
        (Form::International, _) => number.digits.clone(),
        (Form::National, country) => format!("{}{}", country?, number.digits),
        (Form::Open, Some(country)) if has_country(&number.digits, country) => number.digits.clone(),
        (Form::Open, Some(country)) => format!("{country}{}", number.digits),
        // No country has national numbers of eleven digits that begin with neither 0 nor the country code… but one: those
        // of China begin with 1, and then say so with `numbers.country`.
        (Form::Open, None) if number.digits.len() > 10 => number.digits.clone(),
        (Form::Open, None) => return None,
    };
    (digits.len() <= DIGITS_MAX).then(|| format!("+{digits}"))
}

/// The number without country code and trunk 0, as people of its country know it; none for a number of another country.
pub fn national(number: &str, country: Option<&str>) -> Option<String> {
    let written = Written::of(number);
    let number = written.number()?;
    match (number.form, country) {
        (Form::International, country) => {
            number.digits.strip_prefix(country?).filter(|rest| !rest.is_empty()).map(str::to_owned)
        }
        (Form::Open, Some(country)) if has_country(&number.digits, country) => {
            number.digits.strip_prefix(country).map(str::to_owned)
        }
        (Form::National | Form::Open, _) => Some(number.digits.clone()),
    }
}

/// The last ten digits, which is a whole number in India and North America; none when there are fewer.
pub fn last_ten_digits(number: &str) -> Option<String> {
    let written = Written::of(number);
    let digits = &written.number()?.digits;
    digits.len().checked_sub(10).and_then(|from| digits.get(from..)).map(str::to_owned)
}

/// Whether bare digits of this country hold its code already: a national number may begin with the same digits, but is
/// shorter then.
fn has_country(digits: &str, country: &str) -> bool {
    let national_length = match country {
        "1" | "7" | "44" | "52" | "57" | "58" | "63" | "90" | "91" | "92" | "98" => 10,
        "86" => 11,
        _ => 8,
    };
    digits.strip_prefix(country).is_some_and(|rest| rest.len() >= national_length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INDIA: Option<&str> = Some("91");

    #[test]
    fn the_same_number_is_recognised_however_it_is_written() {
        for written in [
            "+14155550100",
            "+1 (415) 555-0100",
            "0014155550100",
            "14155550100",
            "tel:+1-415-555-0100",
            "tel:+1-415-555-0100;ext=7",
            "+1\u{a0}415\u{2011}555\u{2011}0100",
            "\u{202a}+1 415 555 0100\u{202c}",
            "+1 {415} [555] 0100",
            "+١٤١٥٥٥٥٠١٠٠",
            "+१४१५५५५०१००",
            "\u{ff0b}\u{ff11}4155550100",
        ] {
            assert!(same_number("+14155550100", written), "{written}");
            assert!(same_line("+14155550100", written, None), "{written}");
        }
        assert!(same_number("+44 20 7946 0958", "+44 (0)20 7946 0958"));
        assert!(same_number("sip:Desk@Example.com", "SIP:desk@example.com;transport=tls"));
        assert!(!same_number("+14155550100", "+14155550101"));
        assert!(!same_number("", ""), "no number is not a number");
    }

    #[test]
    fn where_callers_may_go_is_decided_by_all_digits() {
        for other in ["4155550100", "sip:+14155550100@elsewhere.example", "client:+14155550100"] {
            assert!(!same_number("+14155550100", other), "{other}");
        }
    }

    #[test]
    fn a_line_is_known_with_and_without_its_country() {
        for written in [
            "+919876543210",
            "00919876543210",
            "919876543210",
            "09876543210",
            "9876543210",
            "098765 43210",
            "tel:9876543210",
            "sip:+919876543210@carrier.example;user=phone",
            "sip:09876543210@10.0.0.1:5060",
            "+91 98765\u{2013}43210",
            "०९८७६५४३२१०",
        ] {
            assert!(same_line("+919876543210", written, INDIA), "{written}");
            assert!(same_line("9876543210", written, INDIA), "{written}");
            assert!(same_line("+919876543210", written, None), "{written}");
        }
        for (other, country) in [
            ("+19876543210", INDIA),
            ("+9876543210", INDIA),
            ("sip:desk@carrier.example", INDIA),
            ("876543210", INDIA),
            ("543210", None),
            ("08765432109", None),
        ] {
            assert!(!same_line("+919876543210", other, country), "{other}");
        }
        assert!(same_line("+39 06 1234567", "06 1234567", Some("39")), "in Italy the 0 stays");
        assert!(!same_line("sip:100@a.example", "sip:100@b.example", None));
        assert!(!same_line("sip:+14155550100@a.example", "sip:+14155550100@b.example", None));
    }

    #[test]
    fn words_are_not_dialled() {
        for good in ["+14155550100", "112", "sip:desk@example.com", "client:alice"] {
            assert!(is_dialable(good) && is_line(good), "{good}");
        }
        for bad in ["", "+", "anonymous", "12", "+1234567890123456", "sip:", "http://example.com", "sip:a b"]
        {
            assert!(!is_dialable(bad) && !is_line(bad), "{bad}");
        }
        assert!(!is_dialable("+९१९८७६५४३२१०"), "no carrier rings that");
        assert!(is_line("+९१९८७६५४३२१०"), "but it is clear which number is meant");
    }

    #[test]
    fn a_number_can_be_given_in_each_form() {
        for written in ["+91 98765 43210", "0098765", "919876543210", "09876543210", "9876543210"] {
            let whole = international(written, INDIA);
            match written {
                "0098765" => assert_eq!(whole.as_deref(), Some("+98765")),
                _ => {
                    assert_eq!(whole.as_deref(), Some("+919876543210"), "{written}");
                    assert_eq!(national(written, INDIA).as_deref(), Some("9876543210"), "{written}");
                    assert_eq!(last_ten_digits(written).as_deref(), Some("9876543210"), "{written}");
                }
            }
        }
        assert_eq!(international("9198765432", INDIA).as_deref(), Some("+919198765432"), "it begins like 91");
        assert_eq!(international("9876543210", None), None);
        assert_eq!(international("14155550100", None).as_deref(), Some("+14155550100"));
        assert_eq!(national("+14155550100", INDIA), None, "it belongs elsewhere");
        assert_eq!(last_ten_digits("555 0100"), None);
        assert_eq!(international("desk", INDIA), None);
        assert_eq!(Numbers { country: Some("+91".into()) }.country_code().as_deref(), INDIA);
    }

    fn written() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC{0,24}",
            "[+0-9() .-]{0,20}",
            "(\\+|00|0|)[1-9][0-9]{5,13}",
            "(tel|sip|sips|client|SIP):[+0]?[0-9a-z]{1,14}(@[a-z]{1,5})?(;x=1)?",
        ]
    }

    fn country() -> impl Strategy<Value = Option<&'static str>> {
        prop_oneof![Just(None), Just(Some("91")), Just(Some("1")), Just(Some("39"))]
    }

    proptest! {
        #[test]
        fn sameness_goes_both_ways_and_nothing_panics(a in written(), b in written(), country in country()) {
            prop_assert_eq!(same_line(&a, &b, country), same_line(&b, &a, country));
            prop_assert_eq!(same_number(&a, &b), same_number(&b, &a));
            if same_number(&a, &b) {
                prop_assert!(same_line(&a, &b, country));
            }
            for text in [&a, &b] {
                let known = Written::of(text) != Written::Nothing;
                prop_assert_eq!(same_number(text, text), known);
                prop_assert_eq!(same_line(text, text, country), known);
                is_dialable(text);
                international(text, country);
                national(text, country);
                last_ten_digits(text);
            }
        }

        #[test]
        fn two_complete_numbers_are_the_same_only_when_all_digits_are(
            a in "[1-9][0-9]{5,14}",
            b in "[1-9][0-9]{5,14}",
            tail in "[1-9][0-9]{6,9}",
            country in country(),
        ) {
            prop_assert_eq!(same_line(&format!("+{a}"), &format!("00{b}"), country), a == b);
            let [bare, north_american, indian] = ["+", "+1", "+91"].map(|code| format!("{code}{tail}"));
            prop_assert!(!same_line(&north_american, &bare, country));
            prop_assert!(!same_line(&north_american, &indian, country));
        }

        #[test]
        fn a_number_of_the_country_is_the_same_in_all_its_forms(national in "[1-9][0-9]{9}") {
            let whole = format!("+91{national}");
            for form in [format!("0{national}"), national.clone(), format!("91{national}")] {
                prop_assert!(same_line(&whole, &form, INDIA), "{}", form);
                prop_assert_eq!(international(&form, INDIA), Some(whole.clone()));
                prop_assert_eq!(super::national(&form, INDIA), Some(national.clone()));
            }
        }
    }
}
