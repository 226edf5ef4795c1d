//! What a configuration becomes, and what it is refused for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gateway::config::{
    AgentKind, Config, ConfigErrors, ConfigFile, Loaded, Origin, Problem, Sources, Variable,
};
use proptest::prelude::*;

#[test]
fn without_anything_the_demo_bot_answers_on_this_machine_alone() {
    let loaded = load(&[], "").unwrap();

    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:7900");
    assert_eq!(loaded.config.default_bot, "demo");
    assert_eq!(loaded.config.bot_for(None).unwrap().agent, AgentKind::Demo);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn the_older_services_variables_are_enough_for_a_twilio_number_and_an_elevenlabs_agent() {
    let loaded = load(
        &[
            ("ELEVENLABS_API_KEY", "sk_0123456789"),
            ("ELEVENLABS_AGENT_ID", "agent_1"),
            ("TWILIO_ACCOUNT_SID", "AC1"),
            ("TWILIO_AUTH_TOKEN", "token"),
            ("TWILIO_PHONE_NUMBER", "+1 (415) 555-0100"),
            ("AGENT_PHONE_NUMBER", "+14155550101"),
            ("WEBHOOK_BASE_URL", "https://voice.example.com"),
            ("RENDER_EXTERNAL_URL", "https://fallback.example.com"),
        ],
        "",
    )
    .unwrap();

    let config = &loaded.config;
    assert_eq!(config.default_bot, "elevenlabs");
    assert_eq!(
        config.server.public("/webhooks/inbound").unwrap(),
        "https://voice.example.com/webhooks/inbound"
    );
    assert_eq!(config.bot_for(Some("+14155550100")).unwrap().name, "elevenlabs");
    let numbers: Vec<&str> = config.lines.iter().map(|line| line.number.as_str()).collect();
    assert_eq!(numbers, ["+14155550101", "+1 (415) 555-0100"]);
    assert!(config.carriers.twilio.can_control_calls());
}

#[test]
fn renders_own_address_is_the_public_one_when_nothing_else_is() {
    let loaded = load(
        &[
            ("RENDER_EXTERNAL_URL", "https://trunk.onrender.com"),
            ("PORT", "10000"),
            ("TRUNKLINE__SERVER__API_TOKEN", TOKEN),
        ],
        "",
    )
    .unwrap();

    assert_eq!(loaded.config.server.public("/x").unwrap(), "https://trunk.onrender.com/x");
    assert_eq!(loaded.config.server.listen.to_string(), "0.0.0.0:10000");
}

#[test]
fn a_platforms_port_asks_for_the_token_that_protects_it() {
    let errors =
        load(&[("RENDER_EXTERNAL_URL", "https://trunk.onrender.com"), ("PORT", "10000")], "").unwrap_err();

    let problem = only(&errors);
    assert_eq!(problem.key, "server.api_token");
    assert!(problem.mend.contains("TRUNKLINE__SERVER__API_TOKEN"), "{problem}");
}

#[test]
fn port_alone_stays_on_this_machine_and_says_so() {
    let loaded = load(&[("PORT", "8080")], "").unwrap();

    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(loaded.warnings.first().unwrap().key, "server.listen");
}

#[test]
fn port_changes_the_port_alone_where_the_file_names_an_address() {
    let file = format!("[server]\nlisten = \"0.0.0.0:7000\"\napi_token = \"{TOKEN}\"");

    let loaded = load(&[("PORT", "8080")], &file).unwrap();

    assert_eq!(loaded.config.server.listen.to_string(), "0.0.0.0:8080");
    let own = load(&[("PORT", "8080"), ("TRUNKLINE__SERVER__LISTEN", "127.0.0.1:1")], &file).unwrap();
    assert_eq!(own.config.server.listen.to_string(), "127.0.0.1:1");
}

#[test]
fn flags_go_before_own_variables_before_older_ones_before_the_file_before_the_default() {
    let file = "[agents.elevenlabs]\nagent_id = \"file\"";
    let older = [("ELEVENLABS_AGENT_ID", "older")];
    let own = [("ELEVENLABS_AGENT_ID", "older"), ("TRUNKLINE__AGENTS__ELEVENLABS__AGENT_ID", "own")];
    let agent_id = |loaded: Loaded| loaded.config.agents.elevenlabs.agent_id;

    assert_eq!(agent_id(load(&[], "").unwrap()), None);
    assert_eq!(agent_id(load(&[], file).unwrap()).unwrap(), "file");
    assert_eq!(agent_id(load(&older, file).unwrap()).unwrap(), "older");
    assert_eq!(agent_id(load(&own, file).unwrap()).unwrap(), "own");
    let mut sources = sources(&own, file);
    sources.flags.insert("agents.elevenlabs.agent_id".to_owned(), "flag".to_owned());
    assert_eq!(agent_id(Config::load(&sources).unwrap()).unwrap(), "flag");
}

#[test]
fn dotenv_never_overrides_the_real_environment_and_empty_values_are_none() {
    let mut sources = sources(&[("ELEVENLABS_AGENT_ID", "real"), ("ELEVENLABS_API_KEY", "")], "");
    sources.dotenv = variables(&[("ELEVENLABS_AGENT_ID", "dotenv"), ("TWILIO_PHONE_NUMBER", "+14155550100")]);

    let loaded = Config::load(&sources).unwrap();

    assert_eq!(loaded.config.agents.elevenlabs.agent_id.as_deref(), Some("real"));
    assert_eq!(loaded.config.agents.elevenlabs.api_key, None);
    assert_eq!(
        loaded.origins.get("carriers.twilio.phone_number"),
        Some(&Origin::DotEnv { name: "TWILIO_PHONE_NUMBER".to_owned() })
    );
}

#[test]
fn every_problem_is_reported_at_once_with_its_line_and_its_mend() {
    let file = r#"
[server]
listn = "127.0.0.1:1"
listen = "localhost"
drain_s = -1

[limits]
calls = "many"

[[bots]]
name = "reception"
agent = "elevenlab"
call.barge_in.score_threshold = 2.0

[[lines]]
number = "+14155550100"
bot = "recption"
"#;

    let errors = load(&[("TRUNKLINE__LOG__FORMATT", "json")], file).unwrap_err();

    let by_key: BTreeMap<&str, &Problem> = errors.0.iter().map(|p| (p.key.as_str(), p)).collect();
    let at =
        |key: &str| match &by_key.get(key).unwrap_or_else(|| panic!("{key} is missing in {errors}")).origin {
            Origin::File { line, .. } => *line,
            _ => 0,
        };
    assert_eq!(at("server.listn"), 3);
    assert!(by_key["server.listn"].mend.contains("server.listen"), "{errors}");
    assert_eq!(at("server.listen"), 4);
    assert!(by_key["server.listen"].wrong.contains("`localhost`"));
    assert_eq!(at("server.drain_s"), 5);
    assert_eq!(at("limits.calls"), 8);
    assert_eq!(at("bots.0.agent"), 12);
    assert!(by_key["bots.0.agent"].mend.contains("elevenlabs"));
    assert_eq!(at("bots.0.call.barge_in.score_threshold"), 13);
    assert_eq!(at("lines.0.bot"), 17);
    assert!(by_key["lines.0.bot"].mend.contains("reception"));
    assert!(by_key["log.formatt"].mend.contains("TRUNKLINE__LOG__FORMAT"));
    assert_eq!(errors.0.len(), 8, "{errors}");
    let text = errors.to_string();
    assert!(text.contains("8 problems") && text.contains("trunkline.toml:4"), "{text}");
}

#[test]
fn errors_never_show_a_secret() {
    let secret = "hunter2-hunter2";
    for file in [
        format!("[server]\napi_token = [\"{secret}\"]"),
        format!("[server]\napi_token = \"{secret}"),
        format!("[agents.elevenlabs]\napi_key = \"{secret}\" \"x\""),
        format!("[agents.elevenlabs]\nbase_url = \"https://me:{secret}@example.com\""),
        format!("[server]\napi_token = \"{secret}\""),
        format!("[carriers.twilio]\nauth_token = {{ a = \"{secret}\" }}"),
        format!(
            "[[bots]]\nname = \"a\"\nagent = \"demo\"\ntools = [{{ name = \"t\", url = \"https://x.test\", headers = {{ \"a b\" = \"{secret}\" }} }}]"
        ),
    ] {
        let errors = load(&[], &file).unwrap_err();

        assert!(!format!("{errors} {errors:?}").contains(secret), "{errors}");
    }
    let loaded = load(&[("TRUNKLINE__SERVER__API_TOKEN", TOKEN), ("TWILIO_AUTH_TOKEN", secret)], "").unwrap();
    let everything = format!(
        "{loaded:?} {} {}",
        gateway::config::show(&loaded),
        serde_json::to_string(&loaded.config).unwrap()
    );
    assert!(!everything.contains(secret) && !everything.contains(TOKEN), "{everything}");
}

#[test]
fn secrets_come_from_files_by_every_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "sk_from_file\n").unwrap();
    let path = path.display().to_string();
    let key = |loaded: Loaded| loaded.config.agents.elevenlabs.api_key.unwrap().reveal().to_owned();

    let file = format!("[agents.elevenlabs]\napi_key_file = {path:?}");
    assert_eq!(key(load(&[], &file).unwrap()), "sk_from_file");
    assert_eq!(key(load(&[("ELEVENLABS_API_KEY_FILE", &path)], "").unwrap()), "sk_from_file");
    let own = [("TRUNKLINE__AGENTS__ELEVENLABS__API_KEY_FILE", path.as_str())];
    assert_eq!(key(load(&own, "").unwrap()), "sk_from_file");

    let errors = load(&[("TWILIO_AUTH_TOKEN_FILE", "/does/not/exist")], "").unwrap_err();
    assert_eq!(only(&errors).key, "carriers.twilio.auth_token_file");
}

