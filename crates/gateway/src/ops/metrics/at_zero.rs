//! The series that are there before anything has been counted.
//!
//! An alarm on a rate sees nothing of the first failure if that failure also gives birth to the series.

use call::{Oddity, Side};

use super::{ByAgent, ByCause, ByReason, Metrics, ProviderOutcome, SideKind, side_name};
use crate::config::AgentKind;
use crate::gateway::{ELEVENLABS, EXOTEL, MCUBE, PLIVO, TWILIO};

/// Why calls are not let in.
const REASONS: [&str; 12] = [
    "all_lines_busy",
    "no_agent_slot",
    "draining",
    "over",
    "address_too_often",
    "caller_too_often",
    "no_such_bot",
    "no_token",
    "not_authorised",
    "never_started",
    "too_late",
    "left",
];

/// What the guard says to calls that are to be placed.
const NOT_PLACED: [&str; 6] = [
    "outbound_off",
    "destination_not_allowed",
    "destination_blocked",
    "short_number",
    "too_many_calls_a_minute",
    "too_many_placed_calls",
];

/// Why agents' sessions are lost; as `departure_name` calls it.
const LOSSES: [&str; 6] = ["finished", "refused", "closed", "lost", "no_slot", "stalled"];

/// What comes of requests to providers as a rule. Rarer outcomes appear when they occur.
const OUTCOMES: [&str; 7] =
    ["ok", "unauthorised", "too_many", "refused", "failed", "unreachable", "timed_out"];

impl Metrics {
    /// Makes the series that alarms watch.
    pub(super) fn begin_at_zero(&self) {
        for reason in REASONS {
            drop(self.calls_refused.get_or_create(&ByReason::of(reason)));
        }
        for reason in NOT_PLACED {
            drop(self.outbound_refused.get_or_create(&ByReason::of(reason)));
        }
        for kind in [AgentKind::Demo, AgentKind::ElevenLabs] {
            drop(self.agent_reconnects.get_or_create(&ByAgent::of(kind.name())));
        }
        for cause in LOSSES {
            drop(self.agent_losses.get_or_create(&ByCause::of(cause)));
        }
        for oddity in Oddity::ALL {
            for side in [Side::Caller, Side::Agent] {
                drop(self.oddities.get_or_create(&SideKind::of(side_name(side), oddity.name())));
            }
        }
        for provider in [TWILIO, PLIVO, EXOTEL, MCUBE, ELEVENLABS] {
            for outcome in OUTCOMES {
                drop(self.requests.get_or_create(&ProviderOutcome::of(provider, outcome)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use call::AgentLeft;

    use super::super::departure_name;
    use super::*;
    use crate::arrival::TurnedAway;
    use crate::ops::logs::LogDrops;
    use crate::outbound::guard::Denied;

    #[test]
    fn alarms_have_series_before_anything_has_gone_wrong() {
        let text = Metrics::new(LogDrops::default()).render();

        for series in [
            r#"calls_refused_total{reason="all_lines_busy"} 0"#,
            r#"agent_reconnects_total{agent="elevenlabs"} 0"#,
            r#"agent_losses_total{cause="lost"} 0"#,
            r#"oddities_total{side="carrier",kind="malformed"} 0"#,
            r#"requests_total{provider="twilio",outcome="failed"} 0"#,
        ] {
            assert!(text.contains(&format!("\ntrunkline_{series}\n")), "{series}: {text}");
        }
    }

    #[test]
    fn the_names_are_those_that_are_counted() {
        for turned_away in [
            TurnedAway::NeverStarted,
            TurnedAway::NoToken,
            TurnedAway::NotAuthorised,
            TurnedAway::NoSuchBot,
            TurnedAway::TooLate,
            TurnedAway::Left,
        ] {
            assert!(REASONS.contains(&turned_away.name()), "{turned_away}");
        }
        for denied in [Denied::Off, Denied::NotAllowed { open: false }, Denied::Short] {
            assert!(NOT_PLACED.contains(&denied.code()), "{denied}");
        }
        for left in [AgentLeft::Finished, AgentLeft::Lost, AgentLeft::NoSlot, AgentLeft::Stalled] {
            assert!(LOSSES.contains(&departure_name(&left)), "{left:?}");
        }
    }
}
