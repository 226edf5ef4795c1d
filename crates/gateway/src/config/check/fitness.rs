//! Whether the carriers can do what the bots need that answer their calls.
//!
//! What a carrier can do is in its capability table; what of it its settings allow, [`control::can_transfer`] knows. A bot
//! that cannot be served is refused here, in words, rather than in the middle of a call.

use call::{CarrierCapabilities, Fallback, Way};

use super::Check;
use crate::carrier_kind::CarrierKind;
use crate::carrier_setup;
use crate::config::{AgentKind, Bot, Config};
use crate::control;

/// Something that a bot cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// To hand callers over; the key that says so.
    Transfer { key: &'static str },
    /// To learn which keys the caller presses.
    Keys,
}

impl Need {
    /// The key of the bot that makes it need this.
    fn key(self) -> &'static str {
        match self {
            Need::Transfer { key } => key,
            Need::Keys => "agent",
        }
    }
}

/// Where a need meets the carriers.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// A line with this bot.
    Line(usize),
    /// A bot that also, or only, answers calls without a line.
    Bot(usize),
}

impl Place {
    fn key(self, need: Need) -> String {
        match self {
            Place::Line(at) => format!("lines.{at}.bot"),
            Place::Bot(at) => format!("bots.{at}.{}", need.key()),
        }
    }

    fn words(self, bot: &Bot, need: Need) -> String {
        match (self, need) {
            (Place::Line(_), Need::Transfer { key }) => {
                format!("is `{}`, which hands callers over ({key})", bot.name)
            }
            (Place::Line(_), Need::Keys) => {
                format!("is `{}`, which has a menu of keys to press (agent = \"demo\")", bot.name)
            }
            (Place::Bot(_), Need::Transfer { .. }) => "hands callers over".to_owned(),
            (Place::Bot(_), Need::Keys) => "is `demo`, which has a menu of keys to press".to_owned(),
        }
    }
}

fn needs(bot: &Bot) -> Vec<Need> {
    let transfers = [
        ("call.fallback", matches!(bot.call.fallback, Fallback::Transfer { .. })),
        ("call.transfer_to", !bot.call.transfer_to.is_empty()),
        ("transfer_to", bot.agent == AgentKind::Demo && bot.transfer_to.is_some()),
    ];
    // One reason is enough.
    let transfer = transfers.into_iter().find(|(_, given)| *given).map(|(key, _)| Need::Transfer { key });
    let keys = (bot.agent == AgentKind::Demo).then_some(Need::Keys);
    transfer.into_iter().chain(keys).collect()
}

/// Why a carrier does not serve a need, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lack {
    wrong: String,
    /// The settings that would mend it; none where the carrier itself cannot.
    settings: Option<String>,
}

/// `allowed` says whether the carrier's settings suffice for what its table promises.
fn lack(need: Need, table: &CarrierCapabilities, allowed: bool, account: &str) -> Option<Lack> {
    let title = table.title;
    match need {
        Need::Transfer { .. } if table.transfer == Way::No => {
            Some(Lack { wrong: format!("{title} cannot hand calls over"), settings: None })
        }
        Need::Transfer { .. } if !allowed => Some(Lack {
            wrong: format!("{title} cannot hand calls over as it is set up"),
            settings: Some(account.to_owned()),
        }),
        Need::Keys if table.digits_in == Way::No => {
            Some(Lack { wrong: format!("{title} does not say which keys a caller presses"), settings: None })
        }
        Need::Transfer { .. } | Need::Keys => None,
    }
}

fn lack_of(config: &Config, need: Need, carrier: CarrierKind) -> Option<Lack> {
    let allowed = control::can_transfer(config, carrier);
    lack(need, carrier.table(), allowed, &carrier_setup::transfer_words(config, carrier))
}

