//! What Exotel tells and asks over HTTP, in every shape it comes in.

use carriers::exotel::multipart::{self, MultipartError};
use carriers::exotel::webhook::{
    CallStatus, ConnectRequest, DisconnectedBy, EventType, Params, Passthru, ReportError, StatusReport,
    params_of_json,
};
use proptest::prelude::*;

const MULTIPART: &[u8] = include_bytes!("../../../fixtures/exotel/webhooks/status-terminal.multipart");
const KIND: &str = "multipart/form-data; boundary=b0undary";
const CALL: &str = "c5797dcbaaeed7678c4062a4a3ed2f8a";

fn query(text: &str) -> Params {
    Params::from_query(text.trim()).unwrap()
}

#[test]
fn a_status_report_is_read_from_a_multipart_form() {
    let params = multipart::read(KIND, MULTIPART).unwrap();

    let report = StatusReport::read(&params).unwrap();

    assert_eq!(report.call_sid, CALL);
    assert_eq!((report.event.clone(), report.status.clone()), (EventType::Terminal, CallStatus::NoAnswer));
    assert_eq!(report.from.as_deref(), Some("09876543210"));
    assert!(report.is_over() && !report.is_answered());
    assert_eq!(params.first("DateCreated"), Some("2026-03-03 10:48:33"));
    assert_eq!(params.first("RecordingUrl"), Some(""), "what is empty is there");
}

