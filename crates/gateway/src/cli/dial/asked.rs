//! What `trunkline dial` can be asked for, and what does not go together.

use std::path::PathBuf;

use audio::Rate;
use call::{Encoding, Sound};
use clap::{Args, ValueEnum};
use url::Url;

use super::{Words, place};
use crate::carrier_kind::CarrierKind;

#[derive(Debug, Args)]
pub(in crate::cli) struct Asked {
    /// Whose protocol to speak. A carrier is pretended: it asks the gateway where the real one would ask, with the proof
    /// that the real one would show, and streams media as the real one does.
    #[arg(long, value_enum, default_value_t = Carrier::Browser)]
    pub(super) carrier: Carrier,
    /// The gateway to call, as http://host:port or host:port [default: the address that this configuration listens on,
    /// or --listen names; where no gateway runs there, one is started for the call].
    #[arg(long, value_name = "URL", value_parser = place::address_of)]
    pub(super) url: Option<Url>,
    /// The bot to talk to [default: the gateway's default bot]. Over a carrier the called number decides; Exotel can name
    /// one all the same, and so can Mcube with --socket.
    #[arg(long, value_name = "NAME")]
    pub(super) bot: Option<String>,
    /// The gateway's API token [default: server.api_token of this configuration].
    #[arg(long, value_name = "TOKEN")]
    pub(super) token: Option<String>,
    /// What the caller says, as a WAV file [default: a bundled question about opening hours].
    #[arg(long, value_name = "FILE")]
    pub(super) wav: Option<PathBuf>,
    /// Speak over the agent's answer.
    #[arg(long)]
    pub(super) interrupt: bool,
    /// Keys to press after the answer, one after the other.
    #[arg(long, value_name = "KEYS")]
    pub(super) digits: Option<String>,
    /// Hang up after so many seconds at the latest [default: long enough for the conversation, and a minute more].
    #[arg(long, value_name = "SECONDS")]
    pub(super) seconds: Option<u64>,
    /// Where to write what the caller heard [default: trunkline-heard.wav; with several calls: nowhere].
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// So many callers at once, and a table of what they met with.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) calls: u16,
    /// The caller's number, over a carrier [default: one that is nobody's]; further callers count up from it.
    #[arg(long, value_name = "NUMBER")]
    pub(super) from: Option<String>,
    /// The called number, over a carrier [default: the carrier's phone_number, or the first of its lines, or one that has
    /// no line].
    #[arg(long, value_name = "NUMBER")]
    pub(super) to: Option<String>,
    /// Go straight to the media socket, without asking for it: what Exotel does with an applet whose URL is the socket's,
    /// and Mcube without a webhook.
    #[arg(long)]
    pub(super) socket: bool,
    /// The form of the sound, where the carrier decides it: Mcube, and Exotel with --socket. `mulaw-8000`, `pcm16-16000`.
    #[arg(long, value_name = "FORM", value_parser = sound)]
    pub(super) sound: Option<Sound>,
    /// The summary alone.
    #[arg(long)]
    pub(super) quiet: bool,
    /// The summary as JSON on the standard output, everything else on the standard error output.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Carrier {
    /// The gateway's own page as a telephone.
    Browser,
    /// Twilio: a signed webhook answered with TwiML, and media streams.
    Twilio,
    /// Plivo: a signed answer URL answered with XML, and audio streams.
    Plivo,
    /// Exotel: a flow with a Voicebot applet that asks where the bot is, and what comes after it.
    Exotel,
    /// Mcube: a webhook that names the media socket.
    Mcube,
}

impl Carrier {
    pub(super) fn kind(self) -> CarrierKind {
        match self {
            Carrier::Browser => CarrierKind::Browser,
            Carrier::Twilio => CarrierKind::Twilio,
            Carrier::Plivo => CarrierKind::Plivo,
            Carrier::Exotel => CarrierKind::Exotel,
            Carrier::Mcube => CarrierKind::Mcube,
        }
    }
}

