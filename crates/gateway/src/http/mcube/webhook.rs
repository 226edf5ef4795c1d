//! Mcube's one webhook: a call connects and wants to know where its media goes, or Mcube reports what became of it.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use call::{CallId, Order, Unreached, masked};
use carriers::mcube::webhook::{self as messages, DialStatus, Stage, Webhook};
use carriers::twilio::webhook::Params;
use tracing::{debug, info, warn};
use url::Url;

use super::super::access::text;
use super::super::admission::{self, NotAdmitted};
use super::super::listener::Ends;
use super::super::reception::Reception;
use super::super::ways;
use super::proof::{self, Asked, prove};
use crate::carrier_kind::CarrierKind;
use crate::gateway::{Gateway, MCUBE};
use crate::outbound::{Named, PlaceOf, Progress};
use crate::switchboard::{Direction, Knock, Refusal, Reservation};

/// The webhook's name in the metrics.
const PATH: &str = "mcube";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
}

pub(super) async fn webhook(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let gateway = &reception.gateway;
    let (parts, body) = request.into_parts();
    let client = reception.client(ends.peer.ip(), &parts.headers);
    let turned_away = |outcome: &str, status: u16, words: &str| {
        gateway.metrics.webhook(PATH, outcome);
        answer(status, messages::refuse(outcome, words))
    };
    let Some(kind) = kind(&parts.headers) else {
        return turned_away("content_type", 415, "a webhook is JSON (application/json) or a form");
    };
    let asked = Asked::of(&parts.uri);
    if let Err(error) = prove(gateway, ends, &parts.headers, &asked) {
        gateway.metrics.signature_failures.inc();
        warn!(%client, path = parts.uri.path(), "a webhook of Mcube's was not let in: {error}");
        return turned_away("not_proven", error.status(), &error.to_string());
    }
    let body = match reception.read_body(body).await {
        Ok(body) => body,
        Err(error) => return turned_away("body", error.status().as_u16(), &error.to_string()),
    };
    let webhook = match read(kind, &body) {
        Ok(webhook) => webhook,
        Err((status, words)) => return turned_away("malformed", status, &words),
    };
    let ours = Ours::of(&asked, &webhook);
    match webhook.stage() {
        Some(Stage::Connecting) => {
            let pretended = proof::is_pretended(gateway, ends, &parts.headers, &asked);
            let public = gateway.config.server.public_url.as_ref();
            let base = ways::base_of(public, ends, &parts.headers, pretended);
            connect(&reception, base, client, &webhook, ours)
        }
        Some(stage) => report(&reception, &webhook, ours, stage),
        None => {
            // Words are added without notice; Mcube must not repeat them for ever.
            debug!(
                carrier_call = webhook.call_id,
                "Mcube reports something that is not known here: {}",
                webhook.words()
            );
            gateway.metrics.webhook(PATH, "unlisted");
            answer(200, messages::thanks())
        }
    }
}

/// Our own name for a call that we placed.
#[derive(Clone, Copy, Debug)]
struct Ours {
    id: CallId,
    /// The address says so, so it was us who gave it. Where Mcube has lost that, the report has the name, which may be
    /// somebody else's.
    certain: bool,
}

impl Ours {
    fn of(asked: &Asked, webhook: &Webhook) -> Option<Ours> {
        let read = |id: Option<&str>, certain| Some(Ours { id: id?.parse().ok()?, certain });
        read(asked.call.as_deref(), true).or_else(|| read(webhook.refid.as_deref(), false))
    }
}

fn kind(headers: &HeaderMap) -> Option<Kind> {
    let written = text(headers, header::CONTENT_TYPE)?;
    match written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Some(Kind::Json),
        "application/x-www-form-urlencoded" => Some(Kind::Form),
        _ => None,
    }
}

