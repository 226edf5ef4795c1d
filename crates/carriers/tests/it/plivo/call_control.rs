//! REST: exact requests, and replies of every shape.

use std::time::Duration;

use audio::Rate;
use call::{Encoding, Sound};
use carriers::plivo::answer::{Stream, WhenGone};
use carriers::plivo::call_control::{
    Account, AccountFacts, ControlResult, Failure, Leg, MachineDetection, Originate, OriginateError,
    OriginateResult, StreamResult, read_account, read_originate, read_stream, read_update,
};
use serde_json::{Value, json};
use url::Url;
use wire::{Body, Method, Reply, Request, Secret};

const RECORDED: &str = include_str!("../../../fixtures/plivo/replies.txt");
const BASE: &str = "https://api.plivo.com/v1/Account/MA1";

fn account() -> Account {
    Account::new("MA1", Secret::new("token"), Url::parse("https://api.plivo.com").unwrap())
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.to_owned(), retry_after_s: None }
}

fn recorded() -> Vec<Reply> {
    let read = |line: &str| {
        let (status, body) = line.split_once('\t').unwrap();
        reply(status.parse().unwrap(), body)
    };
    RECORDED.lines().map(read).collect()
}

fn body(request: &Request) -> Value {
    match &request.body {
        Body::Json(json) => serde_json::from_str(json).unwrap(),
        Body::Empty => Value::Null,
        Body::Form(_) | Body::SecretJson(_) => panic!("Plivo reads JSON"),
    }
}

#[test]
fn requests_go_to_addresses_that_end_in_a_slash() {
    let account = account();
    let asked = [
        (account.hang_up("c-1"), Method::Delete, "/Call/c-1/", Value::Null),
        (account.cancel("r-1"), Method::Delete, "/Request/r-1/", Value::Null),
        (
            account.transfer("c-1", "https://gw.example.com/plivo/transfer?to=%2B1"),
            Method::Post,
            "/Call/c-1/",
            json!({"legs": "aleg", "aleg_url": "https://gw.example.com/plivo/transfer?to=%2B1", "aleg_method": "POST"}),
        ),
        (
            account.press("c-1", "1234#", Leg::A),
            Method::Post,
            "/Call/c-1/DTMF/",
            json!({"digits": "1234#", "leg": "aleg"}),
        ),
        (account.stop_stream("c-1", None), Method::Delete, "/Call/c-1/Stream/", Value::Null),
        (account.stop_stream("c-1", Some("s-1")), Method::Delete, "/Call/c-1/Stream/s-1/", Value::Null),
        (account.fetch_account(), Method::Get, "/", Value::Null),
    ];

    for (request, method, path, expected) in asked {
        assert_eq!((request.method, request.url.as_str()), (method, format!("{BASE}{path}").as_str()));
        assert_eq!(body(&request), expected);
        assert_eq!(request.basic, Some(("MA1".to_owned(), Secret::new("token"))));
        // What dials or presses must not happen twice; what ends something may.
        assert_eq!(request.idempotent, method != Method::Post, "{path}");
        assert!(!format!("{request:?}").contains("token\""), "a secret is not shown");
    }
}

#[test]
fn names_from_outside_cannot_leave_their_place_in_the_path() {
    let base = Url::parse("http://127.0.0.1:9/plivo/").unwrap();
    let account = Account::new("MA/1", Secret::new("t"), base);

    assert_eq!(
        account.hang_up("../Call/c?x=1").url,
        "http://127.0.0.1:9/plivo/v1/Account/MA%2F1/Call/%2E%2E%2FCall%2Fc%3Fx%3D1/"
    );
}

