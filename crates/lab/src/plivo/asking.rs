//! Asking a gateway's URL the way Plivo does: what is sent, how it is signed.

use std::time::Duration;

use super::{Method, Signing, signature};
use crate::phone::web::{Answer, Body, NoAnswer, Request, Web, with_query};

/// No budget is documented for a webhook; this is the one its documents show in their examples of overrides.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Everything a request needs besides its URL.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) web: Web,
    pub(super) token: String,
    pub(super) main_account_token: Option<String>,
    pub(super) signing: Signing,
}

impl Asking {
    pub(super) async fn ask(
        &self,
        method: Method,
        url: &str,
        form: &[(String, String)],
    ) -> Result<Answer, NoAnswer> {
        self.web.ask(&self.request(method, url, form)).await
    }

    pub(super) fn request(&self, method: Method, url: &str, form: &[(String, String)]) -> Request {
        let url = url.split('#').next().unwrap_or_default();
        let (url, body, signed): (String, Body, &[(String, String)]) = match method {
            Method::Post => (url.to_owned(), Body::Form(form.to_vec()), form),
            Method::Get => (with_query(url, form), Body::Nothing, &[]),
        };
        let headers = self.sign(method, &url, signed);
        Request { method, url, headers, body }
    }

    /// Whether Plivo signs the upgrade is not documented; if it does, then as a GET without parameters.
    pub(super) fn sign_upgrade(&self, url: &str) -> Vec<(String, String)> {
        self.sign(Method::Get, url, &[])
    }

    fn sign(&self, method: Method, url: &str, form: &[(String, String)]) -> Vec<(String, String)> {
        // Twenty digits, as Plivo's are.
        let nonce = format!("{:020}", rand::random::<u64>());
        let v3 = |token: &str| signature::v3(token, &nonce, method, url, form);
        let v2 = |token: &str| signature::v2(token, &nonce, url);
        let (third, second) = match &self.signing {
            Signing::Missing => return Vec::new(),
            Signing::Right => (v3(&self.token), v2(&self.token)),
            Signing::WithToken(token) => (v3(token), v2(token)),
            Signing::OneOfSeveral => (format!("{},{}", v3("rotated-away"), v3(&self.token)), v2(&self.token)),
            Signing::MainAccountOnly => (v3("the sub-account's"), v2("the sub-account's")),
        };
        let main = match (&self.signing, &self.main_account_token) {
            (Signing::WithToken(token), _) => v3(token),
            (_, Some(token)) => v3(token),
            (_, None) => v3(&self.token),
        };
        [
            (signature::HEADER, third),
            (signature::NONCE_HEADER, nonce.clone()),
            (signature::MAIN_ACCOUNT_HEADER, main),
            (signature::V2_HEADER, second),
            (signature::V2_NONCE_HEADER, nonce.clone()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}
