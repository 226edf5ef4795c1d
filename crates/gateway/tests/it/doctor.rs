//! What the doctor sees, and whether it says what to do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use gateway::config::{Config, ConfigErrors, ConfigFile, Loaded, Sources};
use gateway::doctor::{self, Area, Finding, Severity};
use serde_json::{Value, json};

const SID: &str = "AC0123456789abcdef0123456789abcdef";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const KEY: &str = "sk_0123456789abcdef0123456789";

#[test]
fn a_fresh_machine_is_fit_and_is_told_what_could_come_next() {
    let world = World::new();

    let findings = doctor::offline(&world.load(&[]));
    let text = doctor::to_text(&findings);

    assert!(doctor::is_fit(&findings), "{text}");
    let carriers = &find(&findings, Area::Network, "no carrier is set up").mend;
    for name in ["TWILIO_AUTH_TOKEN", "Plivo", "Exotel", "Mcube"] {
        assert!(carriers.contains(name), "{carriers}");
    }
    assert!(find(&findings, Area::ElevenLabs, "not set up").mend.contains("ELEVENLABS_API_KEY"));
    assert!(text.contains("Calls can come: ") && text.contains("This machine\n"), "{text}");
    let json: Value = serde_json::from_str(&doctor::to_json(&findings)).unwrap();
    assert_eq!(json["fit"], true);
    assert_eq!(json["findings"].as_array().unwrap().len(), findings.len());
}

#[test]
fn a_configuration_that_cannot_be_used_is_told_problem_by_problem() {
    let world = World::new();

    let findings =
        doctor::offline(&world.load(&[("TRUNKLINE__LIMITS__CALLS", "many"), ("TRUNKLINE__X", "1")]));

    assert!(!doctor::is_fit(&findings));
    let calls = find(&findings, Area::Configuration, "limits.calls (environment TRUNKLINE__LIMITS__CALLS)");
    assert_eq!(calls.severity, Severity::Fail);
    find(&findings, Area::Configuration, "is not a key");
    assert!(find(&findings, Area::Configuration, "checks were not made").words.contains("the port"));
    assert!(doctor::to_text(&findings).contains("Not ready for calls: 2 failures, 1 hint."));
}

#[test]
fn what_works_but_will_surprise_is_said() {
    let world = World::new();
    let twilio = [("TWILIO_ACCOUNT_SID", SID), ("TWILIO_AUTH_TOKEN", TOKEN)];
    for (more, area, severity, words) in [
        (
            vec![("WEBHOOK_BASE_URL", "https://voice.example.com")],
            Area::Network,
            Severity::Fail,
            "placeholder",
        ),
        (vec![("WEBHOOK_BASE_URL", "https://10.0.0.5")], Area::Network, Severity::Warn, "your own network"),
        (
            vec![("WEBHOOK_BASE_URL", "https://voice.test.org:8443")],
            Area::Network,
            Severity::Warn,
            "port 443",
        ),
        (
            vec![("WEBHOOK_BASE_URL", "https://voice.test.org/x")],
            Area::Network,
            Severity::Hint,
            "the path /x",
        ),
        (vec![], Area::Configuration, Severity::Warn, "server.public_url is missing"),
        (vec![("TWILIO_AUTH_TOKEN", "abc")], Area::Twilio, Severity::Warn, "auth token does not look like"),
        (vec![("TWILIO_ACCOUNT_SID", "SK1")], Area::Twilio, Severity::Warn, "account SID does not look like"),
        (
            vec![("ELEVENLABS_API_KEY", KEY), ("ELEVENLABS_AGENT_ID", "a")],
            Area::Bots,
            Severity::Hint,
            "50 calls may come, but only 30",
        ),
        (
            vec![("TRUNKLINE__LIMITS__CALLS", "100000"), ("TRUNKLINE__SERVER__CONNECTIONS_MAX", "1000000")],
            Area::Machine,
            Severity::Fail,
            "open files",
        ),
    ] {
        let findings = doctor::offline(&world.load(&[twilio.to_vec(), more].concat()));

        assert_eq!(find(&findings, area, words).severity, severity, "{words}");
        assert!(!doctor::to_text(&findings).contains(TOKEN));
    }
}

