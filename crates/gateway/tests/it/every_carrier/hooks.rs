//! Any carrier's webhooks by hand: as often, as late and in whatever order a test likes.

use gateway::carrier_kind::CarrierKind;
use lab::plivo::{self, PlivoConfig};
use lab::twilio;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::json;

use super::Line;
use super::lines::shown_secret;
use crate::world::World;

const FROM: &str = "+919123456780";
const TO: &str = "+918047654321";

/// Asks and tells a gateway what one carrier would.
#[derive(Debug)]
pub(crate) struct Hooks<'a> {
    line: Line,
    world: &'a World,
    http: reqwest::Client,
}

impl Hooks<'_> {
    pub(crate) fn of(line: Line, world: &World) -> Hooks<'_> {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Hooks { line, world, http: http.build().unwrap() }
    }

    /// A call of this name wants to know where to go, and is told.
    pub(crate) async fn knock(&self, call: &str) {
        self.is_taken(self.knocking(call)).await;
    }

    /// A call of this name wants to know where to go.
    pub(crate) async fn knock_in_vain(&self, call: &str) -> Response {
        self.knocking(call).send().await.unwrap()
    }

    fn knocking(&self, call: &str) -> RequestBuilder {
        match self.line.carrier {
            CarrierKind::Twilio | CarrierKind::Browser => {
                let form = [("AccountSid", "AC1"), ("Direction", "inbound"), ("ApiVersion", "2010-04-01")];
                self.twilio("/webhooks/inbound", call, "ringing", &form)
            }
            CarrierKind::Plivo => self.plivo("/plivo/answer", call, "ringing", "StartApp"),
            CarrierKind::Exotel => {
                let url = self.world.url(&format!("/api/v1/exotel/voice/connect?{}", shown_secret()));
                let query =
                    [("CallSid", call), ("CallFrom", FROM), ("CallTo", TO), ("Direction", "incoming")];
                self.http.get(url).query(&query)
            }
            CarrierKind::Mcube => self.mcube(&json!({
                "callId": call, "callDirection": "inbound", "fromNumber": FROM, "toNumber": TO,
                "dialStatus": "CONNECTING",
            })),
        }
    }

    /// The call of this name is over.
    pub(crate) async fn tell_over(&self, call: &str) {
        let request = match self.line.carrier {
            CarrierKind::Twilio | CarrierKind::Browser => {
                let form = [("AccountSid", "AC1"), ("SequenceNumber", "7")];
                self.twilio("/webhooks/status-callback", call, "completed", &form)
            }
            CarrierKind::Plivo => self.plivo("/plivo/hangup", call, "completed", "Hangup"),
            CarrierKind::Exotel => {
                let url = self.world.url(&format!("/webhooks/exotel/status?{}", shown_secret()));
                let form = [("CallSid", call), ("EventType", "terminal"), ("Status", "completed")];
                self.http.post(url).form(&form)
            }
            CarrierKind::Mcube => self.mcube(&json!({
                "callId": call, "dialStatus": "ANSWER", "endTime": "2026-05-01 10:00:00", "answeredTime": "8",
            })),
        };
        self.is_taken(request).await;
    }

    /// Anything at any of its addresses.
    pub(crate) async fn post(&self, path: &str, kind: Option<&str>, body: &str) -> Response {
        let secret = match self.line.carrier {
            CarrierKind::Exotel | CarrierKind::Mcube => format!("?{}", shown_secret()),
            CarrierKind::Twilio | CarrierKind::Plivo | CarrierKind::Browser => String::new(),
        };
        let request = self.http.post(self.world.url(&format!("{path}{secret}"))).body(body.to_owned());
        let request = match kind {
            Some(kind) => request.header("content-type", kind),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn is_taken(&self, request: RequestBuilder) {
        let response = request.send().await.unwrap();
        let status = response.status();
        let words = response.text().await.unwrap();
        assert!(
            [StatusCode::OK, StatusCode::NO_CONTENT].contains(&status),
            "{:?}: {status} {words}",
            self.line
        );
    }

    fn twilio(&self, path: &str, call: &str, status: &str, more: &[(&str, &str)]) -> RequestBuilder {
        let url = self.world.url(path);
        let form = [("CallSid", call), ("From", FROM), ("To", TO), ("CallStatus", status)];
        let form = owned(&[&form, more].concat());
        let signature = twilio::signature::of_form(self.world.network.auth_token(), &url, &form);
        self.http.post(url).header(twilio::signature::HEADER, signature).form(&form)
    }

    fn plivo(&self, path: &str, call: &str, status: &str, event: &str) -> RequestBuilder {
        use plivo::signature::{HEADER, NONCE_HEADER, v3};
        let url = self.world.url(path);
        let form = owned(&[
            ("CallUUID", call),
            ("From", FROM),
            ("To", TO),
            ("CallStatus", status),
            ("Direction", "inbound"),
            ("Event", event),
        ]);
        let nonce = "12345678901234567890";
        let signature = v3(&PlivoConfig::default().auth_token, nonce, plivo::Method::Post, &url, &form);
        self.http.post(url).header(HEADER, signature).header(NONCE_HEADER, nonce).form(&form)
    }

    fn mcube(&self, body: &serde_json::Value) -> RequestBuilder {
        self.http.post(self.world.url(&format!("/mcube/call?{}", shown_secret()))).json(body)
    }
}

fn owned(form: &[(&str, &str)]) -> Vec<(String, String)> {
    form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
