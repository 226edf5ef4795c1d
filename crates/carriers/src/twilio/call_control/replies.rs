//! What Twilio answered.

use std::time::Duration;

use serde::Deserialize;
use wire::Reply;

use crate::twilio::webhook::CallStatus;

/// Twilio's number for "no such thing": a call that is over may be gone altogether.
const NOT_FOUND: u32 = 20_404;

/// "Call is not in-progress."
const NOT_IN_PROGRESS: u32 = 21_220;

const TOO_MANY_REQUESTS: u32 = 20_429;

/// How long to wait when Twilio asks for patience without a figure: its usual limit is per second.
const PATIENCE: Duration = Duration::from_secs(1);

/// What came of a change to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlResult {
    Done,
    /// There was nothing left to change.
    AlreadyOver,
    Failed {
        /// In words, for the person who has to mend it.
        message: String,
        /// Twilio's own number for it.
        code: Option<u32>,
        /// Set when trying again makes sense, and how long to wait before.
        retry_after: Option<Duration>,
    },
}

/// What came of placing a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginateResult {
    Placed { call_sid: String, status: CallStatus },
    Failed { message: String, code: Option<u32>, retry_after: Option<Duration> },
}

/// What an account says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    pub sid: String,
    pub friendly_name: String,
    /// `active`, `suspended` or `closed`.
    pub status: String,
    /// `Trial` or `Full`.
    pub kind: String,
}

/// A request that Twilio refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    pub code: Option<u32>,
    pub retry_after: Option<Duration>,
}

/// Reads the reply to a hang-up, a transfer, a redirect, or the start or stop of listening in.
pub fn read_update(reply: &Reply) -> ControlResult {
    if is_success(reply) {
        return ControlResult::Done;
    }
    let Failure { message, code, retry_after } = failure(reply);
    if reply.status == 404 || matches!(code, Some(NOT_FOUND | NOT_IN_PROGRESS)) {
        return ControlResult::AlreadyOver;
    }
    ControlResult::Failed { message, code, retry_after }
}

/// Reads the reply to the placing of a call.
pub fn read_originate(reply: &Reply) -> OriginateResult {
    #[derive(Deserialize)]
    struct Call {
        sid: String,
        #[serde(default)]
        status: Option<String>,
    }

    if !is_success(reply) {
        let Failure { message, code, retry_after } = failure(reply);
        return OriginateResult::Failed { message, code, retry_after };
    }
    match serde_json::from_str::<Call>(&reply.body) {
        Ok(call) => OriginateResult::Placed {
            call_sid: call.sid,
            status: CallStatus::read(call.status.as_deref().unwrap_or("queued")),
        },
        Err(_) => OriginateResult::Failed {
            message: format!("Twilio answered {} without naming the call it placed", reply.status),
            code: None,
            // It may well have been placed; a second try could ring the same person twice.
            retry_after: None,
        },
    }
}

/// Reads the reply to the question for the account.
pub fn read_account(reply: &Reply) -> Result<AccountFacts, Failure> {
    #[derive(Deserialize)]
    struct Account {
        sid: String,
        #[serde(default)]
        friendly_name: String,
        #[serde(default)]
        status: String,
        #[serde(default, rename = "type")]
        kind: String,
    }

    if !is_success(reply) {
        return Err(failure(reply));
    }
    match serde_json::from_str::<Account>(&reply.body) {
        Ok(Account { sid, friendly_name, status, kind }) => {
            Ok(AccountFacts { sid, friendly_name, status, kind })
        }
        Err(_) => Err(Failure {
            message: "what answers there does not speak Twilio's interface; check the API's base URL"
                .to_owned(),
            code: None,
            retry_after: None,
        }),
    }
}

fn is_success(reply: &Reply) -> bool {
    (200..300).contains(&reply.status)
}

fn failure(reply: &Reply) -> Failure {
    /// Twilio's own form, and the newer one of RFC 9457. Everything may be missing: proxies answer in HTML.
    #[derive(Default, Deserialize)]
    struct Refusal {
        #[serde(default)]
        code: Option<u32>,
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        detail: Option<String>,
        #[serde(default)]
        title: Option<String>,
    }

    let refusal: Refusal = serde_json::from_str(&reply.body).unwrap_or_default();
    let said = refusal.message.or(refusal.detail).or(refusal.title).filter(|said| !said.is_empty());
    let mut message = match (reply.status, said) {
        (401 | 403, Some(said)) => {
            format!("Twilio refused the credentials ({said}); check the account SID and the auth token")
        }
        (401 | 403, None) => {
            "Twilio refused the credentials; check the account SID and the auth token".to_owned()
        }
        (_, Some(said)) => format!("Twilio refused: {said}"),
        (status, None) => format!("Twilio answered {status} without saying why"),
    };
    if let Some(code) = refusal.code {
        message.push_str(&format!(" [https://www.twilio.com/docs/errors/{code}]"));
    }
    let transient = reply.status == 429 || reply.status >= 500 || refusal.code == Some(TOO_MANY_REQUESTS);
    let retry_after = transient.then(|| reply.retry_after_s.map_or(PATIENCE, Duration::from_secs));
    Failure { message, code: refusal.code, retry_after }
}
