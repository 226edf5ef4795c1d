//! REST: the same requests, and the same reading of the replies.

use carriers::twilio::call_control::{
    Account, Amendment, ApiKey, ControlResult, Instructions, MachineDetection, Originate, Progress,
    read_update, regional_base_url,
};
use carriers::twilio::twiml::{self, StartStream, Track};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use wire::{Body, Method, Reply, Request, Secret};

use crate::peers;

#[derive(Debug, PartialEq, Deserialize)]
struct Sent {
    method: String,
    url: String,
    auth: (String, String),
    form: Vec<(String, String)>,
}

#[test]
fn its_client_sends_what_we_send_and_reads_what_we_read() {
    let document = twiml::dial(&twiml::Dial::to("+14155550123").unwrap()).unwrap();
    let replies = [
        (200, r#"{"sid":"CA1","status":"completed"}"#),
        (
            400,
            r#"{"code":21220,"message":"Call is not in-progress.","more_info":"https://www.twilio.com/docs/errors/21220","status":400}"#,
        ),
        (
            404,
            r#"{"code":20404,"message":"The requested resource was not found","more_info":"…","status":404}"#,
        ),
        (401, r#"{"code":20003,"message":"Authenticate","more_info":"…","status":401}"#),
        (429, r#"{"code":20429,"message":"Too Many Requests","more_info":"…","status":429}"#),
        (
            400,
            r#"{"type":"https://www.twilio.com/docs/api/errors/20001","title":"Invalid parameter","status":400,"code":20001,"detail":"…"}"#,
        ),
    ];
    let asked: Vec<Value> =
        replies.iter().map(|(status, body)| json!({"status": status, "body": body})).collect();

    let found =
        peers::run(peers::TWILIO, "rest.py", &json!({"document": document.as_str(), "replies": asked}));
    let Some(found) = found else { return };

    let theirs: Vec<Sent> = serde_json::from_value(found["requests"].clone()).unwrap();
    let ours: Vec<Sent> = requests(&document).into_iter().map(sent).collect();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        assert_eq!(sorted(ours), sorted(theirs));
    }
    for ((status, body), theirs) in replies.iter().zip(found["replies"].as_array().unwrap()) {
        let reply = Reply { status: *status, body: (*body).to_owned(), retry_after_s: None };
        let code = match read_update(&reply) {
            ControlResult::Done => {
                assert_eq!(theirs["done"], true);
                continue;
            }
            // Success for us, an exception with this code for it.
            ControlResult::AlreadyOver if *status == 404 => Some(20404),
            ControlResult::AlreadyOver => Some(21220),
            ControlResult::Failed { code, .. } => code,
        };
        assert_eq!(theirs["done"], false);
        assert_eq!(theirs["code"].as_u64(), code.map(u64::from), "{body}");
    }
}

fn requests(document: &twiml::Document) -> Vec<Request> {
    let account = Account::new("AC1", Secret::new("token"), Url::parse("https://api.twilio.com").unwrap());
    let by_key = Account {
        api_base_url: regional_base_url("dublin", "ie1").unwrap(),
        api_key: Some(ApiKey { sid: "SK1".to_owned(), secret: Secret::new("key") }),
        ..account.clone()
    };
    let call = |instructions| Originate::new("+14155550123", "+18005551212", instructions);
    let in_full = Originate {
        status_callback: Some("https://gw.example.com/status"),
        progress: &[Progress::Initiated, Progress::Ringing, Progress::Answered, Progress::Completed],
        timeout_s: Some(30),
        send_digits: Some("wW1#"),
        machine_detection: Some(MachineDetection {
            wait_for_beep: true,
            timeout_s: Some(10),
            tell: Some("https://gw.example.com/amd"),
        }),
        time_limit_s: Some(3600),
        record: true,
        caller_id: Some("+18005551213"),
        call_token: Some("t"),
        ..call(Instructions::Document(document))
    };
    let tap = StartStream {
        url: "wss://gw.example.com/tap",
        name: Some("tap"),
        track: Track::Both,
        status_callback: Some("https://gw.example.com/stream"),
        parameters: &[("k", "v"), ("l", "w")],
    };
    vec![
        account.hang_up("CA1"),
        account.cancel("CA1"),
        account.transfer("CA1", document).unwrap(),
        account.redirect_to("CA1", &Url::parse("https://gw.example.com/next?a=1").unwrap()),
        account.amend(
            "CA1",
            &Amendment {
                status_callback: Some("https://gw.example.com/status"),
                fallback_url: Some("https://gw.example.com/fallback"),
                time_limit_s: Some(600),
            },
        ),
        account.fetch_account(),
        account.originate(&call(Instructions::Url("https://gw.example.com/"))).unwrap(),
        account.originate(&call(Instructions::Application("AP1"))).unwrap(),
        account.originate(&in_full).unwrap(),
        account.start_stream("CA1", &tap).unwrap(),
        account.stop_stream("CA1", "MZ1"),
        by_key.hang_up("CA1"),
    ]
}

fn sent(request: Request) -> Sent {
    let (user, secret) = request.basic.unwrap();
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        other => panic!("{other:?}"),
    };
    let form = match request.body {
        Body::Form(pairs) => pairs,
        Body::Empty => Vec::new(),
        other => panic!("{other:?}"),
    };
    Sent { method: method.to_owned(), url: request.url, auth: (user, secret.reveal().to_owned()), form }
}

/// The order of a form's fields means nothing.
fn sorted(mut sent: Sent) -> Sent {
    sent.form.sort();
    sent
}
