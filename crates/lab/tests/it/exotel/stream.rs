//! The media stream: what it sends, when it plays, how strict it is, how it ends.

use std::time::Duration;

use audio::{Frame, Rate};
use lab::caller::{Caller, Step};
use lab::exotel::{Farewell, Manner, Numbering, Pacing};
use lab::phone::{Encoding, End, Happening, How, MarksOnClear, StreamEnd};
use serde_json::{Value, json};

use super::bot::bytes_of;
use super::{Open, complaints, hangs_up_after, heard_loud_ms, loud, open, open_with};

#[tokio::test(start_paused = true)]
async fn frames_are_exactly_as_documented() {
    let caller = Caller::with_steps(vec![Step::Wait(Duration::from_millis(300)), Step::Press("7".into())]);
    let Open { mut bot, exotel, live, .. } = open(Caller::silent()).await;
    live.hang_up().await;
    let call = lab::exotel::PlacedCall {
        caller,
        ..lab::exotel::PlacedCall::to(lab::exotel::Applet::Static(format!("{}?k=v", bot.url)))
    };
    let live = exotel.place_call(call);
    let mut socket = bot.socket().await;

    let connected = socket.next().await.unwrap();
    let start = socket.start().await;
    let media = [socket.next().await.unwrap(), socket.next().await.unwrap()];
    let dtmf = socket.next_event("dtmf").await;
    live.hang_up().await;
    let stop = socket.next_event("stop").await;

    assert_eq!(connected, json!({"event": "connected"}));
    let sid = &socket.sid;
    assert_eq!(
        start,
        json!({"event": "start", "sequence_number": "1", "stream_sid": sid, "start": {
            "stream_sid": sid, "call_sid": live.sid(), "account_sid": exotel.account_sid(),
            "from": "09999900100", "to": "08040001234", "custom_parameters": {"k": "v"},
            "media_format": {"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"}}})
    );
    for (n, message) in (1..).zip(&media) {
        assert_eq!(message["sequence_number"], (n + 1).to_string());
        assert_eq!(message["media"]["chunk"], n.to_string());
        assert_eq!(message["media"]["timestamp"], (n * 100).to_string());
        assert_eq!(bytes_of(message), vec![0; 1_600]);
    }
    assert_eq!(
        dtmf,
        json!({"event": "dtmf", "sequence_number": dtmf["sequence_number"], "stream_sid": sid,
            "dtmf": {"digit": "7", "duration": "100"}})
    );
    assert_eq!(
        stop,
        json!({"event": "stop", "sequence_number": stop["sequence_number"], "stream_sid": sid, "stop": {
            "call_sid": live.sid(), "account_sid": exotel.account_sid(), "reason": "callended"}})
    );
}

#[tokio::test(start_paused = true)]
async fn pieces_have_the_size_of_their_rate() {
    let older = Manner::of_older_service();
    let mulaw = Manner { encoding: Encoding::Mulaw, ..Manner::default() };
    for (query, manner, rate, bytes) in [
        ("", Manner::default(), "8000", 1_600),
        ("?sample-rate=16000", Manner::default(), "16000", 3_200),
        ("?a=b&sample-rate=24000", Manner::default(), "24000", 4_800),
        ("", older, "8000", 320),
        ("", mulaw, "8000", 800),
    ] {
        let Open { exotel: _exotel, live, mut socket, .. } =
            open_with(query, hangs_up_after(Duration::from_secs(1)), manner).await;

        assert_eq!(bytes_of(&socket.next_event("media").await).len(), bytes, "{query}");
        socket.drain().await;
        let report = live.finished().await;

        assert_eq!(report.stream_heard.rate.hz().to_string(), rate);
        assert_eq!(report.heard.duration(), Duration::from_millis(1_020));
    }
}

