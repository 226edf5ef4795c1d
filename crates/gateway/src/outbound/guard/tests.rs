use proptest::prelude::*;

use super::*;
use crate::config::{Outbound, OutboundPrefix};

const KEY: &str = "the API token";

fn open() -> Outbound {
    Outbound {
        allow: vec!["*".into()],
        block: Vec::new(),
        calls_per_minute: 0,
        concurrent: 0,
        calls_per_minute_per_key: 0,
        concurrent_per_key: 0,
        ..Outbound::default()
    }
}

fn listed(allow: &[&str], block: &[&str]) -> Guard {
    let all = |list: &[&str]| list.iter().map(|prefix| (*prefix).to_owned()).collect();
    Guard::new(&Outbound { allow: all(allow), block: all(block), ..open() })
}

fn asked(guard: &mut Guard, to: &str) -> &'static str {
    match guard.admit(Instant::now(), to, KEY) {
        Ok(pass) => {
            guard.over(pass);
            "ok"
        }
        Err(denied) => {
            assert!(!denied.to_string().is_empty() && !denied.mend().is_empty());
            denied.code()
        }
    }
}

#[test]
fn nothing_is_dialled_until_somebody_lists_it() {
    let mut guard = Guard::new(&Outbound::default());
    assert_eq!(asked(&mut guard, "+4989123456"), "outbound_off");

    let mut guard = listed(&["+49", "+1 415"], &[]);
    assert_eq!(asked(&mut guard, "+4989123456"), "ok");
    assert_eq!(asked(&mut guard, "+14155550123"), "ok");
    assert_eq!(asked(&mut guard, "+12125550123"), "destination_not_allowed");
    assert_eq!(asked(&mut guard, "sip:desk@example.com"), "destination_not_allowed");
}

#[test]
fn a_number_without_its_country_is_not_taken_for_one_abroad() {
    let mut guard = listed(&["+88"], &[]);
    assert_eq!(asked(&mut guard, "8812345678"), "destination_not_allowed");

    let mut guard = listed(&["+"], &["+881"]);
    assert_eq!(
        asked(&mut guard, "00881234567"),
        "destination_not_allowed",
        "written in no form that is dialled"
    );
    assert_eq!(asked(&mut guard, "0114412345678"), "destination_not_allowed");

    let mut guard = listed(&["0", "0049"], &[]);
    assert_eq!(asked(&mut guard, "08912345678"), "ok");
    assert_eq!(asked(&mut guard, "+4989123456"), "ok", "0049 is +49");
}

#[test]
fn the_longest_beginning_decides_and_a_tie_is_a_no() {
    let mut guard = listed(&["+44", "+449012"], &["+449", "+44"]);
    assert_eq!(asked(&mut guard, "+442071234567"), "destination_blocked");
    assert_eq!(asked(&mut guard, "+449112345678"), "destination_blocked");
    assert_eq!(asked(&mut guard, "+449012345678"), "ok");

    let mut all = listed(&["*"], &["+1900", "sip:"]);
    assert_eq!(asked(&mut all, "+19005550123"), "destination_blocked");
    assert_eq!(asked(&mut all, "+19015550123"), "ok");
    assert_eq!(asked(&mut all, "sip:desk@example.com"), "destination_blocked");
    assert_eq!(asked(&mut all, "client:alice"), "ok");

    let mut sip = listed(&["SIP:desk@"], &[]);
    assert_eq!(asked(&mut sip, "sip:Desk@example.com"), "ok");
    assert_eq!(asked(&mut sip, "sip:desk"), "destination_not_allowed");
    assert_eq!(asked(&mut sip, "sip:dés"), "destination_not_allowed");
}

#[test]
fn the_default_blocks_what_fraud_lives_on() {
    let mut guard = Guard::new(&Outbound { allow: vec!["+".into()], ..Outbound::default() });
    for to in ["+19005550123", "+881612345678", "+979123456789", "+447012345678", "+882161234567"] {
        assert_eq!(asked(&mut guard, to), "destination_blocked", "{to}");
    }
    assert_eq!(asked(&mut guard, "+447912345678"), "ok", "a mobile telephone");
}

