//! `trunkline dial --carrier`: each pretended carrier calls a gateway that runs in a process of its own.

use super::*;

/// Short, so that a whole conversation does not take long.
fn question(folder: &Path) {
    let says = voice::speech("Anybody there?", Rate::Hz16000);
    std::fs::write(folder.join("question.wav"), audio::wav::write(&says)).unwrap();
}

fn start(folder: &Path, args: &str) -> Child {
    let args: Vec<&str> = ["dial"].into_iter().chain(args.split_whitespace()).collect();
    trunkline(folder, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn story(output: &Output) -> String {
    err(output).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn summary(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap_or_else(|_| panic!("{}{}", out(output), err(output)))
}

#[test]
fn every_carriers_protocol_reaches_a_running_gateway() {
    let folder = TempDir::new().unwrap();
    let gateway = Gateway::start(folder.path(), &[]);
    let cases = [
        ("plivo", "--carrier plivo", "the webhook answers with status 200"),
        ("exotel", "--carrier exotel --bot demo", "the webhook answers with status 200"),
        ("exotel", "--carrier exotel --socket", "the media stream is open"),
        ("exotel", "--carrier exotel --socket --bot demo --sound pcm16-24000", "the media stream is open"),
        ("mcube", "--carrier mcube --sound pcm16-16000", "the webhook answers with status 200"),
        ("mcube", "--carrier mcube --socket --bot demo --sound mulaw-16000", "the media stream is open"),
    ];

    let calls: Vec<_> = (0..)
        .zip(&cases)
        .map(|(at, (_, args, _))| {
            let args = format!("{args} --url {} --seconds 4 --json --out {at}.wav", gateway.url);
            start(folder.path(), &args)
        })
        .collect();
    for (at, (call, (carrier, args, begins))) in calls.into_iter().zip(&cases).enumerate() {
        let output = call.wait_with_output().unwrap();

        assert!(output.status.success(), "{args}: {}", err(&output));
        let parts = [begins, "is connected to the bot demo", "agent begins to speak after", "“Hello,"];
        assert_tells(&story(&output), &parts);
        let summary = summary(&output);
        assert_eq!(
            (summary["outcome"].as_str(), summary["end"]["cause"].as_str()),
            (Some("over"), Some("caller_hung_up")),
            "{args}"
        );
        assert_eq!(
            (&summary["told_by_gateway"], &summary["objections"]),
            (&true.into(), &Value::Array(vec![]))
        );
        assert!(summary["first_sound_ms"].as_u64().is_some_and(|ms| ms < 2_000), "{args}: {summary}");
        assert!(loud(&wav(&folder.path().join(format!("{at}.wav")))) > Duration::from_secs(1), "{args}");
        let records = std::fs::read_to_string(folder.path().join("data/calls.jsonl")).unwrap();
        let id = summary["call"].as_str().unwrap();
        let record = records.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("{records}"));
        let record: Value = serde_json::from_str(record).unwrap();
        assert_eq!(record["carrier"], *carrier);
    }
}

#[test]
fn exotels_flow_goes_on_to_a_transfer_and_mcube_is_told_of_one() {
    let folder = TempDir::new().unwrap();
    question(folder.path());
    let bot = "[[bots]]\nname = \"demo\"\nagent = \"demo\"\ntransfer_to = \"+919876543210\"\n";
    std::fs::write(folder.path().join("trunkline.toml"), bot).unwrap();
    let gateway = Gateway::start(folder.path(), &[]);

    let calls = ["exotel", "mcube"].map(|carrier| {
        let args = "--wav question.wav --digits 2 --json";
        let args = format!("{args} --carrier {carrier} --url {} --out {carrier}.wav", gateway.url);
        start(folder.path(), &args)
    });

    for (call, number) in calls.into_iter().zip(["+919876543210", "9876543210"]) {
        let output = call.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", err(&output));
        let connected = format!("is connected to {number}: completed");
        assert_tells(&story(&output), &["presses 2", "hands the caller over to +919876543210", &connected]);
        let summary = summary(&output);
        assert_eq!(
            (summary["outcome"].as_str(), summary["end"]["cause"].as_str()),
            (Some("over"), Some("transferred"))
        );
    }
}

#[test]
fn what_a_pretended_carrier_objects_to_is_told_once() {
    let folder = TempDir::new().unwrap();
    let gateway = Gateway::start(folder.path(), &["--set", "carriers.exotel.frame_ms=100"]);

    let args = format!("--carrier exotel --url {} --seconds 3 --json", gateway.url);
    let output = start(folder.path(), &args).wait_with_output().unwrap();

    let summary = summary(&output);
    assert!(output.status.success(), "it is a warning and no more: {}", err(&output));
    let objection = "jitter: a payload of 1600 bytes, 3200 are wanted";
    assert_eq!(summary["objections"], serde_json::json!([objection]));
    let story = story(&output);
    assert_eq!(story.matches("the pretended Exotel objects: jitter").count(), 1, "{story}");
}

#[test]
fn a_pretended_carrier_needs_the_real_ones_secret_or_the_gateways_folder() {
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let secrets = [
        ("plivo", "PLIVO_AUTH_TOKEN", "carriers.plivo.auth_token=theplivosecret"),
        ("exotel", "EXOTEL_WS_TOKEN", "carriers.exotel.ws_token=the/exotel+secret@home"),
        ("mcube", "MCUBE_WEBHOOK_SECRET", "carriers.mcube.token=themcubesecret"),
    ];
    let set: Vec<&str> = secrets.iter().flat_map(|(_, _, setting)| ["--set", *setting]).collect();
    let gateway = Gateway::start(folder.path(), &set);

    for (carrier, variable, setting) in secrets {
        let args = format!("--carrier {carrier} --url {} --seconds 2 --quiet", gateway.url);
        let dial = |folder: &TempDir, more: &str| {
            start(folder.path(), &format!("{args} {more}")).wait_with_output().unwrap()
        };

        let without = dial(&elsewhere, "");
        assert_eq!(without.status.code(), Some(1), "{carrier}");
        let words = format!("there is none here; set {variable} to the gateway's own");
        assert!(err(&without).contains(&words), "{}", err(&without));
        let (key, _) = setting.split_once('=').unwrap();
        let wrong = dial(&elsewhere, &format!("--set {key}=somebodyelses"));
        assert_eq!(wrong.status.code(), Some(1), "{carrier}");
        let words = format!("set {variable} to the one it has");
        let said = err(&wrong);
        assert!(said.contains("does not accept our") && said.contains(&words), "{said}");
        let calls = [dial(&elsewhere, &format!("--set {setting}")), dial(&folder, "")];
        for call in calls {
            assert!(call.status.success(), "{carrier}: {}", err(&call));
            assert!(out(&call).contains("The caller hung up."), "{}", out(&call));
        }
    }
}

#[test]
fn what_a_carrier_cannot_do_is_refused_before_anybody_is_called() {
    let folder = TempDir::new().unwrap();
    let nobody = format!("--url {}", nowhere());
    for (args, code, words) in [
        ("--carrier nobody", 2, "[possible values: browser, twilio, plivo, exotel, mcube]"),
        ("--carrier plivo --bot demo", 2, "name one of your lines with --to, or leave out --carrier plivo"),
        ("--carrier twilio --socket", 2, "--carrier exotel and --carrier mcube"),
        ("--carrier exotel --sound pcm16-16000", 2, "carriers.exotel.sample_rate, or add --socket"),
        (
            "--carrier mcube --sound pcm16-24000",
            2,
            "it carries mulaw-8000, mulaw-16000, pcm16-8000, pcm16-16000",
        ),
        ("--carrier mcube", 1, "start a gateway there with `trunkline`"),
    ] {
        let output = start(folder.path(), &format!("{args} {nobody}")).wait_with_output().unwrap();

        assert_eq!(output.status.code(), Some(code), "{args}: {}", err(&output));
        assert!(err(&output).contains(words), "{args}: {}", err(&output));
    }

    let help = out(&run(folder.path(), &["dial", "--help"]));
    assert_tells(
        &help,
        &["--carrier", "browser:", "twilio:", "plivo:", "exotel:", "mcube:", "--socket", "--sound"],
    );
}
