//! Twilio asks the gateway's webhook with a signed request, follows its TwiML and streams media.

use lab::caller::Caller;
use lab::phone::LiveCall;
use lab::twilio::{PlacedCall, Twilio, TwilioConfig, signature};
use reqwest::header::CONTENT_TYPE;

use super::super::Words;
use super::super::place::below;
use super::{Opening, accept, does_not_start};
use crate::carrier_kind::CarrierKind;

const PROOF: accept::Kind = accept::Kind {
    name: "signature",
    wanted: "signed requests, which take Twilio's auth token",
    variable: "TWILIO_AUTH_TOKEN",
    holds_for_address: true,
};

pub(super) struct Line {
    twilio: Twilio,
    webhook_url: String,
    to: String,
}

impl Line {
    pub(super) async fn open(opening: Opening<'_>) -> Result<Line, Words> {
        let settings = &opening.config.carriers.twilio;
        let url = below(opening.place.url(), &settings.inbound_path);
        let defaults = TwilioConfig::default();
        let account_sid = settings.account_sid.clone().unwrap_or(defaults.account_sid);
        let over = accept::owned(&[
            ("CallSid", "CA00000000000000000000000000000000"),
            ("AccountSid", &account_sid),
            ("From", ""),
            ("To", &opening.to),
            ("CallStatus", "completed"),
            ("Direction", "inbound"),
            ("ApiVersion", "2010-04-01"),
        ]);
        let secrets = opening.secrets(settings.auth_token.iter().chain(&settings.more_auth_tokens));
        let path_key = "carriers.twilio.inbound_path";
        let token = accept::first(&opening, PROOF, &url, path_key, &secrets, |token| {
            let signed = signature::of_form(token.reveal(), &signature::signed_form_of(url.as_str()), &over);
            opening
                .http
                .post(url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(signature::HEADER, signed)
                .body(accept::form(&over))
        })
        .await?;
        let config = TwilioConfig {
            account_sid,
            auth_token: token.map_or(defaults.auth_token, |token| token.reveal().to_owned()),
            tls: Some(opening.tls.clone()),
            ..TwilioConfig::default()
        };
        let twilio =
            Twilio::start(config).await.map_err(|error| does_not_start(CarrierKind::Twilio, &error))?;
        Ok(Line { twilio, webhook_url: url.into(), to: opening.to })
    }

    pub(super) fn place(&self, from: String, caller: Caller) -> LiveCall {
        self.twilio.place_call(PlacedCall {
            from,
            to: self.to.clone(),
            webhook_url: self.webhook_url.clone(),
            caller,
            ..PlacedCall::default()
        })
    }

    pub(super) async fn close(self) {
        self.twilio.shut_down().await;
    }
}
