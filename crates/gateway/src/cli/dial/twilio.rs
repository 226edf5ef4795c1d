//! Twilio as a telephone, played by the terminal: the emulated Twilio calls the gateway's webhook over a real socket.

use std::time::Duration;

use call::CallId;
use lab::twilio::{
    CallNote, CallReport, Happening, LiveCall, PlacedCall, StreamEnd, Twilio, TwilioConfig, signature,
};
use reqwest::header::CONTENT_TYPE;
use tokio::time::{Instant, sleep_until};
use wire::Secret;

use super::ear::Ear;
use super::live::{Happened, Teller};
use super::place::{Place, below};
use super::{Dialling, End, Past, Words};
use crate::config::Config;
use crate::outward::{base_client, rustls_config};

/// Called when nobody names a number: fictitious, and nobody's line.
const ANY_NUMBER: &str = "+14155550199";

/// The webhook of a call that is over already: answers at once and does nothing.
const PROBE_WITHIN: Duration = Duration::from_secs(10);

pub(super) struct Exchange {
    twilio: Twilio,
    webhook_url: String,
    from: String,
    to: String,
}

impl Exchange {
    /// Finds a token that the gateway accepts, and opens the exchange.
    pub(super) async fn open(
        place: &Place,
        config: &Config,
        from: &str,
        to: Option<&str>,
    ) -> Result<Exchange, Words> {
        let settings = &config.carriers.twilio;
        let webhook_url = below(place.url(), &settings.inbound_path).to_string();
        let tls = rustls_config(config.server.extra_ca_file.as_deref()).map_err(|error| error.to_string())?;
        let to = to.or(settings.phone_number.as_deref()).unwrap_or(ANY_NUMBER).to_owned();
        let account_sid = settings.account_sid.clone().unwrap_or_else(|| TwilioConfig::default().account_sid);

        let candidates: Vec<&Secret> = place
            .lab_token()
            .into_iter()
            .chain(&settings.auth_token)
            .chain(&settings.more_auth_tokens)
            .collect();
        let client = base_client(&tls).no_proxy().build().map_err(|error| error.to_string())?;
        let mut accepted = None;
        for token in &candidates {
            match probe(&client, &webhook_url, token, &account_sid, (from, &to)).await? {
                Probed::Accepted => {
                    accepted = Some(*token);
                    break;
                }
                Probed::WrongToken => {}
            }
        }
        let Some(token) = accepted else {
            return Err(if candidates.is_empty() {
                format!(
                    "the webhook {webhook_url} wants signed requests, and there is no token to sign with; set \
                     TWILIO_AUTH_TOKEN to the gateway's own, or call a gateway on this machine from the folder it was \
                     started in (it leaves a token in its data folder)"
                )
            } else {
                format!(
                    "the gateway does not accept our signature at {webhook_url}; set TWILIO_AUTH_TOKEN to the one it \
                     has, and call it by its public address (--url), or call a gateway on this machine from the folder \
                     it was started in"
                )
            });
        };
        let twilio = TwilioConfig {
            account_sid,
            auth_token: token.reveal().to_owned(),
            tls: Some(tls),
            ..TwilioConfig::default()
        };
        let twilio = Twilio::start(twilio)
            .await
            .map_err(|error| format!("the pretended Twilio does not start: {error}"))?;
        Ok(Exchange { twilio, webhook_url, from: from.to_owned(), to })
    }

    pub(super) async fn call(&self, number: usize, dialling: Dialling) -> Past {
        let placed = PlacedCall {
            from: counted_up(&self.from, number),
            to: self.to.clone(),
            webhook_url: self.webhook_url.clone(),
            caller: dialling.caller.clone(),
            ..PlacedCall::default()
        };
        let call = self.twilio.place_call(placed);
        let mut teller = Teller::new(dialling.notes.clone());
        let id = watch(&call, &mut teller, &dialling).await;
        past(id, call.finished().await, dialling.keep_sound)
    }

