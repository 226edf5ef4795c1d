//! Taking in a request's body, within bounds.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;

/// A body that is too large is read on for this many times the limit, and thrown away: a peer that is still sending when
/// the connection closes never reads why.
const DISCARDED_TIMES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body did not come in time")]
    TooSlow,
    #[error("the body broke off")]
    Broken,
}

impl BodyError {
    pub(super) fn status(self) -> StatusCode {
        match self {
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// The whole body, if it comes in time and is not too large.
pub(super) async fn read(body: Body, bytes_max: usize, within: Duration) -> Result<Bytes, BodyError> {
    match tokio::time::timeout(within, collect(body, bytes_max)).await {
        Ok(collected) => collected,
        Err(_) => Err(BodyError::TooSlow),
    }
}

async fn collect(mut body: Body, bytes_max: usize) -> Result<Bytes, BodyError> {
    let discarded_max = bytes_max.saturating_mul(DISCARDED_TIMES);
    let announced = body.size_hint().lower();
    if announced > discarded_max as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut kept = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen > discarded_max {
            return Err(BodyError::TooLarge);
        }
        if seen <= bytes_max {
            kept.extend_from_slice(&data);
        } else {
            kept.clear();
        }
    }
    if seen > bytes_max { Err(BodyError::TooLarge) } else { Ok(kept.freeze()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn pieces(count: usize) -> Body {
        let pieces = (0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"12345678")));
        Body::from_stream(futures_util::stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_is_taken_up_to_its_limit() {
        assert_eq!(read(pieces(2), 16, SOON).await.unwrap(), "1234567812345678");
        assert_eq!(read(pieces(3), 16, SOON).await, Err(BodyError::TooLarge));
        assert_eq!(read(pieces(1_000_000), 16, SOON).await, Err(BodyError::TooLarge));
        assert_eq!(read(Body::from(vec![0; 1_000]), 16, SOON).await, Err(BodyError::TooLarge));
        assert_eq!(read(Body::empty(), 16, SOON).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_given_up() {
        let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());

        assert_eq!(read(never, 16, Duration::from_millis(1)).await, Err(BodyError::TooSlow));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_taken_for_a_short_one() {
        let broken = [Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("gone"))];

        let body = Body::from_stream(futures_util::stream::iter(broken));

        assert_eq!(read(body, 16, SOON).await, Err(BodyError::Broken));
    }
}
