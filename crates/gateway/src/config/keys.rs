//! What a configuration key is: its name, its kind, its manual.
//!
//! The macro `section!` makes a plain struct with a default for every field and, from the same lines, the description that the
//! loader, the reference and the example file read. So a key cannot exist without its manual, and the manual cannot
//! describe a key that does not exist.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::de::DeserializeOwned;
use url::Url;
use wire::Secret;

/// What kind of value a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Secret,
    Whole,
    Number,
    Flag,
    Url,
    Address,
    Network,
    Path,
    Choice(&'static [&'static str]),
    /// Text, a number or a flag.
    Variable,
}

impl Kind {
    /// What a good value is, to complete "must be …".
    pub fn expects(self) -> String {
        match self {
            Kind::Text => "text".to_owned(),
            Kind::Secret => "text (a secret)".to_owned(),
            Kind::Whole => "a whole number".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Flag => "true or false".to_owned(),
            Kind::Url => "a whole address with its scheme, such as https://voice.example.com".to_owned(),
            Kind::Address => "an IP address with a port, such as 127.0.0.1:7900".to_owned(),
            Kind::Network => "a network such as 10.0.0.0/8 (one address is 10.1.2.3/32)".to_owned(),
            Kind::Path => "a path of a file or folder".to_owned(),
            Kind::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                format!("one of {}", words.join(", "))
            }
            Kind::Variable => "text, a number, true or false".to_owned(),
        }
    }

    /// A value in TOML that this kind accepts, for the example file.
    pub fn example(self) -> String {
        match self {
            Kind::Text | Kind::Secret => r#""...""#.to_owned(),
            Kind::Whole | Kind::Number => "1".to_owned(),
            Kind::Flag => "true".to_owned(),
            Kind::Url => r#""https://voice.example.com""#.to_owned(),
            Kind::Address => r#""127.0.0.1:7900""#.to_owned(),
            Kind::Network => r#""10.0.0.0/8""#.to_owned(),
            Kind::Path => r#""path/to/it""#.to_owned(),
            Kind::Choice(words) => format!("{:?}", words.first().copied().unwrap_or_default()),
            Kind::Variable => r#""...""#.to_owned(),
        }
    }
}

/// A manual entry, as the lines of a doc comment. A line beginning with `Example: ` gives a value, in
/// backticks, for the example file.
#[derive(Clone, Copy, Debug)]
pub struct Doc(pub &'static [&'static str]);

impl Doc {
    pub fn text(self) -> String {
        let lines: Vec<&str> =
            self.0.iter().map(|line| line.trim()).filter(|line| !line.starts_with("Example: ")).collect();
        lines.join("\n").trim().to_owned()
    }

    pub fn example(self) -> Option<&'static str> {
        let example = self.0.iter().find_map(|line| line.trim().strip_prefix("Example: "))?;
        Some(example.trim_matches('`'))
    }
}

/// Whether a value can be read, and if not, the parser's words.
pub type Reads = fn(&toml::Value) -> Result<(), String>;

/// One key with one value, or with a list of such values.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub doc: Doc,
    pub kind: Kind,
    pub list: bool,
    /// Looks at one value; of a list, at one element.
    pub check: Reads,
}

/// A table of keys.
#[derive(Clone, Debug)]
pub struct Section {
    pub name: &'static str,
    pub doc: Doc,
    pub items: Vec<Item>,
    /// For tables whose keys depend on each other: whether all of it together is acceptable.
    pub whole: Option<Reads>,
}

#[derive(Clone, Debug)]
pub enum Item {
    Key(Key),
    Section(Section),
    /// A list of tables: `[[name]]`.
    List(Section),
    /// A table whose keys are free.
    Map(Key),
}

impl Item {
    pub fn name(&self) -> &'static str {
        match self {
            Item::Key(key) | Item::Map(key) => key.name,
            Item::Section(section) | Item::List(section) => section.name,
        }
    }
}

