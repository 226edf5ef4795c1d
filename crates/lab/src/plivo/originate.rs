//! `POST …/Call/`: a call is placed on a gateway's behalf.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::call;
use super::rest::Problem;
use super::{Method, Network, PlacedCall, Signing};
use crate::locked;

/// How long machine detection takes where nobody says how long it may.
const DETECTION_TAKES: Duration = Duration::from_secs(5);

/// What was asked for besides the call itself.
#[derive(Clone, Debug)]
pub(super) struct Wishes {
    pub(super) ring_url: Option<(String, Method)>,
    pub(super) ring_timeout: Duration,
    pub(super) time_limit: Option<Duration>,
    pub(super) detection: Option<Detection>,
    pub(super) send_digits: String,
}

#[derive(Clone, Debug)]
pub(super) struct Detection {
    pub(super) hangs_up: bool,
    pub(super) url: Option<(String, Method)>,
    pub(super) takes: Duration,
}

/// The body of an order, read field by field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Order<'a> {
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn wanted(self, name: &str) -> Result<&'a str, Problem> {
        self.text(name).ok_or_else(|| Problem::bad(&format!("mandatory parameter missing: {name}")))
    }

    pub(super) fn url(self, name: &str) -> Result<Option<String>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match url::Url::parse(text) {
            Ok(url) if ["http", "https"].contains(&url.scheme()) => Ok(Some(text.to_owned())),
            _ => Err(Problem::bad(&format!("{name} is not a valid URL: {text}"))),
        }
    }

    pub(super) fn method(self, name: &str) -> Result<Method, Problem> {
        match self.text(name) {
            None | Some("POST") => Ok(Method::Post),
            Some("GET") => Ok(Method::Get),
            Some(other) => Err(Problem::bad(&format!("{name} is neither GET nor POST: {other}"))),
        }
    }

    fn seconds(self, name: &str) -> Result<Option<u64>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().or_else(|| value.as_str()?.parse().ok()) {
                Some(seconds) if seconds > 0 => Ok(Some(seconds)),
                _ => Err(Problem::bad(&format!("{name} is not a positive number: {value}"))),
            },
        }
    }
}

/// Places the call; the answer is the request's name.
pub(super) fn originate(network: &Arc<Network>, order: Order<'_>) -> Result<String, Problem> {
    let from = order.wanted("from")?;
    let to = order.wanted("to")?;
    let answer_url =
        order.url("answer_url")?.ok_or_else(|| Problem::bad("mandatory parameter missing: answer_url"))?;
    for (name, number) in [("from", from), ("to", to)] {
        if !is_address(number) {
            return Err(Problem::bad(&format!("{name} is not a valid number: {number}")));
        }
    }
    let detection = match order.text("machine_detection") {
        None => None,
        Some(kind @ ("true" | "hangup")) => {
            let takes = match order.seconds("machine_detection_time")? {
                Some(millis) if !(2_000..=10_000).contains(&millis) => {
                    return Err(Problem::bad("machine_detection_time is not between 2000 and 10000"));
                }
                Some(millis) => Duration::from_millis(millis),
                None => DETECTION_TAKES,
            };
            let method = order.method("machine_detection_method")?;
            let url = order.url("machine_detection_url")?.map(|url| (url, method));
            Some(Detection { hangs_up: kind == "hangup", url, takes })
        }
        Some(other) => {
            return Err(Problem::bad(&format!("machine_detection is neither true nor hangup: {other}")));
        }
    };
    let ring_method = order.method("ring_method")?;
    let wishes = Wishes {
        ring_url: order.url("ring_url")?.map(|url| (url, ring_method)),
        ring_timeout: Duration::from_secs(order.seconds("ring_timeout")?.unwrap_or(120)),
        time_limit: order.seconds("time_limit")?.map(Duration::from_secs),
        detection,
        send_digits: order.text("send_digits").unwrap_or_default().to_owned(),
    };
    let callee = locked(&network.callees).get(to).cloned().unwrap_or_else(|| network.config.callee.clone());
    let placed = PlacedCall {
        from: from.to_owned(),
        to: to.to_owned(),
        answer_url,
        answer_method: order.method("answer_method")?,
        fallback_url: order.url("fallback_url")?,
        hangup_url: order.url("hangup_url")?,
        caller: callee.caller.clone(),
        faults: callee.faults.clone(),
        signing: Signing::Right,
        ..PlacedCall::default()
    };
    let request_uuid = super::uuid();
    let live = call::originate(network, placed, callee, wishes, request_uuid.clone());
    // With nobody asking for handles the call goes on without one.
    let _ = network.originated.try_send(live);
    Ok(request_uuid)
}

fn is_address(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    text.starts_with("sip:")
        || (!digits.is_empty() && digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit()))
}
