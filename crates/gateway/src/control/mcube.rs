//! Mcube's own interface: placing a call. The rest are messages on its media socket.

use std::sync::Arc;

use carriers::mcube::call_control::{Account, Originate, OriginateResult, read_originate};
use url::Url;
use wire::Secret;

use super::{CONTROL_WITHIN, NotPlaced, Placed, Placement, all_given, own_base};
use crate::config::Config;
use crate::gateway::{Gateway, MCUBE};

/// Handing over is a message; whether Mcube can do it for this customer, only Mcube knows.
pub(super) fn can_transfer(_config: &Config) -> bool {
    true
}

pub(super) fn can_place(config: &Config) -> Result<(), String> {
    let mcube = &config.carriers.mcube;
    let needed = [
        ("carriers.mcube.api_token", mcube.api_token.is_some()),
        // Without it Mcube's own reports are refused.
        ("carriers.mcube.token", mcube.has_token() || mcube.allow_unauthenticated || is_trial(config)),
        // Mcube asks there where the media goes.
        ("server.public_url", config.server.public_url.is_some() || is_trial(config)),
    ];
    all_given(&needed, ("carriers.mcube.exe_number", mcube.exe_number.is_some()))
}

pub(super) async fn place(gateway: &Arc<Gateway>, placement: &Placement<'_>) -> Result<Placed, NotPlaced> {
    let config = &gateway.config;
    let mcube = &config.carriers.mcube;
    let not_configured = |what: &str| NotPlaced::NotConfigured(what.to_owned());
    can_place(config).map_err(NotPlaced::NotConfigured)?;
    let token = mcube.api_token.clone().ok_or_else(|| not_configured("set `carriers.mcube.api_token`"))?;
    let executive = placement.from.or(mcube.exe_number.as_deref()).ok_or_else(|| {
        not_configured("set `carriers.mcube.exe_number` (MCUBE_EXE_NUMBER), or name the number to call from")
    })?;
    let id = placement.call.to_string();
    let refurl = refurl(gateway, &id).map_err(NotPlaced::NotConfigured)?;
    let account = Account { token, api_base_url: mcube.api_base_url.clone() };
    let call = Originate { to: placement.to, executive, refurl: refurl.reveal(), refid: &id };
    let request =
        account.originate(&call).map_err(|error| NotPlaced::Refused { detail: error.to_string() })?;
    let reply = gateway
        .outward
        .send(MCUBE, &request, CONTROL_WITHIN)
        .await
        .map_err(|error| NotPlaced::unanswered(&error))?;
    let is_forbidden = matches!(reply.status, 401 | 403);
    match read_originate(&reply) {
        OriginateResult::Placed { call_id } => Ok(Placed { carrier_call: Some(call_id), request: None }),
        OriginateResult::Failed { message, unsure: true, .. } => {
            Err(NotPlaced::Unreachable { detail: message })
        }
        OriginateResult::Failed { message, retry_after: Some(wait), .. } => {
            Err(NotPlaced::Busy { detail: message, retry_after_s: Some(wait.as_secs()) })
        }
        OriginateResult::Failed { message, .. } if is_forbidden => Err(NotPlaced::NotConfigured(message)),
        OriginateResult::Failed { message, .. } => Err(NotPlaced::Refused { detail: message }),
    }
}

/// Where Mcube asks for the media socket of this call, and reports. Holds what it has to show there.
fn refurl(gateway: &Gateway, id: &str) -> Result<Secret, String> {
    let mcube = &gateway.config.carriers.mcube;
    let base = own_base(gateway, &mcube.api_base_url).ok_or_else(|| "set `server.public_url`".to_owned())?;
    // A trial with a pretended Mcube on this machine has no token but the one that was made for it.
    let here = is_here(&base).then_some(gateway.lab_token.as_ref()).flatten();
    let token = mcube.token.as_ref().or(mcube.more_tokens.first()).or(here);
    let address = format!("{}{}", base.as_str().trim_end_matches('/'), mcube.webhook_path);
    let mut url = Url::parse(&address).map_err(|error| format!("{address} is no address: {error}"))?;
    url.query_pairs_mut().append_pair("call", id);
    match token {
        Some(token) => {
            url.query_pairs_mut().append_pair("token", token.reveal());
        }
        None if mcube.allow_unauthenticated => {}
        None => {
            return Err("set `carriers.mcube.token`: without it Mcube's own reports are refused".to_owned());
        }
    }
    Ok(Secret::new(url.to_string()))
}

/// Whether Mcube is a pretended one on this machine: it shows the token that was made for it.
fn is_trial(config: &Config) -> bool {
    is_here(&config.carriers.mcube.api_base_url) && config.server.listen.ip().is_loopback()
}

