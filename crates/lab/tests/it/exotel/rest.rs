//! The REST API: calls placed on a gateway's behalf, and every way to be told no.

use std::time::Duration;

use lab::caller::Caller;
use lab::exotel::{Applet, Exotel, ExotelConfig, Flow, LetterCase, Then};
use lab::phone::{Callee, DialOutcome, End};
use serde_json::{Value, json};

use super::bot::Bot;
use super::hangs_up_after;
use crate::gateway::Gateway;

pub(super) struct Api {
    http: reqwest::Client,
    base: String,
    key: String,
    token: String,
}

impl Api {
    pub(super) fn of(exotel: &Exotel) -> Api {
        Api {
            // A connection kept over a jump of the clock would be a closed one.
            http: reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap(),
            base: exotel.base_url(),
            key: exotel.api_key().into(),
            token: exotel.api_token().into(),
        }
    }

    async fn connect(&self, form: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/v1/Accounts/exolab1/Calls/connect.json", self.base);
        let request = self.http.post(url).basic_auth(&self.key, Some(&self.token)).form(form);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let request = self.http.get(format!("{}{path}", self.base)).basic_auth(&self.key, Some(&self.token));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(super) async fn post_json(&self, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/v2/accounts/exolab1{path}", self.base);
        let request = self.http.post(url).basic_auth(&self.key, Some(&self.token)).json(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

fn order(url: &str) -> [(&str, &str); 4] {
    [
        ("From", "+919999900000"),
        ("CallerId", "08040001234"),
        ("StreamUrl", url),
        ("StreamType", "bidirectional"),
    ]
}

async fn started(config: ExotelConfig) -> (Bot, Gateway, Exotel, Api) {
    let exotel = Exotel::start(config).await.unwrap();
    let api = Api::of(&exotel);
    (Bot::start().await, Gateway::start().await, exotel, api)
}

#[tokio::test(start_paused = true)]
async fn a_bot_is_connected_to_whoever_answers_and_leaves_with_the_call() {
    for (case, call_, sid, status) in
        [(LetterCase::Capitals, "Call", "Sid", "Status"), (LetterCase::Lower, "call", "sid", "status")]
    {
        let config = ExotelConfig { letter_case: case, ..ExotelConfig::default() };
        let (mut bot, gateway, exotel, api) = started(config).await;
        gateway.answer("/status", 200, "text/plain", "");
        let callback = gateway.at("/status");
        let more = [
            ("CustomField", "mine"),
            ("StatusCallback", callback.as_str()),
            ("StatusCallbackEvents[0]", "ringing"),
            ("StatusCallbackEvents[1]", "answered"),
            ("StatusCallbackEvents[2]", "terminal"),
        ];
        let url = format!("{}?call_id=7", bot.url);

        let (code, placed) = api.connect(&[&order(&url)[..], &more].concat()).await;
        let live = exotel.originated().await.unwrap();
        let mut socket = bot.socket().await;
        let start = socket.start().await;
        let path = format!("/v1/Accounts/exolab1/Calls/{}.json", live.sid());
        let during: Value = serde_json::from_str(&api.get(&path).await.1).unwrap();
        let streams = api.get("/v1/Accounts/exolab1/ActiveStreams").await;
        socket.close().await;
        let report = live.finished().await;
        let after: Value = serde_json::from_str(&api.get(&path).await.1).unwrap();

        assert_eq!(code, 200);
        assert_eq!(placed[call_][sid], report.call_sid.as_str());
        assert_eq!(placed[call_][status], "queued");
        assert_eq!(during[call_][status], "in-progress");
        assert_eq!(after[call_][status], "completed");
        assert!(streams.1.contains("<ActiveStreamCount>1</ActiveStreamCount>"), "{}", streams.1);
        assert!(streams.1.contains("<ThrottleLimit>100</ThrottleLimit>"));
        assert_eq!(exotel.active_streams(), 0);
        assert_eq!(
            (start["start"]["from"].as_str(), start["start"]["to"].as_str()),
            (Some("08040001234"), Some("+919999900000"))
        );
        assert_eq!(report.end, End::StreamOver);
        let seen = gateway.seen("/status");
        let events = ["ringing", "answered", "terminal"].map(|event| format!("\r\n\r\n{event}\r\n"));
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().zip(&events).all(|(seen, event)| seen.body.contains(event)));
        assert!(seen[2].body.contains("\r\n\r\nmine\r\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_flow_is_connected_in_the_other_form() {
    let mut bot = Bot::start().await;
    let gateway = Gateway::start().await;
    gateway.answer("/connect", 200, "application/json", json!({"url": bot.url}).to_string());
    gateway.answer("/whom", 200, "application/json", r#"{"destination":{"numbers":["+919999900001"]}}"#);
    let applet = Applet::Dynamic { url: gateway.at("/connect"), method: lab::phone::Method::Get };
    let flow = Flow { id: "77".into(), applet, then: Then::Connect { url: gateway.at("/whom") } };
    let exotel = Exotel::start(ExotelConfig { flows: vec![flow], ..ExotelConfig::default() }).await.unwrap();
    let api = Api::of(&exotel);
    let flow = [("Url", "http://my.exotel.com/exolab1/exoml/start_voice/77"), ("CallType", "trans")];

    let (code, _) = api.connect(&[&order("")[..2], &flow].concat()).await;
    let live = exotel.originated().await.unwrap();
    bot.socket().await.close().await;
    let report = live.finished().await;

    assert_eq!(code, 200);
    assert_eq!(gateway.seen("/connect")[0].field("Direction").unwrap(), "outbound-dial");
    assert_eq!(gateway.seen("/connect")[0].field("CallTo").unwrap(), "+919999900000");
    assert_eq!(report.end, End::Transferred { number: "+919999900001".into() });
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_answer_is_reported() {
    for (outcome, rings, status) in [
        (DialOutcome::Busy, 1, "busy"),
        (DialOutcome::Failed, 1, "failed"),
        (DialOutcome::NoAnswer, 1, "no-answer"),
        (DialOutcome::Completed, 60, "no-answer"),
    ] {
        let (bot, gateway, exotel, api) = started(ExotelConfig::default()).await;
        gateway.answer("/status", 200, "text/plain", "");
        let callee = Callee { outcome, rings_for: Duration::from_secs(rings), ..Callee::default() };
        exotel.expect_callee("+919999900000", callee);
        let callback = gateway.at("/status");
        let more = [("StatusCallback", callback.as_str()), ("TimeOut", "20")];

        api.connect(&[&order(&bot.url)[..], &more].concat()).await;
        let report = exotel.originated().await.unwrap().finished().await;

        assert_eq!(report.end, End::NotAnswered { status: status.into() });
        let told = &gateway.seen("/status")[0].body;
        assert!(told.contains(&format!("name=\"Status\"\r\n\r\n{status}\r\n")), "{told}");
        let path = format!("/v1/Accounts/exolab1/Calls/{}.json", report.call_sid);
        let object: Value = serde_json::from_str(&api.get(&path).await.1).unwrap();
        assert_eq!(object["Call"]["Status"], status);
        assert_eq!(bot.times_dialled(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_ends_the_call() {
    let (mut bot, _gateway, exotel, api) = started(ExotelConfig::default()).await;

    api.connect(&[&order(&bot.url)[..], &[("TimeLimit", "5")]].concat()).await;
    let live = exotel.originated().await.unwrap();
    bot.socket().await.drain().await;
    let report = live.finished().await;

    let lasted = report.heard.duration().as_millis();
    assert!((4_900..5_100).contains(&lasted), "{lasted}");
}

#[tokio::test(start_paused = true)]
async fn every_refusal_is_an_exception_in_its_letter_case() {
    let config = ExotelConfig { calls_per_minute: 3, throttle_limit: 0, ..ExotelConfig::default() };
    let (bot, _gateway, exotel, mut api) = started(config).await;
    let both =
        [&order(&bot.url)[..], &[("Url", "http://my.exotel.com/exolab1/exoml/start_voice/1")]].concat();

    let (status, refused) = api.connect(&both).await;
    assert_eq!((status, &refused["RestException"]["Status"]), (400, &json!(400)));
    assert!(refused["RestException"]["Message"].as_str().unwrap().contains("together"));
    assert!(refused["RestException"]["Code"].is_number());
    // No stream is allowed at all; then the minute is full.
    let statuses = [api.connect(&order(&bot.url)).await, api.connect(&order(&bot.url)).await];
    assert!(statuses.iter().all(|(status, body)| {
        *status == 429 && body["RestException"]["Message"].as_str().unwrap().contains("streams")
    }));
    let (status, refused) = api.connect(&order(&bot.url)).await;
    assert_eq!(
        (status, refused["RestException"]["Message"].as_str()),
        (429, Some("Too many calls per minute"))
    );
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(api.connect(&both).await.0, 400);

    assert_eq!(api.get("/v1/Accounts/exolab1/Calls/nobody.json").await.0, 404);
    assert_eq!(api.get("/v1/accounts/exolab1/ActiveStreams").await.0, 404);
    assert_eq!(api.get("/v1/Accounts/somebody/ActiveStreams").await.0, 403);
    api.token = "wrong".into();
    let (status, body) = api.get("/v1/Accounts/exolab1/ActiveStreams").await;
    assert_eq!(
        (status, serde_json::from_str::<Value>(&body).unwrap()["RestException"]["Status"].as_u64()),
        (401, Some(401))
    );
    assert_eq!(exotel.live_calls(), 0);

    let lower = ExotelConfig { letter_case: LetterCase::Lower, ..ExotelConfig::default() };
    let (_bot, _gateway, _exotel, api) = started(lower).await;
    assert_eq!(api.connect(&[]).await.1["restexception"]["status"], 400);
}

#[tokio::test(start_paused = true)]
async fn the_api_misbehaves_on_demand() {
    let faults = "at_handshake: error_body 500 <html>down</html>; at_handshake: delay 2s".parse().unwrap();
    let (_bot, _gateway, _exotel, api) =
        started(ExotelConfig { rest_faults: faults, ..ExotelConfig::default() }).await;
    let before = tokio::time::Instant::now();

    let answer = api.get("/v1/Accounts/exolab1/ActiveStreams").await;

    assert_eq!(answer, (500, "<html>down</html>".to_owned()));
    assert!(before.elapsed() >= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_callee_who_hangs_up_ends_the_call() {
    let (mut bot, _gateway, exotel, api) = started(ExotelConfig::default()).await;
    let caller: Caller = hangs_up_after(Duration::from_secs(2));
    exotel.expect_callee("+919999900000", Callee { caller, ..Callee::default() });

    api.connect(&order(&bot.url)).await;
    let live = exotel.originated().await.unwrap();
    let messages = bot.socket().await.drain().await;

    assert_eq!(messages.last().unwrap()["stop"]["reason"], "callended");
    assert_eq!(live.finished().await.end, End::CallerHungUp);
}
