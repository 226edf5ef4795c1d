//! The emulators against the providers' own libraries.
//!
//! `TRUNKLINE_PYTHON` names an interpreter that has the packages of `tests/sdk/requirements.txt`. Without it a virtual
//! environment is made once below the target directory. `TRUNKLINE_WITHOUT_PEERS` skips these tests, and they say so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::caller::{Caller, Step};
use lab::elevenlabs::{Act, AgentDoc, Authorization, Config, Script, SessionEnd, ToolCall, Turn};
use lab::twilio::{Callee, Happening, PlacedCall, Twilio, TwilioConfig, signature};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::agent::lab_with;
use crate::gateway::Gateway;

const LONG: &str =
    "This is a very long greeting that goes on and on, so that there is time enough to cut into it.";

/// Runs a script of `tests/sdk` to its end and reads the JSON it prints. None means: skipped, and said so.
pub(crate) async fn python(script: &str, arguments: &[&str], input: &str) -> Option<Value> {
    let Some(interpreter) = tokio::task::spawn_blocking(interpreter).await.unwrap() else {
        eprintln!("skipped: TRUNKLINE_WITHOUT_PEERS is set");
        return None;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(script);
    let mut child = tokio::process::Command::new(interpreter)
        .arg(path)
        .args(arguments)
        // A proxy of the environment has no business between two ends of one machine.
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = tokio::time::timeout(Duration::from_secs(90), child.wait_with_output())
        .await
        .unwrap_or_else(|_| panic!("{script} took more than 90 s"))
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script} {arguments:?}\n{out}\n{err}");
    Some(
        serde_json::from_str(out.lines().last().unwrap_or_default())
            .unwrap_or_else(|_| panic!("{out}\n{err}")),
    )
}

