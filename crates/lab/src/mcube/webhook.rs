//! The `refurl`: one address that is asked for a media socket and told what becomes of the call.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Casing, Clock, Webhooks};
use crate::phone::Method;
use crate::phone::socket::is_secure_or_local;
use crate::phone::web::{Answer, Body, Request};

/// No budget is documented.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const SECRET_HEADER: &str = "x-mcube-webhook-secret";

/// What is known of a call when the `refurl` is told.
#[derive(Clone, Debug)]
pub(super) struct Told<'a> {
    pub(super) call_id: &'a str,
    pub(super) is_outbound: bool,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) account_id: &'a str,
    pub(super) reference: Option<&'a str>,
    pub(super) began: Timestamp,
    /// None while the call is connected: the gateway is asked, not told.
    pub(super) status: Option<Status>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// `ANSWER`, `BUSY`, `EXECUTIVE BUSY`, `CANCEL`, `NOANSWER`.
    pub(super) dial_status: &'static str,
    pub(super) ended: Option<Timestamp>,
    pub(super) talked: Duration,
    pub(super) by_customer: bool,
}

/// The webhook's name for each thing, in every casing.
fn names(casing: Casing) -> [&'static str; 11] {
    match casing {
        Casing::Camel => [
            "callId",
            "callDirection",
            "fromNumber",
            "toNumber",
            "dialStatus",
            "callProvider",
            "accountId",
            "startTime",
            "endTime",
            "answeredTime",
            "filename",
        ],
        Casing::Snake => [
            "call_id",
            "call_direction",
            "from_number",
            "to_number",
            "dial_status",
            "call_provider",
            "account_id",
            "start_time",
            "end_time",
            "answered_time",
            "filename",
        ],
        Casing::Lower | Casing::Older => [
            "callid",
            "calldirection",
            "fromnumber",
            "tonumber",
            "dialstatus",
            "callprovider",
            "accountid",
            "starttime",
            "endtime",
            "answeredtime",
            "filename",
        ],
    }
}

pub(super) fn request(refurl: &str, webhooks: &Webhooks, told: &Told<'_>) -> Request {
    let body = match (webhooks.casing, &told.status) {
        (Casing::Older, Some(status)) => older(webhooks, told, status),
        _ => newer(webhooks, told),
    };
    let secret = webhooks.secret.clone().map(|secret| (SECRET_HEADER.to_owned(), secret));
    Request {
        method: Method::Post,
        url: refurl.to_owned(),
        headers: secret.into_iter().collect(),
        body: match webhooks.content_type.clone() {
            None => Body::Json(Value::Object(body)),
            Some(content_type) => Body::Text { content_type, text: Value::Object(body).to_string() },
        },
    }
}

fn newer(webhooks: &Webhooks, told: &Told<'_>) -> Map<String, Value> {
    let [call, direction, from, to, dial, provider, account, start, end, answered, filename] =
        names(webhooks.casing);
    let mut body = Map::new();
    let mut put = |name: &str, value: String| {
        body.insert(name.to_owned(), Value::String(value));
    };
    put(call, told.call_id.to_owned());
    put(direction, if told.is_outbound { "outbound" } else { "inbound" }.to_owned());
    put(from, told.from.to_owned());
    put(to, told.to.to_owned());
    put(provider, "mcube".to_owned());
    put(account, told.account_id.to_owned());
    put(start, date_time(told.began));
    match &told.status {
        None if webhooks.says_connecting => put(dial, status_word(webhooks, "CONNECTING")),
        None => {}
        Some(status) => {
            put(dial, status_word(webhooks, status.dial_status));
            put(answered, duration(webhooks.clock, status.talked));
            if let Some(ended) = status.ended {
                put(end, date_time(ended));
                if status.dial_status == "ANSWER" {
                    put(filename, format!("https://recordings.mcube.invalid/{}.wav", told.call_id));
                }
            }
        }
    }
    body
}

