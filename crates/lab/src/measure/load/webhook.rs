//! How a call begins at Twilio: a signed webhook, and an answer that says where the audio shall go.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use url::Url;

use super::super::error::MeasureError;
use super::super::handshake;

/// Twilio itself waits 15 s.
const PATIENCE: Duration = Duration::from_secs(15);
/// A document longer than Twilio's own limit of 64 KB is not one.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Where to post to, plain `http`.
    pub url: String,
    /// The URL that the signature is over, where the gateway believes in another public URL.
    #[serde(default)]
    pub signed_as: Option<String>,
    pub account_sid: String,
    pub auth_token: String,
    /// The number that was called.
    pub to: String,
}

/// What the webhook's document says about the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) url: String,
    pub(super) parameters: Vec<(String, String)>,
}

impl Webhook {
    /// Announces the call and follows the answer.
    pub(super) fn ring(&self, call_sid: &str, from: &str) -> Result<Stream, MeasureError> {
        let form = [
            ("AccountSid", self.account_sid.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", call_sid),
            ("CallStatus", "ringing"),
            ("Called", &self.to),
            ("Caller", from),
            ("Direction", "inbound"),
            ("From", from),
            ("To", &self.to),
        ];
        let signature = sign(&self.auth_token, self.signed_as.as_deref().unwrap_or(&self.url), &form);
        let answer = post(&self.url, &form, &signature)?;
        stream_of(&answer).ok_or_else(|| {
            MeasureError::Webhook(format!("the answer to {} has no <Stream>: {answer}", self.url))
        })
    }

    /// Twilio signs the upgrade of the media socket as well: the URL alone.
    pub(super) fn sign_upgrade(&self, url: &str) -> String {
        sign(&self.auth_token, url, &[])
    }
}

/// `X-Twilio-Signature`: base64 of HMAC-SHA1 over the URL and the form's names and values, sorted by name.
fn sign(auth_token: &str, url: &str, form: &[(&str, &str)]) -> String {
    let mut form = form.to_vec();
    form.sort_unstable();
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()).expect("a key of any length");
    mac.update(url.as_bytes());
    for (name, value) in form {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

fn post(url: &str, form: &[(&str, &str)], signature: &str) -> Result<String, MeasureError> {
    let place = Place::of(url)?;
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(form);
    let body = body.finish();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n\
         Content-Length: {}\r\nX-Twilio-Signature: {signature}\r\nUser-Agent: TwilioProxy/1.1\r\n\
         Connection: close\r\n\r\n",
        place.target,
        place.host,
        body.len()
    );
    let (head, body) = exchange(&place, &(head + &body))
        .map_err(|error| MeasureError::Webhook(format!("cannot post to {url}: {error}")))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        return Err(MeasureError::Webhook(format!("{url} answered {status}: {body}")));
    }
    Ok(body)
}

/// One request on its own connection.
pub(in super::super) fn exchange(place: &Place, request: &str) -> std::io::Result<(String, String)> {
    let unreadable = |what| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    let mut stream = TcpStream::connect_timeout(&place.address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let (head, used) = handshake::whole_head(&answer)
        .ok()
        .flatten()
        .ok_or_else(|| unreadable("the answer's head is cut off"))?;
    if handshake::header(head, "transfer-encoding").is_some() {
        return Err(unreadable("the answer comes in HTTP chunks, which this client does not read"));
    }
    Ok((head.to_owned(), String::from_utf8_lossy(&answer[used..]).into_owned()))
}

/// A URL taken apart for a plain connection.
#[derive(Clone, Debug)]
pub(in super::super) struct Place {
    pub(in super::super) address: SocketAddr,
    pub(in super::super) host: String,
    /// Path and query.
    pub(in super::super) target: String,
}

impl Place {
    /// The scheme may be `http`, `ws`, or, since a gateway names its public self, their encrypted forms: the measure
    /// runs without encryption and dials the same host and port.
    pub(in super::super) fn of(url: &str) -> Result<Place, MeasureError> {
        let wrong = |why: &str| MeasureError::Address(format!("{url}: {why}"));
        let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        let host = parsed.host_str().ok_or_else(|| wrong("it has no host"))?;
        let port = parsed.port_or_known_default().ok_or_else(|| wrong("it has no port"))?;
        let address = (host.trim_matches(['[', ']']), port)
            .to_socket_addrs()
            .map_err(|error| wrong(&error.to_string()))?
            .next()
            .ok_or_else(|| wrong("its host has no address"))?;
        let mut target = parsed.path().to_owned();
        if let Some(query) = parsed.query() {
            let _ = write!(target, "?{query}");
        }
        Ok(Place { address, host: format!("{host}:{port}"), target })
    }
}

fn stream_of(twiml: &str) -> Option<Stream> {
    let (_, after) = twiml.split_once("<Stream")?;
    let url = attribute(after.split_once('>')?.0, "url")?;
    let within = after.split_once("</Stream>").map_or("", |(within, _)| within);
    let parameters = within.split("<Parameter").skip(1).filter_map(|tag| {
        let tag = tag.split_once('>')?.0;
        Some((attribute(tag, "name")?, attribute(tag, "value")?))
    });
    Some(Stream { url, parameters: parameters.collect() })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let (before, after) = rest.split_once(name)?;
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        if before.ends_with(char::is_whitespace)
            && let Some(quote @ ('"' | '\'')) = value.and_then(|value| value.chars().next())
        {
            return Some(unescape(value?[1..].split_once(quote)?.0));
        }
        rest = after;
    }
}

