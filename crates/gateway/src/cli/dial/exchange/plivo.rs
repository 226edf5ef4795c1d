//! Plivo asks the answer URL with a signed request, follows its XML, streams audio and tells of the end at the hangup URL.

use lab::caller::Caller;
use lab::phone::{LiveCall, Method};
use lab::plivo::{PlacedCall, Plivo, PlivoConfig, signature};
use reqwest::header::CONTENT_TYPE;

use super::super::Words;
use super::super::place::below;
use super::{Opening, accept, does_not_start};
use crate::carrier_kind::CarrierKind;

const PROOF: accept::Kind = accept::Kind {
    name: "signature",
    wanted: "signed requests, which take Plivo's auth token",
    variable: "PLIVO_AUTH_TOKEN",
    holds_for_address: true,
};

/// The report that finds the token out needs no other.
const NONCE: &str = "00000000000000000000";

pub(super) struct Line {
    plivo: Plivo,
    answer_url: String,
    hangup_url: String,
    to: String,
}

impl Line {
    pub(super) async fn open(opening: Opening<'_>) -> Result<Line, Words> {
        let settings = &opening.config.carriers.plivo;
        let url = below(opening.place.url(), &settings.answer_path);
        let over = accept::owned(&[
            ("CallUUID", "00000000-0000-4000-8000-000000000000"),
            ("From", ""),
            ("To", &opening.to),
            ("CallStatus", "completed"),
            ("Direction", "inbound"),
            ("Event", "Hangup"),
        ]);
        let secrets = opening.secrets(settings.auth_token.iter().chain(&settings.more_auth_tokens));
        let path_key = "carriers.plivo.answer_path";
        let token = accept::first(&opening, PROOF, &url, path_key, &secrets, |token| {
            let signed = signature::v3(token.reveal(), NONCE, Method::Post, url.as_str(), &over);
            opening
                .http
                .post(url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(signature::HEADER, signed)
                .header(signature::NONCE_HEADER, NONCE)
                .body(accept::form(&over))
        })
        .await?;
        let defaults = PlivoConfig::default();
        let config = PlivoConfig {
            auth_id: settings.auth_id.clone().unwrap_or(defaults.auth_id),
            auth_token: token.map_or(defaults.auth_token, |token| token.reveal().to_owned()),
            tls: Some(opening.tls.clone()),
            ..PlivoConfig::default()
        };
        let plivo = Plivo::start(config).await.map_err(|error| does_not_start(CarrierKind::Plivo, &error))?;
        let hangup_url = below(opening.place.url(), &settings.hangup_path).into();
        Ok(Line { plivo, answer_url: url.into(), hangup_url, to: opening.to })
    }

    pub(super) fn place(&self, from: String, caller: Caller) -> LiveCall {
        self.plivo.place_call(PlacedCall {
            from,
            to: self.to.clone(),
            answer_url: self.answer_url.clone(),
            hangup_url: Some(self.hangup_url.clone()),
            caller,
            ..PlacedCall::default()
        })
    }

    pub(super) async fn close(self) {
        self.plivo.shut_down().await;
    }
}
