//! Being let in, and what not to write into logs.

use agents::elevenlabs::{Account, Auth, BaseUrl, BaseUrlError};
use call::{AgentLeft, Retry};
use wire::{Method, Reply, Secret};

fn account(auth: Auth, base_url: &str) -> Account {
    Account {
        api_key: Some(Secret::new("sk_secret")),
        agent_id: "agent 1&x=2".into(),
        base_url: BaseUrl::parse(base_url).unwrap(),
        auth,
    }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.into(), retry_after_s: None }
}

#[test]
fn a_signed_url_is_asked_for_with_the_key_and_dialled_as_it_is() {
    let account = account(Auth::SignedUrl, "https://api.elevenlabs.io");

    let request = account.signed_url_request().unwrap();
    assert_eq!(request.method, Method::Get);
    assert_eq!(
        request.url,
        "https://api.elevenlabs.io/v1/convai/conversation/get-signed-url?agent_id=agent+1%26x%3D2"
    );
    assert_eq!(request.headers, [("xi-api-key", Secret::new("sk_secret"))]);

    let odd = "wss://api.elevenlabs.io/v1/convai/conversation?agent_id=a&conversation_signature=cvtkn_%2f+x";
    let dial = account.read_signed_url(&reply(200, &format!("{{\"signed_url\":\"{odd}\"}}"))).unwrap();
    assert_eq!(dial.url, odd);
    assert_eq!(dial.headers, []);
}

#[test]
fn the_handshake_carries_the_key_only_where_that_was_chosen() {
    let with_key = account(Auth::ApiKey, "https://api.eu.residency.elevenlabs.io/").direct();
    assert_eq!(
        with_key.url,
        "wss://api.eu.residency.elevenlabs.io/v1/convai/conversation?agent_id=agent+1%26x%3D2"
    );
    assert_eq!(with_key.headers, [("xi-api-key", Secret::new("sk_secret"))]);

    let public = account(Auth::Public, "http://127.0.0.1:9000/proxy");
    assert_eq!(
        public.direct().url,
        "ws://127.0.0.1:9000/proxy/v1/convai/conversation?agent_id=agent+1%26x%3D2"
    );
    assert_eq!(public.direct().headers, []);
    assert_eq!(public.signed_url_request(), None);
}

#[test]
fn nothing_secret_is_printed() {
    let account = account(Auth::ApiKey, "https://api.elevenlabs.io");
    let signed = account
        .read_signed_url(&reply(
            200,
            r#"{"signed_url":"wss://api.elevenlabs.io/v1/x?conversation_signature=sig"}"#,
        ))
        .unwrap();

    let printed = format!("{account:?} {:?} {signed:?} {:?}", account.direct(), account.signed_url_request());

    assert!(!printed.contains("sk_secret") && !printed.contains("sig\""), "{printed}");
    assert!(printed.contains("wss://api.elevenlabs.io/v1/x?***"), "{printed}");
}

#[test]
fn plain_addresses_are_for_this_machine_only() {
    for fine in [
        "https://api.elevenlabs.io",
        "http://localhost:1",
        "http://127.8.0.1",
        "http://[::1]:80/x",
        "ws://el.localhost",
    ] {
        assert!(BaseUrl::parse(fine).is_ok(), "{fine}");
    }
    for refused in
        ["http://api.elevenlabs.io", "http://10.0.0.1", "ftp://localhost", "http://localhost.example.com"]
    {
        assert_eq!(BaseUrl::parse(refused), Err(BaseUrlError::NotSafe), "{refused}");
    }
    assert_eq!(BaseUrl::parse("https://user:pw@host"), Err(BaseUrlError::TooMuch));
    assert_eq!(BaseUrl::parse("https://host/?key=1"), Err(BaseUrlError::TooMuch));
    assert!(matches!(BaseUrl::parse("elevenlabs"), Err(BaseUrlError::NotUrl(_))));
    assert_eq!(BaseUrl::public().as_url().as_str(), "https://api.elevenlabs.io/");
}

#[test]
fn an_answer_without_a_usable_address_is_a_matter_for_a_person() {
    let account = account(Auth::SignedUrl, "https://api.elevenlabs.io");

    for body in [
        "",
        "<html>",
        "{}",
        r#"{"signed_url":7}"#,
        r#"{"signed_url":"no url"}"#,
        r#"{"signed_url":"ws://example.com/?s=1"}"#,
        r#"{"signed_url":"https://example.com/?s=1"}"#,
    ] {
        let departure = account.read_signed_url(&reply(200, body)).unwrap_err();
        assert_eq!(departure.retry, Retry::Never, "{body}");
        assert!(departure.detail.contains("base_url"), "{}", departure.detail);
    }
    let refused = account.read_signed_url(&reply(401, "{}")).unwrap_err();
    assert_eq!(refused.cause, AgentLeft::Refused { status: 401 });
}
