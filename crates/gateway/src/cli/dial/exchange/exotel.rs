//! Exotel goes through a flow: a Voicebot applet that asks where the bot is or knows it, a Passthru applet that asks what
//! comes after the bot, and a Connect applet for those who are handed over.

use std::time::Duration;

use audio::Rate;
use call::{Encoding, Sound};
use lab::caller::Caller;
use lab::exotel::{Applet, Exotel, ExotelConfig, Flow, Manner, Passthru, PassthruWay, PlacedCall, Then};
use lab::phone::{LiveCall, Method};
use url::Url;
use wire::Secret;

use super::super::Words;
use super::super::place::below;
use super::{Opening, accept, does_not_start};
use crate::carrier_kind::CarrierKind;
use crate::http::EXOTEL_CONNECT;

const PROOF: accept::Kind = accept::Kind {
    name: "secret",
    wanted: "the secret that Exotel shows",
    variable: "EXOTEL_WS_TOKEN",
    holds_for_address: false,
};

/// The user beside the secret; any will do.
const USER: &str = "trunkline";

pub(super) struct Line {
    exotel: Exotel,
    flow: Flow,
    manner: Manner,
    to: String,
}

impl Line {
    pub(super) async fn open(opening: Opening<'_>) -> Result<Line, Words> {
        let settings = &opening.config.carriers.exotel;
        let at = |path: &str, secret: Option<&Secret>| {
            let mut url = below(opening.place.url(), path);
            if let Some(secret) = secret {
                url.query_pairs_mut().append_pair("token", secret.reveal());
            }
            url
        };
        let url = at(&settings.status_path, None);
        let over = [("CallSid", "00000000000000000000000000000000"), ("Status", "canceled")];
        let secrets = opening.secrets(settings.ws_token.iter());
        let path_key = "carriers.exotel.status_path";
        let secret = accept::first(&opening, PROOF, &url, path_key, &secrets, |secret| {
            opening.http.post(at(&settings.status_path, Some(secret))).form(&over)
        })
        .await?;
        let applet = if opening.socket {
            Applet::Static(socket(&opening, secret)?.into())
        } else {
            let mut url = at(EXOTEL_CONNECT, secret);
            if let Some(bot) = opening.bot {
                url.query_pairs_mut().append_pair("bot", bot);
            }
            Applet::Dynamic { url: url.into(), method: Method::Get }
        };
        let passthru = Passthru {
            url: at(&settings.passthru_path, secret).into(),
            way: PassthruWay::Brackets,
            connect: Some(at(&settings.transfer_path, secret).into()),
        };
        let flow = Flow { id: "1".to_owned(), applet, then: Then::Passthru(passthru) };
        let manner = match opening.sound {
            Some(Sound { encoding: Encoding::Mulaw, .. }) => Manner::of_legs(),
            Some(Sound { encoding: Encoding::Pcm16, .. }) | None => Manner::default(),
        };
        let defaults = ExotelConfig::default();
        let config = ExotelConfig {
            account_sid: settings.account_sid.clone().unwrap_or(defaults.account_sid),
            tls: Some(opening.tls.clone()),
            ..ExotelConfig::default()
        };
        let exotel =
            Exotel::start(config).await.map_err(|error| does_not_start(CarrierKind::Exotel, &error))?;
        Ok(Line { exotel, flow, manner, to: opening.to })
    }

    pub(super) fn place(&self, from: String, caller: Caller) -> LiveCall {
        self.exotel.place_call(PlacedCall {
            from,
            to: self.to.clone(),
            flow: self.flow.clone(),
            manner: self.manner.clone(),
            caller,
            ..PlacedCall::to(self.flow.applet.clone())
        })
    }

    /// How much of the caller's speech is in one message.
    pub(super) fn piece(&self) -> Duration {
        self.manner.piece
    }

    pub(super) async fn close(self) {
        self.exotel.shut_down().await;
    }
}

/// The media socket's address as it stands in an applet: the secret is its password.
fn socket(opening: &Opening<'_>, secret: Option<&Secret>) -> Result<Url, Words> {
    let mut url = below(opening.place.url(), &opening.config.carriers.exotel.ws_path);
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    let rate = opening.sound.map_or(Rate::Hz8000, |sound| sound.rate);
    url.query_pairs_mut().append_pair("sample-rate", &rate.hz().to_string());
    if let Some(bot) = opening.bot {
        url.query_pairs_mut().append_pair("bot", bot);
    }
    let mut written = url.set_scheme(scheme);
    if let Some(secret) = secret {
        written = written.and(url.set_username(USER)).and(url.set_password(Some(secret.reveal())));
    }
    written.map_err(|()| format!("{} makes no address of a media socket", opening.place.url()))?;
    Ok(url)
}
