//! What the terminal asks of a gateway's API: who answers, how a call goes, what it came to.

use std::sync::Arc;
use std::time::Duration;

use call::{CallId, EndCause, Entry, Receipt};
use rustls::ClientConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;
use wire::Secret;

use super::Words;
use super::place::below;
use crate::outward::{OutwardError, base_client, host_of, of_reqwest, read_reply};

/// A gateway on this machine or in the next data centre answers sooner.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A call with an hour's ledger has about so much.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// One event is at most this long.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// How often and how far apart a call that has just begun is asked for.
const BEGIN_ATTEMPTS: u32 = 10;
const BEGIN_PAUSE: Duration = Duration::from_millis(50);

/// How often and how far apart the record of a call that has just ended is asked for.
const RECORD_ATTEMPTS: u32 = 20;
const RECORD_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Debug)]
pub(super) struct Api {
    base: Url,
    token: Option<Secret>,
    http: reqwest::Client,
}

#[derive(Debug)]
pub(super) enum Trouble {
    Unreachable(Words),
    Unauthorised,
    Other(#[expect(dead_code, reason = "told nowhere: the call goes on without")] Words),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) bots: Vec<KnownBot>,
    pub(super) default_bot: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KnownBot {
    pub(super) name: String,
    pub(super) agent: String,
}

/// A call, live or over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub(super) bot: String,
    pub(super) agent: String,
    pub(super) end: Option<EndCause>,
    /// Untyped, because a newer gateway may note facts that this program does not know.
    entries: Vec<serde_json::Value>,
    pub(super) receipt: Option<Receipt>,
}

impl Record {
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.entries.iter().filter_map(|entry| Entry::deserialize(entry).ok())
    }
}

/// What the event stream tells of a call.
#[derive(Debug)]
pub(super) enum Event {
    Fact(Box<Entry>),
    Levels { caller_dbfs: f32, agent_dbfs: f32 },
}

impl Api {
    pub(super) fn new(base: &Url, token: Option<Secret>, tls: &Arc<ClientConfig>) -> Result<Api, Words> {
        let http = base_client(tls).no_proxy().build().map_err(|error| error.to_string())?;
        Ok(Api { base: base.clone(), token, http })
    }

    pub(super) async fn status(&self) -> Result<Status, Trouble> {
        self.get("api/v1/status").await
    }

    /// A call that has just begun. Its media may stand a moment before the gateway lists it.
    pub(super) async fn call(&self, id: &str) -> Option<Record> {
        for _ in 0..BEGIN_ATTEMPTS {
            match self.get(&format!("api/v1/calls/{id}")).await {
                Ok(record) => return Some(record),
                Err(Trouble::Other(_)) => tokio::time::sleep(BEGIN_PAUSE).await,
                Err(Trouble::Unauthorised | Trouble::Unreachable(_)) => return None,
            }
        }
        None
    }

    /// The gateway's name for a call that the carrier calls so.
    pub(super) async fn named(&self, carrier: &str, carrier_call: &str) -> Option<String> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct List {
            live: Vec<Listed>,
            recent: Vec<Listed>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Listed {
            id: String,
            carrier: String,
        }
        let mut url = below(&self.base, "api/v1/calls");
        url.query_pairs_mut().append_pair("carrier_call", carrier_call);
        for _ in 0..BEGIN_ATTEMPTS {
            match self.read::<List>(url.clone()).await {
                Ok(list) => {
                    let mut listed = list.live.into_iter().chain(list.recent);
                    if let Some(call) = listed.find(|call| call.carrier == carrier) {
                        // It is used in an address; only a real one is.
                        return call.id.parse::<CallId>().ok().map(|id| id.to_string());
                    }
                }
                Err(Trouble::Other(_)) => {}
                Err(Trouble::Unauthorised | Trouble::Unreachable(_)) => return None,
            }
            tokio::time::sleep(BEGIN_PAUSE).await;
        }
        None
    }

    /// The account of a call that has just ended.
    pub(super) async fn record(&self, id: &str) -> Option<Record> {
        for _ in 0..RECORD_ATTEMPTS {
            match self.get::<Record>(&format!("api/v1/calls/{id}")).await {
                Ok(record) if record.end.is_some() && record.receipt.is_some() => return Some(record),
                // Its last lines are being written.
                Ok(_) => {}
                Err(Trouble::Unauthorised | Trouble::Unreachable(_)) => return None,
                Err(Trouble::Other(_)) => {}
            }
            tokio::time::sleep(RECORD_PAUSE).await;
        }
        None
    }

