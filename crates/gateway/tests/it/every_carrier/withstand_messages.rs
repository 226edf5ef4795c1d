//! A carrier says what nobody understands, twice, or in the wrong order.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{EndCause, Fact, Oddity, PhaseName};
use futures_util::future::join_all;
use gateway::carrier_kind::CarrierKind;
use lab::faults::{Faults, Garbage, What, When};
use lab::phone::Happening;
use tokio_tungstenite::tungstenite::Message;

use super::Line;
use super::bare::Bare;
use super::lines::{Dialled, Exchange};
use super::withstand::{GREETING, all_is_let_go, count_live};
use crate::world::{Setup, agent, eventually, find, happens, heard, receipt, spoken};

#[tokio::test]
async fn what_cannot_be_understood_is_counted_and_the_call_goes_on() {
    let exchange = Exchange::open(Setup::with(agent(""))).await;
    let world = &exchange.world;

    join_all(exchange.lines().into_iter().map(async |line| {
        let mut bare = Bare::open(world, line).await;
        let silence = bare.silence();
        bare.media(&silence).await;
        bare.start().await;
        let live = world.live_on(line.carrier.name(), &bare.call).await;
        eventually("the agent is there", || live.phase() == PhaseName::Talking).await;

        for text in ["", "{", "[]", "null", r#"{"event":7}"#, r#"{"event":"media"}"#] {
            bare.text(text).await;
        }
        bare.text(r#"{"event":"weather","sky":"clear"}"#).await;
        bare.text(format!(r#"{{"event":"padding","padding":"{}"}}"#, "x".repeat(60_000))).await;
        bare.media_of("!!! not base64 ===").await;
        bare.media_of(&STANDARD.encode([0x7f; 48_000])).await;
        bare.foreign_media().await;
        bare.start().await;
        bare.foreign_mark().await;
        // Some carriers send sound this way; from the others it is no message.
        bare.send(Message::binary(silence.clone())).await;
        bare.media(&silence).await;
        let foreign_marks =
            || count_live(&live, |fact| matches!(fact, Fact::Odd { oddity: Oddity::ForeignMark, .. }));
        eventually("the mark is taken", || foreign_marks() == 1).await;
        bare.stop().await;
        let record = world.record(&bare.call).await;

        assert_eq!(record.end, EndCause::CallerHungUp, "{line:?}");
        let odd = receipt(&record).tally.oddities;
        for kind in [
            "bad_audio",
            "before_start",
            "foreign_mark",
            "malformed",
            "repeated",
            "too_large",
            "unknown_message",
            "wrong_stream",
        ] {
            assert!(odd.contains_key(&format!("caller.{kind}")), "{line:?}, {kind}: {odd:?}");
        }
        let expected = if line.carrier == CarrierKind::Mcube { 6 } else { 7 };
        assert_eq!(odd["caller.malformed"], expected, "{line:?}: {odd:?}");
        assert_eq!(odd["caller.unknown_message"], 2, "{line:?}: {odd:?}");
    }))
    .await;

    all_is_let_go(world).await;
}

/// What goes wrong, and the names under which it may be counted; none where nobody can tell.
fn misfortunes(line: Line) -> Vec<(When, What, &'static [&'static str])> {
    // Without numbers nobody can tell that a message came twice, or late.
    let numbered = line.carrier != CarrierKind::Mcube;
    let (swapped, binary): (&[_], &[_]) =
        if numbered { (&["out_of_order"], &["malformed"]) } else { (&[], &[]) };
    vec![
        (When::Always, What::Duplicate, &["repeated"]),
        (When::AfterMessages(4), What::OutOfOrder, swapped),
        (When::AfterMessages(5), What::Garbage(Garbage::Json), &["malformed"]),
        // It goes by the number of another message.
        (When::AfterMessages(6), What::Garbage(Garbage::Base64), &["bad_audio", "repeated"]),
        (When::AfterMessages(7), What::Garbage(Garbage::OddAudio), &[]),
        (When::AfterMessages(8), What::Garbage(Garbage::Binary), binary),
        (When::AfterMessages(9), What::Garbage(Garbage::UnknownEvent), &["unknown_message"]),
        (When::AfterMessages(10), What::Garbage(Garbage::Huge(50_000)), &["unknown_message"]),
        (When::BeforeMetadata, What::Garbage(Garbage::Audio), &["before_start"]),
    ]
}

#[tokio::test]
async fn a_carrier_that_garbles_doubles_and_swaps_still_carries_the_conversation() {
    let mut setup = Setup::with(agent(GREETING));
    setup.config.agents.elevenlabs.slots = 40;
    let exchange = Exchange::open(setup).await;
    let calls = exchange.lines().into_iter().flat_map(|line| {
        misfortunes(line).into_iter().map(move |(when, what, kinds)| (line, when, what, kinds))
    });

    join_all(calls.map(async |(line, when, what, kinds)| {
        let told = format!("{line:?}, {what:?}");
        let faults = Faults::one(when, what.clone());
        let call = exchange.call(line, Dialled { faults, ..Dialled::default() });
        happens(&call, &format!("{told}: the greeting is over"), |what| *what == Happening::AgentSpeechEnded)
            .await;
        call.hang_up().await;
        let (report, record) = exchange.world.over(call).await;

        assert_eq!(record.end, EndCause::CallerHungUp, "{told}");
        assert!(find(&spoken(GREETING), &report.heard.samples).is_some(), "{told}: heard in full");
        assert_eq!(heard(&report, &[GREETING]), [0], "{told}");
        assert!(report.warnings.is_empty(), "{told}: {:?}", report.warnings);
        let odd = receipt(&record).tally.oddities;
        let counted = kinds.iter().any(|kind| odd.contains_key(&format!("caller.{kind}")));
        assert!(counted || kinds.is_empty(), "{told}: {odd:?}");
    }))
    .await;

    all_is_let_go(&exchange.world).await;
}
