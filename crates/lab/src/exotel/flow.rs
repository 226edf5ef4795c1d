//! The applets of a flow, and the questions they ask.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::answer;
use super::call::{Call, LeftStream, clock};
use crate::phone::order::Leave;
use crate::phone::web::{Answer, Body, Request, with_query};
use crate::phone::{DialOutcome, End, Happening, Method, Warning};

/// What happens to a call: a bot, and what comes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The last part of `…/exoml/start_voice/{id}`.
    pub id: String,
    pub applet: Applet,
    pub then: Then,
}

/// The Voicebot applet: where the bot's socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applet {
    /// `ws://…` or `wss://…`, with credentials or without.
    Static(String),
    /// A web address that answers with `{"url": "wss://…"}`.
    Dynamic { url: String, method: Method },
}

/// What comes when the bot's socket is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    HangUp,
    /// A Connect applet that asks this URL for the number to ring.
    Connect {
        url: String,
    },
    Passthru(Passthru),
}

/// An applet that reports the stream and goes on by the answer: 200 leads to the first way, 302 to hanging up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passthru {
    pub url: String,
    pub way: PassthruWay,
    /// The dynamic URL of the Connect applet that 200 leads to; none hangs up there, too.
    pub connect: Option<String>,
}

/// How the report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PassthruWay {
    /// GET with `Stream[StreamSID]=…&Stream[Status]=…`.
    #[default]
    Brackets,
    /// GET with `Stream={…}`.
    Object,
    /// POST of a JSON object, as on a newer page.
    Post,
}

/// How long a Connect applet rings.
const CONNECT_RINGS: Duration = Duration::from_secs(30);

impl Call {
    pub(super) fn enter(&mut self, applet: &str) {
        self.phone.note(Happening::Verb { element: applet.to_owned() });
        self.phone.verbs.push(applet.to_owned());
    }

    /// From the first applet to the end of the call.
    pub(super) async fn follow(&mut self, flow: &Flow) -> Result<End, Leave> {
        self.enter("Voicebot");
        let url = match &flow.applet {
            Applet::Static(url) => Ok(url.clone()),
            Applet::Dynamic { url, method } => self.ask_for_stream(url, *method).await?,
        };
        let refused = match url {
            Ok(url) => self.stream(&url, None).await?,
            Err(problem) => {
                self.phone.timeline.warn(Warning::plain(format!("invalid: {problem}")));
                Some(problem)
            }
        };
        match (&flow.then, refused) {
            (Then::HangUp, Some(problem)) => Ok(End::ApplicationError { problem }),
            (Then::HangUp, None) => Ok(End::StreamOver),
            (Then::Connect { url }, _) => self.connect(url).await,
            (Then::Passthru(passthru), _) => self.pass_through(passthru).await,
        }
    }

    async fn ask_for_stream(&mut self, url: &str, method: Method) -> Result<Result<String, String>, Leave> {
        let answer = self.ask(url, method, Vec::new(), self.parameters()).await?;
        Ok(answer.and_then(|answer| answer::stream_url(&answer)))
    }

    async fn pass_through(&mut self, passthru: &Passthru) -> Result<End, Leave> {
        self.enter("Passthru");
        let request = self.passthru_request(passthru);
        let answer = self.send(request).await?;
        match answer.map(|answer| answer.status) {
            Ok(200) => match &passthru.connect {
                Some(url) => self.connect(url).await,
                None => Ok(End::OutOfVerbs),
            },
            Ok(302) => {
                self.enter("Hangup");
                Ok(End::OutOfVerbs)
            }
            Ok(status) => {
                let problem =
                    format!("the Passthru applet was answered with status {status}, not 200 or 302");
                self.phone.timeline.warn(Warning::plain(format!("invalid: {problem}")));
                Ok(End::ApplicationError { problem })
            }
            Err(problem) => Ok(End::ApplicationError { problem }),
        }
    }

