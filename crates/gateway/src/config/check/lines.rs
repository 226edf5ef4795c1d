//! Lines: numbers that can be called, one line for each, and carriers that exist.

use super::Check;
use crate::carrier_kind::CarrierKind;
use crate::carrier_setup;
use crate::config::is_line;
use crate::config::settings::nearest;

impl Check<'_> {
    pub(super) fn numbers(&mut self) {
        let Some(written) = &self.config.numbers.country else { return };
        let code = self.config.numbers.country_code().unwrap_or_default();
        let plain = written.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | ' '));
        if !plain || !(1..=3).contains(&code.len()) || code.starts_with('0') {
            self.wrong(
                "numbers.country",
                format!("is `{written}`, which is not a country code"),
                "write the digits that follow the + in numbers of the country, such as \"91\"",
            );
        }
    }

    pub(super) fn lines(&mut self) {
        let config = self.config;
        for (at, line) in config.lines.iter().enumerate() {
            let key = format!("lines.{at}");
            if !is_line(&line.number) {
                self.number(format!("{key}.number"), &line.number);
            }
            if config.bot(&line.bot).is_none() {
                let there_are = self.bots_there_are();
                self.wrong(format!("{key}.bot"), format!("is `{}`, which is not a bot", line.bot), there_are);
            }
            match (&line.carrier, line.carrier_kind()) {
                (None, _) => {}
                (Some(written), None | Some(CarrierKind::Browser)) => self.no_carrier(&key, written),
                (Some(_), Some(carrier)) => {
                    let setup = carrier_setup::of(config, carrier);
                    if !setup.begun {
                        self.warn(
                            format!("{key}.carrier"),
                            format!("is `{}`, which is not set up: no call comes from there", carrier.name()),
                            format!("set {}, or name another carrier", setup.missing_words()),
                        );
                    }
                }
            }
        }
        for double in config.lines.doubles(config.numbers.country_code().as_deref()) {
            let (at, first) = (double.at, double.first);
            let written = config.lines.get(at).map_or("", |line| &line.number);
            let key = format!("lines.{at}.number");
            match double.certain {
                true => self.wrong(
                    key,
                    format!("is `{written}`, which lines.{first} answers already"),
                    "keep one of the two, or name another carrier for each",
                ),
                false => self.warn(
                    key,
                    format!(
                        "is `{written}`, which lines.{first} seems to answer already, with a country code"
                    ),
                    "write both with + and their country code, or set numbers.country",
                ),
            }
        }
    }

    fn no_carrier(&mut self, line: &str, written: &str) {
        let names: Vec<&str> = CarrierKind::ALL
            .into_iter()
            .filter(|kind| *kind != CarrierKind::Browser)
            .map(CarrierKind::name)
            .collect();
        let mend = match nearest(&written.trim().to_ascii_lowercase(), names.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("name one of {}, or leave it out for any that is set up", names.join(", ")),
        };
        let wrong = match written.trim().eq_ignore_ascii_case(CarrierKind::Browser.name()) {
            true => "is `browser`, which has no numbers".to_owned(),
            false => format!("is `{written}`, which is not a carrier"),
        };
        self.wrong(format!("{line}.carrier"), wrong, mend);
    }
}
