//! Webhooks and TwiML, verb by verb.

use std::time::Duration;

use audio::{Frame, Rate};
use lab::caller::{Caller, Step};
use lab::twilio::{
    CallReport, DialOutcome, Dialling, End, Happening, Method, PlacedCall, Signing, StatusCallback, Twilio,
    TwilioConfig, signature,
};

use crate::gateway::Gateway;

async fn twilio() -> Twilio {
    Twilio::start(TwilioConfig::default()).await.unwrap()
}

fn call_to(gateway: &Gateway, path: &str) -> PlacedCall {
    PlacedCall { webhook_url: gateway.at(path), ..PlacedCall::default() }
}

/// Plays one document through.
async fn play(inside: &str) -> CallReport {
    let gateway = Gateway::start().await;
    gateway.twiml("/voice", inside);
    twilio().await.place_call(call_to(&gateway, "/voice")).finished().await
}

fn codes(report: &CallReport) -> Vec<Option<u32>> {
    report.warnings.iter().map(|warning| warning.code).collect()
}

fn warned(report: &CallReport, text: &str) -> bool {
    report.warnings.iter().any(|warning| warning.text.contains(text))
}

#[tokio::test(start_paused = true)]
async fn webhook_is_signed_and_carries_the_documented_parameters() {
    let gateway = Gateway::start().await;
    gateway.twiml("/voice", "<Hangup/>");
    let twilio = twilio().await;
    let extra = |value: &str| ("Tag".to_owned(), value.to_owned());

    let call = PlacedCall {
        extra_params: vec![extra("b"), extra("a"), extra("b"), ("Empty".into(), String::new())],
        ..call_to(&gateway, "/voice?tenant=7")
    };
    let report = twilio.place_call(call).finished().await;

    let seen = gateway.seen("/voice").remove(0);
    let expected = signature::of_form(twilio.auth_token(), &gateway.at("/voice?tenant=7"), &seen.form());
    assert_eq!(seen.signature(), Some(expected.as_str()));
    for (name, value) in [
        ("CallSid", report.call_sid.as_str()),
        ("AccountSid", twilio.account_sid()),
        ("From", "+14155550100"),
        ("To", "+14155550199"),
        ("Caller", "+14155550100"),
        ("Called", "+14155550199"),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("ApiVersion", "2010-04-01"),
        ("Empty", ""),
    ] {
        assert_eq!(seen.field(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(seen.form().iter().filter(|(name, _)| name == "Tag").count(), 3);
    assert!(report.call_sid.starts_with("CA") && report.call_sid.len() == 34);
}

#[tokio::test(start_paused = true)]
async fn get_webhooks_carry_everything_in_the_signed_query() {
    let gateway = Gateway::start().await;
    gateway.twiml("/voice", "<Hangup/>");
    let twilio = twilio().await;

    let call = PlacedCall { webhook_method: Method::Get, ..call_to(&gateway, "/voice?a=1") };
    twilio.place_call(call).finished().await;

    let seen = gateway.seen("/voice").remove(0);
    assert!(seen.body.is_empty());
    assert_eq!(seen.field("a").as_deref(), Some("1"));
    assert_eq!(seen.field("From").as_deref(), Some("+14155550100"));
    let url = gateway.at(&seen.uri.to_string());
    assert_eq!(seen.signature(), Some(signature::of_url(twilio.auth_token(), &url).as_str()));
}

#[tokio::test(start_paused = true)]
async fn signatures_can_be_wrong_or_missing_on_demand() {
    let gateway = Gateway::start().await;
    gateway.twiml("/voice", "<Hangup/>");
    let twilio = twilio().await;

    for signing in [Signing::Missing, Signing::WithToken("other".into())] {
        twilio.place_call(PlacedCall { signing, ..call_to(&gateway, "/voice") }).finished().await;
    }

    let seen = gateway.seen("/voice");
    assert_eq!(seen[0].signature(), None);
    let wrong = signature::of_form("other", &gateway.at("/voice"), &seen[1].form());
    assert_eq!(seen[1].signature(), Some(wrong.as_str()));
}

#[tokio::test(start_paused = true)]
async fn say_pause_and_play_take_their_time_and_the_caller_hears_what_is_played() {
    let gateway = Gateway::start().await;
    let tone =
        Frame::new(Rate::Hz16000, (0..16_000).map(|n| if n % 20 < 10 { 8_000 } else { -8_000 }).collect());
    gateway.answer("/tone.wav", 200, "audio/wav", audio::wav::write(&tone));
    gateway.twiml(
        "/voice",
        "<Say>twenty characters ok</Say><Pause length=\"2\"/><Play loop=\"2\">/tone.wav</Play>",
    );

    let report = twilio().await.place_call(call_to(&gateway, "/voice")).finished().await;

    assert_eq!(report.verbs, ["Say", "Pause", "Play"]);
    assert_eq!(report.end, End::OutOfVerbs);
    // 20 characters of 60 ms, 2 s, twice 1 s.
    assert_eq!(report.heard.duration(), Duration::from_millis(1_200 + 2_000 + 2_000));
    assert_eq!(report.spoken.duration(), report.heard.duration());
    let (before, after) = report.heard.samples.split_at(3_200 * 8);
    assert!(before.iter().all(|sample| *sample == 0));
    let energy: f64 = after.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / after.len() as f64;
    assert!(energy.sqrt() > 3_000.0, "{energy}");
    assert_eq!(
        report.count(|what| matches!(what, Happening::Said { text } if text == "twenty characters ok")),
        1
    );
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
}

#[tokio::test(start_paused = true)]
async fn played_digits_are_heard_as_tones() {
    let report = play("<Play digits=\"w12\"/>").await;

    // Half a second of silence, then two tones of 100 ms with 100 ms behind each.
    assert_eq!(report.heard.duration(), Duration::from_millis(900));
    let loud = |from: usize| report.heard.samples[from * 8..(from + 90) * 8].iter().any(|s| s.abs() > 5_000);
    assert!(!loud(0) && !loud(400) && loud(505) && !loud(605) && loud(705) && !loud(805));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_played_is_skipped() {
    let report = play("<Play>/missing.wav</Play><Pause/>").await;

    assert_eq!(codes(&report), [Some(11200)]);
    assert_eq!(report.verbs, ["Play", "Pause"]);
    assert_eq!(report.end, End::OutOfVerbs);
}

#[tokio::test(start_paused = true)]
async fn redirect_asks_the_next_document_by_its_method_relative_to_the_present_one() {
    let gateway = Gateway::start().await;
    gateway.twiml("/deep/voice", "<Redirect method=\"GET\">next?x=1&amp;y=2</Redirect><Say>never</Say>");
    gateway.twiml("/deep/next", "<Hangup/>");

    let report = twilio().await.place_call(call_to(&gateway, "/deep/voice")).finished().await;

    assert_eq!(report.verbs, ["Redirect", "Hangup"]);
    assert_eq!(report.end, End::HungUpByTwiml);
    let next = gateway.seen("/deep/next").remove(0);
    assert_eq!(next.method, "GET");
    assert_eq!((next.field("x").as_deref(), next.field("y").as_deref()), (Some("1"), Some("2")));
    assert_eq!(next.field("CallSid"), Some(report.call_sid));
}

#[tokio::test(start_paused = true)]
async fn polling_with_redirects_goes_on_until_something_else_comes() {
    let gateway = Gateway::start().await;
    gateway.twiml("/voice", "<Pause length=\"1\"/><Redirect>/poll</Redirect>");
    for _ in 0..3 {
        gateway.twiml("/poll", "<Pause length=\"1\"/><Redirect>/poll</Redirect>");
    }
    gateway.twiml("/poll", "<Hangup/>");

    let report = twilio().await.place_call(call_to(&gateway, "/voice")).finished().await;

    assert_eq!(gateway.seen("/poll").len(), 4);
    assert_eq!(report.heard.duration(), Duration::from_secs(4));
    assert_eq!(gateway.seen("/poll")[0].field("CallStatus").as_deref(), Some("in-progress"));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_that_never_ends_ends() {
    let report = play("<Redirect>/voice</Redirect>").await;

    assert!(matches!(report.end, End::ApplicationError { .. }), "{:?}", report.end);
}

#[tokio::test(start_paused = true)]
async fn reject_refuses_before_the_call_is_answered() {
    let report = play("<Reject reason=\"busy\"/>").await;

    assert_eq!(report.end, End::Rejected { reason: "busy".into() });
    assert!(report.heard.is_empty());
    assert_eq!(report.count(|what| *what == Happening::Answered), 0);
}

#[tokio::test(start_paused = true)]
async fn reject_behind_another_verb_is_reported() {
    let report = play("<Pause/><Reject/>").await;

    assert!(warned(&report, "<Reject> must be the first verb"));
    assert_eq!(report.end, End::HungUpByTwiml);
}

#[tokio::test(start_paused = true)]
async fn dial_talks_and_asks_its_action_what_next() {
    let gateway = Gateway::start().await;
    gateway.twiml(
        "/voice",
        "<Dial action=\"/after\" timeout=\"20\" callerId=\"+1415\"><Number sendDigits=\"1\">+14155550123</Number></Dial>\
         <Say>never</Say>",
    );
    gateway.twiml("/after", "<Hangup/>");

    let report = twilio().await.place_call(call_to(&gateway, "/voice")).finished().await;

    assert_eq!(report.verbs, ["Dial", "Hangup"]);
    let dialled = Happening::Dialled { numbers: vec!["+14155550123".into()], outcome: "completed".into() };
    assert_eq!(report.count(|what| *what == dialled), 1);
    let after = gateway.seen("/after").remove(0);
    assert_eq!(after.field("DialCallStatus").as_deref(), Some("completed"));
    assert_eq!(after.field("DialCallDuration").as_deref(), Some("2"));
    assert!(after.field("DialCallSid").unwrap().starts_with("CA"));
    assert!(after.signature().is_some());
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
}

#[tokio::test(start_paused = true)]
async fn dial_without_action_goes_on_and_knows_every_outcome() {
    for (outcome, word, seconds) in [
        (DialOutcome::Busy, "busy", 1),
        (DialOutcome::NoAnswer, "no-answer", 5),
        (DialOutcome::Failed, "failed", 1),
        (DialOutcome::Completed, "completed", 3),
    ] {
        let gateway = Gateway::start().await;
        gateway.twiml("/voice", "<Dial timeout=\"5\"><Sip>sip:a@example.com</Sip></Dial><Hangup/>");
        let config =
            TwilioConfig { dialling: Dialling { outcome, ..Dialling::default() }, ..TwilioConfig::default() };

        let report =
            Twilio::start(config).await.unwrap().place_call(call_to(&gateway, "/voice")).finished().await;

        assert_eq!(report.verbs, ["Dial", "Hangup"]);
        let dialled = Happening::Dialled { numbers: vec!["sip:a@example.com".into()], outcome: word.into() };
        assert_eq!(report.count(|what| *what == dialled), 1, "{word}");
        assert_eq!(report.heard.duration(), Duration::from_secs(seconds), "{word}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_case_sensitive_and_unknown_ones_reported_and_skipped() {
    let report = play("<say>x</say><Gather/><Say Voice=\"alice\">hello</Say><Pause length=\"soon\"/>").await;

    assert_eq!(report.verbs, ["Say", "Pause"]);
    assert_eq!(codes(&report), [Some(12200); 4]);
    for text in [
        "<say> is not a verb",
        "<Gather> is not a verb",
        "\"Voice\" is not allowed",
        "\"soon\" is not a number",
    ] {
        assert!(warned(&report, text), "{text}: {:?}", report.warnings);
    }
}

#[tokio::test(start_paused = true)]
async fn stream_urls_must_be_wss_and_have_no_query() {
    for (url, code, text) in [
        ("ws://gw.example.com/media", Some(31922), "not wss"),
        ("https://gw.example.com/media", Some(31922), "not wss"),
        ("wss://gw.example.com/media?token=1", None, "query strings are not supported"),
        ("/media", Some(11100), "Invalid URL"),
    ] {
        let report = play(&format!("<Connect><Stream url=\"{url}\"/></Connect><Hangup/>")).await;

        assert_eq!(report.verbs, ["Hangup"], "{url}");
        assert!(
            report.warnings.iter().any(|w| w.code == code && w.text.contains(text)),
            "{:?}",
            report.warnings
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_connect_carries_only_the_inbound_track_and_bounded_parameters() {
    let report =
        play("<Connect><Stream url=\"wss://gw.example.com/\" track=\"both_tracks\"/></Connect>").await;
    assert!(warned(&report, "both_tracks"));
    assert!(report.verbs.is_empty());

    let mut gateway = Gateway::start().await;
    let long = "v".repeat(490);
    let parameters = format!(
        "<Parameter name=\"nine_chars\" value=\"{long}\"/><Parameter name=\"eleven_chrs\" value=\"{long}\"/>\
         <Parameter name=\"q\" value=\"&quot;&amp;&lt;é&#x41;\"/>"
    );
    gateway.stream_twiml("/voice", &parameters, "");
    let call = twilio().await;
    let live = call.place_call(call_to(&gateway, "/voice"));
    let start = gateway.socket().await.next_event("start").await;

    let custom = start["start"]["customParameters"].as_object().unwrap();
    assert_eq!(custom.keys().collect::<Vec<_>>(), ["nine_chars", "q"]);
    assert_eq!(custom["q"], "\"&<éA");
    assert!(warned(&live.finished().await, "more than 500 characters"));
}

#[tokio::test(start_paused = true)]
async fn documents_that_cannot_be_read_end_the_call() {
    for (content_type, body, code) in [
        ("text/xml", "<Response><Say>", 12100),
        ("text/xml", "", 12100),
        ("text/xml", "<response/>", 12100),
        ("text/xml", "<!DOCTYPE r [<!ENTITY a 'b'>]><Response/>", 12100),
        ("text/xml", "<Response>&unknown;</Response>", 12100),
        ("application/json", "{}", 12300),
    ] {
        let gateway = Gateway::start().await;
        gateway.answer("/voice", 200, content_type, body);

        let report = twilio().await.place_call(call_to(&gateway, "/voice")).finished().await;

        assert_eq!(codes(&report), [Some(code)], "{body}");
        assert!(matches!(report.end, End::ApplicationError { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn the_fallback_url_is_asked_once_with_the_reason() {
    let gateway = Gateway::start().await;
    gateway.answer("/voice", 500, "text/xml", "");
    gateway.twiml("/fallback", "<Say>sorry</Say>");

    let call = PlacedCall { fallback_url: Some(gateway.at("/fallback")), ..call_to(&gateway, "/voice") };
    let report = twilio().await.place_call(call).finished().await;

    assert_eq!(report.verbs, ["Say"]);
    let fallback = gateway.seen("/fallback").remove(0);
    assert_eq!(fallback.field("ErrorCode").as_deref(), Some("11200"));
    assert_eq!(fallback.field("ErrorUrl"), Some(gateway.at("/voice")));
}

#[tokio::test(start_paused = true)]
async fn a_webhook_nobody_answers_fails_the_call() {
    let twilio = twilio().await;
    // A port that was free a moment ago, and that nobody listens on.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let call = PlacedCall { webhook_url: format!("http://{closed}/voice"), ..PlacedCall::default() };
    let report = twilio.place_call(call).finished().await;

    assert_eq!(codes(&report), [Some(11205)]);
    assert!(matches!(report.end, End::ApplicationError { .. }));
}

#[tokio::test(start_paused = true)]
async fn progress_is_reported_in_order_and_signed() {
    let gateway = Gateway::start().await;
    gateway.twiml("/voice", "<Pause length=\"61\"/>");
    gateway.answer("/status", 204, "text/plain", "");
    let events = ["initiated", "ringing", "answered", "completed"].map(str::to_owned).to_vec();
    let twilio = twilio().await;

    let callback = StatusCallback { url: gateway.at("/status"), events, out_of_order: false };
    let call = PlacedCall { status_callback: Some(callback), ..call_to(&gateway, "/voice") };
    twilio.place_call(call).finished().await;

    let seen = gateway.seen("/status");
    let fields = |name: &str| seen.iter().map(|s| s.field(name).unwrap_or_default()).collect::<Vec<_>>();
    assert_eq!(fields("CallStatus"), ["ringing", "in-progress", "completed"]);
    assert_eq!(fields("SequenceNumber"), ["0", "1", "2"]);
    assert_eq!(fields("CallbackSource"), ["call-progress-events"; 3]);
    assert_eq!(fields("CallDuration"), ["", "", "61"]);
    assert_eq!(fields("Duration"), ["", "", "2"]);
    for request in &seen {
        let expected = signature::of_form(twilio.auth_token(), &gateway.at("/status"), &request.form());
        assert_eq!(request.signature(), Some(expected.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn progress_can_arrive_out_of_order() {
    let gateway = Gateway::start().await;
    gateway.twiml("/voice", "<Pause/>");
    gateway.answer("/status", 204, "text/plain", "");
    let events = ["ringing", "answered", "completed"].map(str::to_owned).to_vec();

    let callback = StatusCallback { url: gateway.at("/status"), events, out_of_order: true };
    let call = PlacedCall { status_callback: Some(callback), ..call_to(&gateway, "/voice") };
    twilio().await.place_call(call).finished().await;

    let order: Vec<_> = gateway.seen("/status").iter().map(|s| s.field("SequenceNumber").unwrap()).collect();
    assert_eq!(order, ["1", "0", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_can_hang_up_in_the_middle_of_a_verb() {
    let gateway = Gateway::start().await;
    gateway.twiml("/voice", "<Pause length=\"30\"/><Say>never</Say>");
    let caller = Caller::with_steps(vec![Step::Wait(Duration::from_secs(3)), Step::HangUp]);

    let report =
        twilio().await.place_call(PlacedCall { caller, ..call_to(&gateway, "/voice") }).finished().await;

    assert_eq!(report.end, End::CallerHungUp);
    assert_eq!(report.verbs, ["Pause"]);
    assert_eq!(report.heard.duration(), Duration::from_millis(3_020));
}
