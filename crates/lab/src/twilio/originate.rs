//! `POST …/Calls.json`: a call is placed on a gateway's behalf.

use std::sync::Arc;
use std::time::Duration;

use super::call::{self, CallState};
use super::rest::{Form, RestError};
use super::{Method, Network, PlacedCall, Signing, StatusCallback};
use crate::locked;
use crate::phone::order::Source;

/// Longer documents must be fetched by URL.
pub(super) const INLINE_CHARACTERS_MAX: usize = 4_000;

pub(super) fn originate(network: &Arc<Network>, form: &Form) -> Result<Arc<CallState>, RestError> {
    let to = form.one("To").ok_or_else(|| RestError::bad(21201, "No 'To' number is specified"))?;
    let from = form.one("From").ok_or_else(|| RestError::bad(21213, "'From' phone number not provided"))?;
    if !is_address(to) {
        return Err(RestError::bad(21211, &format!("Invalid 'To' Phone Number: {to}")));
    }
    if !is_address(from) {
        return Err(RestError::bad(21212, &format!("Invalid 'From' Phone Number: {from}")));
    }
    let first = match (form.one("Url"), form.one("Twiml")) {
        // Url wins where both are given.
        (Some(url), _) => Source::Url { url: url_of(url)?, method: form.method("Method")?, form: Vec::new() },
        (None, Some(twiml)) => Source::Inline(inline(twiml)?),
        (None, None) => return Err(RestError::bad(21205, "Url parameter is required.")),
    };
    let status_callback = match form.one("StatusCallback") {
        None => None,
        Some(url) => {
            let events: Vec<String> = form.all("StatusCallbackEvent").map(str::to_owned).collect();
            let known = ["initiated", "ringing", "answered", "completed"];
            if let Some(odd) = events.iter().find(|event| !known.contains(&event.as_str())) {
                return Err(RestError::bad(21626, &format!("Invalid 'StatusCallbackEvent': {odd}")));
            }
            let events = if events.is_empty() { vec!["completed".to_owned()] } else { events };
            let out_of_order = network.config.callbacks_out_of_order;
            Some(StatusCallback { url: url_of(url)?, events, out_of_order })
        }
    };
    let timeout = match form.one("Timeout") {
        None => 60,
        Some(text) => match text.parse::<u64>() {
            Ok(seconds) if (1..=600).contains(&seconds) => seconds,
            _ => return Err(RestError::bad(21230, &format!("Invalid 'Timeout': {text}"))),
        },
    };
    let detection = detection(form)?;
    let callee = locked(&network.callees).get(to).cloned().unwrap_or_else(|| network.config.callee.clone());
    let placed = PlacedCall {
        from: from.to_owned(),
        to: to.to_owned(),
        fallback_url: form.one("FallbackUrl").map(url_of).transpose()?,
        status_callback,
        caller: callee.caller.clone(),
        faults: callee.faults.clone(),
        signing: Signing::Right,
        ..PlacedCall::default()
    };
    let (state, live) =
        call::originate(network, placed, callee, Duration::from_secs(timeout), first, detection);
    // With nobody asking for handles the call goes on without one.
    let _ = network.originated.try_send(live);
    Ok(state)
}

/// Who is told what answered, and whether a machine's greeting is waited for.
#[derive(Clone, Debug)]
pub(super) struct Detection {
    pub(super) url: String,
    pub(super) waits_for_beep: bool,
}

/// Detection beside the call. The kind that holds the call up is not emulated.
fn detection(form: &Form) -> Result<Option<Detection>, RestError> {
    let waits_for_beep = match form.one("MachineDetection") {
        None => return Ok(None),
        Some("Enable") => false,
        Some("DetectMessageEnd") => true,
        Some(other) => return Err(RestError::bad(20001, &format!("Invalid 'MachineDetection': {other}"))),
    };
    match (form.one("AsyncAmd"), form.one("AsyncAmdStatusCallback")) {
        (Some("true"), Some(url)) => Ok(Some(Detection { url: url_of(url)?, waits_for_beep })),
        _ => Err(RestError::bad(20001, "this emulator detects machines with AsyncAmd alone")),
    }
}

pub(super) fn inline(twiml: &str) -> Result<String, RestError> {
    if twiml.chars().count() > INLINE_CHARACTERS_MAX {
        let problem = format!("Twiml has more than {INLINE_CHARACTERS_MAX} characters");
        return Err(RestError::bad(20001, &problem));
    }
    Ok(twiml.to_owned())
}

pub(super) fn url_of(text: &str) -> Result<String, RestError> {
    match url::Url::parse(text) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) => Ok(text.to_owned()),
        _ => Err(RestError::bad(21205, &format!("Url is not a valid URL: {text}"))),
    }
}

fn is_address(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    text.starts_with("sip:")
        || text.starts_with("client:")
        || (!digits.is_empty() && digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit()))
}

impl Form {
    pub(super) fn method(&self, name: &str) -> Result<Method, RestError> {
        match self.one(name) {
            None | Some("POST") => Ok(Method::Post),
            Some("GET") => Ok(Method::Get),
            Some(other) => Err(RestError::bad(21403, &format!("Invalid '{name}': {other}"))),
        }
    }
}
