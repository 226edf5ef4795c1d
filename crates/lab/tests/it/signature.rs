//! Signatures, against published and independently computed vectors.

use lab::twilio::signature::{of_form, of_json, of_url, signed_form_of};

const TOKEN: &str = "12345";

fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn call(caller: &str) -> Vec<(String, String)> {
    form(&[
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", caller),
        ("Digits", "1234"),
        ("From", caller),
        ("To", "+18005551212"),
    ])
}

#[test]
fn published_vectors_for_forms() {
    let p = call("+14158675309");
    for (url, form, signature) in [
        ("https://example.com/myapp.php?foo=1&bar=2", &call("+14158675310"), "L/OH5YylLD5NRKLltdqwSvS0BnU="),
        ("https://mycompany.com/myapp.php?foo=1&bar=2", &p, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", &p, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("https://mycompany.com:443/myapp.php?foo=1&bar=2", &p, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com:80/myapp.php?foo=1&bar=2", &p, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ] {
        assert_eq!(of_form(TOKEN, url, form), signature, "{url}");
    }
}

#[test]
fn repeated_names_are_deduplicated_and_sorted() {
    let form = form(&[
        ("Sid", "CA123"),
        ("SidAccount", "AC123"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Digits", "1234"),
    ]);

    let signature = of_form(TOKEN, "https://mycompany.com/myapp.php?foo=1&bar=2", &form);

    assert_eq!(signature, "IK+Dwps556ElfBT0I3Rgjkr1wJU=");
}

#[test]
fn json_bodies_are_signed_by_their_digest_in_the_query() {
    let body = br#"{"property": "value", "boolean": true}"#;

    let (url, signature) = of_json(TOKEN, "https://mycompany.com/myapp.php?foo=1&bar=2", body);

    assert_eq!(
        url,
        "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=\
         0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    );
    assert_eq!(signature, "a9nBmqA0ju/hNViExpshrM61xv4=");
}

#[test]
fn upgrades_are_signed_by_their_url_alone() {
    assert_eq!(of_url(TOKEN, "wss://gw.example.com/twilio/media"), "xOtUNom2O6Ixz0xt8ODDv8MkQUY=");
    assert_eq!(of_url(TOKEN, "wss://gw.example.com/twilio/media/"), "UywbZ+VAu0CMaP+9Bth3u5vAvXQ=");
}

#[test]
fn https_loses_its_port_and_every_url_its_user_and_fragment() {
    for (configured, signed) in [
        ("https://gw.example.com:8443/a?b=1", "https://gw.example.com/a?b=1"),
        ("http://gw.example.com:8080/a?b=1", "http://gw.example.com:8080/a?b=1"),
        ("https://user:secret@gw.example.com/a#rc=2", "https://gw.example.com/a"),
        ("https://gw.example.com", "https://gw.example.com"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("https://gw.example.com/a?mail=x@y:1", "https://gw.example.com/a?mail=x@y:1"),
    ] {
        assert_eq!(signed_form_of(configured), signed);
    }
}
