//! Everything that the parts of a running gateway share, and what a call may ask of it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use agents::elevenlabs::{self, Account};
use agents::{demo, prompts};
use audio::Rate;
use call::{
    AgentCapabilities, AgentDeparture, AgentLeft, Call, CallPlan, CallSettings, ControlOutcome, DialAgent,
    EndCause, Entry, Fact, Fallback, Moment, Prompts, Receipt, Retry, ToolOutcome, ToolRun, Way,
};
use carriers::{Control, browser};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::agent_check::AgentReports;
use crate::bot_tools::{BotTools, ToolCaller};
use crate::carrier_kind::CarrierKind;
use crate::config::{AgentKind, Bot, Config};
use crate::control;
use crate::elevenlabs_setup::{self, CallFacts};
use crate::events::{Event, Events};
use crate::legs::{CarrierSide, Dialled};
use crate::media::{self, DialError, MediaThreads, Socket};
use crate::ops::health::Health;
use crate::ops::metrics::Metrics;
use crate::outbound::Outbound;
use crate::outward::Outward;
use crate::records::{CallRecord, Records};
use crate::switchboard::{Direction, LiveCall, Seat, SlotLease, Switchboard};

/// What waits to be written to an agent at most: a reconnect hands over two seconds of caller audio at once.
const AGENT_OUT_BYTES_MAX: usize = 256 * 1024;

/// The names of providers in health and metrics.
pub const ELEVENLABS: &str = "elevenlabs";
pub const TWILIO: &str = "twilio";
pub const PLIVO: &str = "plivo";
pub const EXOTEL: &str = "exotel";
pub const MCUBE: &str = "mcube";

/// A running gateway, shared by everything in it.
#[derive(Debug)]
pub struct Gateway {
    pub config: Arc<Config>,
    /// Where it listens.
    pub address: SocketAddr,
    pub switchboard: Switchboard,
    pub outbound: Outbound,
    pub events: Events,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    pub records: Records,
    pub outward: Outward,
    pub bot_tools: BotTools,
    pub tls: Arc<rustls::ClientConfig>,
    /// The runtime for everything that is not media.
    pub runtime: Handle,
    pub media: MediaThreads,
    pub agent_reports: AgentReports,
    /// Everything that runs beside calls; empty again when the gateway is idle.
    pub tasks: TaskTracker,
    /// Signs webhooks of the terminal's pretended carrier, on loopback only.
    pub lab_token: Option<wire::Secret>,
    /// What Exotel's flows are told when they ask what comes after the bot.
    pub(crate) exotel_steps: control::exotel::NextSteps,
}