#[test]
fn half_of_an_account_is_asked_for_its_other_half_alone() {
    let world = World::new();
    for (variable, area, missing) in [
        ("TWILIO_ACCOUNT_SID", Area::Twilio, "TWILIO_AUTH_TOKEN"),
        ("ELEVENLABS_API_KEY", Area::ElevenLabs, "ELEVENLABS_AGENT_ID"),
        ("ELEVENLABS_AGENT_ID", Area::ElevenLabs, "ELEVENLABS_API_KEY"),
    ] {
        let findings = doctor::offline(&world.load(&[(variable, SID)]));

        assert!(doctor::is_fit(&findings));
        let half = find(&findings, area, "set up by half");
        assert!(half.mend.contains(missing) && !half.mend.contains(variable), "{}", half.mend);
        assert!(findings.iter().all(|found| found.area != Area::Bots || found.mend.is_empty()));
    }
}

#[test]
fn each_carrier_that_is_being_set_up_has_its_chapter_and_no_other() {
    let world = World::new();
    let plivo = ("TRUNKLINE__CARRIERS__PLIVO__AUTH_TOKEN", TOKEN);

    let half = doctor::offline(&world.load(&[plivo]));
    let missing = find(&half, Area::Plivo, "not ready");
    assert!(missing.mend.contains("WEBHOOK_BASE_URL"), "{}", missing.mend);
    assert!(half.iter().all(|found| !matches!(found.area, Area::Exotel | Area::Mcube)));

    let whole = doctor::offline(&world.load(&[plivo, ("WEBHOOK_BASE_URL", "https://voice.test.org")]));
    find(&whole, Area::Plivo, "POST https://voice.test.org/plivo/answer");
    find(&whole, Area::Plivo, "POST https://voice.test.org/plivo/hangup");
    assert!(whole.iter().all(|found| found.area != Area::Twilio && !found.words.contains("no phone number")));
    let text = doctor::to_text(&whole);
    assert!(text.contains("\nPlivo\n") && !text.contains(TOKEN), "{text}");
}

#[test]
fn calls_are_said_to_be_placed_only_where_they_are() {
    let world = World::new();
    let mut variables = vec![
        ("TWILIO_ACCOUNT_SID", SID),
        ("TWILIO_AUTH_TOKEN", TOKEN),
        ("WEBHOOK_BASE_URL", "https://voice.test.org"),
    ];

    let findings = doctor::offline(&world.load(&variables));
    assert_eq!(find(&findings, Area::Twilio, "until outbound.allow names").severity, Severity::Hint);
    assert!(find(&findings, Area::Twilio, "`from`").mend.contains("carriers.twilio.phone_number"));
    assert!(findings.iter().all(|found| !found.words.contains("can be placed too")));

    variables.extend([("TRUNKLINE__OUTBOUND__ALLOW", "+49"), ("TWILIO_PHONE_NUMBER", "+14155550100")]);
    find(&doctor::offline(&world.load(&variables)), Area::Twilio, "calls can be placed too");
}

#[tokio::test]
async fn an_agent_that_cannot_be_reached_is_not_said_to_be_talked_to() {
    let nobody = World::new();
    let world = World::new();
    let base = format!("http://{}", nobody.listen);
    let variables =
        [("ELEVENLABS_BASE_URL", base.as_str()), ("ELEVENLABS_API_KEY", KEY), ("ELEVENLABS_AGENT_ID", "a")];

    let findings = doctor::examine(&world.load(&variables), true).await;

    assert!(findings.iter().any(|found| found.area == Area::ElevenLabs && found.severity == Severity::Fail));
    find(&findings, Area::ElevenLabs, "1 bot is set to talk to it");
}

