//! What Exotel answered: JSON with names in whichever case, XML, or a proxy's page.

use std::time::Duration;

use serde_json::Value;
use wire::Reply;

use crate::exotel::names::Object;
use crate::exotel::webhook::CallStatus;

/// How long to wait when Exotel asks for patience without a figure: its limit is per minute.
const PATIENCE: Duration = Duration::from_secs(10);

/// Words of a refusal that are told on.
const WORDS_CHARS_MAX: usize = 300;

/// What came of placing a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginateResult {
    Placed { call_sid: String, status: CallStatus },
    Failed(Failure),
}

/// What came of a request about legs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegResult {
    Done {
        leg_sid: Option<String>,
    },
    /// There was nothing left to change.
    AlreadyOver,
    Failed(Failure),
}

/// How many streams run on the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveStreams {
    pub active: u64,
    /// How many may; none when Exotel does not say.
    pub limit: Option<u64>,
}

impl ActiveStreams {
    pub fn is_full(self) -> bool {
        self.limit.is_some_and(|limit| self.active >= limit)
    }
}

/// A request that Exotel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In words, for the person who has to mend it.
    pub message: String,
    /// Exotel's own number for it.
    pub code: Option<u64>,
    /// Set when trying again makes sense, and how long to wait before.
    pub retry_after: Option<Duration>,
    /// The answer does not say whether it was done.
    pub unclear: bool,
}

/// Reads the reply to the placing of a call, or to a question for one.
pub fn read_originate(reply: &Reply) -> OriginateResult {
    let document = Document::read(&reply.body);
    if !is_success(reply) || document.is_refusal() {
        return OriginateResult::Failed(failure(reply, &document));
    }
    match document.text("Call", "Sid").filter(|sid| !sid.is_empty()) {
        Some(call_sid) => OriginateResult::Placed {
            call_sid,
            status: CallStatus::read(&document.text("Call", "Status").unwrap_or_default()),
        },
        None => OriginateResult::Failed(Failure {
            message: format!("Exotel answered {} without naming the call it placed", reply.status),
            code: None,
            // It may well have been placed; a second try could ring the same person twice.
            retry_after: None,
            unclear: true,
        }),
    }
}

/// Reads the reply to the question for running streams.
pub fn read_active_streams(reply: &Reply) -> Result<ActiveStreams, Failure> {
    let document = Document::read(&reply.body);
    if !is_success(reply) || document.is_refusal() {
        return Err(failure(reply, &document));
    }
    let number = |name| document.text("Stream", name).and_then(|text| text.trim().parse().ok());
    match number("ActiveStreamCount") {
        Some(active) => Ok(ActiveStreams { active, limit: number("ThrottleLimit") }),
        None => Err(Failure {
            message:
                "what answers there does not speak Exotel's interface; check carriers.exotel.region and \
                      carriers.exotel.api_base_url"
                    .to_owned(),
            code: None,
            retry_after: None,
            unclear: true,
        }),
    }
}

/// Reads the reply to a request about legs.
pub fn read_leg(reply: &Reply) -> LegResult {
    let document = Document::read(&reply.body);
    if is_success(reply) && !document.is_refusal() {
        let sid = ["leg_sid", "sid"];
        return LegResult::Done { leg_sid: sid.iter().find_map(|name| document.text("data", name)) };
    }
    match reply.status {
        404 | 409 | 410 => LegResult::AlreadyOver,
        _ => LegResult::Failed(failure(reply, &document)),
    }
}

fn is_success(reply: &Reply) -> bool {
    (200..300).contains(&reply.status)
}

fn failure(reply: &Reply, document: &Document<'_>) -> Failure {
    let of_refusal = |name: &str| document.text("RestException", name);
    let said = of_refusal("Message").or_else(|| document.text("", "message"));
    let said = said.or_else(|| document.text("", "description")).or_else(|| document.text("", "error"));
    let said: Option<String> =
        said.map(|words| words.chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect());
    let said = said.filter(|words| !words.is_empty());
    let code = of_refusal("Code").or_else(|| document.text("", "code")).and_then(|code| code.parse().ok());
    // An error may travel in an answer of status 200.
    let stated = of_refusal("Status").and_then(|status| status.trim().parse().ok());
    let status = if is_success(reply) { stated.unwrap_or(400) } else { reply.status };
    let mend = "check carriers.exotel.account_sid, api_key and api_token, and that they belong to the region";
    let message = match (status, said) {
        (401 | 403, Some(said)) => format!("Exotel refused the credentials ({said}); {mend}"),
        (401 | 403, None) => format!("Exotel refused the credentials; {mend}"),
        (_, Some(said)) => format!("Exotel refused: {said}"),
        (status, None) => format!("Exotel answered {status} without saying why"),
    };
    let transient = status == 429 || status >= 500;
    Failure {
        message,
        code,
        retry_after: transient.then(|| reply.retry_after_s.map_or(PATIENCE, Duration::from_secs)),
        // Behind a broken gateway the call may have been placed all the same.
        unclear: status >= 500,
    }
}

/// An answer in whichever language.
enum Document<'a> {
    Json(Value),
    Text(&'a str),
}

impl<'a> Document<'a> {
    fn read(body: &'a str) -> Document<'a> {
        serde_json::from_str(body).map_or(Document::Text(body), Document::Json)
    }

    fn is_refusal(&self) -> bool {
        match self {
            Document::Json(_) => self.object("RestException").is_some(),
            Document::Text(xml) => element(xml, "RestException").is_some(),
        }
    }

    /// The text of a field in the object or element `within`; of the outermost when that has no name.
    fn text(&self, within: &str, name: &str) -> Option<String> {
        match self {
            Document::Json(value) => {
                let object = match within {
                    "" => Object::of(value),
                    within => self.object(within).or_else(|| Object::of(value)),
                };
                object?.text(name)
            }
            Document::Text(xml) => {
                let inside = if within.is_empty() { xml } else { element(xml, within)? };
                element(inside, name).map(unescape)
            }
        }
    }

    /// The object of this name, or within one object more.
    fn object(&self, name: &str) -> Option<Object<'_>> {
        let Document::Json(value) = self else { return None };
        let outer = Object::of(value)?;
        outer.object(name).or_else(|| outer.iter().find_map(|(_, value)| Object::of(value)?.object(name)))
    }
}

/// What stands in the first element of this name. Enough for documents of two levels without attributes.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let find = |text: &'a str, tag: &str| {
        text.match_indices('<').map(|(at, _)| at).find(|&at| {
            let after = text.get(at..at + tag.len());
            after.is_some_and(|found| found.eq_ignore_ascii_case(tag))
        })
    };
    let (opening, closing) = (format!("<{name}>"), format!("</{name}>"));
    let inside = &xml[find(xml, &opening)? + opening.len()..];
    inside.get(..find(inside, &closing)?)
}

fn unescape(text: &str) -> String {
    let plain = text.trim().replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    plain.replace("&apos;", "'").replace("&amp;", "&")
}