impl Gateway {
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(self.tasks.track_future(task));
    }

    /// Closes a socket in order without making a call wait. Must be called on the thread that the socket belongs to.
    pub fn close_in_background(&self, mut socket: Box<Socket>) {
        tokio::spawn(self.tasks.track_future(async move {
            let closing = async {
                let said = std::future::poll_fn(|cx| match socket.poll_flush(cx) {
                    std::task::Poll::Pending => std::task::Poll::Pending,
                    std::task::Poll::Ready(Err(_)) => std::task::Poll::Ready(false),
                    std::task::Poll::Ready(Ok(())) => socket.poll_shutdown(cx).map(|()| true),
                });
                if said.await {
                    std::future::poll_fn(|cx| socket.poll_drain(cx)).await;
                }
            };
            // A peer that does not take its last bytes loses them.
            let _ = tokio::time::timeout(Duration::from_secs(2), closing).await;
        }));
    }

    /// A call is over: its record is written, whatever became of its task.
    pub fn finished(&self, live: &LiveCall, ended: Option<&Call>) {
        let detail = "its task panicked; the log has the place";
        let end = ended
            .and_then(|call| call.end().cloned())
            .or_else(|| live.end())
            .unwrap_or_else(|| EndCause::Broken { detail: detail.into() });
        let receipt = ended.map(|call| call.receipt(Moment::START + live.began().elapsed()));
        live.set_end(end.clone());
        if live.knock().direction == Direction::Outbound {
            self.outbound_is_over(live.id());
        }
        tracing::info!(cause = end.name(), "call ended: {}", end.words());
        // The record goes first: whoever hears of the end may ask for it at once.
        self.records.record(record_of(live, end, receipt));
        self.events.publish(Event::Call(Box::new(live.view())));
    }

    pub fn bot(&self, name: &str) -> Option<Arc<Bot>> {
        self.config.bot(name).cloned().map(Arc::new)
    }

    /// The bot that goes on when this one's agent cannot be had.
    pub fn fallback_bot(&self, bot: &Bot) -> Option<Arc<Bot>> {
        match &bot.call.fallback {
            Fallback::Bot { name } => self.bot(name),
            Fallback::Apologise | Fallback::Transfer { .. } => None,
        }
    }

    /// The agent slot that this bot needs, if it needs one and one is free.
    pub fn slot_for(&self, bot: &Bot) -> Option<SlotLease> {
        match bot.agent {
            AgentKind::Demo => None,
            AgentKind::ElevenLabs => self.switchboard.slot(),
        }
    }

    /// Everything a call of this seat is born with.
    pub fn plan(&self, seat: &Seat, carrier: &CarrierSide) -> CallPlan {
        let mut capabilities = carrier.capabilities();
        if !self.can_transfer(capabilities.name) {
            capabilities.transfer = Way::No;
        }
        let mut settings: CallSettings = seat.bot.call.clone();
        if seat.bot.agent == AgentKind::Demo {
            // The built-in agent has a menu of single keys; there is nothing to wait for.
            settings.digit_gap_ms = 0;
        }
        if seat.knock.direction == Direction::Outbound {
            let longest_ms = self.config.outbound.max_duration_s.saturating_mul(1_000);
            settings.limits.max_duration_ms = settings.limits.max_duration_ms.min(longest_ms);
        }
        let rate = capabilities.rate;
        CallPlan {
            id: seat.id,
            carrier: capabilities,
            agent: agent_capabilities(seat.bot.agent),
            fallback_agent: self.fallback_bot(&seat.bot).map(|bot| agent_capabilities(bot.agent)),
            settings,
            prompts: call_prompts(rate),
            tools: seat.bot.tools.iter().map(|tool| tool.name.clone()).collect(),
            seed: rand::random(),
        }
    }

    /// Whether a call of this carrier can be handed over.
    pub fn can_transfer(&self, carrier: &str) -> bool {
        CarrierKind::named(carrier).is_some_and(|kind| control::can_transfer(&self.config, kind))
    }

    /// Whether this is the secret that was agreed on with a carrier which cannot sign. Takes the same time for every
    /// wrong one.
    pub fn is_carrier_secret(&self, carrier: CarrierKind, shown: &str) -> bool {
        let secret = match carrier {
            CarrierKind::Exotel => &self.config.carriers.exotel.ws_token,
            CarrierKind::Mcube => {
                let mcube = &self.config.carriers.mcube;
                let tokens = mcube.token.iter().chain(&mcube.more_tokens);
                return tokens.fold(false, |right, token| right | crate::auth::is_secret(token, shown));
            }
            CarrierKind::Twilio | CarrierKind::Plivo | CarrierKind::Browser => return false,
        };
        secret.as_ref().is_some_and(|secret| crate::auth::is_secret(secret, shown))
    }

    /// Brings an agent to the phone.
    pub fn dial_agent(
        self: &Arc<Self>,
        bot: Arc<Bot>,
        live: &Arc<LiveCall>,
        caller_rate: Rate,
        dial: DialAgent,
        slot: Result<(), Retry>,
    ) -> impl Future<Output = Result<Dialled, AgentDeparture>> + Send + 'static {
        let gateway = Arc::clone(self);
        let live = Arc::clone(live);
        async move {
            match bot.agent {
                AgentKind::Demo => {
                    let plan = demo::Plan {
                        caller_rate,
                        resume: dial.resume,
                        seed: rand::random(),
                        transfer_to: bot.transfer_to.clone().or_else(|| shown_transfer(live.carrier())),
                    };
                    Ok(Dialled::Demo(Box::new(demo::Leg::new(plan))))
                }
                AgentKind::ElevenLabs => match slot {
                    Ok(()) => gateway.dial_elevenlabs(&bot, &live, caller_rate, dial).await,
                    Err(retry) => Err(AgentDeparture {
                        cause: AgentLeft::NoSlot,
                        retry,
                        detail: "all agent slots are in use; raise your plan, then `agents.elevenlabs.slots`"
                            .into(),
                    }),
                },
            }
        }
    }

    async fn dial_elevenlabs(
        &self,
        bot: &Bot,
        live: &LiveCall,
        caller_rate: Rate,
        dial: DialAgent,
    ) -> Result<Dialled, AgentDeparture> {
        let settings = &self.config.agents.elevenlabs;
        let within = Duration::from_millis(u64::from(settings.connect_timeout_ms));
        let account = self.elevenlabs_account(bot)?;
        let address = match account.signed_url_request() {
            None => account.direct(),
            Some(request) => {
                // The HTTP client belongs to the other runtime; its connections outlive calls.
                let outward = self.outward.clone();
                let asking =
                    self.runtime.spawn(async move { outward.send(ELEVENLABS, &request, within).await });
                let reply =
                    asking.await.map_err(|_| lost("the request for a signed URL was dropped".into()))?;
                account.read_signed_url(&reply.map_err(|error| lost(error.to_string()))?)?
            }
        };
        let (stream, early) = media::dial(&address.url, &address.headers, Arc::clone(&self.tls), within)
            .await
            .map_err(|error| match error {
                DialError::Refused { reply, .. } => {
                    elevenlabs::Leg::refused(reply.status, &reply.body, reply.retry_after_s)
                }
                other => lost(other.to_string()),
            })?;
        let leg = elevenlabs::Leg::new(elevenlabs::LegPlan {
            initiation: elevenlabs_setup::initiation(bot, facts_of(live)),
            caller_rate,
            batch: Duration::from_millis(u64::from(settings.batch_ms)),
            resume: dial.resume,
            first_message_override_allowed: self.agent_reports.allows_first_message(bot),
        });
        let message_bytes_max = self.config.limits.agent_message_bytes;
        let socket = Socket::client(stream, rand::random(), message_bytes_max, AGENT_OUT_BYTES_MAX);
        Ok(Dialled::ElevenLabs { leg: Box::new(leg), socket: Box::new(socket), early })
    }

    /// The account that a bot's agent lives in.
    pub fn elevenlabs_account(&self, bot: &Bot) -> Result<Account, AgentDeparture> {
        elevenlabs_setup::account(&self.config.agents.elevenlabs, bot).map_err(|detail| AgentDeparture {
            cause: AgentLeft::Lost,
            retry: Retry::Never,
            detail,
        })
    }

    /// Does what a leg cannot do on its socket.
    pub fn control(
        self: &Arc<Self>,
        live: &Arc<LiveCall>,
        control: Control,
    ) -> impl Future<Output = ControlOutcome> + Send + 'static {
        let (gateway, live) = (Arc::clone(self), Arc::clone(live));
        async move { control::ask(&gateway, &live, control).await }
    }

    pub fn run_tool(
        self: &Arc<Self>,
        seat: &Seat,
        live: &Arc<LiveCall>,
        run: ToolRun,
    ) -> impl Future<Output = ToolOutcome> + Send + 'static {
        let gateway = Arc::clone(self);
        let (bot, live) = (Arc::clone(&seat.bot), Arc::clone(live));
        async move {
            let view = live.view();
            let caller = ToolCaller { call: view.id, caller: view.from, called: view.to };
            gateway.bot_tools.run(&bot, &run, &caller).await
        }
    }
}

