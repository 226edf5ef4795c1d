//! Whether a request is Twilio's, or the pretended Twilio's of this machine.

use axum::http::HeaderMap;
use carriers::twilio::signature::SignatureError;
use url::Url;
use wire::Secret;

use super::super::listener::Ends;
use super::super::ways::{self, Way};
use crate::config::{Server, Twilio};

/// Why nobody gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotLetIn {
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(
        "this gateway has no Twilio auth token, so no request can be checked; start it with TWILIO_AUTH_TOKEN set to \
         the account's (carriers.twilio.auth_token)"
    )]
    NoToken,
    #[error(
        "server.public_url is not set, so no signature can be checked; set it to the address at which Twilio reaches \
         this gateway"
    )]
    NoAddress,
}

impl NotLetIn {
    pub(super) fn status(self) -> u16 {
        match self {
            NotLetIn::Signature(error) => error.status(),
            NotLetIn::NoToken | NotLetIn::NoAddress => 500,
        }
    }
}

/// The ways in for a request with these headers on this connection, the likelier first.
pub(super) fn ways(
    server: &Server,
    twilio: &Twilio,
    lab_token: Option<&Secret>,
    ends: Ends,
    headers: &HeaderMap,
) -> Vec<Way> {
    let accounts = twilio.auth_token.iter().chain(&twilio.more_auth_tokens).cloned().collect();
    ways::of(server, accounts, lab_token, ends, headers)
}

/// Tries all ways. `check` is given an address and the tokens.
pub(super) fn let_in(
    ways: Vec<Way>,
    header: Option<&str>,
    check: impl Fn(&Url, &[Secret]) -> Result<(), SignatureError>,
) -> Result<Way, NotLetIn> {
    if header.is_none_or(str::is_empty) {
        return Err(SignatureError::Missing.into());
    }
    if ways.is_empty() {
        return Err(NotLetIn::NoAddress);
    }
    let mut refused = None;
    for way in ways {
        match check(&way.base, &way.tokens) {
            Ok(()) => return Ok(way),
            Err(SignatureError::NoToken) => {}
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.map_or(NotLetIn::NoToken, NotLetIn::Signature))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use carriers::twilio::signature;
    use carriers::twilio::webhook::Params;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn ends(peer: &str, local: &str) -> Ends {
        Ends { peer: peer.parse().unwrap(), local: local.parse().unwrap() }
    }

    fn account() -> Twilio {
        Twilio {
            auth_token: Some(Secret::new("present")),
            more_auth_tokens: vec![Secret::new("former")],
            ..Twilio::default()
        }
    }

    fn public() -> Server {
        Server { public_url: Some(Url::parse("https://voice.example.com").unwrap()), ..Server::default() }
    }

    fn bases(ways: &[Way]) -> Vec<&str> {
        ways.iter().map(|way| way.base.as_str()).collect()
    }

    /// The address under which a request signed with `token` for `url` gets in.
    fn enter(ways: Vec<Way>, token: &str, url: &str) -> Result<String, NotLetIn> {
        let signed = signature::sign(&Secret::new(token), url, &Params::default());
        let way = let_in(ways, Some(&signed), |base, tokens| {
            signature::verify_get(tokens, &signature::public_url(base, "/in"), Some(&signed))
        })?;
        Ok(way.base.to_string())
    }

    const FAR: &str = "203.0.113.7:1000";
    const HERE: &str = "127.0.0.1:1000";

    #[test]
    fn every_token_of_the_account_opens_the_public_address() {
        let lab = Secret::new("lab");
        let ways = || {
            ways(&public(), &account(), Some(&lab), ends(FAR, "10.0.0.2:7900"), &headers(&[("host", "x")]))
        };

        assert_eq!(bases(&ways()), ["https://voice.example.com/"]);
        assert!(enter(ways(), "present", "https://voice.example.com/in").is_ok());
        assert!(enter(ways(), "former", "https://voice.example.com/in").is_ok());
        let wrong = Err(NotLetIn::Signature(SignatureError::Mismatch));
        assert_eq!(
            enter(ways(), "lab", "https://voice.example.com/in"),
            wrong,
            "it is for this machine alone"
        );
        assert_eq!(enter(ways(), "present", "https://x/in"), wrong, "the host header is anybody's");
    }

    #[test]
    fn the_pretended_twilio_calls_this_machine_and_is_answered_there() {
        let lab = Secret::new("lab");
        let here = ends(HERE, "127.0.0.1:7900");
        let ways = |host| ways(&public(), &account(), Some(&lab), here, &headers(&[("host", host)]));

        assert_eq!(
            enter(ways("localhost:7900"), "lab", "http://localhost:7900/in").unwrap(),
            "http://localhost:7900/"
        );
        assert_eq!(enter(ways("odd"), "lab", "http://127.0.0.1:7900/in").unwrap(), "http://127.0.0.1:7900/");
        // Through a tunnel on this machine, with a public address.
        let through = enter(ways("voice.example.com"), "present", "https://voice.example.com/in").unwrap();
        assert_eq!(through, "https://voice.example.com/");
        assert!(enter(ways("127.0.0.1:7900"), "present", "http://127.0.0.1:7900/in").is_err());
    }

    #[test]
    fn without_a_public_address_this_machine_can_still_try_it() {
        let here = ends(HERE, "127.0.0.1:7900");
        let ways = ways(&Server::default(), &account(), None, here, &headers(&[]));

        assert_eq!(enter(ways, "present", "http://127.0.0.1:7900/in").unwrap(), "http://127.0.0.1:7900/");
    }

    #[test]
    fn a_trusted_proxy_may_say_which_address_was_called() {
        let server = Server { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Server::default() };
        let told = headers(&[("x-forwarded-proto", "https"), ("x-forwarded-host", "voice.example.com")]);
        let by_proxy = ways(&server, &account(), None, ends("10.0.0.1:1", "10.0.0.2:7900"), &told);
        let by_anybody = ways(&server, &account(), None, ends(FAR, "10.0.0.2:7900"), &told);

        assert_eq!(bases(&by_proxy), ["https://voice.example.com/"]);
        assert_eq!(bases(&by_anybody), [""; 0]);
        assert_eq!(enter(by_anybody, "present", "https://voice.example.com/in"), Err(NotLetIn::NoAddress));
    }

    #[test]
    fn without_a_token_nobody_gets_in() {
        let ways = || ways(&public(), &Twilio::default(), None, ends(FAR, "10.0.0.2:7900"), &headers(&[]));

        let no_token = Err(NotLetIn::NoToken);
        assert!(NotLetIn::NoToken.to_string().contains("TWILIO_AUTH_TOKEN"));
        assert_eq!(NotLetIn::NoToken.status(), 500);
        assert_eq!(enter(ways(), "", "https://voice.example.com/in"), no_token);
        let missing = let_in(ways(), None, |_, _| Ok(())).unwrap_err();
        assert_eq!((missing, missing.status()), (NotLetIn::Signature(SignatureError::Missing), 400));
    }
}