    /// What happens in a call from now on.
    pub(super) async fn events(&self, id: &str) -> Option<Events> {
        let mut url = below(&self.base, "api/v1/events");
        url.query_pairs_mut().append_pair("call", id);
        let asking = self.request(url).header("accept", "text/event-stream").send();
        let response = tokio::time::timeout(ANSWER_WITHIN, asking).await.ok()?.ok()?;
        response.status().is_success().then(|| Events { response, reader: Reader::default() })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        self.read(below(&self.base, path)).await
    }

    async fn read<T: DeserializeOwned>(&self, url: Url) -> Result<T, Trouble> {
        let host = host_of(self.base.as_str());
        let exchange = async {
            let response = self.request(url).send().await.map_err(|error| of_reqwest(&host, &error))?;
            read_reply(response, &host, ANSWER_BYTES_MAX).await
        };
        let reply = match tokio::time::timeout(ANSWER_WITHIN, exchange).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(OutwardError::Unreachable { words, .. })) => return Err(Trouble::Unreachable(words)),
            Ok(Err(error)) => return Err(Trouble::Unreachable(error.to_string())),
            Err(_) => return Err(Trouble::Unreachable("no answer in time".to_owned())),
        };
        match reply.status {
            200 => serde_json::from_str(&reply.body).map_err(|error| Trouble::Other(error.to_string())),
            401 | 403 => Err(Trouble::Unauthorised),
            status => Err(Trouble::Other(format!("status {status}"))),
        }
    }

    fn request(&self, url: Url) -> reqwest::RequestBuilder {
        let request = self.http.get(url);
        match &self.token {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }
}

/// The event stream of one call.
#[derive(Debug)]
pub(super) struct Events {
    response: reqwest::Response,
    reader: Reader,
}

impl Events {
    /// The next event; none when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.reader.next() {
                return Some(event);
            }
            let chunk = self.response.chunk().await.ok()??;
            self.reader.push(&chunk)?;
        }
    }
}

/// Cuts a stream of bytes into events (the WHATWG's server-sent events, as far as a gateway uses them).
#[derive(Debug, Default)]
struct Reader {
    bytes: Vec<u8>,
    name: String,
    data: String,
}

impl Reader {
    /// Takes more. None when there is no end to an event.
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.extend_from_slice(bytes);
        (self.bytes.len() + self.data.len() <= EVENT_BYTES_MAX).then_some(())
    }

    fn next(&mut self) -> Option<Event> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
                match event(&name, &data) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.name),
                "data" => self.data.push_str(value),
                _ => {}
            }
        }
        None
    }
}

fn event(name: &str, data: &str) -> Option<Event> {
    #[derive(Deserialize)]
    struct Levels {
        caller_dbfs: f32,
        agent_dbfs: f32,
    }
    match name {
        "fact" => Some(Event::Fact(Box::new(serde_json::from_str(data).ok()?))),
        "levels" => {
            let Levels { caller_dbfs, agent_dbfs } = serde_json::from_str(data).ok()?;
            Some(Event::Levels { caller_dbfs, agent_dbfs })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use call::Fact;

    use super::*;

    #[test]
    fn events_are_read_however_the_bytes_are_cut() {
        let text = concat!(
            ": hello\n\n",
            "event: call\ndata: {\"id\":\"x\"}\n\n",
            "event: fact\r\ndata: {\"call\":\"x\",\"at\":1500000,\"fact\":\"digit\",\"digit\":\"1\"}\r\n\r\n",
            "event: fact\ndata: {\"fact\":\"news_from_the_future\",\"at\":1}\n\n",
            "event: levels\ndata: {\"call\":\"x\",\"caller_dbfs\":-20.5,\"agent_dbfs\":-96.0}\n\n",
        );
        for size in [1, 7, 1_000] {
            let mut reader = Reader::default();
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                reader.push(piece).unwrap();
                while let Some(event) = reader.next() {
                    found.push(event);
                }
            }

            let [Event::Fact(fact), Event::Levels { caller_dbfs, .. }] = &found[..] else {
                panic!("{found:?}")
            };
            assert!(matches!(fact.fact, Fact::Digit { .. }) && fact.at.millis() == 1_500);
            assert!((*caller_dbfs - -20.5).abs() < 0.01);
        }
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut reader = Reader::default();

        assert!((0..3).map(|_| reader.push(&vec![b'x'; EVENT_BYTES_MAX / 2])).any(|taken| taken.is_none()));
    }
}
