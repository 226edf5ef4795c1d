//! What Twilio tells over HTTP.

use carriers::twilio::webhook::{
    AnsweredBy, AnsweredByReport, CallStatus, CallStatusReport, DialReport, DialStatus, Direction, FormError,
    InboundCall, Params, Recording, ReportError, ReportOrder, StreamEvent, StreamStatusReport,
};

const KNOCK: &str = "AccountSid=ACa1b2c3d4e5f60718293a4b5c6d7e8f90&ApiVersion=2010-04-01&CallSid=CA5ef8732a3c49700934481addd5ce1659&CallStatus=ringing&Called=%2B18005551212&Caller=%2B14155550123&CallerCity=SAN+FRANCISCO&CallerName=J%C3%BCrgen+%26+Co&Direction=inbound&From=%2B14155550123&FromZip=&StirVerstat=TN-Validation-Passed-A&To=%2B18005551212";

#[test]
fn a_knocking_call_is_understood() {
    let params = Params::from_form(KNOCK.as_bytes()).unwrap();

    let call = InboundCall::read(&params).unwrap();

    assert_eq!(
        call,
        InboundCall {
            call_sid: "CA5ef8732a3c49700934481addd5ce1659".to_owned(),
            account_sid: "ACa1b2c3d4e5f60718293a4b5c6d7e8f90".to_owned(),
            from: "+14155550123".to_owned(),
            to: "+18005551212".to_owned(),
            direction: Direction::Inbound,
            status: CallStatus::Ringing,
            caller_name: Some("Jürgen & Co".to_owned()),
            forwarded_from: None,
            parent_call_sid: None,
            stir_verstat: Some("TN-Validation-Passed-A".to_owned()),
        }
    );
    assert_eq!(params.first("FromZip"), Some(""), "empty values are kept: they are signed");
    assert_eq!(params.len(), 13);
}

#[test]
fn callers_without_a_number_and_words_of_tomorrow_are_taken() {
    let call = InboundCall::read(&params(
        "CallSid=CA1&AccountSid=AC1&From=anonymous&Direction=sideways&CallStatus=humming",
    ));

    let call = call.unwrap();
    assert_eq!(call.from, "anonymous");
    assert_eq!(call.direction, Direction::Unlisted("sideways".to_owned()));
    assert_eq!(call.status, CallStatus::Unlisted("humming".to_owned()));
    assert!(!call.status.is_over());
}

#[test]
fn what_does_not_name_its_call_is_refused() {
    let read = |form: &str| InboundCall::read(&params(form)).unwrap_err();

    assert_eq!(read("AccountSid=AC1"), ReportError::Missing("CallSid"));
    assert_eq!(read("CallSid=&AccountSid=AC1"), ReportError::Missing("CallSid"));
    assert_eq!(read("CallSid=CA1"), ReportError::Missing("AccountSid"));
    for bad in ["..%2F..%2FCalls", "CA1%2F", "CA%001", "CA+1", "CA%C3%A4"] {
        let form = format!("AccountSid=AC1&CallSid={bad}");
        assert_eq!(read(&form), ReportError::NotASid("CallSid"), "{bad}");
    }
    assert_eq!(read(&format!("AccountSid=AC1&CallSid={}", "C".repeat(65))), ReportError::NotASid("CallSid"));
}

#[test]
fn a_finished_call_is_reported_with_its_length() {
    let report = CallStatusReport::read(&params(
        "CallSid=CA1&AccountSid=AC1&From=%2B1&To=%2B2&Direction=outbound-api&CallStatus=completed&CallDuration=61&Duration=2&Timestamp=Thu%2C+20+Nov+2025+13%3A28%3A00+%2B0000&SequenceNumber=3&CallbackSource=call-progress-events&SipResponseCode=200&AnsweredBy=human&RecordingUrl=https%3A%2F%2Fapi.twilio.com%2Fr&RecordingSid=RE1&RecordingDuration=60",
    ))
    .unwrap();

    assert_eq!(
        report,
        CallStatusReport {
            call_sid: "CA1".to_owned(),
            account_sid: "AC1".to_owned(),
            status: CallStatus::Completed,
            from: "+1".to_owned(),
            to: "+2".to_owned(),
            direction: Direction::OutboundApi,
            parent_call_sid: None,
            sequence_number: Some(3),
            duration_s: Some(61),
            billed_minutes: Some(2),
            timestamp: Some("Thu, 20 Nov 2025 13:28:00 +0000".to_owned()),
            sip_response_code: Some(200),
            answered_by: Some("human".to_owned()),
            recording: Some(Recording {
                url: "https://api.twilio.com/r".to_owned(),
                sid: Some("RE1".to_owned()),
                duration_s: Some(60),
            }),
        }
    );
    assert!(report.status.is_over());
}

#[test]
fn every_status_is_known_by_its_word() {
    let over = ["completed", "busy", "failed", "no-answer", "canceled"];
    for word in ["queued", "initiated", "ringing", "in-progress"].iter().chain(&over) {
        let report =
            CallStatusReport::read(&params(&format!("CallSid=CA1&AccountSid=AC1&CallStatus={word}")))
                .unwrap();

        assert!(!matches!(report.status, CallStatus::Unlisted(_)));
        assert_eq!(report.status.word(), *word);
        assert_eq!(report.status.is_over(), over.contains(word));
    }
}

