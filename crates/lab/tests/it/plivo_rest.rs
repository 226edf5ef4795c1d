//! The emulated Plivo's REST API.

use std::time::Duration;

use lab::faults::Faults;
use lab::plivo::{Callee, DialOutcome, End, ErrorShape, Happening, LiveCall, PlacedCall, Plivo, PlivoConfig};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Socket};

struct Api {
    http: reqwest::Client,
    base: String,
    id: String,
    token: String,
}

impl Api {
    fn of(plivo: &Plivo) -> Api {
        Api {
            http: reqwest::Client::new(),
            base: format!("{}/v1/Account/{}", plivo.base_url(), plivo.auth_id()),
            id: plivo.auth_id().into(),
            token: plivo.auth_token().into(),
        }
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.base)).basic_auth(&self.id, Some(&self.token));
        let answer = request.json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn delete(&self, path: &str) -> u16 {
        let request = self.http.delete(format!("{}{path}", self.base));
        request.basic_auth(&self.id, Some(&self.token)).send().await.unwrap().status().as_u16()
    }
}

fn xml(gateway: &Gateway, path: &str, inside: &str) {
    gateway.answer(path, 200, "application/xml", format!("<Response>{inside}</Response>"));
}

fn stream(gateway: &Gateway) -> String {
    let attributes = "bidirectional=\"true\" keepCallAlive=\"true\" contentType=\"audio/x-mulaw;rate=8000\"";
    format!("<Stream {attributes}>{}</Stream>", gateway.media_url)
}

async fn in_a_stream() -> (Gateway, Plivo, LiveCall, Socket, Api) {
    let mut gateway = Gateway::start().await;
    xml(&gateway, "/answer", &format!("{}<Hangup/>", stream(&gateway)));
    let plivo = Plivo::start(PlivoConfig::default()).await.unwrap();
    let api = Api::of(&plivo);
    let live = plivo.place_call(PlacedCall { answer_url: gateway.at("/answer"), ..PlacedCall::default() });
    let mut socket = gateway.socket().await;
    socket.next_event("start").await;
    (gateway, plivo, live, socket, api)
}

fn drained(mut socket: Socket) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { while socket.next().await.is_some() {} })
}

#[tokio::test]
async fn deleting_a_call_hangs_it_up_and_a_second_time_it_is_gone() {
    let (_gateway, _plivo, live, socket, api) = in_a_stream().await;
    let path = format!("/Call/{}/", live.sid());
    drained(socket);

    let first = api.delete(&path).await;
    let report = live.finished().await;
    let second = api.delete(&path).await;

    assert_eq!((first, second), (204, 404));
    assert_eq!(report.end, End::CompletedByRest);
}

#[tokio::test]
async fn transfer_asks_for_the_new_document() {
    let (gateway, _plivo, live, socket, api) = in_a_stream().await;
    xml(&gateway, "/onward", "<Hangup/>");
    let path = format!("/Call/{}/", live.sid());
    drained(socket);

    let (missing, _) = api.post(&path, json!({"legs": "aleg"})).await;
    let (odd, _) = api.post(&path, json!({"legs": "bleg", "aleg_url": gateway.at("/onward")})).await;
    let (status, body) = api.post(&path, json!({"legs": "aleg", "aleg_url": gateway.at("/onward")})).await;
    let report = live.finished().await;

    assert_eq!((missing, odd, status), (400, 400, 202));
    assert_eq!(body["message"], "call transfered");
    assert_eq!(report.end, End::HungUpByXml);
    assert_eq!(report.count(|what| *what == Happening::Redirected), 1);
    assert_eq!(gateway.seen("/onward").len(), 1);
}

