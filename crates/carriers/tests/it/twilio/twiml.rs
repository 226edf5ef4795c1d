//! The documents, to the letter.

use carriers::twilio::twiml::{
    self, ConnectStream, Dial, Document, Noun, RecordDial, RejectReason, Say, StartStream, Track, TwimlError,
    Verb, WhenGone,
};
use proptest::prelude::*;
use quick_xml::XmlVersion;
use quick_xml::events::Event;
use wire::Secret;

#[test]
fn a_call_is_connected_to_us_and_ends_when_we_are_gone() {
    let document = twiml::connect_stream(&ConnectStream {
        url: "wss://gw.example.com/twilio/media-stream",
        name: Some("agent"),
        status_callback: Some("https://gw.example.com/webhooks/stream?a=1&b=2"),
        parameters: &[("token", "8f14e45fceea167a"), ("from", "+14155550123"), ("say", "\"<ä>\" & 'co'\n")],
        when_gone: WhenGone::HangUp,
    });

    is(
        document,
        concat!(
            r#"<Connect><Stream url="wss://gw.example.com/twilio/media-stream" name="agent""#,
            r#" statusCallback="https://gw.example.com/webhooks/stream?a=1&amp;b=2" statusCallbackMethod="POST">"#,
            r#"<Parameter name="token" value="8f14e45fceea167a"/><Parameter name="from" value="+14155550123"/>"#,
            r#"<Parameter name="say" value="&quot;&lt;ä&gt;&quot; &amp; 'co'&#10;"/></Stream></Connect><Hangup/>"#,
        ),
    );
}

#[test]
fn what_happens_when_we_are_gone_is_always_said() {
    let gone = |when_gone| {
        let connect = ConnectStream { when_gone, ..plain() };
        let document = twiml::connect_stream(&connect).unwrap().into_string();
        let (_, after) = document.split_once("</Connect>").unwrap();
        after.strip_suffix("</Response>").unwrap().to_owned()
    };

    assert_eq!(gone(WhenGone::HangUp), "<Hangup/>");
    assert_eq!(
        gone(WhenGone::SayAndHangUp { text: "Entschuldigung.", language: Some("de-DE") }),
        r#"<Say language="de-DE">Entschuldigung.</Say><Hangup/>"#
    );
    assert_eq!(
        gone(WhenGone::Dial {
            to: "+1 (415) 555-0123",
            caller_id: Some("+18005551212"),
            timeout_s: Some(20)
        }),
        r#"<Dial timeout="20" callerId="+18005551212"><Number>+14155550123</Number></Dial>"#
    );
    assert_eq!(
        gone(WhenGone::Redirect { url: "https://gw.example.com/gone?a=1&b=2" }),
        r#"<Redirect method="POST">https://gw.example.com/gone?a=1&amp;b=2</Redirect>"#
    );
    is(
        twiml::connect_stream(&ConnectStream {
            when_gone: WhenGone::Ask { url: "https://gw.example.com/gone" },
            ..plain()
        }),
        r#"<Connect action="https://gw.example.com/gone" method="POST"><Stream url="wss://gw.example.com/s"/></Connect><Hangup/>"#,
    );
}

