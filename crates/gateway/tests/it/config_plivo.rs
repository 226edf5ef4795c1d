//! Plivo's settings: what they become, and what they are refused for.

use gateway::carrier_kind::CarrierKind;
use gateway::config::{Config, ConfigErrors, ConfigFile, ContentType, Loaded, Sources};
use gateway::control;

#[test]
fn plivos_own_variables_are_enough_for_a_number() {
    let loaded = load(
        &[
            ("PLIVO_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX"),
            ("PLIVO_AUTH_TOKEN", "the-auth-token"),
            ("PLIVO_PHONE_NUMBER", "+1 (415) 555-0100"),
            ("WEBHOOK_BASE_URL", "https://voice.example.com"),
        ],
        "",
    )
    .unwrap();

    let (config, plivo) = (&loaded.config, &loaded.config.carriers.plivo);
    assert_eq!(warned(&loaded), [""; 0]);
    assert_eq!(plivo.auth_id.as_deref(), Some("MAXXXXXXXXXXXXXXXXXX"));
    assert_eq!(plivo.content_type, ContentType::Mulaw8000);
    let bot = config.bot_on(CarrierKind::Plivo, Some("14155550100")).map(|bot| bot.name.as_str());
    assert_eq!(bot, Some("demo"));
    assert_eq!(config.lines.len(), 1, "the number is a line");
    assert!(control::can_transfer(config, CarrierKind::Plivo));
    assert_eq!(control::can_place(config, CarrierKind::Plivo), Ok(()));
    assert_eq!(control::caller_id(config, CarrierKind::Plivo), Some("+1 (415) 555-0100"));
    assert!(!format!("{config:?}").contains("the-auth-token"));
}

#[test]
fn what_half_an_account_cannot_do_is_warned_of_and_said() {
    let no_id = load(&[("PLIVO_AUTH_TOKEN", "t"), ("WEBHOOK_BASE_URL", "https://a.example")], "").unwrap();
    assert_eq!(warned(&no_id), ["carriers.plivo.auth_id"]);
    assert!(!control::can_transfer(&no_id.config, CarrierKind::Plivo));
    let no_token = load(&[("PLIVO_AUTH_ID", "MA1")], "").unwrap();
    assert_eq!(warned(&no_token), ["carriers.plivo.auth_token"]);
    let no_address = load(&[("PLIVO_AUTH_TOKEN", "t"), ("PLIVO_AUTH_ID", "MA1")], "").unwrap();
    assert_eq!(warned(&no_address), ["server.public_url"]);
    let why = control::can_place(&no_address.config, CarrierKind::Plivo).unwrap_err();
    assert!(why.contains("server.public_url"), "{why}");
    let loud = load(&[], "[carriers.plivo]\naccept_v2_signatures = true").unwrap();
    assert_eq!(warned(&loud), ["carriers.plivo.accept_v2_signatures"]);
    let gone = "[carriers.plivo.when_gone]\ndo = \"say\"\ntext = \"Sorry.\"";
    let gone = load(&[("PLIVO_AUTH_TOKEN", "t"), ("WEBHOOK_BASE_URL", "https://a.example")], gone).unwrap();
    assert_eq!(warned(&gone), ["carriers.plivo.auth_id", "carriers.plivo.when_gone"]);
}

#[test]
fn unsigned_webhooks_are_refused_where_the_world_can_send_them() {
    let skip = "[carriers.plivo]\nskip_signature_validation = true\n";
    let forced = format!("{skip}force_skip_signature_validation = true\n");
    let public = ("WEBHOOK_BASE_URL", "https://voice.example.com");

    let here = load(&[], skip).unwrap();
    assert_eq!(warned(&here), ["carriers.plivo.skip_signature_validation"]);
    assert_eq!(refused(&[public], skip), ["carriers.plivo.skip_signature_validation"]);
    let everywhere = [
        ("TRUNKLINE__SERVER__LISTEN", "0.0.0.0:7900"),
        ("TRUNKLINE__SERVER__API_TOKEN", "an-api-token-for-tests-0123456789"),
    ];
    assert_eq!(refused(&everywhere, skip), ["carriers.plivo.skip_signature_validation"]);
    assert!(load(&[public], &forced).is_ok(), "somebody insists");
}

#[test]
fn what_plivo_cannot_do_with_is_refused_with_its_place_and_its_mend() {
    let file = r#"
        [carriers.plivo]
        api_base_url = "http://plivo.example.com"
        phone_number = "reception"
        transfer_caller_id = "x"
        dial_timeout_s = 1
        content_type = "opus"
        answer_path = "plivo"
        hangup_path = "/plivo/ring"
        transfer_path = "/api/transfer"
        [carriers.plivo.when_gone]
        do = "dial"
        number = "client:jenny"
    "#;

    let mut keys = refused(&[], file);

    keys.sort();
    assert_eq!(
        keys,
        [
            "carriers.plivo.answer_path",
            "carriers.plivo.api_base_url",
            "carriers.plivo.content_type",
            "carriers.plivo.dial_timeout_s",
            "carriers.plivo.phone_number",
            "carriers.plivo.ring_path",
            "carriers.plivo.transfer_caller_id",
            "carriers.plivo.transfer_path",
            "carriers.plivo.when_gone.number",
        ]
    );
    let errors = load(&[], file).unwrap_err();
    assert!(errors.0.iter().all(|problem| !problem.mend.is_empty()), "{:?}", errors.0);
    assert_eq!(Config::default().carriers.plivo.answer_path, "/plivo/answer");
}

/// What the carrier's settings are warned of; that a public address wants an API token too is another matter.
fn warned(loaded: &Loaded) -> Vec<&str> {
    let keys = loaded.warnings.iter().map(|problem| problem.key.as_str());
    keys.filter(|key| *key != "server.api_token").collect()
}

/// Which of the carrier's settings are refused; what follows from them elsewhere is another matter.
fn refused(env: &[(&str, &str)], file: &str) -> Vec<String> {
    let keys = load(env, file).unwrap_err().0.into_iter().map(|problem| problem.key);
    keys.filter(|key| key.starts_with("carriers.")).collect()
}

fn load(env: &[(&str, &str)], file: &str) -> Result<Loaded, ConfigErrors> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Config::load(&Sources {
        env: env.iter().map(own).collect(),
        file: Some(ConfigFile { path: "trunkline.toml".into(), text: file.to_owned() }),
        ..Sources::default()
    })
}
