//! A Voicebot applet with a dynamic URL asks where the call's media goes.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use call::{CallId, masked};
use carriers::exotel::call_control::check_stream_url;
use carriers::exotel::webhook::{ConnectRequest, Params};
use serde_json::json;
use tracing::{error, info};
use url::Url;

use super::super::admission::{self, NotAdmitted};
use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::webhook::{self, TOKEN, Webhook};
use crate::carrier_kind::CarrierKind;
use crate::gateway::EXOTEL;
use crate::outbound::PlaceOf;
use crate::switchboard::{Direction, Knock, Refusal, Reservation};

/// Its name in the metrics.
const PATH: &str = "exotel_connect";

/// What Exotel says of itself, of the time and of what is known already is no fact about the call.
const NO_FACTS: [&str; 18] = [
    TOKEN,
    "bot",
    "call_id",
    "callid",
    "callsid",
    "calllogid",
    "from",
    "to",
    "callfrom",
    "callto",
    "direction",
    "customfield",
    "created",
    "starttime",
    "endtime",
    "currenttime",
    "callstatus",
    "dialcallduration",
];
const FACTS_MAX: usize = 24;
const FACT_CHARS_MAX: usize = 256;

/// When a line may be free.
const FREE_WITHIN_S: u64 = 10;

pub(super) async fn connect(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let webhook = match webhook::receive(&reception, ends, PATH, request).await {
        Ok(webhook) => webhook,
        Err(response) => return response,
    };
    let metrics = &reception.gateway.metrics;
    let asked = match ConnectRequest::read(&webhook.params) {
        Ok(asked) => asked,
        Err(error) => {
            metrics.webhook(PATH, "malformed");
            return refuse(400, &error.to_string());
        }
    };
    let Some(base) = webhook.base.clone() else {
        metrics.webhook(PATH, "trouble");
        error!("a call of Exotel's cannot be connected: server.public_url is not set");
        return refuse(500, "server.public_url is not set, so there is no address for media");
    };
    match admit(&reception, &webhook, &asked, Instant::now()) {
        Ok(reservation) => {
            metrics.webhook(PATH, "connected");
            answer(&reception, base, &asked, &reservation)
        }
        Err(why) => {
            metrics.webhook(PATH, why.name());
            metrics.refused(why.name());
            let from = asked.from.as_deref().unwrap_or_default();
            info!(reason = why.name(), caller = masked(from), "a call was not let in: {why}");
            refused(&why)
        }
    }
}

/// Exotel goes on to the flow's next applet when it gets no address.
fn refused(reason: &NotAdmitted) -> Response {
    let (status, retry_after_s) = match reason {
        NotAdmitted::AddressTooOften(often) | NotAdmitted::CallerTooOften(often) => {
            (StatusCode::TOO_MANY_REQUESTS, Some(often.wait_s()))
        }
        NotAdmitted::NoBot => (StatusCode::NOT_FOUND, None),
        NotAdmitted::GivenUp => (StatusCode::GONE, None),
        NotAdmitted::Refused(Refusal::Over) => (StatusCode::GONE, None),
        NotAdmitted::Refused(_) => (StatusCode::SERVICE_UNAVAILABLE, Some(FREE_WITHIN_S)),
    };
    let body = json!({"error": {"code": reason.name(), "message": reason.to_string()}});
    let mut response = (status, Json(body)).into_response();
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A place for the call, or why there is none.
fn admit(
    reception: &Reception,
    webhook: &Webhook,
    asked: &ConnectRequest,
    now: Instant,
) -> Result<Reservation, NotAdmitted> {
    let gateway = &reception.gateway;
    // A call that we placed has its place already, under the name that it was given along.
    let ours = asked.custom_field.as_deref().and_then(|id| id.parse::<CallId>().ok());
    let place = ours.map(|id| gateway.place_of_outbound(CarrierKind::Exotel, id, asked.call.as_deref()));
    match place {
        Some(PlaceOf::Call(reservation)) => return Ok(reservation),
        Some(PlaceOf::Full(refusal)) => return Err(refusal.into()),
        Some(PlaceOf::Over) => return Err(NotAdmitted::GivenUp),
        // The flow's custom field is somebody else's.
        Some(PlaceOf::NotOurs) | None => {}
    }
    let bot = match webhook.params.filled("bot") {
        Some(name) => gateway.bot(name),
        None => {
            // Of a call that was placed through a flow, our number is the one it comes from.
            let our_number = if asked.is_outbound { &asked.from } else { &asked.to };
            let bot = gateway.config.bot_on(CarrierKind::Exotel, our_number.as_deref());
            bot.cloned().map(Arc::new)
        }
    };
    let knock = Knock {
        // One that Exotel placed for somebody else comes to us as any other.
        direction: Direction::Inbound,
        carrier: EXOTEL.to_owned(),
        carrier_call: asked.call.clone(),
        from: asked.from.clone(),
        to: asked.to.clone(),
        facts: facts(&webhook.params, asked),
        ..Knock::default()
    };
    let caller = asked.from.as_deref().unwrap_or_default();
    admission::admit(reception, webhook.client, caller, knock, bot, now)
}

/// What the flow says about the call beside what every call has.
fn facts(params: &Params, asked: &ConnectRequest) -> Vec<(String, String)> {
    let plain = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
    let is_fact = |name: &str| NO_FACTS.iter().all(|other| plain(other) != plain(name));
    params
        .iter()
        .filter(|(name, value)| is_fact(name) && !value.is_empty() && name.len() <= FACT_CHARS_MAX)
        .take(FACTS_MAX)
        .map(|(name, value)| (name.to_owned(), value.chars().take(FACT_CHARS_MAX).collect()))
        .chain(asked.is_outbound.then(|| ("direction".to_owned(), "outbound".to_owned())))
        .collect()
}

fn answer(reception: &Reception, base: Url, asked: &ConnectRequest, reservation: &Reservation) -> Response {
    let exotel = &reception.gateway.config.carriers.exotel;
    let id = reservation.id.to_string();
    let rate = exotel.sample_rate.to_string();
    let whole =
        format!("{}{}", base.as_str().trim_end_matches('/'), exotel.ws_path).replacen("http", "ws", 1);
    let media = Url::parse(&whole).map_err(|error| error.to_string()).and_then(|mut media| {
        // Exotel passes three parameters on.
        media
            .query_pairs_mut()
            .append_pair("call_id", asked.call.as_deref().unwrap_or(&id))
            .append_pair("sample-rate", &rate)
            .append_pair(TOKEN, &reservation.token);
        check_stream_url(media.as_str()).map(|()| media).map_err(|error| error.to_string())
    });
    match media {
        Ok(media) => Json(json!({"url": media.as_str()})).into_response(),
        Err(why) => {
            error!(call = id, "a call of Exotel's cannot be connected: {why}");
            reception.gateway.switchboard.give_up(&reservation.token);
            refuse(500, "no media address could be written; the log says why")
        }
    }
}