fn unescape(text: &str) -> String {
    // The ampersand last, or `&amp;lt;` would come out wrong.
    text.replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the official libraries' own tests.
    #[test]
    fn known_requests_have_their_known_signatures() {
        let form = [
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
        ];
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert_eq!(sign("12345", url, &form), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        assert_eq!(sign("12345", "wss://gw.example.com/twilio/media", &[]), "xOtUNom2O6Ixz0xt8ODDv8MkQUY=");
    }

    #[test]
    fn the_stream_is_found_in_the_document() {
        let twiml = r#"<?xml version="1.0"?><Response><Connect action="/x"><Stream name="a url" url='ws://h:1/s?a=1&amp;b=2'>
            <Parameter name="token" value="a&quot;&amp;lt;b"/><Parameter value="v" name = "n" /></Stream></Connect><Hangup/></Response>"#;

        let stream = stream_of(twiml).expect("a stream");

        assert_eq!(stream.url, "ws://h:1/s?a=1&b=2");
        let parameters = [("token", "a\"&lt;b"), ("n", "v")];
        assert_eq!(stream.parameters, parameters.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(stream_of("<Response><Reject/></Response>"), None);
    }

    #[test]
    fn a_stream_without_parameters_has_none() {
        let stream =
            stream_of(r#"<Connect><Stream url="wss://h/s"/></Connect><Parameter name="x" value="y"/>"#);
        assert_eq!(stream.map(|stream| stream.parameters.len()), Some(0));
    }

    /// A gateway of one request: hands back what it was sent.
    fn answer_once(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/webhooks/inbound?x=1", listener.local_addr().expect("an address"));
        let gateway = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a caller");
            let mut request = Vec::new();
            // The form's last field tells its end.
            while !request.ends_with(b"To=%2B15550000") {
                let mut piece = [0; 512];
                let n = stream.read(&mut piece).expect("more of the request");
                assert!(n > 0, "the request is cut off");
                request.extend_from_slice(&piece[..n]);
            }
            stream.write_all(answer.as_bytes()).expect("the answer is taken");
            String::from_utf8(request).expect("text")
        });
        (url, gateway)
    }

    fn webhook(url: String) -> Webhook {
        let secret = "12345".to_owned();
        Webhook {
            url,
            signed_as: None,
            account_sid: "AC1".to_owned(),
            auth_token: secret,
            to: "+15550000".to_owned(),
        }
    }

    #[test]
    fn a_call_is_announced_with_a_signature_over_all_it_says() {
        let (url, gateway) = answer_once(
            "HTTP/1.1 200 OK\r\ncontent-length: 55\r\n\r\n<Response><Connect><Stream url=\"ws://h/s\"/></Connect></R>",
        );

        let stream = webhook(url.clone()).ring("CA1", "+1555").expect("a stream");

        let request = gateway.join().expect("the request");
        let signed = "AccountSidAC1ApiVersion2010-04-01CallSidCA1CallStatusringingCalled+15550000Caller+1555\
                      DirectioninboundFrom+1555To+15550000";
        assert_eq!(stream.url, "ws://h/s");
        assert!(request.starts_with("POST /webhooks/inbound?x=1 HTTP/1.1\r\n"));
        assert!(
            request.contains(&format!("X-Twilio-Signature: {}\r\n", sign("12345", &(url + signed), &[])))
        );
    }

    #[test]
    fn a_refusal_is_told_in_the_gateway_s_own_words() {
        let (url, gateway) = answer_once("HTTP/1.1 403 Forbidden\r\n\r\nwrong signature");

        let error = webhook(url).ring("CA1", "+1555").expect_err("a refusal").to_string();

        assert!(error.contains("403") && error.contains("wrong signature"), "{error}");
        gateway.join().expect("the request");
    }

    #[test]
    fn an_address_keeps_path_and_query() {
        let place = Place::of("wss://127.0.0.1:9/a/b?c=d").expect("an address");
        assert_eq!((place.address.port(), place.target.as_str()), (9, "/a/b?c=d"));
        assert!(Place::of("mailto:a@b").is_err());
    }
}
