//! What Plivo's webhooks say.

use carriers::plivo::webhook::{
    CallReport, CallStatus, Direction, HangUp, Params, ReportError, StreamEvent, StreamReport,
};

const RECORDED: &str = include_str!("../../../fixtures/plivo/webhooks.txt");
const CALL: &str = "97ceeb52-58b6-11e1-86da-77300b68f8bb";
const REQUEST: &str = "9834029e-58b6-11e1-b8b7-a5bd0e4e126f";

fn recorded() -> Vec<Params> {
    RECORDED.lines().map(|line| Params::from_form(line.as_bytes()).unwrap()).collect()
}

#[test]
fn an_inbound_call_says_who_calls_whom_and_what_it_brings_along() {
    let call = CallReport::read(&recorded()[0]).unwrap();

    assert_eq!(
        call,
        CallReport {
            call_uuid: CALL.to_owned(),
            request_uuid: None,
            from: "+14155550100".to_owned(),
            to: "+14155550199".to_owned(),
            direction: Direction::Inbound,
            status: CallStatus::Ringing,
            event: Some("StartApp".to_owned()),
            caller_name: Some("Ada".to_owned()),
            machine: None,
            headers: vec![
                ("To".to_owned(), "<sip:14155550199@plivo>".to_owned()),
                ("tenant".to_owned(), "t1".to_owned()),
            ],
            hang_up: HangUp::default(),
        }
    );
    assert!(!call.status.is_over());
}

#[test]
fn a_call_that_we_placed_rings_is_answered_and_looked_at() {
    let reports: Vec<CallReport> =
        recorded()[1..4].iter().map(|params| CallReport::read(params).unwrap()).collect();

    for report in &reports {
        assert_eq!(report.request_uuid.as_deref(), Some(REQUEST));
        assert_eq!(report.direction, Direction::Outbound);
    }
    assert_eq!(reports[0].status, CallStatus::Ringing);
    assert_eq!(
        reports.iter().map(|report| report.machine).collect::<Vec<_>>(),
        [None, Some(false), Some(true)]
    );
}

#[test]
fn a_hang_up_says_how_and_by_whom() {
    let (answered, busy) =
        (CallReport::read(&recorded()[4]).unwrap(), CallReport::read(&recorded()[5]).unwrap());

    assert_eq!((answered.status, busy.status), (CallStatus::Completed, CallStatus::Busy));
    assert_eq!(
        answered.hang_up,
        HangUp {
            cause: Some("Normal Hangup".to_owned()),
            code: Some(4000),
            source: Some("Caller".to_owned()),
            duration_s: Some(17),
        }
    );
    for word in ["completed", "busy", "failed", "timeout", "no-answer", "cancel", "rejected", "canceled"] {
        let report =
            CallReport::read(&Params::from_pairs([("CallUUID", CALL), ("CallStatus", word)])).unwrap();
        assert!(report.status.is_over(), "{word}");
    }
    for word in ["ringing", "in-progress", "", "queued"] {
        let report =
            CallReport::read(&Params::from_pairs([("CallUUID", CALL), ("CallStatus", word)])).unwrap();
        assert!(!report.status.is_over(), "{word}");
        assert_eq!(report.status.word(), word);
    }
}

#[test]
fn every_event_of_a_stream_is_known() {
    let events: Vec<StreamEvent> =
        recorded()[6..].iter().map(|params| StreamReport::read(params).unwrap().event).collect();

    assert_eq!(
        events,
        [
            StreamEvent::Started,
            StreamEvent::Degraded,
            StreamEvent::Played,
            StreamEvent::Cleared,
            StreamEvent::Dropped,
            StreamEvent::Stopped,
        ]
    );
    let odd = Params::from_pairs([("CallUUID", CALL), ("Event", "PausedStream")]);
    assert_eq!(StreamReport::read(&odd).unwrap().event, StreamEvent::Unlisted("PausedStream".to_owned()));
    let none = Params::from_pairs([("CallUUID", CALL)]);
    assert_eq!(StreamReport::read(&none), Err(ReportError::Missing("Event")));
}

#[test]
fn what_does_not_name_its_call_is_refused() {
    let read = |uuid: &str| CallReport::read(&Params::from_pairs([("CallUUID", uuid)])).map(|_| ());

    assert_eq!(CallReport::read(&Params::default()), Err(ReportError::Missing("CallUUID")));
    assert_eq!(read(""), Err(ReportError::Missing("CallUUID")));
    for odd in ["../x", "a b", "ä", &"a".repeat(65)] {
        assert_eq!(read(odd), Err(ReportError::NotAnId("CallUUID")), "{odd}");
    }
    assert_eq!(read("a-B_9"), Ok(()));
    let crowded: Vec<(String, String)> = (0..200)
        .map(|number| (format!("X-PH-h{number}"), "x".repeat(2_000)))
        .chain([("CallUUID".to_owned(), CALL.to_owned()), ("Machine".to_owned(), "maybe".to_owned())])
        .collect();
    let report = CallReport::read(&Params::from_pairs(crowded)).unwrap();
    assert_eq!((report.headers.len(), report.headers[0].1.len()), (32, 512));
    assert_eq!(report.machine, None);
}