#[test]
fn a_call_is_placed_with_what_was_asked_and_nothing_else() {
    let least =
        Originate::new("+1 415 555 0123", "+14155550100", "https://gw.example.com/plivo/answer?call=1");
    let most = Originate {
        hangup_url: Some("https://gw.example.com/h"),
        ring_url: Some("https://gw.example.com/r"),
        fallback_url: Some("https://gw.example.com/f"),
        ring_timeout_s: Some(45),
        time_limit_s: Some(600),
        send_digits: Some("wW1#"),
        machine_detection: Some(MachineDetection {
            hang_up: false,
            time_ms: Some(4_000),
            tell: Some("https://gw.example.com/m"),
        }),
        sip_headers: Some("tenant=t1"),
        caller_name: Some("Ada"),
        to: "sip:desk@pbx.example.com",
        ..least.clone()
    };

    let (least, most) = (account().originate(&least).unwrap(), account().originate(&most).unwrap());

    assert_eq!((least.method, least.url.as_str()), (Method::Post, format!("{BASE}/Call/").as_str()));
    assert!(!least.idempotent, "a second try would ring twice");
    assert_eq!(
        body(&least),
        json!({"from": "+14155550100", "to": "+14155550123", "answer_method": "POST",
               "answer_url": "https://gw.example.com/plivo/answer?call=1"})
    );
    assert_eq!(
        body(&most),
        json!({
            "from": "+14155550100", "to": "sip:desk@pbx.example.com",
            "answer_url": "https://gw.example.com/plivo/answer?call=1", "answer_method": "POST",
            "hangup_url": "https://gw.example.com/h", "hangup_method": "POST",
            "ring_url": "https://gw.example.com/r", "ring_method": "POST",
            "fallback_url": "https://gw.example.com/f", "fallback_method": "POST",
            "machine_detection_url": "https://gw.example.com/m", "machine_detection_method": "POST",
            "machine_detection": "true", "machine_detection_time": 4_000,
            "ring_timeout": 45, "time_limit": 600, "send_digits": "wW1#", "sip_headers": "tenant=t1",
            "caller_name": "Ada",
        })
    );
}

#[test]
fn a_call_that_cannot_be_placed_like_this_is_not_sent() {
    let call = || Originate::new("+14155550123", "+14155550100", "https://gw.example.com/a");
    let refused = |call: Originate<'_>| account().originate(&call).unwrap_err();

    // Several numbers in one would be several calls on one bill.
    for to in ["+14155550123<+14155550124", "", "sip:", "sip:a@b<sip:c@d", "sip:a b", "anybody"] {
        assert!(matches!(refused(Originate { to, ..call() }), OriginateError::NoDestination { .. }), "{to}");
    }
    assert_eq!(refused(Originate { from: "Trunkline", ..call() }), OriginateError::NoNumber);
    let answer_url = "/relative";
    assert!(matches!(refused(Originate { answer_url, ..call() }), OriginateError::NotAbsolute { .. }));
    let ring_timeout_s = Some(601);
    assert_eq!(refused(Originate { ring_timeout_s, ..call() }), OriginateError::RingsTooLong(601));
    for digits in ["", "12a", &"1".repeat(33)] {
        let send_digits = Some(digits);
        assert!(matches!(refused(Originate { send_digits, ..call() }), OriginateError::BadDigits { .. }));
    }
    let machine_detection = Some(MachineDetection { time_ms: Some(1_999), ..MachineDetection::default() });
    assert_eq!(refused(Originate { machine_detection, ..call() }), OriginateError::DetectionTime(1_999));
    let caller_name = Some("a name that is so long that no telephone anywhere could ever show it");
    assert_eq!(refused(Originate { caller_name, ..call() }), OriginateError::NameTooLong);
}

#[test]
fn a_stream_can_be_started_by_request() {
    let stream = Stream {
        url: "wss://gw.example.com/plivo/stream",
        sound: Sound { encoding: Encoding::Pcm16, rate: Rate::Hz16000 },
        status_callback: Some("https://gw.example.com/s"),
        extra_headers: &[("token", "abc"), ("call", "1")],
        timeout_s: Some(60),
        when_gone: WhenGone::HangUp,
    };

    let request = account().start_stream("c-1", &stream);

    assert_eq!(request.url, format!("{BASE}/Call/c-1/Stream/"));
    assert_eq!(
        body(&request),
        json!({
            "service_url": "wss://gw.example.com/plivo/stream", "bidirectional": true, "audio_track": "inbound",
            "content_type": "audio/x-l16;rate=16000", "stream_timeout": 60,
            "status_callback_url": "https://gw.example.com/s", "status_callback_method": "POST",
            "extra_headers": "token=abc,call=1",
        })
    );
}

