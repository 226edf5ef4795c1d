//! `GET /voicebot/sessions`: the live calls, as the older service listed them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use call::PhaseName;
use jiff::Timestamp;
use serde::Serialize;

use super::super::reception::Reception;
use crate::gateway::EXOTEL;
use crate::switchboard::LiveCall;

#[derive(Debug, Serialize)]
pub(super) struct Sessions {
    total: usize,
    sessions: Vec<Session>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    /// Exotel's name for the call; ours where it gave none.
    call_id: String,
    stream_sid: Option<String>,
    connected_at: Timestamp,
    /// When the media socket last gave a sign of life.
    last_activity: Timestamp,
    /// The number of Exotel's last message that had one.
    sequence_number: u64,
    is_active: bool,
    /// Frames of the caller that wait for an agent to hear them.
    audio_chunks_buffered: u64,
}

impl Session {
    fn of(live: &LiveCall) -> Session {
        let activity = live.activity();
        Session {
            call_id: live.carrier_call().unwrap_or_else(|| live.id().to_string()),
            stream_sid: live.stream().map(str::to_owned),
            connected_at: live.started_at(),
            last_activity: activity.at,
            sequence_number: activity.sequence_number,
            is_active: live.phase() != PhaseName::Over,
            audio_chunks_buffered: activity.held_frames,
        }
    }
}

pub(super) async fn sessions(State(reception): State<Arc<Reception>>) -> Json<Sessions> {
    let live = reception.gateway.switchboard.live();
    let sessions: Vec<Session> =
        live.iter().filter(|live| live.carrier() == EXOTEL).map(|live| Session::of(live)).collect();
    Json(Sessions { total: sessions.len(), sessions })
}
