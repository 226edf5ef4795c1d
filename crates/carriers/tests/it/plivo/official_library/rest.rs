//! REST: the same requests, and the same reading of the replies.

use audio::Rate;
use call::{Encoding, Sound};
use carriers::plivo::answer::{Stream, WhenGone};
use carriers::plivo::call_control::{Account, ControlResult, Leg, MachineDetection, Originate, read_update};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;
use wire::{Body, Method, Reply, Request, Secret};

use crate::peers;

/// What its client adds of itself: the defaults of things that we leave to Plivo, and names that are in the address.
const ITS_DEFAULTS: [&str; 4] = ["error_if_parent_not_found", "bleg_method", "call_uuid", "stream_id"];

#[derive(Debug, PartialEq, Deserialize)]
struct Sent {
    method: String,
    url: String,
    auth: (String, String),
    body: Option<Map<String, Value>>,
}

#[test]
fn its_client_sends_what_we_send_and_reads_what_we_read() {
    let replies: Vec<Reply> = include_str!("../../../../fixtures/plivo/replies.txt")
        .lines()
        .map(|line| {
            let (status, body) = line.split_once('\t').unwrap();
            Reply { status: status.parse().unwrap(), body: body.to_owned(), retry_after_s: None }
        })
        .collect();
    let asked: Vec<Value> =
        replies.iter().map(|reply| json!({"status": reply.status, "body": reply.body})).collect();

    let Some(found) = peers::run(peers::PLIVO, "plivo_rest.py", &json!(asked)) else { return };

    let theirs: Vec<Sent> = serde_json::from_value(found["requests"].clone()).unwrap();
    let ours: Vec<Sent> = requests().into_iter().map(sent).collect();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        assert_eq!(ours, without_defaults(theirs));
    }
    for (reply, theirs) in replies.iter().zip(found["replies"].as_array().unwrap()) {
        let result = match read_update(reply) {
            ControlResult::Done => "done",
            ControlResult::AlreadyOver => "gone",
            ControlResult::Failed(failure) => {
                // Where Plivo gives its reason in one text, both of us tell it.
                let said = serde_json::from_str::<Value>(&reply.body).unwrap_or_default();
                if let Some(said) = said["error"].as_str() {
                    assert!(failure.message.contains(said), "{failure:?}");
                }
                "failed"
            }
        };
        assert_eq!(theirs["result"], result, "{reply:?}: {theirs}");
    }
}

fn requests() -> Vec<Request> {
    let account = Account::new(
        "MAXXXXXXXXXXXXXXXXXX",
        Secret::new("token"),
        Url::parse("https://api.plivo.com").unwrap(),
    );
    let call = Originate {
        hangup_url: Some("https://gw.example.com/hangup"),
        ring_url: Some("https://gw.example.com/ring"),
        fallback_url: Some("https://gw.example.com/fallback"),
        ring_timeout_s: Some(45),
        time_limit_s: Some(3600),
        send_digits: Some("wW1#"),
        machine_detection: Some(MachineDetection {
            hang_up: false,
            time_ms: Some(4_000),
            tell: Some("https://gw.example.com/machine"),
        }),
        sip_headers: Some("tenant=t1"),
        caller_name: Some("Ada"),
        ..Originate::new("+14155550123", "+18005551212", "https://gw.example.com/answer?call=1")
    };
    let stream = Stream {
        url: "wss://gw.example.com/plivo/stream",
        sound: Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 },
        status_callback: Some("https://gw.example.com/status"),
        extra_headers: &[("token", "abc"), ("call", "1")],
        timeout_s: Some(60),
        when_gone: WhenGone::HangUp,
    };
    vec![
        account.hang_up("c-1"),
        account.cancel("r-1"),
        account.transfer("c-1", "https://gw.example.com/next?a=1"),
        account.press("c-1", "1234#", Leg::A),
        account.originate(&call).unwrap(),
        account.start_stream("c-1", &stream),
        account.stop_stream("c-1", Some("s-1")),
        account.stop_stream("c-1", None),
        account.fetch_account(),
    ]
}

fn sent(request: Request) -> Sent {
    let (user, secret) = request.basic.unwrap();
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    };
    let body = match request.body {
        Body::Json(json) => Some(serde_json::from_str(&json).unwrap()),
        Body::Empty => None,
        Body::Form(_) | Body::SecretJson(_) => panic!("Plivo reads JSON"),
    };
    Sent { method: method.to_owned(), url: request.url, auth: (user, secret.reveal().to_owned()), body }
}

/// Its request without what it would not have had to say. A body that says nothing is none.
fn without_defaults(mut sent: Sent) -> Sent {
    if let Some(body) = &mut sent.body {
        body.retain(|name, _| !ITS_DEFAULTS.contains(&name.as_str()));
    }
    sent.body = sent.body.filter(|body| !body.is_empty());
    sent
}
