//! The emulated Plivo against other people's readings of the same documents: Plivo's own library, and pipecat.

use audio::{Frame, Rate};
use base64::Engine;
use lab::caller::Caller;
use lab::plivo::{Method, PlacedCall, Plivo, PlivoConfig, Signing, signature};
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::plivo::{Open, checkpoint, open, texts, xml};
use crate::sdk::python;

#[tokio::test]
async fn plivos_own_library_accepts_what_a_gateway_was_really_sent() {
    let gateway = Gateway::start().await;
    xml(&gateway, "/answer", "<Hangup/>");
    let plivo = Plivo::start(PlivoConfig::default()).await.unwrap();
    // Plivo's library cannot read a query with anything but ASCII in it.
    let awkward = |method: Method| -> Vec<(String, String)> {
        let words = if method == Method::Post { "a b&c=d+é" } else { "a b&c=d+e" };
        [("X-PH-Tag", "b"), ("X-PH-Tag", "a"), ("Empty", ""), ("Words", words)]
            .map(|(name, value)| (name.into(), value.into()))
            .into()
    };
    let mut expected = Vec::new();
    for signing in [Signing::Right, Signing::OneOfSeveral, Signing::WithToken("other".into())] {
        for answer_method in [Method::Post, Method::Get] {
            for path in ["/answer", "/answer?tenant=b&a=1&words=x%20y"] {
                let placed = PlacedCall {
                    answer_url: gateway.at(path),
                    answer_method,
                    extra_params: awkward(answer_method),
                    signing: signing.clone(),
                    ..PlacedCall::default()
                };
                plivo.place_call(placed).finished().await;
                expected.push(!matches!(signing, Signing::WithToken(_)));
            }
        }
    }
    let entries: Vec<Value> = gateway
        .seen("/answer")
        .iter()
        .map(|seen| {
            let header = |name: &str| seen.headers.get(name).unwrap().to_str().unwrap();
            let form = if seen.method == "POST" { seen.form() } else { Vec::new() };
            json!({"method": seen.method.as_str(), "url": gateway.at(&seen.uri.to_string()),
                   "nonce": header(signature::NONCE_HEADER), "signature": header(signature::HEADER),
                   "token": plivo.auth_token(), "form": form})
        })
        .collect();

    let Some(verdicts) = python("plivo_validate.py", &[], &Value::from(entries).to_string()).await else {
        return;
    };

    assert_eq!(verdicts, json!(expected));
}

#[tokio::test]
async fn pipecats_serializer_understands_us_and_is_understood() {
    let Open { plivo: _plivo, live, mut socket, id, .. } = open(Caller::silent()).await;
    let start = json!({"event": "start", "start": {"streamId": id, "callId": live.sid()}});
    let mut messages = vec![start];
    live.speak(Frame::new(Rate::Hz8000, (1..=1_600).map(|n| n * 5).collect())).await;
    live.press("4#").await;
    while messages.iter().filter(|message| message["event"] == "dtmf").count() < 2 {
        messages.push(socket.next().await.unwrap());
    }

    let input = serde_json::to_string(&messages).unwrap();
    let Some(told) = python("plivo_stream.py", &[], &input).await else { return };
    for message in told["sent"].as_array().unwrap().clone() {
        if message["event"] == "clearAudio" {
            // Heard to its end first, so that there is something to compare.
            socket.send(checkpoint(&id, "end")).await;
            socket.next_event("playedStream").await;
        }
        socket.send(message).await;
    }
    socket.next_event("clearedAudio").await;
    live.hang_up().await;
    while socket.next().await.is_some() {}
    let report = live.finished().await;

    assert_eq!(told["carrier"], "plivo");
    assert_eq!((&told["digits"], &told["ignored"]), (&json!(["4", "#"]), &json!(1)));
    let mut ours = Vec::new();
    for message in messages.iter().filter(|message| message["event"] == "media") {
        let payload = message["media"]["payload"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
        audio::g711::ulaw_to_pcm(&bytes, &mut ours);
    }
    assert_eq!(told["samples"], json!(ours));
    assert_eq!(report.pieces, [160; 50]);
    let loud = report.stream_heard.samples.iter().filter(|sample| sample.abs() > 7_500).count();
    assert_eq!(loud, 8_000);
    // It names the stream in every piece, which is one field more than the documents have.
    assert_eq!(texts(&report), vec!["invalid message: extra field \"streamId\" in playAudio"; 50]);
}
