use std::time::Duration;

use carriers::mcube::call_control::{
    API_BASE_URL, Account, Originate, OriginateError, OriginateResult, as_dialled, read_originate, ten_digits,
};
use serde_json::{Value, json};
use url::Url;
use wire::{Body, Method, Reply, Request, Secret};

const REPLIES: &str = include_str!("../../../fixtures/mcube/replies.jsonl");

#[test]
fn a_call_is_placed_with_the_token_in_the_body_and_ten_digits() {
    let request = originate("+91 91234-56780", "09876543210").unwrap();

    assert_eq!(request.method, Method::Post);
    assert_eq!(request.url, "https://api.mcube.com/Restmcube-api/outbound-calls-websocket");
    assert!(!request.idempotent, "a second request would ring a second time");
    assert!(request.headers.is_empty() && request.basic.is_none());
    let Body::SecretJson(body) = &request.body else { panic!("{request:?}") };
    let body: Value = serde_json::from_str(body.reveal()).unwrap();
    let expected = json!({"HTTP_AUTHORIZATION": "the-jwt", "exenumber": "9876543210", "custnumber": "9123456780",
        "refurl": "https://gw.example.com/mcube/call?call=1&token=hush", "refid": "our-call-id"});
    assert_eq!(body, expected);
}

#[test]
fn a_request_that_is_printed_shows_no_token() {
    let printed = format!("{:?}", originate("9123456780", "9876543210").unwrap());

    assert!(!printed.contains("the-jwt") && !printed.contains("hush"), "{printed}");
}

#[test]
fn a_base_address_with_a_path_keeps_it() {
    let account = Account {
        token: Secret::new("t"),
        api_base_url: Url::parse("https://config.mcube.com/v2/").unwrap(),
    };

    let request = account.originate(&call("9123456780", "9876543210")).unwrap();

    assert_eq!(request.url, "https://config.mcube.com/v2/Restmcube-api/outbound-calls-websocket");
}

#[test]
fn indian_numbers_have_ten_digits_however_they_are_written_and_others_are_not_cut() {
    for written in [
        "9123456780",
        "09123456780",
        "919123456780",
        "+919123456780",
        "+91 (912) 345-6780",
        "00919123456780",
        "+9109123456780",
        "tel:+919123456780",
    ] {
        assert_eq!(ten_digits(written).as_deref(), Some("9123456780"), "{written}");
        assert_eq!(as_dialled(written), "9123456780");
    }
    for foreign in
        ["+14155550123", "+441234567890", "12345", "", "+91", "91234567801", "sip:a@b", "+91912345678x"]
    {
        assert_eq!(ten_digits(foreign), None, "{foreign}");
        assert_eq!(as_dialled(foreign), foreign);
    }
    assert_eq!(
        originate("+14155550123", "9876543210"),
        Err(OriginateError::NotIndian { which: "the number to call" })
    );
    let error = originate("9123456780", "desk").unwrap_err();
    assert!(error.to_string().contains("carriers.mcube.exe_number"), "{error}");
}

#[test]
fn every_recorded_reply_is_understood() {
    let results: Vec<OriginateResult> =
        REPLIES.lines().map(|body| read_originate(&reply(200, body))).collect();

    let placed = |call_id: &str| OriginateResult::Placed { call_id: call_id.to_owned() };
    let failed = |message: &str, retry_s: Option<u64>, unsure| OriginateResult::Failed {
        message: message.to_owned(),
        retry_after: retry_s.map(Duration::from_secs),
        unsure,
    };
    assert_eq!(
        results,
        [
            placed("1746093600.90210"),
            placed("174609360090210"),
            failed("Mcube refused: Executive busy", Some(5), false),
            failed("Mcube refused: Executive is not enabled for outbound", None, false),
            failed("Mcube answered without naming the call it placed: Call initiated", None, true),
            failed("Mcube refused: Invalid token", None, false),
        ]
    );
}

#[test]
fn every_way_to_fail_is_a_failure_in_words() {
    for (status, body, expected, retry_s, unsure) in [
        (200, r#"{"status":0,"message":"no balance"}"#, "Mcube refused: no balance", None, false),
        (200, r#"{"status":"false"}"#, "Mcube refused without saying why", None, false),
        (200, r#"{"status":false,"callid":"C1","msg":"x"}"#, "Mcube refused: x", None, false),
        (200, "<html>ok</html>", "Mcube answered without naming the call it placed", None, true),
        (200, "", "Mcube answered without naming the call it placed", None, true),
        (200, "[1]", "Mcube answered without naming the call it placed", None, true),
        (400, r#"{"error":{"message":"bad number"}}"#, "Mcube refused: bad number", None, false),
        (401, "", "Mcube refused the token; check carriers.mcube.api_token", None, false),
        (
            403,
            r#"{"msg":"expired"}"#,
            "Mcube refused the token (expired); check carriers.mcube.api_token",
            None,
            false,
        ),
        (404, "<html>", "Mcube answered 404 without saying why", None, false),
        (429, "{}", "Mcube answered 429 without saying why", Some(5), false),
        (502, "<html>", "Mcube answered 502 without saying why", None, true),
    ] {
        let OriginateResult::Failed { message, retry_after, unsure: is_unsure } =
            read_originate(&reply(status, body))
        else {
            panic!("{body}")
        };
        assert_eq!((message.as_str(), is_unsure), (expected, unsure), "{status} {body}");
        assert_eq!(retry_after.map(|wait| wait.as_secs()), retry_s, "{status} {body}");
    }
    let patient = Reply { retry_after_s: Some(30), ..reply(429, "") };
    let OriginateResult::Failed { retry_after, .. } = read_originate(&patient) else { panic!() };
    assert_eq!(retry_after, Some(Duration::from_secs(30)));
}

#[test]
fn a_reply_with_a_call_and_no_status_is_a_call() {
    let result = read_originate(&reply(201, r#"{"callId":"C1"}"#));

    assert_eq!(result, OriginateResult::Placed { call_id: "C1".to_owned() });
}

fn call<'a>(to: &'a str, executive: &'a str) -> Originate<'a> {
    Originate {
        to,
        executive,
        refurl: "https://gw.example.com/mcube/call?call=1&token=hush",
        refid: "our-call-id",
    }
}

fn originate(to: &str, executive: &str) -> Result<Request, OriginateError> {
    let account = Account { token: Secret::new("the-jwt"), api_base_url: Url::parse(API_BASE_URL).unwrap() };
    account.originate(&call(to, executive))
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.to_owned(), retry_after_s: None }
}
