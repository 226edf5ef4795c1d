//! Settings of an agent that would break a call are found before a caller does.

use std::time::Duration;

use agents::elevenlabs::inspect::{AgentReport, Finding, Severity, Wanted, agent_request, read_agent};
use agents::elevenlabs::{Account, Auth, BaseUrl, Initiation, Override};
use audio::Rate;
use call::Retry;
use serde_json::{Value, json};
use wire::{Reply, Secret};

const SETTINGS: &str = include_str!("../../fixtures/elevenlabs/agent-settings.json");

fn settings() -> Value {
    serde_json::from_str(SETTINGS).unwrap()
}

fn report(settings: &Value) -> AgentReport {
    read_agent(&Reply { status: 200, body: settings.to_string(), retry_after_s: None }).unwrap()
}

fn findings(settings: &Value, initiation: &Initiation) -> Vec<Finding> {
    let tools = ["order_status".to_owned()];
    report(settings).findings(&Wanted {
        initiation,
        auth: Auth::SignedUrl,
        caller_rate: Rate::Hz8000,
        tools: &tools,
        max_duration: Duration::from_secs(3600),
        sessions: 30,
    })
}

/// The settings with one of them changed.
fn with(path: &str, value: Value) -> Value {
    let mut settings = settings();
    *settings.pointer_mut(&format!("/{}", path.replace('.', "/"))).unwrap() = value;
    settings
}

#[track_caller]
fn finds(settings: &Value, initiation: &Initiation, severity: Severity, words: &str, path: &str) {
    let found = findings(settings, initiation);
    assert!(
        found.iter().any(|finding| finding.severity == severity
            && finding.words.contains(words)
            && finding.mend.contains(path)),
        "no {severity:?} with {words:?} and {path:?} in {found:#?}"
    );
}

#[test]
fn an_agent_that_fits_has_no_findings() {
    assert_eq!(findings(&settings(), &Initiation::default()), []);
    assert_eq!(report(&settings()).name(), Some("Tea shop"));
    assert!(report(&settings()).allows(Override::FirstMessage));
    assert!(!report(&settings()).allows(Override::Speed));
}

#[test]
fn every_missing_event_is_named_with_its_consequence() {
    let events = "conversation_config.conversation.client_events";
    let none = with(events, json!([]));
    for (event, severity) in [
        ("audio", Severity::Breaks),
        ("interruption", Severity::Breaks),
        ("conversation_initiation_metadata", Severity::Breaks),
        ("client_tool_call", Severity::Breaks),
        ("ping", Severity::Warns),
        ("agent_response", Severity::Warns),
        ("user_transcript", Severity::Warns),
        ("agent_tool_response", Severity::Warns),
        ("agent_response_correction", Severity::Hint),
        ("vad_score", Severity::Hint),
    ] {
        finds(&none, &Initiation::default(), severity, &format!("`{event}`"), events);
    }
    // Never chosen is not the same as none chosen.
    let unchosen = findings(&with(events, json!(null)), &Initiation::default());
    assert!(!unchosen.iter().any(|finding| finding.words.contains("`audio`")), "{unchosen:#?}");
    assert!(unchosen.iter().any(|finding| finding.words.contains("`client_tool_call`")), "{unchosen:#?}");
}

#[test]
fn overrides_that_are_not_allowed_break_every_session() {
    let voice = Initiation { voice_id: Some("v".into()), speed: Some(1.1), ..Initiation::default() };

    let found = findings(&settings(), &voice);

    assert_eq!(found.len(), 1, "the voice is allowed: {found:#?}");
    finds(
        &settings(),
        &voice,
        Severity::Breaks,
        "tts.speed",
        "platform_settings.overrides.conversation_config_override.tts.speed",
    );
    let unheard_of = with("platform_settings.overrides", json!(null));
    finds(&unheard_of, &voice, Severity::Breaks, "tts.voice_id", "tts.voice_id");
    finds(&unheard_of, &Initiation::default(), Severity::Hint, "greets again", "agent.first_message");
}

