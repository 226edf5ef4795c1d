//! Lines on which the gateway places calls, and how their carriers behave then.

use call::Encoding;
use gateway::carrier_kind::CarrierKind;
use lab::exotel::{self, Exotel, ExotelConfig, Manner};
use lab::faults::Faults;
use lab::mcube::{self, Mcube, McubeConfig, StreamHabits};
use lab::phone::{Callee, LiveCall};
use lab::plivo::{Plivo, PlivoConfig};

use super::lines::{DIALLING, Line, Network, Ring};
use crate::world::{Setup, soon};

/// What is particular about a carrier's emulator.
#[derive(Clone, Debug, Default)]
pub(crate) struct Habits {
    /// What its own interface answers instead of working.
    pub(crate) rest_faults: Faults,
    /// Every two reports on a call that it was asked for arrive in the wrong order.
    pub(crate) reports_out_of_order: bool,
    /// Every such report arrives twice, where the emulator can.
    pub(crate) reports_twice: bool,
    /// The account has no stream left, where the carrier counts them.
    pub(crate) is_full: bool,
    /// The gateway is asked twice for each call's media socket, where the carrier asks.
    pub(crate) asks_twice: bool,
    /// A call goes on when its media socket is closed, where the carrier has both.
    pub(crate) outlives_socket: bool,
}

impl Line {
    pub(crate) async fn ring_with(self, mut setup: Setup, habits: Habits) -> Ring {
        let Habits { rest_faults, reports_out_of_order, reports_twice, is_full, .. } = habits;
        setup.network.dialling = DIALLING;
        let network = match self.carrier {
            CarrierKind::Twilio | CarrierKind::Browser => {
                setup.network.rest_faults = rest_faults;
                setup.network.callbacks_out_of_order = reports_out_of_order;
                Network::Twilio
            }
            CarrierKind::Plivo => {
                let config = PlivoConfig {
                    dialling: DIALLING,
                    rest_faults,
                    reports_out_of_order,
                    ..PlivoConfig::default()
                };
                Network::Plivo(Plivo::start(config).await.unwrap())
            }
            CarrierKind::Exotel => {
                let callbacks = exotel::StatusCallback {
                    twice: reports_twice,
                    out_of_order: reports_out_of_order,
                    ..exotel::StatusCallback::default()
                };
                let manner = match self.encoding {
                    Encoding::Mulaw => Manner::of_legs(),
                    Encoding::Pcm16 => Manner::default(),
                };
                let mut config = ExotelConfig {
                    dialling: DIALLING,
                    rest_faults,
                    callbacks,
                    manner,
                    ..ExotelConfig::default()
                };
                if is_full {
                    config.throttle_limit = 0;
                }
                Network::Exotel(Exotel::start(config).await.unwrap())
            }
            CarrierKind::Mcube => {
                let stream = StreamHabits {
                    sound: mcube::Sound {
                        encoding: match self.encoding {
                            Encoding::Mulaw => mcube::Encoding::Mulaw,
                            Encoding::Pcm16 => mcube::Encoding::Pcm16,
                        },
                        rate: self.rate,
                    },
                    ends_with_socket: !habits.outlives_socket,
                    ..StreamHabits::default()
                };
                let webhooks = mcube::Webhooks {
                    reports_twice,
                    out_of_order: reports_out_of_order,
                    asks_again: habits.asks_twice,
                    ..mcube::Webhooks::default()
                };
                let config = McubeConfig {
                    stream,
                    webhooks,
                    api_faults: rest_faults,
                    dialling: DIALLING,
                    ..McubeConfig::default()
                };
                Network::Mcube(Mcube::start(config).await.unwrap())
            }
        };
        self.tell(&mut setup.config.carriers, &network.base_url());
        Ring { line: self, world: setup.start().await, network }
    }
}

impl Ring {
    /// Names who answers when the gateway has this number called.
    pub(crate) fn expect_callee(&self, number: &str, callee: Callee) {
        match &self.network {
            Network::Twilio => self.world.network.expect_callee(number, callee),
            Network::Plivo(plivo) => plivo.expect_callee(number, callee),
            Network::Exotel(exotel) => exotel.expect_callee(number, callee),
            Network::Mcube(mcube) => mcube.expect_callee(number, callee),
        }
    }

    /// The next call that the gateway has had placed.
    pub(crate) async fn originated(&self) -> LiveCall {
        let call = async {
            match &self.network {
                Network::Twilio => self.world.network.originated().await,
                Network::Plivo(plivo) => plivo.originated().await,
                Network::Exotel(exotel) => exotel.originated().await,
                Network::Mcube(mcube) => mcube.originated().await,
            }
        };
        soon("the carrier has the call", call).await.expect("an emulator that lives")
    }

    /// Calls at the carrier that are not over.
    pub(crate) fn live_calls(&self) -> usize {
        match &self.network {
            Network::Twilio => self.world.network.live_calls(),
            Network::Plivo(plivo) => plivo.live_calls(),
            Network::Exotel(exotel) => exotel.live_calls(),
            Network::Mcube(mcube) => mcube.live_calls(),
        }
    }
}