#[test]
fn bots_tools_and_lines_can_be_given_by_environment() {
    let loaded = load(
        &[
            ("TRUNKLINE__BOTS__0__NAME", "desk"),
            ("TRUNKLINE__BOTS__0__AGENT", "demo"),
            ("TRUNKLINE__BOTS__0__CALL__FALLBACK__DO", "bot"),
            ("TRUNKLINE__BOTS__0__CALL__FALLBACK__NAME", "night"),
            ("TRUNKLINE__BOTS__0__CALL__LIMITS__MAX_DURATION_MS", "600_000"),
            ("TRUNKLINE__BOTS__0__DYNAMIC_VARIABLES__VIP", "true"),
            ("TRUNKLINE__BOTS__0__DYNAMIC_VARIABLES__PIN", "0123"),
            ("TRUNKLINE__BOTS__0__TOOLS__0__NAME", "find"),
            ("TRUNKLINE__BOTS__0__TOOLS__0__URL", "https://crm.example.com/find"),
            ("TRUNKLINE__BOTS__0__TOOLS__0__HEADERS__X_API_KEY", "secret"),
            ("TRUNKLINE__BOTS__1__NAME", "night"),
            ("TRUNKLINE__BOTS__1__AGENT", "demo"),
            ("TRUNKLINE__LINES__0__NUMBER", "+14155550100"),
            ("TRUNKLINE__LINES__0__BOT", "night"),
            ("TRUNKLINE__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 192.168.0.0/16"),
        ],
        "",
    )
    .unwrap();

    let desk = loaded.config.bot("desk").unwrap();
    assert_eq!(desk.call.limits.max_duration_ms, 600_000);
    assert_eq!(desk.call.fallback, call::Fallback::Bot { name: "night".to_owned() });
    assert_eq!(desk.dynamic_variables["vip"], Variable::Flag(true));
    assert_eq!(desk.dynamic_variables["pin"], Variable::Text("0123".to_owned()));
    assert_eq!(desk.tools[0].headers["x-api-key"].reveal(), "secret");
    assert_eq!(loaded.config.bot_for(Some("14155550100")).unwrap().name, "night");
    assert_eq!(loaded.config.bot_for(Some("+14155559999")).unwrap().name, "desk");
    assert_eq!(loaded.config.server.trusted_proxies.len(), 2);
}