impl Section {
    pub fn find(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name() == name)
    }
}

/// A type that a configuration key can have.
pub trait Described: Sized {
    fn item(name: &'static str, doc: Doc) -> Item;
    /// The same for a list of it.
    fn listed(name: &'static str, doc: Doc) -> Item;
}

/// Whether a value reads as a `T`, in the parser's own words.
pub fn reads_as<T: DeserializeOwned>(value: &toml::Value) -> Result<(), String> {
    T::deserialize(value.clone()).map(drop).map_err(|error| error.message().trim().to_owned())
}

pub fn key<T: DeserializeOwned>(name: &'static str, doc: Doc, kind: Kind, list: bool) -> Key {
    Key { name, doc, kind, list, check: reads_as::<T> }
}

/// Types that are one value.
macro_rules! leaf {
    ($($ty:ty => $kind:expr),* $(,)?) => { $(
        impl $crate::config::keys::Described for $ty {
            fn item(name: &'static str, doc: $crate::config::keys::Doc) -> $crate::config::keys::Item {
                $crate::config::keys::Item::Key($crate::config::keys::key::<$ty>(name, doc, $kind, false))
            }

            fn listed(name: &'static str, doc: $crate::config::keys::Doc) -> $crate::config::keys::Item {
                $crate::config::keys::Item::Key($crate::config::keys::key::<$ty>(name, doc, $kind, true))
            }
        }
    )* };
}
pub(crate) use leaf;

leaf! {
    bool => Kind::Flag,
    u16 => Kind::Whole,
    u32 => Kind::Whole,
    u64 => Kind::Whole,
    usize => Kind::Whole,
    f32 => Kind::Number,
    String => Kind::Text,
    Secret => Kind::Secret,
    Url => Kind::Url,
    SocketAddr => Kind::Address,
    IpNet => Kind::Network,
    PathBuf => Kind::Path,
}

impl<T: Described> Described for Option<T> {
    fn item(name: &'static str, doc: Doc) -> Item {
        T::item(name, doc)
    }

    fn listed(name: &'static str, doc: Doc) -> Item {
        T::listed(name, doc)
    }
}

impl<T: Described> Described for Vec<T> {
    fn item(name: &'static str, doc: Doc) -> Item {
        T::listed(name, doc)
    }

    /// Lists of lists do not occur; one level is as deep as TOML and the environment stay readable.
    fn listed(name: &'static str, doc: Doc) -> Item {
        T::listed(name, doc)
    }
}

impl<T: Described> Described for BTreeMap<String, T> {
    fn item(name: &'static str, doc: Doc) -> Item {
        match T::item(name, doc) {
            Item::Key(key) => Item::Map(key),
            other => other,
        }
    }

    fn listed(name: &'static str, doc: Doc) -> Item {
        Self::item(name, doc)
    }
}

/// A table: a struct with a default for every field, and its description.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident : $ty:ty = $default:expr ),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $ty, )*
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $( $field: $default, )* }
            }
        }

        impl $name {
            /// Every key of this table with its manual.
            pub fn described(name: &'static str) -> $crate::config::keys::Section {
                use $crate::config::keys::{Described, Doc, Section};
                Section {
                    name,
                    doc: Doc(&[$($about),*]),
                    items: vec![
                        $( <$ty as Described>::item(stringify!($field), Doc(&[$($doc),*])) ),*
                    ],
                    whole: None,
                }
            }
        }

        impl $crate::config::keys::Described for $name {
            fn item(name: &'static str, _doc: $crate::config::keys::Doc) -> $crate::config::keys::Item {
                $crate::config::keys::Item::Section($name::described(name))
            }

            fn listed(name: &'static str, _doc: $crate::config::keys::Doc) -> $crate::config::keys::Item {
                $crate::config::keys::Item::List($name::described(name))
            }
        }
    };
}
pub(crate) use section;
