//! `GET /api/v1/status`: what this gateway is, and what is missing for each way to reach it.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;

use super::super::listener::Ends;
use super::super::reception::Reception;
use crate::carrier_kind::CarrierKind;
use crate::carrier_setup::{self, Address, CarrierSetup, Setting};
use crate::config::Config;

#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    bots: Vec<BotName>,
    default_bot: String,
    carriers: Vec<CarrierStatus>,
    listen: String,
    public_url: Option<String>,
    draining: bool,
    calls: Calls,
    slots: Slots,
}

#[derive(Debug, Serialize)]
struct BotName {
    name: String,
    agent: &'static str,
}

#[derive(Debug, Serialize)]
struct CarrierStatus {
    name: &'static str,
    title: &'static str,
    ready: bool,
    /// How to reach the gateway this way, or what is missing.
    words: String,
    /// The settings without which no call comes.
    missing: Vec<Setting>,
    /// What to enter at the carrier, and what it is told in the call.
    addresses: Vec<Address>,
    transfers: bool,
    places_calls: bool,
    /// Why it places none; none when it does.
    places_none: Option<String>,
}

impl From<CarrierSetup> for CarrierStatus {
    fn from(setup: CarrierSetup) -> CarrierStatus {
        CarrierStatus {
            name: setup.carrier.name(),
            title: setup.carrier.table().title,
            ready: setup.is_ready(),
            words: setup.words(),
            missing: setup.missing,
            addresses: setup.addresses,
            transfers: setup.transfers,
            places_calls: setup.places_calls.is_ok(),
            places_none: setup.places_calls.err(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Calls {
    live: usize,
    max: usize,
}

#[derive(Debug, Serialize)]
struct Slots {
    held: usize,
    max: usize,
}

pub(super) async fn status(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
) -> Json<Status> {
    let gateway = &reception.gateway;
    let (config, switchboard) = (&gateway.config, &gateway.switchboard);
    let bots = config.bots.iter().map(|bot| BotName { name: bot.name.clone(), agent: bot.agent.name() });
    let mut listen = config.server.listen;
    // Port 0 lets the system choose.
    listen.set_port(ends.local.port());
    let (_, calls_max) = switchboard.seats();
    let (held, slots_max) = switchboard.slots();
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        bots: bots.collect(),
        default_bot: config.default_bot.clone(),
        carriers: carriers(config),
        listen: listen.to_string(),
        public_url: config.server.public(""),
        draining: switchboard.is_draining(),
        calls: Calls { live: switchboard.live_count(), max: calls_max },
        slots: Slots { held, max: slots_max },
    })
}

/// The page first, for it is there; then the carriers.
fn carriers(config: &Config) -> Vec<CarrierStatus> {
    let mut all = carrier_setup::all(config);
    all.sort_by_key(|setup| setup.carrier != CarrierKind::Browser);
    all.into_iter().map(CarrierStatus::from).collect()
}
