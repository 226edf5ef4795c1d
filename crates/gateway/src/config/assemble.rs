//! Single settings become one tree again.

use std::collections::BTreeSet;

use super::keys::{Item, Section};
use super::problems::Origin;
use super::settings::Settings;

/// Builds the table of a section. Tables whose keys contradict each other are reported and left out.
pub(super) fn assemble(schema: &Section, settings: &mut Settings) -> toml::Table {
    table(schema, &[], settings)
}

fn table(section: &Section, above: &[String], settings: &mut Settings) -> toml::Table {
    let mut table = toml::Table::new();
    for item in &section.items {
        let name = item.name().to_owned();
        let path = [above, std::slice::from_ref(&name)].concat();
        match item {
            Item::Key(_) => {
                if let Some(setting) = settings.values.get(&path) {
                    table.insert(name, setting.value.clone());
                }
            }
            Item::Map(_) => {
                let entries = below(&path, settings);
                if !entries.is_empty() {
                    table.insert(name, toml::Value::Table(entries));
                }
            }
            Item::Section(inner) => {
                let value = toml::Value::Table(self::table(inner, &path, settings));
                if value.as_table().is_some_and(toml::Table::is_empty) {
                    continue;
                }
                match inner.whole.map_or(Ok(()), |whole| whole(&value)) {
                    Ok(()) => drop(table.insert(name, value)),
                    Err(words) => contradicts(inner, &path, &words, settings),
                }
            }
            Item::List(inner) => {
                let elements = list(inner, &path, settings);
                if !elements.is_empty() {
                    table.insert(name, toml::Value::Array(elements));
                }
            }
        }
    }
    table
}

fn below(path: &[String], settings: &Settings) -> toml::Table {
    let inside = settings.values.iter().filter(|(other, _)| other.starts_with(path));
    inside
        .filter_map(|(other, setting)| Some((other.get(path.len())?.clone(), setting.value.clone())))
        .collect()
}

fn list(inner: &Section, path: &[String], settings: &mut Settings) -> Vec<toml::Value> {
    let places: BTreeSet<usize> = settings
        .values
        .keys()
        .filter(|other| other.starts_with(path))
        .filter_map(|other| other.get(path.len())?.parse().ok())
        .collect();
    let mut elements = Vec::new();
    for place in places {
        let path = [path, &[place.to_string()]].concat();
        if place != elements.len() {
            let origin = origin_below(&path, settings);
            settings.problem(
                path.join("."),
                origin,
                format!("leaves out position {}", elements.len()),
                "count from 0 without gaps",
            );
            break;
        }
        elements.push(toml::Value::Table(table(inner, &path, settings)));
    }
    elements
}

/// For tables whose keys belong together.
fn contradicts(section: &Section, path: &[String], words: &str, settings: &mut Settings) {
    let origin = origin_below(path, settings);
    let manual: Vec<String> = section
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Key(key) => Some(format!("`{}`: {}", key.name, key.doc.text())),
            Item::Section(_) | Item::List(_) | Item::Map(_) => None,
        })
        .collect();
    settings.problem(
        path.join("."),
        origin,
        format!("is not complete or contradicts itself: {words}"),
        manual.join(" "),
    );
    settings.values.retain(|other, _| !other.starts_with(path));
}

fn origin_below(path: &[String], settings: &Settings) -> Origin {
    let inside = settings.values.iter().find(|(other, _)| other.starts_with(path));
    inside.map_or(Origin::Default, |(_, setting)| setting.origin.clone())
}
