//! Requests to the outside and bots' tools, against a real server on this machine.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use call::{CallId, ToolRun};
use gateway::bot_tools::{BotTools, ToolCaller};
use gateway::config::{Bot, BotTool, ToolMethod};
use gateway::ops::health::{Health, State as Doing};
use gateway::ops::logs::LogDrops;
use gateway::ops::metrics::Metrics;
use gateway::outward::{Outward, OutwardError, REPLY_BYTES_MAX, TlsError, rustls_config};
use serde_json::{Value, json};
use wire::{Body, Method, Request, Secret};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn headers_forms_json_and_passwords_arrive_as_they_were_meant() {
    let peer = Peer::start().await;
    let world = World::new();
    let mut form = peer.request("/echo", Method::Post);
    form.body = Body::Form(vec![("Event".into(), "a b".into()), ("Event".into(), "c&d".into())]);
    form.basic = Some(("AC1".to_owned(), Secret::new("token")));
    let mut json = peer.request("/echo", Method::Post);
    json.body = Body::Json("{\"a\":1}".to_owned());
    json.headers.push(("xi-api-key", Secret::new("key")));

    let form = world.send(&form).await.unwrap();
    let json = world.send(&json).await.unwrap();

    let form: Value = serde_json::from_str(&form.body).unwrap();
    assert_eq!(form["body"], "Event=a+b&Event=c%26d");
    assert_eq!(form["content_type"], "application/x-www-form-urlencoded");
    assert_eq!(form["authorization"], "Basic QUMxOnRva2Vu");
    let json: Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!((json["body"].as_str(), json["key"].as_str()), (Some("{\"a\":1}"), Some("key")));
}

