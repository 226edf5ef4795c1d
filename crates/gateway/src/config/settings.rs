//! Single settings from every source, before they become one configuration.
//!
//! Each source puts its values under their keys, the weakest source first; what is put later counts. Every value stays
//! with the place it came from, so that a problem can point there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::keys::{Item, Key, Kind, Section};
use super::problems::{Origin, Problem};

/// A secret's file is a line; anything larger is the wrong file.
const SECRET_FILE_BYTES_MAX: u64 = 65_536;

/// One segment per table, list position or key.
pub(super) type KeyPath = Vec<String>;

#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) value: toml::Value,
    pub(super) origin: Origin,
}

#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) values: BTreeMap<KeyPath, Setting>,
    pub(super) problems: Vec<Problem>,
}

/// What a path of segments leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    Key(&'a Key),
    /// A value in a table with free keys.
    Entry(&'a Key),
    /// A secret that is in the file named by the value; the path lacks the `_file`.
    SecretFile(&'a Key),
}

/// Follows segments through the description; the path comes back as it is in the configuration.
pub(super) fn find<'a>(section: &'a Section, segments: &[&str]) -> Option<(KeyPath, Found<'a>)> {
    let (&first, rest) = segments.split_first()?;
    let named = |name: &str| vec![name.to_owned()];
    let Some(item) = section.find(first) else {
        let Some(Item::Key(key)) = first.strip_suffix("_file").and_then(|name| section.find(name)) else {
            return None;
        };
        let secret = rest.is_empty() && key.kind == Kind::Secret && !key.list;
        return secret.then(|| (named(key.name), Found::SecretFile(key)));
    };
    match item {
        Item::Key(key) => rest.is_empty().then(|| (named(key.name), Found::Key(key))),
        Item::Section(inner) => {
            let (tail, found) = find(inner, rest)?;
            Some(([named(inner.name), tail].concat(), found))
        }
        Item::List(inner) => {
            let (&at, rest) = rest.split_first()?;
            let at: usize = at.parse().ok()?;
            let (tail, found) = find(inner, rest)?;
            Some(([named(inner.name), vec![at.to_string()], tail].concat(), found))
        }
        Item::Map(key) => {
            let [entry] = rest else { return None };
            match entry.strip_suffix("_file") {
                Some(name) if key.kind == Kind::Secret && !name.is_empty() => {
                    Some((vec![key.name.to_owned(), name.to_owned()], Found::SecretFile(key)))
                }
                _ => Some((vec![key.name.to_owned(), (*entry).to_owned()], Found::Entry(key))),
            }
        }
    }
}

impl Settings {
    pub(super) fn put(&mut self, path: KeyPath, value: toml::Value, origin: Origin) {
        self.values.insert(path, Setting { value, origin });
    }

    pub(super) fn problem(
        &mut self,
        key: impl Into<String>,
        origin: Origin,
        wrong: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.problems.push(Problem { key: key.into(), origin, wrong: wrong.into(), mend: mend.into() });
    }

    /// Puts the secret that stands in a file.
    pub(super) fn put_secret_file(
        &mut self,
        path: KeyPath,
        file: &str,
        origin: Origin,
        read: fn(&Path) -> io::Result<String>,
    ) {
        match read(Path::new(file)) {
            Ok(text) => {
                let secret = text.trim_end_matches(['\r', '\n']).to_owned();
                self.put(path, toml::Value::String(secret), origin);
            }
            Err(error) => {
                let mend = "name a readable file that holds the secret and nothing else";
                self.problem(
                    format!("{}_file", path.join(".")),
                    origin,
                    format!("names `{file}`, which cannot be read: {error}"),
                    mend,
                );
            }
        }
    }

    /// Looks at each value by itself and takes out those that cannot be used, so that the rest can still be checked.
    pub(super) fn sift(&mut self, schema: &Section) {
        let mut faulty = Vec::new();
        for (path, setting) in &self.values {
            let segments: Vec<&str> = path.iter().map(String::as_str).collect();
            let Some((_, Found::Key(key) | Found::Entry(key))) = find(schema, &segments) else { continue };
            if let Some(problem) = judge(key, path, setting) {
                faulty.push((path.clone(), problem));
            }
        }
        for (path, problem) in faulty {
            self.values.remove(&path);
            self.problems.push(problem);
        }
    }
}

/// What is wrong with one value, if anything.
fn judge(key: &Key, path: &KeyPath, setting: &Setting) -> Option<Problem> {
    let expects = key.kind.expects();
    // An example belongs to the mending.
    let what = expects.split(" such as").next().unwrap_or_default().trim_end_matches(',');
    let hint = match key.doc.example() {
        // One example is enough.
        Some(example) if key.kind != Kind::Secret && !expects.contains("such as") => {
            format!(" (example: {example})")
        }
        _ => String::new(),
    };
    let problem = |wrong: String, mend: String| {
        Some(Problem { key: path.join("."), origin: setting.origin.clone(), wrong, mend })
    };
    let single = [setting.value.clone()];
    let values = match (&setting.value, key.list) {
        (toml::Value::Array(values), true) => values.as_slice(),
        (_, true) => {
            return problem(
                "is a single value, but must be a list".to_owned(),
                format!("write a list in square brackets, each element {expects}{hint}"),
            );
        }
        (_, false) => &single,
    };
    for value in values {
        let Err(_) = (key.check)(value) else { continue };
        // The parser's own words may quote the value, and always speak of Rust's types: say it in ours.
        let wrong = match (fits(key.kind, value), key.kind) {
            (_, Kind::Secret) => format!("is {}, but must be text", type_of(value)),
            (false, _) => format!("is {}, but must be {what}", type_of(value)),
            (true, Kind::Whole | Kind::Number) => format!("is {value}, which is too large or negative"),
            (true, _) => format!("is {}, which is not {what}", shown(value)),
        };
        return problem(wrong, format!("write {expects}{hint}"));
    }
    None
}

/// Whether the value has the type that the kind is written in.
fn fits(kind: Kind, value: &toml::Value) -> bool {
    match kind {
        Kind::Text
        | Kind::Secret
        | Kind::Url
        | Kind::Address
        | Kind::Network
        | Kind::Path
        | Kind::Choice(_) => value.is_str(),
        Kind::Whole => value.is_integer(),
        Kind::Number => value.is_float() || value.is_integer(),
        Kind::Flag => value.is_bool(),
        Kind::Variable => !value.is_array() && !value.is_table() && !value.is_datetime(),
    }
}

fn type_of(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::String(_) => "text",
        toml::Value::Integer(_) => "a whole number",
        toml::Value::Float(_) => "a number",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Datetime(_) => "a date or time",
        toml::Value::Array(_) => "a list",
        toml::Value::Table(_) => "a table",
    }
}

/// A value as it may appear in an error: an address with a password in it may not.
fn shown(value: &toml::Value) -> String {
    match value.as_str() {
        Some(text) if text.contains('@') => "a value with a user name or password".to_owned(),
        Some(text) if text.chars().count() > 80 => {
            format!("`{}…`", text.chars().take(80).collect::<String>())
        }
        Some(text) => format!("`{text}`"),
        None => value.to_string(),
    }
}

/// A secret's file, bounded.
pub(super) fn read_secret_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(SECRET_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > SECRET_FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a secret"));
    }
    Ok(text)
}

/// The known name nearest to a mistyped one.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (score, best) = known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (score > 0.8).then_some(best)
}