#[test]
fn a_gap_in_a_list_is_named() {
    let errors = load(&[("TRUNKLINE__BOTS__2__NAME", "desk")], "").unwrap_err();

    assert!(errors.0.iter().any(|p| p.key == "bots.2" && p.wrong.contains("position 0")), "{errors}");
}

#[test]
fn unsigned_webhooks_are_refused_where_the_world_can_send_them() {
    let skip = ("SKIP_WEBHOOK_SIGNATURE_VALIDATION", "true");
    let force = ("TRUNKLINE__CARRIERS__TWILIO__FORCE_SKIP_SIGNATURE_VALIDATION", "yes");
    let public = ("WEBHOOK_BASE_URL", "https://voice.example.com");
    let listen = ("TRUNKLINE__SERVER__LISTEN", "0.0.0.0:7900");
    let token = ("TRUNKLINE__SERVER__API_TOKEN", TOKEN);
    let key = "carriers.twilio.skip_signature_validation";

    for open in [vec![skip, public], vec![skip, listen, token]] {
        let errors = load(&open, "").unwrap_err();
        assert_eq!(only(&errors).key, key);
        let forced = load(&[open, vec![force]].concat(), "").unwrap();
        assert!(forced.warnings.iter().any(|w| w.key == key && w.wrong.contains("ANYBODY")));
    }
    let local = load(&[skip, ("WEBHOOK_BASE_URL", "http://127.0.0.1:7900")], "").unwrap();
    assert!(local.warnings.iter().any(|warning| warning.key == key));
}

