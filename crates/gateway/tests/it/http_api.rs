//! The API: who may use it, what it answers, what it lets calls be asked.

use gateway::config::Config;
use reqwest::Method;
use reqwest::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use serde_json::{Value, json};
use url::Url;
use wire::Secret;

use crate::stage::{API_TOKEN, AUTH_TOKEN, LONG, Stage, until_over};

const NO_CALL: &str = "/api/v1/calls/0190aaaa-0000-7000-8000-000000000000";

/// The code of an error answer, which must be whole.
async fn code(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let error = &body["error"];
    assert!(
        !error["message"].as_str().unwrap().is_empty() && !error["mend"].as_str().unwrap().is_empty(),
        "{body}"
    );
    (status, error["code"].as_str().unwrap().to_owned())
}

fn with_token(config: &mut Config) {
    config.server.api_token = Some(Secret::new(API_TOKEN));
}

#[tokio::test]
async fn the_status_says_what_this_gateway_is() {
    let stage = Stage::with_twilio(|config| {
        config.server.public_url = Some(Url::parse("https://voice.example.com").unwrap());
        config.limits.calls = 7;
    })
    .await;

    let status = stage.get_json("/api/v1/status").await;

    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["bots"], json!([{"name": "demo", "agent": "demo"}]));
    assert_eq!(status["default_bot"], "demo");
    assert_eq!(status["carriers"][0]["name"], "browser");
    assert_eq!(
        (&status["carriers"][1]["name"], &status["carriers"][1]["ready"]),
        (&json!("twilio"), &json!(true))
    );
    let twilio = &status["carriers"][1];
    assert_eq!(twilio["addresses"][0]["url"], "https://voice.example.com/webhooks/inbound");
    assert_eq!((&twilio["missing"], &twilio["title"]), (&json!([]), &json!("Twilio")));
    let names: Vec<&str> = status["carriers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|carrier| carrier["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["browser", "twilio", "plivo", "exotel", "mcube"]);
    assert_eq!(status["carriers"][2]["ready"], false);
    assert!(
        status["carriers"][2]["words"].as_str().unwrap().contains("carriers.plivo.auth_token"),
        "{status}"
    );
    assert_eq!(format!("http://{}", status["listen"].as_str().unwrap()), stage.base);
    assert_eq!(status["public_url"], "https://voice.example.com");
    assert_eq!(status["draining"], false);
    assert_eq!(status["calls"], json!({"live": 0, "max": 7}));
    assert_eq!(status["slots"], json!({"held": 0, "max": 30}));
    assert!(!status.to_string().contains(AUTH_TOKEN));
}

#[tokio::test]
async fn a_call_can_be_watched_and_ended_and_read_afterwards() {
    let stage = Stage::with_twilio(|_| {}).await;
    let mut socket = stage.place_call("CA1").await;
    let path = format!("/api/v1/calls/{}", socket.id);
    let mut events = stage.gateway.events.listen();

    let list = stage.get_json("/api/v1/calls").await;
    assert_eq!((list["live"].as_array().unwrap().len(), &list["recent"]), (1, &json!([])));
    assert_eq!(list["live"][0]["id"], socket.id.as_str());
    let live = stage.get_json(&path).await;
    assert_eq!((&live["end"], &live["receipt"]), (&Value::Null, &Value::Null));
    assert!(live["entries"].as_array().unwrap().iter().any(|entry| entry["fact"] == "media_started"));

    let ended = stage.post_json(&format!("{path}/hangup"), json!({})).await;
    assert_eq!(ended.status(), 202);
    assert_eq!(ended.json::<Value>().await.unwrap(), json!({"id": socket.id, "ordered": "hangup"}));
    socket.send(json!({"event": "stop", "sequenceNumber": "2", "streamSid": "MZ1", "stop": {}})).await;
    socket.closed().await;
    until_over(&mut events).await;

    let record = stage.get_json(&path).await;
    assert_eq!(record["phase"], "over");
    assert_eq!(record["end"], json!({"cause": "operator_hung_up", "by": "the API"}));
    assert!(!record["end_words"].as_str().unwrap().is_empty());
    assert_eq!(record["receipt"]["call"], socket.id.as_str());
    assert!(record["turns"].is_array());
    let list = stage.get_json("/api/v1/calls").await;
    assert_eq!(list["live"], json!([]));
    let over = &list["recent"][0];
    for name in [
        "id",
        "carrier",
        "bot",
        "agent",
        "from",
        "to",
        "started_at",
        "phase",
        "duration_ms",
        "end",
        "end_words",
    ] {
        assert_eq!(over[name], record[name], "{name}");
    }
    let before = stage.get_json(&format!("/api/v1/calls?limit=5&before={}", socket.id)).await;
    assert_eq!(before["recent"], json!([]), "nothing is older");
    assert_eq!(stage.get_json("/api/v1/calls?limit=0").await["recent"], json!([]));
    let theirs = over["carrier_call"].as_str().unwrap();
    let found = stage.get_json(&format!("/api/v1/calls?carrier_call={theirs}")).await;
    assert_eq!((found["recent"].as_array().unwrap().len(), &found["recent"][0]), (1, over));
    let nobodys = stage.get_json("/api/v1/calls?carrier_call=CA0").await;
    assert_eq!((&nobodys["live"], &nobodys["recent"]), (&json!([]), &json!([])));
    let again = stage.http.post(stage.at(&format!("{path}/hangup"))).send().await.unwrap();
    assert_eq!(code(again).await, (409, "call_over".into()));
}

