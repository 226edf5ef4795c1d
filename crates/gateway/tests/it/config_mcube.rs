//! What the settings of Mcube become, and what they are refused for.

use crate::config::{TOKEN, load};

#[test]
fn mcube_is_set_up_by_the_older_services_variables() {
    let loaded = load(
        &[
            ("MCUBE_TOKEN", "the-weaker-one"),
            ("MCUBE_API_TOKEN", "the-jwt"),
            ("MCUBE_BASE_URL", "https://config.mcube.com"),
            ("MCUBE_EXE_NUMBER", "9876543210"),
            ("MCUBE_WEBHOOK_SECRET", "a-token-of-24-characters"),
            ("WEBHOOK_BASE_URL", "https://voice.example.com"),
            ("TRUNKLINE__SERVER__API_TOKEN", TOKEN),
        ],
        "",
    )
    .unwrap();

    let mcube = &loaded.config.carriers.mcube;
    assert_eq!(mcube.api_token.as_ref().unwrap().reveal(), "the-jwt");
    assert_eq!(mcube.token.as_ref().unwrap().reveal(), "a-token-of-24-characters");
    assert_eq!(mcube.api_base_url.as_str(), "https://config.mcube.com/");
    assert_eq!(mcube.exe_number.as_deref(), Some("9876543210"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn what_is_wrong_with_mcube_is_said_with_field_and_mend() {
    let errors = load(
        &[],
        r#"
        [carriers.mcube]
        more_tokens = [""]
        exe_number = "+14155550100"
        api_base_url = "http://mcube.example.com"
        transfer_number_field = "streamId"
        stream_path = "/ws/"
        agents = { "17" = "nobody" }
        fields = { agent_id = ["agentId", ""] }
        "#,
    )
    .unwrap_err();

    let keys: Vec<&str> = errors.0.iter().map(|problem| problem.key.as_str()).collect();
    for key in [
        "more_tokens.0",
        "exe_number",
        "api_base_url",
        "transfer_number_field",
        "stream_path",
        "agents.17",
        "fields.agent_id",
    ] {
        assert!(keys.contains(&format!("carriers.mcube.{key}").as_str()), "{key}: {keys:?}");
    }
    assert!(errors.0.iter().all(|problem| !problem.mend.is_empty()));
}

#[test]
fn an_open_mcube_is_warned_of_loudly() {
    let warned = |file: &str| {
        let loaded = load(
            &[("WEBHOOK_BASE_URL", "https://voice.example.com"), ("TRUNKLINE__SERVER__API_TOKEN", TOKEN)],
            file,
        )
        .unwrap();
        let warnings = loaded.warnings.iter();
        warnings.map(|warning| format!("{} {}", warning.key, warning.wrong)).collect::<Vec<_>>().join("\n")
    };

    let open = warned("carriers.mcube.allow_unauthenticated = true");
    assert!(open.contains("carriers.mcube.allow_unauthenticated") && open.contains("OUTSIDE"), "{open}");
    let unguarded = warned("carriers.mcube.exe_number = \"9876543210\"");
    assert!(unguarded.contains("carriers.mcube.token is missing"), "{unguarded}");
    assert!(unguarded.contains("carriers.mcube.api_token is missing"), "{unguarded}");
    let short = warned("carriers.mcube.token = \"short\"");
    assert!(short.contains("can be guessed"), "{short}");
    assert_eq!(warned(""), "", "who does not use Mcube hears nothing of it");
}
