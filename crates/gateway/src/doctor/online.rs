//! What only the others can tell: whether the keys are accepted, how the agent is set up, whether the public address
//! leads here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use agents::elevenlabs::inspect;
use carriers::exotel::call_control::read_active_streams;
use carriers::plivo::call_control as plivo_control;
use carriers::twilio::call_control;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;
use uuid::Uuid;
use wire::{Body, Method, Reply, Request, Secret};

use super::{Area, Finding, Findings, sorted};
use crate::config::{AgentKind, Bot, Config, Loaded, same_number};
use crate::control;
use crate::elevenlabs_setup;
use crate::gateway::EXOTEL;
use crate::ops::health::Health;
use crate::ops::logs::LogDrops;
use crate::ops::metrics::Metrics;
use crate::outward::{Outward, rustls_config};

/// Patience with each question.
const WITHIN: Duration = Duration::from_secs(10);

/// Asks the providers that the configuration names. Nothing is changed there.
pub async fn online(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = Findings::default();
    let outward = rustls_config(config.server.extra_ca_file.as_deref())
        .map_err(|error| error.to_string())
        .and_then(|tls| {
            let metrics = Metrics::new(LogDrops::default());
            Outward::new(&tls, metrics, Arc::new(Health::new())).map_err(|error| error.to_string())
        });
    let outward = match outward {
        Ok(outward) => outward,
        Err(words) => {
            findings.fail(Area::Machine, words, "");
            return findings.0;
        }
    };
    twilio(config, &outward, &mut findings).await;
    plivo(config, &outward, &mut findings).await;
    exotel(config, &outward, &mut findings).await;
    elevenlabs(config, &outward, &mut findings).await;
    if let Some(url) = config.server.public("/livez") {
        public_address(config, &url, &outward, &mut findings).await;
    }
    sorted(findings.0)
}

async fn twilio(config: &Config, outward: &Outward, findings: &mut Findings) {
    let area = Area::Twilio;
    let twilio = &config.carriers.twilio;
    let (Some(sid), Some(token)) = (&twilio.account_sid, &twilio.auth_token) else { return };
    let account = call_control::Account::new(sid.as_str(), token.clone(), twilio.api_base_url.clone());
    let reply = match outward.send("twilio", &account.fetch_account(), WITHIN).await {
        Ok(reply) => reply,
        Err(error) => {
            findings.fail(area, error.to_string(), "check the network and carriers.twilio.api_base_url");
            return;
        }
    };
    let facts: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    match (reply.status, facts["status"].as_str()) {
        (200, Some("active") | None) => findings.ok(area, "the account SID and the auth token are accepted"),
        (200, Some(status)) => findings.fail(
            area,
            format!("the account is {}", excerpt(status)),
            "look at the first page of Twilio's console",
        ),
        (401 | 403, _) => {
            findings.fail(
                area,
                "the account SID and the auth token do not fit together",
                "copy both again from the first page of Twilio's console",
            );
            return;
        }
        (status, _) => {
            findings.fail(
                area,
                format!("asking for the account was answered with status {status}"),
                "check carriers.twilio.account_sid and api_base_url",
            );
            return;
        }
    }
    if facts["type"] == "Trial" {
        findings.hint(
            area,
            "it is a trial account: callers hear Twilio's announcement first, and only verified numbers can be rung",
            "upgrade the account when you are ready",
        );
    }
    if let Some(number) = &twilio.phone_number {
        number_webhook(config, sid, token, number, outward, findings).await;
    }
}

async fn plivo(config: &Config, outward: &Outward, findings: &mut Findings) {
    let area = Area::Plivo;
    let plivo = &config.carriers.plivo;
    let (Some(id), Some(token)) = (&plivo.auth_id, &plivo.auth_token) else { return };
    let account = plivo_control::Account::new(id.as_str(), token.clone(), plivo.api_base_url.clone());
    let reply = match outward.send("plivo", &account.fetch_account(), WITHIN).await {
        Ok(reply) => reply,
        Err(error) => {
            findings.fail(area, error.to_string(), "check the network and carriers.plivo.api_base_url");
            return;
        }
    };
    match plivo_control::read_account(&reply) {
        Ok(facts) => {
            findings.ok(area, "the auth id and the auth token are accepted");
            if facts
                .credits
                .as_deref()
                .and_then(|left| left.parse::<f64>().ok())
                .is_some_and(|left| left <= 0.0)
            {
                findings.warn(area, "the account has no credit left", "top it up in Plivo's console");
            }
        }
        Err(failure) => findings.fail(
            area,
            excerpt(&failure.message),
            "copy both again from the first page of Plivo's console, and check carriers.plivo.api_base_url",
        ),
    }
}