#[test]
fn a_status_report_is_read_from_a_plain_form_and_from_json() {
    let form = include_str!("../../../fixtures/exotel/webhooks/status-answered.form");
    let report = StatusReport::read(&query(form)).unwrap();
    assert_eq!((report.event.clone(), report.status.clone()), (EventType::Answered, CallStatus::InProgress));
    assert!(report.is_answered() && !report.is_over());

    let json = params_of_json(br#"{"call_sid":"c1","event_type":"Terminal","status":"BUSY","Duration":12}"#)
        .unwrap();
    let report = StatusReport::read(&json).unwrap();
    assert_eq!((report.status.clone(), report.duration_s), (CallStatus::Busy, Some(12)));
    assert!(report.is_over());

    let bare = StatusReport::read(&query("CallSid=c1&Status=completed")).unwrap();
    assert!(bare.is_over(), "callbacks that are not asked for by event");
    assert_eq!(
        StatusReport::read(&query("CallSid=c1&EventType=terminal")).map(|report| report.is_over()),
        Ok(true)
    );
    assert_eq!(StatusReport::read(&query("CallSid=c1")), Err(ReportError::Missing("Status")));
    assert_eq!(StatusReport::read(&query("Status=busy")), Err(ReportError::Missing("CallSid")));
    assert_eq!(StatusReport::read(&query("CallSid=../x&Status=busy")), Err(ReportError::NotASid("CallSid")));
}

#[test]
fn every_word_for_a_state_is_known_and_new_ones_do_not_hurt() {
    for word in ["queued", "ringing", "in-progress", "completed", "failed", "busy", "no-answer", "canceled"] {
        let report = StatusReport::read(&query(&format!("CallSid=c1&Status={word}"))).unwrap();
        assert_eq!(report.status.word(), word);
    }
    let report = StatusReport::read(&query("CallSid=c1&Status=pondering")).unwrap();
    assert_eq!(report.status, CallStatus::Unlisted("pondering".to_owned()));
    assert!(!report.is_over());
}

#[test]
fn a_question_for_the_media_address_names_the_call_however_it_is_written() {
    let documented = include_str!("../../../fixtures/exotel/webhooks/connect.query");
    let request = ConnectRequest::read(&query(documented)).unwrap();
    assert_eq!(request.call.as_deref(), Some("c0d3ca11e0"));
    assert_eq!((request.from.as_deref(), request.to.as_deref()), (Some("09876543210"), Some("08047112233")));
    assert!(!request.is_outbound);

    for (text, call) in [
        ("call_id=a&CallSid=b", Some("a")),
        ("CallSid=b&callLogId=c", Some("c")),
        ("CallSid=b&callSid=d", Some("d")),
        ("callsid=b", Some("b")),
        ("callSid=b", Some("b")),
        ("callLogId=c", Some("c")),
        ("call_id=&CallSid=b", Some("b")),
        ("From=%2B91&to=%2B92", None),
    ] {
        assert_eq!(ConnectRequest::read(&query(text)).unwrap().call.as_deref(), call, "{text}");
    }
    let placed = ConnectRequest::read(&query("CallSid=b&Direction=outbound-api&CustomField=ours")).unwrap();
    assert!(placed.is_outbound);
    assert_eq!(placed.custom_field.as_deref(), Some("ours"));
    assert_eq!(ConnectRequest::read(&query("CallSid=a%2Fb")), Err(ReportError::NotASid("CallSid")));
    let long = format!("CallSid={}", "a".repeat(65));
    assert_eq!(ConnectRequest::read(&query(&long)), Err(ReportError::NotASid("CallSid")));
}

#[test]
fn the_report_after_a_stream_reads_alike_in_its_shapes() {
    let bracketed = include_str!("../../../fixtures/exotel/webhooks/passthru-bracketed.query");
    let object = include_str!("../../../fixtures/exotel/webhooks/passthru-object.query");
    let json = br#"{"CallSid":"c0d3ca11e0","Stream":{"StreamSID":"s7c1f2ab90","Status":"completed","Duration":42,"DisconnectedBy":"bot"}}"#;

    let passthru = Passthru::read(&query(bracketed)).unwrap();

    assert_eq!(
        passthru,
        Passthru {
            call_sid: "c0d3ca11e0".to_owned(),
            stream_sid: Some("s7c1f2ab90".to_owned()),
            status: Some("completed".to_owned()),
            duration_s: Some(42),
            disconnected_by: Some(DisconnectedBy::Bot),
            ..Passthru::default()
        }
    );
    assert!(passthru.is_after_the_stream());
    assert_eq!(Passthru::read(&query(object)).unwrap(), passthru);
    assert_eq!(Passthru::read(&params_of_json(json).unwrap()).unwrap(), passthru);
}

#[test]
fn a_report_of_a_start_asks_nothing() {
    let body = include_bytes!("../../../fixtures/exotel/webhooks/passthru-start.json");

    let passthru = Passthru::read(&params_of_json(body).unwrap()).unwrap();

    assert_eq!(passthru.stream_sid.as_deref(), Some("s7c1f2ab90"));
    assert_eq!(passthru.event.as_deref(), Some("stream-start"));
    assert!(!passthru.is_after_the_stream());
    assert_eq!(Passthru::read(&query("flow_id=1")), Err(ReportError::Missing("CallSid")));
    assert_eq!(params_of_json(b"[1]"), None);
    assert_eq!(params_of_json(b"{"), None);
}

#[test]
fn multipart_forms_are_read_as_they_are_written() {
    let read = |body: &str| multipart::read("multipart/form-data; boundary=\"x y\"", body.as_bytes());
    let pairs = |params: &Params| {
        params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    let with_all = concat!(
        "a preamble\r\n--x y  \r\nContent-Type: text/plain\r\ncontent-disposition: Form-Data; name=a\r\n\r\none\r\nline\r\n",
        "--x y\nContent-Disposition: form-data; filename=\"f.wav\"; name=\"file\"\n\n\u{1}\u{2}\n",
        "--x y\r\nContent-Disposition: form-data; name=\"b\\\"c%22\"; more\r\n\r\n\r\n--x y--\r\nan epilogue",
    );

    assert_eq!(
        pairs(&read(with_all).unwrap()),
        [("a".to_owned(), "one\r\nline".to_owned()), ("b\"c\"".to_owned(), String::new())]
    );
    assert_eq!(pairs(&read("--x y--").unwrap()), []);
    for (body, error) in [
        ("", MultipartError::Broken),
        ("--x", MultipartError::Broken),
        ("--x y", MultipartError::Broken),
        ("--x y\r\n\r\nvalue", MultipartError::Broken),
        ("--x y\r\n\r\nvalue\r\n--x y--", MultipartError::NoName),
        ("--x y\r\nContent-Disposition: form-data\r\n\r\nv\r\n--x y--", MultipartError::NoName),
        ("--x y\r\nContent-Disposition: attachment; name=a\r\n\r\nv\r\n--x y--", MultipartError::NoName),
        ("--x y\r\nContent-Disposition: form-data; name=a\r\n\r\nv\r\n", MultipartError::Broken),
        ("--x yz\r\n", MultipartError::Broken),
    ] {
        assert_eq!(read(body), Err(error), "{body:?}");
        assert_eq!(error.status(), 400);
    }
    let part = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nv\r\n";
    let many = format!("{}--b--", part.repeat(257));
    assert_eq!(
        multipart::read("multipart/form-data;boundary=b", many.as_bytes()),
        Err(MultipartError::TooMany)
    );
    let large = vec![b'a'; 64 * 1024 + 1];
    assert_eq!(multipart::read("multipart/form-data;boundary=b", &large), Err(MultipartError::TooLarge));
    assert_eq!(MultipartError::TooLarge.status(), 413);
    let latin = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--b--";
    assert_eq!(multipart::read("multipart/form-data;boundary=b", latin), Err(MultipartError::NotUtf8));
    for kind in ["multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=b", ""] {
        assert_eq!(multipart::read(kind, b"--b--"), Err(MultipartError::NoBoundary), "{kind}");
    }
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    assert_eq!(multipart::read(&long, b""), Err(MultipartError::NoBoundary));
}

proptest! {
    #[test]
    fn what_is_written_as_a_multipart_form_is_read_again(
        pairs in prop::collection::vec(("[a-zA-Z\\[\\]_ ]{1,20}", "[^\\x00-\\x09]{0,60}"), 0..20)
    ) {
        let mut body = String::new();
        for (name, value) in &pairs {
            body.push_str(&format!("--7f3a\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
        }
        body.push_str("--7f3a--\r\n");

        let params = multipart::read("multipart/form-data; boundary=7f3a", body.as_bytes()).unwrap();

        let found: Vec<(String, String)> =
            params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        prop_assert_eq!(found, pairs);
    }

    #[test]
    fn forms_and_questions_may_hold_anything(body in prop::collection::vec(any::<u8>(), 0..400)) {
        read_everything(&body);
    }

    #[test]
    fn damaged_forms_hurt_nobody(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut body = MULTIPART.to_vec();
        for (at, byte) in changes {
            let at = at.index(body.len());
            match byte % 3 {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => { body.remove(at); }
            }
        }
        read_everything(&body);
    }
}

fn read_everything(body: &[u8]) {
    let all = [multipart::read(KIND, body).ok(), Params::from_form(body).ok(), params_of_json(body)];
    for params in all.into_iter().flatten() {
        let _ = ConnectRequest::read(&params);
        let _ = StatusReport::read(&params);
        let _ = Passthru::read(&params);
    }
}
