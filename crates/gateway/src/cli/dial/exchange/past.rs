//! What a call over a carrier came to, from the carrier's own account.

use lab::phone::{CallReport, End as Ended, Happening, StreamEnd};

use super::super::caller::TICK;
use super::super::ear::Ear;
use super::super::{End, Past};
use crate::carrier_kind::CarrierKind;

/// Different objections that are kept of one call.
pub(super) const OBJECTIONS_MAX: usize = 20;

pub(super) fn of(kind: CarrierKind, id: Option<String>, report: CallReport, keep_sound: bool) -> Past {
    let ear = Ear::of(&report.heard, &report.spoken);
    let end = end(kind, &report);
    let lasted = report.heard.duration();
    let mut objections: Vec<String> = Vec::new();
    for warning in &report.warnings {
        if objections.len() < OBJECTIONS_MAX && !objections.contains(&warning.text) {
            objections.push(warning.text.clone());
        }
    }
    let mut heard = report.heard;
    if !keep_sound {
        heard.samples = Vec::new();
    }
    Past {
        id,
        end,
        lasted,
        heard,
        ear,
        frames_sent: report.media.frames_sent,
        piece: TICK,
        received: report.media.received,
        cleared: report.media.cleared,
        objections,
    }
}

/// What the gateway did before the conversation began that explains why there was none.
struct Omens<'a> {
    said: Vec<&'a str>,
    stream_refused: Option<&'a str>,
    stream_lost: Option<&'a str>,
    /// The code and reason of a media socket that was closed instead of used.
    turned_away: Option<(u16, &'a str)>,
    webhook_status: Option<u16>,
}

impl Omens<'_> {
    fn of(report: &CallReport) -> Omens<'_> {
        let mut omens = Omens {
            said: Vec::new(),
            stream_refused: None,
            stream_lost: None,
            turned_away: None,
            webhook_status: None,
        };
        for note in &report.timeline {
            match &note.what {
                Happening::Said { text } => omens.said.push(text),
                Happening::StreamRefused { problem, .. } => {
                    omens.stream_refused.get_or_insert(problem);
                }
                Happening::StreamEnded { why: StreamEnd::Lost { why }, .. } => {
                    omens.stream_lost.get_or_insert(why);
                }
                // Try again later, and policy violation.
                Happening::StreamEnded {
                    why: StreamEnd::ClosedByGateway { code: code @ (1008 | 1013), reason },
                    ..
                } => {
                    omens.turned_away.get_or_insert((*code, reason));
                }
                Happening::WebhookAnswered { status, .. } => {
                    omens.webhook_status.get_or_insert(*status);
                }
                _ => {}
            }
        }
        omens
    }
}

fn end(kind: CarrierKind, report: &CallReport) -> End {
    let was_connected = !report.stream_sids.is_empty();
    let omens = Omens::of(report);
    if let Some(why) = omens.stream_lost {
        return End::Failed { words: format!("the media stream was lost: {why}") };
    }
    match omens.turned_away {
        Some((1013, reason)) => {
            return End::Busy { words: format!("the gateway closed the media socket: {reason}") };
        }
        Some((_, reason)) => {
            return End::Failed { words: format!("the gateway closed the media socket: {reason}") };
        }
        None => {}
    }
    match omens.webhook_status.filter(|_| !was_connected) {
        Some(503) => return End::Busy { words: "the webhook says that all lines are busy (503)".to_owned() },
        Some(status @ 400..) => {
            let words = format!("the webhook answered with status {status}; the gateway's log says why");
            return End::Failed { words };
        }
        _ => {}
    }
    let words = |words: &str| words.to_owned();
    match &report.end {
        end if end.is_by_gateway() && was_connected => {
            End::Over { words: words("The line was hung up by the gateway, as it should be.") }
        }
        Ended::Transferred { number } if was_connected => {
            End::Over { words: format!("The caller was handed over to {number}.") }
        }
        Ended::CallerHungUp if was_connected => End::Over { words: words("The caller hung up.") },
        Ended::CallerHungUp => End::Failed { words: words("hung up before the call was answered") },
        Ended::Rejected { reason } => End::Busy { words: format!("the call was rejected: {reason}") },
        end if end.is_by_gateway() => match (omens.stream_refused, omens.said.join(" ")) {
            (Some(problem), _) => {
                End::Failed { words: format!("the gateway refused the media stream: {problem}") }
            }
            (None, said) if said.contains("busy") => {
                End::Busy { words: format!("the caller was told: “{said}”") }
            }
            (None, said) if said.is_empty() => End::Failed {
                words: words("the gateway hung up without connecting the call; its log says why"),
            },
            (None, said) => {
                End::Failed { words: format!("the caller was told “{said}”; the gateway's log says why") }
            }
        },
        Ended::ApplicationError { problem } => End::Failed {
            words: format!("{} would say that something is wrong: {problem}", kind.table().title),
        },
        end => End::Failed { words: format!("the call ended oddly: {end:?}") },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lab::phone::CallNote;

    use super::*;

    fn ended(end: Ended, happened: Vec<Happening>, was_connected: bool) -> End {
        let mut report = CallReport::nothing("c1", end);
        report.timeline = happened.into_iter().map(|what| CallNote { at: Duration::ZERO, what }).collect();
        report.stream_sids = was_connected.then(|| "s1".to_owned()).into_iter().collect();
        super::end(CarrierKind::Exotel, &report)
    }

    fn answered(status: u16) -> Happening {
        Happening::WebhookAnswered { url: "http://gw".to_owned(), status, took: Duration::ZERO }
    }

    fn closed(code: u16) -> Happening {
        let why = StreamEnd::ClosedByGateway { code, reason: "all lines are busy".to_owned() };
        Happening::StreamEnded { stream_sid: "s1".to_owned(), why }
    }

    #[test]
    fn a_gateway_without_room_is_busy_whichever_way_it_says_so() {
        let busy = |end: &End| matches!(end, End::Busy { words } if words.contains("busy"));

        assert!(busy(&ended(Ended::OutOfVerbs, vec![answered(503), answered(302)], false)));
        assert!(busy(&ended(Ended::OutOfVerbs, vec![closed(1013)], true)));
        let said = vec![answered(200), Happening::Said { text: "All lines are busy.".to_owned() }];
        assert!(busy(&ended(Ended::HungUpByXml, said, false)));
    }

    #[test]
    fn a_call_that_was_let_in_and_let_go_is_over() {
        let normal = vec![answered(200), closed(1000), answered(302)];
        assert!(matches!(ended(Ended::OutOfVerbs, normal, true), End::Over { .. }));
        let handed = Ended::Transferred { number: "+14155550123".to_owned() };
        let End::Over { words } = ended(handed, vec![answered(200)], true) else { panic!("it is over") };
        assert!(words.contains("+14155550123"));
    }

    #[test]
    fn a_call_that_was_not_let_in_has_failed() {
        for (happened, what) in
            [(vec![answered(401)], "status 401"), (vec![closed(1008)], "closed the media socket")]
        {
            let end = ended(Ended::OutOfVerbs, happened, what.contains("socket"));
            assert!(matches!(&end, End::Failed { words } if words.contains(what)), "{end:?}");
        }
    }
}
