//! Health, metrics, and the console's files.

use reqwest::Method;
use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use serde_json::json;

use crate::stage::{LONG, Stage};

#[tokio::test]
async fn platforms_learn_whether_to_restart_and_whether_to_send_calls() {
    let stage = Stage::open(|_| {}).await;
    assert_eq!(stage.get("/livez").await.text().await.unwrap(), "alive\n");
    assert_eq!(stage.get("/readyz").await.text().await.unwrap(), "ready\n");

    stage.gateway.switchboard.drain(LONG);

    assert_eq!(stage.get("/livez").await.status(), 200);
    let draining = stage.get("/readyz").await;
    assert_eq!((draining.status().as_u16(), draining.text().await.unwrap().as_str()), (503, "draining\n"));
}

#[tokio::test]
async fn each_dependency_is_reported_by_itself() {
    let stage = Stage::open(|_| {}).await;
    let well = stage.get_json("/health").await;
    assert_eq!((&well["status"], &well["draining"]), (&json!("ok"), &json!(false)));
    assert!(well["dependencies"].as_array().unwrap().iter().any(|one| one["name"] == "records"));

    stage.gateway.health.note_failure("elevenlabs", "refused the API key");

    let ill = stage.get("/health").await;
    assert_eq!(ill.status(), 200, "calls still come in");
    let ill: serde_json::Value = ill.json().await.unwrap();
    assert_eq!(ill["status"], "degraded");
    let failing =
        ill["dependencies"].as_array().unwrap().iter().find(|one| one["name"] == "elevenlabs").unwrap();
    assert_eq!(
        (&failing["state"], &failing["last_error"]),
        (&json!("failing"), &json!("refused the API key"))
    );
}

#[tokio::test]
async fn performance_tells_of_calls_the_process_and_latencies() {
    let stage = Stage::with_twilio(|config| config.limits.calls = 5).await;
    stage.knock("CA1").await;

    let performance = stage.get_json("/health/performance").await;

    assert_eq!(performance["calls"], json!({"live": 0, "expected": 1, "max": 5}));
    assert_eq!(performance["slots"], json!({"held": 0, "max": 30}));
    assert!(performance["connections"]["open"].as_i64().unwrap() >= 1);
    assert!(performance["memory"]["resident_bytes"].as_u64().unwrap() > 1_000_000);
    assert!(performance["files"]["open"].as_u64().unwrap() > 3);
    for name in ["first_audio", "turn", "agent_ready", "barge_in", "silence", "loop_lag"] {
        assert!(performance["latency"][name]["count"].is_u64(), "{name}");
    }
}

#[tokio::test]
async fn metrics_are_written_for_prometheus() {
    let stage = Stage::with_twilio(|_| {}).await;
    stage.knock("CA1").await;

    let response = stage.get("/metrics").await;

    let kind = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = response.text().await.unwrap();
    assert!(text.contains("trunkline_webhooks_total{path=\"inbound\",outcome=\"connected\"} 1"), "{text}");
    assert!(text.contains("trunkline_agent_slots_limit{agent=\"elevenlabs\"} 30"), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_page_is_served_with_strict_headers() {
    let stage = Stage::open(|_| {}).await;

    let page = stage.get("/").await;

    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(page.headers()[CACHE_CONTROL], "no-cache");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
    for rule in
        ["default-src 'self'", "connect-src 'self' ws: wss:", "object-src 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    let tag = page.headers()[ETAG].clone();
    assert!(page.text().await.unwrap().contains("<title>Trunkline</title>"));

    let known = stage.http.get(stage.at("/")).header(IF_NONE_MATCH, tag).send().await.unwrap();
    assert_eq!((known.status().as_u16(), known.text().await.unwrap().as_str()), (304, ""));
    let script = stage.get("/console.js").await;
    assert_eq!(script.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
    assert_eq!(stage.get("/icon.svg").await.headers()[CONTENT_TYPE], "image/svg+xml");
    let head = stage.http.head(stage.at("/console.js")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
}

#[tokio::test]
async fn what_is_not_there_is_said_in_a_line() {
    let stage = Stage::open(|_| {}).await;

    for path in ["/nothing", "/tests/stub/main.mjs", "/..%2fCargo.toml", "/.git/config"] {
        let response = stage.get(path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.text().await.unwrap(), "there is nothing at this path\n");
    }
    assert_eq!(stage.http.request(Method::PUT, stage.at("/")).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn beyond_the_last_connection_the_door_stays_shut() {
    let stage = Stage::open(|config| config.server.connections_max = 1).await;
    // The client keeps this connection open.
    assert_eq!(stage.get("/livez").await.status(), 200);

    let another = reqwest::Client::builder().no_proxy().timeout(LONG).build().unwrap();
    let refused = another.get(stage.at("/livez")).send().await;

    assert!(refused.is_err());
    assert_eq!(stage.gateway.metrics.connections_refused.get(), 1);
    assert_eq!(stage.gateway.metrics.connections.get(), 1);
}
