//! REST requests as data, and what the replies mean.

use std::time::Duration;

use carriers::twilio::call_control::{
    Account, AccountFacts, Amendment, ApiKey, ControlResult, Instructions, MachineDetection, Originate,
    OriginateError, OriginateResult, Progress, read_account, read_originate, read_update, regional_base_url,
};
use carriers::twilio::twiml::{self, StartStream, Track, TwimlError};
use carriers::twilio::webhook::CallStatus;
use url::Url;
use wire::{Body, Method, Reply, Request, Secret};

const CALLS: &str = "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls";

#[test]
fn a_call_is_ended_by_completing_it() {
    let request = account().hang_up("CA1");

    assert_eq!(
        request,
        Request {
            method: Method::Post,
            url: format!("{CALLS}/CA1.json"),
            headers: vec![],
            basic: Some(("AC1".to_owned(), Secret::new("token"))),
            body: Body::Form(vec![("Status".to_owned(), "completed".to_owned())]),
            idempotent: true,
        }
    );
    assert_eq!(form(&account().cancel("CA1")), [("Status", "canceled")]);
}

#[test]
fn a_call_is_handed_over_by_another_document() {
    let document = twiml::dial(&twiml::Dial::to("+14155550123").unwrap()).unwrap();
    let request = account().transfer("CA1", &document).unwrap();

    assert_eq!(request.url, format!("{CALLS}/CA1.json"));
    assert_eq!(form(&request), [("Twiml", document.as_str())]);
    assert!(!request.idempotent, "dialling twice rings twice");
    let redirect = account().redirect_to("CA1", &Url::parse("https://gw.example.com/next?a=1").unwrap());
    assert_eq!(form(&redirect), [("Url", "https://gw.example.com/next?a=1"), ("Method", "POST")]);

    let long = twiml::say_and_hang_up(&"a".repeat(4_000), None).unwrap();
    assert!(matches!(account().transfer("CA1", &long), Err(TwimlError::TooLongInline { .. })));
}

#[test]
fn a_running_call_is_amended_without_disturbing_it() {
    let watched =
        Amendment { status_callback: Some("https://gw.example.com/status"), ..Amendment::default() };
    let limited = Amendment { time_limit_s: Some(600), ..Amendment::default() };

    assert_eq!(
        form(&account().amend("CA1", &watched)),
        [("StatusCallback", "https://gw.example.com/status"), ("StatusCallbackMethod", "POST")]
    );
    assert_eq!(form(&account().amend("CA1", &limited)), [("TimeLimit", "600")]);
    assert_eq!(account().amend("CA1", &limited).url, format!("{CALLS}/CA1.json"));
}

#[test]
fn a_call_is_placed_with_all_it_is_told() {
    let document = twiml::hang_up().unwrap();
    let call = Originate {
        status_callback: Some("https://gw.example.com/status"),
        progress: &[Progress::Initiated, Progress::Ringing, Progress::Answered, Progress::Completed],
        timeout_s: Some(30),
        send_digits: Some("wW1#"),
        machine_detection: Some(MachineDetection {
            wait_for_beep: true,
            timeout_s: Some(10),
            tell: Some("https://gw.example.com/amd"),
        }),
        time_limit_s: Some(3600),
        record: true,
        caller_id: Some("+18005551213"),
        call_token: Some("t"),
        ..Originate::new("+14155550123", "+18005551212", Instructions::Document(&document))
    };

    let request = account().originate(&call).unwrap();

    assert_eq!(
        (request.method, request.url.as_str()),
        (Method::Post, "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json")
    );
    assert!(!request.idempotent);
    assert_eq!(
        form(&request),
        [
            ("To", "+14155550123"),
            ("From", "+18005551212"),
            ("Twiml", document.as_str()),
            ("StatusCallback", "https://gw.example.com/status"),
            ("StatusCallbackMethod", "POST"),
            ("StatusCallbackEvent", "initiated"),
            ("StatusCallbackEvent", "ringing"),
            ("StatusCallbackEvent", "answered"),
            ("StatusCallbackEvent", "completed"),
            ("Timeout", "30"),
            ("SendDigits", "wW1#"),
            ("MachineDetection", "DetectMessageEnd"),
            ("MachineDetectionTimeout", "10"),
            ("AsyncAmd", "true"),
            ("AsyncAmdStatusCallback", "https://gw.example.com/amd"),
            ("AsyncAmdStatusCallbackMethod", "POST"),
            ("TimeLimit", "3600"),
            ("Record", "true"),
            ("CallerId", "+18005551213"),
            ("CallToken", "t"),
        ]
    );
}

