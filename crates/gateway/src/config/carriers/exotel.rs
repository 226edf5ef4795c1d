//! `[carriers.exotel]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;
use wire::Secret;

use super::super::keys::{Kind, leaf, section};
use super::super::known_url;

section! {
    /// Exotel: calls arrive over a Voicebot applet or the Connect API, with their media socket.
    pub struct Exotel {
        /// What Exotel must show when it opens a media socket, asks or reports: as bearer, as user or password of HTTP
        /// Basic, or as the parameter `token`. Make it up: `openssl rand -hex 24`.
        ws_token: Option<Secret> = None,
        /// Let Exotel in without a secret, even though the gateway can be reached from outside. Then anybody can place
        /// calls with your bots. For networks that let Exotel's addresses in and nobody else's.
        allow_unauthenticated: bool = false,
        /// The path of the media socket.
        ws_path: String = "/voicebot/ws".to_owned(),
        /// The path of status callbacks.
        status_path: String = "/webhooks/exotel/status".to_owned(),
        /// The path that a Passthru applet behind the bot asks what comes next: 200 is a transfer, 302 the end.
        passthru_path: String = "/webhooks/exotel/passthru".to_owned(),
        /// The path that a Connect applet behind the bot asks for the number to dial.
        transfer_path: String = "/webhooks/exotel/transfer".to_owned(),
        /// The sound that media addresses ask for, in samples a second: 8000, 16000 or 24000. What a call's start says
        /// goes before it.
        sample_rate: u32 = 8000,
        /// How much sound goes out at once, in milliseconds, from 100 to 400. Default: what Exotel documents as the least,
        /// 3,200 bytes (200 ms at 8 kHz, 100 ms at 16 and 24 kHz). Less answers sooner and may be heard to stutter.
        /// Example: `100`
        frame_ms: Option<u32> = None,
        /// Write the stream's name in outgoing messages as `stream_sid` and as `streamSid`, whichever the call began with.
        both_stream_names: bool = false,
        /// Calls come over the Legs interface: their sound is µ-law unless they say otherwise, and they are hung up by
        /// request.
        legs: bool = false,
        /// The account, as on the console's API settings.
        /// Example: `"acme1"`
        account_sid: Option<String> = None,
        /// The API key of the console's API settings.
        api_key: Option<String> = None,
        /// The API token beside the key.
        api_token: Option<Secret> = None,
        /// Where the account lives.
        region: ExotelRegion = ExotelRegion::Mumbai,
        /// Exotel's host as the console shows it, when it is neither region's.
        /// Example: `"api.in.exotel.com"`
        subdomain: Option<String> = None,
        /// Where Exotel's interface is: a proxy or an emulator. Goes before `region` and `subdomain`. Plain `http` only
        /// towards loopback.
        /// Example: `"http://127.0.0.1:8080"`
        api_base_url: Option<Url> = None,
        /// Where the Legs interface is, likewise.
        /// Example: `"http://127.0.0.1:8080"`
        legs_base_url: Option<Url> = None,
        /// An ExoPhone of this account: calls that we place show it.
        /// Example: `"08047112233"`
        phone_number: Option<String> = None,
        /// The number of the flow that calls we place go through; its Voicebot applet leads here. Without one they are
        /// joined to the media socket directly, and end when it closes: then they cannot be transferred.
        /// Example: `"1118"`
        flow_id: Option<String> = None,
    }
}

/// Where an account lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExotelRegion {
    #[default]
    Mumbai,
    Singapore,
}

leaf! { ExotelRegion => Kind::Choice(&["mumbai", "singapore"]) }

impl Exotel {
    /// Somebody uses Exotel with this gateway.
    pub fn is_used(&self) -> bool {
        self.ws_token.is_some() || self.account_sid.is_some() || self.api_key.is_some()
    }

    /// Whether requests to Exotel can be made.
    pub fn has_account(&self) -> bool {
        self.account_sid.is_some() && self.api_key.is_some() && self.api_token.is_some()
    }

    /// Where Exotel's interface is.
    pub fn api_base(&self) -> Url {
        if let Some(url) = &self.api_base_url {
            return url.clone();
        }
        let named = self.host().and_then(|host| Url::parse(&format!("https://{host}")).ok());
        named.unwrap_or_else(|| {
            known_url(match self.region {
                ExotelRegion::Mumbai => carriers::exotel::call_control::MUMBAI,
                ExotelRegion::Singapore => carriers::exotel::call_control::SINGAPORE,
            })
        })
    }

    /// Where its Legs interface is.
    pub fn legs_base(&self) -> Url {
        self.legs_base_url.clone().unwrap_or_else(|| {
            known_url(match self.region {
                ExotelRegion::Mumbai => carriers::exotel::call_control::LEGS_MUMBAI,
                ExotelRegion::Singapore => carriers::exotel::call_control::LEGS_SINGAPORE,
            })
        })
    }

    /// The host that was named; older services wrote it with an `@` before it.
    pub(in crate::config) fn host(&self) -> Option<&str> {
        self.subdomain.as_deref().map(|host| host.trim().trim_start_matches('@').trim_end_matches('/'))
    }

    /// What a media socket's leg has to know.
    pub fn leg_settings(&self) -> carriers::exotel::Settings {
        carriers::exotel::Settings {
            piece: self.frame_ms.map(|ms| Duration::from_millis(ms.into())),
            both_names: self.both_stream_names,
            mulaw_unless_said: self.legs,
        }
    }
}
