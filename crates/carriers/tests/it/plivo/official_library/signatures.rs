//! Signatures, both ways, over many made-up requests.

use carriers::plivo::signature::{Accepted, Shown, SignatureError, sign, sign_v2, verify};
use carriers::plivo::webhook::Params;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use wire::Secret;

use crate::peers;

const CASES: usize = 200;
const TOKEN: &str = "my_auth_token";
const NONCE: &str = "05429567804466091622";

#[test]
fn both_accept_what_the_other_signs() {
    let token = [Secret::new(TOKEN)];
    let mut runner = TestRunner::deterministic();
    let requests: Vec<MadeUp> =
        (0..CASES).map(|_| request().new_tree(&mut runner).unwrap().current()).collect();

    let found = peers::run(
        peers::PLIVO,
        "plivo_signatures.py",
        &json!({
            "token": TOKEN,
            "nonce": NONCE,
            "requests": requests.iter().map(|(url, is_get, pairs)| json!({
                "url": url,
                "method": if *is_get { "GET" } else { "POST" },
                "pairs": pairs,
                "signature": sign(&token[0], url, &Params::from_pairs(pairs.clone()), NONCE),
                "signature_v2": sign_v2(&token[0], url, NONCE),
            })).collect::<Vec<_>>(),
        }),
    );
    let Some(found) = found else { return };

    assert_eq!(found.as_array().unwrap().len(), CASES);
    for ((url, _, pairs), found) in requests.iter().zip(found.as_array().unwrap()) {
        assert_eq!(found["accepted"], true, "it refuses our signature of {url} {pairs:?}");
        assert_eq!(found["accepted_when_changed"], false, "{url} {pairs:?}");
        assert_eq!(found["accepted_v2"], true, "{url}");
        let params = Params::from_pairs(pairs.clone());
        let changed =
            Params::from_pairs(pairs.iter().cloned().chain([("One".to_owned(), "more".to_owned())]));
        let shown = Shown { v3: found["signature"].as_str(), v3_nonce: Some(NONCE), ..Shown::default() };
        let check = |params| verify(&token, url, params, &shown, Accepted::V3);
        assert_eq!(check(&params), Ok(()), "we refuse its signature of {url} {pairs:?}");
        assert_eq!(check(&changed), Err(SignatureError::Mismatch));
    }
}

/// An address, whether it is asked by `GET` where there is a choice, and a form.
type MadeUp = (String, bool, Vec<(String, String)>);

fn request() -> impl Strategy<Value = MadeUp> {
    let port = prop_oneof![3 => Just(String::new()), 1 => Just(":443".to_owned()), 1 => "(:[1-9][0-9]{1,3})"];
    // Beyond ASCII it cannot read a query at all.
    let query = prop_oneof![
        Just(String::new()),
        r"\?[a-c]{1,2}=[A-Za-z0-9~!._-]{0,8}(&[a-c]{1,2}=([A-Z0-9*]{1,8}|%2B1|a\+b)){0,3}"
    ];
    // The validator wants a name with a dot and at least two letters behind it.
    let url = ("https?", "[a-z]{1,8}(\\.[a-z]{2,5}){0,2}\\.com", port, "(/[A-Za-z0-9._~-]{1,9}){1,4}", query)
        .prop_map(|(scheme, host, port, path, query)| format!("{scheme}://{host}{port}{path}{query}"));
    (url, any::<bool>(), prop_oneof![1 => Just(Vec::new()), 2 => pairs()])
}

/// Few names, so that they repeat; values of all kinds, empty ones included.
fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof!["[A-Ca-c]{1,2}", "(From|To|CallUUID|Digits|SIP-H-To)", "[äÄ日a-z_]{1,3}"];
    let value = prop_oneof![Just(String::new()), "[+][0-9]{5,12}", "[0-9]{1,2}", any::<String>()];
    prop::collection::vec((name, value), 1..12)
}
