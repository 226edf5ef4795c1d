//! The REST side of the emulated carrier.

use std::time::Duration;

use lab::caller::{Caller, Step};
use lab::faults::Faults;
use lab::twilio::{
    Callee, DialOutcome, End, Happening, LiveCall, PlacedCall, Twilio, TwilioConfig, signature,
};
use serde_json::Value;

use crate::gateway::{Gateway, Socket};

struct Api {
    http: reqwest::Client,
    base: String,
    sid: String,
    token: String,
}

impl Api {
    fn of(twilio: &Twilio) -> Api {
        Api {
            http: reqwest::Client::new(),
            base: format!("{}/2010-04-01/Accounts/{}", twilio.base_url(), twilio.account_sid()),
            sid: twilio.account_sid().into(),
            token: twilio.auth_token().into(),
        }
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.base)).basic_auth(&self.sid, Some(&self.token));
        let answer = request.form(form).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn update(&self, call: &str, form: &[(&str, &str)]) -> (u16, Value) {
        self.post(&format!("/Calls/{call}.json"), form).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.http.get(format!("{}{path}", self.base)).basic_auth(&self.sid, Some(&self.token));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

async fn in_a_stream() -> (Gateway, Twilio, LiveCall, Socket, Api) {
    let mut gateway = Gateway::start().await;
    gateway.stream_twiml("/voice", "", "<Say>never</Say>");
    let twilio = Twilio::start(TwilioConfig::default()).await.unwrap();
    let api = Api::of(&twilio);
    let live = twilio.place_call(PlacedCall { webhook_url: gateway.at("/voice"), ..PlacedCall::default() });
    let mut socket = gateway.socket().await;
    socket.start().await;
    (gateway, twilio, live, socket, api)
}

async fn drain(mut socket: Socket) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(message) = socket.next().await {
        events.push(message["event"].as_str().unwrap().to_owned());
    }
    events
}

