//! `GET /api/v1/events`: what happens in live calls, as it happens (server-sent events).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use call::CallId;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::super::listener::Closing;
use super::super::reception::Reception;
use super::super::refusal::Refusal;
use super::request::Asked;
use crate::events::Event;

/// Something is said at least this often, so that proxies keep the connection and a page notices when it is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Tells a proxy (nginx) to hand each event on at once.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only this call's events.
    call: Option<CallId>,
}

pub(super) async fn events(
    State(reception): State<Arc<Reception>>,
    Extension(closing): Extension<Closing>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Response, Refusal> {
    let Ok(place) = Arc::clone(&reception.listeners).try_acquire_owned() else {
        return Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_listeners",
            "as many listen to events as may",
            "close one, or raise limits.event_listeners",
        ));
    };
    let listener = Listener {
        events: reception.gateway.events.listen(),
        call: wanted.call,
        greeted: false,
        closing: closing.0,
        _place: place,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    let mut response = Sse::new(stream(listener)).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    Ok(response)
}

struct Listener {
    events: Receiver<Arc<Event>>,
    call: Option<CallId>,
    greeted: bool,
    closing: CancellationToken,
    _place: OwnedSemaphorePermit,
}

/// What is sent: the event's name and its JSON.
type Line = (&'static str, String);

fn stream(listener: Listener) -> impl Stream<Item = Result<Sent, Infallible>> {
    unfold(listener, |mut listener| async move {
        let (name, data) = listener.next().await?;
        Some((Ok(Sent::default().event(name).data(data)), listener))
    })
}

impl Listener {
    /// The next thing to tell; none when the gateway closes.
    async fn next(&mut self) -> Option<Line> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(line("hello", &json!({"version": env!("CARGO_PKG_VERSION")})));
        }
        loop {
            let heard = tokio::select! {
                heard = self.events.recv() => heard,
                () = self.closing.cancelled() => return None,
            };
            match heard {
                Ok(event) if self.call.is_none_or(|call| call == event.call()) => {
                    return Some(line(event.name(), &*event));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(lost)) => return Some(line("lagged", &json!({"lost": lost}))),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn line(name: &'static str, data: &impl serde::Serialize) -> Line {
    // Our own types without maps of odd keys: this cannot fail, and if it did, one event would be empty.
    (name, serde_json::to_string(data).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;
    use crate::events::{CallLevels, Events};

    fn listener(events: &Events, call: Option<CallId>) -> Listener {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Listener {
            events: events.listen(),
            call,
            greeted: true,
            closing: CancellationToken::new(),
            _place: place,
        }
    }

    fn levels(call: CallId) -> Event {
        let silence = -90.0;
        Event::Levels(CallLevels {
            call,
            caller_dbfs: silence,
            agent_dbfs: silence,
            caller_speaks: false,
            agent_speaks: false,
        })
    }

    #[tokio::test]
    async fn a_listener_that_falls_behind_is_told_how_much_it_lost() {
        let events = Events::default();
        let mut listener = listener(&events, None);
        let call = CallId::mint(1, [1; 10]);
        for _ in 0..3_000 {
            events.publish(levels(call));
        }

        let (name, data) = listener.next().await.unwrap();
        assert_eq!((name, data.as_str()), ("lagged", "{\"lost\":952}"));
        assert_eq!(listener.next().await.unwrap().0, "levels", "and goes on with what is left");
    }

    #[tokio::test]
    async fn a_listener_of_one_call_hears_of_no_other() {
        let events = Events::default();
        let (ours, other) = (CallId::mint(1, [1; 10]), CallId::mint(1, [2; 10]));
        let mut listener = listener(&events, Some(ours));
        events.publish(levels(other));
        events.publish(levels(ours));

        let (_, data) = listener.next().await.unwrap();

        assert!(data.contains(&ours.to_string()), "{data}");
    }

    #[tokio::test]
    async fn the_stream_ends_when_the_door_closes() {
        let events = Events::default();
        let mut listener = listener(&events, None);
        listener.closing.cancel();

        assert_eq!(listener.next().await, None);
    }
}
