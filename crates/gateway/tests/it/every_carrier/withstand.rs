//! What every carrier's calls must withstand; the tests are in the files beside this one.

use call::Fact;
use gateway::switchboard::LiveCall as Live;
use lab::elevenlabs::SessionEnd;
use lab::phone::{Happening, LiveCall};

use super::Line;
use super::lines::{Dialled, Exchange};
use crate::world::{World, happens, soon};

pub(crate) const GREETING: &str = "Hello, this is the desk.";

/// A call in which somebody has begun to speak.
pub(crate) async fn talking(exchange: &Exchange, line: Line, dialled: Dialled) -> LiveCall {
    let call = exchange.call(line, dialled);
    speaks(&call, line).await;
    call
}

pub(crate) async fn speaks(call: &LiveCall, line: Line) {
    let what = format!("{line:?}: somebody speaks");
    happens(call, &what, |what| *what == Happening::AgentSpeechBegan).await;
}

/// Every agent was taken leave of, and nothing of any call is left.
pub(crate) async fn all_is_let_go(world: &World) {
    for number in 0..world.platform.sessions().len() {
        let session = soon("the session is over", world.platform.session_ended(number)).await;
        assert_eq!(session.end, Some(SessionEnd::Client { code: 1000, reason: String::new() }));
    }
    world.nothing_is_held().await;
}

/// How often something of this kind is known of a call that lives.
pub(crate) fn count_live(live: &Live, is_it: impl Fn(&Fact) -> bool) -> usize {
    live.entries().iter().filter(|entry| is_it(&entry.fact)).count()
}
