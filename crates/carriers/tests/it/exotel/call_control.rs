//! Requests to Exotel, and its answers in every shape.

use std::time::Duration;

use carriers::exotel::call_control::{
    Account, ActiveStreams, Joins, LEGS_MUMBAI, LegResult, Legs, MUMBAI, Originate, OriginateError,
    OriginateResult, check_stream_url, read_active_streams, read_leg, read_originate,
};
use carriers::exotel::webhook::CallStatus;
use proptest::prelude::*;
use url::Url;
use wire::{Body, Method, Reply, Request, Secret};

const STREAM: &str = "wss://voice.example.com/voicebot/ws?call_id=0190&sample-rate=8000&token=t1";

fn account() -> Account {
    Account {
        account_sid: "acme1".to_owned(),
        api_key: "key".to_owned(),
        api_token: Secret::new("secret"),
        api_base_url: Url::parse(MUMBAI).unwrap(),
    }
}

fn form(request: &Request) -> Vec<(&str, &str)> {
    match &request.body {
        Body::Form(pairs) => pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        other => panic!("{other:?}"),
    }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.to_owned(), retry_after_s: None }
}

#[test]
fn a_call_to_a_stream_says_all_that_exotel_documents() {
    let call = Originate {
        status_callback: Some("https://voice.example.com/webhooks/exotel/status?call_id=0190"),
        ring_s: Some(30),
        time_limit_s: Some(3_600),
        stream_name: Some("trunkline"),
        custom_field: Some("0190"),
        ..Originate::new("+919876543210", "08047112233", Joins::Stream(STREAM))
    };

    let request = account().originate(&call).unwrap();

    assert_eq!((request.method, request.idempotent), (Method::Post, false));
    assert_eq!(request.url, "https://api.in.exotel.com/v1/Accounts/acme1/Calls/connect.json");
    assert_eq!(request.basic, Some(("key".to_owned(), Secret::new("secret"))));
    assert_eq!(
        form(&request),
        [
            ("From", "+919876543210"),
            ("CallerId", "08047112233"),
            ("StreamUrl", STREAM),
            ("StreamType", "bidirectional"),
            ("StreamName", "trunkline"),
            ("StatusCallback", "https://voice.example.com/webhooks/exotel/status?call_id=0190"),
            ("StatusCallbackEvents[]", "ringing"),
            ("StatusCallbackEvents[]", "answered"),
            ("StatusCallbackEvents[]", "terminal"),
            ("TimeLimit", "3600"),
            ("CustomField", "0190"),
        ]
    );
}

#[test]
fn a_call_to_a_flow_never_names_a_stream() {
    let call = Originate {
        ring_s: Some(30),
        stream_name: Some("trunkline"),
        ..Originate::new("09876543210", "08047112233", Joins::Flow("1118"))
    };

    let request = account().originate(&call).unwrap();

    assert_eq!(
        form(&request),
        [
            ("From", "09876543210"),
            ("CallerId", "08047112233"),
            ("Url", "https://my.exotel.com/acme1/exoml/start_voice/1118"),
            ("CallType", "trans"),
            ("TimeOut", "30"),
        ]
    );
}