#[test]
fn short_numbers_are_dialled_only_when_listed_whole() {
    let mut guard = listed(&["*", "11"], &[]);
    for short in ["112", "911", "+112", "116117"] {
        assert_eq!(asked(&mut guard, short), "short_number", "{short}");
    }
    let mut listed = listed(&["112"], &[]);
    assert_eq!(asked(&mut listed, "112"), "ok");
}

#[test]
fn each_limit_is_a_limit_of_its_own_and_says_how_long_to_wait() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let rule = OutboundPrefix { prefix: "+91".into(), calls_per_minute: 1, concurrent: 0 };
    let settings =
        Outbound { calls_per_minute: 3, calls_per_minute_per_key: 2, prefixes: vec![rule], ..open() };
    let mut guard = Guard::new(&settings);

    let first = guard.admit(start, "+911234567890", "a").unwrap();
    let refused = guard.admit(at(10), "+911234567891", "b").unwrap_err();
    assert_eq!(
        refused,
        Denied::TooOften { scope: Scope::Prefix("+91".into()), per_minute: 1, wait: Duration::from_secs(50) }
    );
    let second = guard.admit(at(20), "+491234567", "a").unwrap();
    let by_key = guard.admit(at(21), "+491234567", "a").unwrap_err();
    assert!(matches!(by_key, Denied::TooOften { scope: Scope::Key, .. }), "{by_key:?}");
    let third = guard.admit(at(22), "+491234567", "b").unwrap();
    let by_all = guard.admit(at(23), "+491234567", "b").unwrap_err();
    assert!(matches!(by_all, Denied::TooOften { scope: Scope::All, .. }), "{by_all:?}");
    assert_eq!(whole_seconds(by_all.retry_after().unwrap()), 37);
    assert!(by_all.mend().contains("outbound.calls_per_minute"), "{}", by_all.mend());

    let fourth = guard.admit(at(60), "+911234567891", "b").unwrap();
    [first, second, third, fourth].into_iter().for_each(|pass| guard.over(pass));
}

#[test]
fn live_calls_are_bounded_until_they_are_over() {
    let start = Instant::now();
    let mut guard = Guard::new(&Outbound { concurrent: 2, concurrent_per_key: 1, ..open() });

    let first = guard.admit(start, "+491234567", "a").unwrap();
    let same_key = guard.admit(start, "+491234567", "a").unwrap_err();
    assert!(matches!(same_key, Denied::TooMany { scope: Scope::Key, limit: 1, .. }));
    let second = guard.admit(start, "+491234567", "b").unwrap();
    let third = guard.admit(start, "+491234567", "c").unwrap_err();
    assert!(matches!(third, Denied::TooMany { scope: Scope::All, limit: 2, .. }));

    guard.over(first);
    let again = guard.admit(start, "+491234567", "a").unwrap();
    guard.over(again);
    guard.over(second);
}

#[test]
fn a_call_that_was_never_placed_does_not_count() {
    let start = Instant::now();
    let mut guard = Guard::new(&Outbound { calls_per_minute: 1, concurrent: 1, ..open() });

    let pass = guard.admit(start, "+491234567", KEY).unwrap();
    guard.undo(pass);

    assert!(guard.admit(start, "+491234567", KEY).is_ok());
}

#[test]
fn memory_is_bounded_and_strangers_wait_outside() {
    let start = Instant::now();
    let mut guard = Guard::new(&open());
    let passes: Vec<Pass> =
        (0..KEYS_MAX).map(|key| guard.admit(start, "+491234567", &key.to_string()).unwrap()).collect();

    assert!(matches!(guard.admit(start, "+491234567", "one more"), Err(Denied::TooMany { .. })));
    passes.into_iter().for_each(|pass| guard.over(pass));
    assert!(guard.admit(start, "+491234567", "one more").is_ok());
    assert_eq!(guard.keys.len(), 1);
}

