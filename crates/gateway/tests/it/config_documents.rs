//! The documents about the configuration say what the code does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gateway::config::keys::{Item, Kind, Section};
use gateway::config::{self, Bot, BotTool, Config, ConfigFile, Line, OutboundPrefix, Sources};
use gateway::manual;
use serde_json::Value;

#[test]
fn the_reference_in_the_repository_is_the_generated_one() {
    let checked_in = repository_file("docs/CONFIGURATION.md");

    assert!(checked_in == config::reference(), "run: trunkline config reference > docs/CONFIGURATION.md");
}

#[test]
fn the_carriers_manual_in_the_repository_is_the_generated_one() {
    let checked_in = repository_file("docs/CARRIERS.md");

    assert!(checked_in == manual::carriers(), "run: trunkline carriers manual > docs/CARRIERS.md");
}

#[test]
fn documents_lead_only_to_places_that_exist() {
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/CARRIERS.md",
        "docs/MOVING.md",
        "docs/API.md",
    ] {
        let text = repository_file(name);
        let folder = Path::new(name).parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let (path, place) = link.split_once('#').unwrap_or((link, ""));
            if path.contains("://") {
                continue;
            }
            let target =
                if path.is_empty() { name.to_owned() } else { folder.join(path).display().to_string() };
            let target = repository_file(&target);
            let slug = |line: &str| {
                let heading = line.trim_start_matches('#').trim().to_lowercase();
                heading
                    .chars()
                    .filter(|c| c.is_alphanumeric() || "- _".contains(*c))
                    .collect::<String>()
                    .replace(' ', "-")
            };
            let headings = target.lines().filter(|line| line.starts_with('#')).map(slug);
            assert!(
                place.is_empty() || headings.into_iter().any(|heading| heading == place),
                "{link} in {name}"
            );
        }
    }
}

#[test]
fn the_example_file_in_the_repository_is_the_generated_one() {
    let checked_in = repository_file("trunkline.example.toml");

    assert!(checked_in == config::example_toml(), "run: trunkline config example > trunkline.example.toml");
}

#[test]
fn the_example_file_is_the_default_as_it_stands_and_valid_with_every_line_switched_on() {
    let example = config::example_toml();
    let on: String = example
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();

    let as_it_stands = Config::load(&file(&example)).unwrap();
    let loaded = Config::load(&file(&on)).unwrap_or_else(|errors| panic!("{errors}\n{on}"));

    assert_eq!(as_it_stands.config, Config::load(&Sources::default()).unwrap().config);
    assert_eq!(loaded.config.bots[0].name, "reception");
    assert_eq!(loaded.config.bots[0].tools.len(), 1);
    let defaults = Bot { tools: vec![], ..Bot::default() };
    assert_eq!(loaded.config.bots[0].call.limits, defaults.call.limits);
}

#[test]
fn the_example_environment_names_only_variables_that_exist() {
    let text = repository_file(".env.example");
    let mut on = String::new();
    for line in text.lines() {
        let assignment =
            line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
        on.push_str(assignment.unwrap_or(line));
        on.push('\n');
    }
    let read = |text: &str| -> BTreeMap<String, String> {
        dotenvy::from_read_iter(text.as_bytes()).map(Result::unwrap).collect()
    };
    let reference = config::reference();

    for name in read(&on).keys() {
        assert!(reference.contains(&format!("`{}`", name.trim_end_matches("_FILE"))), "{name}");
    }
    let sources = Sources { dotenv: read(&text), ..Sources::default() };
    assert_eq!(Config::load(&sources).unwrap().config, Config::load(&Sources::default()).unwrap().config);
}

#[test]
fn every_setting_has_its_manual_and_every_manual_its_setting() {
    let mut described = BTreeSet::new();
    let mut open = BTreeSet::new();
    describe(&Config::described(""), "", &mut described, &mut open);
    let bot = Bot { tools: vec![BotTool::default()], ..Bot::default() };
    let mut config = Config { bots: vec![bot], lines: vec![Line::default()].into(), ..Config::default() };
    config.outbound.prefixes.push(OutboundPrefix::default());
    let mut real = BTreeSet::new();
    leaves(&serde_json::to_value(config).unwrap(), "", &mut real);

    let undescribed: Vec<_> = real.difference(&described).collect();
    let invented: Vec<_> = described.difference(&real).filter(|key| !open.contains(*key)).collect();

    assert!(undescribed.is_empty(), "no manual for {undescribed:?}: add it in config/call_keys.rs");
    assert!(invented.is_empty(), "a manual for nothing: {invented:?}");
}

#[test]
fn every_manual_says_something_and_every_choice_can_be_chosen() {
    walk(&Config::described(""), &mut |key, place| {
        assert!(key.doc.text().len() > 5, "{place} has no manual");
        if let Kind::Choice(words) = key.kind {
            for word in words {
                let value = toml::Value::String((*word).to_owned());
                assert!((key.check)(&value).is_ok(), "{place} does not take `{word}`");
            }
            assert!(words.len() > 1);
        }
    });
}

fn describe(section: &Section, above: &str, keys: &mut BTreeSet<String>, open: &mut BTreeSet<String>) {
    for item in &section.items {
        let key = format!("{above}{}", item.name());
        match item {
            Item::Key(_) | Item::Map(_) => {
                if section.whole.is_some() {
                    open.insert(key.clone());
                }
                keys.insert(key);
            }
            Item::Section(inner) | Item::List(inner) => describe(inner, &format!("{key}."), keys, open),
        }
    }
}

fn leaves(value: &Value, above: &str, keys: &mut BTreeSet<String>) {
    let Value::Object(table) = value else { return };
    for (name, value) in table {
        let key = format!("{above}{name}");
        match value {
            Value::Object(inner) if !inner.is_empty() => leaves(value, &format!("{key}."), keys),
            Value::Array(list) if list.first().is_some_and(Value::is_object) => {
                leaves(&list[0], &format!("{key}."), keys);
            }
            _ => drop(keys.insert(key)),
        }
    }
}

fn walk(section: &Section, see: &mut impl FnMut(&gateway::config::keys::Key, String)) {
    for item in &section.items {
        match item {
            Item::Key(key) | Item::Map(key) => see(key, format!("{}.{}", section.name, key.name)),
            Item::Section(inner) | Item::List(inner) => walk(inner, see),
        }
    }
}

fn file(text: &str) -> Sources {
    let file = ConfigFile { path: PathBuf::from("trunkline.toml"), text: text.to_owned() };
    Sources { file: Some(file), ..Sources::default() }
}

fn repository_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
