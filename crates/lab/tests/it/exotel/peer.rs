//! Somebody else's reading of the same documents: pipecat's Exotel serializer.

use audio::{Frame, Rate};
use lab::caller::Caller;
use lab::exotel::{Manner, Numbering};
use serde_json::{Value, json};

use super::bot::bytes_of;
use super::{Open, complaints, open_with};
use crate::sdk::python;

#[tokio::test]
async fn pipecats_serializer_understands_us_and_is_understood() {
    for (query, rate) in [("", Rate::Hz8000), ("?sample-rate=16000", Rate::Hz16000)] {
        // It numbers nothing, and that is its own affair.
        let manner = Manner { numbering: Numbering::Ignored, ..Manner::default() };
        let Open { mut bot, exotel, live: first, socket, .. } =
            open_with(query, Caller::silent(), manner.clone()).await;
        drop(socket);
        first.hang_up().await;
        let applet = lab::exotel::Applet::Static(format!("{}{query}", bot.url));
        let live =
            exotel.place_call(lab::exotel::PlacedCall { manner, ..lab::exotel::PlacedCall::to(applet) });
        let mut socket = bot.socket().await;
        let mut messages = vec![socket.next().await.unwrap(), socket.start().await];
        live.speak(Frame::new(Rate::Hz8000, (1..=2_400).map(|n| n * 5).collect())).await;
        live.press("4#").await;
        let is_digit = |message: &Value| message["event"] == "dtmf";
        while messages.iter().filter(|message| is_digit(message)).count() < 2 || messages.len() < 14 {
            messages.push(socket.next().await.unwrap());
        }

        let input = serde_json::to_string(&messages).unwrap();
        let Some(told) = python("exotel.py", &[], &input).await else { return };
        for message in told["sent"].as_array().unwrap().clone() {
            if message["event"] == "clear" {
                // Heard to its end first, so that there is something to compare.
                socket.mark("end").await;
                socket.next_event("mark").await;
            }
            socket.send(message).await;
        }
        live.hang_up().await;
        socket.drain().await;
        let report = live.finished().await;

        assert_eq!(told["carrier"], "exotel");
        assert_eq!(told["digits"], json!(["4", "#"]));
        let mut ours = Vec::new();
        for message in messages.iter().filter(|message| message["event"] == "media") {
            audio::pcm::le_to_pcm(&bytes_of(message), &mut ours).unwrap();
        }
        assert_eq!(told["samples"], json!(ours));
        assert!(ours.iter().any(|sample| *sample > 5_000));
        // `connected` and `start` are no frames of its own.
        assert_eq!(told["ignored"], 2);
        assert_eq!(report.stream_heard.rate, rate);
        assert_eq!(report.media.played.as_millis(), 2_000);
        let tone = report.stream_heard.samples.iter().filter(|sample| sample.abs() == 8_000).count();
        assert_eq!(tone as u32, rate.hz() * 2);
        // 100 ms are 1,600 bytes at 8 kHz: its noise on the line is known, nothing else is wrong.
        let jitter = if rate == Rate::Hz8000 { 20 } else { 0 };
        assert_eq!(complaints(&report), vec!["jitter"; jitter]);
    }
}
