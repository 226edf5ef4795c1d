//! `[carriers.mcube]`.

use std::collections::BTreeMap;

use url::Url;
use wire::Secret;

use super::super::bots::Bot;
use super::super::keys::section;
use super::super::known_url;

section! {
    /// Mcube: calls arrive by webhook or with their media socket.
    pub struct Mcube {
        /// What Mcube must show: as `token` in the address of the webhook and of the media socket, or as the header
        /// `x-mcube-webhook-secret`. Make one with `openssl rand -hex 24`; Mcube signs nothing, so this is all there is.
        token: Option<Secret> = None,
        /// Further tokens that are accepted, for the time of a rotation.
        /// Example: `["..."]`
        more_tokens: Vec<Secret> = Vec::new(),
        /// Accept webhooks and media sockets that show no token. Then anybody who can reach this gateway can hold calls at
        /// your expense and end those that are running.
        allow_unauthenticated: bool = false,
        /// Which bot answers for which agent id, for calls that come with their media socket alone. An agent id that is a
        /// bot's name chooses that bot without being listed; calls that knock at the webhook go by the number.
        /// Example: `{ "17" = "reception" }`
        agents: BTreeMap<String, String> = BTreeMap::new(),
        /// Under which names the facts about a call travel.
        fields: McubeFields = McubeFields::default(),
        /// The field of the `transfer` message that holds the number: `number`, `transferTo` or `to`, or what Mcube told you.
        transfer_number_field: String = "number".to_owned(),
        /// Whether the `transfer` message names the call as well.
        transfer_call_id: bool = true,
        /// The path of the webhook: Mcube's "refurl".
        webhook_path: String = "/mcube/call".to_owned(),
        /// Where the media sockets are: `/{session_id}` and `/mcube/{call_id}` below this path.
        stream_path: String = "/ws".to_owned(),
        /// The token of Mcube's interface (`HTTP_AUTHORIZATION`), for calls that we place.
        api_token: Option<Secret> = None,
        /// Where Mcube's interface is: another host of theirs, a proxy or an emulator. Plain `http` only towards loopback.
        api_base_url: Url = known_url("https://api.mcube.com"),
        /// The executive's number that calls are placed from, as Mcube knows it: ten digits.
        /// Example: `"9876543210"`
        exe_number: Option<String> = None,
    }
}

section! {
    /// Under which names the facts about a call travel in Mcube's `start` message. They are looked for beside `start`, in it,
    /// in its `customParameters` and in the extra headers; the first that is found counts.
    pub struct McubeFields {
        /// The business.
        business_id: Vec<String> = carriers::mcube::Fields::default().business_id,
        /// The agent, which may choose the bot.
        agent_id: Vec<String> = carriers::mcube::Fields::default().agent_id,
        /// The number that was called, which may choose the bot.
        did: Vec<String> = carriers::mcube::Fields::default().did,
        /// Whoever is on the phone.
        customer_number: Vec<String> = carriers::mcube::Fields::default().customer_number,
        /// The name of whoever is on the phone.
        customer_name: Vec<String> = carriers::mcube::Fields::default().customer_name,
    }
}

impl Mcube {
    /// Whether Mcube has anything that it could show.
    pub fn has_token(&self) -> bool {
        self.token.is_some() || !self.more_tokens.is_empty()
    }

    /// Whether somebody has begun to set this carrier up.
    pub fn is_used(&self) -> bool {
        *self != Mcube::default()
    }

    /// What a call's leg has to know.
    pub fn leg_settings(&self, bots: &[Bot]) -> carriers::mcube::Settings {
        let McubeFields { business_id, agent_id, did, customer_number, customer_name } = self.fields.clone();
        let mut by_agent: BTreeMap<String, String> =
            bots.iter().map(|bot| (bot.name.clone(), bot.name.clone())).collect();
        by_agent.extend(self.agents.clone());
        carriers::mcube::Settings {
            fields: carriers::mcube::Fields { business_id, agent_id, did, customer_number, customer_name },
            transfer_number_field: self.transfer_number_field.clone(),
            transfer_call_id: self.transfer_call_id,
            bots: by_agent,
        }
    }
}