#[test]
fn what_exotel_would_refuse_is_refused_before_it_is_asked() {
    let url = |url: &str| account().originate(&Originate::new("1", "2", Joins::Stream(url))).err();
    let with = |change: fn(&mut Originate<'_>)| {
        let mut call = Originate::new("1", "2", Joins::Stream("wss://h/"));
        change(&mut call);
        account().originate(&call).err()
    };

    assert_eq!(url("https://h/"), Some(OriginateError::NotAStreamUrl));
    assert_eq!(url("wss://h/?a=1&b=2&c=3"), None);
    assert_eq!(url("wss://h/?a=1&b=2&c=3&d=4"), Some(OriginateError::TooManyParameters));
    assert_eq!(url(&format!("wss://h/?a={}", "x".repeat(255))), Some(OriginateError::TooManyParameters));
    assert_eq!(url(&format!("wss://h/{}", "x".repeat(592))), Some(OriginateError::StreamUrlTooLong(600)));
    assert!(check_stream_url(&format!("wss://h/{}", "x".repeat(591))).is_ok());
    assert_eq!(with(|call| call.to = ""), Some(OriginateError::NoNumber));
    assert_eq!(with(|call| call.caller_id = ""), Some(OriginateError::NoNumber));
    assert_eq!(with(|call| call.time_limit_s = Some(14_401)), Some(OriginateError::TimeLimitTooLong(14_401)));
    let long = "a name that has more than thirty-two characters";
    assert_eq!(
        account().originate(&Originate {
            stream_name: Some(long),
            ..Originate::new("1", "2", Joins::Stream("wss://h/"))
        }),
        Err(OriginateError::StreamNameTooLong)
    );
    let field = "x".repeat(129);
    assert_eq!(
        account().originate(&Originate {
            custom_field: Some(&field),
            ..Originate::new("1", "2", Joins::Flow("1"))
        }),
        Err(OriginateError::CustomFieldTooLong)
    );
    for flow in ["", "../x", "1 2", "1/2"] {
        let refused = account().originate(&Originate::new("1", "2", Joins::Flow(flow)));
        assert_eq!(refused, Err(OriginateError::NotAFlow(flow.to_owned())));
    }
}

#[test]
fn a_placed_call_is_found_in_every_shape_of_the_answer() {
    for body in [
        include_str!("../../../fixtures/exotel/rest/connect-placed.json"),
        include_str!("../../../fixtures/exotel/rest/connect-placed-lower-case.json"),
        include_str!("../../../fixtures/exotel/rest/connect-placed.xml"),
        r#"{"response":{"Call":{"sid":"c5797dcbaaeed7678c4062a4a3ed2f8a","status":"queued"}}}"#,
        r#"{"Sid":"c5797dcbaaeed7678c4062a4a3ed2f8a"}"#,
    ] {
        match read_originate(&reply(200, body)) {
            OriginateResult::Placed { call_sid, .. } => {
                assert_eq!(call_sid, "c5797dcbaaeed7678c4062a4a3ed2f8a")
            }
            failed => panic!("{body}: {failed:?}"),
        }
    }
    let documented = include_str!("../../../fixtures/exotel/rest/connect-placed.json");
    assert!(matches!(
        read_originate(&reply(200, documented)),
        OriginateResult::Placed { status: CallStatus::InProgress, .. }
    ));
}

