//! A real gateway with a phone network and an AI platform around it, all on loopback and all a test's own.
//!
//! Tests wait for what happens, never for time to pass: [`eventually`] and [`soon`] are bounded, and running out of
//! that bound is a failure.

use std::sync::Arc;
use std::time::Duration;

use audio::{Rate, g711};
use call::{CallSettings, Fact, Receipt, ReconnectSettings};
use futures_util::future::BoxFuture;
use gateway::config::{AgentKind, Bot, Config, ElevenLabsAuth};
use gateway::gateway::Gateway;
use gateway::ops::logs::LogDrops;
use gateway::records::CallRecord;
use gateway::serve::{Serving, start};
use gateway::switchboard;
use lab::caller::Caller;
use lab::elevenlabs::{self, AgentDoc, ElevenLabs};
use lab::faults::{Faults, What, When};
use lab::twilio::{CallReport, Happening, LiveCall, PlacedCall, StatusCallback, Twilio, TwilioConfig};
use lab::voice;
use tempfile::TempDir;
use wire::Secret;

/// Longer than anything here takes, even on a machine that has other things to do.
const BOUND: Duration = Duration::from_secs(30);

pub(crate) const BOT: &str = "lab";
pub(crate) const SPARE: &str = "spare";
pub(crate) const PERSON: &str = "+14155550123";

/// What a world is made from. The first bot answers every call.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) platform: elevenlabs::Config,
    pub(crate) network: TwilioConfig,
    pub(crate) config: Config,
}

impl Setup {
    /// With this agent on the platform. Lost agents are called back quickly.
    pub(crate) fn with(agent: AgentDoc) -> Setup {
        let bot = Bot {
            name: BOT.into(),
            agent: AgentKind::ElevenLabs,
            agent_id: Some(agent.agent_id.clone()),
            call: CallSettings {
                reconnect: ReconnectSettings { backoff_ms: 20, ..ReconnectSettings::default() },
                ..CallSettings::default()
            },
            ..Bot::default()
        };
        Setup::of(bot, elevenlabs::Config { agents: vec![agent], ..elevenlabs::Config::default() })
    }

    /// With the built-in agent, which needs no platform.
    pub(crate) fn demo() -> Setup {
        let bot = Bot { name: BOT.into(), agent: AgentKind::Demo, ..Bot::default() };
        Setup::of(bot, elevenlabs::Config::default())
    }

    fn of(bot: Bot, platform: elevenlabs::Config) -> Setup {
        let mut config = Config { default_bot: bot.name.clone(), bots: vec![bot], ..Config::default() };
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.media_threads = 1;
        config.limits.calls_per_minute_per_caller = 0;
        config.agents.elevenlabs.auth = ElevenLabsAuth::ApiKey;
        let network = TwilioConfig::default();
        config.carriers.twilio.account_sid = Some(network.account_sid.clone());
        config.carriers.twilio.auth_token = Some(Secret::new(&network.auth_token));
        Setup { platform, network, config }
    }

    pub(crate) fn bot(&mut self) -> &mut Bot {
        &mut self.config.bots[0]
    }

    /// A second bot, with the built-in agent.
    pub(crate) fn with_spare_bot(mut self) -> Setup {
        self.config.bots.push(Bot { name: SPARE.into(), agent: AgentKind::Demo, ..Bot::default() });
        self
    }

    /// What goes wrong with each conversation of the agent, in their order.
    pub(crate) fn agent_faults(mut self, faults: impl IntoIterator<Item = (When, What)>) -> Setup {
        self.platform.faults = faults.into_iter().map(|(when, what)| Faults::one(when, what)).collect();
        self
    }

    /// On the heap: what starts here is large, and tests have it in many places.
    pub(crate) fn start(self) -> BoxFuture<'static, World> {
        Box::pin(async move {
            let Setup { platform, network, mut config } = self;
            let folder = tempfile::tempdir().unwrap();
            let network = Twilio::start(network).await.unwrap();
            let platform = ElevenLabs::start(platform).await.unwrap();
            config.server.data_dir = folder.path().to_owned();
            config.carriers.twilio.api_base_url = network.base_url().parse().unwrap();
            config.agents.elevenlabs.base_url = platform.base_url().parse().unwrap();
            config.agents.elevenlabs.api_key = Some(Secret::new(platform.api_key()));
            let serving = start(config, LogDrops::default(), None).await.unwrap();
            World { gateway: Arc::clone(&serving.gateway), network, platform, serving, folder }
        })
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) network: Twilio,
    pub(crate) platform: ElevenLabs,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) serving: Serving,
    pub(crate) folder: TempDir,
}

