//! Who is let in.

use carriers::plivo::signature::{Accepted, Shown, SignatureError, sign, sign_v2, verify};
use carriers::plivo::webhook::Params;
use proptest::prelude::*;
use wire::Secret;

const TOKEN: &str = "my_auth_token";
const NONCE: &str = "12345";
const ANSWER: &str = "https://gw.example.com/plivo/answer";

fn token() -> Secret {
    Secret::new(TOKEN)
}

fn v3(signature: &str) -> Shown<'_> {
    Shown { v3: Some(signature), v3_nonce: Some(NONCE), ..Shown::default() }
}

fn let_in(url: &str, body: &Params, shown: &Shown<'_>) -> Result<(), SignatureError> {
    verify(&[token()], url, body, shown, Accepted::V3)
}

#[test]
fn the_known_vectors_of_v3() {
    let uuid = ("CallUUID", "97ceeb52-58b6-11e1-86da-77300b68f8bb");
    let whole = [
        ("CallStatus", "ringing"),
        uuid,
        ("Direction", "inbound"),
        ("Event", "StartApp"),
        ("From", "+14155550100"),
        ("To", "+14155550199"),
    ];
    let (tenant, bare) = (format!("{ANSWER}?tenant=b&a=1"), ANSWER.to_owned());
    let vectors = [
        (
            &bare,
            Params::from_pairs([("A", "x"), ("Digits", "2"), ("Digits", "1")]),
            "cMfhuOUczAe6FY0O3yJ2JE7FDghIOy8+pRKBIXhYVnA=",
        ),
        (&bare, Params::from_pairs(whole), "gbITO7V3PET2P9qjrksqdCVThWTZvQ/AbmuDj33rqFs="),
        (
            &tenant,
            Params::from_pairs([uuid, ("From", "+14155550100")]),
            "FaaG1Rf+fVZExwKsrba+qONnDWrEE0QjfUXIs4Exy8w=",
        ),
        (&tenant, Params::default(), "DFGGMZ5h0NUISMWFTUTjCqAdc5p1+XmGXCiMbn8JtJU="),
        (&bare, Params::default(), "3m7RzIazTckrkzpotC5x9n2Pkedr8KUwlFFxGPsjPyQ="),
    ];

    for (url, body, signature) in vectors {
        assert_eq!(sign(&token(), url, &body, NONCE), signature, "{url} {body:?}");
        assert_eq!(let_in(url, &body, &v3(signature)), Ok(()), "{url} {body:?}");
        let mut more: Vec<(String, String)> =
            body.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        more.push(("To".to_owned(), "+1999".to_owned()));
        assert_eq!(let_in(url, &Params::from_pairs(more), &v3(signature)), Err(SignatureError::Mismatch));
    }
}

#[test]
fn the_known_vector_of_v2_counts_only_where_it_is_asked_for() {
    let signature = "ehV3IKhLysWBxC1sy8INm0qGoQYdYsHwuoKjsX7FsXc=";
    let shown = Shown { v2: Some(signature), v2_nonce: Some(NONCE), ..Shown::default() };
    let check =
        |url: &str, shown: &Shown<'_>, accepted| verify(&[token()], url, &Params::default(), shown, accepted);

    assert_eq!(sign_v2(&token(), "https://answer.url", NONCE), signature);
    assert_eq!(check("https://answer.url", &shown, Accepted::V3OrV2), Ok(()));
    assert_eq!(
        check("https://answer.url?more=1", &shown, Accepted::V3OrV2),
        Ok(()),
        "its query is not signed"
    );
    assert_eq!(check("https://answer.url", &shown, Accepted::V3), Err(SignatureError::Old));
    assert_eq!(check("https://other.url", &shown, Accepted::V3OrV2), Err(SignatureError::Mismatch));
    let no_nonce = Shown { v2_nonce: None, ..shown };
    assert_eq!(check("https://answer.url", &no_nonce, Accepted::V3OrV2), Err(SignatureError::Missing));
    // Where there is a V3, nothing else counts.
    let both = Shown { v3: Some("wrong"), v3_nonce: Some(NONCE), ..shown };
    assert_eq!(check("https://answer.url", &both, Accepted::V3OrV2), Err(SignatureError::Mismatch));
}