impl Asked {
    /// Whether all of it can be had at once.
    pub(super) fn check(&self) -> Result<(), Words> {
        let kind = self.carrier.kind();
        let title = kind.table().title;
        if self.socket && !matches!(kind, CarrierKind::Exotel | CarrierKind::Mcube) {
            return Err("--socket goes with --carrier exotel and --carrier mcube: calls of the others always ask for \
                        their media socket"
                .to_owned());
        }
        let may_name_bot = match kind {
            CarrierKind::Browser | CarrierKind::Exotel => true,
            CarrierKind::Mcube => self.socket,
            CarrierKind::Twilio | CarrierKind::Plivo => false,
        };
        if self.bot.is_some() && !may_name_bot {
            let besides =
                if kind == CarrierKind::Mcube { ", go straight to the socket with --socket" } else { "" };
            return Err(format!(
                "with {title}'s protocol the called number decides which bot answers; name one of your lines with \
                 --to{besides}, or leave out --carrier {}",
                kind.name()
            ));
        }
        let Some(sound) = self.sound else { return Ok(()) };
        match kind {
            CarrierKind::Mcube => {}
            CarrierKind::Exotel if self.socket => {}
            CarrierKind::Exotel => {
                return Err("the gateway names the rate of the sound when Exotel asks for the socket: see \
                            carriers.exotel.sample_rate, or add --socket"
                    .to_owned());
            }
            CarrierKind::Plivo => {
                return Err("the gateway tells Plivo the form of the sound: see carriers.plivo.content_type"
                    .to_owned());
            }
            CarrierKind::Twilio | CarrierKind::Browser => {
                return Err(format!("{title}'s sound has one form only; leave out --sound"));
            }
        }
        let sounds = kind.table().sounds;
        if !sounds.contains(&sound) {
            let known: Vec<Words> = sounds.iter().map(|sound| written(*sound)).collect();
            return Err(format!(
                "{title} does not carry {}; it carries {}",
                written(sound),
                known.join(", ")
            ));
        }
        Ok(())
    }
}

fn written(sound: Sound) -> Words {
    let encoding = match sound.encoding {
        Encoding::Mulaw => "mulaw",
        Encoding::Pcm16 => "pcm16",
    };
    format!("{encoding}-{}", sound.rate.hz())
}

fn sound(written: &str) -> Result<Sound, Words> {
    let read = || {
        let (encoding, hertz) = written.split_once(['-', '_'])?;
        let encoding = match encoding {
            "mulaw" | "ulaw" => Encoding::Mulaw,
            "pcm16" | "pcm" => Encoding::Pcm16,
            _ => return None,
        };
        let hertz: u32 = hertz.parse().ok()?;
        let rate = Rate::ALL.into_iter().find(|rate| rate.hz() == hertz)?;
        Some(Sound { encoding, rate })
    };
    read().ok_or_else(|| "write it like mulaw-8000 or pcm16-16000".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Dial {
        #[command(flatten)]
        asked: Asked,
    }

    fn check(args: &str) -> Result<(), Words> {
        let args = ["dial"].into_iter().chain(args.split_whitespace());
        Dial::try_parse_from(args).map_err(|error| error.to_string())?.asked.check()
    }

    #[test]
    fn what_goes_together_is_taken() {
        for fine in [
            "",
            "--bot b",
            "--carrier twilio",
            "--carrier plivo --to +14155550100",
            "--carrier exotel --bot b",
            "--carrier exotel --socket --bot b --sound pcm16-24000",
            "--carrier exotel --socket --sound mulaw-8000",
            "--carrier mcube --sound mulaw-16000",
            "--carrier mcube --socket --bot b --sound pcm_16000",
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
    }

    #[test]
    fn what_does_not_is_refused_with_a_way_out() {
        for (wrong, words) in [
            ("--carrier nobody", "twilio, plivo, exotel, mcube"),
            ("--carrier twilio --bot b", "name one of your lines with --to, or leave out --carrier twilio"),
            ("--carrier mcube --bot b", "straight to the socket with --socket"),
            ("--carrier plivo --socket", "--carrier exotel and --carrier mcube"),
            ("--sound mulaw-8000", "one form only"),
            ("--carrier plivo --sound pcm16-16000", "carriers.plivo.content_type"),
            ("--carrier exotel --sound pcm16-16000", "carriers.exotel.sample_rate"),
            (
                "--carrier mcube --sound pcm16-24000",
                "it carries mulaw-8000, mulaw-16000, pcm16-8000, pcm16-16000",
            ),
            ("--carrier mcube --sound mp3", "write it like mulaw-8000"),
            ("--carrier mcube --sound pcm16-12345", "write it like mulaw-8000"),
        ] {
            let said = check(wrong).unwrap_err();
            assert!(said.contains(words), "{wrong}: {said}");
        }
    }
}
