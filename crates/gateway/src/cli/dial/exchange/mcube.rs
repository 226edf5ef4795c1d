//! Mcube asks the webhook for a media socket and reports there what becomes of the call; or it knows the socket.

use lab::caller::Caller;
use lab::mcube::{Mcube, McubeConfig, PlacedCall, StreamHabits, Way};
use lab::phone::LiveCall;
use serde_json::json;
use url::Url;
use wire::Secret;

use super::super::Words;
use super::super::place::below;
use super::{Opening, accept, does_not_start, lab_sound};
use crate::carrier_kind::CarrierKind;

const PROOF: accept::Kind = accept::Kind {
    name: "token",
    wanted: "the token that Mcube shows",
    variable: "MCUBE_WEBHOOK_SECRET",
    holds_for_address: false,
};

pub(super) struct Line {
    mcube: Mcube,
    door: Door,
    facts: Vec<(String, String)>,
    to: String,
}

/// Where a call comes in.
enum Door {
    Webhook(String),
    /// Below this path each call has a socket by its own name.
    Sockets(Url),
}

impl Line {
    pub(super) async fn open(opening: Opening<'_>) -> Result<Line, Words> {
        let settings = &opening.config.carriers.mcube;
        let with = |url: &Url, secret: Option<&Secret>| {
            let mut url = url.clone();
            if let Some(secret) = secret {
                url.query_pairs_mut().append_pair("token", secret.reveal());
            }
            url
        };
        let url = below(opening.place.url(), &settings.webhook_path);
        let over = json!({
            "callId": "mc0", "callDirection": "inbound", "toNumber": opening.to, "dialStatus": "CANCEL",
            "endTime": "2000-01-01 00:00:00",
        })
        .to_string();
        let ours = settings.token.iter().chain(&settings.more_tokens);
        let secrets = opening.secrets(ours);
        let path_key = "carriers.mcube.webhook_path";
        let secret = accept::first(&opening, PROOF, &url, path_key, &secrets, |secret| {
            let report = opening.http.post(with(&url, Some(secret)));
            report.header("content-type", "application/json").body(over.clone())
        })
        .await?;
        let door = if opening.socket {
            let mut url = with(&below(opening.place.url(), &settings.stream_path), secret);
            let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
            url.set_scheme(scheme)
                .map_err(|()| format!("{} makes no address of a media socket", opening.place.url()))?;
            Door::Sockets(url)
        } else {
            Door::Webhook(with(&url, secret).into())
        };
        let defaults = StreamHabits::default();
        let config = McubeConfig {
            stream: StreamHabits { sound: opening.sound.map_or(defaults.sound, lab_sound), ..defaults },
            tls: Some(opening.tls.clone()),
            ..McubeConfig::default()
        };
        let mcube = Mcube::start(config).await.map_err(|error| does_not_start(CarrierKind::Mcube, &error))?;
        // A call without a webhook has its numbers among its facts, and may name a bot there.
        let bot = opening.bot.map(|bot| ("bot".to_owned(), bot.to_owned()));
        let facts = match &door {
            Door::Sockets(_) => [("did".to_owned(), opening.to.clone())].into_iter().chain(bot).collect(),
            Door::Webhook(_) => Vec::new(),
        };
        Ok(Line { mcube, door, facts, to: opening.to })
    }

    pub(super) fn place(&self, from: String, caller: Caller) -> LiveCall {
        let call_id = format!("mc{:032x}", rand::random::<u128>());
        let mut facts = self.facts.clone();
        let way = match &self.door {
            Door::Webhook(refurl) => Way::Webhook { refurl: refurl.clone() },
            Door::Sockets(base) => {
                facts.push(("customerNumber".to_owned(), from.clone()));
                let mut url = base.clone();
                url.set_path(&format!("{}/{call_id}", base.path().trim_end_matches('/')));
                Way::Socket { url: url.into() }
            }
        };
        self.mcube.place_call(PlacedCall {
            from,
            to: self.to.clone(),
            call_id: Some(call_id),
            way,
            facts,
            caller,
            ..PlacedCall::default()
        })
    }

    pub(super) async fn close(self) {
        self.mcube.shut_down().await;
    }
}