#[test]
fn one_signature_of_a_list_is_enough_and_either_header_has_lists() {
    let right = sign(&token(), ANSWER, &Params::default(), NONCE);
    let list = format!("AAAA, {right} ,BBBB");
    let by_main = Shown {
        v3: Some("AAAA"),
        v3_of_main_account: Some(&list),
        v3_nonce: Some(NONCE),
        ..Shown::default()
    };

    assert_eq!(let_in(ANSWER, &Params::default(), &v3(&list)), Ok(()));
    assert_eq!(let_in(ANSWER, &Params::default(), &by_main), Ok(()));
    let alone = Shown { v3: None, ..by_main };
    assert_eq!(let_in(ANSWER, &Params::default(), &alone), Ok(()));
    let far_back = format!("{}{right}", "A,".repeat(10_000));
    assert_eq!(
        let_in(ANSWER, &Params::default(), &v3(&far_back)),
        Err(SignatureError::Mismatch),
        "nobody has so many tokens"
    );
}

#[test]
fn every_token_of_a_rotation_counts_and_an_empty_one_never() {
    let signed = sign(&Secret::new("former"), ANSWER, &Params::default(), NONCE);
    let check = |tokens: &[Secret]| verify(tokens, ANSWER, &Params::default(), &v3(&signed), Accepted::V3);

    assert_eq!(check(&[token(), Secret::new("former")]), Ok(()));
    assert_eq!(check(&[token()]), Err(SignatureError::Mismatch));
    assert_eq!(check(&[]), Err(SignatureError::NoToken));
    let unkeyed = sign(&Secret::new(""), ANSWER, &Params::default(), NONCE);
    let empty = [Secret::new("")];
    assert_eq!(
        verify(&empty, ANSWER, &Params::default(), &v3(&unkeyed), Accepted::V3),
        Err(SignatureError::NoToken)
    );
}

#[test]
fn without_a_signature_or_its_nonce_nobody_gets_in() {
    let right = sign(&token(), ANSWER, &Params::default(), NONCE);
    for shown in [
        Shown::default(),
        Shown { v3: Some(""), v3_nonce: Some(NONCE), ..Shown::default() },
        Shown { v3: Some(&right), ..Shown::default() },
        Shown { v3: Some(&right), v3_nonce: Some(""), ..Shown::default() },
    ] {
        assert_eq!(let_in(ANSWER, &Params::default(), &shown), Err(SignatureError::Missing), "{shown:?}");
    }
    let other_nonce = Shown { v3_nonce: Some("12346"), ..v3(&right) };
    assert_eq!(let_in(ANSWER, &Params::default(), &other_nonce), Err(SignatureError::Mismatch));
    let statuses = [
        (SignatureError::Missing, 400),
        (SignatureError::Mismatch, 403),
        (SignatureError::Old, 403),
        (SignatureError::NoToken, 500),
    ];
    for (error, status) in statuses {
        assert_eq!(error.status(), status);
    }
}

#[test]
fn a_query_is_signed_as_it_reads_and_not_as_it_is_written() {
    let written = format!("{ANSWER}?b=%2B1+2&a=x%26y&b=0&empty=&flag");
    let signed = sign(&token(), &written, &Params::default(), NONCE);

    for same in ["a=x%26y&b=0&b=%2b1%202&empty=&flag=", "flag&empty&b=0&b=%2B1+2&a=x%26y"] {
        assert_eq!(let_in(&format!("{ANSWER}?{same}"), &Params::default(), &v3(&signed)), Ok(()), "{same}");
    }
    let other = format!("{ANSWER}?a=x&y&b=0&b=%2B1+2&empty=&flag");
    assert_eq!(let_in(&other, &Params::default(), &v3(&signed)), Err(SignatureError::Mismatch));
}

proptest! {
    #[test]
    fn what_we_sign_we_let_in_in_any_order_and_nothing_else(
        mut pairs in prop::collection::vec(("[A-Za-c]{1,3}", ".{0,12}"), 0..8),
        at in any::<prop::sample::Index>(),
        query in "([a-c]=[0-9%]{0,3}&){0,3}",
    ) {
        let url = format!("{ANSWER}?{query}");
        let signed = sign(&token(), &url, &Params::from_pairs(pairs.clone()), NONCE);
        pairs.reverse();
        prop_assert_eq!(let_in(&url, &Params::from_pairs(pairs.clone()), &v3(&signed)), Ok(()));
        if !pairs.is_empty() {
            let at = at.index(pairs.len());
            pairs[at].1.push('x');
            prop_assert_eq!(
                let_in(&url, &Params::from_pairs(pairs), &v3(&signed)),
                Err(SignatureError::Mismatch)
            );
        }
    }

    #[test]
    fn headers_may_hold_anything(header in ".{0,300}", nonce in ".{0,300}", url in ".{0,100}") {
        let shown = Shown { v3: Some(&header), v3_nonce: Some(&nonce), ..Shown::default() };
        prop_assert!(let_in(&url, &Params::default(), &shown).is_err());
    }
}