#[tokio::test]
async fn everything_in_order_online_is_said_so() {
    let world = World::new();
    let mut answers = good();
    answers.numbers[1]["voice_url"] = json!(format!("http://{}/webhooks/inbound", world.listen));
    let peer = Peer::start(answers).await;

    let findings = doctor::examine(&world.load(&peer.variables()), true).await;

    let text = doctor::to_text(&findings);
    assert!(doctor::is_fit(&findings), "{text}");
    find(&findings, Area::Machine, "records can be written");
    find(&findings, Area::Twilio, "are accepted");
    find(&findings, Area::Twilio, "calls to +14155550100 lead here");
    find(&findings, Area::ElevenLabs, "the agent “Reception” hears ulaw_8000 and speaks ulaw_8000");
    find(&findings, Area::Network, "/livez leads here");
    assert!(!text.contains(TOKEN) && !text.contains(KEY), "{text}");
}

#[tokio::test]
async fn wrong_keys_are_told_by_the_name_of_the_key() {
    let peer = Peer::start(good()).await;
    let world = World::new();
    let wrong = [("TWILIO_AUTH_TOKEN", "f".repeat(32)), ("ELEVENLABS_API_KEY", format!("{KEY}x"))];
    let mut variables = peer.variables();
    variables.extend(wrong.iter().map(|(name, value)| (*name, value.as_str())));
    let loaded = world.load(&variables).unwrap();

    let findings = doctor::online(&loaded).await;

    assert_eq!(find(&findings, Area::Twilio, "do not fit together").severity, Severity::Fail);
    let key = findings.iter().find(|found| found.area == Area::ElevenLabs).unwrap();
    assert_eq!(key.severity, Severity::Fail);
    assert!(key.words.to_lowercase().contains("key"), "{}", key.words);
}

#[tokio::test]
async fn an_agent_that_cannot_be_interrupted_and_a_number_that_leads_elsewhere_are_found() {
    let mut answers = good();
    answers.agent["conversation_config"]["conversation"]["client_events"] = json!(["audio", "ping"]);
    answers.numbers = json!([{
        "phone_number": "+14155550100",
        "voice_url": "https://demo.twilio.com/welcome/voice/",
        "voice_method": "POST",
    }]);
    answers.account = json!({ "status": "suspended", "type": "Trial" });
    let peer = Peer::start(answers).await;
    let world = World::new();

    let findings = doctor::online(&world.load(&peer.variables()).unwrap()).await;

    assert_eq!(find(&findings, Area::ElevenLabs, "interruption").severity, Severity::Fail);
    assert!(find(&findings, Area::Twilio, "demo.twilio.com").mend.contains("/webhooks/inbound"));
    assert_eq!(find(&findings, Area::Twilio, "suspended").severity, Severity::Fail);
    find(&findings, Area::Twilio, "trial account");
}

#[tokio::test]
async fn a_public_address_that_leads_elsewhere_is_found() {
    let elsewhere = Peer::start(good()).await;
    let world = World::new();
    let public = format!("http://{}", elsewhere.address);

    let findings = doctor::online(&world.load(&[("WEBHOOK_BASE_URL", &public)]).unwrap()).await;

    let found = find(&findings, Area::Network, "not by this machine");
    assert_eq!(found.severity, Severity::Fail);
    assert!(found.mend.contains("WebSockets"), "{}", found.mend);
}

fn find<'a>(findings: &'a [Finding], area: Area, words: &str) -> &'a Finding {
    let found = findings.iter().find(|found| found.area == area && found.words.contains(words));
    found.unwrap_or_else(|| panic!("nothing about {area:?} says {words}:\n{}", doctor::to_text(findings)))
}

/// A folder to write to and a port to listen on, of this test alone.
struct World {
    folder: tempfile::TempDir,
    listen: SocketAddr,
}

