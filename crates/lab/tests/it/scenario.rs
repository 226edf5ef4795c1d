//! The ready-made scenarios, played through by the plainest bridge that can: every message passed on, nothing decided
//! that the two wires do not demand. What goes wrong here is the scenario's or the emulators' fault.

use std::sync::Arc;
use std::time::Duration;

use lab::elevenlabs::{Config, ElevenLabs, SessionEnd};
use lab::scenario::{self, Scenario};
use lab::twilio::{CallReport, End, Happening, PlacedCall, Twilio, TwilioConfig};
use lab::voice;
use serde_json::{Value, json};

use crate::agent::{Client, audio_of};
use crate::gateway::{Gateway, Socket};

struct Played {
    report: CallReport,
    lab: ElevenLabs,
}

async fn play(scenario: Scenario) -> Played {
    let mut gateway = Gateway::start().await;
    let transfer = format!("<Dial><Number>{}</Number></Dial>", scenario::TRANSFER_TO);
    gateway.stream_twiml("/voice", "", "<Hangup/>");
    gateway.twiml("/transfer", &transfer);
    let agent_id = scenario.agent.agent_id.clone();
    let config = Config { agents: vec![scenario.agent], faults: scenario.agent_faults, ..Config::default() };
    let lab = ElevenLabs::start(config).await.unwrap();
    let twilio =
        Twilio::start(TwilioConfig { dialling: scenario.dialling, ..TwilioConfig::default() }).await.unwrap();
    let live = twilio.place_call(PlacedCall {
        webhook_url: gateway.at("/voice"),
        caller: scenario.caller,
        faults: scenario.carrier_faults,
        ..PlacedCall::default()
    });
    let rest = Rest {
        url: format!(
            "{}/2010-04-01/Accounts/{}/Calls/{}.json",
            twilio.base_url(),
            twilio.account_sid(),
            live.sid()
        ),
        transfer_url: gateway.at("/transfer"),
        user: twilio.account_sid().into(),
        password: twilio.auth_token().into(),
    };
    let socket = gateway.socket().await;
    let bridge = tokio::spawn(bridge(socket, lab.ws_url(&agent_id), rest));
    let report = live.finished().await;
    bridge.abort();
    Played { report, lab }
}

struct Rest {
    url: String,
    transfer_url: String,
    user: String,
    password: String,
}

/// Joins a media socket and an agent; dials again when the agent is lost, hangs up when it has said goodbye.
async fn bridge(mut carrier: Socket, agent_url: String, rest: Rest) {
    let sid = carrier.start().await;
    let mut agent = dial(&agent_url).await;
    let mut leaving = false;
    loop {
        tokio::select! {
            message = carrier.next() => match message {
                Some(message) if message["event"] == "media" => {
                    let chunk = json!({"user_audio_chunk": message["media"]["payload"]});
                    let text = tokio_tungstenite::tungstenite::Message::text(chunk.to_string());
                    let _ = futures_util::SinkExt::send(&mut agent.ws, text).await;
                }
                // The goodbye has been heard.
                Some(message) if message["event"] == "mark" && message["mark"]["name"] == "goodbye" => {
                    carrier.ws.close(None).await.unwrap();
                }
                Some(_) => {}
                None => return,
            },
            message = agent.next(), if !leaving => match message {
                Some(message) => serve(&message, &mut carrier, &mut agent, &sid, &rest).await,
                None if agent.closed.as_ref().unwrap().0 == 1000 => {
                    leaving = true;
                    carrier.send_mark(&sid, "goodbye").await;
                }
                None => agent = dial(&agent_url).await,
            },
        }
    }
}

async fn dial(url: &str) -> Client {
    let mut agent = Client::dial(url, &[]).await.unwrap();
    agent.start(json!({})).await;
    agent
}

async fn serve(message: &Value, carrier: &mut Socket, agent: &mut Client, sid: &str, rest: &Rest) {
    match message["type"].as_str().unwrap() {
        "audio" => carrier.send_media(sid, &audio_of(message)).await,
        "interruption" => carrier.send(json!({"event": "clear", "streamSid": sid})).await,
        "ping" => agent.send(json!({"type": "pong", "event_id": message["ping_event"]["event_id"]})).await,
        "client_tool_call" => {
            let call = &message["client_tool_call"];
            let result = json!({"type": "client_tool_result", "tool_call_id": call["tool_call_id"],
                                "result": "until six", "is_error": false});
            agent.send(result).await;
            if call["tool_name"] == "transfer_to_number" {
                let request =
                    reqwest::Client::new().post(&rest.url).basic_auth(&rest.user, Some(&rest.password));
                request.form(&[("Url", &rest.transfer_url)]).send().await.unwrap();
            }
        }
        _ => {}
    }
}

