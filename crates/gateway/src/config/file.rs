//! The configuration file: TOML, read so that every value keeps its line.

use std::io;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::ConfigFile;
use super::keys::{Item, Key, Kind, Section};
use super::problems::Origin;
use super::settings::{KeyPath, Settings, nearest};

pub(super) fn read(
    file: &ConfigFile,
    schema: &Section,
    secret_file: fn(&Path) -> io::Result<String>,
    settings: &mut Settings,
) {
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    let line_ends =
        file.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
    let reader = Reader { file, line_ends, secret_file };
    let valid = errors.is_empty();
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        // Only the parser's message, never the line itself: it may hold a secret.
        settings.problem(
            "",
            reader.origin(at),
            format!("is not valid TOML here: {}", error.message().replace('\n', ", ")),
            "mend the line; text needs quotes, tables look like [server], lists of tables like [[bots]]",
        );
    }
    if valid {
        reader.table(table.get_ref(), schema, &[], settings);
    }
}

struct Reader<'a> {
    file: &'a ConfigFile,
    line_ends: Vec<usize>,
    secret_file: fn(&Path) -> io::Result<String>,
}

impl Reader<'_> {
    fn origin(&self, at: usize) -> Origin {
        let line = 1 + self.line_ends.partition_point(|end| *end < at);
        Origin::File { path: self.file.path.clone(), line }
    }

    fn table(&self, table: &DeTable<'_>, section: &Section, above: &[String], settings: &mut Settings) {
        for (name, value) in table {
            let origin = self.origin(name.span().start);
            let path: KeyPath = above.iter().cloned().chain([name.get_ref().to_string()]).collect();
            let value = value.get_ref();
            match section.find(name.get_ref()) {
                Some(Item::Key(key)) => self.key(key, path, value, origin, settings),
                Some(Item::Section(inner)) => match value {
                    DeValue::Table(table) => self.table(table, inner, &path, settings),
                    _ => settings.problem(
                        path.join("."),
                        origin,
                        "is a table of keys, not a value",
                        format!("write [{}] on a line of its own and the keys below it", path.join(".")),
                    ),
                },
                Some(Item::List(inner)) => self.list(inner, path, value, origin, settings),
                Some(Item::Map(key)) => match value {
                    DeValue::Table(table) => self.map(key, table, &path, settings),
                    _ => settings.problem(
                        path.join("."),
                        origin,
                        "is a table of names and values",
                        format!("write {} = {{ name = value }}", key.name),
                    ),
                },
                None => match secret_named_by(name.get_ref(), section) {
                    Some(key) => {
                        let path = above.iter().cloned().chain([key.name.to_owned()]).collect();
                        self.secret(path, value, origin, settings);
                    }
                    None => unknown(path, origin, section, settings),
                },
            }
        }
    }

    fn list(
        &self,
        inner: &Section,
        path: KeyPath,
        value: &DeValue<'_>,
        origin: Origin,
        settings: &mut Settings,
    ) {
        let mend = format!("write [[{}]] with double brackets before each one", path.join("."));
        let DeValue::Array(elements) = value else {
            settings.problem(path.join("."), origin, "is a list of tables, not a single one", mend);
            return;
        };
        for (at, element) in elements.iter().enumerate() {
            let path: KeyPath = path.iter().cloned().chain([at.to_string()]).collect();
            let origin = self.origin(element.span().start);
            match element.get_ref() {
                DeValue::Table(table) if table.is_empty() => {
                    settings.problem(path.join("."), origin, "is empty", "fill it in or take it out");
                }
                DeValue::Table(table) => self.table(table, inner, &path, settings),
                _ => settings.problem(path.join("."), origin, "must be a table", mend.clone()),
            }
        }
    }

    fn map(&self, key: &Key, table: &DeTable<'_>, above: &[String], settings: &mut Settings) {
        for (name, value) in table {
            let origin = self.origin(name.span().start);
            let secret_file = name.get_ref().strip_suffix("_file").filter(|_| key.kind == Kind::Secret);
            let entry = secret_file.unwrap_or(name.get_ref());
            let path: KeyPath = above.iter().cloned().chain([entry.to_owned()]).collect();
            match secret_file {
                Some(_) => self.secret(path, value.get_ref(), origin, settings),
                None => self.key(key, path, value.get_ref(), origin, settings),
            }
        }
    }

    fn secret(&self, path: KeyPath, value: &DeValue<'_>, origin: Origin, settings: &mut Settings) {
        match value {
            DeValue::String(file) => settings.put_secret_file(path, file, origin, self.secret_file),
            _ => settings.problem(
                format!("{}_file", path.join(".")),
                origin,
                "must be the path of a file",
                "write the path in quotes",
            ),
        }
    }

    fn key(&self, key: &Key, path: KeyPath, value: &DeValue<'_>, origin: Origin, settings: &mut Settings) {
        // A secret, an address or a network that is left empty in a filled-in template is not given.
        let absent_when_empty = matches!(key.kind, Kind::Secret | Kind::Url | Kind::Address | Kind::Network);
        if absent_when_empty && matches!(value, DeValue::String(text) if text.is_empty()) {
            return;
        }
        match plain(value) {
            Some(value) => settings.put(path, value, origin),
            None => settings.problem(
                path.join("."),
                origin,
                "cannot be read",
                format!("write {}", key.kind.expects()),
            ),
        }
    }
}

fn secret_named_by<'a>(name: &str, section: &'a Section) -> Option<&'a Key> {
    match section.find(name.strip_suffix("_file")?) {
        Some(Item::Key(key)) if key.kind == Kind::Secret && !key.list => Some(key),
        _ => None,
    }
}

fn unknown(path: KeyPath, origin: Origin, section: &Section, settings: &mut Settings) {
    let (name, above) = match path.split_last() {
        Some((name, above)) => (name.clone(), above.to_vec()),
        None => return,
    };
    let known: Vec<&str> = section.items.iter().map(Item::name).collect();
    let mend = match nearest(&name, known.iter().copied()) {
        Some(near) => format!("did you mean `{}`?", [above, vec![near.to_owned()]].concat().join(".")),
        None => format!("take it out; known here are {}", known.join(", ")),
    };
    settings.problem(path.join("."), origin, "is not a key of this program", mend);
}

/// The value without its places; `None` for a number that no machine holds.
fn plain(value: &DeValue<'_>) -> Option<toml::Value> {
    Some(match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(number) => {
            toml::Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?)
        }
        DeValue::Float(number) => toml::Value::Float(number.as_str().parse().ok()?),
        DeValue::Boolean(flag) => toml::Value::Boolean(*flag),
        DeValue::Datetime(moment) => toml::Value::Datetime(*moment),
        DeValue::Array(values) => {
            toml::Value::Array(values.iter().map(|value| plain(value.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => toml::Value::Table(
            table
                .iter()
                .map(|(name, value)| Some((name.get_ref().to_string(), plain(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
    })
}
