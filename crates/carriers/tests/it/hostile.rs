//! Whatever comes over a socket or in a form: no panic, no event after the last one, nothing beyond the bounds.

use call::{CarrierCommand, CarrierEvent, Digit, Generation, Mark};
use carriers::plivo::webhook::{CallReport, StreamReport};
use carriers::twilio::webhook::{CallStatusReport, DialReport, InboundCall, Params, StreamStatusReport};
use carriers::{Upgrade, browser, exotel, mcube, plivo, twilio};
use proptest::prelude::*;
use wire::{Incoming, Outbox};

use crate::fixtures::{FROM_EXOTEL, FROM_MCUBE, FROM_PAGE, FROM_PLIVO, FROM_TWILIO};

/// Something that a peer may send, however wrong.
#[derive(Clone, Debug)]
enum Sent {
    Text(String),
    Binary(Vec<u8>),
}

proptest! {
    #[test]
    fn twilio_may_send_anything(sent in anything(&FROM_TWILIO)) {
        let mut leg = twilio::Leg::new();
        withstand(sent, |incoming, events| leg.read(incoming, events))?;
        write_everything(|command, outbox| { let _ = leg.write(command, outbox); });
    }

    #[test]
    fn plivo_may_send_anything(sent in anything(&FROM_PLIVO)) {
        let mut leg = plivo::Leg::new(Upgrade::default());
        withstand(sent, |incoming, events| leg.read(incoming, events))?;
        write_everything(|command, outbox| { let _ = leg.write(command, outbox); });
    }

    #[test]
    fn exotel_may_send_anything(sent in anything(&FROM_EXOTEL)) {
        let mut leg = exotel::Leg::new(Upgrade::default(), exotel::Settings::default());
        withstand(sent, |incoming, events| leg.read(incoming, events))?;
        write_everything(|command, outbox| { let _ = leg.write(command, outbox); });
    }

    #[test]
    fn the_page_may_send_anything(sent in anything(&FROM_PAGE)) {
        let mut leg = browser::Leg::new();
        withstand(sent, |incoming, events| leg.read(incoming, events))?;
        write_everything(|command, outbox| { let _ = leg.write(command, outbox); });
    }

    #[test]
    fn mcube_may_send_anything(sent in anything(&FROM_MCUBE)) {
        let mut leg = mcube::Leg::new(Upgrade::default(), mcube::Settings::default());
        withstand(sent, |incoming, events| leg.read(incoming, events))?;
        write_everything(|command, outbox| { let _ = leg.write(command, outbox); });
    }

    #[test]
    fn mcubes_webhooks_may_hold_anything(
        pairs in prop::collection::vec((prop::sample::select(MCUBE_NAMES), ".{0,80}"), 0..12),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = mcube::webhook::Webhook::from_json(&body);
        if let Ok(webhook) = mcube::webhook::Webhook::from_pairs(pairs) {
            let _ = (webhook.stage(), webhook.words());
        }
    }

    #[test]
    fn forms_may_hold_anything(body in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(params) = Params::from_form(&body) {
            read_everything(&params);
        }
    }

    #[test]
    fn forms_may_hold_anything_under_the_right_names(
        params in prop::collection::vec((prop::sample::select(PARAMETER_NAMES), ".{0,80}"), 0..12)
    ) {
        read_everything(&Params::from_pairs(params));
    }
}

const PARAMETER_NAMES: &[&str] = &[
    "CallSid",
    "AccountSid",
    "From",
    "To",
    "CallStatus",
    "Direction",
    "SequenceNumber",
    "CallDuration",
    "Duration",
    "SipResponseCode",
    "RecordingUrl",
    "StreamSid",
    "StreamEvent",
    "DialCallStatus",
    "DialCallDuration",
    "CallUUID",
    "RequestUUID",
    "Event",
    "Machine",
    "StreamID",
    "HangupCauseCode",
    "SIP-H-x",
];

const MCUBE_NAMES: &[&str] = &[
    "callId",
    "call_direction",
    "fromnumber",
    "toNumber",
    "dialStatus",
    "startTime",
    "endtime",
    "answered_time",
    "refid",
    "clicktocalldid",
];

fn read_everything(params: &Params) {
    let _ = InboundCall::read(params);
    let _ = CallStatusReport::read(params);
    let _ = StreamStatusReport::read(params);
    let _ = DialReport::read(params);
    let _ = CallReport::read(params);
    let _ = StreamReport::read(params);
}

fn withstand(
    sent: Vec<Sent>,
    mut read: impl FnMut(Incoming<'_>, &mut Vec<CarrierEvent>),
) -> Result<(), TestCaseError> {
    let mut events = Vec::new();
    for message in &sent {
        let before = events.len();
        match message {
            Sent::Text(text) => read(Incoming::Text(text), &mut events),
            Sent::Binary(bytes) => read(Incoming::Binary(bytes), &mut events),
        }
        // What was meant, an oddity beside it, and a departure: never more from one message.
        prop_assert!(events.len() <= before + 3);
    }
    let last = events.iter().position(|event| matches!(event, CarrierEvent::Left(_)));
    if let Some(last) = last {
        prop_assert_eq!(last, events.len() - 1, "something follows a departure");
    }
    let second = events.iter().filter(|event| matches!(event, CarrierEvent::Started(_))).count();
    prop_assert!(second <= 1, "media starts once");
    Ok(())
}

fn write_everything(mut write: impl FnMut(&CarrierCommand, &mut Outbox)) {
    let mut outbox = Outbox::new();
    let generation = Generation(7);
    for command in [
        CarrierCommand::Mark(Mark { generation, serial: 1 }),
        CarrierCommand::Clear { generation },
        CarrierCommand::Digits(Digit::parse('1').into_iter().collect()),
        CarrierCommand::Transfer { to: "\"\\\u{1}".to_owned() },
        CarrierCommand::HangUp,
        CarrierCommand::Close,
    ] {
        write(&command, &mut outbox);
    }
    for text in outbox.texts() {
        serde_json::from_str::<serde_json::Value>(&text).expect("what we write is JSON");
    }
}

/// Mostly real messages, whole or damaged, among noise.
fn anything(files: &'static [&'static str]) -> impl Strategy<Value = Vec<Sent>> {
    let lines: Vec<&str> = files.iter().flat_map(|file| file.lines()).collect();
    let line = prop::sample::select(lines);
    let whole = line.clone().prop_map(|line| Sent::Text(line.to_owned()));
    let damaged = (line, prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)).prop_map(
        |(line, changes)| {
            let mut bytes = line.as_bytes().to_vec();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                match byte % 3 {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => {
                        bytes.remove(at);
                    }
                }
            }
            Sent::Text(String::from_utf8_lossy(&bytes).into_owned())
        },
    );
    let text = ".{0,200}".prop_map(Sent::Text);
    let binary = prop::collection::vec(any::<u8>(), 0..700).prop_map(Sent::Binary);
    prop::collection::vec(prop_oneof![4 => whole, 4 => damaged, 1 => text, 1 => binary], 0..40)
}