#[tokio::test]
async fn what_may_be_repeated_is_repeated_until_it_works() {
    let peer = Peer::start().await;
    let world = World::new();
    let mut request = peer.request("/flaky", Method::Get);

    request.idempotent = false;
    assert_eq!(world.send(&request).await.unwrap().status, 503, "once, and no more");
    request.idempotent = true;
    assert_eq!(world.send(&request).await.unwrap().status, 200);

    assert_eq!(peer.hits.load(Ordering::SeqCst), 3);
    assert_eq!(world.health.report()[0].state, Doing::Ok, "it works now");
    let text = world.metrics.render();
    assert!(text.contains(r#"trunkline_requests_total{provider="peer",outcome="failed"} 2"#), "{text}");
    assert!(text.contains(r#"trunkline_requests_total{provider="peer",outcome="ok"} 1"#), "{text}");
}

#[tokio::test]
async fn a_peer_that_asks_for_more_patience_than_there_is_gets_none() {
    let peer = Peer::start().await;
    let world = World::new();
    let mut request = peer.request("/busy", Method::Get);
    request.idempotent = true;
    let began = Instant::now();

    let reply = world.outward.send("peer", &request, Duration::from_secs(5)).await.unwrap();

    assert_eq!((reply.status, reply.retry_after_s), (429, Some(60)));
    assert!(began.elapsed() < Duration::from_secs(4), "it did not wait in vain");
    assert_eq!(world.health.report()[0].state, Doing::Failing);
}

#[tokio::test]
async fn a_peer_that_never_answers_is_given_up_in_time() {
    let peer = Peer::start().await;
    let world = World::new();
    let request = peer.request("/silent", Method::Get);

    let error = world.outward.send("peer", &request, Duration::from_millis(150)).await.unwrap_err();

    assert!(matches!(error, OutwardError::TimedOut { .. }), "{error}");
    assert!(world.health.report()[0].last_error.as_ref().unwrap().contains("did not answer"));
}

#[tokio::test]
async fn nobody_there_is_said_in_words_that_help_and_without_the_query() {
    let world = World::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut request = Peer::at(free).request("/x?token=hunter2", Method::Get);
    request.idempotent = true;

    let error = world.send(&request).await.unwrap_err().to_string();

    assert!(error.contains("cannot reach 127.0.0.1:") && error.contains("firewall"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_reply_without_end_is_cut_off() {
    let peer = Peer::start().await;
    let world = World::new();

    let error = world.send(&peer.request("/endless", Method::Get)).await.unwrap_err();

    assert!(matches!(error, OutwardError::TooLarge { bytes_max: REPLY_BYTES_MAX, .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_our_key() {
    let peer = Peer::start().await;
    let world = World::new();
    let mut request = peer.request("/away", Method::Get);
    request.headers.push(("xi-api-key", Secret::new("key")));

    assert_eq!(world.send(&request).await.unwrap().status, 302);
    assert_eq!(peer.hits.load(Ordering::SeqCst), 0, "nobody came to where it pointed");
}

#[tokio::test]
async fn a_secret_that_no_header_carries_is_an_error_that_does_not_show_it() {
    let world = World::new();
    let mut request = Peer::at(SocketAddr::from(([127, 0, 0, 1], 9))).request("/", Method::Get);
    request.headers.push(("xi-api-key", Secret::new("hunter2\n")));

    let error = world.send(&request).await.unwrap_err();

    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn a_file_without_certificates_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "nothing\n").unwrap();

    let error = rustls_config(Some(&path)).unwrap_err();

    assert!(matches!(error, TlsError::Unreadable { .. }));
    assert!(error.to_string().contains("ca.pem"), "{error}");
    assert!(rustls_config(None).is_ok());
}

#[tokio::test]
async fn a_tool_is_told_the_call_and_the_arguments_and_its_answer_goes_to_the_agent() {
    let peer = Peer::start().await;
    let bot = peer.bot("/echo", true, ToolMethod::Post);

    let outcome = World::new().tools().run(&bot, &tool_run("find"), &caller()).await;

    assert!(!outcome.is_error, "{}", outcome.result);
    assert_eq!(outcome.id, "run-1");
    let answer: Value = serde_json::from_str(&outcome.result).unwrap();
    let told: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(told["arguments"], json!({ "day": "Monday", "people": 2 }));
    assert_eq!(told["caller"], "+14155550123");
    assert_eq!(told["call_id"], caller().call.to_string());
    assert_eq!(answer["key"], "tool-key");
}

#[tokio::test]
async fn a_tool_by_get_has_its_arguments_in_the_query() {
    let peer = Peer::start().await;
    let bot = peer.bot("/query?fixed=1", true, ToolMethod::Get);

    let outcome = World::new().tools().run(&bot, &tool_run("find"), &caller()).await;

    let query: HashMap<String, String> = serde_json::from_str(&outcome.result).unwrap();
    assert_eq!(query["day"], "Monday");
    assert_eq!(query["people"], "2");
    assert_eq!(query["fixed"], "1");
    assert_eq!(query["tool"], "find");
}

#[tokio::test]
async fn every_failure_of_a_tool_is_an_answer() {
    let peer = Peer::start().await;
    let world = World::new();
    let tools = world.tools();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut slow = peer.bot("/silent", true, ToolMethod::Post);
    slow.tools[0].timeout_ms = 150;

    for (bot, says) in [
        (peer.bot("/missing", true, ToolMethod::Post), "status 404"),
        (slow, "did not answer within 150 ms"),
        (peer.bot("/endless", true, ToolMethod::Get), "too long"),
        (Peer::at(free).bot("/", true, ToolMethod::Post), "cannot be reached"),
        (Bot::default(), "there is no tool named find"),
    ] {
        let outcome = tools.run(&bot, &tool_run("find"), &caller()).await;

        assert!(outcome.is_error && outcome.result.contains(says), "{says}: {}", outcome.result);
        assert!(!outcome.result.contains("127.0.0.1"), "{}", outcome.result);
    }
    assert!(world.metrics.render().contains(r#"trunkline_tool_runs_total{cause="failed"} 5"#));
}

#[tokio::test]
async fn a_tool_may_not_lead_into_the_private_network_by_number_or_by_name() {
    let peer = Peer::start().await;
    let tools = World::new().tools();
    for host in ["127.0.0.1", "localhost", "[::1]", "0"] {
        let mut bot = peer.bot("/echo", false, ToolMethod::Post);
        bot.tools[0].url = format!("http://{host}:{}/echo", peer.address.port()).parse().unwrap();

        let outcome = tools.run(&bot, &tool_run("find"), &caller()).await;

        assert!(outcome.is_error && outcome.result.contains("private address"), "{host}: {}", outcome.result);
    }
    assert_eq!(peer.hits.load(Ordering::SeqCst), 0);
}

struct World {
    outward: Outward,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl World {
    fn new() -> World {
        let metrics = Metrics::new(LogDrops::default());
        let health = Arc::new(Health::new());
        let tls = rustls_config(None).unwrap();
        let outward = Outward::new(&tls, Arc::clone(&metrics), Arc::clone(&health)).unwrap();
        World { outward, metrics, health }
    }

    async fn send(&self, request: &Request) -> Result<wire::Reply, OutwardError> {
        self.outward.send("peer", request, LONG).await
    }

    fn tools(&self) -> BotTools {
        BotTools::new(&rustls_config(None).unwrap(), Arc::clone(&self.metrics)).unwrap()
    }
}

fn tool_run(name: &str) -> ToolRun {
    ToolRun {
        id: "run-1".to_owned(),
        name: name.to_owned(),
        arguments: json!({ "day": "Monday", "people": 2 }),
    }
}

fn caller() -> ToolCaller {
    ToolCaller {
        call: CallId::mint(1_700_000_000_000, [1; 10]),
        caller: Some("+14155550123".to_owned()),
        called: None,
    }
}

/// A server that behaves in every way a server can.
struct Peer {
    address: SocketAddr,
    hits: Arc<AtomicU32>,
}

impl Peer {
    fn at(address: SocketAddr) -> Peer {
        Peer { address, hits: Arc::default() }
    }

    async fn start() -> Peer {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Peer::at(listener.local_addr().unwrap());
        let hits = Arc::clone(&peer.hits);
        let routes = Router::new()
            .route("/echo", any(echo))
            .route("/query", get(async |Query(query): Query<BTreeMap<String, String>>| axum::Json(query)))
            .route("/flaky", get(flaky))
            .route("/busy", get(async || (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "60")])))
            .route("/silent", any(async || std::future::pending::<()>().await))
            .route("/endless", any(endless))
            .route("/away", get(async || (StatusCode::FOUND, [("location", "/target")])))
            .route("/target", post(echo).get(echo))
            .with_state(hits);
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        peer
    }

    fn request(&self, path: &str, method: Method) -> Request {
        Request {
            method,
            url: format!("http://{}{path}", self.address),
            headers: Vec::new(),
            basic: None,
            body: Body::Empty,
            idempotent: false,
        }
    }

    fn bot(&self, path: &str, private: bool, method: ToolMethod) -> Bot {
        let tool = BotTool {
            name: "find".to_owned(),
            url: format!("http://{}{path}", self.address).parse().unwrap(),
            method,
            headers: BTreeMap::from([("xi-api-key".to_owned(), Secret::new("tool-key"))]),
            allow_private_addresses: private,
            timeout_ms: 20_000,
        };
        Bot { name: "desk".to_owned(), tools: vec![tool], ..Bot::default() }
    }
}

async fn echo(State(hits): State<Arc<AtomicU32>>, headers: HeaderMap, body: Bytes) -> Response {
    hits.fetch_add(1, Ordering::SeqCst);
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    axum::Json(json!({
        "body": String::from_utf8_lossy(&body),
        "content_type": header("content-type"),
        "authorization": header("authorization"),
        "key": header("xi-api-key"),
    }))
    .into_response()
}

/// Fails twice, then works.
async fn flaky(State(hits): State<Arc<AtomicU32>>) -> StatusCode {
    if hits.fetch_add(1, Ordering::SeqCst) < 2 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

async fn endless() -> Response {
    let sent = Arc::new(Mutex::new(0u64));
    let chunks = futures_util::stream::repeat_with(move || {
        *sent.lock().unwrap() += 1;
        Ok::<Bytes, io::Error>(Bytes::from_static(&[b'x'; 16 * 1024]))
    });
    axum::body::Body::from_stream(chunks).into_response()
}
