//! Signatures, both ways, over many made-up requests.

use carriers::twilio::signature::{SignatureError, sign, verify_form, verify_json, verify_upgrade};
use carriers::twilio::webhook::Params;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wire::Secret;

use crate::peers;

const CASES: usize = 150;
const TOKEN: &str = "2d9f3c0e8b7a6151";

#[test]
fn both_accept_what_the_other_signs() {
    let token = [Secret::new(TOKEN)];
    let mut runner = TestRunner::deterministic();
    let forms = made_up(&mut runner, (url(), pairs()));
    let bodies = made_up(&mut runner, (url(), any::<String>()));
    let upgrade = "wss://gw.example.com/twilio/media";
    let body_url = |url: &str, body: &str| {
        let digest: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        let joint = if url.contains('?') { '&' } else { '?' };
        format!("{url}{joint}bodySHA256={digest}")
    };

    let found = peers::run(
        peers::TWILIO,
        "signatures.py",
        &json!({
            "token": TOKEN,
            "forms": forms.iter().map(|(url, pairs)| json!({
                "url": url, "pairs": pairs, "signature": sign(&token[0], url, &Params::from_pairs(pairs.clone())),
            })).collect::<Vec<_>>(),
            "bodies": bodies.iter().map(|(url, body)| {
                let url = body_url(url, body);
                json!({"url": url, "body": body, "signature": sign(&token[0], &url, &Params::default())})
            }).collect::<Vec<_>>(),
            "upgrades": [upgrade, format!("{upgrade}/")],
        }),
    );
    let Some(found) = found else { return };

    for ((url, pairs), found) in forms.iter().zip(each(&found["forms"])) {
        assert_eq!(found["accepted"], true, "it refuses our signature of {url} {pairs:?}");
        assert_eq!(found["accepted_when_changed"], false, "{url} {pairs:?}");
        let params = Params::from_pairs(pairs.clone());
        let changed =
            Params::from_pairs(pairs.iter().cloned().chain([("One".to_owned(), "more".to_owned())]));
        for reading in ["with_port", "without_port"] {
            let theirs = found[reading].as_str();
            assert_eq!(
                verify_form(&token, url, &params, theirs),
                Ok(()),
                "we refuse its signature of {url} {pairs:?}"
            );
            assert_eq!(verify_form(&token, url, &changed, theirs), Err(SignatureError::Mismatch));
        }
    }
    for ((url, body), found) in bodies.iter().zip(each(&found["bodies"])) {
        let url = body_url(url, body);
        assert!(url.ends_with(found["digest"].as_str().unwrap()));
        assert_eq!(found["accepted"], true, "it refuses our signature of {url}");
        assert_eq!(found["accepted_when_changed"], false, "{url}");
        let theirs = found["signature"].as_str();
        assert_eq!(verify_json(&token, &url, body.as_bytes(), theirs), Ok(()));
        let changed = format!("{body} ");
        assert_eq!(verify_json(&token, &url, changed.as_bytes(), theirs), Err(SignatureError::Mismatch));
    }
    for theirs in each(&found["upgrades"]) {
        assert_eq!(verify_upgrade(&token, "https://gw.example.com/twilio/media", theirs.as_str()), Ok(()));
    }
}

fn each(found: &Value) -> &[Value] {
    found.as_array().expect("a list of findings")
}

/// The same ones every time.
fn made_up<S: Strategy>(runner: &mut TestRunner, strategy: S) -> Vec<S::Value> {
    (0..CASES).map(|_| strategy.new_tree(runner).unwrap().current()).collect()
}

fn url() -> impl Strategy<Value = String> {
    let port = prop_oneof![3 => Just(String::new()), 1 => Just(":443".to_owned()), 1 => "(:[1-9][0-9]{1,3})"];
    let query = prop_oneof![
        Just(String::new()),
        r"\?[a-z]{1,3}=[A-Za-z0-9%2B+~!._-]{1,8}(&[a-z]{1,3}=[A-Z0-9*]{1,8}){0,3}"
    ];
    ("https?", "[a-z]{1,8}(\\.[a-z]{2,5}){1,2}", port, "(/[A-Za-z0-9._~-]{1,9}){1,4}", query)
        .prop_map(|(scheme, host, port, path, query)| format!("{scheme}://{host}{port}{path}{query}"))
}

/// Few names, so that they repeat; values of all kinds, empty ones included.
fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof!["[A-Ca-c]{1,2}", "(From|To|CallSid|Caller|SpeechResult)", "[äÄ日a-z_]{1,3}"];
    let value = prop_oneof![Just(String::new()), "[+][0-9]{5,12}", "[0-9]{1,2}", any::<String>()];
    prop::collection::vec((name, value), 0..12)
}