fn record_of(live: &LiveCall, end: EndCause, receipt: Option<Receipt>) -> CallRecord {
    let view = live.view();
    let ledger = live.entries();
    let agent_session = ledger.iter().rev().find_map(|entry| match &entry.fact {
        Fact::AgentReady { session, .. } => session.clone(),
        _ => None,
    });
    CallRecord {
        id: view.id,
        direction: view.direction,
        carrier_facts: live.knock().facts.iter().cloned().collect(),
        carrier_start: live.carrier_start().map(str::to_owned),
        carrier: view.carrier,
        bot: view.bot,
        from: view.from,
        to: view.to,
        carrier_call: view.carrier_call,
        agent_session,
        started_at: view.started_at,
        ended_at: jiff::Timestamp::now(),
        end,
        // Figures and names only: this cannot fail, and if it did, the rest of the record is worth more.
        receipt: serde_json::to_value(&receipt).unwrap_or_default(),
        turns: live.turns(),
        ledger: ledger.iter().map(|entry| Entry::clone(entry)).collect(),
    }
}

/// The sounds of our own, unpacked once for each rate and shared by all calls.
fn call_prompts(rate: Rate) -> Prompts {
    static SHARED: [OnceLock<Prompts>; Rate::ALL.len()] = [const { OnceLock::new() }; Rate::ALL.len()];
    let shared = SHARED[rate as usize].get_or_init(|| Prompts {
        apology: prompts::samples(prompts::Prompt::Apology, rate).into(),
        closing: prompts::samples(prompts::Prompt::Closing, rate).into(),
    });
    shared.clone()
}

pub fn agent_capabilities(kind: AgentKind) -> AgentCapabilities {
    match kind {
        AgentKind::Demo => demo::CAPABILITIES,
        AgentKind::ElevenLabs => elevenlabs::CAPABILITIES,
    }
}

fn lost(detail: String) -> AgentDeparture {
    AgentDeparture { cause: AgentLeft::Lost, retry: Retry::Backoff, detail }
}

/// The page only shows a transfer, so there one can be tried without a number of one's own (one kept for fiction).
fn shown_transfer(carrier: &str) -> Option<String> {
    (carrier == browser::CAPABILITIES.name).then(|| "+12025550100".to_owned())
}

fn facts_of(live: &LiveCall) -> CallFacts {
    let view = live.view();
    CallFacts {
        caller_number: view.from,
        called_number: view.to,
        call_id: Some(view.id.to_string()),
        carrier: live.knock().facts.clone(),
        variables: live.knock().variables.clone(),
    }
}