/// The cheapest question to an account at Exotel, and one worth asking: how many calls it can carry.
async fn exotel(config: &Config, outward: &Outward, findings: &mut Findings) {
    let area = Area::Exotel;
    let Some(account) = control::exotel::account(&config.carriers.exotel) else { return };
    let reply = match outward.send(EXOTEL, &account.active_streams(), WITHIN).await {
        Ok(reply) => reply,
        Err(error) => {
            let mend = "check the network, carriers.exotel.region and carriers.exotel.api_base_url";
            findings.fail(area, error.to_string(), mend);
            return;
        }
    };
    match read_active_streams(&reply) {
        Ok(streams) => {
            findings.ok(area, "the account SID, the API key and the API token are accepted");
            if streams.is_full() {
                findings.warn(
                    area,
                    format!("all streams of the account are in use ({})", streams.active),
                    "ask Exotel's support to raise the limit",
                );
            } else if let Some(limit) = streams.limit {
                findings.ok(area, format!("{} of {limit} streams are in use", streams.active));
            }
        }
        Err(failure) => findings.fail(
            area,
            excerpt(&failure.message),
            "copy the SID, the key and the token again from the console's API settings",
        ),
    }
}

/// Whether the number's voice webhook is ours.
async fn number_webhook(
    config: &Config,
    sid: &str,
    token: &Secret,
    number: &str,
    outward: &Outward,
    findings: &mut Findings,
) {
    let area = Area::Twilio;
    let twilio = &config.carriers.twilio;
    let Ok(mut url) = Url::parse(twilio.api_base_url.as_str()) else { return };
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["2010-04-01", "Accounts", sid, "IncomingPhoneNumbers.json"]);
    }
    url.query_pairs_mut().append_pair("PageSize", "1000");
    let request = Request {
        method: Method::Get,
        url: url.into(),
        headers: Vec::new(),
        basic: Some((sid.to_owned(), token.clone())),
        body: Body::Empty,
        idempotent: true,
    };
    // Not every token may list numbers; then this is left to the person.
    let Ok(Reply { status: 200, body, .. }) = outward.send("twilio", &request, WITHIN).await else { return };
    let list: Value = serde_json::from_str(&body).unwrap_or_default();
    let numbers = list["incoming_phone_numbers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let same =
        |entry: &&Value| entry["phone_number"].as_str().is_some_and(|other| same_number(other, number));
    let Some(entry) = numbers.iter().find(same) else {
        findings.warn(
            area,
            format!("{number} is not a number of this account"),
            "check carriers.twilio.phone_number (TWILIO_PHONE_NUMBER)",
        );
        return;
    };
    let Some(ours) = config.server.public(&twilio.inbound_path) else { return };
    let theirs = entry["voice_url"].as_str().unwrap_or_default();
    let mend = format!("in Twilio's console, set the number's voice webhook to {ours} with HTTP POST");
    if theirs != ours {
        let leads = if theirs.is_empty() { "nowhere".to_owned() } else { excerpt(theirs) };
        findings.warn(area, format!("calls to {number} lead to {leads}, not here"), mend);
    } else if entry["voice_method"].as_str().is_some_and(|method| method != "POST") {
        findings.hint(area, format!("the webhook of {number} uses GET"), mend);
    } else {
        findings.ok(area, format!("calls to {number} lead here"));
    }
}

