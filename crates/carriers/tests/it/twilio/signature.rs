//! Who is let in, and who is not.

use std::net::IpAddr;

use carriers::twilio::signature::{
    ForwardedHeaders, SignatureError, effective_base, public_url, sign, verify_form, verify_get, verify_json,
    verify_upgrade,
};
use carriers::twilio::webhook::Params;
use url::Url;
use wire::Secret;

const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const JSON_BODY: &str = r#"{"property": "value", "boolean": true}"#;
const JSON_DIGEST: &str = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";

#[test]
fn known_forms_have_the_known_signatures() {
    let repeated = Params::from_pairs([
        ("Sid", "CA123"),
        ("SidAccount", "AC123"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Digits", "1234"),
    ]);
    let vectors = [
        (
            "https://example.com/myapp.php?foo=1&bar=2",
            call_from("+14158675310"),
            "L/OH5YylLD5NRKLltdqwSvS0BnU=",
        ),
        (URL, call_from("+14158675309"), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (
            "http://mycompany.com:1234/myapp.php?foo=1&bar=2",
            call_from("+14158675309"),
            "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
        ),
        (
            "https://mycompany.com:443/myapp.php?foo=1&bar=2",
            call_from("+14158675309"),
            "kvajT1Ptam85bY51eRf/AJRuM3w=",
        ),
        (
            "http://mycompany.com:80/myapp.php?foo=1&bar=2",
            call_from("+14158675309"),
            "0ZXoZLH/DfblKGATFgpif+LLRf4=",
        ),
        (URL, repeated, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
    ];

    for (url, params, signature) in vectors {
        assert_eq!(sign(&token(), url, &params), signature, "{url}");
        assert_eq!(verify_form(&[token()], url, &params, Some(signature)), Ok(()), "{url}");
    }
}

#[test]
fn either_reading_of_the_port_is_accepted() {
    let params = call_from("+14158675309");
    let verify = |url, signature| verify_form(&[token()], url, &params, Some(signature));

    // Signed with the port, seen without it; and the other way round.
    assert_eq!(verify(URL, "kvajT1Ptam85bY51eRf/AJRuM3w="), Ok(()));
    assert_eq!(
        verify("https://mycompany.com:443/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        Ok(())
    );
    assert_eq!(
        verify("https://mycompany.com:8443/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        Ok(())
    );
    assert_eq!(verify("http://mycompany.com/myapp.php?foo=1&bar=2", "0ZXoZLH/DfblKGATFgpif+LLRf4="), Ok(()));
    // Another port is another address.
    assert_eq!(
        verify("http://mycompany.com:1235/myapp.php?foo=1&bar=2", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        Err(SignatureError::Mismatch)
    );
}

#[test]
fn ports_of_numeric_addresses_are_told_from_their_colons() {
    let params = Params::default();
    let signature = sign(&token(), "https://[2001:db8::1]/x", &params);

    assert_eq!(verify_form(&[token()], "https://[2001:db8::1]:8443/x", &params, Some(&signature)), Ok(()));
    assert_eq!(verify_form(&[token()], "https://[2001:db8::1]/x", &params, Some(&signature)), Ok(()));
}

#[test]
fn order_empty_values_and_foreign_letters_take_part() {
    let params = Params::from_form(b"b=2&a=&B=%C3%A4+x&a%20b=%2B1&b=1&b=2").unwrap();

    let signature = sign(&token(), "https://example.com/", &params);

    // Names in byte order, values of one name sorted and each once, decoded, nothing in between.
    let by_hand = sign(&token(), "https://example.com/Bä xaa b+1b1b2", &Params::default());
    assert_eq!(signature, by_hand);
}

#[test]
fn whatever_is_changed_no_longer_fits() {
    let params = call_from("+14158675309");
    let signature = sign(&token(), URL, &params);
    let verify =
        |url: &str, params: &Params, signature: &str| verify_form(&[token()], url, params, Some(signature));
    assert_eq!(verify(URL, &params, &signature), Ok(()));

    let mut added: Vec<(String, String)> =
        params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    added.push(("Extra".to_owned(), String::new()));
    let added = Params::from_pairs(added);

    assert_eq!(verify(URL, &call_from("+14158675310"), &signature), Err(SignatureError::Mismatch));
    assert_eq!(verify(URL, &added, &signature), Err(SignatureError::Mismatch));
    assert_eq!(
        verify("https://mycompany.com/myapp.php?bar=2&foo=1", &params, &signature),
        Err(SignatureError::Mismatch)
    );
    assert_eq!(
        verify("https://mycompany.com/other.php?foo=1&bar=2", &params, &signature),
        Err(SignatureError::Mismatch)
    );
    assert_eq!(
        verify("http://mycompany.com/myapp.php?foo=1&bar=2", &params, &signature),
        Err(SignatureError::Mismatch)
    );
    for at in 0..signature.len() {
        let mut other = signature.clone().into_bytes();
        other[at] ^= 1;
        let other = String::from_utf8(other).unwrap();
        assert_eq!(verify(URL, &params, &other), Err(SignatureError::Mismatch));
        assert_eq!(
            verify(URL, &params, &signature[..at]),
            if at == 0 { Err(SignatureError::Missing) } else { Err(SignatureError::Mismatch) }
        );
    }
}

#[test]
fn any_of_several_tokens_will_do() {
    let params = call_from("+14158675309");
    let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    let old = Secret::new("67890");

    assert_eq!(verify_form(&[old.clone(), token()], URL, &params, Some(signature)), Ok(()));
    assert_eq!(verify_form(&[token(), old.clone()], URL, &params, Some(signature)), Ok(()));
    assert_eq!(verify_form(&[old], URL, &params, Some(signature)), Err(SignatureError::Mismatch));
}

#[test]
fn without_a_token_nobody_is_let_in() {
    let params = Params::default();
    let signed_with_nothing = sign(&Secret::new(""), URL, &params);

    for tokens in [vec![], vec![Secret::new("")]] {
        assert_eq!(
            verify_form(&tokens, URL, &params, Some(&signed_with_nothing)),
            Err(SignatureError::NoToken)
        );
    }
}

#[test]
fn without_a_signature_nobody_is_let_in() {
    for header in [None, Some("")] {
        assert_eq!(verify_form(&[token()], URL, &Params::default(), header), Err(SignatureError::Missing));
        assert_eq!(verify_get(&[token()], URL, header), Err(SignatureError::Missing));
        assert_eq!(verify_json(&[token()], URL, b"{}", header), Err(SignatureError::Missing));
        assert_eq!(verify_upgrade(&[token()], URL, header), Err(SignatureError::Missing));
    }
    let statuses = [SignatureError::Missing, SignatureError::Mismatch, SignatureError::NoToken]
        .map(SignatureError::status);
    assert_eq!(statuses, [400, 403, 500]);
}

#[test]
fn a_get_is_signed_by_its_url_alone() {
    let url = "https://mycompany.com/voice?CallSid=CA1&From=%2B14158675309&Empty=";
    let signature = sign(&token(), url, &Params::default());

    assert_eq!(verify_get(&[token()], url, Some(&signature)), Ok(()));
    assert_eq!(
        verify_get(&[token()], &url.replace("CA1", "CA2"), Some(&signature)),
        Err(SignatureError::Mismatch)
    );
}

#[test]
fn a_query_that_an_old_signer_encoded_anew_is_accepted() {
    let seen = "https://mycompany.com/voice?b=x+y&a=%7e!&b=%41";
    let signed = "https://mycompany.com/voice?b=x%20y&b=A&a=~!";
    let signature = sign(&token(), signed, &Params::default());

    assert_eq!(verify_get(&[token()], seen, Some(&signature)), Ok(()));
}

#[test]
fn a_json_body_is_signed_by_its_digest() {
    let url = format!("{URL}&bodySHA256={JSON_DIGEST}");
    let signature = "a9nBmqA0ju/hNViExpshrM61xv4=";
    let verify = |url: &str, body: &str| verify_json(&[token()], url, body.as_bytes(), Some(signature));

    assert_eq!(sign(&token(), &url, &Params::default()), signature);
    assert_eq!(verify(&url, JSON_BODY), Ok(()));
    assert_eq!(verify(&url, &JSON_BODY.replace("true", "false")), Err(SignatureError::Mismatch));
    assert_eq!(verify(&url, ""), Err(SignatureError::Mismatch));
    let without_digest = sign(&token(), URL, &Params::default());
    assert_eq!(
        verify_json(&[token()], URL, JSON_BODY.as_bytes(), Some(&without_digest)),
        Err(SignatureError::Mismatch),
        "a body that nobody signed"
    );
}

#[test]
fn an_upgrade_is_accepted_in_each_of_twilios_readings() {
    let signatures = [
        "xOtUNom2O6Ixz0xt8ODDv8MkQUY=".to_owned(),
        "UywbZ+VAu0CMaP+9Bth3u5vAvXQ=".to_owned(),
        sign(&token(), "https://gw.example.com/twilio/media", &Params::default()),
        sign(&token(), "https://gw.example.com/twilio/media/", &Params::default()),
        sign(&token(), "wss://gw.example.com:443/twilio/media", &Params::default()),
    ];
    assert_eq!(sign(&token(), "wss://gw.example.com/twilio/media", &Params::default()), signatures[0]);
    assert_eq!(sign(&token(), "wss://gw.example.com/twilio/media/", &Params::default()), signatures[1]);

    for signature in &signatures {
        for url in ["https://gw.example.com/twilio/media", "wss://gw.example.com/twilio/media"] {
            assert_eq!(verify_upgrade(&[token()], url, Some(signature)), Ok(()), "{url} {signature}");
        }
        for other in [
            "https://gw.example.com/twilio/other",
            "https://example.com/twilio/media",
            "http://gw.example.com/twilio/media",
        ] {
            assert_eq!(verify_upgrade(&[token()], other, Some(signature)), Err(SignatureError::Mismatch));
        }
    }
}

#[test]
fn the_url_is_the_public_address_and_the_requests_own_target() {
    let url = |base: &str, target: &str| public_url(&Url::parse(base).unwrap(), target);

    assert_eq!(
        url("https://example.com", "/webhooks/inbound?b=2&a=%20+"),
        "https://example.com/webhooks/inbound?b=2&a=%20+"
    );
    assert_eq!(url("https://example.com/", "/x"), "https://example.com/x");
    assert_eq!(url("https://example.com:8443/", "/x"), "https://example.com:8443/x");
    assert_eq!(url("https://example.com:443/", "/x"), "https://example.com/x");
    assert_eq!(url("https://user:pass@example.com/?q#f", "/x#f"), "https://example.com/x");
    assert_eq!(url("https://example.com/voice/", "/x"), "https://example.com/voice/x");
    assert_eq!(url("https://example.com", "http://evil.example/x?y=1"), "https://example.com/x?y=1");
    assert_eq!(url("https://example.com", "http://evil.example"), "https://example.com/");
    assert_eq!(
        url("https://example.com", "/x?next=https://other.example/"),
        "https://example.com/x?next=https://other.example/"
    );
    assert_eq!(url("https://[2001:db8::1]:8443", "/x"), "https://[2001:db8::1]:8443/x");
}

#[test]
fn a_configured_address_always_wins() {
    let configured = Url::parse("https://example.com").unwrap();
    let headers = ForwardedHeaders { host: Some("evil.example"), ..ForwardedHeaders::default() };

    let base = effective_base(Some(&configured), ip("10.0.0.1"), &["10.0.0.0/8".parse().unwrap()], headers);

    assert_eq!(base, Some(configured));
}

#[test]
fn headers_are_believed_only_from_a_named_proxy() {
    let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    let headers = ForwardedHeaders {
        host: Some("inside:7900"),
        forwarded_proto: Some("https"),
        forwarded_host: Some("evil.example, gw.example.com"),
    };
    let base = |peer, headers| effective_base(None, ip(peer), &trusted, headers).map(String::from);

    assert_eq!(base("10.1.2.3", headers), Some("https://gw.example.com/".to_owned()));
    assert_eq!(base("::ffff:10.1.2.3", headers), Some("https://gw.example.com/".to_owned()));
    assert_eq!(base("::1", headers), Some("https://gw.example.com/".to_owned()));
    assert_eq!(base("203.0.113.9", headers), None);
    assert_eq!(base("127.0.0.1", headers), None);
    let plain = ForwardedHeaders { host: Some("localhost:7900"), ..ForwardedHeaders::default() };
    assert_eq!(base("10.1.2.3", plain), Some("http://localhost:7900/".to_owned()));
    assert_eq!(base("10.1.2.3", ForwardedHeaders::default()), None);
}

#[test]
fn nonsense_in_headers_is_no_address() {
    let trusted = ["10.0.0.0/8".parse().unwrap()];
    for host in ["", "a/b", "user@host", "a b", "host?x", "host#x", "a\\b", "host:99999", "é.example"] {
        let headers = ForwardedHeaders { host: Some(host), ..ForwardedHeaders::default() };
        assert_eq!(effective_base(None, ip("10.0.0.1"), &trusted, headers), None, "{host}");
    }
    let headers = ForwardedHeaders { host: Some("a"), forwarded_proto: Some("ftp"), forwarded_host: None };
    assert_eq!(effective_base(None, ip("10.0.0.1"), &trusted, headers), None);
}

fn token() -> Secret {
    Secret::new("12345")
}

fn call_from(number: &str) -> Params {
    Params::from_pairs([
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", number),
        ("From", number),
        ("Digits", "1234"),
        ("To", "+18005551212"),
    ])
}

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}