#[test]
fn figures_that_are_none_are_refused() {
    for bad in ["SequenceNumber=x", "CallDuration=-1", "SipResponseCode=70000", "Duration=1.5"] {
        let form = format!("CallSid=CA1&AccountSid=AC1&CallStatus=completed&{bad}");
        let error = CallStatusReport::read(&params(&form)).unwrap_err();
        let (name, _) = bad.split_once('=').unwrap();
        assert!(matches!(error, ReportError::NotANumber { name: found } if found == name), "{error}");
    }
}

#[test]
fn reports_that_were_overtaken_are_no_news() {
    let mut order = ReportOrder::default();

    let news: Vec<bool> =
        [Some(0), Some(2), Some(1), Some(2), None, Some(3)].into_iter().map(|n| order.is_news(n)).collect();

    assert_eq!(news, [true, true, false, false, true, true]);
}

#[test]
fn streams_report_their_start_their_end_and_their_trouble() {
    let read = |event: &str| {
        StreamStatusReport::read(&params(&format!(
            "AccountSid=AC1&CallSid=CA1&StreamSid=MZ1&Timestamp=2025-11-20T13%3A28%3A00.000Z&{event}"
        )))
        .unwrap()
    };

    let started = read("StreamName=agent&StreamEvent=stream-started");
    assert_eq!((started.name.as_str(), &started.event), ("agent", &StreamEvent::Started));
    assert_eq!(started.timestamp.as_deref(), Some("2025-11-20T13:28:00.000Z"));
    let stopped = read("StreamEvent=stream-stopped");
    assert_eq!((stopped.name.as_str(), &stopped.event), ("MZ1", &StreamEvent::Stopped));
    let failed = read("StreamEvent=stream-error&StreamError=Stream+Connection+Error");
    assert_eq!(failed.event, StreamEvent::Error { detail: "Stream Connection Error".to_owned() });
    assert_eq!(read("StreamEvent=stream-paused").event, StreamEvent::Unlisted("stream-paused".to_owned()));
    assert_eq!(
        StreamStatusReport::read(&params("AccountSid=AC1&CallSid=CA1&StreamSid=MZ1")),
        Err(ReportError::Missing("StreamEvent"))
    );
}

#[test]
fn a_dial_reports_whether_they_talked() {
    let read = |status: &str| {
        DialReport::read(&params(&format!(
            "AccountSid=AC1&CallSid=CA1&DialCallSid=CA2&DialCallDuration=12&DialCallStatus={status}"
        )))
        .unwrap()
    };

    let completed = read("completed");
    assert_eq!(completed.dialled_call_sid.as_deref(), Some("CA2"));
    assert_eq!(completed.duration_s, Some(12));
    assert!(completed.status.connected());
    for (word, status) in [
        ("busy", DialStatus::Busy),
        ("no-answer", DialStatus::NoAnswer),
        ("failed", DialStatus::Failed),
        ("canceled", DialStatus::Canceled),
    ] {
        assert_eq!(read(word).status, status);
        assert!(!status.connected());
    }
}

#[test]
fn forms_are_decoded_to_the_letter() {
    let params = params("a=1&b=+%2B%41%zz%4&&a=2&c&=d&e=%F0%9F%93%9E&f==g");

    let pairs: Vec<(&str, &str)> = params.iter().collect();

    let expected =
        [("a", "1"), ("b", " +A%zz%4"), ("a", "2"), ("c", ""), ("", "d"), ("e", "📞"), ("f", "=g")];
    assert_eq!(pairs, expected);
    assert_eq!(params.all("a").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(params.first("a"), Some("1"));
    assert_eq!(params.filled("c"), None);
}

#[test]
fn forms_have_bounds() {
    assert_eq!(Params::from_form(&vec![b'a'; 64 * 1024 + 1]), Err(FormError::TooLarge));
    assert_eq!(Params::from_form("a&".repeat(257).as_bytes()), Err(FormError::TooMany));
    assert_eq!(Params::from_form(b"a=%ff"), Err(FormError::NotUtf8));
    assert_eq!(Params::from_form("a&".repeat(256).as_bytes()).unwrap().len(), 256);
    assert_eq!(FormError::TooMany.status(), 413);
}

fn params(form: &str) -> Params {
    Params::from_form(form.as_bytes()).unwrap()
}

#[test]
fn who_answered_is_told_beside_the_calls_status() {
    let of = |form: &str| AnsweredByReport::read(&Params::from_form(form.as_bytes()).unwrap());
    for (word, answered_by) in [
        ("human", Some(AnsweredBy::Person)),
        ("machine_start", Some(AnsweredBy::Machine)),
        ("machine_end_beep", Some(AnsweredBy::Machine)),
        ("machine_end_silence", Some(AnsweredBy::Machine)),
        ("fax", Some(AnsweredBy::Machine)),
        ("unknown", None),
        ("something_new", None),
    ] {
        let report =
            of(&format!("CallSid=CA1&AccountSid=AC1&AnsweredBy={word}&MachineDetectionDuration=2100"));
        assert_eq!(report, Some(Ok(AnsweredByReport { call_sid: "CA1".into(), answered_by })), "{word}");
    }
    assert_eq!(of("AnsweredBy=human"), Some(Err(ReportError::Missing("CallSid"))));
    assert_eq!(of("CallSid=../CA1&AnsweredBy=human"), Some(Err(ReportError::NotASid("CallSid"))));
    assert_eq!(of("CallSid=CA1&AnsweredBy=human&CallStatus=in-progress"), None, "that is a status report");
    assert_eq!(of("CallSid=CA1"), None);
}