#[test]
fn calls_that_twilio_would_refuse_are_refused_here() {
    let plain = Originate::new("+1", "+2", Instructions::Url("https://gw.example.com/"));
    let place = |call: Originate<'_>| account().originate(&call).map(|_| ());

    assert_eq!(place(plain.clone()), Ok(()));
    assert_eq!(place(Originate { to: "", ..plain.clone() }), Err(OriginateError::NoNumber));
    assert_eq!(
        place(Originate { timeout_s: Some(601), ..plain.clone() }),
        Err(OriginateError::TimeoutTooLong(601))
    );
    for digits in ["", "1x", "111111111111111111111111111111111"] {
        let error = OriginateError::BadDigits { digits: digits.to_owned() };
        assert_eq!(place(Originate { send_digits: Some(digits), ..plain.clone() }), Err(error));
    }
    let long = twiml::say_and_hang_up(&"a".repeat(4_000), None).unwrap();
    let error = place(Originate { instructions: Instructions::Document(&long), ..plain });
    assert!(matches!(error, Err(OriginateError::Document(TwimlError::TooLongInline { .. }))));
}

#[test]
fn listening_in_is_started_and_stopped() {
    let tap = StartStream {
        url: "wss://gw.example.com/tap",
        name: Some("tap"),
        track: Track::Both,
        status_callback: Some("https://gw.example.com/stream"),
        parameters: &[("k", "v"), ("l", "w")],
    };

    let request = account().start_stream("CA1", &tap).unwrap();

    assert_eq!(request.url, format!("{CALLS}/CA1/Streams.json"));
    assert_eq!(
        form(&request),
        [
            ("Url", "wss://gw.example.com/tap"),
            ("Track", "both_tracks"),
            ("Name", "tap"),
            ("StatusCallback", "https://gw.example.com/stream"),
            ("Parameter1.Name", "k"),
            ("Parameter1.Value", "v"),
            ("Parameter2.Name", "l"),
            ("Parameter2.Value", "w"),
        ]
    );
    let stop = account().stop_stream("CA1", "my tap");
    assert_eq!(stop.url, format!("{CALLS}/CA1/Streams/my%20tap.json"));
    assert_eq!(form(&stop), [("Status", "stopped")]);
    let many = vec![("k", "v"); 100];
    assert_eq!(
        account().start_stream("CA1", &StartStream { parameters: &many, ..tap }),
        Err(TwimlError::TooManyParameters { count: 100 })
    );
}

#[test]
fn other_hosts_and_other_credentials_are_used_where_given() {
    let regional = Account {
        api_base_url: regional_base_url("dublin", "ie1").unwrap(),
        api_key: Some(ApiKey { sid: "SK1".to_owned(), secret: Secret::new("key") }),
        ..account()
    };
    let emulated =
        Account { api_base_url: Url::parse("http://127.0.0.1:4010/twilio/").unwrap(), ..account() };

    let request = regional.fetch_account();

    assert_eq!(request.method, Method::Get);
    assert_eq!(request.body, Body::Empty);
    assert_eq!(request.url, "https://api.dublin.ie1.twilio.com/2010-04-01/Accounts/AC1.json");
    assert_eq!(request.basic, Some(("SK1".to_owned(), Secret::new("key"))));
    assert_eq!(
        emulated.hang_up("CA1").url,
        "http://127.0.0.1:4010/twilio/2010-04-01/Accounts/AC1/Calls/CA1.json"
    );
    assert!(!format!("{regional:?}").contains("key\""), "secrets are not printed");
}

#[test]
fn identifiers_cannot_leave_their_place_in_the_path() {
    let url = account().hang_up("../../Accounts/AC2?x=1#").url;

    assert_eq!(url, format!("{CALLS}/%2E%2E%2F%2E%2E%2FAccounts%2FAC2%3Fx%3D1%23.json"));
}

