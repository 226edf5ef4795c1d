//! `[carriers.twilio]`.

use serde::{Deserialize, Serialize};
use url::Url;
use wire::Secret;

use super::super::keys::{Described, Doc, Item, Kind, Section, key, reads_as, section};
use super::super::known_url;

section! {
    /// Twilio: calls arrive by webhook, their sound over Media Streams.
    pub struct Twilio {
        /// The account, as on the console's first page.
        /// Example: `"AC00000000000000000000000000000000"`
        account_sid: Option<String> = None,
        /// The account's auth token: it proves that a webhook comes from Twilio and signs our requests to Twilio.
        auth_token: Option<Secret> = None,
        /// Further tokens whose signatures are accepted, for the time of a rotation. Never used for our own requests.
        /// Example: `["..."]`
        more_auth_tokens: Vec<Secret> = Vec::new(),
        /// Where Twilio's REST interface is: another region, a proxy or an emulator. Plain `http` only towards loopback.
        api_base_url: Url = known_url("https://api.twilio.com"),
        /// A number of this account. It becomes a line of the default bot unless `lines` names it, and calls that we
        /// place show it.
        /// Example: `"+14155550100"`
        phone_number: Option<String> = None,
        /// Accept webhooks without a valid signature. For trials on one machine alone: refused when the gateway can be
        /// reached from outside.
        skip_signature_validation: bool = false,
        /// Skip it even though the gateway can be reached from outside. Then anybody can place calls on your account's
        /// behalf and read what the agent says. There is no good reason outside a closed test network.
        force_skip_signature_validation: bool = false,
        /// The path of the voice webhook.
        inbound_path: String = "/webhooks/inbound".to_owned(),
        /// The path of the call status callback.
        status_path: String = "/webhooks/status-callback".to_owned(),
        /// The path of the media stream socket.
        stream_path: String = "/twilio/media-stream".to_owned(),
        /// The path of the media stream's own status callback.
        stream_status_path: String = "/webhooks/stream-status".to_owned(),
        /// What Twilio does with the caller when the media stream ends without an order of ours.
        when_gone: WhenGone = WhenGone::HangUp,
        /// The number shown to the person a caller is handed to. Default: the caller's own. Some destinations refuse
        /// foreign numbers; then name one of your Twilio numbers.
        /// Example: `"+14155550100"`
        transfer_caller_id: Option<String> = None,
        /// How long a transfer rings before it counts as not answered, in seconds.
        dial_timeout_s: u32 = 30,
    }
}

/// What the carrier does with a caller whose media stream is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum WhenGone {
    /// End the phone call.
    HangUp,
    /// Say this, then end the phone call.
    Say { text: String },
    /// Ring this number.
    Dial { number: String },
}

impl Described for WhenGone {
    fn item(name: &'static str, doc: Doc) -> Item {
        Item::Section(Section {
            name,
            doc,
            items: vec![
                Item::Key(key::<String>(
                    "do",
                    Doc(&["What happens: `hang_up`, `say` a text and hang up, or `dial` a number."]),
                    Kind::Choice(&["hang_up", "say", "dial"]),
                    false,
                )),
                Item::Key(key::<String>(
                    "text",
                    Doc(&["For `say`: the text.", "Example: `\"Something went wrong. Please call again.\"`"]),
                    Kind::Text,
                    false,
                )),
                Item::Key(key::<String>(
                    "number",
                    Doc(&["For `dial`: the number.", "Example: `\"+14155550111\"`"]),
                    Kind::Text,
                    false,
                )),
            ],
            whole: Some(reads_as::<WhenGone>),
        })
    }

    fn listed(name: &'static str, doc: Doc) -> Item {
        Self::item(name, doc)
    }
}

impl Twilio {
    /// Whether requests to Twilio can be made: hang up, transfer, place calls.
    pub fn can_control_calls(&self) -> bool {
        self.account_sid.is_some() && self.auth_token.is_some()
    }
}