#[tokio::test(start_paused = true)]
async fn the_older_services_start_is_flat() {
    let Open { bot: mut bot_, exotel, live, socket, .. } =
        open_with("?call_id=x", Caller::silent(), Manner::of_older_service()).await;
    drop((live, socket));
    let call = lab::exotel::PlacedCall {
        manner: Manner::of_older_service(),
        ..lab::exotel::PlacedCall::to(lab::exotel::Applet::Static(bot_.url.clone()))
    };
    let live = exotel.place_call(call);
    let mut socket = bot_.socket().await;

    let start = socket.start().await;

    assert_eq!(start["callSid"], live.sid());
    assert_eq!(start["stream_sid"], socket.sid.as_str());
    assert_eq!(start["start"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn the_caller_is_sent_as_spoken() {
    let Open { exotel: _exotel, live, mut socket, .. } = open(Caller::silent()).await;
    let spoken = Frame::new(Rate::Hz8000, (1..=1_600).map(|n| n * 5).collect());

    live.speak(spoken.clone()).await;
    let mut got = Vec::new();
    while got.len() < 3_200 + 1_600 {
        got.extend(bytes_of(&socket.next_event("media").await));
        let silence = got.iter().take_while(|byte| **byte == 0).count();
        got.drain(..silence / 2 * 2);
    }

    let mut samples = Vec::new();
    audio::pcm::le_to_pcm(&got[..3_200], &mut samples).unwrap();
    assert_eq!(samples, spoken.samples);
}

#[tokio::test(start_paused = true)]
async fn marks_come_back_when_they_have_been_heard() {
    let Open { exotel: _exotel, live, mut socket, .. } = open(Caller::silent()).await;
    let mut notes = live.notes();

    socket.say(&loud(16_000)).await;
    socket.mark("middle").await;
    socket.say(&loud(8_000)).await;
    socket.mark("end").await;
    let names = [socket.next_event("mark").await, socket.next_event("mark").await];
    live.hang_up().await;
    socket.drain().await;

    assert_eq!(names.each_ref().map(|mark| mark["mark"]["name"].as_str().unwrap()), ["middle", "end"]);
    let mut at = Vec::new();
    for is_it in [
        (|what: &Happening| matches!(what, Happening::Media { .. })) as fn(&Happening) -> bool,
        |what| matches!(what, Happening::MarkEchoed { .. }),
        |what| matches!(what, Happening::MarkEchoed { .. }),
    ] {
        at.push(notes.until(is_it).await.unwrap().at);
    }
    assert!((980..=1_040).contains(&(at[1] - at[0]).as_millis()), "{at:?}");
    assert!((480..=520).contains(&(at[2] - at[1]).as_millis()), "{at:?}");
    let report = live.finished().await;
    assert_eq!(heard_loud_ms(&report), 1_500);
    assert_eq!(complaints(&report), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn clear_is_silent_about_marks_unless_told_otherwise() {
    for (habit, echoed) in [(MarksOnClear::Silent, 0), (MarksOnClear::Echoed, 2)] {
        let manner = Manner { marks_on_clear: habit, ..Manner::default() };
        let Open { exotel: _exotel, live, mut socket, .. } = open_with("", Caller::silent(), manner).await;

        socket.say(&loud(16_000)).await;
        socket.mark("a").await;
        socket.say(&loud(16_000)).await;
        socket.mark("b").await;
        socket.next_event("media").await;
        socket.next_event("media").await;
        socket.clear().await;
        // What comes after a clear is played and marked as ever.
        socket.say(&loud(3_200)).await;
        socket.mark("c").await;
        let mut names = Vec::new();
        while names.last().is_none_or(|name| name != "c") {
            names.push(socket.next_event("mark").await["mark"]["name"].as_str().unwrap().to_owned());
        }
        live.hang_up().await;
        socket.drain().await;
        let report = live.finished().await;

        assert_eq!(names.len(), echoed + 1, "{names:?}");
        assert_eq!(report.media.played + report.media.cleared, Duration::from_millis(2_200));
        assert_eq!(Duration::from_millis(heard_loud_ms(&report)), report.media.played);
        assert!(report.media.cleared > Duration::from_millis(1_500), "{:?}", report.media);
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_remainder_is_heard_as_a_gap() {
    let Open { exotel: _exotel, live, mut socket, .. } = open(Caller::silent()).await;

    // 205 ms; the remainder of 5 ms gets a whole step of 20 ms.
    socket.say(&loud(3_280)).await;
    socket.say(&loud(3_200)).await;
    socket.mark("end").await;
    socket.next_event("mark").await;
    live.hang_up().await;
    socket.drain().await;
    let report = live.finished().await;

    assert_eq!(complaints(&report), ["gap"]);
    let first = report.heard.samples.iter().position(|sample| *sample > 100).unwrap();
    let sound: Vec<bool> =
        report.heard.samples[first..first + 8 * 420].chunks(40).map(|piece| piece[0] > 100).collect();
    let gap: Vec<usize> = (0..sound.len()).filter(|n| !sound[*n]).map(|n| n * 5).collect();
    assert_eq!(gap, [205, 210, 215]);
    assert_eq!(report.media.played, Duration::from_millis(420));
}

#[tokio::test(start_paused = true)]
async fn byte_rules_are_counted_and_the_largest_is_not_heard() {
    let Open { exotel: _exotel, live, mut socket, .. } = open(Caller::silent()).await;

    socket.say(&loud(1_600)).await;
    socket.say(&loud(100_160)).await;
    socket.send(json!({"event": "media", "stream_sid": "somebody else", "media": {"payload": ""}})).await;
    socket.mark("end").await;
    socket.next_event("mark").await;
    live.hang_up().await;
    socket.drain().await;
    let report = live.finished().await;

    assert_eq!(complaints(&report), ["jitter", "timeout", "invalid"]);
    assert_eq!(heard_loud_ms(&report), 100);
    assert_eq!(report.pieces, [1_600]);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_pace_loses_its_call() {
    let kept = Manner { pacing: Pacing { drops_after: None, ..Pacing::default() }, ..Manner::default() };
    for (manner, dropped) in [(Manner::default(), true), (kept, false)] {
        let Open { exotel: _exotel, live, mut socket, .. } =
            open_with("", hangs_up_after(Duration::from_secs(8)), manner).await;

        for _ in 0..4 {
            socket.say(&loud(16_000)).await;
        }
        let messages = socket.drain().await;
        let report = live.finished().await;

        assert_eq!(complaints(&report), ["pacing"]);
        assert_eq!(report.end == End::SocketKilled, dropped, "{:?}", report.end);
        // No farewell, and four seconds later.
        assert_eq!(messages.iter().any(|message| message["event"] == "stop"), !dropped);
        let lasted = report.heard.duration();
        let expected = if dropped { 3_960..4_100 } else { 8_000..8_040 };
        assert!(expected.contains(&lasted.as_millis()), "{lasted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_paces_keeps_its_call() {
    let Open { exotel: _exotel, live, mut socket, .. } = open(Caller::silent()).await;

    for _ in 0..50 {
        socket.say(&loud(3_200)).await;
        tokio::time::sleep(Duration::from_millis(180)).await;
    }
    socket.mark("end").await;
    socket.next_event("mark").await;
    live.hang_up().await;
    socket.drain().await;
    let report = live.finished().await;

    assert_eq!(complaints(&report), [""; 0]);
    assert_eq!(report.end, End::CallerHungUp);
    assert_eq!(heard_loud_ms(&report), 10_000);
}

#[tokio::test(start_paused = true)]
async fn media_without_numbers_ends_the_call_where_that_is_enforced() {
    for (numbering, words, end) in [
        (Numbering::Ignored, 0, End::CallerHungUp),
        (Numbering::Wanted, 3, End::CallerHungUp),
        (Numbering::Enforced, 3, End::SocketKilled),
    ] {
        let manner = Manner { numbering, ..Manner::default() };
        let Open { exotel: _exotel, live, mut socket, .. } =
            open_with("", hangs_up_after(Duration::from_secs(6)), manner).await;

        // 3,200 bytes of silence.
        let payload = "A".repeat(4_267) + "=";
        for _ in 0..2 {
            let message = json!({"event": "media", "stream_sid": socket.sid, "media": {"payload": payload}});
            socket.send(message).await;
        }
        socket.drain().await;
        let report = live.finished().await;

        assert_eq!(complaints(&report).iter().filter(|word| **word == "numbering").count(), words);
        assert_eq!(report.end, end);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_goodbye_in_three_ways() {
    for (farewell, event) in
        [(Farewell::Stop, Some("stop")), (Farewell::Closed, Some("closed")), (Farewell::Nothing, None)]
    {
        let manner = Manner { farewell, ..Manner::default() };
        let Open { exotel: _exotel, live, socket, .. } =
            open_with("", hangs_up_after(Duration::from_millis(500)), manner).await;

        let messages = socket.drain().await;
        let report = live.finished().await;

        let last = messages.last().unwrap()["event"].as_str().unwrap();
        assert_eq!(last, event.unwrap_or("media"));
        let ended =
            |what: &Happening| matches!(what, Happening::StreamEnded { why: StreamEnd::Stopped { .. }, .. });
        assert_eq!(report.count(ended), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_socket_of_the_same_call_takes_over() {
    let Open { mut bot, exotel: _exotel, live, socket: first, .. } = open(Caller::silent()).await;

    live.second_socket().await;
    let mut second = bot.socket().await;
    let start = second.start().await;
    second.say(&loud(3_200)).await;
    second.mark("end").await;
    second.next_event("mark").await;
    let old = first.sid.clone();
    first.close().await;
    live.hang_up().await;
    second.drain().await;
    let report = live.finished().await;

    assert_eq!(start["start"]["call_sid"], report.call_sid);
    assert_eq!(report.stream_sids.len(), 2);
    assert!(report.stream_sids[0] == old && report.stream_sids[1] != old);
    assert_eq!(heard_loud_ms(&report), 200);
}

#[tokio::test(start_paused = true)]
async fn sockets_are_lost_in_every_way() {
    for (how, says_stop) in
        [(How::Reset, false), (How::CloseWithoutStop, false), (How::StopWithoutClose, true)]
    {
        let Open { exotel: _exotel, live, socket, .. } = open(Caller::silent()).await;

        live.kill_socket(how).await;
        let messages = socket.drain().await;
        let report = live.finished().await;

        assert_eq!(messages.iter().any(|message| message["event"] == "stop"), says_stop, "{how:?}");
        assert_eq!(report.end, End::SocketKilled);
    }
}
