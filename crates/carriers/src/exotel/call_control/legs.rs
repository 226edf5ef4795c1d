//! The Legs interface: the only one of Exotel's that can end and connect a call while it runs.

use url::Url;
use wire::{Body, Method, Request, Secret};

use super::segment;

/// Where it is for accounts in Mumbai.
pub const LEGS_MUMBAI: &str = "https://cpaas-api.in.exotel.com";

/// Where it is for accounts in Singapore.
pub const LEGS_SINGAPORE: &str = "https://cpaas-api.exotel.com";

/// Who asks, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legs {
    pub account_sid: String,
    pub api_key: String,
    pub api_token: Secret,
    pub base_url: Url,
}

impl Legs {
    /// Ends a leg ([`super::read_leg`]).
    pub fn hang_up(&self, leg_sid: &str) -> Request {
        let path = format!("/legs/{}/actions/hangup", segment(leg_sid));
        // Ending twice is ending.
        Request { idempotent: true, ..self.post(&path, serde_json::json!({})) }
    }

    /// Rings somebody ([`super::read_leg`] gives the new leg's name).
    pub fn create(&self, to: &str, exophone: &str, ring_s: u32) -> Request {
        let body = serde_json::json!({
            "contact_uri": to, "exophone": exophone, "ring_timeout": ring_s, "network_type": "pstn",
        });
        self.post("/legs", body)
    }

    /// Connects two legs.
    pub fn bridge(&self, one: &str, other: &str) -> Request {
        self.post("/bridges", serde_json::json!({"leg_sids": [one, other]}))
    }

    fn post(&self, path: &str, body: serde_json::Value) -> Request {
        let base = self.base_url.as_str().trim_end_matches('/');
        Request {
            method: Method::Post,
            url: format!("{base}/v2/accounts/{}{path}", segment(&self.account_sid)),
            headers: Vec::new(),
            basic: Some((self.api_key.clone(), self.api_token.clone())),
            body: Body::Json(body.to_string()),
            idempotent: false,
        }
    }
}
