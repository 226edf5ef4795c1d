//! `GET /api/v1/calls` and `/api/v1/calls/{id}`: calls that live, and calls that are over.

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
use crate::records::CallRecord;
use crate::switchboard::CallView;

/// What a list shows unless asked otherwise, and the most that it shows.
const LISTED: usize = 50;
const LISTED_MAX: usize = 500;

/// A record is on its way for a moment after its call is over.
const RECORD_WITHIN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
    /// Goes on after this call: the last one of the page before.
    before: Option<CallId>,
}

#[derive(Debug, Serialize)]
pub(super) struct List {
    live: Vec<CallView>,
    recent: Vec<CallView>,
}

pub(super) async fn list(State(reception): State<Arc<Reception>>, Asked(page): Asked<Page>) -> Json<List> {
    let gateway = &reception.gateway;
    // In this order a call that ends meanwhile is in both lists rather than in none.
    let live: Vec<CallView> = gateway.switchboard.live().iter().map(|call| call.view()).collect();
    let limit = page.limit.unwrap_or(LISTED).min(LISTED_MAX);
    let records = gateway.records.recent(limit, page.before);
    let recent: Vec<CallView> = records.iter().map(|record| view_of(gateway, record)).collect();
    let live = live.into_iter().filter(|view| recent.iter().all(|over| over.id != view.id)).collect();
    Json(List { live, recent })
}

/// A call with everything that is known of it.
#[derive(Debug, Serialize)]
pub(super) struct Detail {
    #[serde(flatten)]
    view: CallView,
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
    if let Some(live) = gateway.switchboard.find(id) {
        return Ok(Json(Detail {
            view: live.view(),
            entries: Entries::Live(live.entries()),
            turns: live.turns(),
            receipt: None,
            entries_dropped: live.entries_dropped(),
        }));
    }
    let mut record = gateway.records.find(id);
    if record.is_none() && gateway.records.flush(RECORD_WITHIN).await {
        record = gateway.records.find(id);
    }
    let record = record.ok_or_else(Refusal::no_such_call)?;
    let view = view_of(gateway, &record);
    Ok(Json(Detail {
        view,
        entries: Entries::Recorded(record.ledger.clone()),
        turns: record.turns.clone(),
        receipt: Some(record.receipt.clone()).filter(|receipt| !receipt.is_null()),
        entries_dropped: 0,
    }))
}

/// A finished call as the list shows it.
fn view_of(gateway: &Gateway, record: &CallRecord) -> CallView {
    let lasted = record.ended_at.duration_since(record.started_at);
    CallView {
        id: record.id,
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
