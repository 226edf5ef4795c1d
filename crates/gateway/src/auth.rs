//! Who may use the API and the console.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::Server;

/// Whether this is the API token. Takes the same time for every wrong token, whatever its length.
pub fn is_api_token(server: &Server, shown: &str) -> bool {
    let Some(token) = &server.api_token else { return false };
    let (ours, theirs) = (Sha256::digest(token.reveal()), Sha256::digest(shown));
    ours.ct_eq(&theirs).into()
}

/// Whether the API is open without a token: only while nobody but this machine can reach it.
pub fn is_open(server: &Server) -> bool {
    server.api_token.is_none() && server.listen.ip().is_loopback()
}
