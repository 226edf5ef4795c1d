//! `[carriers.plivo]`.

use audio::Rate;
use call::{Encoding, Sound};
use serde::{Deserialize, Serialize};
use url::Url;
use wire::Secret;

use super::super::keys::{Kind, leaf, section};
use super::super::known_url;
use super::WhenGone;

section! {
    /// Plivo: calls arrive by answer URL, their sound over audio streams.
    pub struct Plivo {
        /// The account, as on the console's first page.
        /// Example: `"MAXXXXXXXXXXXXXXXXXX"`
        auth_id: Option<String> = None,
        /// The account's auth token: it proves that a webhook comes from Plivo and signs our requests to Plivo.
        auth_token: Option<Secret> = None,
        /// Further tokens whose signatures are accepted: for the time of a rotation, and those of a main account or of
        /// subaccounts. Never used for our own requests.
        /// Example: `["..."]`
        more_auth_tokens: Vec<Secret> = Vec::new(),
        /// Where Plivo's REST interface is: a proxy or an emulator. Plain `http` only towards loopback.
        api_base_url: Url = known_url("https://api.plivo.com"),
        /// A number of this account. It becomes a line of the default bot unless `lines` names it, and calls that we
        /// place show it.
        /// Example: `"+14155550100"`
        phone_number: Option<String> = None,
        /// The form of the sound, in both directions. `mulaw_8000` is what telephone networks carry, in half the bytes;
        /// `pcm_16000` sounds better where the whole way is wide.
        content_type: ContentType = ContentType::Mulaw8000,
        /// Accept webhooks with a V2 signature alone. It does not cover what a webhook says, so whoever has seen one can
        /// make others: only for accounts that have nothing newer.
        accept_v2_signatures: bool = false,
        /// Accept webhooks without a valid signature. For trials on one machine alone: refused when the gateway can be
        /// reached from outside.
        skip_signature_validation: bool = false,
        /// Skip it even though the gateway can be reached from outside. Then anybody can place calls on your account's
        /// behalf and read what the agent says. There is no good reason outside a closed test network.
        force_skip_signature_validation: bool = false,
        /// The path of the answer URL.
        answer_path: String = "/plivo/answer".to_owned(),
        /// The path of the hangup URL.
        hangup_path: String = "/plivo/hangup".to_owned(),
        /// The path of the ring URL, for calls that we place.
        ring_path: String = "/plivo/ring".to_owned(),
        /// The path at which Plivo tells whether a machine answered, for calls that we place.
        machine_path: String = "/plivo/machine".to_owned(),
        /// The path at which Plivo asks to whom a caller is handed.
        transfer_path: String = "/plivo/transfer".to_owned(),
        /// The path of the audio stream's socket.
        stream_path: String = "/plivo/stream".to_owned(),
        /// The path of the audio stream's own status callback.
        stream_status_path: String = "/plivo/stream-status".to_owned(),
        /// What Plivo does with the caller when the audio stream ends without an order of ours.
        when_gone: WhenGone = WhenGone::HangUp,
        /// The number shown to the person a caller is handed to. Default: the caller's own. Some destinations refuse
        /// foreign numbers; then name one of your Plivo numbers.
        /// Example: `"+14155550100"`
        transfer_caller_id: Option<String> = None,
        /// How long a transfer rings before it counts as not answered, in seconds.
        dial_timeout_s: u32 = 30,
    }
}

/// A form of sound that Plivo offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentType {
    #[serde(rename = "mulaw_8000")]
    Mulaw8000,
    #[serde(rename = "pcm_8000")]
    Pcm8000,
    #[serde(rename = "pcm_16000")]
    Pcm16000,
}

leaf! {
    ContentType => Kind::Choice(&["mulaw_8000", "pcm_8000", "pcm_16000"]),
}

impl ContentType {
    pub fn sound(self) -> Sound {
        match self {
            ContentType::Mulaw8000 => Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 },
            ContentType::Pcm8000 => Sound { encoding: Encoding::Pcm16, rate: Rate::Hz8000 },
            ContentType::Pcm16000 => Sound { encoding: Encoding::Pcm16, rate: Rate::Hz16000 },
        }
    }
}

impl Plivo {
    /// Whether requests to Plivo can be made: hang up, transfer, place calls.
    pub fn can_control_calls(&self) -> bool {
        self.auth_id.is_some() && self.auth_token.is_some()
    }
}
