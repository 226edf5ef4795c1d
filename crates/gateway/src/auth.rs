//! Who may use the API and the console.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use wire::Secret;

use crate::config::Server;

/// Whether this is the API token. Takes the same time for every wrong token, whatever its length.
pub fn is_api_token(server: &Server, shown: &str) -> bool {
    server.api_token.as_ref().is_some_and(|token| is_secret(token, shown))
}

/// Whether this is that secret. Takes the same time for every wrong one, whatever its length.
pub fn is_secret(secret: &Secret, shown: &str) -> bool {
    let (ours, theirs) = (Sha256::digest(secret.reveal()), Sha256::digest(shown));
    ours.ct_eq(&theirs).into()
}

/// Whether the API is open without a token: only while nobody but this machine can reach it.
pub fn is_open(server: &Server) -> bool {
    server.api_token.is_none() && server.listen.ip().is_loopback()
}