#[tokio::test]
async fn what_a_call_cannot_do_is_refused_with_words() {
    let stage = Stage::with_twilio(|_| {}).await;
    let socket = stage.place_call("CA1").await;
    let order = |verb: &str, body: Value| {
        let path = format!("/api/v1/calls/{}/{verb}", socket.id);
        let stage = &stage;
        async move { code(stage.post_json(&path, body).await).await }
    };

    assert_eq!(order("say", json!({"text": "Hello"})).await, (409, "cannot_say".into()));
    assert_eq!(order("say", json!({"text": ""})).await, (422, "bad_text".into()));
    assert_eq!(order("say", json!({"text": "x".repeat(2_001)})).await, (422, "bad_text".into()));
    assert_eq!(order("transfer", json!({"to": "+14155550111"})).await, (409, "cannot_transfer".into()));
    assert_eq!(order("transfer", json!({"to": "the boss"})).await, (422, "bad_destination".into()));
    assert_eq!(order("transfer", json!({"number": "+14155550111"})).await, (422, "bad_body".into()));
    drop(socket);
    stage.close().await;
}

#[tokio::test]
async fn a_transfer_goes_only_where_the_bot_may_hand_callers_to() {
    let stage = Stage::with_twilio(|config| {
        config.carriers.twilio.account_sid = Some("AC1".into());
        // Nobody is there: the transfer is asked for, and fails by itself.
        config.carriers.twilio.api_base_url = Url::parse("http://127.0.0.1:1").unwrap();
        config.bots[0].call.transfer_to = vec!["+14155550111".into()];
    })
    .await;
    let socket = stage.place_call("CA1").await;
    let path = format!("/api/v1/calls/{}/transfer", socket.id);

    let elsewhere = stage.post_json(&path, json!({"to": "+14155550112"})).await;
    let allowed = stage.post_json(&path, json!({"to": "+1 415 555 0111"})).await;

    assert_eq!(code(elsewhere).await, (409, "destination_not_allowed".into()));
    assert_eq!(allowed.status(), 202);
    drop(socket);
    stage.close().await;
}