fn read(kind: Kind, body: &Bytes) -> Result<Webhook, (u16, String)> {
    let webhook = match kind {
        Kind::Json => Webhook::from_json(body),
        Kind::Form => {
            let params = Params::from_form(body).map_err(|error| (error.status(), error.to_string()))?;
            Webhook::from_pairs(params.iter())
        }
    };
    webhook.map_err(|error| (400, error.to_string()))
}

/// Why a call gets no address. What Mcube makes of a refusal is not documented; one without an address cannot connect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum NotConnected {
    #[error("server.public_url is not set, so there is no address for media")]
    NoAddress,
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
}

impl NotConnected {
    fn name(&self) -> &'static str {
        match self {
            NotConnected::NoAddress => "trouble",
            NotConnected::NotAdmitted(reason) => reason.name(),
        }
    }

    fn status(&self) -> u16 {
        match self {
            NotConnected::NoAddress => 500,
            NotConnected::NotAdmitted(reason) => match reason {
                NotAdmitted::AddressTooOften(_) | NotAdmitted::CallerTooOften(_) => 429,
                NotAdmitted::NoBot => 404,
                NotAdmitted::GivenUp | NotAdmitted::Refused(Refusal::Over) => 410,
                NotAdmitted::Refused(_) => 503,
            },
        }
    }
}

fn connect(
    reception: &Reception,
    base: Option<Url>,
    client: IpAddr,
    webhook: &Webhook,
    ours: Option<Ours>,
) -> Response {
    let gateway = &reception.gateway;
    let found = base.ok_or(NotConnected::NoAddress).and_then(|base| {
        let placed = ours.and_then(|ours| expected(gateway, webhook, ours));
        let reservation = match placed {
            Some(placed) => placed?,
            None => admit(reception, client, webhook, Instant::now())?,
        };
        Ok(media_address(gateway, &base, webhook, &reservation))
    });
    match found {
        Ok(address) => {
            gateway.metrics.webhook(PATH, "connected");
            answer(200, messages::connect(&address))
        }
        Err(reason) => {
            let caller = webhook.customer.as_deref().unwrap_or_default();
            gateway.metrics.webhook(PATH, reason.name());
            gateway.metrics.refused(reason.name());
            info!(reason = reason.name(), caller = masked(caller), "a call was not let in: {reason}");
            answer(reason.status(), messages::refuse(reason.name(), &reason.to_string()))
        }
    }
}

/// The place of a call that we placed; `None` where it is no call of ours at all.
fn expected(
    gateway: &Arc<Gateway>,
    webhook: &Webhook,
    ours: Ours,
) -> Option<Result<Reservation, NotAdmitted>> {
    match gateway.place_of_outbound(CarrierKind::Mcube, ours.id, Some(&webhook.call_id)) {
        PlaceOf::Call(reservation) => Some(Ok(reservation)),
        PlaceOf::Full(refusal) => Some(Err(refusal.into())),
        PlaceOf::Over => Some(Err(NotAdmitted::GivenUp)),
        PlaceOf::NotOurs => ours.certain.then_some(Err(NotAdmitted::GivenUp)),
    }
}

/// A place for a call that comes in, or why there is none.
fn admit(
    reception: &Reception,
    client: IpAddr,
    webhook: &Webhook,
    now: Instant,
) -> Result<Reservation, NotAdmitted> {
    let bot = reception.gateway.config.bot_on(CarrierKind::Mcube, webhook.did.as_deref());
    let customer = webhook.customer.as_deref().unwrap_or_default();
    admission::admit(reception, client, customer, knock(webhook), bot.cloned().map(Arc::new), now)
}

fn knock(webhook: &Webhook) -> Knock {
    let (from, to) = webhook.from_and_to();
    let placed_by_mcube = (webhook.direction == messages::Direction::Outbound).then(|| "outbound".to_owned());
    let facts = [
        ("direction", &placed_by_mcube),
        ("account_id", &webhook.account_id),
        ("agent_name", &webhook.agent_name),
        ("group_name", &webhook.group_name),
        ("refid", &webhook.refid),
    ];
    Knock {
        // One that Mcube placed for somebody else comes to us as any other.
        direction: Direction::Inbound,
        carrier: MCUBE.to_owned(),
        carrier_call: Some(webhook.call_id.clone()),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        facts: facts
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .collect(),
        ..Knock::default()
    }
}