#[tokio::test]
async fn digits_are_pressed_and_a_stream_is_stopped_by_order() {
    let (_gateway, _plivo, live, socket, api) = in_a_stream().await;
    let call = live.sid().to_owned();
    drained(socket);

    let (pressed, _) =
        api.post(&format!("/Call/{call}/DTMF/"), json!({"digits": "42#", "leg": "aleg"})).await;
    let (wrong, _) = api.post(&format!("/Call/{call}/DTMF/"), json!({"digits": "4 2"})).await;
    let other = api.delete(&format!("/Call/{call}/Stream/another/")).await;
    let stopped = api.delete(&format!("/Call/{call}/Stream/")).await;
    let report = live.finished().await;

    assert_eq!((pressed, wrong, other, stopped), (202, 400, 404, 204));
    assert_eq!(report.digits, "42#");
    assert_eq!((report.verbs.len(), report.end), (2, End::HungUpByXml));
}

#[tokio::test]
async fn originated_call_rings_is_answered_and_asks_for_its_document() {
    let mut gateway = Gateway::start().await;
    xml(&gateway, "/answer", &stream(&gateway));
    let plivo = Plivo::start(PlivoConfig::default()).await.unwrap();
    let api = Api::of(&plivo);
    plivo.expect_callee("14155550777", Callee { is_machine: true, ..Callee::default() });

    let order = json!({"from": "14155550199", "to": "14155550777", "answer_url": gateway.at("/answer"),
                       "ring_url": gateway.at("/ring"), "hangup_url": gateway.at("/hangup"), "send_digits": "9",
                       "machine_detection": "true", "machine_detection_url": gateway.at("/machine")});
    let (status, fired) = api.post("/Call/", order).await;
    let live = plivo.originated().await.unwrap();
    let mut socket = gateway.socket().await;
    let start = socket.next_event("start").await;
    live.hang_up().await;
    drained(socket);
    let report = live.finished().await;

    assert_eq!((status, &fired["message"]), (201, &json!("call fired")));
    assert_eq!(start["start"]["callId"], report.call_sid.as_str());
    let answer = gateway.seen("/answer").remove(0);
    for (name, value) in [
        ("RequestUUID", fired["request_uuid"].as_str().unwrap()),
        ("CallUUID", &report.call_sid),
        ("Direction", "outbound"),
        ("CallStatus", "in-progress"),
        ("Event", "StartApp"),
    ] {
        assert_eq!(answer.field(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(gateway.seen("/ring")[0].field("Event").as_deref(), Some("Ring"));
    assert_eq!(gateway.seen("/machine")[0].field("Machine").as_deref(), Some("true"));
    assert_eq!(gateway.seen("/hangup")[0].field("HangupSource").as_deref(), Some("Callee"));
    assert_eq!(report.digits, "9");
}

#[tokio::test(start_paused = true)]
async fn machine_is_told_with_the_answer_or_hung_up_on() {
    for (detection, asked) in [("true", 1), ("hangup", 0)] {
        let gateway = Gateway::start().await;
        xml(&gateway, "/answer", "<Hangup/>");
        let callee = Callee { is_machine: true, ..Callee::default() };
        let plivo = Plivo::start(PlivoConfig { callee, ..PlivoConfig::default() }).await.unwrap();

        let order = json!({"from": "14155550199", "to": "14155550777", "answer_url": gateway.at("/answer"),
                           "machine_detection": detection});
        let (status, _) = Api::of(&plivo).post("/Call/", order).await;
        let report = plivo.originated().await.unwrap().finished().await;

        let seen = gateway.seen("/answer");
        assert_eq!((status, seen.len()), (201, asked), "{detection}");
        assert!(seen.iter().all(|seen| seen.field("Machine").as_deref() == Some("true")));
        let end = match asked {
            1 => End::HungUpByXml,
            _ => End::NotAnswered { status: "machine".into() },
        };
        assert_eq!(report.end, end);
    }
}

#[tokio::test(start_paused = true)]
async fn call_with_a_time_limit_is_ended_by_it() {
    let gateway = Gateway::start().await;
    xml(&gateway, "/answer", "<Wait length=\"600\"/>");
    let plivo = Plivo::start(PlivoConfig::default()).await.unwrap();

    let order = json!({"from": "14155550199", "to": "14155550777", "answer_url": gateway.at("/answer"),
                       "time_limit": 30});
    Api::of(&plivo).post("/Call/", order).await;
    let report = plivo.originated().await.unwrap().finished().await;

    assert_eq!(report.end, End::CompletedByRest);
    assert!(report.heard.duration().abs_diff(Duration::from_secs(30)) < Duration::from_millis(100));
}

#[tokio::test]
async fn unanswered_calls_report_why() {
    for (outcome, cause, status) in [
        (DialOutcome::Busy, "USER_BUSY", "busy"),
        (DialOutcome::NoAnswer, "NO_ANSWER", "no-answer"),
        (DialOutcome::Failed, "UNALLOCATED_NUMBER", "failed"),
    ] {
        let gateway = Gateway::start().await;
        let callee = Callee { outcome, ..Callee::default() };
        let plivo = Plivo::start(PlivoConfig { callee, ..PlivoConfig::default() }).await.unwrap();

        let order = json!({"from": "14155550199", "to": "14155550777", "answer_url": gateway.at("/answer"),
                           "hangup_url": gateway.at("/hangup")});
        Api::of(&plivo).post("/Call/", order).await;
        let report = plivo.originated().await.unwrap().finished().await;

        assert_eq!(report.end, End::NotAnswered { status: status.into() });
        let hangup = gateway.seen("/hangup").remove(0);
        assert_eq!(hangup.field("HangupCause").as_deref(), Some(cause));
        assert_eq!(hangup.field("CallStatus").as_deref(), Some(status));
        assert!(gateway.seen("/answer").is_empty());
    }
}

#[tokio::test]
async fn ringing_call_is_cancelled_by_its_request() {
    let gateway = Gateway::start().await;
    let callee = Callee { rings_for: Duration::from_secs(60), ..Callee::default() };
    let plivo = Plivo::start(PlivoConfig { callee, ..PlivoConfig::default() }).await.unwrap();
    let api = Api::of(&plivo);

    let order = json!({"from": "14155550199", "to": "14155550777", "answer_url": gateway.at("/answer")});
    let (_, fired) = api.post("/Call/", order).await;
    let path = format!("/Request/{}/", fired["request_uuid"].as_str().unwrap());
    let first = api.delete(&path).await;
    let report = plivo.originated().await.unwrap().finished().await;
    let second = api.delete(&path).await;

    assert_eq!((first, report.end, second), (204, End::Canceled, 404));
}

#[tokio::test]
async fn errors_come_in_every_documented_shape() {
    for (shape, is_object) in [(ErrorShape::Text, false), (ErrorShape::Object, true)] {
        let plivo = Plivo::start(PlivoConfig { rest_errors: shape, ..PlivoConfig::default() }).await.unwrap();
        let api = Api::of(&plivo);

        let (status, body) = api.post("/Call/", json!({"from": "1", "to": "2"})).await;
        let (unknown, _) = api.post("/Call/nobody/", json!({"aleg_url": "http://127.0.0.1/"})).await;
        let (slashless, _) = api.post("/Call", json!({})).await;

        assert_eq!((status, unknown, slashless), (400, 404, 404));
        assert!(body["api_id"].is_string());
        assert_eq!((body["error"].is_object(), body["error"].is_string()), (is_object, !is_object));
    }
    let plivo = Plivo::start(PlivoConfig::default()).await.unwrap();
    let wrong = Api { token: "wrong".into(), ..Api::of(&plivo) };
    assert_eq!(wrong.delete("/Call/x/").await, 401);

    let rest_faults: Faults = "at_handshake: error_body 503 {}".parse().unwrap();
    let plivo = Plivo::start(PlivoConfig { rest_faults, ..PlivoConfig::default() }).await.unwrap();
    assert_eq!(Api::of(&plivo).post("/Call/", json!({})).await, (503, json!({})));
}