#[tokio::test]
async fn errors_are_json_wherever_they_come_from() {
    let stage = Stage::open(|config| config.limits.request_bytes = 4_096).await;
    let get = async |path: &str| code(stage.get(path).await).await;
    let post = async |path: &str, kind: &'static str, body: String| {
        let request = stage.http.post(stage.at(path)).header(CONTENT_TYPE, kind).body(body);
        code(request.send().await.unwrap()).await
    };
    let say = format!("{NO_CALL}/say");

    assert_eq!(get("/api/v1/nothing").await, (404, "not_found".into()));
    assert_eq!(get("/api/v2/status").await, (404, "not_found".into()));
    assert_eq!(get("/api").await, (404, "not_found".into()));
    assert_eq!(get(NO_CALL).await, (404, "no_such_call".into()));
    assert_eq!(get("/api/v1/calls/no-id").await, (404, "no_such_call".into()));
    assert_eq!(get("/api/v1/calls/%FF").await, (404, "no_such_call".into()));
    assert_eq!(get("/api/v1/calls?limit=many").await, (422, "bad_query".into()));
    assert_eq!(get("/api/v1/calls?limits=1").await, (422, "bad_query".into()));
    assert_eq!(get("/api/v1/events?call=none").await, (422, "bad_query".into()));
    assert_eq!(get(&say).await, (405, "method_not_allowed".into()));
    let deleted = stage.http.delete(stage.at("/api/v1/status")).send().await.unwrap();
    assert_eq!(deleted.headers()["allow"], "GET,HEAD");
    assert_eq!(code(deleted).await, (405, "method_not_allowed".into()));
    assert_eq!(post(&say, "text/plain", "{}".into()).await, (415, "not_json".into()));
    assert_eq!(post(&say, "application/json", "{\"text\": ".into()).await, (400, "malformed_json".into()));
    assert_eq!(post(&say, "application/json", "\u{1}".into()).await, (400, "malformed_json".into()));
    assert_eq!(post(&say, "application/json", "{\"text\": 1}".into()).await, (422, "bad_body".into()));
    assert_eq!(post(&say, "application/json", "x".repeat(5_000)).await, (413, "body_too_large".into()));
    assert_eq!(
        post(&say, "application/json", "{\"text\": \"x\"}".into()).await,
        (404, "no_such_call".into())
    );
}

#[tokio::test]
async fn with_a_token_everything_but_liveness_and_the_page_asks_for_it() {
    let stage = Stage::open(with_token).await;

    for path in [
        "/api/v1/status",
        "/api/v1/calls",
        "/api/v1/events",
        "/api/v1/nothing",
        NO_CALL,
        "/health",
        "/health/performance",
        "/metrics",
    ] {
        let response = stage.get(path).await;
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer realm=\"trunkline\"", "{path}");
        assert_eq!(code(response).await, (401, "token_needed".into()), "{path}");
        let wrong = stage.http.get(stage.at(path)).bearer_auth("wrong").send().await.unwrap();
        assert_eq!(code(wrong).await, (401, "wrong_token".into()), "{path}");
    }
    for path in ["/livez", "/readyz", "/"] {
        assert_eq!(stage.get(path).await.status(), 200, "{path}");
    }
    for path in ["/api/v1/status", "/api/v1/calls", "/health", "/health/performance", "/metrics"] {
        let right = stage.http.get(stage.at(path)).bearer_auth(API_TOKEN).send().await.unwrap();
        assert_eq!(right.status(), 200, "{path}");
        assert_eq!(right.headers()["cache-control"], "no-store", "{path}");
        assert!(!right.text().await.unwrap().contains(API_TOKEN), "{path}");
    }
}

#[tokio::test]
async fn without_a_token_neither_tunnels_nor_foreign_pages_get_in() {
    let stage = Stage::open(|_| {}).await;
    let ask = async |name, value: &str| {
        let request = stage.http.get(stage.at("/api/v1/status")).header(name, value);
        code(request.send().await.unwrap()).await
    };

    assert_eq!(ask(HOST, "tunnel.example.com").await, (403, "this_machine_only".into()));
    assert_eq!(
        ask("x-forwarded-for".parse().unwrap(), "203.0.113.1").await,
        (403, "this_machine_only".into())
    );
    assert_eq!(ask(ORIGIN, "https://evil.example").await, (403, "foreign_page".into()));
    let own = stage.http.get(stage.at("/api/v1/status")).header(ORIGIN, &stage.base).send().await.unwrap();
    assert_eq!(own.status(), 200);
}

