//! Which gateway is called: one that runs, or one that is started for this call alone.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use tracing_subscriber::util::SubscriberInitExt;
use url::Url;
use wire::Secret;

use super::Words;
use super::api::{Api, Trouble};
use super::screen::Screen;
use crate::carrier_kind::CarrierKind;
use crate::cli::serve::{LAB_TOKEN_FILE, page_address};
use crate::config::{AgentKind, Config, Loaded};
use crate::ops::logs::{self, LogGuard};
use crate::outward::rustls_config;
use crate::serve::{self, Serving};

/// Nobody calls for longer than this at the end of a call.
const DRAIN: Duration = Duration::from_secs(1);

pub(super) struct Place {
    url: Url,
    api: Api,
    token: Option<Secret>,
    /// Proves that a pretended carrier is one, where the gateway has given out such a token.
    lab_token: Option<Secret>,
    own: Option<Own>,
}

/// A gateway in this very process.
struct Own {
    serving: Serving,
    _logs: Option<LogGuard>,
}

impl Place {
    pub(super) async fn find(
        asked: Option<&Url>,
        token: Option<&str>,
        loaded: &Loaded,
        screen: &Screen,
    ) -> Result<Place, Words> {
        let config = &loaded.config;
        let token = token.map(Secret::new).or_else(|| config.server.api_token.clone());
        let tls = rustls_config(config.server.extra_ca_file.as_deref()).map_err(|error| error.to_string())?;
        let (url, may_start) = match asked {
            Some(url) => (url.clone(), false),
            None => (here(config.server.listen)?, true),
        };
        let api = Api::new(&url, token.clone(), &tls)?;
        let shown = url.as_str().trim_end_matches('/');
        match api.status().await {
            Err(Trouble::Unreachable(_)) if may_start => {
                screen.line(&format!(
                    "No gateway runs at {shown}, so one is started for this call, with the same configuration."
                ));
                Place::start(config.clone(), token).await
            }
            Err(Trouble::Unreachable(why)) => Err(format!(
                "nothing answers at {shown} ({why}); start a gateway there with `trunkline`, or leave out --url and one \
                 is started for the call"
            )),
            Err(Trouble::Unauthorised) => Err(format!(
                "the gateway at {shown} {} token; give it with --token, or set TRUNKLINE__SERVER__API_TOKEN",
                if token.is_some() { "does not accept this API" } else { "wants its API" }
            )),
            // A gateway that does not tell its status may still take calls; if it does not, the call will say why.
            Ok(_) | Err(Trouble::Other(_)) => {
                let lab_token = lab_token(&url, config);
                Ok(Place { url, api, token, lab_token, own: None })
            }
        }
    }

    async fn start(mut config: Config, token: Option<Secret>) -> Result<Place, Words> {
        let tls = rustls_config(config.server.extra_ca_file.as_deref()).map_err(|error| error.to_string())?;
        let guard = quiet_logs(&config);
        let address = free_address().map_err(|error| format!("no port is free on 127.0.0.1: {error}"))?;
        config.server.listen = address;
        let bytes: [u8; 24] = rand::random();
        let lab_token = Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let drops = guard.as_ref().map(LogGuard::drops).unwrap_or_default();
        let serving = Box::pin(serve::start(config, drops, Some(lab_token.clone())))
            .await
            .map_err(|error| error.to_string())?;
        let url = here(serving.address)?;
        let api = Api::new(&url, token.clone(), &tls)?;
        Ok(Place { url, api, token, lab_token: Some(lab_token), own: Some(Own { serving, _logs: guard }) })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    pub(super) fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    pub(super) fn lab_token(&self) -> Option<&Secret> {
        self.lab_token.as_ref()
    }

    /// Whether the gateway goes when the call is over.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Whether the built-in agent will answer, as far as the gateway says.
    pub(super) async fn is_built_in_agent(
        &self,
        bot: Option<&str>,
        carrier: CarrierKind,
        number: Option<&str>,
        loaded: &Loaded,
    ) -> Result<bool, Words> {
        let config = &loaded.config;
        if self.is_own() || config.line(Some(carrier), number).is_some() {
            let of_line = config.bot_on(carrier, number).map(|bot| bot.name.as_str());
            return match config.bots.iter().find(|known| Some(known.name.as_str()) == bot.or(of_line)) {
                Some(bot) => Ok(bot.agent == AgentKind::Demo),
                None => Err(no_such_bot(bot, config.bots.iter().map(|bot| bot.name.as_str()))),
            };
        }
        let Ok(status) = self.api.status().await else { return Ok(false) };
        let name = bot.unwrap_or(&status.default_bot);
        match status.bots.iter().find(|known| known.name == name) {
            Some(bot) => Ok(bot.agent == AgentKind::Demo.name()),
            None if bot.is_some() => Err(no_such_bot(bot, status.bots.iter().map(|bot| bot.name.as_str()))),
            None => Ok(false),
        }
    }

    /// Takes down what was started.
    pub(super) async fn leave(self) {
        if let Some(own) = self.own {
            own.serving.drain(DRAIN).await;
        }
    }
}

fn no_such_bot<'a>(asked: Option<&str>, known: impl Iterator<Item = &'a str>) -> Words {
    let known: Vec<&str> = known.collect();
    format!("the gateway has no bot named `{}`; it has: {}", asked.unwrap_or_default(), known.join(", "))
}