fn interpreter() -> Option<PathBuf> {
    if std::env::var_os("TRUNKLINE_WITHOUT_PEERS").is_some() {
        return None;
    }
    if let Some(given) = std::env::var_os("TRUNKLINE_PYTHON") {
        return Some(given.into());
    }
    // …/target/debug/deps/it-0123 → …/target
    let here = std::env::current_exe().unwrap();
    let target = here.ancestors().nth(3).unwrap().to_owned();
    let wanted = include_str!("../sdk/requirements.txt");
    let home = target.join("lab-sdk-venv");
    let python = home.join("bin/python");
    let lock = std::fs::File::create(target.join("lab-sdk-venv.lock")).unwrap();
    // Tests of several processes may want it at once; the first one makes it.
    lock.lock().unwrap();
    let stamp = home.join("made-of.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|made_of| made_of == wanted) {
        return Some(python);
    }
    let run = |command: &mut Command| {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/requirements.txt");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run(Command::new(&python).args(pip).arg(requirements));
    std::fs::write(stamp, wanted).unwrap();
    Some(python)
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn agent() -> AgentDoc {
    let mut agent =
        AgentDoc { first_message: "Hello {{name}}, how can I help?".into(), ..AgentDoc::default() };
    agent
        .client_events
        .extend(["agent_response_correction", "client_tool_call", "agent_tool_response"].map(str::to_owned));
    agent
}

/// Frequent pings, so that a short conversation has a measured latency.
fn config(agent: AgentDoc) -> Config {
    Config {
        agents: vec![agent],
        ping_every: Duration::from_millis(200),
        alignment: true,
        ..Config::default()
    }
}

#[tokio::test]
async fn elevenlabs_own_client_holds_a_public_and_a_signed_conversation() {
    for (scenario, requires_auth, authorization) in
        [("public", false, Authorization::Public), ("signed", true, Authorization::SignedUrl)]
    {
        let lab = lab_with(config(AgentDoc { requires_auth, ..agent() })).await;

        let Some(told) = python("conversation.py", &[&lab.base_url(), lab.api_key(), scenario], "").await
        else {
            return;
        };

        let session = lab.session_ended(0).await;
        assert_eq!(strings(&told["agent"]), ["Hello Asha, how can I help?"]);
        assert_eq!(told["conversation_id"], session.conversation_id);
        assert_eq!(told["disconnect"]["reason"], "user");
        assert!(told["out_bytes"].as_u64() > Some(0));
        assert!(told["alignments"].as_u64() > Some(0));
        assert_eq!(session.authorization, authorization);
        assert_eq!(session.initiation.as_ref().unwrap()["user_id"], "crm-42");
        assert!(session.query.contains("source=python_sdk"));
        assert!(!session.pongs.is_empty());
        assert!(session.complaints.is_empty(), "{:?}", session.complaints);
        assert!(matches!(session.end, Some(SessionEnd::Client { code: 1000, .. })), "{:?}", session.end);
    }
}

#[tokio::test]
async fn elevenlabs_own_client_takes_a_turn() {
    let mut agent = agent();
    agent.script.turns = vec![Turn::saying("what time is it", "It is noon.")];
    let lab = lab_with(config(agent)).await;

    let Some(told) = python("conversation.py", &[&lab.base_url(), lab.api_key(), "turn"], "").await else {
        return;
    };

    assert_eq!(strings(&told["user"]), ["what time is it"]);
    assert_eq!(strings(&told["agent"])[1], "It is noon.");
    let session = lab.session_ended(0).await;
    assert!(session.complaints.is_empty(), "{:?}", session.complaints);
    // Its microphone comes in blocks of 250 ms.
    assert!(session.chunks.iter().all(|(_, bytes)| *bytes == 8_000));
}

#[tokio::test]
async fn elevenlabs_own_client_is_interrupted_and_drops_late_audio() {
    let mut agent = AgentDoc { first_message: LONG.into(), ..agent() };
    agent.script.turns = vec![Turn::saying("stop", "Yes?")];
    agent.script.late_audio_after_interruption = true;
    let lab = lab_with(config(agent)).await;

    let Some(told) = python("conversation.py", &[&lab.base_url(), lab.api_key(), "interruption"], "").await
    else {
        return;
    };

    let session = lab.session_ended(0).await;
    assert_eq!(told["interruptions"], 1);
    let correction = strings(&told["corrections"][0]);
    assert_eq!(correction[0], LONG);
    assert!(LONG.starts_with(correction[1]) && correction[1].len() < LONG.len());
    assert_eq!(strings(&told["agent"]), [LONG, "Yes?"]);
    // A chunk of the interrupted answer came after the interruption; by its number the client knew it was too late.
    let interrupted_at = session.interruptions[0].0;
    let after: Vec<&str> =
        session.sent.iter().filter(|(at, _)| *at >= interrupted_at).map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(after[..2], ["interruption", "audio"], "{after:?}");
    assert_eq!(told["late_bytes"], 0);
    assert_eq!(session.interruptions.len(), 1);
}

#[tokio::test]
async fn elevenlabs_own_client_answers_a_tool_and_is_hung_up_on() {
    let acts = vec![
        Act::Tool(ToolCall::named("look_up", json!({"day": "today"}))),
        Act::Say("Open until six.".into()),
        Act::EndCall { farewell: Some("Goodbye.".into()), reason: "done".into() },
    ];
    let mut agent = AgentDoc { client_tools: vec!["look_up".into()], ..agent() };
    agent.overrides_allowed = vec!["conversation.text_only".into()];
    agent.script = Script { turns: vec![Turn::acting("", acts)], ..Script::default() };
    for scenario in ["tool", "text"] {
        let lab = lab_with(config(agent.clone())).await;

        let Some(told) = python("conversation.py", &[&lab.base_url(), lab.api_key(), scenario], "").await
        else {
            return;
        };

        let session = lab.session_ended(0).await;
        assert_eq!(told["tools"], json!([{"day": "today"}]));
        assert_eq!(told["disconnect"], json!({"reason": "agent", "code": 1000, "message": null}));
        assert_eq!(strings(&told["agent"])[1..], ["Open until six.", "Goodbye."]);
        let (result, is_error, _) = session.tools[0].result.clone().unwrap();
        assert_eq!((result.as_str(), is_error), ("open until six", false));
        assert_eq!(session.user_messages, ["look it up"]);
        assert_eq!(session.contextual_updates, ["the caller is in a hurry"]);
        assert_eq!(session.user_activities, 1);
        assert!(session.complaints.is_empty(), "{:?}", session.complaints);
        assert_eq!(session.sent_count("audio") == 0, scenario == "text");
    }
}

#[tokio::test]
async fn elevenlabs_own_client_reports_how_a_conversation_failed() {
    for (script, code) in [("after_metadata: close 1011 broken", 1011), ("while_speaking: drop", 1006)] {
        let faults = vec![script.parse().unwrap()];
        let lab = lab_with(Config { faults, ..config(agent()) }).await;

        let Some(told) = python("conversation.py", &[&lab.base_url(), lab.api_key(), "refused"], "").await
        else {
            return;
        };

        assert_eq!(told["disconnect"]["reason"], "error");
        assert_eq!(told["disconnect"]["code"], code, "{told}");
    }
}

#[tokio::test]
async fn elevenlabs_own_rest_client_reads_everything() {
    let mut agent = AgentDoc { overrides_allowed: vec!["agent.first_message".into()], ..agent() };
    let call = Act::Tool(ToolCall::named("look_up", json!({})));
    agent.script.turns =
        vec![Turn::acting("", vec![call, Act::EndCall { farewell: None, reason: "done".into() }])];
    let lab = lab_with(config(agent)).await;
    if python("conversation.py", &[&lab.base_url(), lab.api_key(), "tool"], "").await.is_none() {
        return;
    }
    let session = lab.session_ended(0).await;

    let told = python("agent_rest.py", &[&lab.base_url(), lab.api_key(), &session.conversation_id], "")
        .await
        .unwrap();

    assert_eq!(told["agent_id"], "agent_lab");
    assert_eq!((told["input"].as_str(), told["output"].as_str()), (Some("pcm_16000"), Some("pcm_16000")));
    assert!(strings(&told["events"]).contains(&"interruption"));
    assert_eq!(told["may_override_first_message"], true);
    assert_eq!(told["enable_auth"], false);
    assert_eq!(told["status"], "done");
    assert_eq!(strings(&told["tools"]), ["look_up"]);
    assert_eq!(told["tier"], "creator");
    assert!(told["signed_url"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
    assert_eq!(told["statuses"], json!([404, 401, 404]));
}

/// A stranger to every test vector, with something to get wrong in each part.
fn awkward_form() -> Vec<(String, String)> {
    [("b", " x "), ("a", "2"), ("B", ""), ("a", "1"), ("a", "2"), ("ü", "é+&="), ("Digits", "1234")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

#[tokio::test]
async fn twilios_own_validator_accepts_our_signatures() {
    let token = "0123456789abcdef";
    let form = awkward_form();
    let mut entries = Vec::new();
    for url in [
        "https://gw.example.com/webhooks/inbound",
        "https://gw.example.com/webhooks/inbound?foo=1&bar=%20x",
        "https://gw.example.com:8443/webhooks/inbound",
        "http://gw.example.com:8080/webhooks/inbound?x",
        "http://gw.example.com/",
    ] {
        let signed = signature::signed_form_of(url);
        entries.push(json!({"token": token, "url": url, "form": form,
                            "signature": signature::of_form(token, &signed, &form)}));
        entries.push(
            json!({"token": token, "url": url, "form": [], "signature": signature::of_url(token, &signed)}),
        );
        let body = "{\"a\": \"é\"}";
        let (with_digest, signature) = signature::of_json(token, &signed, body.as_bytes());
        entries.push(json!({"token": token, "url": with_digest, "json": body, "signature": signature}));
    }
    let accepted = entries.len();
    // And it must be able to say no.
    let wrong = signature::of_form("other", "https://gw.example.com/", &form);
    entries.push(json!({"token": token, "url": "https://gw.example.com/", "form": form, "signature": wrong}));

    let Some(verdicts) = python("validate.py", &[], &Value::from(entries).to_string()).await else { return };

    let verdicts: Vec<bool> = verdicts.as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect();
    assert!(verdicts[..accepted].iter().all(|verdict| *verdict), "{verdicts:?}");
    assert!(!verdicts[accepted]);
}

#[tokio::test]
async fn twilios_own_validator_accepts_what_a_gateway_was_really_sent() {
    let mut gateway = Gateway::start().await;
    gateway.stream_twiml("/voice", "", "");
    let twilio = Twilio::start(TwilioConfig::default()).await.unwrap();
    let mut entries = Vec::new();

    for webhook_method in [lab::twilio::Method::Post, lab::twilio::Method::Get] {
        let live = twilio.place_call(PlacedCall {
            webhook_url: gateway.at("/voice?tenant=a%20b"),
            webhook_method,
            extra_params: awkward_form(),
            ..PlacedCall::default()
        });
        let socket = gateway.socket().await;
        let signature = socket.upgrade.get("x-twilio-signature").unwrap().to_str().unwrap();
        entries.push(json!({"token": twilio.auth_token(), "url": gateway.media_url, "form": [], "signature": signature}));
        drop(socket);
        live.finished().await;
    }
    for seen in gateway.seen("/voice") {
        let form = if seen.method == "GET" { Vec::new() } else { seen.form() };
        let url = gateway.at(&seen.uri.to_string());
        entries.push(
            json!({"token": twilio.auth_token(), "url": url, "form": form, "signature": seen.signature()}),
        );
    }

    let Some(verdicts) = python("validate.py", &[], &Value::from(entries).to_string()).await else { return };

    assert_eq!(verdicts, json!([true, true, true, true]));
}

#[tokio::test]
async fn documents_of_twilios_own_builder_are_followed_without_a_warning() {
    let mut gateway = Gateway::start().await;
    let arguments = [gateway.media_url.clone(), gateway.at("/callback")];
    let Some(documents) = python("documents.py", &[&arguments[0], &arguments[1]], "").await else { return };
    // From here on no other process is involved, so time may run as fast as it can.
    tokio::time::pause();
    gateway.twiml("/callback", "<Hangup/>");
    let twilio = Twilio::start(TwilioConfig::default()).await.unwrap();

    for (name, verbs) in [
        ("words", vec!["Say", "Pause", "Play", "Hangup"]),
        ("stream", vec!["Connect", "Hangup"]),
        ("dial", vec!["Dial", "Redirect", "Hangup"]),
        ("reject", vec!["Reject"]),
    ] {
        let path = format!("/{name}");
        gateway.answer(&path, 200, "application/xml", documents[name].as_str().unwrap());
        let live = twilio.place_call(PlacedCall { webhook_url: gateway.at(&path), ..PlacedCall::default() });
        if name == "stream" {
            let mut socket = gateway.socket().await;
            let start = socket.next_event("start").await;
            assert_eq!(
                start["start"]["customParameters"],
                json!({"token": "a\"b<c>&é", "from": "+14155550100"})
            );
            socket.ws.close(None).await.unwrap();
        }
        let report = live.finished().await;
        assert_eq!(report.verbs, verbs, "{name}");
        assert!(report.warnings.is_empty(), "{name}: {:?}", report.warnings);
        if name == "words" {
            let said = Happening::Said { text: "Hello & welcome <caller>".into() };
            assert_eq!(report.count(|what| *what == said), 1);
        }
    }
}

#[tokio::test]
async fn twilios_own_client_steers_calls() {
    let gateway = Gateway::start().await;
    gateway.twiml("/voice", "<Pause length=\"60\"/>");
    let caller = Caller::with_steps(vec![Step::Wait(Duration::from_secs(60))]);
    let config = TwilioConfig { callee: Callee { caller, ..Callee::default() }, ..TwilioConfig::default() };
    let twilio = Twilio::start(config).await.unwrap();
    let live = twilio.place_call(PlacedCall { webhook_url: gateway.at("/voice"), ..PlacedCall::default() });
    let mut notes = live.notes();
    notes.until(|what| *what == Happening::Answered).await.unwrap();

    let arguments = [
        twilio.base_url(),
        twilio.account_sid().into(),
        twilio.auth_token().into(),
        gateway.at("/voice"),
        live.sid().into(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(told) = python("calls.py", &arguments, "").await else { return };

    assert_eq!(told["running"], json!(["in-progress", "inbound", "+14155550100"]));
    assert_eq!(
        (told["updated"].as_str(), told["completed"].as_str()),
        (Some("in-progress"), Some("completed"))
    );
    assert_eq!(
        (told["created"][0].as_str(), told["created"][2].as_str()),
        (Some("queued"), Some("outbound-api"))
    );
    assert_eq!(told["hung_up"], "completed");
    assert_eq!(told["times"], json!([true, true, true]));
    assert_eq!(told["errors"], json!([[400, 21220], [404, 20404], [400, 21211]]));
    assert_eq!(told["stranger"], json!([401, 20003]));
    assert_eq!(told["account"], "active");
    assert_eq!(live.finished().await.verbs, ["Pause", "Pause"]);
    let originated = twilio.originated().await.unwrap();
    assert_eq!(told["created"][1], originated.sid());
    let report = originated.finished().await;
    assert_eq!(report.count(|what| matches!(what, Happening::CallbackSent { .. })), 3);
}
