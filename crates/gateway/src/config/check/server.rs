//! The program itself: reachable by whom, protected how, bounded by what.

use std::collections::BTreeSet;

use tracing_subscriber::EnvFilter;
use url::Url;

use super::{Check, is_loopback};

/// Shorter tokens can be guessed.
const TOKEN_CHARS_MIN: usize = 16;

impl Check<'_> {
    pub(super) fn server(&mut self) {
        let server = &self.config.server;
        if let Some(url) = &server.public_url {
            self.safe_url("server.public_url", url);
        }
        let loopback = server.listen.ip().is_loopback();
        match &server.api_token {
            None if !loopback => self.wrong(
                "server.api_token",
                format!("is missing, and {} can be reached from other machines", server.listen),
                "set it (TRUNKLINE__SERVER__API_TOKEN) to the output of `openssl rand -hex 24`, or listen on \
                 127.0.0.1 (TRUNKLINE__SERVER__LISTEN=127.0.0.1:7900)",
            ),
            None if server.public_url.as_ref().is_some_and(|url| !is_loopback(url)) => self.warn(
                "server.api_token",
                "is missing, and server.public_url leads here from outside: the API and the console answer this \
                 machine alone",
                "set it to use them through the public address",
            ),
            None => {}
            Some(token) => {
                let token = token.reveal();
                if token.chars().count() < TOKEN_CHARS_MIN {
                    self.wrong(
                        "server.api_token",
                        format!("is shorter than {TOKEN_CHARS_MIN} characters"),
                        "make one with `openssl rand -hex 24`",
                    );
                } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                    self.wrong(
                        "server.api_token",
                        "has spaces or characters that no HTTP header carries",
                        "make one with `openssl rand -hex 24`",
                    );
                } else if token.bytes().collect::<BTreeSet<u8>>().len() < 6 {
                    self.wrong(
                        "server.api_token",
                        "repeats a few characters and can be guessed",
                        "make one with `openssl rand -hex 24`",
                    );
                }
            }
        }
        if server.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
            self.warn(
                "server.trusted_proxies",
                "trusts every address, so anybody can claim any address",
                "name your proxies' own networks",
            );
        }
        for (at, origin) in server.cors_origins.iter().enumerate() {
            if !is_origin(origin) {
                self.wrong(
                    "server.cors_origins",
                    format!("has `{origin}` at position {at}, which is not an origin"),
                    "write scheme and host, and a port if unusual: https://desk.example.com",
                );
            }
        }
        if server.data_dir.as_os_str().is_empty() {
            self.wrong("server.data_dir", "is empty", "name a folder; `.` is the present one");
        }
        self.range("server.drain_s", server.drain_s, 0..=86_400);
        self.range("server.media_threads", server.media_threads, 0..=256);
        self.range("server.gather_us", server.gather_us, 0..=10_000);
        self.range("server.connections_max", server.connections_max, 1..=1_000_000);
    }

    pub(super) fn limits(&mut self) {
        let limits = &self.config.limits;
        self.range("limits.calls", limits.calls, 1..=100_000);
        self.range("limits.carrier_message_bytes", limits.carrier_message_bytes, 1_024..=16_777_216);
        self.range("limits.agent_message_bytes", limits.agent_message_bytes, 65_536..=67_108_864);
        self.range("limits.request_bytes", limits.request_bytes, 4_096..=16_777_216);
        self.range("limits.request_header_ms", limits.request_header_ms, 100..=120_000);
        self.range("limits.token_ms", limits.token_ms, 100..=120_000);
        self.range("limits.event_listeners", limits.event_listeners, 0..=10_000);
        let connections = self.config.server.connections_max;
        if limits.calls > connections {
            self.wrong(
                "limits.calls",
                format!("is {}, but server.connections_max allows {connections} sockets", limits.calls),
                "every call holds one connection: raise server.connections_max above limits.calls",
            );
        }
    }

    pub(super) fn log(&mut self) {
        let log = &self.config.log;
        if EnvFilter::try_new(&log.level).is_err() {
            self.wrong(
                "log.level",
                format!("is `{}`, which is not understood", log.level),
                "write error, warn, info, debug or trace, or a list such as info,gateway=debug",
            );
        }
        self.range("log.file_bytes", log.file_bytes, 4_096..=1_073_741_824);
        self.range("log.files", log.files, 1..=1_000);
    }
}

fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.origin().ascii_serialization() == text.trim_end_matches('/')
    })
}