#[test]
fn a_refusal_says_why_in_every_shape_of_the_answer() {
    let refused = |status, body: &str| match read_originate(&reply(status, body)) {
        OriginateResult::Failed(failure) => failure,
        placed => panic!("{body}: {placed:?}"),
    };

    let credentials = refused(401, include_str!("../../../fixtures/exotel/rest/refused-unauthorised.json"));
    assert!(
        credentials.message.contains("Authentication failed") && credentials.message.contains("api_token")
    );
    assert_eq!((credentials.code, credentials.retry_after), (Some(1001), None));
    let lower = refused(400, include_str!("../../../fixtures/exotel/rest/refused-bad-parameter.json"));
    assert_eq!(lower.message, "Exotel refused: Mandatory Parameter missing");
    assert_eq!((lower.code, lower.unclear), (Some(34_001), false));
    let xml = refused(403, include_str!("../../../fixtures/exotel/rest/refused.xml"));
    assert!(xml.message.contains("Account is not KYC & compliant"), "{}", xml.message);
    let in_disguise = refused(200, include_str!("../../../fixtures/exotel/rest/refused-unauthorised.json"));
    assert!(in_disguise.message.contains("credentials"), "an error in an answer of status 200");
    let often = refused(429, "");
    assert_eq!(often.message, "Exotel answered 429 without saying why");
    assert_eq!(often.retry_after, Some(Duration::from_secs(10)));
    let asked = Reply { retry_after_s: Some(3), ..reply(429, "{}") };
    assert!(
        matches!(read_originate(&asked), OriginateResult::Failed(f) if f.retry_after == Some(Duration::from_secs(3)))
    );
    let proxy = refused(502, "<html><body>Bad Gateway</body></html>");
    assert!(proxy.unclear && proxy.retry_after.is_some());
    let nameless = refused(200, r#"{"Call":{"Sid":""}}"#);
    assert!(
        nameless.unclear && nameless.retry_after.is_none(),
        "a second try could ring the same person twice"
    );
    assert!(refused(200, "").unclear);
    assert!(refused(200, "[]").unclear);
}

#[test]
fn the_account_says_how_many_streams_run() {
    let request = account().active_streams();
    assert_eq!((request.method, request.idempotent), (Method::Get, true));
    assert_eq!(request.url, "https://api.in.exotel.com/v1/Accounts/acme1/ActiveStreams");
    let read = |body: &str| read_active_streams(&reply(200, body)).unwrap();

    let some = read(include_str!("../../../fixtures/exotel/rest/active-streams.xml"));
    assert_eq!(some, ActiveStreams { active: 3, limit: Some(10) });
    assert!(!some.is_full());
    let full = read(
        "<TwilioResponse><Stream><ActiveStreamCount>10</ActiveStreamCount><ThrottleLimit>10</ThrottleLimit></Stream></TwilioResponse>",
    );
    assert!(full.is_full());
    let json = read(r#"{"TwilioResponse":{"Stream":{"ActiveStreamCount":"4","ThrottleLimit":5}}}"#);
    assert_eq!(json, ActiveStreams { active: 4, limit: Some(5) });
    assert!(!read("<stream><activestreamcount>7</activestreamcount></stream>").is_full(), "no limit is none");
    for (status, body) in [(200, "<html/>"), (200, ""), (404, "")] {
        assert!(read_active_streams(&reply(status, body)).is_err(), "{body}");
    }
    assert_eq!(
        account().fetch_call("../c/1").url,
        "https://api.in.exotel.com/v1/Accounts/acme1/Calls/%2E%2E%2Fc%2F1.json"
    );
}

#[test]
fn legs_are_rung_connected_and_ended() {
    let legs = Legs {
        account_sid: "acme1".to_owned(),
        api_key: "key".to_owned(),
        api_token: Secret::new("secret"),
        base_url: Url::parse(LEGS_MUMBAI).unwrap(),
    };
    let base = "https://cpaas-api.in.exotel.com/v2/accounts/acme1";
    let body = |request: &Request| match &request.body {
        Body::Json(body) => serde_json::from_str::<serde_json::Value>(body).unwrap(),
        other => panic!("{other:?}"),
    };

    let hang_up = legs.hang_up("leg1");
    assert_eq!(hang_up.url, format!("{base}/legs/leg1/actions/hangup"));
    assert_eq!(body(&hang_up), serde_json::json!({}));
    let create = legs.create("+919876543210", "08047112233", 30);
    assert_eq!(create.url, format!("{base}/legs"));
    assert_eq!(body(&create)["contact_uri"], "+919876543210");
    let bridge = legs.bridge("leg1", "leg2");
    assert_eq!(bridge.url, format!("{base}/bridges"));
    assert_eq!(body(&bridge), serde_json::json!({"leg_sids": ["leg1", "leg2"]}));

    let done = read_leg(&reply(201, r#"{"data":{"leg_sid":"leg2","state":"connecting"}}"#));
    assert_eq!(done, LegResult::Done { leg_sid: Some("leg2".to_owned()) });
    assert_eq!(read_leg(&reply(202, "")), LegResult::Done { leg_sid: None });
    assert_eq!(read_leg(&reply(404, "")), LegResult::AlreadyOver);
    match read_leg(&reply(400, r#"{"error":{"code":9,"message":"no such exophone"}}"#)) {
        LegResult::Failed(failure) => assert!(failure.message.contains("400"), "{}", failure.message),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        read_leg(&reply(422, r#"{"message":"no such exophone"}"#)),
        LegResult::Failed(failure) if failure.message == "Exotel refused: no such exophone"
    ));
}

proptest! {
    #[test]
    fn answers_may_say_anything(
        status in prop::sample::select(vec![200u16, 201, 302, 400, 401, 403, 404, 429, 500, 502]),
        body in ".{0,300}",
        wrapped in any::<bool>(),
    ) {
        let body = if wrapped { format!("<Call><Sid>{body}</Sid><RestException><Message>{body}") } else { body };
        let reply = reply(status, &body);
        let _ = read_originate(&reply);
        let _ = read_active_streams(&reply);
        let _ = read_leg(&reply);
    }
}
