//! What everything that answers requests shares.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::body::{self, BodyError};
use super::client_address::{client_address, neighbourhood};
use super::exotel::ReportsSeen;
use super::rate_limit::{RateLimit, TooOften};
use super::twilio::ReportOrders;
use crate::gateway::Gateway;
use crate::ops::process::CpuMeter;

#[derive(Debug)]
pub(super) struct Reception {
    pub(super) gateway: Arc<Gateway>,
    pub(super) began: Instant,
    pub(super) cpu: CpuMeter,
    /// Places for those who listen to events.
    pub(super) listeners: Arc<Semaphore>,
    pub(super) calls_by_address: RateLimit<IpAddr>,
    pub(super) calls_by_caller: RateLimit<String>,
    pub(super) requests_by_address: RateLimit<IpAddr>,
    /// How far Twilio's reports of each call have come.
    pub(super) report_orders: Mutex<ReportOrders>,
    /// Exotel's reports so far.
    pub(super) exotel_reports: Mutex<ReportsSeen>,
}

impl Reception {
    pub(super) fn new(gateway: &Arc<Gateway>) -> Reception {
        let limits = &gateway.config.limits;
        let began = Instant::now();
        Reception {
            gateway: Arc::clone(gateway),
            began,
            cpu: CpuMeter::default(),
            listeners: Arc::new(Semaphore::new(limits.event_listeners as usize)),
            calls_by_address: RateLimit::new(limits.calls_per_minute_per_address, began),
            calls_by_caller: RateLimit::new(limits.calls_per_minute_per_caller, began),
            requests_by_address: RateLimit::new(limits.api_requests_per_minute_per_address, began),
            report_orders: Mutex::default(),
            exotel_reports: Mutex::default(),
        }
    }

    /// Whose request this is.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let forwarded: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        client_address(peer, &self.gateway.config.server.trusted_proxies, &forwarded)
    }

    /// Counts one more request of the API from there.
    pub(super) fn admit_request(&self, client: IpAddr) -> Result<(), TooOften> {
        self.requests_by_address.admit(neighbourhood(client), Instant::now())
    }

    pub(super) async fn read_body(&self, body: Body) -> Result<Bytes, BodyError> {
        let limits = &self.gateway.config.limits;
        let within = Duration::from_millis(u64::from(limits.request_header_ms));
        body::read(body, limits.request_bytes, within).await
    }
}