impl Check<'_> {
    pub(super) fn fitness(&mut self) {
        let config = self.config;
        let set_up = carrier_setup::phone_carriers(config);
        for (at, line) in config.lines.iter().enumerate() {
            let Some(bot) = config.bot(&line.bot) else { continue };
            match (&line.carrier, line.carrier_kind()) {
                (Some(_), Some(carrier)) if set_up.contains(&carrier) => {
                    self.among(Place::Line(at), bot, &[carrier]);
                }
                // A carrier that is unknown or not set up has been told of.
                (Some(_), _) => {}
                (None, _) => self.among(Place::Line(at), bot, &set_up),
            }
        }
        for (at, bot) in config.bots.iter().enumerate() {
            if set_up.is_empty() {
                self.without_carriers(at, bot);
            } else if bot.name == config.default_bot || config.lines.iter().all(|line| line.bot != bot.name) {
                self.among(Place::Bot(at), bot, &set_up);
            }
        }
    }

    /// A fallback that nobody can follow is refused even before there is a carrier.
    fn without_carriers(&mut self, at: usize, bot: &Bot) {
        if let Fallback::Transfer { .. } = bot.call.fallback {
            let account = carrier_setup::account_words(self.config, CarrierKind::Twilio);
            self.wrong(
                format!("bots.{at}.call.fallback"),
                "hands callers over, and no carrier is set up that can",
                format!("set {account}, or another carrier's account, or do = \"apologise\""),
            );
        }
    }

    /// Any of the carriers may bring the call: it is wrong when none can serve it, and worth a warning when some cannot.
    fn among(&mut self, place: Place, bot: &Bot, carriers: &[CarrierKind]) {
        for need in needs(bot) {
            let lacks: Vec<Lack> =
                carriers.iter().filter_map(|carrier| lack_of(self.config, need, *carrier)).collect();
            if lacks.is_empty() {
                continue;
            }
            let words: Vec<&str> = lacks.iter().map(|lack| lack.wrong.as_str()).collect();
            let wrong = format!("{}, but {}", place.words(bot, need), words.join(", and "));
            let settings = settings_first(&lacks);
            if lacks.len() == carriers.len() {
                let instead = match need {
                    Need::Transfer { key } => format!("take {key} from bot `{}`", bot.name),
                    Need::Keys => "choose another agent".to_owned(),
                };
                self.wrong(place.key(need), wrong, format!("{settings}{instead}, or let another bot answer"));
            } else {
                let instead = match place {
                    Place::Line(_) => "name the carrier that brings this number",
                    Place::Bot(_) => "give each number a line that names its carrier",
                };
                self.warn(place.key(need), wrong, format!("{settings}{instead}"));
            }
        }
    }
}

/// "set this, or ".
fn settings_first(lacks: &[Lack]) -> String {
    let settings: Vec<&str> = lacks.iter().filter_map(|lack| lack.settings.as_deref()).collect();
    match settings.is_empty() {
        true => String::new(),
        false => format!("set {}, or ", settings.join(", and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_needs_what_its_settings_say() {
        let demo = Bot { agent: AgentKind::Demo, ..Bot::default() };
        assert_eq!(needs(&demo), [Need::Keys]);
        let shown = Bot { transfer_to: Some("+14155550100".into()), ..demo.clone() };
        assert_eq!(needs(&shown), [Need::Transfer { key: "transfer_to" }, Need::Keys]);
        let mut talker = Bot { agent: AgentKind::ElevenLabs, ..Bot::default() };
        assert_eq!(needs(&talker), []);
        talker.call.transfer_to = vec!["+14155550100".into()];
        assert_eq!(needs(&talker), [Need::Transfer { key: "call.transfer_to" }]);
        talker.call.fallback = Fallback::Transfer { to: "+14155550100".into() };
        assert_eq!(needs(&talker), [Need::Transfer { key: "call.fallback" }]);
    }

    #[test]
    fn what_a_table_does_not_promise_is_said_of_the_carrier_and_what_settings_lack_of_them() {
        let transfer = Need::Transfer { key: "call.fallback" };
        let table = CarrierKind::Twilio.table();
        assert_eq!(lack(transfer, table, true, "a.b"), None);
        let account = lack(transfer, table, false, "a.b").unwrap();
        assert!(account.wrong.contains("Twilio") && account.settings.as_deref() == Some("a.b"));

        let poor = CarrierCapabilities { transfer: Way::No, digits_in: Way::No, ..*table };
        let never = lack(transfer, &poor, true, "a.b").unwrap();
        assert_eq!((never.wrong.as_str(), never.settings), ("Twilio cannot hand calls over", None));
        assert!(lack(Need::Keys, &poor, true, "").unwrap().wrong.contains("keys"));
        assert_eq!(lack(Need::Keys, table, true, ""), None);
    }
}
