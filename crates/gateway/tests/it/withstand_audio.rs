//! What one side says is what the other hears: all of it, in order, and nothing else.

use std::time::Duration;

use audio::resample::Resampler;
use audio::{Rate, level};
use call::{EndCause, Fact};
use lab::caller::{Caller, Step, bundled_sample};
use lab::elevenlabs::{Act, Format};
use lab::faults::{What, When};
use lab::twilio::Happening;
use lab::voice;

use crate::world::{Setup, agent, eventually, find, happens, on_the_phone, receipt, soon, spoken};

const SPEECH: &str = "We are open on Mondays from nine to five.";

#[tokio::test]
async fn the_caller_hears_an_agent_that_speaks_like_a_telephone_sample_for_sample() {
    let mut setup = Setup::with(agent(SPEECH));
    // Pieces that fit nothing.
    setup.platform.chunk = Duration::from_millis(130);
    let world = setup.start().await;
    let call = world.call(Caller::silent());
    let live = world.live(call.sid()).await;
    eventually("all is heard", || !live.turns().is_empty()).await;
    call.hang_up().await;
    let (report, record) = world.over(call).await;

    let sound = spoken(SPEECH);
    let at = find(&sound, &report.heard.samples).expect("one piece, without a gap");
    let (before, after) = (&report.heard.samples[..at], &report.heard.samples[at + sound.len()..]);
    assert!(before.iter().chain(after).all(|sample| *sample == 0), "and nothing beside it");
    assert_eq!(report.media.played, voice::duration(SPEECH));
    assert_eq!(receipt(&record).tally.heard_ms, voice::duration(SPEECH).as_millis() as u64);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
}

#[tokio::test]
async fn the_caller_hears_an_agent_of_another_rate_without_gaps_and_clicks() {
    let mut doc = agent(SPEECH);
    (doc.input_format, doc.output_format) = (Format::Pcm16000, Format::Pcm16000);
    let mut setup = Setup::with(doc);
    setup.platform.chunk = Duration::from_millis(130);
    let world = setup.start().await;
    let call = world.call(Caller::silent());
    let live = world.live(call.sid()).await;
    eventually("all is heard", || !live.turns().is_empty()).await;
    call.hang_up().await;
    let (report, _) = world.over(call).await;

    let length = voice::duration(SPEECH);
    assert!(report.media.received.abs_diff(length) <= Duration::from_millis(20), "{:?}", report.media);
    let mut meant = Vec::new();
    let mut resampler = Resampler::new(Rate::Hz16000, Rate::Hz8000);
    resampler.process(&voice::speech(SPEECH, Rate::Hz16000).samples, &mut meant);
    let meant = on_the_phone(&meant);
    let heard = &report.heard.samples;
    let began = heard.iter().position(|sample| *sample != 0).unwrap();
    let best = (began.saturating_sub(200)..began + 200)
        .filter(|at| at + meant.len() <= heard.len())
        .map(|at| (correlation(&meant, &heard[at..at + meant.len()]), at))
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let (likeness, at) = best.unwrap();
    assert!(likeness > 0.995, "{likeness}");
    // A gap or a click is local: it would drown in the sum, so each piece stands for itself.
    for (number, (meant, heard)) in meant.chunks(800).zip(heard[at..].chunks(800)).enumerate() {
        let loud = level::rms_dbfs(meant) > -45.0;
        let likeness = correlation(meant, heard);
        assert!(!loud || likeness > 0.97, "{} ms: {likeness}", number * 100);
    }
}

#[tokio::test]
async fn the_agent_hears_every_sample_of_the_caller() {
    let world = Setup::with(agent("")).start().await;
    let call = world.call(Caller {
        noise_dbfs: Some(-50.0),
        ..Caller::with_steps(vec![Step::Wait(Duration::from_millis(300)), Step::Speak(bundled_sample())])
    });
    let lasting = bundled_sample().samples.len() + 8_000;
    soon(
        "the sentence is over",
        world.platform.session_when(0, |session| session.audio.samples.len() > lasting),
    )
    .await;
    call.hang_up().await;
    let (report, record) = world.over(call).await;
    let session = soon("the session is over", world.platform.session_ended(0)).await;

    let (said, heard) =
        (without_silence(&on_the_phone(&report.spoken.samples)), without_silence(&session.audio.samples));
    let at = find(&heard, &said).expect("in one piece, unchanged");
    let missed = said.len() - heard.len() - at;
    assert!(at <= 8_000, "from the start of the media on, what came before the agent as well: {at}");
    assert!(missed <= 4_000, "up to the end, but for what was on its way: {missed}");
    assert_eq!(receipt(&record).tally.held_dropped, 0);
    assert_eq!(receipt(&record).tally.frames_in, report.media.frames_sent);
}