#[test]
fn callers_without_a_place_are_told_so() {
    is(twiml::busy(None), "<Say>All lines are busy. Please call again later.</Say><Hangup/>");
    is(
        twiml::busy(Some(Say {
            text: "Alle Leitungen sind besetzt.",
            language: Some("de-DE"),
            voice: Some("alice"),
            times: Some(2),
        })),
        r#"<Say voice="alice" language="de-DE" loop="2">Alle Leitungen sind besetzt.</Say><Hangup/>"#,
    );
    is(twiml::say_and_hang_up("Bye & thanks", None), "<Say>Bye &amp; thanks</Say><Hangup/>");
    is(twiml::reject(RejectReason::Busy), r#"<Reject reason="busy"/>"#);
    is(twiml::reject(RejectReason::Rejected), r#"<Reject reason="rejected"/>"#);
}

#[test]
fn waiting_until_something_is_ready_is_a_loop() {
    let document = Document::of(&[
        Verb::Play { url: "https://gw.example.com/a.wav?x=1&y=2", times: Some(1) },
        Verb::PlayDigits { digits: "wwww1" },
        Verb::Pause { seconds: 5 },
        Verb::Redirect { url: "https://gw.example.com/ready" },
    ]);

    is(
        document,
        concat!(
            r#"<Play loop="1">https://gw.example.com/a.wav?x=1&amp;y=2</Play><Play digits="wwww1"/>"#,
            r#"<Pause length="5"/><Redirect method="POST">https://gw.example.com/ready</Redirect>"#,
        ),
    );
    is(twiml::play("https://gw.example.com/a.wav"), "<Play>https://gw.example.com/a.wav</Play>");
    is(twiml::pause(1), r#"<Pause length="1"/>"#);
    is(
        twiml::redirect("https://gw.example.com/"),
        r#"<Redirect method="POST">https://gw.example.com/</Redirect>"#,
    );
    is(twiml::hang_up(), "<Hangup/>");
}

#[test]
fn listening_in_is_started_and_stopped() {
    let document = Document::of(&[
        Verb::Start(StartStream {
            url: "wss://gw.example.com/tap",
            name: Some("tap"),
            track: Track::Both,
            status_callback: None,
            parameters: &[("k", "v")],
        }),
        Verb::Stop { name: "tap" },
    ]);

    is(
        document,
        concat!(
            r#"<Start><Stream url="wss://gw.example.com/tap" name="tap" track="both_tracks"><Parameter name="k" value="v"/>"#,
            r#"</Stream></Start><Stop><Stream name="tap"/></Stop>"#,
        ),
    );
}

#[test]
fn a_dial_says_all_it_is_told() {
    let number = Dial {
        noun: Noun::Number {
            number: "+14155550123".into(),
            send_digits: Some("ww42#"),
            url: Some("https://gw.example.com/whisper"),
            status_callback: Some("https://gw.example.com/status"),
            status_callback_events: &["ringing", "answered"],
        },
        caller_id: Some("+18005551212"),
        timeout_s: Some(20),
        time_limit_s: Some(3600),
        action: Some("https://gw.example.com/after"),
        answer_on_bridge: true,
        hang_up_on_star: true,
        record: RecordDial::FromAnswerDual,
        ring_tone: Some("de"),
        refer_url: Some("https://gw.example.com/refer"),
    };
    let password = Secret::new("p\"w");
    let sip = Dial {
        noun: Noun::Sip { address: "sip:desk@pbx.example.com;transport=tls", user: Some(("me", &password)) },
        ..Dial::to("12").unwrap()
    };

    is(
        twiml::dial(&number),
        concat!(
            r#"<Dial action="https://gw.example.com/after" method="POST" timeout="20" timeLimit="3600" callerId="+18005551212""#,
            r#" answerOnBridge="true" hangupOnStar="true" record="record-from-answer-dual" ringTone="de""#,
            r#" referUrl="https://gw.example.com/refer"><Number sendDigits="ww42#" url="https://gw.example.com/whisper""#,
            r#" statusCallback="https://gw.example.com/status" statusCallbackEvent="ringing answered">+14155550123</Number></Dial>"#,
        ),
    );
    is(
        twiml::dial(&sip),
        r#"<Dial><Sip username="me" password="p&quot;w">sip:desk@pbx.example.com;transport=tls</Sip></Dial>"#,
    );
    assert!(!format!("{sip:?}").contains("p\\\"w"), "a password is not printed");
}

#[test]
fn destinations_are_read_as_people_write_them() {
    let dialled = |to| {
        let document = twiml::dial(&Dial::to(to)?)?.into_string();
        let start = document.find("<Dial>").unwrap() + "<Dial>".len();
        Ok::<_, TwimlError>(document[start..document.find("</Dial>").unwrap()].to_owned())
    };

    assert_eq!(dialled("+14155550123").unwrap(), "<Number>+14155550123</Number>");
    assert_eq!(dialled(" +49 (30) 12.34-56/7 ").unwrap(), "<Number>+49301234567</Number>");
    assert_eq!(dialled("tel:+14155550123").unwrap(), "<Number>+14155550123</Number>");
    assert_eq!(dialled("112").unwrap(), "<Number>112</Number>");
    assert_eq!(dialled("sip:desk@pbx.example.com").unwrap(), "<Sip>sip:desk@pbx.example.com</Sip>");
    assert_eq!(dialled("SIPS:desk@pbx.example.com").unwrap(), "<Sip>SIPS:desk@pbx.example.com</Sip>");
    assert_eq!(dialled("client:jenny").unwrap(), "<Client>jenny</Client>");
    for nowhere in [
        "",
        " ",
        "+",
        "1",
        "the boss",
        "+1415555012345678",
        "sip:",
        "client:",
        "sip:a b@c",
        "https://x.example",
        "+1415<b/>",
        "１２３",
    ] {
        assert_eq!(
            dialled(nowhere),
            Err(TwimlError::NoDestination { to: nowhere.trim().to_owned() }),
            "{nowhere}"
        );
    }
}

#[test]
fn what_twilio_would_refuse_is_refused_here() {
    let url = |url| twiml::connect_stream(&ConnectStream { url, ..plain() }).unwrap_err();
    let parameter =
        |name, value| twiml::connect_stream(&ConnectStream { parameters: &[(name, value)], ..plain() });
    let long = "ä".repeat(499);

    assert!(matches!(url("https://gw.example.com/s"), TwimlError::StreamNotWss { .. }));
    assert!(matches!(url("ws://gw.example.com/s"), TwimlError::StreamNotWss { .. }));
    assert!(matches!(url("/s"), TwimlError::StreamNotWss { .. }));
    assert!(matches!(url("wss://gw.example.com/s?a=1"), TwimlError::StreamWithQuery { .. }));
    for here in ["ws://127.0.0.1:7900/s", "ws://localhost/s", "ws://[::1]:1/s"] {
        assert!(twiml::connect_stream(&ConnectStream { url: here, ..plain() }).is_ok(), "{here}");
    }
    assert!(parameter("k", &long).is_ok());
    assert_eq!(
        parameter("kk", &long),
        Err(TwimlError::ParameterTooLong { name: "kk".to_owned(), chars: 501 })
    );
    assert_eq!(parameter("", "v"), Err(TwimlError::ParameterWithoutName));
    for relative in ["/gone", "gone", "", "ftp://x.example/", "javascript:alert(1)", "https:x"] {
        assert_eq!(twiml::redirect(relative), Err(TwimlError::NotAbsolute { url: relative.to_owned() }));
    }
    assert_eq!(twiml::say_and_hang_up(" \n", None), Err(TwimlError::NothingToSay));
    assert_eq!(twiml::say_and_hang_up(&"a".repeat(4097), None), Err(TwimlError::TextTooLong { chars: 4097 }));
    assert!(matches!(Document::of(&[Verb::PlayDigits { digits: "1x" }]), Err(TwimlError::NotKeys { .. })));
}

#[test]
fn documents_sent_along_have_less_room() {
    let fits = twiml::say_and_hang_up(&"a".repeat(3_900), None).unwrap();
    let too_long = twiml::say_and_hang_up(&"a".repeat(4_000), None).unwrap();

    assert_eq!(fits.inline(), Ok(fits.as_str()));
    assert_eq!(too_long.inline(), Err(TwimlError::TooLongInline { chars: too_long.as_str().len() }));
}

proptest! {
    /// Whatever is said or passed along, an XML reader finds it again.
    #[test]
    fn every_text_survives_its_escaping(text in any::<String>(), value in any::<String>()) {
        let text = format!("x{text}");
        let value: String = value.chars().take(400).collect();
        let connect = ConnectStream {
            parameters: &[("k", &value)],
            when_gone: WhenGone::SayAndHangUp { text: &text, language: None },
            ..plain()
        };
        let document = twiml::connect_stream(&connect).unwrap().into_string();

        prop_assert_eq!(read_back(&document), (writable(&value), writable(&text)));
    }
}

/// The value of the one parameter and the text of the one `<Say>`.
fn read_back(document: &str) -> (String, String) {
    let mut reader = quick_xml::Reader::from_str(document);
    let (mut value, mut text) = (String::new(), String::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Empty(element) if element.name().as_ref() == b"Parameter" => {
                let attribute = element.try_get_attribute("value").unwrap().unwrap();
                value = attribute.normalized_value(XmlVersion::Explicit1_0).unwrap().into_owned();
            }
            Event::Start(element) if element.name().as_ref() == b"Say" => loop {
                match reader.read_event().unwrap() {
                    Event::Text(part) => text.push_str(&part.xml_content(XmlVersion::Explicit1_0).unwrap()),
                    Event::GeneralRef(reference) => match reference.resolve_char_ref().unwrap() {
                        Some(c) => text.push(c),
                        None => text.push_str(
                            quick_xml::escape::resolve_predefined_entity(&reference.decode().unwrap())
                                .unwrap(),
                        ),
                    },
                    Event::End(_) => break,
                    other => panic!("{other:?}"),
                }
            },
            Event::Eof => return (value, text),
            _ => {}
        }
    }
}

/// Without what XML has no way to write.
fn writable(text: &str) -> String {
    let unwritable = |c: char| (c < ' ' && !"\t\n\r".contains(c)) || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(|&c| !unwritable(c)).collect()
}

fn plain() -> ConnectStream<'static> {
    ConnectStream {
        url: "wss://gw.example.com/s",
        name: None,
        status_callback: None,
        parameters: &[],
        when_gone: WhenGone::HangUp,
    }
}

#[track_caller]
fn is(document: Result<Document, TwimlError>, body: &str) {
    let expected = format!(r#"<?xml version="1.0" encoding="UTF-8"?><Response>{body}</Response>"#);
    assert_eq!(document.unwrap().as_str(), expected);
}
