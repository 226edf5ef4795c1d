//! Calls that we place: where to, how many, and what their bots expect of the carrier.

use call::Voicemail;

use super::Check;
use crate::carrier_kind::CarrierKind;
use crate::config::is_prefix;
use crate::control;

/// A message for a machine: longer ones are cut off by most machines.
const MESSAGE_CHARS_MAX: usize = 1_000;

impl Check<'_> {
    pub(super) fn outbound(&mut self) {
        let outbound = &self.config.outbound;
        for (key, prefixes) in [("outbound.allow", &outbound.allow), ("outbound.block", &outbound.block)] {
            for prefix in prefixes.iter().filter(|prefix| !is_prefix(prefix)) {
                self.no_prefix(key.to_owned(), prefix);
            }
        }
        for (at, rule) in outbound.prefixes.iter().enumerate() {
            let key = format!("outbound.prefixes.{at}");
            if !is_prefix(&rule.prefix) {
                self.no_prefix(format!("{key}.prefix"), &rule.prefix);
            }
            self.range(format!("{key}.calls_per_minute"), rule.calls_per_minute, 0..=100_000);
            self.range(format!("{key}.concurrent"), rule.concurrent, 0..=100_000);
        }
        self.range("outbound.calls_per_minute", outbound.calls_per_minute, 0..=100_000);
        self.range("outbound.concurrent", outbound.concurrent, 0..=100_000);
        self.range("outbound.calls_per_minute_per_key", outbound.calls_per_minute_per_key, 0..=100_000);
        self.range("outbound.concurrent_per_key", outbound.concurrent_per_key, 0..=100_000);
        self.range("outbound.ring_s", outbound.ring_s, 5..=300);
        self.range("outbound.grace_s", outbound.grace_s, 1..=300);
        self.range("outbound.max_duration_s", outbound.max_duration_s, 10..=86_400);
        if !outbound.allow.is_empty() && self.placing().is_empty() {
            let missing: Vec<String> = CarrierKind::ALL
                .into_iter()
                .filter(|kind| kind.table().places_calls)
                .filter_map(|kind| {
                    let why = control::can_place(self.config, kind).err()?;
                    Some(format!("for {}: {why}", kind.table().title))
                })
                .collect();
            self.warn(
                "outbound.allow",
                "allows calls, but there is no carrier to place them with",
                missing.join("; "),
            );
        }
        for (at, bot) in self.config.bots.iter().enumerate() {
            self.voicemail(&format!("bots.{at}.call.voicemail"), &bot.call.voicemail, bot.agent.says());
        }
    }

    /// The carriers that calls can be placed with.
    fn placing(&self) -> Vec<CarrierKind> {
        let can = |kind: &CarrierKind| control::can_place(self.config, *kind).is_ok();
        CarrierKind::ALL.into_iter().filter(can).collect()
    }

    fn voicemail(&mut self, key: &str, voicemail: &Voicemail, says: bool) {
        match voicemail {
            Voicemail::Continue => return,
            Voicemail::HangUp => {}
            Voicemail::Say { text } => {
                let chars = text.trim().chars().count();
                if chars == 0 || chars > MESSAGE_CHARS_MAX {
                    self.wrong(
                        format!("{key}.text"),
                        format!("has {chars} characters"),
                        format!("write from 1 to {MESSAGE_CHARS_MAX} characters"),
                    );
                }
                if !says {
                    self.wrong(
                        format!("{key}.do"),
                        "is `say`, but this bot's agent cannot say a given text",
                        "choose `hang_up` or `continue`, or an agent that can, such as elevenlabs",
                    );
                }
            }
        }
        let placing = self.placing();
        let (able, blind): (Vec<_>, Vec<_>) =
            placing.into_iter().partition(|kind| kind.table().detects_machines);
        let titles = |kinds: &[CarrierKind]| {
            kinds.iter().map(|kind| kind.table().title).collect::<Vec<_>>().join(" and ")
        };
        if blind.is_empty() {
            return;
        }
        let wrong = format!(
            "cannot be obeyed on calls placed with {}: it does not tell whether a machine answers",
            titles(&blind)
        );
        if able.is_empty() {
            self.wrong(format!("{key}.do"), wrong, "choose `continue`; the agent may find out by itself");
        } else {
            let mend = format!("place this bot's calls with {}", titles(&able));
            self.warn(format!("{key}.do"), wrong, mend);
        }
    }

    fn no_prefix(&mut self, key: String, prefix: &str) {
        self.wrong(
            key,
            format!("has `{prefix}`, which is not the beginning of a number"),
            "write it in international form, such as +49, or `+` for every number",
        );
    }
}
