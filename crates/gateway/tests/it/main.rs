//! One program for all integration tests of the gateway: one link, shared set-up.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bare_carrier;
mod cli;
mod config;
mod config_documents;
mod config_lines;
mod config_mcube;
mod config_plivo;
mod doctor;
mod every_carrier;
mod gateway_process;
mod http_api;
mod http_exotel;
mod http_mcube;
mod http_page;
mod http_plivo;
mod http_twilio;
mod logs;
mod outbound;
mod outbound_reports;
mod outward;
mod stage;
mod tls;
mod withstand_agent;
mod withstand_audio;
mod withstand_capacity;
mod withstand_carrier;
mod withstand_goodbye;
mod withstand_interruption;
mod withstand_kill;
mod withstand_page;
mod withstand_panic;
mod world;