impl World {
    fn new() -> World {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        World { folder: tempfile::tempdir().unwrap(), listen: free.local_addr().unwrap() }
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
        let file = format!(
            "[server]\nlisten = \"{}\"\ndata_dir = {:?}\n",
            self.listen,
            self.folder.path().join("data").display().to_string()
        );
        let mut env: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let ours = format!("http://{}", self.listen);
        if env.get("WEBHOOK_BASE_URL").is_some_and(|url| url == "ours") {
            env.insert("WEBHOOK_BASE_URL".to_owned(), ours);
        }
        let path = PathBuf::from(Path::new("trunkline.toml"));
        Config::load(&Sources { env, file: Some(ConfigFile { path, text: file }), ..Sources::default() })
    }
}

/// Twilio and ElevenLabs in one, with these answers.
#[derive(Clone)]
struct Answers {
    account: Value,
    numbers: Value,
    agent: Value,
}

fn good() -> Answers {
    Answers {
        account: json!({ "status": "active", "type": "Full" }),
        numbers: json!([
            { "phone_number": "+14155550199", "voice_url": "", "voice_method": "POST" },
            { "phone_number": "+14155550100", "voice_url": "https://other.test/", "voice_method": "POST" },
        ]),
        agent: json!({
            "name": "Reception",
            "conversation_config": {
                "asr": { "user_input_audio_format": "ulaw_8000" },
                "tts": { "agent_output_audio_format": "ulaw_8000" },
                "agent": {
                    "first_message": "Hello!",
                    "prompt": { "prompt": "You are a receptionist.", "tools": [] },
                },
                "conversation": {
                    "max_duration_seconds": 3600,
                    "client_events": [
                        "conversation_initiation_metadata", "ping", "audio", "user_transcript", "agent_response",
                        "agent_response_correction", "interruption", "vad_score", "client_tool_call",
                        "agent_tool_request", "agent_tool_response", "tentative_user_transcript",
                    ],
                },
            },
            "platform_settings": { "auth": { "enable_auth": true } },
        }),
    }
}

struct Peer {
    address: SocketAddr,
    base: String,
}

impl Peer {
    async fn start(answers: Answers) -> Peer {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/livez", get(async || "another gateway"))
            .route("/2010-04-01/Accounts/{file}", get(account))
            .route("/2010-04-01/Accounts/{sid}/IncomingPhoneNumbers.json", get(numbers))
            .route("/v1/convai/agents/{agent}", get(agent))
            .with_state(answers);
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Peer { address, base: format!("http://{address}") }
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        vec![
            ("TWILIO_API_BASE_URL", &self.base),
            ("ELEVENLABS_BASE_URL", &self.base),
            ("TWILIO_ACCOUNT_SID", SID),
            ("TWILIO_AUTH_TOKEN", TOKEN),
            ("TWILIO_PHONE_NUMBER", "+14155550100"),
            ("ELEVENLABS_API_KEY", KEY),
            ("ELEVENLABS_AGENT_ID", "agent_1"),
            ("WEBHOOK_BASE_URL", "ours"),
        ]
    }
}

fn is_account(headers: &HeaderMap) -> bool {
    use base64::Engine;
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("{SID}:{TOKEN}"));
    headers.get("authorization").is_some_and(|value| *value == format!("Basic {expected}"))
}

async fn account(State(answers): State<Answers>, headers: HeaderMap) -> Response {
    if !is_account(&headers) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "code": 20003 }))).into_response();
    }
    Json(answers.account).into_response()
}

async fn numbers(State(answers): State<Answers>, headers: HeaderMap) -> Response {
    if !is_account(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(json!({ "incoming_phone_numbers": answers.numbers })).into_response()
}

async fn agent(State(answers): State<Answers>, headers: HeaderMap) -> Response {
    if headers.get("xi-api-key").is_none_or(|key| key != KEY) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "detail": { "status": "invalid_api_key" } })))
            .into_response();
    }
    Json(answers.agent).into_response()
}
