//! A bot's own tools, run over HTTP.
//!
//! What the agent asks for is posted to the address that the operator configured, and the answer's body goes back to the
//! agent as it is. An agent can be talked into anything by a caller, so a tool may not lead into the private network
//! unless the operator says so: addresses are checked after their names are resolved, and the connection goes to the
//! very address that was checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use call::{CallId, ToolOutcome, ToolRun};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderName, HeaderValue};
use rustls::ClientConfig;
use serde_json::{Value, json};
use tracing::{info, warn};
use url::{Host, Url};

use crate::config::{Bot, BotTool, ToolMethod};
use crate::ops::metrics::{ByCause, Metrics};
use crate::outward::{OutwardError, base_client, host_of, of_reqwest, read_reply};

/// The largest answer of a tool. It ends up in a language model's context, where more would only cost.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How much of an error's body the agent is told.
const ERROR_CHARS_MAX: usize = 500;

/// What a tool is told about the call, besides the arguments.
#[derive(Clone, Debug)]
pub struct ToolCaller {
    pub call: CallId,
    pub caller: Option<String>,
    pub called: Option<String>,
}

/// Runs tools. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BotTools {
    guarded: reqwest::Client,
    open: reqwest::Client,
    metrics: Arc<Metrics>,
}

impl BotTools {
    pub fn new(tls: &ClientConfig, metrics: Arc<Metrics>) -> Result<BotTools, OutwardError> {
        let no_client = |error: reqwest::Error| OutwardError::NoClient { words: error.to_string() };
        // A proxy would resolve names itself, behind the guard's back.
        let guarded =
            base_client(tls).no_proxy().dns_resolver(Arc::new(PublicOnly)).build().map_err(no_client)?;
        let open = base_client(tls).build().map_err(no_client)?;
        Ok(BotTools { guarded, open, metrics })
    }

    /// Runs one tool. Whatever goes wrong becomes an answer: an agent that waits for one is silent.
    pub async fn run(&self, bot: &Bot, run: &ToolRun, caller: &ToolCaller) -> ToolOutcome {
        let began = Instant::now();
        let answer = match bot.tools.iter().find(|tool| tool.name == run.name) {
            Some(tool) => self.ask(tool, bot, run, caller).await,
            None => Err(format!("there is no tool named {}", run.name)),
        };
        let took_ms = began.elapsed().as_millis();
        let (result, is_error) = match answer {
            Ok(body) => {
                info!(tool = run.name, took_ms, "the tool {} answered after {took_ms} ms", run.name);
                (body, false)
            }
            Err(words) => {
                warn!(tool = run.name, took_ms, "the tool {} failed: {words}", run.name);
                (words, true)
            }
        };
        let outcome = if is_error { "failed" } else { "ok" };
        self.metrics.tool_runs.get_or_create(&ByCause::of(outcome)).inc();
        ToolOutcome { id: run.id.clone(), result, is_error }
    }

    async fn ask(
        &self,
        tool: &BotTool,
        bot: &Bot,
        run: &ToolRun,
        caller: &ToolCaller,
    ) -> Result<String, String> {
        let host = host_of(tool.url.as_str());
        let timeout = Duration::from_millis(u64::from(tool.timeout_ms));
        if !tool.allow_private_addresses && names_private_address(&tool.url) {
            return Err(told(&OutwardError::Private { host }));
        }
        let request = self.build(tool, bot, run, caller)?;
        let client = if tool.allow_private_addresses { &self.open } else { &self.guarded };
        let exchange = async {
            let response = client.execute(request).await.map_err(|error| match guard_refused(&error) {
                true => OutwardError::Private { host: host.clone() },
                false => of_reqwest(&host, &error),
            })?;
            read_reply(response, &host, ANSWER_BYTES_MAX).await
        };
        let reply = match tokio::time::timeout(timeout, exchange).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => return Err(told(&error)),
            Err(_) => return Err(told(&OutwardError::TimedOut { host: host.clone(), after: timeout })),
        };
        match reply.status {
            200..=299 => Ok(reply.body),
            status => {
                let body: String = reply.body.chars().take(ERROR_CHARS_MAX).collect();
                Err(format!("the tool answered with status {status}: {body}"))
            }
        }
    }

    fn build(
        &self,
        tool: &BotTool,
        bot: &Bot,
        run: &ToolRun,
        caller: &ToolCaller,
    ) -> Result<reqwest::Request, String> {
        let facts = json!({
            "call_id": caller.call,
            "tool": run.name,
            "arguments": run.arguments,
            "caller": caller.caller,
            "called": caller.called,
            "bot": bot.name,
        });
        let mut builder = match tool.method {
            ToolMethod::Post => self.open.post(tool.url.clone()).json(&facts),
            ToolMethod::Get => self.open.get(tool.url.clone()).query(&query(&facts, &run.arguments)),
        };
        for (name, value) in &tool.headers {
            let (Ok(name), Ok(mut value)) =
                (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.reveal()))
            else {
                return Err("a header of this tool cannot be sent".to_owned());
            };
            value.set_sensitive(true);
            builder = builder.header(name, value);
        }
        builder.build().map_err(|_| "the request to this tool cannot be made".to_owned())
    }
}

