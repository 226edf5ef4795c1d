//! Which of the secrets at hand the gateway accepts. Each is shown with a report on a call that never was: whoever
//! accepts it has nothing to do.

use std::time::Duration;

use reqwest::RequestBuilder;
use url::Url;
use wire::Secret;

use super::super::Words;
use super::Opening;

/// The report on a call that is over already is answered at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How much of a gateway's own words is repeated.
const WORDS_MAX: usize = 400;

/// What a carrier shows, in words for whoever has none that fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// `signature`, `token`.
    pub(super) name: &'static str,
    /// What the gateway wants to see.
    pub(super) wanted: &'static str,
    /// The variable that has it.
    pub(super) variable: &'static str,
    /// A signature is over the address.
    pub(super) holds_for_address: bool,
}

/// The first secret that the gateway accepts. `path_key` is where the configuration names the path that is asked.
pub(super) async fn first<'a>(
    opening: &Opening<'_>,
    kind: Kind,
    url: &Url,
    path_key: &str,
    secrets: &[&'a Secret],
    report: impl Fn(&Secret) -> RequestBuilder,
) -> Result<Option<&'a Secret>, Words> {
    for secret in secrets {
        if is_accepted(report(secret), url, path_key).await? {
            return Ok(Some(secret));
        }
    }
    // A gateway may let everybody in: one for trials, or one that has another guard before it.
    let nobodys = Secret::new("nobody's");
    if is_accepted(report(&nobodys), url, path_key).await? {
        return Ok(None);
    }
    let Kind { name, wanted, variable, holds_for_address } = kind;
    let url = without_query(url);
    let here = "call a gateway on this machine from the folder it was started in";
    Err(if secrets.is_empty() {
        format!(
            "the webhook {url} wants {wanted}, and there is none here; set {variable} to the gateway's own, or {here} \
             (it leaves a token in its data folder {})",
            opening.config.server.data_dir.display()
        )
    } else {
        let address = if holds_for_address { ", and call it by its public address (--url)" } else { "" };
        format!(
            "the gateway does not accept our {name} at {url}; set {variable} to the one it has{address}, or {here}"
        )
    })
}

async fn is_accepted(report: RequestBuilder, url: &Url, path_key: &str) -> Result<bool, Words> {
    let url = without_query(url);
    let answer = report.timeout(ANSWER_WITHIN).send().await.map_err(|error| {
        let why = if error.is_timeout() { "it does not answer in time" } else { "it cannot be reached" };
        format!("the webhook {url} does not work: {why}")
    })?;
    match answer.status().as_u16() {
        200..=299 => Ok(true),
        400 | 401 | 403 => Ok(false),
        404 => Err(format!("there is no webhook at {url}; see {path_key} of that gateway")),
        status => {
            let said = answer.text().await.unwrap_or_default();
            let said: String = said.trim().chars().take(WORDS_MAX).collect();
            Err(format!("the webhook {url} answers with status {status}: {said}"))
        }
    }
}

/// A secret may stand in the query.
fn without_query(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url
}

pub(super) fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn form(pairs: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
