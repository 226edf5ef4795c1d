//! What is asked for, completed: which bot talks, which carrier places the call, which number it shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::guard::SHORT_DIGITS_MAX;
use super::{NotAccepted, Request};
use crate::carrier_kind::CarrierKind;
use crate::config::{Bot, Config, Line, Variable, dialled, international, same_number};
use crate::control;

/// Bounds of what is given along with a call.
const VARIABLES_MAX: usize = 100;
const VARIABLE_NAME_CHARS_MAX: usize = 64;
const VARIABLE_CHARS_MAX: usize = 4_000;

/// A call as it will be placed.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) carrier: CarrierKind,
    pub(super) bot: Arc<Bot>,
    /// As it is dialled.
    pub(super) to: String,
    pub(super) from: Option<String>,
    pub(super) variables: BTreeMap<String, Variable>,
}

/// A carrier that calls can be placed with, and the number of ours that it shows unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate<'a> {
    carrier: CarrierKind,
    number: Option<&'a str>,
}

impl Choice {
    pub(super) fn of(config: &Config, request: &Request) -> Result<Choice, NotAccepted> {
        let to = destination(&request.to, config.numbers.country_code().as_deref()).ok_or_else(|| {
            NotAccepted::new(
                422,
                "bad_destination",
                "`to` is neither a telephone number nor a SIP address",
                "write a number in international form such as +14155550111, or sip:desk@example.com",
            )
        })?;
        let from = match request.from.as_deref().map(str::trim).filter(|from| !from.is_empty()) {
            None => None,
            Some(from) => Some(dialled(from).ok_or_else(|| {
                NotAccepted::new(
                    422,
                    "bad_caller_id",
                    "`from` is not a telephone number",
                    "write one of your numbers in international form, or leave it out",
                )
            })?),
        };
        variables(&request.variables)?;
        let carrier = match &request.carrier {
            Some(name) => named(config, name)?,
            None => {
                let of_line = config.line(None, from.as_deref()).and_then(Line::carrier_kind);
                fitting(&candidates(config), from.as_deref(), of_line)
                    .map_err(|found| none_fits(config, &found))?
            }
        };
        let from = from.or_else(|| control::caller_id(config, carrier).map(str::to_owned));
        if from.is_none() && control::needs_caller_id(carrier) {
            return Err(NotAccepted::new(
                422,
                "no_caller_id",
                format!("calls with {} need a number to show", carrier.table().title),
                format!("give `from`, or set carriers.{}.phone_number", carrier.name()),
            ));
        }
        let bot = match &request.bot {
            Some(name) => config.bot(name),
            None => config.bot_on(carrier, from.as_deref()),
        };
        let bot = bot.ok_or_else(|| {
            let names: Vec<&str> = config.bots.iter().map(|bot| bot.name.as_str()).collect();
            let mend = format!("name one of: {}", names.join(", "));
            NotAccepted::new(422, "no_such_bot", "there is no bot of that name", mend)
        })?;
        Ok(Choice { carrier, bot: Arc::new(bot.clone()), to, from, variables: request.variables.clone() })
    }
}

/// A destination as it is checked and dialled: with its country code wherever `numbers.country` says how one without is
/// meant. Short numbers have none: they are services of whoever is asked for them.
fn destination(to: &str, country: Option<&str>) -> Option<String> {
    let to = dialled(to)?;
    let is_national = to.len() > SHORT_DIGITS_MAX && to.bytes().all(|byte| byte.is_ascii_digit());
    match country.filter(|_| is_national).and_then(|country| international(&to, Some(country))) {
        Some(whole) => Some(whole),
        None => Some(to),
    }
}

/// Every carrier that calls can be placed with now.
fn candidates(config: &Config) -> Vec<Candidate<'_>> {
    CarrierKind::ALL
        .into_iter()
        .filter(|carrier| control::can_place(config, *carrier).is_ok())
        .map(|carrier| Candidate { carrier, number: control::caller_id(config, carrier) })
        .collect()
}

/// The one whose number, or whose line, is to be shown, or else the only one; otherwise those among which to choose.
fn fitting(
    candidates: &[Candidate<'_>],
    from: Option<&str>,
    of_line: Option<CarrierKind>,
) -> Result<CarrierKind, Vec<CarrierKind>> {
    let shows = |candidate: &&Candidate<'_>| {
        from.zip(candidate.number).is_some_and(|(from, number)| same_number(from, number))
            || of_line == Some(candidate.carrier)
    };
    match (candidates.iter().find(shows), candidates) {
        (Some(candidate), _) => Ok(candidate.carrier),
        (None, [only]) => Ok(only.carrier),
        (None, candidates) => Err(candidates.iter().map(|candidate| candidate.carrier).collect()),
    }
}

fn named(config: &Config, name: &str) -> Result<CarrierKind, NotAccepted> {
    let Some(carrier) = CarrierKind::named(name) else {
        let names: Vec<&str> = placing().map(CarrierKind::name).collect();
        let mend = format!("name one of: {}", names.join(", "));
        return Err(NotAccepted::new(422, "no_such_carrier", "there is no carrier of that name", mend));
    };
    match control::can_place(config, carrier) {
        Ok(()) => Ok(carrier),
        Err(mend) => {
            let words = format!("no calls can be placed with {}", carrier.table().title);
            Err(NotAccepted::new(409, "carrier_cannot_place", words, mend))
        }
    }
}

