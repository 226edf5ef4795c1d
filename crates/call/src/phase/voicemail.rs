//! A machine answered a call that we placed: what the bot wants then.

use super::{Leaving, Phase};
use crate::core::Core;
use crate::{EndCause, Moment, Voicemail};

/// `phase` is where the call stands. Without an agent that could speak, a message waits for one.
pub(super) fn step(phase: Phase, core: &mut Core, now: Moment) -> Phase {
    match (core.plan.settings.voicemail.clone(), &phase) {
        (Voicemail::Continue, _) => phase,
        (Voicemail::HangUp, _) => Leaving::at_once(core, now, EndCause::Voicemail),
        (Voicemail::Say { text }, Phase::Talking) => {
            Leaving::after_saying(core, now, text, EndCause::Voicemail)
        }
        (Voicemail::Say { .. }, _) => phase,
    }
}