#[tokio::test(start_paused = true)]
async fn new_twiml_ends_the_stream_at_once_and_is_followed() {
    let (_gateway, _twilio, live, socket, api) = in_a_stream().await;

    let reading = tokio::spawn(drain(socket));
    let twiml = "<Response><Dial><Number>+14155550123</Number></Dial></Response>";
    let (status, call) = api.update(live.sid(), &[("Twiml", twiml)]).await;
    let report = live.finished().await;

    assert_eq!((status, call["status"].as_str()), (200, Some("in-progress")));
    assert_eq!(reading.await.unwrap().last().unwrap(), "stop");
    assert_eq!(report.verbs, ["Connect", "Dial"]);
    assert_eq!(report.count(|what| *what == Happening::Redirected), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_url_is_asked_with_the_calls_parameters() {
    let (gateway, twilio, live, socket, api) = in_a_stream().await;
    gateway.twiml("/transfer", "<Hangup/>");

    let reading = tokio::spawn(drain(socket));
    let url = gateway.at("/transfer?to=agent");
    let (status, _) = api.update(live.sid(), &[("Url", &url), ("Method", "GET")]).await;
    let report = live.finished().await;

    reading.await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(report.verbs, ["Connect", "Hangup"]);
    let seen = gateway.seen("/transfer").remove(0);
    assert_eq!(seen.field("CallSid"), Some(report.call_sid));
    let signed = signature::of_url(twilio.auth_token(), &gateway.at(&seen.uri.to_string()));
    assert_eq!(seen.signature(), Some(signed.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_call_can_be_hung_up_once() {
    let (_gateway, twilio, live, socket, api) = in_a_stream().await;
    let sid = live.sid().to_owned();

    let reading = tokio::spawn(drain(socket));
    let (status, call) = api.update(&sid, &[("Status", "completed")]).await;
    let report = live.finished().await;
    let (again, error) = api.update(&sid, &[("Status", "completed")]).await;

    reading.await.unwrap();
    assert_eq!((status, call["status"].as_str()), (200, Some("completed")));
    assert_eq!(report.end, End::CompletedByRest);
    assert_eq!((again, error["code"].as_u64(), error["status"].as_u64()), (400, Some(21220), Some(400)));
    assert_eq!(error["more_info"], "https://www.twilio.com/docs/errors/21220");
    let (_, object) = api.get(&format!("/Calls/{sid}.json")).await;
    assert_eq!(object["status"], "completed");
    assert!(object["duration"].is_string());
    assert_eq!(twilio.live_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_get_the_documented_errors() {
    let (_gateway, twilio, live, _socket, api) = in_a_stream().await;
    let sid = live.sid().to_owned();
    let long = format!("<Response><Say>{}</Say></Response>", "x".repeat(4_000));

    for (form, status, code) in [
        (vec![("Twiml", "<Response/>"), ("Url", "http://x.example/")], 400, 20001),
        (vec![("Url", "not a url")], 400, 21205),
        (vec![("Status", "canceled")], 400, 21220),
        (vec![("Status", "asleep")], 400, 20001),
        (vec![("Twiml", long.as_str())], 400, 20001),
        (vec![], 400, 20001),
    ] {
        let (got, error) = api.update(&sid, &form).await;
        assert_eq!((got, error["code"].as_u64()), (status, Some(code)), "{form:?}");
    }
    let (status, error) = api.update("CA00000000000000000000000000000000", &[("Status", "completed")]).await;
    assert_eq!((status, error["code"].as_u64()), (404, Some(20404)));
    for (form, code) in [
        (vec![("From", "+1415"), ("Url", "http://x.example/")], 21201),
        (vec![("To", "+1415"), ("Url", "http://x.example/")], 21213),
        (vec![("To", "+1415"), ("From", "+1416")], 21205),
        (vec![("To", "somebody"), ("From", "+1416"), ("Twiml", "<Response/>")], 21211),
        (vec![("To", "+1415"), ("From", "+1416"), ("Twiml", "<Response/>"), ("Timeout", "900")], 21230),
    ] {
        let (status, error) = api.post("/Calls.json", &form).await;
        assert_eq!((status, error["code"].as_u64()), (400, Some(code)), "{form:?}");
    }
    let stranger = Api { token: "wrong".into(), ..Api::of(&twilio) };
    let (status, error) = stranger.update(&sid, &[("Status", "completed")]).await;
    assert_eq!((status, error["code"].as_u64()), (401, Some(20003)));
    let (status, account) = api.get(".json").await;
    assert_eq!((status, account["status"].as_str()), (200, Some("active")));
}

#[tokio::test(start_paused = true)]
async fn relative_urls_in_inline_twiml_are_refused() {
    let (_gateway, _twilio, live, socket, api) = in_a_stream().await;

    let reading = tokio::spawn(drain(socket));
    let twiml = "<Response><Dial action=\"/after\"><Number>+1415</Number></Dial><Hangup/></Response>";
    api.update(live.sid(), &[("Twiml", twiml)]).await;
    let report = live.finished().await;

    reading.await.unwrap();
    assert_eq!(report.warnings[0].code, Some(15004));
    assert_eq!(report.verbs, ["Connect", "Dial", "Hangup"]);
}

#[tokio::test(start_paused = true)]
async fn an_originated_call_rings_is_answered_and_asks_for_its_document() {
    let gateway = Gateway::start().await;
    gateway.twiml("/out", "<Pause length=\"5\"/>");
    gateway.answer("/status", 204, "text/plain", "");
    let twilio = Twilio::start(TwilioConfig::default()).await.unwrap();
    let caller = Caller::with_steps(vec![Step::Wait(Duration::from_secs(1)), Step::HangUp]);
    twilio.expect_callee("+14155550777", Callee { caller, ..Callee::default() });

    let (status, call) = Api::of(&twilio)
        .post(
            "/Calls.json",
            &[
                ("To", "+14155550777"),
                ("From", "+14155550199"),
                ("Url", &gateway.at("/out")),
                ("StatusCallback", &gateway.at("/status")),
                ("StatusCallbackEvent", "initiated"),
                ("StatusCallbackEvent", "ringing"),
                ("StatusCallbackEvent", "answered"),
                ("StatusCallbackEvent", "completed"),
            ],
        )
        .await;
    let report = twilio.originated().await.unwrap().finished().await;

    assert_eq!((status, call["status"].as_str()), (201, Some("queued")));
    assert_eq!(call["sid"], report.call_sid);
    assert_eq!(report.end, End::CallerHungUp);
    let asked = gateway.seen("/out").remove(0);
    assert_eq!(asked.field("Direction").as_deref(), Some("outbound-api"));
    let order: Vec<_> = gateway.seen("/status").iter().map(|s| s.field("CallStatus").unwrap()).collect();
    assert_eq!(order, ["queued", "ringing", "in-progress", "completed"]);
}

#[tokio::test(start_paused = true)]
async fn originated_calls_can_fail_in_every_way() {
    for (outcome, rings, word) in [
        (DialOutcome::Busy, 1, "busy"),
        (DialOutcome::Failed, 1, "failed"),
        (DialOutcome::NoAnswer, 1, "no-answer"),
        (DialOutcome::Completed, 90, "no-answer"),
    ] {
        let callee = Callee { outcome, rings_for: Duration::from_secs(rings), ..Callee::default() };
        let twilio = Twilio::start(TwilioConfig { callee, ..TwilioConfig::default() }).await.unwrap();
        let api = Api::of(&twilio);

        let form = [("To", "+1415"), ("From", "+1416"), ("Twiml", "<Response/>")];
        let (_, call) = api.post("/Calls.json", &form).await;
        let report = twilio.originated().await.unwrap().finished().await;

        assert_eq!(report.end, End::NotAnswered { status: word.into() });
        let (_, object) = api.get(&format!("/Calls/{}.json", call["sid"].as_str().unwrap())).await;
        assert_eq!(object["status"], word);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ringing_call_can_be_canceled() {
    let callee = Callee { rings_for: Duration::from_secs(30), ..Callee::default() };
    let twilio = Twilio::start(TwilioConfig { callee, ..TwilioConfig::default() }).await.unwrap();
    let api = Api::of(&twilio);

    let form = [("To", "+1415"), ("From", "+1416"), ("Twiml", "<Response/>")];
    let (_, call) = api.post("/Calls.json", &form).await;
    let (status, object) = api.update(call["sid"].as_str().unwrap(), &[("Status", "canceled")]).await;

    assert_eq!((status, object["status"].as_str()), (200, Some("canceled")));
    assert_eq!(twilio.originated().await.unwrap().finished().await.end, End::Canceled);
}

#[tokio::test(start_paused = true)]
async fn rest_can_be_made_to_fail() {
    let body = r#"{"code":20429,"message":"Too Many Requests","status":429}"#;
    let rest_faults: Faults = format!("at_handshake: error_body 429 {body}").parse().unwrap();
    let twilio = Twilio::start(TwilioConfig { rest_faults, ..TwilioConfig::default() }).await.unwrap();

    let (status, error) = Api::of(&twilio).get("/Calls.json").await;

    assert_eq!((status, error["code"].as_u64()), (429, Some(20429)));
}
