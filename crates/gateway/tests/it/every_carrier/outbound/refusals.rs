//! What a carrier's own interface answers when it does not place a call: in every documented shape it becomes the right
//! answer of ours, a record where somebody was asked, and no place is held.

use std::time::Duration;

use call::Unreached;
use futures_util::future::join_all;
use gateway::carrier_kind::CarrierKind::{self, Exotel, Mcube, Plivo, Twilio};
use lab::faults::{Faults, What, When};

use super::{
    GREETING, Habits, Line, THEIRS, ask, nothing_is_left, only_record, refused, setup, take_down, unreached,
};
use crate::world::agent;

const REFUSED: (u16, &str) = (422, "carrier_refused");
const NOT_SET_UP: (u16, &str) = (409, "carrier_cannot_place");
const BUSY: (u16, &str) = (503, "carrier_busy");
const UNREACHABLE: (u16, &str) = (502, "carrier_unreachable");

const HTML: &str = "<html><head><title>Bad Gateway</title></head></html>";

/// A carrier, what its interface answers, what we answer, and words of the carrier's that must not get lost.
type Case = (CarrierKind, u16, &'static str, (u16, &'static str), &'static str);

const CASES: [Case; 41] = [
    (
        Twilio,
        400,
        r#"{"code":21211,"message":"Invalid 'To' Phone Number","more_info":"https://www.twilio.com/docs/errors/21211","status":400}"#,
        REFUSED,
        "Invalid 'To'",
    ),
    (Twilio, 404, r#"{"code":20404,"message":"not found","status":404}"#, REFUSED, "not found"),
    (Twilio, 401, r#"{"code":20003,"message":"Authenticate","status":401}"#, NOT_SET_UP, ""),
    (Twilio, 403, "", NOT_SET_UP, ""),
    (Twilio, 429, r#"{"code":20429,"message":"Too Many Requests","status":429}"#, BUSY, "Too Many"),
    (Twilio, 500, HTML, UNREACHABLE, "500"),
    (Twilio, 201, "{}", UNREACHABLE, "without naming"),
    (Twilio, 200, HTML, UNREACHABLE, "without naming"),
    (Plivo, 400, r#"{"api_id":"a","error":"to is not a valid number"}"#, REFUSED, "not a valid number"),
    (
        Plivo,
        400,
        r#"{"api_id":"a","error":{"error":"to is not a valid number"}}"#,
        REFUSED,
        "not a valid number",
    ),
    (Plivo, 400, r#"{"api_id":"a","error":{"to":["is not a number"]}}"#, REFUSED, "is not a number"),
    (Plivo, 401, "Could not verify your access level for that URL.", NOT_SET_UP, ""),
    (Plivo, 403, r#"{"api_id":"a","error":"forbidden"}"#, NOT_SET_UP, ""),
    (Plivo, 429, r#"{"api_id":"a","error":"too many requests"}"#, BUSY, "too many requests"),
    (Plivo, 503, HTML, UNREACHABLE, "503"),
    (Plivo, 201, r#"{"message":"call fired","api_id":"a"}"#, UNREACHABLE, "without naming"),
    (Plivo, 200, HTML, UNREACHABLE, "without naming"),
    (
        Exotel,
        400,
        r#"{"RestException":{"Status":400,"Message":"Number is DND","Code":34001}}"#,
        REFUSED,
        "DND",
    ),
    (
        Exotel,
        400,
        r#"{"restexception":{"status":400,"message":"Number is DND","code":34001}}"#,
        REFUSED,
        "DND",
    ),
    (
        Exotel,
        400,
        "<TwilioResponse><RestException><Status>400</Status><Message>Number is DND</Message></RestException></TwilioResponse>",
        REFUSED,
        "DND",
    ),
    (Exotel, 200, r#"{"RestException":{"Status":400,"Message":"Number is DND"}}"#, REFUSED, "DND"),
    (
        Exotel,
        401,
        r#"{"RestException":{"Status":401,"Message":"Authentication failed","Code":1002}}"#,
        NOT_SET_UP,
        "",
    ),
    (Exotel, 403, r#"{"restexception":{"status":403,"message":"Not allowed","code":1010}}"#, NOT_SET_UP, ""),
    (Exotel, 401, HTML, NOT_SET_UP, ""),
    (Exotel, 429, r#"{"RestException":{"Status":429,"Message":"Too many calls"}}"#, BUSY, "Too many calls"),
    (Exotel, 429, "", BUSY, ""),
    (Exotel, 502, HTML, UNREACHABLE, "502"),
    (Exotel, 500, r#"{"RestException":{"Status":500,"Message":"Oops"}}"#, UNREACHABLE, "Oops"),
    (Exotel, 200, "{}", UNREACHABLE, "without naming"),
    (Mcube, 200, r#"{"status":false,"msg":"not enabled for outbound"}"#, REFUSED, "not enabled"),
    (Mcube, 200, r#"{"status":"false","msg":"not enabled for outbound"}"#, REFUSED, "not enabled"),
    (Mcube, 200, r#"{"status":false,"callid":"C1","msg":"not enabled"}"#, REFUSED, "not enabled"),
    (Mcube, 200, r#"{"status":false,"msg":"Executive busy"}"#, BUSY, "Executive busy"),
    (Mcube, 200, r#"{"status":true,"msg":"Call Initiated"}"#, UNREACHABLE, "without naming"),
    (Mcube, 200, r#"{"status":"true"}"#, UNREACHABLE, "without naming"),
    (Mcube, 200, HTML, UNREACHABLE, "without naming"),
    (Mcube, 400, r#"{"error":{"message":"bad number"}}"#, REFUSED, "bad number"),
    (Mcube, 401, "", NOT_SET_UP, ""),
    (Mcube, 403, r#"{"msg":"expired"}"#, NOT_SET_UP, "expired"),
    (Mcube, 429, "{}", BUSY, ""),
    (Mcube, 502, HTML, UNREACHABLE, "502"),
];

fn usual(carrier: CarrierKind) -> Line {
    Line::usual().into_iter().find(|line| line.carrier == carrier).unwrap()
}

/// A call is asked for, and the carrier's interface is like this.
async fn is_refused(line: Line, what: What, expected: (u16, &str), words: &str) {
    let told = format!("{line:?} {what:?}");
    let habits = Habits { rest_faults: Faults::one(When::AtHandshake, what), ..Habits::default() };
    let ring = line.ring_with(setup(agent(GREETING)), habits).await;

    let response = ask(&ring, THEIRS).await;

    let patience = response.headers().get("retry-after").cloned();
    let (status, code, error) = refused(response).await;
    assert_eq!((status, code.as_str()), expected, "{told}: {error}");
    assert!(
        error["message"].as_str().unwrap().contains(words) || error["mend"].as_str().unwrap().contains(words),
        "{told}: {error}"
    );
    assert_eq!(patience.is_some(), expected == BUSY, "{told}");
    let record = only_record(&ring).await;
    assert_eq!(error["call"], record.id.to_string(), "{told}");
    assert_eq!(unreached(&record), Some(Unreached::Failed), "{told}");
    assert_eq!(ring.live_calls(), 0);
    nothing_is_left(&ring).await;
    take_down(ring).await;
}

#[tokio::test]
async fn every_way_in_which_a_carrier_says_no_is_told_and_recorded() {
    for cases in CASES.chunks(8) {
        join_all(cases.iter().map(|(carrier, status, body, expected, words)| {
            let what = What::ErrorBody { status: *status, body: (*body).to_owned() };
            is_refused(usual(*carrier), what, *expected, words)
        }))
        .await;
    }
}

#[tokio::test]
async fn a_carrier_that_does_not_answer_or_breaks_off_is_unreachable() {
    let silent = What::Stall(Duration::from_secs(60));
    let all = Line::usual().into_iter().flat_map(|line| [(line, silent.clone()), (line, What::Drop)]);
    join_all(all.map(|(line, what)| is_refused(line, what, UNREACHABLE, ""))).await;
}