#[tokio::test]
async fn pages_of_other_origins_are_told_no_unless_listed() {
    let closed = Stage::open(with_token).await;
    let open = Stage::open(|config| {
        with_token(config);
        config.server.cors_origins = vec!["https://desk.example.com/".into()];
    })
    .await;
    let may = async |stage: &Stage, origin: &str| {
        let request = stage
            .http
            .request(Method::OPTIONS, stage.at(&format!("{NO_CALL}/hangup")))
            .header(ORIGIN, origin)
            .header(ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");
        let response = request.send().await.unwrap();
        assert!(response.headers().get(ACCESS_CONTROL_ALLOW_CREDENTIALS).is_none());
        response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned())
    };

    assert_eq!(may(&closed, "https://desk.example.com").await, None);
    assert_eq!(may(&open, "https://evil.example").await, None);
    assert_eq!(may(&open, "https://desk.example.com").await.as_deref(), Some("https://desk.example.com"));
    let request = open.http.get(open.at("/api/v1/status")).header(ORIGIN, "https://desk.example.com");
    let refused = request.send().await.unwrap();
    assert_eq!(
        refused.headers()[ACCESS_CONTROL_ALLOW_ORIGIN],
        "https://desk.example.com",
        "it may read why not"
    );
    assert_eq!(refused.status(), 401);
}

#[tokio::test]
async fn an_address_that_asks_too_often_waits() {
    let stage = Stage::open(|config| {
        with_token(config);
        config.limits.api_requests_per_minute_per_address = 3;
    })
    .await;

    for _ in 0..3 {
        assert_eq!(
            stage.http.get(stage.at("/api/v1/status")).bearer_auth("a guess").send().await.unwrap().status(),
            401
        );
    }
    let refused = stage.http.get(stage.at("/api/v1/status")).bearer_auth(API_TOKEN).send().await.unwrap();

    let wait: u64 = refused.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=120).contains(&wait));
    assert_eq!(code(refused).await, (429, "too_many_requests".into()));
    assert_eq!(stage.get("/livez").await.status(), 200, "platforms go on asking");
}

/// Reads events until one is wanted.
async fn next_event(response: &mut reqwest::Response, text: &mut String, wanted: &str) -> Value {
    let reading = async {
        loop {
            while let Some((event, rest)) = text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                *text = rest;
                if event.lines().any(|line| line == format!("event: {wanted}")) {
                    let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
                    return serde_json::from_str(data).unwrap();
                }
            }
            let piece = response.chunk().await.unwrap().expect("the stream ended");
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    };
    tokio::time::timeout(LONG, reading).await.expect("the event did not come")
}

#[tokio::test]
async fn events_are_told_as_they_happen() {
    let stage = Stage::with_twilio(|_| {}).await;
    let (mut response, mut text) = (stage.get("/api/v1/events").await, String::new());
    assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
    let hello = next_event(&mut response, &mut text, "hello").await;
    assert_eq!(hello["version"], env!("CARGO_PKG_VERSION"));

    let socket = stage.place_call("CA1").await;

    let fact = next_event(&mut response, &mut text, "fact").await;
    assert_eq!((&fact["call"], fact["fact"].is_string()), (&json!(socket.id), true));
    let call = next_event(&mut response, &mut text, "call").await;
    assert_eq!((&call["id"], &call["bot"]), (&json!(socket.id), &json!("demo")));
    let levels = next_event(&mut response, &mut text, "levels").await;
    assert!(levels["caller_dbfs"].is_number() && levels["agent_speaks"].is_boolean());
    let mut narrow = stage.get(&format!("/api/v1/events?call={}", socket.id)).await;
    next_event(&mut narrow, &mut String::new(), "levels").await;
    drop(socket);
    stage.close().await;
}

#[tokio::test]
async fn listeners_are_bounded_and_the_door_can_close_on_them() {
    let stage = Stage::open(|config| config.limits.event_listeners = 1).await;
    let (mut first, mut text) = (stage.get("/api/v1/events").await, String::new());
    next_event(&mut first, &mut text, "hello").await;

    assert_eq!(code(stage.get("/api/v1/events").await).await, (503, "too_many_listeners".into()));

    let stopped = stage.close().await;
    assert_eq!(stopped.tasks_left, 0, "a listener does not keep the gateway from stopping");
    let rest = tokio::time::timeout(LONG, first.text()).await.unwrap();
    assert!(rest.unwrap_or_default().is_empty());
}