#[tokio::test]
async fn two_seconds_of_the_caller_survive_a_reconnect_under_comfort_sound() {
    let mut setup = Setup::with(agent("")).agent_faults([(When::At(Duration::from_millis(900)), What::Drop)]);
    setup.bot().call.reconnect.backoff_ms = 3_000;
    setup.bot().call.reconnect.jitter = 0.0;
    let world = setup.start().await;
    let call = world.call(Caller { noise_dbfs: Some(-50.0), ..Caller::silent() });

    soon(
        "the agent is back and hears",
        world.platform.session_when(1, |session| session.audio.samples.len() > 24_000),
    )
    .await;
    call.hang_up().await;
    let (report, record) = world.over(call).await;
    let (first, second) =
        (world.platform.session_ended(0).await, soon("the end", world.platform.session_ended(1)).await);

    let amount =
        |is_it: fn(&Fact) -> Option<u64>| record.ledger.iter().rev().find_map(|entry| is_it(&entry.fact));
    let delivered = amount(|fact| match fact {
        Fact::HeldAudioDelivered { chunks } => Some(*chunks),
        _ => None,
    });
    let dropped = amount(|fact| match fact {
        Fact::HeldAudioDropped { chunks } => Some(*chunks),
        _ => None,
    })
    .expect("more than two seconds were waited for");
    assert_eq!(delivered, Some(100));
    assert_eq!(receipt(&record).tally.held_dropped, dropped);
    let said = without_silence(&on_the_phone(&report.spoken.samples));
    let (before, after) = (without_silence(&first.audio.samples), without_silence(&second.audio.samples));
    let (began, resumed) =
        (find(&before, &said).expect("the first session"), find(&after, &said).expect("the second session"));
    let hole = resumed - (began + before.len());
    let expected = dropped as usize * 160;
    // Beside what was dropped on purpose, what was on its way to the agent that died.
    assert!(
        (expected..expected + 4_000).contains(&hole),
        "{hole} samples are missing, {expected} were dropped"
    );
    let bed: Vec<f32> =
        report.heard.samples.chunks(160).map(level::rms_dbfs).filter(|level| *level > -80.0).collect();
    let bed_ms = bed.len() as u64 * 20;
    assert!((2_500..=4_500).contains(&bed_ms), "{bed_ms} ms of comfort sound");
    let mean = bed.iter().sum::<f32>() / bed.len() as f32;
    assert!((-58.0..=-42.0).contains(&mean), "audible, and no louder: {mean} dBFS");
    assert_eq!(record.end, EndCause::CallerHungUp);
}

#[tokio::test]
async fn the_agents_speech_ends_where_the_comfort_sound_begins_and_not_before() {
    // All of the answer has come when its agent is lost; it is played to its end.
    let mut setup =
        Setup::with(agent(SPEECH)).agent_faults([(When::At(Duration::from_millis(700)), What::Drop)]);
    setup.bot().call.reconnect.backoff_ms = 3_500;
    let world = setup.start().await;
    let call = world.call(Caller::silent());

    happens(&call, "the speech is over", |what| *what == Happening::AgentSpeechEnded).await;
    soon("another session", world.platform.session_when(1, |session| session.initiation.is_some())).await;
    world.platform.act(1, Act::Say("There I am again.".into())).await;
    call.hang_up().await;
    let (report, record) = world.over(call).await;

    assert!(find(&spoken(SPEECH), &report.heard.samples).is_some());
    assert_eq!(record.turns[0].text, SPEECH);
    assert!(!record.turns[0].interrupted);
}

/// How alike two sounds are, 0 to 1.
fn correlation(one: &[i16], other: &[i16]) -> f64 {
    let dot = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt().max(1.0)
}

/// Takes out what no caller with a noisy line says: the silence that the gateway feeds an agent when the carrier is late,
/// as carriers on busy machines are.
fn without_silence(samples: &[i16]) -> Vec<i16> {
    let mut kept: Vec<i16> = Vec::with_capacity(samples.len());
    let mut run = 0;
    for sample in samples {
        kept.push(*sample);
        run = if *sample == 0 { run + 1 } else { 0 };
        if run == 400 {
            kept.truncate(kept.len() - run);
        } else if run > 400 {
            kept.pop();
        }
    }
    kept
}

#[test]
fn fed_silence_is_told_from_a_noisy_line() {
    let noisy: Vec<i16> = (0..2_000).map(|n| n % 7 + 1).collect();
    let fed = [&noisy[..1_001], &[0; 800][..], &noisy[1_001..]].concat();

    assert!(without_silence(&fed) == noisy);
    assert!(without_silence(&noisy) == noisy);
}
