//! Asking a gateway's URL the way Twilio does: what is sent, how it is signed.

use std::time::Duration;

use super::{Method, Signing, signature};
use crate::phone::web::{Answer, Body, NoAnswer, Request, Web, with_query};

/// Twilio's budget for a webhook, connecting included.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Everything a request needs besides its URL.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) web: Web,
    pub(super) token: String,
    pub(super) signing: Signing,
}

impl Asking {
    /// Sends `form` the way `method` carries it, and reads the answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: &str,
        form: &[(String, String)],
    ) -> Result<Answer, NoAnswer> {
        self.web.ask(&self.request(method, url, form)).await
    }

    pub(super) fn request(&self, method: Method, url: &str, form: &[(String, String)]) -> Request {
        // Fragments are connection overrides: they never reach the server.
        let url = url.split('#').next().unwrap_or_default();
        let (url, body, signature) = match method {
            Method::Post => {
                let signed = signature::signed_form_of(url);
                let signature = self.sign(|token| signature::of_form(token, &signed, form));
                (url.to_owned(), Body::Form(form.to_vec()), signature)
            }
            Method::Get => {
                let target = with_query(url, form);
                let signed = signature::signed_form_of(&target);
                let signature = self.sign(|token| signature::of_url(token, &signed));
                (target, Body::Nothing, signature)
            }
        };
        let headers = signature.map(|text| (signature::HEADER.to_owned(), text)).into_iter().collect();
        Request { method, url, headers, body }
    }

    /// The signature of a media socket's upgrade.
    pub(super) fn sign_upgrade(&self, url: &str) -> Option<String> {
        let url = match self.signing {
            Signing::TrailingSlashOnUpgrade => format!("{url}/"),
            Signing::HttpsOnUpgrade => url.replacen("ws", "http", 1),
            Signing::Right | Signing::Missing | Signing::WithToken(_) => url.to_owned(),
        };
        self.sign(|token| signature::of_url(token, &url))
    }

    fn sign(&self, with: impl Fn(&str) -> String) -> Option<String> {
        match &self.signing {
            Signing::Missing => None,
            Signing::WithToken(token) => Some(with(token)),
            Signing::Right | Signing::TrailingSlashOnUpgrade | Signing::HttpsOnUpgrade => {
                Some(with(&self.token))
            }
        }
    }
}
