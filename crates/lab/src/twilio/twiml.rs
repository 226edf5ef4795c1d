//! TwiML, read as Twilio reads it: names are case-sensitive, and whatever the schema does not know is reported.

use std::time::Duration;

use crate::phone::Warning;
use crate::phone::socket::is_secure_or_local;
use crate::phone::xml::{self, Element};

/// "Schema validation warning".
const SCHEMA: u32 = 12200;
/// "Document parse failure".
const UNPARSABLE: u32 = 12100;
/// Twilio's limit for one `<Parameter>`, name and value together.
const PARAMETER_CHARACTERS_MAX: usize = 500;

/// A thing to do in a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verb {
    Say { text: String, times: Times },
    Play { url: Option<String>, times: Times, digits: Option<String> },
    Pause { length: Duration },
    Redirect { url: String, method: Method },
    Connect { action: Option<Action>, stream: StreamSpec },
    Dial { action: Option<Action>, timeout: Duration, limit: Option<Duration>, numbers: Vec<String> },
    Hangup,
    Reject { reason: String },
}

/// How often to repeat; zero in the document means without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Count(u32),
    Forever,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) url: String,
    pub(super) method: Method,
}

/// `<Stream>` inside `<Connect>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamSpec {
    pub(super) url: String,
    pub(super) name: Option<String>,
    pub(super) status_callback: Option<Action>,
    pub(super) parameters: Vec<(String, String)>,
}

/// A document: its verbs with the elements they came from, and what Twilio's debugger would say.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) verbs: Vec<(String, Verb)>,
    pub(super) warnings: Vec<Warning>,
}

/// Reads a document. An error is one that ends the call.
pub(super) fn read(text: &str) -> Result<Document, Warning> {
    let root = xml::parse(text)
        .map_err(|problem| Warning::coded(UNPARSABLE, format!("Document parse failure: {problem}")))?;
    if root.name != "Response" {
        let problem = format!("Document parse failure: the root is <{}>, not <Response>", root.name);
        return Err(Warning::coded(UNPARSABLE, problem));
    }
    let mut document = Document::default();
    let mut reader = Reader { warnings: Vec::new() };
    reader.attributes(&root, &[]);
    if !root.text.trim().is_empty() {
        reader.schema("text outside of any verb".into());
    }
    for (position, child) in root.children.iter().enumerate() {
        if child.name == "Reject" && position > 0 {
            reader.schema("<Reject> must be the first verb".into());
        }
        if let Some(verb) = reader.verb(child) {
            document.verbs.push((child.opening_tag(), verb));
        }
    }
    document.warnings = reader.warnings;
    Ok(document)
}

struct Reader {
    warnings: Vec<Warning>,
}

impl Reader {
    fn schema(&mut self, problem: String) {
        self.warnings.push(Warning::coded(SCHEMA, format!("Schema validation warning: {problem}")));
    }

    fn attributes(&mut self, element: &Element, known: &[&str]) {
        for (name, _) in &element.attributes {
            if !known.contains(&name.as_str()) {
                self.schema(format!("attribute {name:?} is not allowed in <{}>", element.name));
            }
        }
    }

    fn only_text(&mut self, element: &Element) {
        if let Some(child) = element.children.first() {
            self.schema(format!("<{}> is not allowed in <{}>", child.name, element.name));
        }
    }

    fn verb(&mut self, element: &Element) -> Option<Verb> {
        match element.name.as_str() {
            "Say" => {
                self.attributes(element, &["voice", "language", "loop"]);
                // Speech markup inside is spoken as its text.
                let text = element.whole_text();
                if text.trim().is_empty() {
                    self.schema("<Say> has nothing to say".into());
                }
                Some(Verb::Say { text: text.trim().to_owned(), times: self.times(element) })
            }
            "Play" => {
                self.attributes(element, &["loop", "digits"]);
                self.only_text(element);
                let url = Some(element.text.trim()).filter(|url| !url.is_empty()).map(str::to_owned);
                let digits = element.attribute("digits").map(str::to_owned);
                if url.is_none() && digits.is_none() {
                    self.schema("<Play> has neither a URL nor digits".into());
                    return None;
                }
                if let Some(bad) =
                    digits.as_deref().and_then(|d| d.chars().find(|c| !"0123456789*#ABCDwW".contains(*c)))
                {
                    self.schema(format!("{bad:?} is no digit"));
                }
                Some(Verb::Play { url, times: self.times(element), digits })
            }
            "Pause" => {
                self.attributes(element, &["length"]);
                let length = self.number(element, "length", 1);
                Some(Verb::Pause { length: Duration::from_secs(length.into()) })
            }
            "Redirect" => {
                self.attributes(element, &["method"]);
                self.only_text(element);
                Some(Verb::Redirect {
                    url: element.text.trim().to_owned(),
                    method: self.method(element, "method"),
                })
            }
            "Connect" => self.connect(element),
            "Dial" => self.dial(element),
            "Hangup" => {
                self.attributes(element, &[]);
                Some(Verb::Hangup)
            }
            "Reject" => {
                self.attributes(element, &["reason"]);
                let reason = element.attribute("reason").unwrap_or("rejected");
                if !["rejected", "busy"].contains(&reason) {
                    self.schema(format!("<Reject> knows no reason {reason:?}"));
                }
                Some(Verb::Reject { reason: reason.to_owned() })
            }
            "Start" | "Stop" => {
                self.warnings.push(Warning::plain(format!("<{}>: taps are not emulated", element.name)));
                None
            }
            other => {
                self.schema(format!("<{other}> is not a verb"));
                None
            }
        }
    }