/// What the agent may know of a failure: no host names of the operator's network.
fn told(error: &OutwardError) -> String {
    match error {
        OutwardError::TimedOut { after, .. } => {
            format!("the tool did not answer within {} ms", after.as_millis())
        }
        OutwardError::TooLarge { .. } => "the tool's answer is too long".to_owned(),
        OutwardError::Private { .. } => {
            "the tool is at a private address; the operator must set allow_private_addresses".to_owned()
        }
        OutwardError::Unreachable { .. } | OutwardError::Broken { .. } => {
            "the tool cannot be reached".to_owned()
        }
        OutwardError::Unusable { .. } | OutwardError::NoClient { .. } => {
            "the tool cannot be asked".to_owned()
        }
    }
}

/// The arguments as query parameters, after the facts about the call.
fn query(facts: &Value, arguments: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let fact = |name: &str| {
        let value = &facts[name];
        (!value.is_null()).then(|| (name.to_owned(), text(value)))
    };
    let facts = ["call_id", "tool", "caller", "called", "bot"].into_iter().filter_map(fact);
    let arguments = arguments.as_object().into_iter().flatten();
    facts.chain(arguments.map(|(name, value)| (name.clone(), text(value)))).collect()
}

/// An address written out is never resolved, so it is looked at here.
fn names_private_address(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => !is_public(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => !is_public(IpAddr::V6(address)),
        Some(Host::Domain(_)) => false,
        None => true,
    }
}

/// Resolves names to public addresses alone.
#[derive(Debug)]
struct PublicOnly;

/// The guard's own refusal, to be told apart from a name that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("resolves to private addresses alone")]
struct NotPublic;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<_> = addresses.into_iter().filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn guard_refused(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<NotPublic>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether an address belongs to the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// The special-purpose registry of RFC 6890 and its updates.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224..=255, _, _)
    );
    !special
}

/// RFC 6890 and RFC 4291; addresses that carry an IPv4 address are judged by that one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let carried = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        // ::ffff:a.b.c.d and the deprecated ::a.b.c.d
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => is_public_v4(carried(high, low)),
        // NAT64, RFC 6052
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(carried(high, low)),
        [0x64, 0xff9b, ..] => false,
        // 6to4, RFC 3056
        [0x2002, high, low, ..] => is_public_v4(carried(high, low)),
        // Teredo, benchmarking, ORCHID and what else is below 2001:200::
        [0x2001, 0..=0x1ff, ..] => false,
        // Documentation
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast is 2000::/3; everything else is local, multicast or unassigned.
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_disguise() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:0:1::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in
            ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "2001:4860::8888"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn written_out_addresses_are_looked_at_however_they_are_written() {
        for private in [
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "https://[::1]/",
            "http://[::ffff:10.0.0.1]/",
        ] {
            assert!(names_private_address(&Url::parse(private).unwrap()), "{private}");
        }
        assert!(!names_private_address(&Url::parse("https://8.8.8.8/").unwrap()));
        assert!(
            !names_private_address(&Url::parse("https://crm.example.com/").unwrap()),
            "its name is resolved later"
        );
    }
}