proptest! {
    /// Whatever is asked, in whatever order: in no minute more calls than allowed, at no time more than allowed, and
    /// whoever waits as long as told gets through unless somebody else came first.
    #[test]
    fn no_sequence_of_requests_gets_past_a_limit(
        steps in prop::collection::vec((0u64..20_000, 0usize..3, 0usize..2, prop::option::of(0usize..8)), 1..200),
        per_minute in 1u32..6,
        concurrent in 1u32..6,
        per_key in 1u32..5,
    ) {
        let rule = OutboundPrefix { prefix: "+91".into(), calls_per_minute: 2, concurrent: 2 };
        let mut guard = Guard::new(&Outbound {
            calls_per_minute: per_minute, concurrent, calls_per_minute_per_key: per_key, concurrent_per_key: per_key,
            prefixes: vec![rule], ..open()
        });
        let mut now = Instant::now();
        let mut placed: Vec<(Instant, usize, usize)> = Vec::new();
        let mut live: Vec<(Pass, usize, usize)> = Vec::new();
        for (wait, key, to, over) in steps {
            now += Duration::from_millis(wait);
            if let Some(at) = over.filter(|at| *at < live.len()) {
                guard.over(live.swap_remove(at).0);
            }
            let number = ["+911234567890", "+491234567890"][to];
            match guard.admit(now, number, &key.to_string()) {
                Ok(pass) => {
                    live.push((pass, key, to));
                    placed.push((now, key, to));
                }
                Err(denied) => prop_assert!(denied.retry_after().is_some_and(|wait| wait <= MINUTE)),
            }
            let recent = |is: &dyn Fn(&(Instant, usize, usize)) -> bool| {
                placed.iter().filter(|call| now - call.0 < MINUTE && is(call)).count()
            };
            prop_assert!(recent(&|_| true) <= per_minute as usize);
            prop_assert!(recent(&|call| call.1 == key) <= per_key as usize);
            prop_assert!(recent(&|call| call.2 == 0) <= 2);
            prop_assert!(live.len() <= concurrent as usize);
            prop_assert!(live.iter().filter(|call| call.1 == key).count() <= per_key as usize);
            prop_assert!(live.iter().filter(|call| call.2 == 0).count() <= 2);
        }
        for (pass, ..) in live {
            guard.over(pass);
        }
        prop_assert_eq!(guard.all.live, 0);
        prop_assert!(guard.admit(now + MINUTE, "+491234567890", "0").is_ok());
    }
}

#[test]
fn a_number_without_a_country_is_sent_back_for_one() {
    let mut guard = listed(&["+91"], &[]);
    let mend = |guard: &mut Guard, to: &str| guard.admit(Instant::now(), to, KEY).unwrap_err().mend();
    let open = mend(&mut guard, "9876543210");
    assert!(open.contains("+91…") && open.contains("numbers.country"), "{open}");
    for listed_elsewhere in ["+4989123456", "sip:desk@example.com"] {
        assert!(mend(&mut guard, listed_elsewhere).contains("add its beginning"), "{listed_elsewhere}");
    }
}

#[test]
fn what_is_listed_in_national_form_is_about_the_numbers_of_the_country() {
    let mut guard = listed(&["0", "+1"], &["0900", "190"]).in_country(Some("49"));
    assert_eq!(asked(&mut guard, "+4989123456"), "ok");
    assert_eq!(asked(&mut guard, "+49900123456"), "destination_blocked");
    assert_eq!(asked(&mut guard, "+49190123456"), "destination_blocked");
    assert_eq!(asked(&mut guard, "+1900123456"), "ok", "another country's");
    assert_eq!(asked(&mut guard, "+4389123456"), "destination_not_allowed");
}