fn heard(report: &CallReport, texts: &[&str]) -> Vec<usize> {
    let mut order: Vec<usize> = voice::recognise(&report.heard, texts).iter().map(|u| u.text).collect();
    order.dedup();
    order
}

const GREETING: &str = "Hello, this is the front desk.";

#[tokio::test(start_paused = true)]
async fn conversation_goes_from_greeting_to_goodbye() {
    let Played { report, lab } = play(scenario::conversation()).await;

    let texts = [GREETING, "We are open from nine to five.", "Thank you for calling. Goodbye."];
    assert_eq!(heard(&report, &texts), [0, 1, 2]);
    // The goodbye was heard to its end.
    let length = voice::heard_for(&report.heard, &texts)[2];
    assert!(length + Duration::from_millis(400) > voice::duration(texts[2]), "{length:?}");
    assert_eq!(report.end, End::HungUpByTwiml);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let session = lab.session_ended(0).await;
    assert!(matches!(session.end, Some(SessionEnd::Agent { code: 1000, .. })), "{:?}", session.end);
    assert!(session.complaints.is_empty(), "{:?}", session.complaints);
}

#[tokio::test(start_paused = true)]
async fn interruption_cuts_the_long_answer_short() {
    let scenario = scenario::interruption();
    let long = match &scenario.agent.script.turns[0].acts[0] {
        lab::elevenlabs::Act::Say(text) => text.clone(),
        other => panic!("{other:?}"),
    };

    let Played { report, lab } = play(scenario).await;

    let texts = [GREETING, &long, "Of course, one moment.", "Nobody is free just now. Goodbye."];
    assert_eq!(heard(&report, &texts), [0, 1, 2, 3]);
    let length = voice::heard_for(&report.heard, &texts)[1];
    assert!(length < Duration::from_secs(3) && length < voice::duration(&long) / 2, "{length:?}");
    assert!(report.media.cleared > Duration::from_secs(3), "{:?}", report.media);
    assert_eq!(lab.sessions()[0].interruptions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_tool_call_is_answered_before_the_agent_answers() {
    let Played { report, lab } = play(scenario::tool_call()).await;

    let texts = ["Let me look that up.", "Here it is: today until six.", "I could not find that, sorry."];
    assert_eq!(heard(&report, &texts), [0, 1]);
    let session = lab.session_ended(0).await;
    assert_eq!(session.tools[0].result.as_ref().map(|(result, ..)| result.as_str()), Some("until six"));
}

#[tokio::test(start_paused = true)]
async fn reconnect_loses_the_first_socket_and_finishes_on_the_second() {
    let Played { report, lab } = play(scenario::reconnect()).await;

    let sessions = lab.sessions();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0].end, Some(SessionEnd::Dropped));
    assert_eq!(sessions[0].faults.len(), 1);
    // The question was in progress or just answered when the socket went; the second one gets it again.
    assert_eq!(sessions[1].answers.last().unwrap().text, "Thank you for your patience. Goodbye.");
    assert_eq!(report.end, End::HungUpByTwiml);
}

#[tokio::test(start_paused = true)]
async fn transfer_dials_the_person() {
    let Played { report, .. } = play(scenario::transfer()).await;

    assert_eq!(report.verbs, ["Connect", "Dial"]);
    let dialled =
        Happening::Dialled { numbers: vec![scenario::TRANSFER_TO.into()], outcome: "completed".into() };
    assert_eq!(report.count(|what| *what == dialled), 1);
}

#[tokio::test(start_paused = true)]
async fn every_scenario_has_a_name_and_a_story_and_two_can_run_at_once() {
    let all = scenario::all();
    assert!(all.iter().all(|scenario| !scenario.name.is_empty() && scenario.story.ends_with('.')));

    let both = Arc::new([scenario::conversation(), scenario::tool_call()]);
    let (first, second) = tokio::join!(Box::pin(play(both[0].clone())), Box::pin(play(both[1].clone())));

    assert_eq!((first.report.end, second.report.end), (End::HungUpByTwiml, End::HungUpByTwiml));
}