#[test]
fn ending_what_has_ended_is_a_success() {
    for (status, body) in [
        (404, r#"{"code":20404,"message":"The requested resource was not found","status":404}"#),
        (404, "<html>"),
        (
            400,
            r#"{"code":21220,"message":"Call is not in-progress. Cannot redirect.","more_info":"https://www.twilio.com/docs/errors/21220","status":400}"#,
        ),
    ] {
        assert_eq!(read_update(&reply(status, body)), ControlResult::AlreadyOver, "{body}");
    }
    assert_eq!(read_update(&reply(200, r#"{"sid":"CA1","status":"completed"}"#)), ControlResult::Done);
}

#[test]
fn refusals_say_what_and_whether_to_try_again() {
    let refused = |reply: &Reply| match read_update(reply) {
        ControlResult::Failed { message, code, retry_after } => (message, code, retry_after),
        other => panic!("{other:?}"),
    };

    assert_eq!(
        refused(&reply(400, r#"{"code":15004,"message":"Invalid action","status":400,"details":{"a":1}}"#)),
        (
            "Twilio refused: Invalid action [https://www.twilio.com/docs/errors/15004]".to_owned(),
            Some(15004),
            None
        )
    );
    assert_eq!(
        refused(&reply(401, r#"{"code":20003,"message":"Authenticate","status":401}"#)),
        (
            "Twilio refused the credentials (Authenticate); check the account SID and the auth token \
             [https://www.twilio.com/docs/errors/20003]"
                .to_owned(),
            Some(20003),
            None
        )
    );
    let patient =
        Reply { retry_after_s: Some(7), ..reply(429, r#"{"code":20429,"message":"Too Many Requests"}"#) };
    assert_eq!(refused(&patient).2, Some(Duration::from_secs(7)));
    assert_eq!(refused(&reply(429, "")).2, Some(Duration::from_secs(1)));
    assert_eq!(
        refused(&reply(503, "<html>")),
        ("Twilio answered 503 without saying why".to_owned(), None, Some(Duration::from_secs(1)))
    );
    // The newer form of refusal, RFC 9457.
    let problem = r#"{"type":"https://www.twilio.com/docs/api/errors/20001","title":"Invalid parameter","status":400,"code":20001,"detail":"Twiml is malformed"}"#;
    assert_eq!(
        refused(&reply(400, problem)).0,
        "Twilio refused: Twiml is malformed [https://www.twilio.com/docs/errors/20001]"
    );
    // Anything else that comes over a wire.
    for body in ["", "null", "[]", r#"{"code":"x"}"#, r#"{"code":-1,"message":7}"#] {
        assert_eq!(
            refused(&reply(400, body)),
            ("Twilio answered 400 without saying why".to_owned(), None, None)
        );
    }
}

#[test]
fn a_placed_call_has_a_name() {
    assert_eq!(
        read_originate(&reply(201, r#"{"sid":"CA9","status":"queued","to":"+1"}"#)),
        OriginateResult::Placed { call_sid: "CA9".to_owned(), status: CallStatus::Queued }
    );
    let nameless = read_originate(&reply(201, "{}"));
    assert!(matches!(nameless, OriginateResult::Failed { retry_after: None, .. }), "it may ring already");
    let unverified = read_originate(&reply(400, r#"{"code":21219,"message":"The number is unverified."}"#));
    assert!(matches!(unverified, OriginateResult::Failed { code: Some(21219), .. }));
    let gone = read_originate(&reply(404, r#"{"code":20404,"message":"not found"}"#));
    assert!(
        matches!(gone, OriginateResult::Failed { code: Some(20404), .. }),
        "nothing was placed, so nothing is over"
    );
}

#[test]
fn an_account_says_who_it_is() {
    let body =
        r#"{"sid":"AC1","friendly_name":"Reception","status":"active","type":"Full","auth_token":"secret"}"#;

    assert_eq!(
        read_account(&reply(200, body)),
        Ok(AccountFacts {
            sid: "AC1".to_owned(),
            friendly_name: "Reception".to_owned(),
            status: "active".to_owned(),
            kind: "Full".to_owned(),
        })
    );
    assert!(read_account(&reply(200, "<html>")).unwrap_err().message.contains("base URL"));
    assert_eq!(
        read_account(&reply(401, r#"{"code":20003,"message":"Authenticate"}"#)).unwrap_err().code,
        Some(20003)
    );
}

fn account() -> Account {
    Account::new("AC1", Secret::new("token"), Url::parse("https://api.twilio.com").unwrap())
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