fn is_here(url: &Url) -> bool {
    url.host_str().is_some_and(crate::http::is_loopback_host)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::post;
    use call::CallId;
    use serde_json::{Value, json};
    use tempfile::TempDir;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;
    use crate::config::{Bot, Sources};
    use crate::ops::logs::LogDrops;
    use crate::serve::{self, Serving};

    const TO: &str = "+919123456780";

    /// A gateway, and a Mcube that answers every request in the same way.
    struct Stage {
        serving: Serving,
        asked: mpsc::UnboundedReceiver<Value>,
        _data: TempDir,
    }

    impl Stage {
        async fn open(status: u16, answer: &'static str, change: impl FnOnce(&mut Config)) -> Stage {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let (tell, asked) = mpsc::unbounded_channel();
            let answering = move |body: String| {
                let _ = tell.send(serde_json::from_str(&body).unwrap());
                async move { (StatusCode::from_u16(status).unwrap(), answer) }
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let router = Router::new().route("/Restmcube-api/outbound-calls-websocket", post(answering));
            tokio::spawn(async move { axum::serve(listener, router).await });
            let data = tempfile::tempdir().unwrap();
            let mut config = Config::load(&Sources::default()).unwrap().config;
            config.server.listen = "127.0.0.1:0".parse().unwrap();
            config.server.data_dir = data.path().to_path_buf();
            config.server.media_threads = 1;
            config.server.public_url = Some("https://voice.example.com/phone".parse().unwrap());
            let mcube = &mut config.carriers.mcube;
            mcube.token = Some(Secret::new("shown by Mcube"));
            mcube.api_token = Some(Secret::new("shown to Mcube"));
            mcube.exe_number = Some("9876543210".to_owned());
            mcube.api_base_url = format!("http://{address}").parse().unwrap();
            change(&mut config);
            let serving = serve::start(config, LogDrops::default(), None).await.unwrap();
            Stage { serving, asked, _data: data }
        }

        async fn place(&self, to: &str, from: Option<&str>) -> Result<Placed, NotPlaced> {
            let gateway = &self.serving.gateway;
            let bot: &Bot = gateway.config.bot_for(None).unwrap();
            let call = CallId::mint(1, [0; 10]);
            let placement =
                Placement { call, token: "the-place", to, from, bot, ring_s: 30, detect_machine: false };
            place(gateway, &placement).await
        }

        async fn close(self) {
            self.serving.drain(Duration::ZERO).await;
        }
    }

    #[tokio::test]
    async fn mcube_is_asked_with_its_token_and_told_where_to_ask_us() {
        let mut stage = Stage::open(200, r#"{"status":true,"callid":"C1"}"#, |_| {}).await;

        let placed = stage.place(TO, None).await;

        assert_eq!(placed, Ok(Placed { carrier_call: Some("C1".to_owned()), request: None }));
        let id = CallId::mint(1, [0; 10]).to_string();
        let refurl = format!("https://voice.example.com/phone/mcube/call?call={id}&token=shown+by+Mcube");
        let expected = json!({"HTTP_AUTHORIZATION": "shown to Mcube", "exenumber": "9876543210",
            "custnumber": "9123456780", "refurl": refurl, "refid": id});
        assert_eq!(stage.asked.recv().await.unwrap(), expected);
        stage.place(TO, Some("+91 80468 00900")).await.unwrap();
        assert_eq!(
            stage.asked.recv().await.unwrap()["exenumber"],
            "8046800900",
            "the request may name another"
        );
        stage.close().await;
    }

    #[tokio::test]
    async fn every_no_is_told_as_what_it_is() {
        for (status, answer, expected) in [
            (
                200,
                r#"{"status":"false","msg":"Executive busy"}"#,
                NotPlaced::Busy {
                    detail: "Mcube refused: Executive busy".to_owned(),
                    retry_after_s: Some(5),
                },
            ),
            (
                200,
                r#"{"status":false,"msg":"not enabled"}"#,
                NotPlaced::Refused { detail: "Mcube refused: not enabled".to_owned() },
            ),
            (
                200,
                r#"{"status":true}"#,
                NotPlaced::Unreachable {
                    detail: "Mcube answered without naming the call it placed".to_owned(),
                },
            ),
            (
                401,
                "",
                NotPlaced::NotConfigured(
                    "Mcube refused the token; check carriers.mcube.api_token".to_owned(),
                ),
            ),
            (
                503,
                "<html>",
                NotPlaced::Unreachable { detail: "Mcube answered 503 without saying why".to_owned() },
            ),
        ] {
            let mut stage = Stage::open(status, answer, |_| {}).await;
            assert_eq!(stage.place(TO, None).await, Err(expected));
            assert!(stage.asked.recv().await.is_some());
            assert!(stage.asked.try_recv().is_err(), "a call is not asked for twice");
            stage.close().await;
        }
    }

    #[tokio::test]
    async fn what_cannot_be_dialled_or_is_not_set_up_never_leaves_the_house() {
        let mut stage = Stage::open(200, "{}", |_| {}).await;
        let abroad = stage.place("+14155550123", None).await;
        assert!(
            matches!(&abroad, Err(NotPlaced::Refused { detail }) if detail.contains("Indian")),
            "{abroad:?}"
        );
        assert!(stage.asked.try_recv().is_err());
        stage.close().await;
        type Change = fn(&mut Config);
        let changes: [(&str, Change); 4] = [
            ("carriers.mcube.api_token", |config| config.carriers.mcube.api_token = None),
            ("carriers.mcube.exe_number", |config| config.carriers.mcube.exe_number = None),
            ("carriers.mcube.token", |config| {
                config.carriers.mcube.token = None;
                config.carriers.mcube.api_base_url = "https://api.mcube.example".parse().unwrap();
            }),
            ("server.public_url", |config| {
                config.server.public_url = None;
                config.carriers.mcube.api_base_url = "https://api.mcube.example".parse().unwrap();
            }),
        ];
        for (key, change) in changes {
            let mut stage = Stage::open(200, "{}", change).await;
            let refused = stage.place(TO, None).await;
            assert!(
                matches!(&refused, Err(NotPlaced::NotConfigured(what)) if what.contains(key)),
                "{refused:?}"
            );
            assert!(stage.asked.try_recv().is_err());
            stage.close().await;
        }
    }
}