#[test]
fn variables_without_a_value_break_every_session() {
    let lonely = with(
        "conversation_config.agent.prompt.prompt",
        json!("Speak to {{ customer }} of {{name}}. {{}} {{"),
    );

    finds(&lonely, &Initiation::default(), Severity::Breaks, "{{customer}}", "dynamic_variable_placeholders");
    let given = Initiation {
        dynamic_variables: [("customer".into(), json!("Asha"))].into(),
        ..Initiation::default()
    };
    assert_eq!(findings(&lonely, &given), []);
}

#[test]
fn audio_formats_are_judged_by_the_line() {
    let speaks = "conversation_config.tts.agent_output_audio_format";

    finds(&with(speaks, json!("mp3_44100_128")), &Initiation::default(), Severity::Breaks, "mp3", speaks);
    finds(
        &with(speaks, json!("pcm_16000")),
        &Initiation::default(),
        Severity::Hint,
        "resampled",
        "`ulaw_8000`",
    );
    finds(&with(speaks, json!(null)), &Initiation::default(), Severity::Hint, "pcm_16000", speaks);
}

#[test]
fn access_and_limits_are_judged() {
    let default = Initiation::default();
    for (path, value, severity, words) in [
        ("platform_settings.auth.require_origin_header", json!(true), Severity::Breaks, "web page"),
        ("platform_settings.auth.enable_auth", json!(false), Severity::Hint, "expense"),
        ("platform_settings.auth.allowlist", json!([{"hostname": "example.com"}]), Severity::Hint, "list"),
        ("conversation_config.conversation.max_duration_seconds", json!(600), Severity::Warns, "600 s"),
        ("conversation_config.conversation.text_only", json!(true), Severity::Breaks, "text only"),
        (
            "platform_settings.call_limits.agent_concurrency_limit",
            json!(5),
            Severity::Warns,
            "5 conversations",
        ),
        ("platform_settings.call_limits.daily_limit", json!(0), Severity::Breaks, "any day"),
        ("platform_settings.queueing_config.enabled", json!(true), Severity::Hint, "queue"),
    ] {
        finds(&with(path, value), &default, severity, words, path);
    }
}

#[test]
fn tools_are_compared_both_ways() {
    let tools = "conversation_config.agent.prompt.tools";
    let default = Initiation::default();

    finds(
        &with(tools, json!([{"type": "client", "name": "brew"}])),
        &default,
        Severity::Warns,
        "`brew`",
        tools,
    );
    finds(
        &with(tools, json!([{"type": "client", "name": "brew"}])),
        &default,
        Severity::Warns,
        "`order_status`",
        tools,
    );
    finds(
        &with("conversation_config.agent.prompt.built_in_tools.transfer_to_number", json!({"name": "x"})),
        &default,
        Severity::Warns,
        "`transfer_to_number`",
        "agent_tool_response_full_payload",
    );
}

#[test]
fn an_agent_that_tells_nothing_is_judged_by_the_defaults() {
    let found = findings(&json!({}), &Initiation::default());

    assert!(found.iter().any(|finding| finding.words.contains("600 s")), "{found:#?}");
    assert!(found.is_sorted_by_key(|finding| finding.severity), "the worst first");
}

#[test]
fn the_settings_are_asked_for_with_the_key() {
    let account = Account {
        api_key: Some(Secret::new("sk")),
        agent_id: "agent/1?x".into(),
        base_url: BaseUrl::parse("https://api.elevenlabs.io").unwrap(),
        auth: Auth::SignedUrl,
    };

    let request = agent_request(&account);

    assert_eq!(request.url, "https://api.elevenlabs.io/v1/convai/agents/agent%2F1%3Fx");
    assert_eq!(request.headers, [("xi-api-key", Secret::new("sk"))]);
    for (status, body) in [(200, "[]"), (200, "<html>"), (404, "{}"), (401, "{}")] {
        let departure = read_agent(&Reply { status, body: body.into(), retry_after_s: None }).unwrap_err();
        assert_eq!(departure.retry, Retry::Never);
    }
}