#[test]
fn the_older_voicebots_variables_are_enough_for_exotel() {
    let loaded = load(
        &[
            ("EXOTEL_WS_TOKEN", "a-secret-of-the-flow"),
            ("WS_PATH", "/bot/socket"),
            ("EXOTEL_ACCOUNT_SID", "acme1"),
            ("EXOTEL_API_KEY", "key"),
            ("EXOTEL_API_TOKEN", "token"),
            ("EXOTEL_SUBDOMAIN", "@api.exotel.com"),
            ("EXOTEL_PHONE_NUMBER", "08040000000"),
            ("EXOTEL_CALLER_ID", "08047112233"),
            ("WEBHOOK_BASE_URL", "https://voice.example.com"),
            ("TRUNKLINE__SERVER__API_TOKEN", TOKEN),
        ],
        "",
    )
    .unwrap();

    let exotel = &loaded.config.carriers.exotel;
    assert!(exotel.has_account());
    assert_eq!(exotel.ws_path, "/bot/socket");
    assert_eq!(exotel.api_base().as_str(), "https://api.exotel.com/");
    assert_eq!(exotel.phone_number.as_deref(), Some("08047112233"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn exotel_without_a_secret_is_refused_where_the_world_can_knock() {
    let account = "[carriers.exotel]\naccount_sid = \"acme1\"\n";
    let public = [("WEBHOOK_BASE_URL", "https://voice.example.com")];

    let errors = load(&public, account).unwrap_err();
    let problem = errors.0.iter().find(|problem| problem.key == "carriers.exotel.ws_token").unwrap();
    assert!(
        problem.wrong.contains("server.public_url") && problem.mend.contains("EXOTEL_WS_TOKEN"),
        "{problem}"
    );

    let everywhere = format!("[server]\nlisten = \"0.0.0.0:7900\"\napi_token = \"{TOKEN}\"\n{account}");
    assert!(load(&[], &everywhere).unwrap_err().to_string().contains("carriers.exotel.ws_token"));
    assert!(load(&[], account).is_ok(), "on this machine it may be tried");
    assert!(load(&public, "").is_ok(), "nobody uses Exotel");
    let insisting = format!("{account}allow_unauthenticated = true\n");
    let loaded = load(&public, &insisting).unwrap();
    let key = "carriers.exotel.allow_unauthenticated";
    assert!(loaded.warnings.iter().any(|warning| warning.key == key && warning.wrong.contains("EVERYBODY")));
}

#[test]
fn what_exotel_would_refuse_is_refused_first() {
    for (key, value) in [
        ("sample_rate", "11025"),
        ("frame_ms", "20"),
        ("frame_ms", "1000"),
        ("flow_id", "\"../1\""),
        ("phone_number", "\"reception\""),
        ("subdomain", "\"https://api.exotel.com\""),
        ("api_base_url", "\"http://api.exotel.com\""),
        ("legs_base_url", "\"ftp://127.0.0.1\""),
        ("ws_path", "\"/call\""),
        ("status_path", "\"/voicebot/sessions\""),
        ("passthru_path", "\"/webhooks/exotel/status\""),
        ("transfer_path", "\"no slash\""),
    ] {
        let errors = load(&[], &format!("[carriers.exotel]\n{key} = {value}\n")).unwrap_err();
        let whole = format!("carriers.exotel.{key}");
        // Of two paths that collide, the later one of the manual is told to make room.
        let told = errors.0.iter().any(|problem| problem.key == whole && !problem.mend.is_empty());
        assert!(told, "{key} = {value}: {errors}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let bot = "[[bots]]\nname = \"a\"\nagent = \"demo\"\n";
    let el = "[[bots]]\nname = \"a\"\nagent = \"elevenlabs\"\n";
    for (file, key) in [
        ("default_bot = \"nobody\"".to_owned(), "default_bot"),
        ("[server]\nlisten = \"0.0.0.0:1\"".to_owned(), "server.api_token"),
        ("[server]\napi_token = \"short\"".to_owned(), "server.api_token"),
        ("[server]\napi_token = \"aaaaaaaaaaaaaaaaaaaaaaaa\"".to_owned(), "server.api_token"),
        ("[server]\npublic_url = \"http://voice.example.com\"".to_owned(), "server.public_url"),
        ("[server]\npublic_url = \"localhost:7900\"".to_owned(), "server.public_url"),
        ("[server]\npublic_url = \"https://x.test/?a=1\"".to_owned(), "server.public_url"),
        ("[server]\ncors_origins = [\"*\"]".to_owned(), "server.cors_origins"),
        ("[server]\nconnections_max = 10".to_owned(), "limits.calls"),
        ("[log]\nlevel = \"a=b=c=d\"".to_owned(), "log.level"),
        ("[carriers.twilio]\nstatus_path = \"/webhooks/inbound\"".to_owned(), "carriers.twilio.status_path"),
        ("[carriers.twilio]\ninbound_path = \"/api/v1/calls\"".to_owned(), "carriers.twilio.inbound_path"),
        ("[carriers.twilio]\nwhen_gone = { do = \"dial\" }".to_owned(), "carriers.twilio.when_gone"),
        (
            "[carriers.twilio]\nwhen_gone = { do = \"say\", text = \"\" }".to_owned(),
            "carriers.twilio.when_gone.text",
        ),
        (
            "[carriers.twilio]\napi_base_url = \"http://api.example.com\"".to_owned(),
            "carriers.twilio.api_base_url",
        ),
        ("[agents.elevenlabs]\nbatch_ms = 10".to_owned(), "agents.elevenlabs.batch_ms"),
        ("[agents.elevenlabs]\nslots = 0".to_owned(), "agents.elevenlabs.slots"),
        (el.to_owned(), "agents.elevenlabs.api_key"),
        ("[[bots]]\nname = \"a\"".to_owned(), "bots.0.agent"),
        ("[[bots]]\nagent = \"demo\"".to_owned(), "bots.0.name"),
        (format!("{bot}{bot}"), "bots.1.name"),
        (format!("{bot}call.fallback = {{ do = \"bot\", name = \"a\" }}"), "bots.0.call.fallback.name"),
        (format!("{bot}call.fallback = {{ do = \"bot\", name = \"b\" }}"), "bots.0.call.fallback.name"),
        (
            format!("{bot}call.fallback = {{ do = \"transfer\", to = \"+14155550100\" }}"),
            "bots.0.call.fallback",
        ),
        (format!("{bot}call.fallback = {{ do = \"transfer\" }}"), "bots.0.call.fallback"),
        (format!("{bot}call.reconnect.backoff_ms_max = 100"), "bots.0.call.reconnect.backoff_ms_max"),
        (format!("{bot}call.reconnect.jitter = nan"), "bots.0.call.reconnect.jitter"),
        (format!("{bot}call.limits.stale_ms = 30000"), "bots.0.call.limits.stale_ms"),
        (format!("{bot}call.transfer_to = [\"nowhere\"]"), "bots.0.call.transfer_to.0"),
        (
            format!("{bot}tools = [{{ name = \"end_call\", url = \"https://x.test\" }}]"),
            "bots.0.tools.0.name",
        ),
        (format!("{bot}tools = [{{ name = \"find\" }}]"), "bots.0.tools.0.url"),
        (format!("{bot}tools = [{{ name = \"find\", url = \"http://x.test\" }}]"), "bots.0.tools.0.url"),
        (format!("{bot}[[lines]]\nnumber = \"+1415\"\nbot = \"b\""), "lines.0.bot"),
        (format!("{bot}[[lines]]\nnumber = \"anonymous\"\nbot = \"a\""), "lines.0.number"),
        (
            format!("{bot}[[lines]]\nnumber = \"+1415\"\nbot = \"a\"\ncarrier = \"browser\""),
            "lines.0.carrier",
        ),
        ("[numbers]\ncountry = \"India\"".to_owned(), "numbers.country"),
        ("[numbers]\ncountry = \"0091\"".to_owned(), "numbers.country"),
        ("bots = [{}]".to_owned(), "bots.0"),
        ("bots = { name = \"a\" }".to_owned(), "bots"),
        ("[limits]\ncalls = 99999999999".to_owned(), "limits.calls"),
        ("server = 1".to_owned(), "server"),
    ] {
        let errors = load(&[], &file).map(|_| ()).expect_err(&file);

        assert!(errors.0.iter().any(|problem| problem.key == key), "{key} in {file}: {errors}");
        assert!(errors.0.iter().all(|problem| !problem.mend.is_empty()), "{errors}");
    }
}

#[test]
fn a_missing_file_is_an_error_only_when_it_was_named_and_hides_no_other() {
    let missing = PathBuf::from("/does/not/exist.toml");
    let flags = variables(&[("limits.call", "3"), ("default_bot", "reception")]);

    let errors = gateway::config::read(Some(&missing), flags).unwrap_err();

    assert!(errors.to_string().contains("  /does/not/exist.toml\n    cannot be read"), "{errors}");
    let mistyped = errors.0.iter().find(|problem| problem.key == "limits.call").unwrap();
    assert_eq!(mistyped.mend, "did you mean limits.calls?");
    assert_eq!(mistyped.origin.to_string(), "command line");
}

#[test]
fn what_a_file_that_cannot_be_read_may_hold_is_not_called_missing() {
    let errors =
        load(&[("TRUNKLINE__SERVER__LISTEN", "0.0.0.0:1"), ("TWILIO_PHONE_NUMBER", "x")], "a b").unwrap_err();

    let keys: Vec<&str> = errors.0.iter().map(|problem| problem.key.as_str()).collect();
    assert!(
        keys.contains(&"carriers.twilio.phone_number") && !keys.contains(&"server.api_token"),
        "{errors}"
    );
}

#[test]
fn half_of_an_account_is_no_reason_not_to_start() {
    for (variable, missing) in [
        ("TWILIO_ACCOUNT_SID", "carriers.twilio.auth_token"),
        ("TWILIO_AUTH_TOKEN", "carriers.twilio.account_sid"),
        ("ELEVENLABS_API_KEY", "agents.elevenlabs.agent_id"),
        ("ELEVENLABS_AGENT_ID", "agents.elevenlabs.api_key"),
    ] {
        let loaded = load(&[(variable, "x")], "").unwrap();

        assert!(loaded.warnings.iter().any(|warning| warning.key == missing), "{:?}", loaded.warnings);
    }
}

#[test]
fn of_a_configuration_that_cannot_be_used_the_readable_part_is_shown_without_secrets() {
    let password = "https://me:hunter2@example.com";
    let sources = sources(
        &[("PORT", "many"), ("TWILIO_AUTH_TOKEN", "hunter2"), ("ELEVENLABS_BASE_URL", password)],
        "[limits]\ncalls = 7\n[log]\nlevel = 1\n[[bots]]\nname = \"desk\"\n",
    );

    let errors = Config::load(&sources).unwrap_err();
    let shown = gateway::config::show_read(&sources);

    assert!(errors.0.iter().any(|problem| problem.key == "server.listen"), "{errors}");
    assert!(shown.contains("limits.calls = 7  # trunkline.toml:2\n"), "{shown}");
    assert!(shown.contains("bots.0.name = \"desk\"  # trunkline.toml:6\n"), "{shown}");
    assert!(
        shown.contains("carriers.twilio.auth_token = \"***\"  # environment TWILIO_AUTH_TOKEN\n"),
        "{shown}"
    );
    assert!(!shown.contains("hunter2") && !shown.contains("log.level"), "{shown}");
}

#[test]
fn an_example_is_given_once() {
    let errors = load(&[("WEBHOOK_BASE_URL", "voice")], "").unwrap_err();

    assert_eq!(only(&errors).to_string().matches("https://").count(), 1, "{errors}");
    assert!(only(&errors).mend.contains("such as https://"), "{errors}");
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(file in "\\PC{0,200}", key in "[A-Z_0-9]{0,40}", value in "\\PC{0,40}") {
        let name = format!("TRUNKLINE__{key}");
        let _ = load(&[(&name, &value)], &file);
    }

    #[test]
    fn almost_right_files_make_no_panic(
        section in "(server|limits|log|carriers|carriers.twilio|bots|lines|agents.elevenlabs)",
        key in "(listen|calls|level|name|when_gone|call|tools|headers|api_key|api_key_file|do)",
        value in "(1|-1|1.5|nan|true|\"\"|\"a\"|\\[\\]|\\[1\\]|\\{\\}|\\{ do = 1 \\}|1979-05-27|0xffffffffffffffffff)",
        double in any::<bool>(),
    ) {
        let (open, close) = if double { ("[[", "]]") } else { ("[", "]") };
        let _ = load(&[], &format!("{open}{section}{close}\n{key} = {value}\n"));
    }
}

pub(crate) const TOKEN: &str = "b5f0c2e8d94a17360be1";

/// An account with which calls can be placed.
const TWILIO: &str = "server.public_url = \"https://voice.example.com\"\nserver.api_token = \"0123456789abcdef01\"\n\
                      carriers.twilio.account_sid = \"AC1\"\ncarriers.twilio.auth_token = \"token\"\n";

#[test]
fn no_calls_are_placed_until_somebody_says_where_to() {
    let nothing = load(&[], "").unwrap().config;
    assert!(nothing.outbound.allow.is_empty());
    assert!(nothing.outbound.block.contains(&"+1900".to_owned()));

    let loaded = load(
        &[("TRUNKLINE__OUTBOUND__ALLOW", "+49,+1 415"), ("TRUNKLINE__OUTBOUND__PREFIXES__0__PREFIX", "+49")],
        &format!("{TWILIO}outbound.prefixes = [{{ concurrent = 3 }}]"),
    )
    .unwrap();
    assert_eq!(loaded.config.outbound.allow, ["+49", "+1 415"]);
    assert_eq!(
        (loaded.config.outbound.prefixes[0].prefix.as_str(), loaded.config.outbound.prefixes[0].concurrent),
        ("+49", 3)
    );
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn beginnings_and_bounds_of_placed_calls_are_checked() {
    for (file, key) in [
        ("outbound.allow = [\"germany\"]", "outbound.allow"),
        ("outbound.block = [\"\"]", "outbound.block"),
        ("outbound.prefixes = [{ concurrent = 1 }]", "outbound.prefixes.0.prefix"),
        ("outbound.ring_s = 1", "outbound.ring_s"),
        ("outbound.grace_s = 0", "outbound.grace_s"),
        ("outbound.max_duration_s = 0", "outbound.max_duration_s"),
    ] {
        assert_eq!(only(&load(&[], file).unwrap_err()).key, key, "{file}");
    }
}

#[test]
fn what_a_bot_wants_of_machines_must_be_possible() {
    let with = |agent: &str, voicemail: &str| {
        let keys = [("ELEVENLABS_API_KEY", "sk_0123456789"), ("ELEVENLABS_AGENT_ID", "agent_1")];
        let bot = format!("[[bots]]\nname = \"b\"\nagent = \"{agent}\"\n[bots.call.voicemail]\n{voicemail}");
        load(&keys, &format!("{TWILIO}{bot}"))
    };
    assert!(with("elevenlabs", "do = \"say\"\ntext = \"Call us back.\"").is_ok());
    assert!(with("demo", "do = \"hang_up\"").is_ok());
    for (agent, voicemail, key) in [
        ("elevenlabs", "do = \"say\"\ntext = \" \"", "bots.0.call.voicemail.text"),
        ("demo", "do = \"say\"\ntext = \"Call us back.\"", "bots.0.call.voicemail.do"),
        ("elevenlabs", "do = \"say\"", "bots.0.call.voicemail"),
        ("elevenlabs", "do = \"sing\"", "bots.0.call.voicemail"),
    ] {
        let errors = with(agent, voicemail).unwrap_err();
        assert!(errors.0.iter().any(|problem| problem.key == key), "{voicemail}: {errors}");
    }
}

pub(crate) fn load(env: &[(&str, &str)], file: &str) -> Result<Loaded, ConfigErrors> {
    Config::load(&sources(env, file))
}

fn sources(env: &[(&str, &str)], file: &str) -> Sources {
    Sources {
        env: variables(env),
        file: Some(ConfigFile { path: PathBuf::from("trunkline.toml"), text: file.to_owned() }),
        ..Sources::default()
    }
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn only(errors: &ConfigErrors) -> &Problem {
    assert_eq!(errors.0.len(), 1, "{errors}");
    &errors.0[0]
}
