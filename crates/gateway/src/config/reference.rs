//! The manual of all keys, made from the code: as Markdown, as a file to start from, and as what holds right now.

use serde_json::Value;

use super::environment::{OLDER_NAMES, OLDER_SKIP, PREFIX, Variables};
use super::keys::{Doc, Item, Key, Kind, Section};
use super::settings::{Found, find};
use super::{Bot, BotTool, Config, Line, Loaded, Origin, Sources};

/// Every key as Markdown.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("| variable | is |\n|---|---|\n");
    for (name, key) in OLDER_NAMES.into_iter().chain([OLDER_SKIP]) {
        row(&mut page, &[format!("`{name}`"), format!("`{key}`")]);
    }
    page.push_str(OLDER_SPECIALS);
    let schema = Config::described("");
    let defaults = defaults();
    page.push_str("\n## Top level\n\n");
    write_section(&mut page, &schema, "", PREFIX, &defaults);
    page
}

/// A configuration file with every key in it, each commented out at its default.
pub fn example_toml() -> String {
    let mut file = EXAMPLE_HEAD.to_owned();
    let schema = Config::described("");
    write_example(&mut file, &schema, "", &defaults(), false);
    file
}

/// What holds now and where it came from; secrets are hidden.
pub fn show(loaded: &Loaded) -> String {
    let mut lines = String::new();
    let value = serde_json::to_value(&loaded.config).unwrap_or_default();
    let mut leaves = Vec::new();
    flatten("", &value, &mut leaves);
    for (key, value) in leaves {
        let origin = loaded.origins.get(&key).unwrap_or(&Origin::Default);
        match literal(value, None) {
            Some(value) => lines.push_str(&format!("{key} = {value}  # {origin}\n")),
            None => lines.push_str(&format!("# {key} is not set\n")),
        }
    }
    lines
}

/// What could be read of a configuration that cannot be used as a whole; secrets are hidden.
pub fn show_read(sources: &Sources) -> String {
    let schema = Config::described("");
    let variables = Variables::of(sources);
    let settings = super::gather(sources, &variables, &schema, &mut Vec::new());
    let mut lines = String::new();
    for (path, setting) in &settings.values {
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let open = match find(&schema, &segments) {
            Some((_, Found::Key(key) | Found::Entry(key))) => key.kind != Kind::Secret,
            Some((_, Found::SecretFile(_))) | None => false,
        };
        // An address may hold a password.
        let value = match &setting.value {
            toml::Value::String(text) if text.contains("://") && text.contains('@') => r#""***""#.to_owned(),
            value if open => value.to_string(),
            _ => r#""***""#.to_owned(),
        };
        lines.push_str(&format!("{} = {value}  # {}\n", path.join("."), setting.origin));
    }
    lines
}

/// Every leaf of a tree with its dotted key.
pub(super) fn flatten<'a>(above: &str, value: &'a Value, leaves: &mut Vec<(String, &'a Value)>) {
    let below = |name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
    match value {
        Value::Object(table) => {
            table.iter().for_each(|(name, value)| flatten(&below(name), value, leaves));
        }
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            elements
                .iter()
                .enumerate()
                .for_each(|(at, value)| flatten(&below(&at.to_string()), value, leaves));
        }
        _ => leaves.push((above.to_owned(), value)),
    }
}

/// The defaults as a tree, with one element in every list so that its keys have defaults too.
pub(super) fn defaults() -> Value {
    let bot = Bot { tools: vec![BotTool::default()], ..Bot::default() };
    let config = Config { bots: vec![bot], lines: vec![Line::default()].into(), ..Config::default() };
    serde_json::to_value(config).unwrap_or_default()
}

fn write_section(page: &mut String, section: &Section, above: &str, variable: &str, defaults: &Value) {
    let rows: Vec<&Item> =
        section.items.iter().filter(|item| matches!(item, Item::Key(_) | Item::Map(_))).collect();
    if !rows.is_empty() {
        page.push_str("| key | default | what it does |\n|---|---|---|\n");
    }
    for item in rows {
        let (Item::Key(key) | Item::Map(key)) = item else { continue };
        let free = if matches!(item, Item::Map(_)) { "__NAME" } else { "" };
        let variable = format!("{variable}{}{free}", key.name.to_ascii_uppercase());
        let default = default_of(defaults, key).map_or_else(|| "–".to_owned(), |value| format!("`{value}`"));
        let file = match key.kind {
            Kind::Secret if !key.list => {
                " A file's content: the same name with `_file` (`_FILE`) and a path."
            }
            _ => "",
        };
        let accepts = match key.kind {
            Kind::Choice(_) => format!(" ({})", key.kind.expects()),
            _ => String::new(),
        };
        let text = key.doc.text().replace('\n', " ");
        row(page, &[format!("`{}`<br>`{variable}`", key.name), default, format!("{text}{accepts}{file}")]);
    }
    for item in &section.items {
        let (inner, list) = match item {
            Item::Key(_) | Item::Map(_) => continue,
            Item::Section(inner) => (inner, false),
            Item::List(inner) => (inner, true),
        };
        let name = dotted(above, inner.name);
        let title = if list { format!("[[{name}]]") } else { format!("[{name}]") };
        let variable =
            format!("{variable}{}__{}", inner.name.to_ascii_uppercase(), if list { "0__" } else { "" });
        let text = inner.doc.text().replace('\n', " ");
        page.push_str(&format!("\n## `{title}`\n\n{text}\n\n"));
        write_section(page, inner, &name, &variable, defaults_below(defaults, inner.name, list));
    }
}