impl World {
    /// The path of ours as the phone network knows it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.serving.address)
    }

    pub(crate) fn placed(&self, caller: Caller) -> PlacedCall {
        PlacedCall {
            webhook_url: self.url("/webhooks/inbound"),
            status_callback: Some(StatusCallback {
                url: self.url("/webhooks/status-callback"),
                events: vec!["completed".into()],
                out_of_order: false,
            }),
            caller,
            ..PlacedCall::default()
        }
    }

    pub(crate) fn call(&self, caller: Caller) -> LiveCall {
        self.network.place_call(self.placed(caller))
    }

    /// A call whose media socket misbehaves.
    pub(crate) fn call_with(&self, caller: Caller, when: When, what: What) -> LiveCall {
        let placed = PlacedCall { faults: Faults::one(when, what), ..self.placed(caller) };
        self.network.place_call(placed)
    }

    /// The call as the gateway sees it, once it is there.
    pub(crate) async fn live(&self, carrier_call: &str) -> Arc<switchboard::LiveCall> {
        self.live_on("twilio", carrier_call).await
    }

    pub(crate) async fn live_on(&self, carrier: &str, carrier_call: &str) -> Arc<switchboard::LiveCall> {
        let find = || self.gateway.switchboard.find_by_name(carrier, carrier_call);
        eventually("the call is live at the gateway", || find().is_some()).await;
        find().unwrap()
    }

    /// Waits until the call is over on both sides.
    pub(crate) async fn over(&self, call: LiveCall) -> (CallReport, CallRecord) {
        let report = soon("the phone call is over", call.finished()).await;
        let record = self.record(&report.call_sid).await;
        (report, record)
    }

    /// The record of a call that the carrier knows by this name. There must be one and no more.
    pub(crate) async fn record(&self, carrier_call: &str) -> CallRecord {
        let all = || self.records(carrier_call);
        eventually("the call's record is there", || !all().is_empty()).await;
        let mut all = all();
        assert_eq!(all.len(), 1, "one call, one record: {all:#?}");
        all.remove(0)
    }

    pub(crate) fn records(&self, carrier_call: &str) -> Vec<CallRecord> {
        let all = self.gateway.records.recent(usize::MAX, None);
        let of_call = all.iter().filter(|record| record.carrier_call.as_deref() == Some(carrier_call));
        of_call.map(|record| CallRecord::clone(record)).collect()
    }

    /// No call, no seat and no slot is held any more.
    pub(crate) async fn nothing_is_held(&self) {
        let switchboard = &self.gateway.switchboard;
        eventually("every call, seat and slot is given back", || {
            (switchboard.live_count(), switchboard.seats().0, switchboard.slots().0) == (0, 0, 0)
        })
        .await;
    }

    /// Whether a session may begin without its greeting is known only when the agent's settings have been read.
    pub(crate) async fn agent_was_looked_at(&self) {
        let bot = &self.gateway.config.bots[0];
        eventually("the agent's settings are known", || self.gateway.agent_reports.allows_first_message(bot))
            .await;
    }
}

/// An agent for telephony that greets with this.
pub(crate) fn agent(greeting: &str) -> AgentDoc {
    AgentDoc { first_message: greeting.into(), ..AgentDoc::for_telephony("agent_lab") }
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(5));
    let waiting = async {
        while !is_so() {
            look.tick().await;
        }
    };
    soon(what, waiting).await;
}

/// Waits for something that must come.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, coming).await {
        Ok(came) => came,
        Err(_) => panic!("not within {BOUND:?}: {what}"),
    }
}

/// Waits until this has happened on the phone side.
pub(crate) async fn happens(call: &LiveCall, what: &str, is_it: impl Fn(&Happening) -> bool) {
    let mut notes = call.notes();
    let note = soon(what, notes.until(is_it)).await;
    assert!(note.is_some(), "the call was over before: {what}");
}

pub(crate) fn receipt(record: &CallRecord) -> Receipt {
    serde_json::from_value(record.receipt.clone()).unwrap()
}

pub(crate) fn count(record: &CallRecord, is_it: impl Fn(&Fact) -> bool) -> usize {
    record.ledger.iter().filter(|entry| is_it(&entry.fact)).count()
}

/// What the agent says when it says this, as a telephone gives it.
pub(crate) fn spoken(text: &str) -> Vec<i16> {
    on_the_phone(&voice::speech(text, Rate::Hz8000).samples)
}

/// The same sound after its way over a telephone line.
pub(crate) fn on_the_phone(samples: &[i16]) -> Vec<i16> {
    let mut codes = Vec::new();
    g711::pcm_to_ulaw(samples, &mut codes);
    let mut heard = Vec::new();
    g711::ulaw_to_pcm(&codes, &mut heard);
    heard
}

/// Where exactly this sound is in a recording, sample for sample.
pub(crate) fn find(sound: &[i16], recording: &[i16]) -> Option<usize> {
    assert!(!sound.is_empty());
    recording.windows(sound.len()).position(|window| window == sound)
}

/// Which of these texts the caller heard, in what order.
pub(crate) fn heard(report: &CallReport, texts: &[&str]) -> Vec<usize> {
    voice::recognise(&report.heard, texts).iter().map(|utterance| utterance.text).collect()
}

/// A sentence of ours as the caller hears it.
pub(crate) fn prompt(prompt: agents::prompts::Prompt) -> Vec<i16> {
    on_the_phone(agents::prompts::samples(prompt, Rate::Hz8000))
}
