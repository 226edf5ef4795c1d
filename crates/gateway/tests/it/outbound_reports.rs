//! Placed calls and a carrier's own interface: what it answers when it will not, and what it reports late, twice, out of
//! order or not at all. The interface here says what a test tells it to and writes down what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use call::{EndCause, Unreached};
use gateway::config::Config;
use gateway::outbound;
use gateway::records::CallRecord;
use serde_json::Value;
use url::Url;

use crate::stage::{ACCOUNT, MediaSocket, Stage, parameter, status_of};
use crate::world::{eventually, soon};

const THEIRS: &str = "+14155550777";
const STATUS: &str = "/webhooks/status-callback";

/// A status, the value of `Retry-After` if any, and a body.
type Said = (u16, &'static str, &'static str);

/// A path, and what was written into its form.
type Asked = (String, Vec<(String, String)>);

/// An interface that answers as told; when nothing is left to say, that a call of the next number is queued.
#[derive(Clone, Debug, Default)]
struct Rest {
    answers: Arc<Mutex<VecDeque<Said>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Rest {
    async fn start(&self) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Url::parse(&format!("http://{address}")).unwrap()
    }

    fn will_say(&self, status: u16, retry_after: &'static str, body: &'static str) {
        self.answers.lock().unwrap().push_back((status, retry_after, body));
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What was written into the form of the nth request.
    fn form(&self, at: usize, name: &str) -> Option<String> {
        let asked = self.asked();
        let found = asked[at].1.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }
}

async fn answer(State(rest): State<Rest>, request: Request) -> impl IntoResponse {
    let path = request.uri().path().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    let number = {
        let mut asked = rest.asked.lock().unwrap();
        asked.push((path, form));
        asked.len()
    };
    let next = rest.answers.lock().unwrap().pop_front();
    let mut headers = HeaderMap::new();
    let (status, body) = match next {
        Some((status, retry_after, body)) => {
            if !retry_after.is_empty() {
                headers.insert("retry-after", retry_after.parse().unwrap());
            }
            (status, body.to_owned())
        }
        None => (201, format!(r#"{{"sid": "CA{number}", "status": "queued"}}"#)),
    };
    (StatusCode::from_u16(status).unwrap(), headers, body)
}

async fn open(change: impl FnOnce(&mut Config)) -> (Stage, Rest) {
    let rest = Rest::default();
    let url = rest.start().await;
    let stage = Stage::with_twilio(|config| {
        config.carriers.twilio.account_sid = Some(ACCOUNT.into());
        config.carriers.twilio.api_base_url = url;
        config.carriers.twilio.phone_number = Some("+14155550100".into());
        config.outbound.allow = vec!["+".into()];
        change(config);
    })
    .await;
    (stage, rest)
}

fn request() -> outbound::Request {
    outbound::Request { to: THEIRS.into(), carrier: Some("twilio".into()), ..outbound::Request::default() }
}

async fn place(stage: &Stage) -> String {
    soon("an answer", stage.gateway.place_call(request())).await.unwrap().id.to_string()
}

fn records(stage: &Stage) -> Vec<Arc<CallRecord>> {
    stage.gateway.records.recent(usize::MAX, None)
}

async fn only_record(stage: &Stage) -> Arc<CallRecord> {
    eventually("the record is there", || !records(stage).is_empty()).await;
    assert_eq!(records(stage).len(), 1);
    records(stage).remove(0)
}

fn unreached(record: &CallRecord) -> Option<Unreached> {
    match &record.end {
        EndCause::NotReached { why, .. } => Some(*why),
        _ => None,
    }
}

fn is_free(stage: &Stage) -> bool {
    stage.gateway.switchboard.seats().0 == 0 && stage.gateway.outbound_views().is_empty()
}

/// Twilio reports, at the address that it was given with the call.
async fn report(stage: &Stage, id: &str, form: &[(&str, &str)]) {
    let path = format!("{STATUS}?call={id}");
    assert_eq!(stage.webhook(&path, form).await.status(), 204, "{form:?}");
}

#[tokio::test]
async fn every_way_in_which_a_carrier_says_no_is_told_and_recorded() {
    let classic = r#"{"code": 21211, "message": "Invalid 'To' Phone Number: +1415XXX0777", "more_info": "https://www.twilio.com/docs/errors/21211", "status": 400}"#;
    let newer = r#"{"type": "about:blank", "title": "Too Many", "detail": "slow down", "status": 429, "code": 20429}"#;
    let geo = r#"{"code": 21215, "message": "Account not authorized to call +1415. Perhaps you need to enable some international permissions", "status": 400}"#;
    let answers = [
        (400, "", classic, 422, "carrier_refused", "Invalid 'To'"),
        (400, "", geo, 422, "carrier_refused", "Account not authorized"),
        (
            404,
            "",
            r#"{"code": 20404, "message": "not found", "status": 404}"#,
            422,
            "carrier_refused",
            "not found",
        ),
        (
            401,
            "",
            r#"{"code": 20003, "message": "Authenticate", "status": 401}"#,
            409,
            "carrier_cannot_place",
            "",
        ),
        (403, "", "", 409, "carrier_cannot_place", ""),
        (429, "7", newer, 503, "carrier_busy", "slow down"),
        (429, "", "", 503, "carrier_busy", ""),
        (500, "", "<html>oops</html>", 502, "carrier_unreachable", "500"),
        (
            503,
            "3",
            r#"{"code": 20503, "message": "Service unavailable"}"#,
            502,
            "carrier_unreachable",
            "Service",
        ),
        (302, "", "", 422, "carrier_refused", "302"),
        (201, "", "{}", 502, "carrier_unreachable", "without naming"),
        (200, "", "not json at all", 502, "carrier_unreachable", "without naming"),
        (400, "", "", 422, "carrier_refused", "400"),
    ];
    let (stage, rest) = open(|config| config.outbound.calls_per_minute_per_key = 0).await;
    for (at, (status, retry_after, body, expected, code, words)) in answers.into_iter().enumerate() {
        rest.will_say(status, retry_after, body);

        let refused = soon("an answer", stage.gateway.place_call(request())).await.unwrap_err();

        assert_eq!((refused.status().as_u16(), refused.code()), (expected, code), "{status} {body}");
        assert!(refused.words.contains(words), "{}", refused.words);
        assert_eq!(refused.retry_after.is_some(), code == "carrier_busy", "{status}");
        if retry_after == "7" {
            assert_eq!(refused.retry_after, Some(Duration::from_secs(7)));
        }
        eventually("its record is there", || records(&stage).len() == at + 1).await;
        let record = &records(&stage)[0];
        assert_eq!((Some(record.id), unreached(record)), (refused.call, Some(Unreached::Failed)));
        assert!(is_free(&stage));
    }
    assert_eq!(rest.asked().len(), 13, "no attempt was repeated: it might ring twice");
    assert_eq!(stage.gateway.metrics.render().matches("outcome=\"failed\"} 13").count(), 1);
}

#[tokio::test]
async fn a_carrier_that_cannot_be_reached_is_told_apart_and_rings_nobody_afterwards() {
    let (stage, rest) = open(|_| {}).await;
    rest.will_say(500, "", "");
    let refused = stage.gateway.place_call(request()).await.unwrap_err();
    let id = refused.call.unwrap().to_string();
    assert_eq!(unreached(&*only_record(&stage).await), Some(Unreached::Failed));

    // It had understood after all.
    report(&stage, &id, &status_of("CAlate", "ringing", "1")).await;

    eventually("it is taken back", || rest.asked().len() == 2).await;
    assert!(rest.asked()[1].0.ends_with("/Calls/CAlate.json"), "{:?}", rest.asked()[1]);
    assert_eq!(rest.form(1, "Status").as_deref(), Some("canceled"));
    report(&stage, &id, &status_of("CAlate", "ringing", "1")).await;
    report(&stage, &id, &status_of("CAlate", "canceled", "2")).await;
    assert_eq!((rest.asked().len(), records(&stage).len()), (2, 1));

    let (gone, _) = open(|config| {
        config.carriers.twilio.api_base_url = Url::parse("http://127.0.0.1:1").unwrap();
    })
    .await;
    let refused = gone.gateway.place_call(request()).await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (502, "carrier_unreachable"));
    assert!(is_free(&gone));
}

#[tokio::test]
async fn the_order_says_everything_the_carrier_must_know() {
    let (stage, rest) = open(|config| config.outbound.ring_s = 33).await;
    let id = place(&stage).await;

    assert!(rest.asked()[0].0.ends_with(&format!("/Accounts/{ACCOUNT}/Calls.json")));
    let callback = stage.at(&format!("{STATUS}?call={id}"));
    for (name, value) in [
        ("To", THEIRS),
        ("From", "+14155550100"),
        ("Timeout", "33"),
        ("TimeLimit", "3660"),
        ("StatusCallback", &callback),
        ("StatusCallbackMethod", "POST"),
    ] {
        assert_eq!(rest.form(0, name).as_deref(), Some(value), "{name}");
    }
    let events: Vec<String> = rest.asked()[0]
        .1
        .iter()
        .filter(|(name, _)| name == "StatusCallbackEvent")
        .map(|(_, value)| value.clone())
        .collect();
    assert_eq!(events, ["initiated", "ringing", "answered", "completed"]);
    assert_eq!(rest.form(0, "MachineDetection"), None, "nobody would do anything with it");
    let document = rest.form(0, "Twiml").unwrap();
    assert_eq!(parameter(&document, "call").as_deref(), Some(id.as_str()));
    assert_eq!(parameter(&document, "to").as_deref(), Some(THEIRS));
}

#[tokio::test]
async fn reports_may_come_twice_late_and_in_any_order() {
    let (stage, _) = open(|_| {}).await;
    let id = place(&stage).await;
    let state =
        || stage.gateway.outbound_views().first().and_then(|view| view.state).map(|s| format!("{s:?}"));
    let sid = "CA1";

    report(&stage, &id, &status_of(sid, "ringing", "1")).await;
    assert_eq!(state().as_deref(), Some("Ringing"));
    report(&stage, &id, &status_of(sid, "initiated", "0")).await;
    report(&stage, &id, &status_of(sid, "ringing", "1")).await;
    assert_eq!(state().as_deref(), Some("Ringing"));
    // Somebody else's call, and a name that is none.
    report(&stage, "0190aaaa-0000-7000-8000-000000000000", &status_of("CA9", "busy", "5")).await;
    report(&stage, "nonsense", &status_of("CA9", "busy", "6")).await;
    assert_eq!(state().as_deref(), Some("Ringing"));

    let mut busy = status_of(sid, "busy", "3");
    busy.push(("SipResponseCode", "603"));
    report(&stage, &id, &busy).await;
    assert_eq!(unreached(&*only_record(&stage).await), Some(Unreached::Rejected));
    assert!(is_free(&stage));

    report(&stage, &id, &status_of(sid, "in-progress", "2")).await;
    report(&stage, &id, &busy).await;
    report(&stage, &id, &status_of(sid, "completed", "9")).await;
    for answered_by in ["machine_start", "human", "unknown", "fax"] {
        report(&stage, &id, &[("CallSid", sid), ("AccountSid", ACCOUNT), ("AnsweredBy", answered_by)]).await;
    }
    assert_eq!(records(&stage).len(), 1);
    assert!(is_free(&stage));
    let bad = stage.webhook(&format!("{STATUS}?call={id}"), &[("AnsweredBy", "human")]).await;
    assert_eq!(bad.status(), 400);
}

#[tokio::test]
async fn a_report_that_comes_by_the_carriers_own_name_counts_too() {
    let (stage, _) = open(|_| {}).await;
    place(&stage).await;

    let form = status_of("CA1", "no-answer", "3");
    assert_eq!(stage.webhook(STATUS, &form).await.status(), 204);

    assert_eq!(unreached(&*only_record(&stage).await), Some(Unreached::NoAnswer));
    assert!(is_free(&stage));
}

#[tokio::test]
async fn a_call_of_which_nothing_is_heard_counts_as_not_answered() {
    let (stage, rest) = open(|config| (config.outbound.ring_s, config.outbound.grace_s) = (0, 1)).await;
    place(&stage).await;

    let record = only_record(&stage).await;

    assert_eq!(unreached(&record), Some(Unreached::NoAnswer));
    eventually("it is taken back at the carrier", || rest.asked().len() == 2).await;
    assert!(rest.asked()[1].0.ends_with("/Calls/CA1.json"));
    assert!(is_free(&stage));
    stage.close().await;
}

#[tokio::test]
async fn a_call_that_was_answered_without_its_sound_coming_is_no_missed_one() {
    let (stage, _) = open(|_| {}).await;
    let id = place(&stage).await;

    report(&stage, &id, &status_of("CA1", "in-progress", "2")).await;
    report(&stage, &id, &status_of("CA1", "completed", "3")).await;

    assert_eq!(only_record(&stage).await.end, EndCause::NeverStarted);
    assert!(is_free(&stage));
}

#[tokio::test]
async fn whoever_answers_a_call_that_was_given_up_is_let_go() {
    let (stage, rest) = open(|_| {}).await;
    let id = place(&stage).await;
    let token = parameter(&rest.form(0, "Twiml").unwrap(), "token").unwrap();

    // The carrier says that it is answered already: another word is needed to end it.
    rest.will_say(400, "", r#"{"code": 21220, "message": "Invalid call state", "status": 400}"#);
    let answer = stage.post_json(&format!("/api/v1/calls/{id}/hangup"), serde_json::json!({})).await;
    assert_eq!(answer.status(), 202);
    let mut socket = MediaSocket::open(&stage, "/twilio/media-stream", &[]).await.unwrap();
    socket.start("CA1", &[("token", &token), ("call", &id)]).await;

    assert_eq!(socket.closed().await, Some(1008));
    eventually("it is hung up", || rest.asked().len() == 3).await;
    let orders: Vec<Option<String>> = (1..3).map(|at| rest.form(at, "Status")).collect();
    assert_eq!(orders, [Some("canceled".to_owned()), Some("completed".to_owned())]);
    assert_eq!(unreached(&*only_record(&stage).await), Some(Unreached::Cancelled));
    assert!(is_free(&stage));
}

#[tokio::test]
async fn a_live_placed_call_ends_when_its_carrier_says_so() {
    let (stage, rest) = open(|_| {}).await;
    let id = place(&stage).await;
    let token = parameter(&rest.form(0, "Twiml").unwrap(), "token").unwrap();
    let mut socket = MediaSocket::open(&stage, "/twilio/media-stream", &[]).await.unwrap();
    socket.start("CA1", &[("token", &token)]).await;
    eventually("it lives", || stage.gateway.switchboard.live_count() == 1).await;
    let live: Value = stage.get_json("/api/v1/calls").await;
    assert_eq!(live["live"].as_array().unwrap().len(), 1, "{live}");
    assert_eq!(
        (&live["live"][0]["id"], &live["live"][0]["state"]),
        (&id.as_str().into(), &"answered".into())
    );

    report(&stage, &id, &status_of("CA1", "ringing", "1")).await;
    report(&stage, &id, &status_of("CA1", "completed", "3")).await;

    socket.closed().await;
    assert_eq!(only_record(&stage).await.end, EndCause::CallerHungUp);
    eventually("its place is free", || is_free(&stage)).await;
}

#[tokio::test]
async fn a_call_that_could_not_be_tried_can_be_tried_again_with_its_key() {
    let (stage, rest) = open(|_| {}).await;
    let keyed = |key: &str| outbound::Request { key: Some(key.to_owned()), ..request() };
    rest.will_say(429, "1", "");
    assert_eq!(stage.gateway.place_call(keyed("a")).await.unwrap_err().code(), "carrier_busy");
    let placed = stage.gateway.place_call(keyed("a")).await.unwrap();
    assert_eq!(placed.carrier_call.as_deref(), Some("CA2"));

    rest.will_say(500, "", "");
    let unknown = stage.gateway.place_call(keyed("b")).await.unwrap_err();
    let again = stage.gateway.place_call(keyed("b")).await.unwrap_err();
    assert_eq!((unknown.code(), &unknown), ("carrier_unreachable", &again));
    assert_eq!(rest.asked().len(), 3, "it may have rung; it is not tried again");
}
