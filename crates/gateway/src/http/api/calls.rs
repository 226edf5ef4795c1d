//! `GET /api/v1/calls` and `/api/v1/calls/{id}`: calls that live, and calls that are over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use call::{CallId, EndCause, Entry, PhaseName, Turn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::reception::Reception;
use super::super::refusal::Refusal;
use super::request::{Asked, NamedCall};
use crate::gateway::Gateway;
use crate::outbound;
use crate::records::CallRecord;
use crate::switchboard::{CallView, LiveCall};

/// What a list shows unless asked otherwise, and the most that it shows.
const LISTED: usize = 50;
const LISTED_MAX: usize = 500;

/// A record is on its way for a moment after its call is over.
const RECORD_WITHIN: Duration = Duration::from_secs(1);

/// A call that is over and still on the list is closing its sockets; its record comes when that is done.
const SOCKETS_WITHIN: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
    /// Goes on after this call: the last one of the page before.
    before: Option<CallId>,
    /// Only the calls that their carrier calls so.
    carrier_call: Option<String>,
}

impl Page {
    fn takes(&self, view: &CallView) -> bool {
        self.carrier_call.is_none() || self.carrier_call == view.carrier_call
    }
}

#[derive(Debug, Serialize)]
pub(super) struct List {
    live: Vec<CallView>,
    recent: Vec<CallView>,
}

pub(super) async fn list(State(reception): State<Arc<Reception>>, Asked(page): Asked<Page>) -> Json<List> {
    let gateway = &reception.gateway;
    // In this order a call that goes on or ends meanwhile is in two lists rather than in none.
    let placed = gateway.outbound_views();
    let mut live: Vec<CallView> = gateway.switchboard.live().iter().map(|call| call.view()).collect();
    let placed = placed.into_iter().filter(|placed| live.iter().all(|call| call.id != placed.id));
    live.extend(placed.collect::<Vec<_>>());
    live.sort_by_key(|call| call.id);
    let limit = page.limit.unwrap_or(LISTED).min(LISTED_MAX);
    let looked_at = if page.carrier_call.is_some() { LISTED_MAX } else { limit };
    let records = gateway.records.recent(looked_at, page.before);
    let recent = records.iter().map(|record| view_of(gateway, record));
    let recent: Vec<CallView> = recent.filter(|view| page.takes(view)).take(limit).collect();
    let live = live
        .into_iter()
        .filter(|view| page.takes(view) && recent.iter().all(|over| over.id != view.id))
        .collect();
    Json(List { live, recent })
}

/// A call with everything that is known of it.
#[derive(Debug, Serialize)]
pub(super) struct Detail {
    #[serde(flatten)]
    view: CallView,
    /// What the carrier said about the call beside numbers and names.
    carrier_facts: BTreeMap<String, String>,
    /// The carrier's own first message, where its meaning is not settled.
    carrier_start: Option<String>,
    entries: Entries,
    turns: Vec<Turn>,
    /// The sums, once it is over.
    receipt: Option<Value>,
    /// Lines of the timeline that were not kept.
    entries_dropped: u64,
}

/// A live call shares its lines with whoever looks; a record owns them.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Entries {
    Live(Vec<Arc<Entry>>),
    Recorded(Vec<Entry>),
}

pub(super) async fn show(
    State(reception): State<Arc<Reception>>,
    NamedCall(id): NamedCall,
) -> Result<Json<Detail>, Refusal> {
    let gateway = &reception.gateway;
    let live = gateway.switchboard.find(id);
    if let Some(live) = live.as_ref().filter(|live| live.phase() != PhaseName::Over) {
        return Ok(Json(of_live(live)));
    }
    let placed = gateway.outbound_view(id);
    let is_ending = live.is_some() || placed.is_some();
    if live.is_none()
        && let Some(view) = placed
        && view.state != Some(outbound::State::Over)
    {
        return Ok(Json(Detail {
            view,
            carrier_facts: BTreeMap::new(),
            carrier_start: None,
            entries: Entries::Live(Vec::new()),
            turns: Vec::new(),
            receipt: None,
            entries_dropped: 0,
        }));
    }
    // Of a call that is over the record has the sums, so it is waited for.
    let mut record = match is_ending {
        true => gateway.records.find_soon(id, SOCKETS_WITHIN).await,
        false => gateway.records.find(id),
    };
    if record.is_none() && gateway.records.flush(RECORD_WITHIN).await {
        record = gateway.records.find(id);
    }
    let record = match (record, live) {
        (Some(record), _) => record,
        // Its sockets are very slow to close.
        (None, Some(live)) => return Ok(Json(of_live(&live))),
        (None, None) => return Err(Refusal::no_such_call()),
    };
    let view = view_of(gateway, &record);
    Ok(Json(Detail {
        view,
        carrier_facts: record.carrier_facts.clone(),
        carrier_start: record.carrier_start.clone(),
        entries: Entries::Recorded(record.ledger.clone()),
        turns: record.turns.clone(),
        receipt: Some(record.receipt.clone()).filter(|receipt| !receipt.is_null()),
        entries_dropped: 0,
    }))
}

fn of_live(live: &LiveCall) -> Detail {
    Detail {
        view: live.view(),
        carrier_facts: live.knock().facts.iter().cloned().collect(),
        carrier_start: live.carrier_start().map(str::to_owned),
        entries: Entries::Live(live.entries()),
        turns: live.turns(),
        receipt: None,
        entries_dropped: live.entries_dropped(),
    }
}

/// A finished call as the list shows it.
fn view_of(gateway: &Gateway, record: &CallRecord) -> CallView {
    let lasted = record.ended_at.duration_since(record.started_at);
    CallView {
        id: record.id,
        direction: record.direction,
        state: None,
        carrier: record.carrier.clone(),
        carrier_call: record.carrier_call.clone(),
        bot: record.bot.clone(),
        // A record keeps the bot's name alone; the bot may be gone from the configuration by now.
        agent: gateway.config.bot(&record.bot).map_or("unknown", |bot| bot.agent.name()).to_owned(),
        from: record.from.clone(),
        to: record.to.clone(),
        started_at: record.started_at,
        phase: PhaseName::Over,
        duration_ms: u64::try_from(lasted.as_millis()).unwrap_or(0),
        end_words: Some(EndCause::words(&record.end)),
        end: Some(record.end.clone()),
    }
}
