//! The program behind the binary `trunkline`: sockets, tasks, HTTP, files, command line.

pub mod agent_check;
pub mod arrival;
pub mod auth;
pub mod bot_tools;
pub mod call_task;
pub mod carrier_kind;
pub mod carrier_setup;
pub mod cli;
pub mod config;
pub mod control;
pub mod doctor;
pub mod elevenlabs_setup;
pub mod events;
pub mod gateway;
pub mod http;
pub mod legs;
pub mod manual;
pub mod media;
pub mod ops;
pub mod outbound;
pub mod outward;
pub mod records;
pub mod serve;
pub mod switchboard;