fn media_address(gateway: &Gateway, base: &Url, webhook: &Webhook, reservation: &Reservation) -> String {
    let base = base.as_str().trim_end_matches('/');
    // `http` becomes `ws`, and `https` becomes `wss`.
    let base = base.strip_prefix("http").map_or_else(|| base.to_owned(), |rest| format!("ws{rest}"));
    let below = gateway.config.carriers.mcube.stream_path.trim_end_matches('/');
    format!("{base}{below}/mcube/{}?token={}", webhook.call_id, reservation.token)
}

/// Mcube says how a call is doing. It may say so twice, late, and in any order.
fn report(reception: &Reception, webhook: &Webhook, ours: Option<Ours>, stage: Stage) -> Response {
    let gateway = &reception.gateway;
    let is_news = reception
        .report_orders
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        // Twilio's calls are among them; its names have no colon.
        .is_news(&format!("{MCUBE}:{}", webhook.call_id), Some(stage as u64));
    debug!(carrier_call = webhook.call_id, is_news, "{}", webhook.words());
    if is_news {
        let named = ours.map_or(Named::Theirs(&webhook.call_id), |ours| Named::Ours(ours.id));
        let progress = match stage {
            Stage::Connecting => None,
            Stage::Answered => Some(Progress::Answered),
            Stage::Over => Some(Progress::Over { why: unreached(webhook), detail: webhook.words() }),
        };
        if let Some(progress) =
            progress.filter(|_| ours.is_some() || webhook.direction == messages::Direction::Outbound)
        {
            gateway.report_outbound(CarrierKind::Mcube, named, &progress);
        }
        if stage == Stage::Over {
            is_over(gateway, webhook, ours);
        }
    }
    gateway.metrics.webhook(PATH, if is_news { "ok" } else { "overtaken" });
    answer(200, messages::thanks())
}

/// The phone call is over, whatever its media socket says: a live call ends, and a place that waited for it is free.
fn is_over(gateway: &Gateway, webhook: &Webhook, ours: Option<Ours>) {
    let switchboard = &gateway.switchboard;
    switchboard.carrier_says_over(MCUBE, &webhook.call_id);
    let by_id = ours.and_then(|ours| switchboard.find(ours.id)).filter(|live| live.carrier() == MCUBE);
    if let Some(live) = by_id.or_else(|| switchboard.find_by_name(MCUBE, &webhook.call_id)) {
        live.order(Order::CarrierSaysOver { detail: webhook.words() });
    }
    let placed = ours
        .and_then(|ours| switchboard.expected(ours.id))
        .and_then(|place| switchboard.give_up(&place.token));
    if placed.is_some() || switchboard.cancel_reservation(MCUBE, &webhook.call_id) {
        info!(carrier_call = webhook.call_id, "the call ended before media came: {}", webhook.words());
    }
}

/// Why a call that was placed did not come about; nothing when it did.
fn unreached(webhook: &Webhook) -> Option<Unreached> {
    match &webhook.status {
        Some(DialStatus::Answer) => None,
        Some(DialStatus::Busy) => Some(Unreached::Busy),
        Some(DialStatus::Cancel) => Some(Unreached::Cancelled),
        Some(DialStatus::NoAnswer) => Some(Unreached::NoAnswer),
        // It is the side that the call is placed from that was busy: nobody's telephone rang.
        Some(DialStatus::ExecutiveBusy) => Some(Unreached::Failed),
        Some(DialStatus::Connecting | DialStatus::Unlisted(_)) | None => match webhook.answered {
            Some(_) => None,
            None => Some(Unreached::Failed),
        },
    }
}

fn answer(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