/// A gateway's address as people write it: without a scheme it is http.
pub(super) fn address_of(written: &str) -> Result<Url, Words> {
    let written = written.trim();
    let whole = if written.contains("://") { written.to_owned() } else { format!("http://{written}") };
    let url = Url::parse(&whole).map_err(|error| format!("{error}; write it like http://127.0.0.1:7900"))?;
    usable(&url)
}

fn usable(url: &Url) -> Result<Url, Words> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("{url} is no address of a gateway; write it like http://127.0.0.1:7900"));
    }
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn here(address: SocketAddr) -> Result<Url, Words> {
    Url::parse(&page_address(address)).map_err(|error| format!("{address} makes no address: {error}"))
}

/// The address below the gateway's own, whether or not it has a path in front.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let whole = format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/'));
    url.set_path(&whole);
    url
}

/// A gateway that listens on this machine alone leaves a token for us in its data folder.
fn lab_token(url: &Url, config: &Config) -> Option<Secret> {
    let is_here = match url.host()? {
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
        url::Host::Domain(name) => name == "localhost",
    };
    let text = is_here.then(|| std::fs::read_to_string(config.server.data_dir.join(LAB_TOKEN_FILE)))?.ok()?;
    Some(Secret::new(text.trim())).filter(|token| !token.is_empty())
}

/// The gateway's own log goes to its file; the terminal belongs to the call.
fn quiet_logs(config: &Config) -> Option<LogGuard> {
    let file = config.log.file_in(&config.server)?;
    let rust_log = std::env::var("RUST_LOG").ok();
    let (subscriber, guard) =
        logs::build(&config.log, Some(file), rust_log.as_deref(), Box::new(std::io::sink()));
    // Fails only where somebody logs already, and then there is nothing to be done.
    subscriber.try_init().ok()?;
    Some(guard)
}

/// A port that nobody uses at this moment. The configuration needs to know it before the gateway listens.
pub(in crate::cli) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateways_address_needs_no_scheme() {
        let read = |written| address_of(written).map(|url| url.to_string());

        assert_eq!(read("127.0.0.1:7955").as_deref(), Ok("http://127.0.0.1:7955/"));
        assert_eq!(read("localhost:7955").as_deref(), Ok("http://localhost:7955/"));
        assert_eq!(read("[::1]:7955").as_deref(), Ok("http://[::1]:7955/"));
        assert_eq!(read("https://voice.example.com/gw?x#y").as_deref(), Ok("https://voice.example.com/gw"));
        for wrong in ["", "ftp://127.0.0.1", "127.0.0.1:port", "http://"] {
            assert!(read(wrong).is_err_and(|words| words.contains("write it like http://")), "{wrong}");
        }
    }
}