fn none_fits(config: &Config, found: &[CarrierKind]) -> NotAccepted {
    if found.is_empty() {
        let missing: Vec<String> = placing()
            .filter_map(|carrier| {
                let why = control::can_place(config, carrier).err()?;
                Some(format!("for {}: {why}", carrier.table().title))
            })
            .collect();
        let words = "there is no carrier to place calls with";
        return NotAccepted::new(409, "carrier_cannot_place", words, missing.join("; "));
    }
    let names: Vec<&str> = found.iter().map(|carrier| carrier.name()).collect();
    NotAccepted::new(
        422,
        "which_carrier",
        "calls can be placed with more than one carrier",
        format!("name one as `carrier`: {}", names.join(", ")),
    )
}

fn placing() -> impl Iterator<Item = CarrierKind> {
    CarrierKind::ALL.into_iter().filter(|carrier| carrier.table().places_calls)
}

fn variables(variables: &BTreeMap<String, Variable>) -> Result<(), NotAccepted> {
    let wrong = |words: String| {
        let mend = format!(
            "give up to {VARIABLES_MAX} of them; names of letters, digits, - _ and . with up to \
             {VARIABLE_NAME_CHARS_MAX} characters, texts with up to {VARIABLE_CHARS_MAX}"
        );
        Err(NotAccepted::new(422, "bad_variables", words, mend))
    };
    if variables.len() > VARIABLES_MAX {
        return wrong(format!("there are {} variables", variables.len()));
    }
    for (at, (name, value)) in variables.iter().enumerate() {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > VARIABLE_NAME_CHARS_MAX || !name.chars().all(good) {
            return wrong(format!("variable number {} has a name that cannot be used", at + 1));
        }
        if let Variable::Text(text) = value
            && text.chars().count() > VARIABLE_CHARS_MAX
        {
            return wrong(format!("the variable `{name}` is too long"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWILIO: Candidate<'static> =
        Candidate { carrier: CarrierKind::Twilio, number: Some("+14155550100") };
    const PLIVO: Candidate<'static> = Candidate { carrier: CarrierKind::Plivo, number: Some("+14155550200") };
    const MCUBE: Candidate<'static> = Candidate { carrier: CarrierKind::Mcube, number: None };

    #[test]
    fn the_carrier_is_the_one_whose_number_is_shown_or_else_the_only_one() {
        let both = [TWILIO, PLIVO, MCUBE];
        assert_eq!(fitting(&both, Some("+1 415 555 0200"), None), Ok(CarrierKind::Plivo));
        assert_eq!(fitting(&[MCUBE], None, None), Ok(CarrierKind::Mcube));
        assert_eq!(fitting(&[MCUBE], Some("+49"), None), Ok(CarrierKind::Mcube));
        assert_eq!(fitting(&both, Some("+4930"), Some(CarrierKind::Mcube)), Ok(CarrierKind::Mcube));
        let choices = vec![CarrierKind::Twilio, CarrierKind::Plivo, CarrierKind::Mcube];
        assert_eq!(fitting(&both, None, None), Err(choices.clone()));
        assert_eq!(fitting(&both, Some("+4930"), None), Err(choices));
        assert_eq!(fitting(&[], None, None), Err(Vec::new()));
    }

    #[test]
    fn to_choose_among_several_is_left_to_whoever_asks() {
        let refused = none_fits(&Config::default(), &[CarrierKind::Twilio, CarrierKind::Plivo]);
        assert_eq!((refused.status().as_u16(), refused.code()), (422, "which_carrier"));
        assert!(refused.mend.ends_with("twilio, plivo"), "{}", refused.mend);
    }

    #[test]
    fn a_national_number_gets_the_country_that_is_configured() {
        for (written, whole) in [
            ("9876543210", "+919876543210"),
            ("098765 43210", "+919876543210"),
            ("919876543210", "+919876543210"),
            ("+919876543210", "+919876543210"),
            ("tel:9876543210", "+919876543210"),
            ("0014155550100", "+14155550100"),
            ("112", "112"),
            ("100100", "100100"),
            ("sip:9876543210@example.com", "sip:9876543210@example.com"),
        ] {
            assert_eq!(destination(written, Some("91")).as_deref(), Some(whole), "{written}");
        }
        assert_eq!(destination("9876543210", None).as_deref(), Some("9876543210"));
        assert_eq!(destination("the boss", Some("91")), None);
    }

    #[test]
    fn variables_are_bounded() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).into(), Variable::Text((*value).into())));
            variables(&pairs.collect())
        };
        assert!(of(&[("order.id", "7"), ("name", "")]).is_ok());
        for bad in ["", "a b", "é", &"x".repeat(65)] {
            assert!(of(&[(bad, "7")]).is_err(), "{bad}");
        }
        assert!(of(&[("text", &"é".repeat(VARIABLE_CHARS_MAX))]).is_ok());
        assert!(of(&[("text", &"é".repeat(VARIABLE_CHARS_MAX + 1))]).is_err());
        let many = (0..=VARIABLES_MAX).map(|at| (at.to_string(), Variable::Flag(true))).collect();
        assert!(variables(&many).is_err());
    }
}
