//! A bug of ours strikes in the middle of a call: that call ends, and says so; no other notices.
//!
//! The bug is put where no production code has to make room for it: into the log. A subscriber that panics when one
//! certain bot's agent has joined panics inside that call's task, as a bug in the task itself would.

use std::sync::Once;

use call::EndCause;
use gateway::config::{AgentKind, Bot, Line};
use lab::caller::Caller;
use lab::twilio::{Happening, PlacedCall};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::{Layer, filter::LevelFilter};

use crate::world::{Setup, happens};

const FRAGILE: &str = "fragile";
const FRAGILE_LINE: &str = "+14155550177";

#[tokio::test]
async fn a_panic_in_one_call_ends_that_call_and_no_other() {
    let mut setup = Setup::demo();
    setup.config.bots.push(Bot { name: FRAGILE.into(), agent: AgentKind::Demo, ..Bot::default() });
    setup.config.lines.push(Line { number: FRAGILE_LINE.into(), bot: FRAGILE.into(), carrier: None });
    lay_the_mine();
    let world = setup.start().await;
    let bystander = world.call(Caller::silent());
    happens(&bystander, "the bystander is spoken to", |what| *what == Happening::AgentSpeechBegan).await;

    let fragile =
        world.network.place_call(PlacedCall { to: FRAGILE_LINE.into(), ..world.placed(Caller::silent()) });
    let (report, record) = world.over(fragile).await;

    assert!(matches!(record.end, EndCause::Broken { .. }), "{:?}", record.end);
    assert!(!record.ledger.is_empty(), "what was known of it is kept");
    assert_eq!(report.stream_sids.len(), 1);
    assert_eq!(world.gateway.switchboard.live_count(), 1);
    happens(&bystander, "the bystander hears the sentence out", |what| *what == Happening::AgentSpeechEnded)
        .await;
    bystander.hang_up().await;
    assert_eq!(world.over(bystander).await.1.end, EndCause::CallerHungUp);
    world.nothing_is_held().await;
    let metrics = world.gateway.metrics.render();
    assert!(metrics.contains(r#"cause="broken"} 1"#), "{metrics}");
}

/// Installs the log that panics, once for the whole test program; calls of other bots never touch it.
fn lay_the_mine() {
    static LAID: Once = Once::new();
    LAID.call_once(|| {
        let log = Registry::default().with(Mine.with_filter(LevelFilter::INFO));
        tracing::subscriber::set_global_default(log).expect("no other test installs a log for all");
    });
}

struct Mine;

/// On spans of the fragile bot.
struct Fragile;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Mine {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut names = Names(false);
        attributes.record(&mut names);
        if names.0
            && let Some(span) = context.span(id)
        {
            span.extensions_mut().insert(Fragile);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut said = Joined(false);
        event.record(&mut said);
        let mut spans = context.event_scope(event).into_iter().flatten();
        let fragile = spans.any(|span| span.extensions().get::<Fragile>().is_some());
        assert!(!(fragile && said.0 && *event.metadata().level() == Level::INFO), "on purpose, by a test");
    }
}

/// Whether a span names the fragile bot.
struct Names(bool);

impl Visit for Names {
    fn record_str(&mut self, _: &Field, value: &str) {
        self.0 |= value == FRAGILE;
    }

    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        self.0 |= format!("{value:?}").trim_matches('"') == FRAGILE;
    }
}

/// Whether an event says that the agent has joined.
struct Joined(bool);

impl Visit for Joined {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        self.0 |= format!("{value:?}").contains("agent joined");
    }
}