    fn connect(&mut self, element: &Element) -> Option<Verb> {
        self.attributes(element, &["action", "method"]);
        let mut streams = Vec::new();
        for child in &element.children {
            if child.name == "Stream" {
                streams.extend(self.stream(child));
            } else {
                self.schema(format!("<{}> is not allowed in <Connect>", child.name));
            }
        }
        if streams.len() > 1 {
            self.schema("only one <Stream> is allowed in <Connect>".into());
        }
        let stream = streams.into_iter().next();
        if stream.is_none() {
            self.schema("<Connect> has no <Stream> that can be opened".into());
        }
        Some(Verb::Connect { action: self.action(element, "action", "method"), stream: stream? })
    }

    fn stream(&mut self, element: &Element) -> Option<StreamSpec> {
        self.attributes(element, &["url", "name", "track", "statusCallback", "statusCallbackMethod"]);
        if let Some(track) = element.attribute("track").filter(|track| *track != "inbound_track") {
            self.warnings.push(Warning::plain(format!(
                "track {track:?} is not allowed for <Connect><Stream>, only \"inbound_track\""
            )));
            return None;
        }
        let url = element.attribute("url").unwrap_or_default().trim().to_owned();
        if !self.stream_url_is_fine(&url) {
            return None;
        }
        let mut parameters = Vec::new();
        for child in &element.children {
            if child.name != "Parameter" {
                self.schema(format!("<{}> is not allowed in <Stream>", child.name));
                continue;
            }
            self.attributes(child, &["name", "value"]);
            let (Some(name), Some(value)) = (child.attribute("name"), child.attribute("value")) else {
                self.schema("<Parameter> needs a name and a value".into());
                continue;
            };
            if name.chars().count() + value.chars().count() > PARAMETER_CHARACTERS_MAX {
                self.warnings.push(Warning::plain(format!(
                    "<Parameter name={name:?}> has more than {PARAMETER_CHARACTERS_MAX} characters and is left out"
                )));
                continue;
            }
            parameters.push((name.to_owned(), value.to_owned()));
        }
        Some(StreamSpec {
            url,
            name: element.attribute("name").map(str::to_owned),
            status_callback: self.action(element, "statusCallback", "statusCallbackMethod"),
            parameters,
        })
    }

    fn stream_url_is_fine(&mut self, text: &str) -> bool {
        let Ok(url) = url::Url::parse(text) else {
            self.warnings.push(Warning::coded(11100, format!("Invalid URL format: <Stream url={text:?}>")));
            return false;
        };
        if !is_secure_or_local(text) {
            let problem = format!("Stream - WebSocket - URL Schema Not Supported: {text:?} is not wss");
            self.warnings.push(Warning::coded(31922, problem));
            return false;
        }
        if url.query().is_some() {
            self.warnings.push(Warning::plain(format!(
                "<Stream url={text:?}>: query strings are not supported; use <Parameter>"
            )));
            return false;
        }
        true
    }

    fn dial(&mut self, element: &Element) -> Option<Verb> {
        self.attributes(
            element,
            &[
                "action",
                "method",
                "timeout",
                "timeLimit",
                "callerId",
                "answerOnBridge",
                "hangupOnStar",
                "record",
                "ringTone",
                "referUrl",
            ],
        );
        let mut numbers = Vec::new();
        for child in &element.children {
            match child.name.as_str() {
                "Number" => self.attributes(
                    child,
                    &[
                        "sendDigits",
                        "url",
                        "method",
                        "statusCallback",
                        "statusCallbackMethod",
                        "statusCallbackEvent",
                    ],
                ),
                "Sip" => self.attributes(child, &["username", "password", "url", "method", "statusCallback"]),
                other => {
                    self.schema(format!("<{other}> is not allowed in <Dial>"));
                    continue;
                }
            }
            numbers.push(child.text.trim().to_owned());
        }
        if !element.text.trim().is_empty() {
            numbers.push(element.text.trim().to_owned());
        }
        numbers.retain(|number| !number.is_empty());
        if numbers.is_empty() {
            self.schema("<Dial> has nobody to call".into());
            return None;
        }
        Some(Verb::Dial {
            action: self.action(element, "action", "method"),
            timeout: Duration::from_secs(self.number(element, "timeout", 30).into()),
            limit: element
                .attribute("timeLimit")
                .map(|_| Duration::from_secs(self.number(element, "timeLimit", 14_400).into())),
            numbers,
        })
    }

    fn action(&mut self, element: &Element, url: &str, method: &str) -> Option<Action> {
        let url = element.attribute(url)?.trim().to_owned();
        Some(Action { url, method: self.method(element, method) })
    }

    fn method(&mut self, element: &Element, attribute: &str) -> Method {
        match element.attribute(attribute) {
            None | Some("POST") => Method::Post,
            Some("GET") => Method::Get,
            Some(other) => {
                self.schema(format!("{attribute}={other:?} is neither GET nor POST"));
                Method::Post
            }
        }
    }

    fn times(&mut self, element: &Element) -> Times {
        match self.number(element, "loop", 1) {
            0 => Times::Forever,
            count => Times::Count(count),
        }
    }

    fn number(&mut self, element: &Element, attribute: &str, default: u32) -> u32 {
        let Some(text) = element.attribute(attribute) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.schema(format!("{attribute}={text:?} is not a number"));
            default
        })
    }
}
