//! What answers which path.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::media_sockets;
use crate::gateway::Gateway;

/// All routes of the gateway.
pub fn router(gateway: &Arc<Gateway>) -> Router {
    let mut router = Router::new();
    if gateway.config.carriers.browser.enabled {
        router = router.route(&gateway.config.carriers.browser.path, get(media_sockets::browser));
    }
    router.with_state(Arc::clone(gateway))
}