fn row(page: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    page.push_str(&format!("| {} |\n", cells.join(" | ")));
}

fn write_example(file: &mut String, section: &Section, above: &str, defaults: &Value, list: bool) {
    let keys = section.items.iter().filter_map(|item| match item {
        Item::Key(key) | Item::Map(key) => Some(key),
        Item::Section(_) | Item::List(_) => None,
    });
    let keys: Vec<&Key> = keys.collect();
    if !above.is_empty() && (!keys.is_empty() || list) {
        file.push('\n');
        comment(file, section.doc);
        let (open, close) = if list { ("[[", "]]") } else { ("[", "]") };
        file.push_str(&format!("#{open}{above}{close}\n"));
    }
    for key in keys {
        comment(file, key.doc);
        let given = default_of(defaults, key);
        // In a table whose keys belong to alternatives, only the default's own may be taken at their word.
        let mark = if section.whole.is_some() && given.is_none() { "# " } else { "#" };
        let example = || match key.doc.example() {
            Some(example) => example.to_owned(),
            None if key.list => "[]".to_owned(),
            None => key.kind.example(),
        };
        file.push_str(&format!("{mark}{} = {}\n", key.name, given.unwrap_or_else(example)));
    }
    for item in &section.items {
        match item {
            Item::Key(_) | Item::Map(_) => {}
            Item::Section(inner) => {
                let below = defaults_below(defaults, inner.name, false);
                write_example(file, inner, &dotted(above, inner.name), below, false);
            }
            Item::List(inner) => {
                let below = defaults_below(defaults, inner.name, true);
                write_example(file, inner, &dotted(above, inner.name), below, true);
            }
        }
    }
}

fn comment(file: &mut String, doc: Doc) {
    for line in doc.text().lines() {
        file.push_str(&format!("# {}\n", line.trim()));
    }
}

fn dotted(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

fn defaults_below<'a>(defaults: &'a Value, name: &str, list: bool) -> &'a Value {
    let below = &defaults[name];
    if list { &below[0] } else { below }
}

/// A key's default as TOML; `None` when it has none.
fn default_of(defaults: &Value, key: &Key) -> Option<String> {
    let value = &defaults[key.name];
    let empty = match value {
        Value::Array(elements) => elements.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        // The address that stands for "none yet".
        Value::String(text) => text.is_empty() || text.contains("tool.invalid"),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    };
    if empty { None } else { literal(value, Some(key.kind)) }
}

fn literal(value: &Value, kind: Option<Kind>) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => flag.to_string(),
        // Thresholds are single precision; their double expansion is not what anybody wrote.
        Value::Number(number) => match (number.as_i64(), number.as_f64(), kind) {
            (Some(whole), _, _) => whole.to_string(),
            #[expect(clippy::cast_possible_truncation, reason = "it was an f32 before it was JSON")]
            (None, Some(number), _) => (number as f32).to_string(),
            (None, None, _) => number.to_string(),
        },
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().filter_map(|value| literal(value, kind)).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Object(_) => "{}".to_owned(),
    })
}

const INTRODUCTION: &str = "\
# Configuration

Made by `trunkline config reference`; do not edit by hand.

Trunkline starts without any configuration. What you want different goes into `trunkline.toml` in the working directory
(or the file that `--config` or `TRUNKLINE_CONFIG` names), or into the environment. `trunkline.example.toml` has every key
with its default. `trunkline doctor` checks all of it and says what to do.

Strongest first:

1. flags of the command line,
2. variables named `TRUNKLINE__SECTION__KEY`,
3. the older services' variables (below),
4. the file,
5. the defaults.

A `.env` file in the working directory counts as environment and never overrides the real one. Empty variables count as
not given. Lists are separated by commas: `TRUNKLINE__SERVER__CORS_ORIGINS=https://a.example,https://b.example`. Elements
of a list of tables are counted from 0: `TRUNKLINE__BOTS__0__NAME=reception`. Names of free tables come in small letters,
and `_` becomes `-` in names of HTTP headers.

Every secret can come from a file: `api_key_file = \"/run/secrets/elevenlabs\"`, or
`TRUNKLINE__AGENTS__ELEVENLABS__API_KEY_FILE`, or `ELEVENLABS_API_KEY_FILE`. Secrets are never printed.

## Names of older services

";

const OLDER_SPECIALS: &str = "\
| `PORT` | the port of `server.listen`. The address stays that of the file; without one it is 127.0.0.1, or all addresses when `server.api_token` is set or the platform is Render (which then asks for the token) |
| `RENDER_EXTERNAL_URL` | `server.public_url`, when nothing else sets it |
| `AGENT_PHONE_NUMBER` | a line of the default bot, unless `[[lines]]` names the number |
";

const EXAMPLE_HEAD: &str = "\
# Trunkline's configuration: every key with its default, or with an example where there is none.
# Copy this file to trunkline.toml and take the # away from what you want to change.
# Made by `trunkline config example`. The reference is docs/CONFIGURATION.md.

";
