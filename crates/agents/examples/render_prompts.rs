//! Renders the sentences of `assets/demo/prompts.txt` into `assets/demo/prompts.bin`.
//!
//! ```text
//! cargo run -p agents --example render_prompts [-- [--voice slt] [--wav folder] [--check]]
//! ```
//!
//! Needs Flite. `--wav` writes each sentence as a WAV file as well, to listen to; `--check` writes nothing and says
//! whether the bundle would change. Every sentence is cut to its speech, brought to the same loudness and faded at both
//! ends, so that words can be put together to sentences.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use agents::prompts::bundle::{self, Entry};
use audio::{Frame, adpcm, level, wav};

/// Loudness of the spoken parts. Agents speak about as loud, and telephone networks are planned for it.
const LOUDNESS_DBFS: f32 = -20.0;

/// No sample comes closer to full scale than this.
const PEAK_MAX_DBFS: f32 = -3.0;

/// Quieter than this, below the loudest part, is no speech.
const QUIET_DB: f32 = 35.0;

/// What is kept before and after the speech: voiceless sounds begin and end below the threshold.
const MARGIN_MS: usize = 30;

const FADE_MS: usize = 10;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("render_prompts: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut voice = "slt".to_owned();
    let mut wav_folder: Option<PathBuf> = None;
    let mut check = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--voice" => voice = arguments.next().ok_or("--voice needs a name")?,
            "--wav" => wav_folder = Some(arguments.next().ok_or("--wav needs a folder")?.into()),
            "--check" => check = true,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }

    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    let list = std::fs::read_to_string(assets.join("prompts.txt"))?;
    let scratch = std::env::temp_dir().join(format!("prompt-{}.wav", std::process::id()));
    let mut rendered = Vec::new();
    for (id, text) in bundle::sentences(&list) {
        let frame = polish(synthesise(&voice, text, &scratch)?);
        println!(
            "{id:<14} {:>5.2} s  speech {:>6.1} dBFS  peak {:>6.1} dBFS",
            frame.duration().as_secs_f32(),
            loudness_dbfs(&frame),
            level::peak_dbfs(&frame.samples),
        );
        if let Some(folder) = &wav_folder {
            std::fs::create_dir_all(folder)?;
            std::fs::write(folder.join(format!("{id}.wav")), wav::write(&frame))?;
        }
        rendered.push((id, text, adpcm::encode(&frame)));
    }
    std::fs::remove_file(&scratch)?;

    let entries = rendered.iter().map(|(id, text, sound)| Entry { id, text, sound });
    let bytes = bundle::write(entries).ok_or("an id or a text is too long")?;
    let target = assets.join("prompts.bin");
    if check {
        let same = std::fs::read(&target).is_ok_and(|present| present == bytes);
        println!("{}", if same { "the bundle is up to date" } else { "the bundle would change" });
        return if same {
            Ok(())
        } else {
            Err("prompts.bin does not come from this prompts.txt and voice".into())
        };
    }
    std::fs::write(&target, &bytes)?;
    println!("{} sentences, {} KiB in {}", rendered.len(), bytes.len() / 1024, target.display());
    Ok(())
}

fn synthesise(voice: &str, text: &str, scratch: &Path) -> Result<Frame, Box<dyn Error>> {
    let status = Command::new("flite")
        .args(["-voice", voice, "-t", text, "-o"])
        .arg(scratch)
        .status()
        .map_err(|problem| format!("cannot run `flite` ({problem}); install it first"))?;
    if !status.success() {
        return Err(format!("`flite` failed on {text:?}").into());
    }
    Ok(wav::read(&std::fs::read(scratch)?)?)
}

/// Speech only, at the common loudness, with soft ends.
fn polish(mut frame: Frame) -> Frame {
    let ms = frame.rate.hz() as usize / 1000;
    let windows: Vec<f32> = frame.samples.chunks(10 * ms).map(level::rms_dbfs).collect();
    let loudest = windows.iter().copied().fold(f32::MIN, f32::max);
    let is_speech = |window: &f32| *window > loudest - QUIET_DB;
    let first = windows.iter().position(is_speech).unwrap_or(0) * 10 * ms;
    let last = windows.iter().rposition(is_speech).map_or(frame.samples.len(), |at| (at + 1) * 10 * ms);
    let start = first.saturating_sub(MARGIN_MS * ms);
    let end = (last + MARGIN_MS * ms).min(frame.samples.len());
    frame.samples = frame.samples[start..end].to_vec();

    let wanted_db = LOUDNESS_DBFS - loudness_dbfs(&frame);
    let allowed_db = PEAK_MAX_DBFS - level::peak_dbfs(&frame.samples);
    let gain = 10f32.powf(wanted_db.min(allowed_db) / 20.0);
    let (length, fade) = (frame.samples.len(), FADE_MS * ms);
    for (at, sample) in frame.samples.iter_mut().enumerate() {
        let edge = (at.min(length - 1 - at) as f32 / fade as f32).min(1.0);
        *sample = (f32::from(*sample) * gain * edge).round() as i16;
    }
    frame
}

/// Level of the parts in which there is speech: pauses would make a slow sentence louder than a quick one.
fn loudness_dbfs(frame: &Frame) -> f32 {
    let window = frame.rate.hz() as usize / 50;
    let loudest = frame.samples.chunks(window).map(level::rms_dbfs).fold(f32::MIN, f32::max);
    let spoken: Vec<i16> = frame
        .samples
        .chunks(window)
        .filter(|samples| level::rms_dbfs(samples) > loudest - 25.0)
        .flatten()
        .copied()
        .collect();
    level::rms_dbfs(&spoken)
}
