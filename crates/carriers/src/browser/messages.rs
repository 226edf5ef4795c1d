//! The text messages between page and gateway. Sound goes beside them, as binary messages.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::numeral::Number;

/// A message from the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromPage<'a> {
    Start {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate: Option<Number>,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        bot: Option<Cow<'a, str>>,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        token: Option<Cow<'a, str>>,
    },
    Digit {
        #[serde(borrow)]
        digit: Cow<'a, str>,
    },
    Played {
        generation: u32,
        ms: Number,
    },
    Bye,
    /// A newer page may know more than we do.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// A message to the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToPage<'a> {
    Ready { call: Cow<'a, str>, rate: u32, generation: u32 },
    Clear { generation: u32 },
    Digits { digits: Cow<'a, str> },
    Transfer { to: Cow<'a, str> },
    Bye { cause: Cow<'a, str> },
}