/// The older status hook, with the agent's side and the customer's side named as a call centre sees them.
fn older(webhooks: &Webhooks, told: &Told<'_>, status: &Status) -> Map<String, Value> {
    let (ours, customer) = if told.is_outbound { (told.from, told.to) } else { (told.to, told.from) };
    let fields = [
        ("callid", told.call_id.to_owned()),
        ("starttime", date_time(told.began)),
        ("emp_phone", ours.to_owned()),
        ("clicktocalldid", ours.to_owned()),
        ("callto", customer.to_owned()),
        ("dialstatus", status_word(webhooks, status.dial_status)),
        ("direction", if told.is_outbound { "outbound" } else { "inbound" }.to_owned()),
        ("groupname", "lab".to_owned()),
        ("agentname", "lab".to_owned()),
        ("refid", told.reference.unwrap_or_default().to_owned()),
        ("filename", format!("{}.wav", told.call_id)),
        ("endtime", status.ended.map(date_time).unwrap_or_default()),
        ("disconnectedby", if status.by_customer { "customer" } else { "agent" }.to_owned()),
        ("answeredtime", duration(webhooks.clock, status.talked)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

fn status_word(webhooks: &Webhooks, word: &str) -> String {
    if webhooks.small_statuses { word.to_ascii_lowercase() } else { word.to_owned() }
}

fn date_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn duration(clock: Clock, time: Duration) -> String {
    let seconds = time.as_secs();
    match clock {
        Clock::Seconds => seconds.to_string(),
        Clock::HoursMinutesSeconds => {
            format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
        }
    }
}

/// The socket a gateway names, or what is wrong with its answer.
pub(super) fn socket_of(answer: &Answer) -> Result<String, String> {
    if answer.status != 200 {
        return Err(format!("the refurl answers with status {}", answer.status));
    }
    if !answer.content_type.starts_with("application/json") {
        return Err(format!("the refurl's answer is {:?}, not application/json", answer.content_type));
    }
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(&answer.body) else {
        return Err("the refurl's answer is not a JSON object".into());
    };
    match body.get("wss_url").and_then(Value::as_str) {
        Some(url) if is_secure_or_local(url) => Ok(url.to_owned()),
        Some(url) => Err(format!("wss_url {url:?} is not wss")),
        None => Err("the refurl's answer has no wss_url".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: Option<Status>) -> Told<'static> {
        Told {
            call_id: "c1",
            is_outbound: false,
            from: "9123456780",
            to: "8047654321",
            account_id: "1001",
            reference: Some("r1"),
            began: Timestamp::UNIX_EPOCH,
            status,
        }
    }

    fn body(webhooks: &Webhooks, status: Option<Status>) -> Value {
        match request("http://gw/mcube", webhooks, &told(status)).body {
            Body::Json(body) => body,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_clocks_and_every_casing_are_written() {
        let status = Status {
            dial_status: "EXECUTIVE BUSY",
            ended: Some(Timestamp::UNIX_EPOCH),
            talked: Duration::from_secs(3_672),
            by_customer: true,
        };
        let with = |casing, clock| Webhooks { casing, clock, ..Webhooks::default() };

        let camel = body(&with(Casing::Camel, Clock::Seconds), Some(status.clone()));
        assert_eq!(
            (&camel["dialStatus"], &camel["answeredTime"]),
            (&"EXECUTIVE BUSY".into(), &"3672".into())
        );
        assert_eq!(camel["endTime"], "1970-01-01 00:00:00");
        let snake = body(&with(Casing::Snake, Clock::HoursMinutesSeconds), Some(status.clone()));
        assert_eq!((&snake["call_id"], &snake["answered_time"]), (&"c1".into(), &"01:01:12".into()));
        let lower = Webhooks { small_statuses: true, ..with(Casing::Lower, Clock::Seconds) };
        assert_eq!(body(&lower, Some(status.clone()))["dialstatus"], "executive busy");
        let older = body(&with(Casing::Older, Clock::HoursMinutesSeconds), Some(status));
        assert_eq!((&older["callto"], &older["refid"]), (&"9123456780".into(), &"r1".into()));
    }

    #[test]
    fn connecting_is_said_or_left_out() {
        assert_eq!(body(&Webhooks::default(), None)["dialStatus"], "CONNECTING");
        let silent = Webhooks { says_connecting: false, ..Webhooks::default() };
        assert!(body(&silent, None).get("dialStatus").is_none());
    }
}