    pub(super) fn passthru_request(&self, passthru: &Passthru) -> Request {
        let left = self.left.clone().unwrap_or_default();
        if passthru.way == PassthruWay::Post {
            let body = json!({
                "CallSid": self.state.sid, "StreamSid": left.stream_sid, "StreamUrl": left.url,
                "AccountSid": self.network.config.account_sid, "EventType": "stream-start",
                "From": self.state.from, "To": self.state.to, "Direction": self.state.flow_direction(),
            });
            let url = passthru.url.clone();
            return Request { method: Method::Post, url, headers: Vec::new(), body: Body::Json(body) };
        }
        let mut query = self.parameters();
        match passthru.way {
            PassthruWay::Object => {
                let stream: Map<String, Value> =
                    left.fields().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
                query.push(("Stream".into(), Value::from(stream).to_string()));
            }
            PassthruWay::Brackets | PassthruWay::Post => {
                query.extend(
                    left.fields().into_iter().map(|(name, value)| (format!("Stream[{name}]"), value)),
                );
            }
        }
        let url = with_query(&passthru.url, &query);
        Request { method: Method::Get, url, headers: Vec::new(), body: Body::Nothing }
    }

    /// Asks whom to ring, rings them, and the call is theirs.
    async fn connect(&mut self, url: &str) -> Result<End, Leave> {
        self.enter("Connect");
        let version = vec![("Exotel-Version".to_owned(), "1.0".to_owned())];
        let answer = self.ask(url, Method::Get, version, self.parameters()).await?;
        let numbers = match answer.and_then(|answer| answer::numbers(&answer)) {
            Ok(numbers) => numbers,
            Err(problem) => {
                self.phone.timeline.warn(Warning::plain(format!("invalid: {problem}")));
                return Ok(End::ApplicationError { problem });
            }
        };
        let number = numbers.first().cloned().unwrap_or_default();
        let dialling = self.network.config.dialling.clone();
        let (outcome, _) = self.phone.dial(numbers, &dialling, CONNECT_RINGS, None).await?;
        Ok(match outcome {
            DialOutcome::Completed => End::Transferred { number },
            _ => End::OutOfVerbs,
        })
    }

    /// The parameters of every question about a call.
    pub(super) fn parameters(&self) -> Vec<(String, String)> {
        let now = clock(jiff::Timestamp::now());
        let created = clock(self.state.created);
        let mut query: Vec<(String, String)> = [
            ("CallSid", self.state.sid.as_str()),
            ("CallFrom", &self.state.from),
            ("CallTo", &self.state.to),
            ("Direction", self.state.flow_direction()),
            ("Created", &created),
            ("DialCallDuration", "0"),
            ("StartTime", &created),
            ("EndTime", "1970-01-01 05:30:00"),
            ("CallType", "call-attempt"),
            ("DialWhomNumber", ""),
            ("flow_id", &self.flow_id),
            ("From", &self.state.from),
            ("To", &self.state.to),
            ("CurrentTime", &now),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        if let Some(field) = &self.custom_field {
            query.push(("CustomField".into(), field.clone()));
        }
        query.extend(self.extra_params.iter().cloned());
        query
    }

    async fn ask(
        &mut self,
        url: &str,
        method: Method,
        headers: Vec<(String, String)>,
        form: Vec<(String, String)>,
    ) -> Result<Result<Answer, String>, Leave> {
        let request = match method {
            Method::Get => Request { method, url: with_query(url, &form), headers, body: Body::Nothing },
            Method::Post => Request { method, url: url.to_owned(), headers, body: Body::Form(form) },
        };
        self.send(request).await
    }
}

impl LeftStream {
    fn fields(&self) -> [(&'static str, String); 6] {
        [
            ("StreamSID", self.stream_sid.clone()),
            ("Status", self.status.to_owned()),
            ("Duration", self.duration.as_secs().to_string()),
            ("RecordingUrl", String::new()),
            ("StreamUrl", self.url.clone()),
            ("DisconnectedBy", self.disconnected_by.to_owned()),
        ]
    }
}