#[test]
fn replies_of_every_recorded_shape_are_understood() {
    let replies = recorded();
    let failed = |reply: &Reply| match read_update(reply) {
        ControlResult::Failed(failure) => failure,
        other => panic!("{other:?}"),
    };

    let placed = OriginateResult::Placed { request_uuid: "9834029e-58b6-11e1-b8b7-a5bd0e4e126f".to_owned() };
    assert_eq!(read_originate(&replies[0]), placed);
    assert_eq!(read_update(&replies[1]), ControlResult::Done);
    let stream_id = Some("20170ada-f610-433b-8758-c02a2aab3662".to_owned());
    assert_eq!(read_stream(&replies[2]), StreamResult::Started { stream_id });
    assert_eq!(read_update(&replies[3]), ControlResult::Done);
    assert_eq!(failed(&replies[4]).message, "Plivo refused with 400: missing to");
    assert_eq!(
        failed(&replies[5]).message,
        "Plivo refused with 400: error: invalid; from: is not a number of this account"
    );
    for at in [6, 7] {
        let failure = failed(&replies[at]);
        assert_eq!(
            (failure.message.as_str(), failure.status, failure.retry_after),
            ("Plivo refused the credentials; check the auth id and the auth token", 401, None)
        );
    }
    assert_eq!(read_update(&replies[8]), ControlResult::AlreadyOver);
    assert_eq!(
        failed(&replies[9]),
        Failure {
            message: "Plivo refused with 429: too many requests".to_owned(),
            status: 429,
            retry_after: Some(Duration::from_secs(1)),
        }
    );
    let patient = Reply { retry_after_s: Some(7), ..replies[9].clone() };
    assert_eq!(failed(&patient).retry_after, Some(Duration::from_secs(7)));
    let broken = failed(&replies[10]);
    assert_eq!(broken.message, "Plivo answered 500 without saying why");
    assert!(broken.retry_after.is_some());
    assert_eq!(
        read_account(&replies[11]),
        Ok(AccountFacts {
            auth_id: "MAXXXXXXXXXXXXXXXXXX".to_owned(),
            name: "Ada".to_owned(),
            kind: "standard".to_owned(),
            billing: "prepaid".to_owned(),
            credits: Some("4.20000".to_owned()),
        })
    );
    assert!(read_account(&replies[7]).unwrap_err().message.contains("credentials"));
    let elsewhere = read_account(&reply(200, "<html>welcome</html>")).unwrap_err();
    assert!(elsewhere.message.contains("base URL"), "{elsewhere:?}");
}

#[test]
fn a_success_that_names_no_call_is_a_failure_that_is_not_repeated() {
    for body in ["", "{}", "<html>", r#"{"request_uuid":""}"#, r#"{"request_uuid":[]}"#, "[]", "null"] {
        let OriginateResult::Failed(failure) = read_originate(&reply(201, body)) else {
            panic!("{body} placed a call")
        };
        assert_eq!(failure.retry_after, None, "{body}");
    }
    let OriginateResult::Failed(failure) = read_originate(&reply(200, r#"{"error":{"to":"bad"}}"#)) else {
        panic!("an error is no call")
    };
    assert_eq!(failure.message, "Plivo refused: to: bad");
    let list = OriginateResult::Placed { request_uuid: "r-1".to_owned() };
    assert_eq!(read_originate(&reply(201, r#"{"request_uuid":["r-1"]}"#)), list);
}

#[test]
fn an_error_of_any_size_and_depth_is_told_in_few_words() {
    let long = json!({"error": "x".repeat(10_000)}).to_string();
    let deep = format!("{}1{}", r#"{"error":"#.repeat(60), "}".repeat(60));

    for body in [long, deep] {
        let ControlResult::Failed(failure) = read_update(&reply(400, &body)) else { panic!("{body}") };
        assert!(failure.message.chars().count() < 400, "{}", failure.message.len());
    }
}
