//! Golden audio: what the caller hears is what the agent said, on every line and from every format of the agent.

use std::time::Duration;

use audio::resample::Resampler;
use audio::{Rate, level};
use call::{Encoding, ShortPiece};
use futures_util::future::join_all;
use lab::caller::Caller;
use lab::elevenlabs::Format;
use lab::voice;

use super::Line;
use crate::world::{Setup, agent, eventually, on_the_phone};

const SPEECH: &str = "We are open from nine.";

const FORMATS: [(Format, Rate); 3] =
    [(Format::Ulaw8000, Rate::Hz8000), (Format::Pcm16000, Rate::Hz16000), (Format::Pcm24000, Rate::Hz24000)];

#[tokio::test]
async fn what_the_caller_hears_is_what_the_agent_said() {
    for (format, rate) in FORMATS {
        // A few at a time: what is measured is what the calls do, not what a machine does that has too many at once.
        for lines in Line::all().chunks(6) {
            join_all(lines.iter().map(|line| listen(*line, format, rate))).await;
        }
    }
}

async fn listen(line: Line, format: Format, rate: Rate) {
    let mut doc = agent(SPEECH);
    (doc.input_format, doc.output_format) = (format, format);
    let mut setup = Setup::with(doc);
    // Pieces that fit nothing.
    setup.platform.chunk = Duration::from_millis(130);
    let ring = Box::pin(line.ring(setup)).await;
    let call = ring.call(Caller::silent());
    let live = ring.world.live_on(line.carrier.name(), call.sid()).await;
    eventually("all is heard", || !live.turns().is_empty()).await;
    call.hang_up().await;
    let (report, _) = ring.world.over(call).await;
    let what = format!("{line:?} from {format:?}");
    assert!(report.warnings.is_empty(), "{what}: {:?}", report.warnings);

    let heard = &report.stream_heard;
    assert_eq!(heard.rate, line.rate, "{what}");
    let meant = as_carried(line, format, rate);

    // Every sample is there: what was sent lasts as long as what was said, and a piece is filled at the end at most.
    let table = line.carrier.table();
    let filled = match table.short_piece {
        ShortPiece::Allowed => Duration::from_millis(20),
        ShortPiece::Filled => Duration::from_millis(410),
    };
    let length = voice::duration(SPEECH);
    let received = report.media.received;
    assert!(
        received + Duration::from_millis(3) >= length && received <= length + filled,
        "{what}: {received:?}"
    );

    let began = heard.samples.iter().position(|sample| sample.unsigned_abs() > 40).expect("some sound");
    let reach = line.rate.samples_in(Duration::from_millis(30)) as usize;
    let best = (began.saturating_sub(reach)..began + reach)
        .filter(|at| at + meant.len() <= heard.samples.len())
        .map(|at| (correlation(&meant, &heard.samples[at..at + meant.len()]), at))
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let (likeness, at) = best.unwrap_or_else(|| panic!("{what}: too little was heard"));
    assert!(likeness > 0.99, "{what}: {likeness}");
    let heard = &heard.samples[at..at + meant.len()];
    let (ours, theirs) = (level::rms_dbfs(heard), level::rms_dbfs(&meant));
    assert!((ours - theirs).abs() < 0.3, "{what}: {ours} dBFS for {theirs}");
    // A gap or a click is local: it would drown in the sum, so each tenth of a second stands for itself.
    let tenth = line.rate.samples_in(Duration::from_millis(100)) as usize;
    for (number, (meant, heard)) in meant.chunks(tenth).zip(heard.chunks(tenth)).enumerate() {
        let loud = level::rms_dbfs(meant) > -45.0;
        let likeness = correlation(meant, heard);
        assert!(!loud || likeness > 0.96, "{what}, {} ms: {likeness}", number * 100);
        let (ours, theirs) = (steepest(heard), steepest(meant));
        assert!(
            ours <= theirs * 3 / 2 + 700,
            "{what}, {} ms: a click of {ours} where {theirs} is",
            number * 100
        );
    }
}

/// What the agent says, in the form in which this line can carry it at best.
fn as_carried(line: Line, format: Format, rate: Rate) -> Vec<i16> {
    let mut said = voice::speech(SPEECH, rate).samples;
    if format == Format::Ulaw8000 {
        said = on_the_phone(&said);
    }
    let mut carried = said;
    if rate != line.rate {
        let mut resampled = Vec::new();
        Resampler::new(rate, line.rate).process(&carried, &mut resampled);
        carried = resampled;
    }
    match line.encoding {
        Encoding::Mulaw => on_the_phone(&carried),
        Encoding::Pcm16 => carried,
    }
}

fn correlation(one: &[i16], other: &[i16]) -> f64 {
    let sum = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    sum(one, other) / (sum(one, one) * sum(other, other)).sqrt().max(1.0)
}

/// The largest step from one sample to the next.
fn steepest(samples: &[i16]) -> i32 {
    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}
