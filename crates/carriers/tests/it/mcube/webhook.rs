use carriers::mcube::webhook::{
    Clock, DialStatus, Direction, Stage, Webhook, WebhookError, connect, is_id, refuse, thanks,
};
use serde_json::{Value, json};

const WEBHOOKS: &str = include_str!("../../../fixtures/mcube/webhooks.jsonl");

#[test]
fn every_recorded_webhook_says_how_far_the_call_is() {
    let stages: Vec<Option<Stage>> =
        WEBHOOKS.lines().map(|line| Webhook::from_json(line.as_bytes()).unwrap().stage()).collect();

    let (connecting, answered, over) = (Some(Stage::Connecting), Some(Stage::Answered), Some(Stage::Over));
    assert_eq!(stages, [connecting, connecting, answered, over, over, over, over, over]);
}

#[test]
fn all_three_ways_of_writing_say_the_same() {
    let camel = json!({"callId": "C1", "callDirection": "inbound", "fromNumber": "9123456780", "toNumber":
        "8046800900", "dialStatus": "ANSWER", "startTime": "10", "endTime": "20", "answeredTime": "00:00:08",
        "accountId": 7, "filename": "https://r.example/1.wav"});
    let respelt = |spell: fn(&str) -> String| {
        let pairs = camel.as_object().unwrap().iter().map(|(name, value)| (spell(name), value.clone()));
        read(Value::Object(pairs.collect()))
    };
    let snake = |name: &str| {
        name.chars().fold(String::new(), |snake, c| match c.is_uppercase() {
            true => snake + "_" + &c.to_lowercase().to_string(),
            false => snake + &c.to_string(),
        })
    };

    let webhook = read(camel.clone());

    assert_eq!(webhook, respelt(snake));
    assert_eq!(webhook, respelt(str::to_lowercase));
    assert_eq!(
        (webhook.customer.as_deref(), webhook.did.as_deref()),
        (Some("9123456780"), Some("8046800900"))
    );
    assert_eq!(webhook.answered, Some(Clock::Seconds(8)));
    assert_eq!(webhook.account_id.as_deref(), Some("7"));
    assert_eq!(webhook.words(), "Mcube says: answered for 8 s");
}

#[test]
fn of_a_call_that_goes_out_our_number_is_the_one_it_comes_from() {
    let of = |direction| {
        read(json!({"callId": "C1", "callDirection": direction, "fromNumber": "1", "toNumber": "2"}))
    };

    let (inward, outward) = (of("inbound"), of("OUTBOUND"));

    assert_eq!(
        (inward.direction, inward.customer.as_deref(), inward.did.as_deref()),
        (Direction::Inbound, Some("1"), Some("2"))
    );
    assert_eq!(
        (outward.direction, outward.customer.as_deref(), outward.did.as_deref()),
        (Direction::Outbound, Some("2"), Some("1"))
    );
    for webhook in [inward, outward] {
        assert_eq!(webhook.from_and_to(), (Some("1"), Some("2")));
    }
}

#[test]
fn the_older_hook_is_understood() {
    let line = WEBHOOKS.lines().find(|line| line.contains("clicktocalldid")).unwrap();

    let webhook = Webhook::from_json(line.as_bytes()).unwrap();

    assert_eq!(webhook.status, Some(DialStatus::ExecutiveBusy));
    assert_eq!(webhook.stage(), Some(Stage::Over));
    assert_eq!(
        (webhook.customer.as_deref(), webhook.did.as_deref()),
        (Some("9123456780"), Some("8046800900"))
    );
    assert_eq!(webhook.refid.as_deref(), Some("our-call-id"));
    assert_eq!((webhook.answered.clone(), webhook.recording.clone()), (None, None));
    assert_eq!(webhook.words(), "Mcube says: executive busy, ended by Agent");
}

#[test]
fn an_end_is_an_end_whatever_word_stands_beside_it() {
    for (status, end, stage) in [
        (json!("ANSWER"), json!(null), Some(Stage::Answered)),
        (json!("ANSWER"), json!("2026-05-01 10:00:00"), Some(Stage::Over)),
        (json!("ANSWER"), json!("0000-00-00 00:00:00"), Some(Stage::Answered)),
        (json!("answer"), json!(1_746_093_683), Some(Stage::Over)),
        (json!("CONNECTING"), json!("10:00:00"), Some(Stage::Over)),
        (json!("connecting"), json!(""), Some(Stage::Connecting)),
        (json!(null), json!(null), Some(Stage::Connecting)),
        (json!(""), json!("0"), Some(Stage::Connecting)),
        (json!("No Answer"), json!(null), Some(Stage::Over)),
        (json!("EXECUTIVE_BUSY"), json!(null), Some(Stage::Over)),
        (json!("ON HOLD"), json!(null), None),
    ] {
        let webhook = read(json!({"callId": "C1", "dialStatus": status, "endTime": end}));
        assert_eq!(webhook.stage(), stage, "{status} {end}");
    }
}

#[test]
fn what_is_no_webhook_is_refused_in_words() {
    let read = |body: &str| Webhook::from_json(body.as_bytes()).unwrap_err();

    for body in ["", "[]", "7", "{", "\"x\""] {
        assert_eq!(read(body), WebhookError::NotAnObject, "{body}");
    }
    for body in ["{}", r#"{"callId":null}"#, r#"{"callId":" "}"#, r#"{"callId":{}}"#] {
        assert_eq!(read(body), WebhookError::NoCall, "{body}");
    }
    let long = json!({"callId": "C".repeat(129)}).to_string();
    for body in [r#"{"callId":"../x"}"#, r#"{"callId":"a b"}"#, r#"{"callId":"a?b"}"#, &long] {
        assert_eq!(read(body), WebhookError::NotAnId, "{body}");
    }
    let many: serde_json::Map<String, Value> = (0..65).map(|at| (at.to_string(), json!("x"))).collect();
    assert_eq!(read(&Value::Object(many).to_string()), WebhookError::TooMany);
    assert!(
        is_id("1746093600.90210") && is_id("+919123456780-7=") && !is_id("") && !is_id("..") && !is_id("a/b")
    );
}

#[test]
fn forms_say_the_same_as_json() {
    let pairs = [("callid", "C1"), ("dialstatus", "BUSY"), ("calldirection", "outbound")];

    let webhook = Webhook::from_pairs(pairs).unwrap();

    assert_eq!((webhook.stage(), webhook.direction), (Some(Stage::Over), Direction::Outbound));
}

#[test]
fn the_answers_are_exactly_what_is_documented() {
    let wss = "wss://gw.example.com/ws/mcube/C1?token=t";

    assert_eq!(connect(wss), r#"{"wss_url":"wss://gw.example.com/ws/mcube/C1?token=t"}"#);
    assert_eq!(thanks(), r#"{"status":"ok"}"#);
    let refused: Value = serde_json::from_str(&refuse("all_lines_busy", "all lines are busy")).unwrap();
    assert_eq!(refused["error"], "all_lines_busy");
    assert!(refused.get("wss_url").is_none());
}

fn read(value: Value) -> Webhook {
    Webhook::from_json(value.to_string().as_bytes()).unwrap()
}
