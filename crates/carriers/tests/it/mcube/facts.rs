//! The facts about a call, wherever and under whatever name they travel.

use std::collections::BTreeMap;

use call::{CarrierEvent, MediaStart};
use carriers::Upgrade;
use carriers::mcube::{Fields, Leg, Settings};
use serde_json::{Value, json};

use super::leg::read;

#[test]
fn facts_are_found_in_every_place_and_under_every_name() {
    for message in [
        json!({"businessId": "B7", "agentId": 17, "did": "8046800900", "from": "9123456780", "customerName": "Asha",
            "start": {}}),
        json!({"start": {"business_id": "B7", "agent_id": "17", "did_number": "8046800900",
            "customer_number": 9123456780_u64, "customer_name": "Asha"}}),
        json!({"start": {"customParameters": {"bid": "B7", "botId": "17", "to": "8046800900",
            "custnumber": "9123456780", "customerName": "Asha"}}}),
        json!({"start": {}, "extra_headers":
            "BID=B7; bot_id=17; exenumber=8046800900; customerNumber=9123456780; customerName=Asha"}),
        json!({"start": {}, "extra_headers": {"bid": "B7", "botId": 17, "didNumber": "8046800900",
            "from": "9123456780", "customer_name": "Asha"}}),
        json!({"start": {"extraHeaders":
            r#"{"bid":"B7","botId":17,"didNumber":"8046800900","from":"9123456780","customer_name":"Asha"}"#}}),
    ] {
        let start = begin(&Settings::default(), message.clone());

        assert_eq!(start.from.as_deref(), Some("9123456780"), "{message}");
        assert_eq!(start.to.as_deref(), Some("8046800900"), "{message}");
        assert_eq!(fact(&start, "business_id"), Some("B7"), "{message}");
        assert_eq!(fact(&start, "agent_id"), Some("17"), "{message}");
        assert_eq!(fact(&start, "customer_name"), Some("Asha"), "{message}");
    }
}

#[test]
fn the_names_are_the_operators_to_choose() {
    let fields = Fields { business_id: vec!["mandant".to_owned()], ..Fields::default() };
    let settings = Settings { fields, ..Settings::default() };

    let start = begin(&settings, json!({"start": {"Mandant": "M1", "businessId": "B7"}}));

    assert_eq!(fact(&start, "business_id"), Some("M1"));
}

#[test]
fn empty_values_are_no_values() {
    let start = begin(
        &Settings::default(),
        json!({"from": "", "did": null, "start": {"customerNumber": " 9123456780 ", "to": ["x"]}}),
    );

    assert_eq!((start.from.as_deref(), start.to), (Some("9123456780"), None));
}

#[test]
fn what_the_caller_of_the_interface_gave_along_is_kept_by_name() {
    let start = begin(
        &Settings::default(),
        json!({"start": {"tracks": ["inbound"], "secret": "x",
            "customParameters": {"campaign": "spring", "open": true, "api_secret": "hush", "deep": {"a": 1}}},
            "extra_headers": "tier=gold;token=T1"}),
    );

    let facts: Vec<(&str, &str)> =
        start.facts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(facts, [("token", "T1"), ("campaign", "spring"), ("open", "true"), ("tier", "gold")]);
}

#[test]
fn an_agent_id_chooses_the_bot_it_stands_for_and_nobody_else_does() {
    let bots = [("17", "reception"), ("sales", "sales"), ("reception", "reception")];
    let bots: BTreeMap<String, String> =
        bots.into_iter().map(|(id, bot)| (id.to_owned(), bot.to_owned())).collect();
    let settings = Settings { bots, ..Settings::default() };
    let chosen = |start: Value| {
        let start = begin(&settings, json!({ "start": start }));
        fact(&start, "bot").map(str::to_owned)
    };

    assert_eq!(chosen(json!({"agentId": 17})).as_deref(), Some("reception"));
    assert_eq!(chosen(json!({"agentId": "sales"})).as_deref(), Some("sales"));
    assert_eq!(chosen(json!({"agentId": "18"})), None, "an agent that no bot stands for");
    assert_eq!(chosen(json!({"customParameters": {"bot": "sales"}})).as_deref(), Some("sales"));
    assert_eq!(
        chosen(json!({"customParameters": {"bot": "their-own"}})),
        None,
        "a foreign name is no bot of ours"
    );
}

#[test]
fn the_record_keeps_the_start_within_bounds_and_without_secrets() {
    let start = begin(
        &Settings::default(),
        json!({"token": "hush-1", "start": {"x": "ü".repeat(8_000), "customParameters": {"Token": "hush-2"}},
            "extra_headers": "tier=gold;token=hush-3"}),
    );
    let short = begin(
        &Settings::default(),
        json!({"token": 12345, "start": {"callId": "C1", "note": [1, {"apiSecret": "hush-4"}]},
            "extra_headers": "tier=gold;token=hush-5"}),
    );

    let long = start.raw.unwrap();
    assert!(long.len() <= 8 * 1024 && long.ends_with('…'), "{}", long.len());
    assert!(!long.contains("hush"), "{long}");
    let raw: Value = serde_json::from_str(short.raw.as_deref().unwrap()).unwrap();
    let expected = json!({"token": "***", "start": {"callId": "C1", "note": [1, {"apiSecret": "***"}]},
        "extra_headers": {"tier": "gold", "token": "***"}});
    assert_eq!(raw, expected);
}

#[test]
fn facts_are_bounded() {
    let many: BTreeMap<String, String> =
        (0..500).map(|at| (format!("k{at:03}"), "v".repeat(5_000))).collect();
    let few: BTreeMap<&String, String> =
        many.iter().take(10).map(|(name, value)| (name, value.clone())).collect();

    let start = begin(&Settings::default(), json!({"start": {"customParameters": few}}));
    assert_eq!(start.facts.len(), 10);
    assert!(start.facts.iter().all(|(_, value)| value.chars().count() == 512));
    let many: BTreeMap<&String, &str> = many.keys().map(|name| (name, "v")).collect();
    assert_eq!(begin(&Settings::default(), json!({"start": {"customParameters": many}})).facts.len(), 64);
}

fn begin(settings: &Settings, mut message: Value) -> MediaStart {
    message["event"] = json!("start");
    let mut leg = Leg::new(Upgrade::default(), settings.clone());
    match read(&mut leg, &message.to_string()).pop() {
        Some(CarrierEvent::Started(start)) => start,
        other => panic!("{other:?}"),
    }
}

fn fact<'a>(start: &'a MediaStart, name: &str) -> Option<&'a str> {
    start.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}
