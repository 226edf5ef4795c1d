//! Lines: which number leads to which bot, and whether the carrier that brings it can do what the bot needs.

use gateway::carrier_kind::CarrierKind;

use crate::config::{load, only};

const TWILIO_ALONE: [(&str, &str); 2] =
    [("TWILIO_AUTH_TOKEN", "token"), ("WEBHOOK_BASE_URL", "https://voice.test")];
const WITH_ACCOUNT: [(&str, &str); 3] = [TWILIO_ALONE[0], TWILIO_ALONE[1], ("TWILIO_ACCOUNT_SID", "AC1")];

/// A bot with a line, and more.
fn with_line(bot: &str, line: &str) -> String {
    format!(
        "[[bots]]\nname = \"a\"\nagent = \"demo\"\n{bot}\n[[lines]]\nnumber = \"+14155550100\"\nbot = \"a\"\n{line}"
    )
}

#[test]
fn a_bot_that_needs_what_its_carrier_cannot_do_is_refused_in_words() {
    for needs in [
        "call.fallback = { do = \"transfer\", to = \"+14155550111\" }",
        "call.transfer_to = [\"+14155550111\"]",
        "transfer_to = \"+14155550111\"",
    ] {
        for line in ["carrier = \"twilio\"", ""] {
            let file = with_line(needs, line);

            let errors = load(&TWILIO_ALONE, &file).expect_err(&file);

            let problem = errors.0.iter().find(|problem| problem.key == "lines.0.bot").unwrap();
            assert!(
                problem.wrong.contains("hands callers over") && problem.wrong.contains("Twilio"),
                "{problem}"
            );
            assert!(problem.mend.contains("carriers.twilio.account_sid (TWILIO_ACCOUNT_SID)"), "{problem}");
            assert!(!problem.mend.contains("auth_token"), "it is there: {problem}");
            load(&WITH_ACCOUNT, &file).unwrap();
        }
    }
    load(&TWILIO_ALONE, &with_line("", "carrier = \"twilio\"")).unwrap();
}

#[test]
fn numbers_without_a_line_come_to_the_default_bot_which_must_be_served_too() {
    let bot = "[[bots]]\nname = \"a\"\nagent = \"demo\"\ncall.transfer_to = [\"+14155550111\"]";

    let errors = load(&TWILIO_ALONE, bot).unwrap_err();

    assert_eq!(only(&errors).key, "bots.0.call.transfer_to");
    load(&WITH_ACCOUNT, bot).unwrap();
    load(&[], bot).expect("nobody calls yet");
}

#[test]
fn a_carrier_that_does_not_exist_is_told_by_the_name_that_was_meant() {
    let mend = |carrier: &str| {
        let errors = load(&[], &with_line("", &format!("carrier = \"{carrier}\""))).unwrap_err();
        assert_eq!(only(&errors).key, "lines.0.carrier");
        only(&errors).mend.clone()
    };

    assert_eq!(mend("twillio"), "did you mean twilio?");
    assert_eq!(mend("Plvo"), "did you mean plivo?");
    assert!(mend("telegraph").contains("twilio, plivo, exotel, mcube"));
    let far = load(&[], &with_line("", "carrier = \"Plivo\"")).unwrap();
    let warning = far.warnings.iter().find(|warning| warning.key == "lines.0.carrier").unwrap();
    assert!(
        warning.wrong.contains("not set up") && warning.mend.contains("carriers.plivo.auth_token"),
        "{warning}"
    );
}

