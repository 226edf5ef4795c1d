//! `[server]`, `[limits]` and `[log]`: what the program itself needs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::Url;
use wire::Secret;

use super::keys::{Kind, leaf, section};

section! {
    /// Where the gateway listens, under which address the world reaches it, and who may use its API.
    pub struct Server {
        /// Address and port to listen on. On anything but a loopback address the API and the console need
        /// `server.api_token`. The variable `PORT`, which hosting platforms set, changes the port alone; with
        /// `server.api_token` set, or on Render, it also listens on all addresses, as those platforms expect.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 7900)),
        /// The address under which carriers reach this gateway, with `https://` and without a path unless a proxy adds
        /// one. Webhook signatures are checked against it and media addresses are made from it, so it must be exactly
        /// what the carrier is told. Plain `http` only towards loopback.
        /// Example: `"https://voice.example.com"`
        public_url: Option<Url> = None,
        /// Reverse proxies whose `X-Forwarded-For` is believed. Empty: nobody's; the peer's own address counts.
        /// Example: `["10.0.0.0/8"]`
        trusted_proxies: Vec<IpNet> = Vec::new(),
        /// The bearer token of the API, the console and the metrics; at least 16 characters. Required as soon as
        /// `server.listen` is not a loopback address. Make one with `openssl rand -hex 24`.
        /// Example: `"make-one-with-openssl-rand"`
        api_token: Option<Secret> = None,
        /// Web pages of other origins that may use the API, such as `https://desk.example.com`. Empty: none.
        /// Example: `["https://desk.example.com"]`
        cors_origins: Vec<String> = Vec::new(),
        /// How long live calls may go on after SIGTERM before they are ended politely, in seconds. Keep it below the time
        /// after which your platform kills the process.
        drain_s: u32 = 30,
        /// Where call records and logs are kept. Created when missing.
        data_dir: PathBuf = PathBuf::from("data"),
        /// Threads that carry calls. 0: one per core less one, and at least one.
        media_threads: u16 = 0,
        /// How long a media thread waits, in microseconds, so that it finds several sockets ready at once. More saves
        /// CPU at many calls and adds this much delay at most; 0 serves every frame at once.
        gather_us: u32 = 500,
        /// The most connections open at a time, media sockets included. Beyond it new ones are closed at once.
        connections_max: u32 = 4_096,
        /// A file with further certificate authorities (PEM) to trust beside the public ones, for providers behind a
        /// private authority.
        /// Example: `"/etc/ssl/private-ca.pem"`
        extra_ca_file: Option<PathBuf> = None,
    }
}

section! {
    /// Bounds on what comes from outside. Whatever is beyond them is refused and counted, never queued.
    pub struct Limits {
        /// The most calls at a time. The next caller hears that all lines are busy.
        calls: u32 = 50,
        /// New calls a minute from one network address (the carrier's own addresses count as one each, so keep it above
        /// what a busy hour brings). 0: no limit.
        calls_per_minute_per_address: u32 = 600,
        /// New calls a minute from one caller's number. 0: no limit.
        calls_per_minute_per_caller: u32 = 30,
        /// API requests a minute from one network address. 0: no limit.
        api_requests_per_minute_per_address: u32 = 600,
        /// The largest message a carrier may send over a media socket, in bytes.
        carrier_message_bytes: usize = 65_536,
        /// The largest message an agent may send, in bytes. Some providers send many seconds of speech at once.
        agent_message_bytes: usize = 16_777_216,
        /// The largest body of a webhook or API request, in bytes.
        request_bytes: usize = 262_144,
        /// How long a new connection may take to send its request, in milliseconds.
        request_header_ms: u32 = 10_000,
        /// How long a media socket that carried no token in its upgrade may take to show one, in milliseconds.
        token_ms: u32 = 10_000,
        /// Listeners of the event stream at a time.
        event_listeners: u32 = 64,
    }
}

section! {
    /// What is written down about the program's doings, and where.
    pub struct Log {
        /// How much is told: `error`, `warn`, `info`, `debug` or `trace`, or a list per part such as
        /// `info,gateway=debug`. The variable `RUST_LOG` goes before it.
        level: String = "info".to_owned(),
        /// How a line looks: `text` for people, `json` for machines.
        format: LogFormat = LogFormat::Text,
        /// The log file. Default: `logs/trunkline.log` in `server.data_dir`. `none`: no file, the console alone.
        /// Example: `"/var/log/trunkline/trunkline.log"`
        file: Option<PathBuf> = None,
        /// The log file is set aside and begun anew beyond this size, in bytes.
        file_bytes: u64 = 2_097_152,
        /// How many log files are kept beside the present one.
        files: u32 = 10,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

leaf! { LogFormat => Kind::Choice(&["text", "json"]) }

impl Server {
    /// The address of a path of ours as the world knows it.
    pub fn public(&self, path: &str) -> Option<String> {
        let base = self.public_url.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{base}{path}"))
    }

    /// Threads that carry calls, on a machine with so many cores.
    pub fn media_threads_on(&self, cores: usize) -> usize {
        match self.media_threads {
            0 => cores.saturating_sub(1).max(1),
            threads => usize::from(threads),
        }
    }
}

impl Log {
    /// Where the log file is, if there is to be one.
    pub fn file_in(&self, server: &Server) -> Option<PathBuf> {
        match &self.file {
            None => Some(server.data_dir.join("logs").join("trunkline.log")),
            Some(path) if path.as_os_str().is_empty() || path.as_os_str() == "none" => None,
            Some(path) => Some(path.clone()),
        }
    }
}