async fn elevenlabs(config: &Config, outward: &Outward, findings: &mut Findings) {
    let area = Area::ElevenLabs;
    let settings = &config.agents.elevenlabs;
    let bots: Vec<&Bot> = config.bots.iter().filter(|bot| bot.agent == AgentKind::ElevenLabs).collect();
    if bots.is_empty() {
        return;
    }
    if settings.api_key.is_none() {
        findings.hint(
            area,
            "without an API key the agent's settings cannot be looked at",
            "set agents.elevenlabs.api_key (ELEVENLABS_API_KEY) for this check, even if the agent is public",
        );
        return;
    }
    let mut told = BTreeSet::new();
    for bot in bots {
        let account = match elevenlabs_setup::account(settings, bot) {
            Ok(account) => account,
            Err(words) => {
                findings.fail(area, words, "correct agents.elevenlabs");
                continue;
            }
        };
        let request = inspect::agent_request(&account);
        let reply = match outward.send("elevenlabs", &request, WITHIN).await {
            Ok(reply) => reply,
            Err(error) => {
                findings.fail(area, error.to_string(), "check the network and agents.elevenlabs.base_url");
                return;
            }
        };
        match inspect::read_agent(&reply) {
            Ok(report) => {
                let (hears, speaks) = report.formats();
                let name = report.name().unwrap_or("without a name");
                findings.ok(
                    area,
                    format!(
                        "bot {}: the agent “{}” hears {hears} and speaks {speaks}",
                        bot.name,
                        excerpt(name)
                    ),
                );
                for found in elevenlabs_setup::findings(config, bot, &report) {
                    let words = format!("bot {}: {}", bot.name, found.words);
                    match found.severity {
                        inspect::Severity::Breaks => findings.fail(area, words, found.mend),
                        inspect::Severity::Warns => findings.warn(area, words, found.mend),
                        inspect::Severity::Hint => findings.hint(area, words, found.mend),
                    }
                }
            }
            // The same wrong key is told once, not once per bot.
            Err(departure) if told.insert(departure.detail.clone()) => {
                findings.fail(area, format!("bot {}: {}", bot.name, departure.detail), "");
            }
            Err(_) => {}
        }
    }
}

/// Goes out and comes back in through the public address. When no gateway is running, a stand-in listens for the moment
/// and its answer, which nobody else can know, must come back.
async fn public_address(config: &Config, url: &str, outward: &Outward, findings: &mut Findings) {
    let area = Area::Network;
    let word = Uuid::from_bytes(rand::random()).to_string();
    let stand_in = TcpListener::bind(config.server.listen).await.ok();
    let serving = stand_in.map(|listener| tokio::spawn(answer_with(listener, word.clone())));
    let request = Request {
        method: Method::Get,
        url: url.to_owned(),
        headers: Vec::new(),
        basic: None,
        body: Body::Empty,
        idempotent: true,
    };
    let reply = outward.send("public address", &request, WITHIN).await;
    let standing_in = serving.is_some();
    if let Some(serving) = serving {
        serving.abort();
    }
    let mend = format!(
        "let the proxy or tunnel behind server.public_url hand everything on to {}, WebSockets too",
        config.server.listen
    );
    match reply {
        Ok(Reply { status: 200, body, .. }) if !standing_in || body == word => {
            findings.ok(area, format!("{url} leads here"));
        }
        Ok(Reply { status: 200, .. }) => {
            findings.fail(area, format!("{url} is answered, but not by this machine"), mend);
        }
        Ok(Reply { status, .. }) => {
            findings.fail(area, format!("{url} is answered with status {status}"), mend)
        }
        Err(error) => findings.fail(area, error.to_string(), mend),
    }
}

/// Answers every request with this word.
async fn answer_with(listener: TcpListener, word: String) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{word}",
            word.len()
        );
        let exchange = async {
            let mut request = Vec::new();
            let mut bytes = [0; 1024];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 16 * 1024 {
                match stream.read(&mut bytes).await {
                    Ok(0) | Err(_) => return,
                    Ok(read) => request.extend_from_slice(bytes.get(..read).unwrap_or_default()),
                }
            }
            // A peer that is gone by now does not need it.
            let _ = stream.write_all(reply.as_bytes()).await;
            let _ = stream.shutdown().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), exchange).await;
    }
}

/// A peer's text, short enough for a line.
fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