#[test]
fn a_number_has_one_line_for_each_carrier() {
    let line =
        |number: &str, carrier: &str| format!("[[lines]]\nnumber = \"{number}\"\nbot = \"a\"\n{carrier}\n");
    let bot = "[[bots]]\nname = \"a\"\nagent = \"demo\"\n";
    let india = "[numbers]\ncountry = \"+91\"\n";
    let (plivo, exotel) = ("carrier = \"plivo\"", "carrier = \"exotel\"");
    let of = |country: &str, a: (&str, &str), b: (&str, &str)| {
        load(&[], &format!("{country}{bot}{}{}", line(a.0, a.1), line(b.0, b.1)))
    };

    of("", ("+918012345678", plivo), ("+918012345678", exotel)).unwrap();
    of("", ("+918012345678", plivo), ("+918012345678", "")).unwrap();
    for (country, other, carrier) in
        [("", "00 91 8012345678", plivo), (india, "08012345678", plivo), (india, "8012345678", plivo)]
    {
        let errors = of(country, ("+918012345678", plivo), (other, carrier)).unwrap_err();
        assert_eq!(only(&errors).key, "lines.1.number");
        assert!(only(&errors).wrong.contains("lines.0 answers already"), "{errors}");
    }
    let likely = of("", ("+918012345678", plivo), ("08012345678", plivo)).unwrap();
    let warning = likely.warnings.iter().find(|warning| warning.key == "lines.1.number").unwrap();
    assert!(warning.mend.contains("numbers.country"), "{warning}");
}

#[test]
fn a_number_leads_to_its_bot_in_whatever_form_and_by_whichever_carrier() {
    let file = r#"
default_bot = "desk"

[numbers]
country = "91"

[[bots]]
name = "desk"
agent = "demo"

[[bots]]
name = "night"
agent = "demo"

[[bots]]
name = "shop"
agent = "demo"

[[lines]]
number = "+91 80 1234 5678"
bot = "night"
carrier = "exotel"

[[lines]]
number = "080 1234 5678"
bot = "shop"
carrier = "mcube"
"#;
    let config = load(&[], file).unwrap().config;
    let bot = |carrier, number: &str| config.bot_on(carrier, Some(number)).unwrap().name.clone();

    for number in ["+918012345678", "08012345678", "8012345678", "00918012345678", "sip:+918012345678@x.test"]
    {
        assert_eq!(bot(CarrierKind::Exotel, number), "night", "{number}");
        assert_eq!(bot(CarrierKind::Mcube, number), "shop", "{number}");
        assert_eq!(bot(CarrierKind::Twilio, number), "desk", "{number}");
        assert_eq!(config.bot_for(Some(number)).unwrap().name, "night", "{number}");
    }
    assert_eq!(bot(CarrierKind::Exotel, "+918012345679"), "desk");
    assert_eq!(config.bot_on(CarrierKind::Exotel, None).unwrap().name, "desk");
}

#[test]
fn a_number_that_could_be_two_lines_is_neither() {
    let line = |number: &str| format!("[[lines]]\nnumber = \"{number}\"\nbot = \"b\"\n");
    let bots = "[[bots]]\nname = \"a\"\nagent = \"demo\"\n[[bots]]\nname = \"b\"\nagent = \"demo\"\n";
    let config =
        load(&[], &format!("{bots}{}{}", line("+14155550100"), line("+914155550100"))).unwrap().config;

    assert_eq!(config.bot_for(Some("4155550100")).unwrap().name, "a");
    assert_eq!(config.bot_for(Some("14155550100")).unwrap().name, "b");
}

#[test]
fn ten_thousand_lines_are_read_and_found() {
    let mut file = "[[bots]]\nname = \"a\"\nagent = \"demo\"\n".to_owned();
    let number = |at: u32| format!("+9180{:08}", 10_000_000 + at * 7);
    for at in 0..10_000 {
        file.push_str(&format!("[[lines]]\nnumber = \"{}\"\nbot = \"a\"\n", number(at)));
    }

    let config = load(&[], &file).unwrap().config;

    for at in [0, 1, 4_999, 9_999] {
        let line = config.line(None, Some(&number(at).replace("+91", "0"))).unwrap();
        assert_eq!(line.number, number(at));
    }
    assert_eq!(config.line(None, Some("+918099999999")), None);
}
