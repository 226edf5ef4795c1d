//! `X-Plivo-Signature-V3` and its elder sister, as Plivo computes them.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::phone::Method;

pub const HEADER: &str = "X-Plivo-Signature-V3";
pub const NONCE_HEADER: &str = "X-Plivo-Signature-V3-Nonce";
/// The same, with the main account's token.
pub const MAIN_ACCOUNT_HEADER: &str = "X-Plivo-Signature-Ma-V3";
pub const V2_HEADER: &str = "X-Plivo-Signature-V2";
pub const V2_NONCE_HEADER: &str = "X-Plivo-Signature-V2-Nonce";

/// Signs a request to this URL; `form` is the body of a POST. What a GET carries is in its URL.
pub fn v3(token: &str, nonce: &str, method: Method, url: &str, form: &[(String, String)]) -> String {
    hmac(token, &format!("{}.{nonce}", signed_text(method, url, form)))
}

/// The second version knows neither query nor form.
pub fn v2(token: &str, nonce: &str, url: &str) -> String {
    let (base, _) = base_and_query(url);
    hmac(token, &format!("{base}{nonce}"))
}

/// What the third version signs, before the nonce.
pub fn signed_text(method: Method, url: &str, form: &[(String, String)]) -> String {
    let (base, query) = base_and_query(url);
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let query: Vec<String> =
        sorted(&pairs).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = query.join("&");
    let form: String = sorted(form).into_iter().map(|(name, value)| format!("{name}{value}")).collect();
    match method {
        Method::Post if !form.is_empty() => {
            // The question mark is there with or without a query.
            let dot = if query.is_empty() { "" } else { "." };
            format!("{base}?{query}{dot}{form}")
        }
        Method::Get | Method::Post if query.is_empty() => base.to_owned(),
        Method::Get | Method::Post => format!("{base}?{query}"),
    }
}

fn base_and_query(url: &str) -> (&str, &str) {
    let url = url.split('#').next().unwrap_or_default();
    url.split_once('?').unwrap_or((url, ""))
}

fn sorted(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in pairs {
        by_name.entry(name).or_default().push(value);
    }
    let mut sorted = Vec::with_capacity(pairs.len());
    for (name, mut values) in by_name {
        values.sort_unstable();
        sorted.extend(values.into_iter().map(|value| (name, value)));
    }
    sorted
}

fn hmac(token: &str, data: &str) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("any key length");
    mac.update(data.as_bytes());
    crate::b64::encode(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Computed independently and accepted by Plivo's own library.
    #[test]
    fn published_vectors_come_out() {
        let uuid = "97ceeb52-58b6-11e1-86da-77300b68f8bb";
        let answer = "https://gw.example.com/plivo/answer";
        let tenant = "https://gw.example.com/plivo/answer?tenant=b&a=1";
        let full = form(&[
            ("CallStatus", "ringing"),
            ("CallUUID", uuid),
            ("Direction", "inbound"),
            ("Event", "StartApp"),
            ("From", "+14155550100"),
            ("To", "+14155550199"),
        ]);
        for (method, url, form, signature) in [
            (
                Method::Post,
                answer,
                form(&[("A", "x"), ("Digits", "2"), ("Digits", "1")]),
                "cMfhuOUczAe6FY0O3yJ2JE7FDghIOy8+pRKBIXhYVnA=",
            ),
            (Method::Post, answer, full, "gbITO7V3PET2P9qjrksqdCVThWTZvQ/AbmuDj33rqFs="),
            (
                Method::Post,
                tenant,
                form(&[("From", "+14155550100"), ("CallUUID", uuid)]),
                "FaaG1Rf+fVZExwKsrba+qONnDWrEE0QjfUXIs4Exy8w=",
            ),
            (Method::Get, tenant, vec![], "DFGGMZ5h0NUISMWFTUTjCqAdc5p1+XmGXCiMbn8JtJU="),
            (Method::Post, tenant, vec![], "DFGGMZ5h0NUISMWFTUTjCqAdc5p1+XmGXCiMbn8JtJU="),
            (Method::Get, answer, vec![], "3m7RzIazTckrkzpotC5x9n2Pkedr8KUwlFFxGPsjPyQ="),
        ] {
            assert_eq!(v3("my_auth_token", "12345", method, url, &form), signature, "{method:?} {url}");
        }
        assert_eq!(
            v2("my_auth_token", "12345", "https://answer.url"),
            "ehV3IKhLysWBxC1sy8INm0qGoQYdYsHwuoKjsX7FsXc="
        );
    }
}