    pub(super) async fn close(self) {
        self.twilio.shut_down().await;
    }
}

enum Probed {
    Accepted,
    WrongToken,
}

/// Reports the end of a call that never was, signed. Whoever accepts the signature has nothing to do.
async fn probe(
    client: &reqwest::Client,
    url: &str,
    token: &Secret,
    account_sid: &str,
    (from, to): (&str, &str),
) -> Result<Probed, Words> {
    let form: Vec<(String, String)> = [
        ("CallSid", "CA00000000000000000000000000000000"),
        ("AccountSid", account_sid),
        ("From", from),
        ("To", to),
        ("CallStatus", "completed"),
        ("Direction", "inbound"),
        ("ApiVersion", "2010-04-01"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let signed = signature::of_form(token.reveal(), &signature::signed_form_of(url), &form);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    let asking = client
        .post(url)
        .timeout(PROBE_WITHIN)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(signature::HEADER, signed)
        .body(body);
    let answer = asking.send().await.map_err(|error| {
        let why = if error.is_timeout() { "it does not answer in time" } else { "it cannot be reached" };
        format!("the webhook {url} does not work: {why}")
    })?;
    match answer.status().as_u16() {
        200..=299 => Ok(Probed::Accepted),
        400 | 401 | 403 => Ok(Probed::WrongToken),
        404 => Err(format!("there is no webhook at {url}; see carriers.twilio.inbound_path of that gateway")),
        status => {
            let said: String = answer.text().await.unwrap_or_default().trim().chars().take(400).collect();
            Err(format!("the webhook {url} answers with status {status}: {said}"))
        }
    }
}

/// Tells what happens, and hangs up in time. Returns the gateway's name for the call.
async fn watch(call: &LiveCall, teller: &mut Teller, dialling: &Dialling) -> Option<String> {
    let limit = Instant::now() + dialling.limit;
    let mut notes = call.notes();
    let mut id = None;
    let mut told_to_end = false;
    loop {
        let note = tokio::select! {
            biased;
            note = notes.next() => note,
            () = dialling.hang_up.cancelled(), if !told_to_end => {
                told_to_end = true;
                call.hang_up().await;
                continue;
            }
            () = sleep_until(limit), if !told_to_end => {
                told_to_end = true;
                call.hang_up().await;
                continue;
            }
        };
        let Some(CallNote { at, what }) = note else { return id };
        if let Happening::StreamOpened { parameters, .. } = &what {
            let named = parameters.iter().find(|(name, _)| name == "call").map(|(_, value)| value);
            // It is used in an address; only a real one is.
            id = named.filter(|id| id.parse::<CallId>().is_ok()).cloned();
        }
        for happened in told(what, id.as_deref()) {
            teller.tell_at(at, happened);
        }
    }
}

/// What belongs to the story, in its words.
fn told(what: Happening, id: Option<&str>) -> Vec<Happened> {
    let step = |words: String| vec![Happened::Step { words }];
    match what {
        Happening::WebhookAnswered { status, took, .. } => {
            step(format!("rings; the webhook answers with status {status} after {} ms", took.as_millis()))
        }
        Happening::WebhookFailed { problem, .. } => step(format!("rings, and the webhook fails: {problem}")),
        Happening::StreamOpened { .. } => {
            let mut told = step("is answered: the media stream is open".to_owned());
            told.extend(id.map(|id| Happened::Call { id: id.to_owned() }));
            told
        }
        Happening::StreamRefused { status, problem, .. } => {
            let status = status.map_or(String::new(), |status| format!(" with status {status}"));
            step(format!("finds the media stream refused{status}: {problem}"))
        }
        Happening::StreamEnded { why: StreamEnd::Lost { why }, .. } => {
            step(format!("loses the media stream: {why}"))
        }
        Happening::Said { text } => step(format!("is told by Twilio's voice: “{text}”")),
        Happening::Dialled { numbers, outcome } => {
            step(format!("is connected to {}: {outcome}", numbers.join(", ")))
        }
        Happening::Warned(warning) => step(format!("would find in Twilio's debugger: {}", warning.text)),
        Happening::CallerLostPatience => step("hears nothing, loses patience and hangs up".to_owned()),
        Happening::AgentSpeechBegan => vec![Happened::AgentSpeaks],
        Happening::AgentSpeechEnded => vec![Happened::AgentPauses],
        Happening::CallerSpeaks => vec![Happened::CallerSpeaks],
        Happening::CallerPressed { digit } => vec![Happened::Pressed { digit }],
        Happening::Cleared { dropped } => vec![Happened::Silenced { dropped }],
        _ => Vec::new(),
    }
}

fn past(id: Option<String>, report: CallReport, keep_sound: bool) -> Past {
    let ear = Ear::of(&report.heard, &report.spoken);
    let end = end(&report);
    let lasted = report.heard.duration();
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
        received: report.media.received,
        cleared: report.media.cleared,
    }
}

fn end(report: &CallReport) -> End {
    use lab::twilio::End as Ended;
    let was_connected = !report.stream_sids.is_empty();
    let said: Vec<&str> = report
        .timeline
        .iter()
        .filter_map(|note| match &note.what {
            Happening::Said { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let refused = report.timeline.iter().find_map(|note| match &note.what {
        Happening::StreamRefused { problem, .. } => Some(problem.as_str()),
        _ => None,
    });
    let lost = report.timeline.iter().find_map(|note| match &note.what {
        Happening::StreamEnded { why: StreamEnd::Lost { why }, .. } => Some(why),
        _ => None,
    });
    if let Some(why) = lost {
        return End::Failed { words: format!("the media stream was lost: {why}") };
    }
    let words = |words: &str| words.to_owned();
    match &report.end {
        Ended::HungUpByTwiml | Ended::OutOfVerbs | Ended::CompletedByRest if was_connected => {
            End::Over { words: words("The line was hung up by the gateway, as it should be.") }
        }
        Ended::CallerHungUp if was_connected => End::Over { words: words("The caller hung up.") },
        Ended::CallerHungUp => End::Failed { words: words("hung up before the call was answered") },
        Ended::Rejected { reason } => End::Busy { words: format!("the call was rejected: {reason}") },
        Ended::HungUpByTwiml | Ended::OutOfVerbs | Ended::CompletedByRest => {
            match (refused, said.join(" ")) {
                (Some(problem), _) => {
                    End::Failed { words: format!("the gateway refused the media stream: {problem}") }
                }
                (None, said) if said.contains("busy") => {
                    End::Busy { words: format!("the caller was told: “{said}”") }
                }
                (None, said) if said.is_empty() => End::Failed {
                    words: words("the gateway hung up without connecting the call; its log says why"),
                },
                (None, said) => End::Failed {
                    words: format!("the caller was told “{said}”; the gateway's log says why"),
                },
            }
        }
        Ended::ApplicationError { problem } => End::Failed {
            words: format!("Twilio would say that an application error has occurred: {problem}"),
        },
        Ended::Canceled | Ended::NotAnswered { .. } | Ended::SocketKilled | Ended::ShutDown => {
            End::Failed { words: format!("the call ended oddly: {:?}", report.end) }
        }
    }
}

/// The number with so much added to its last digits: callers are told apart by it.
fn counted_up(number: &str, by: usize) -> String {
    let digits = number.len() - number.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (head, tail) = number.split_at(number.len() - digits.min(9));
    match tail.parse::<usize>() {
        Ok(last) => format!("{head}{:0width$}", last + by, width = tail.len()),
        Err(_) => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_count_up() {
        assert_eq!(counted_up("+14155550100", 0), "+14155550100");
        assert_eq!(counted_up("+14155550100", 55), "+14155550155");
        assert_eq!(counted_up("+14155550999", 1), "+14155551000");
        assert_eq!(counted_up("anonymous", 3), "anonymous");
        assert_eq!(counted_up("", 3), "");
    }
}
