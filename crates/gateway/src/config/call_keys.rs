//! The manual of `[bots.call]`: the keys of [`call::CallSettings`].
//!
//! The call crate knows nothing of configuration files, so its keys are described here. A test compares them with the
//! settings themselves: a key that is missing here, or gone there, fails it.

use call::{CallSettings, DetectorUse, Fallback, Voicemail};

use super::keys::{Described, Doc, Item, Kind, Section, key, reads_as};

const DETECTOR: Kind = Kind::Choice(&["auto", "always", "never"]);
const FALLBACK: Kind = Kind::Choice(&["apologise", "transfer", "bot"]);
const VOICEMAIL: Kind = Kind::Choice(&["continue", "hang_up", "say"]);

impl Described for CallSettings {
    fn item(name: &'static str, _doc: Doc) -> Item {
        Item::Section(table(
            name,
            Doc(&[
                "How a bot's calls behave: interruption, reconnecting, limits, and what happens without an agent.",
            ]),
            vec![
                Item::Key(key::<String>(
                    "transfer_to",
                    Doc(&[
                        "Numbers the agent may hand a caller to. Empty: any number that its prompt leads it to.",
                        "Example: `[\"+14155550111\"]`",
                    ]),
                    Kind::Text,
                    true,
                )),
                whole(
                    "digit_gap_ms",
                    &[
                        "Keys pressed within this time of each other, in milliseconds, reach the agent together; `#` ends",
                        "the wait. 0 hands on each at once.",
                    ],
                ),
                Item::Section(barge_in()),
                Item::Section(reconnect()),
                Item::Section(limits()),
                Item::Section(fallback()),
                Item::Section(voicemail()),
            ],
        ))
    }

    fn listed(name: &'static str, doc: Doc) -> Item {
        Self::item(name, doc)
    }
}

fn table(name: &'static str, doc: Doc, items: Vec<Item>) -> Section {
    Section { name, doc, items, whole: None }
}

fn whole(name: &'static str, doc: &'static [&'static str]) -> Item {
    Item::Key(key::<u32>(name, Doc(doc), Kind::Whole, false))
}

fn number(name: &'static str, doc: &'static [&'static str]) -> Item {
    Item::Key(key::<f32>(name, Doc(doc), Kind::Number, false))
}

fn barge_in() -> Section {
    table(
        "barge_in",
        Doc(&["When the caller may speak over the agent."]),
        vec![
            Item::Key(key::<bool>(
                "enabled",
                Doc(&["Whether the caller can interrupt at all."]),
                Kind::Flag,
                false,
            )),
            number(
                "score_threshold",
                &["The agent's speech score from which the caller counts as speaking, 0 to 1."],
            ),
            whole(
                "score_sustained_ms",
                &["How long the score must stay at or above the threshold, in milliseconds."],
            ),
            Item::Key(key::<DetectorUse>(
                "detector",
                Doc(&[
                    "Whether our own speech detector interrupts: `auto` only where the agent cannot by itself.",
                ]),
                DETECTOR,
                false,
            )),
            whole(
                "detector_sustained_ms",
                &[
                    "Caller speech that our own detector needs before the agent is cut off, in milliseconds. Lower",
                    "reacts sooner and trips on coughs and on \"uh-huh\".",
                ],
            ),
            whole(
                "debounce_ms",
                &[
                    "After an interruption, further signs within this time, in milliseconds, are the same",
                    "interruption.",
                ],
            ),
        ],
    )
}

fn reconnect() -> Section {
    table(
        "reconnect",
        Doc(&["How a lost agent is called back."]),
        vec![
            whole(
                "attempts",
                &[
                    "Attempts in a row before the fallback. A session that lasted a while starts the count anew.",
                ],
            ),
            whole(
                "backoff_ms",
                &["Wait before the first new attempt, in milliseconds; it doubles each time."],
            ),
            whole("backoff_ms_max", &["The longest wait between two attempts, in milliseconds."]),
            number(
                "jitter",
                &[
                    "Part of each wait that is left to chance, 0 to 1, so that a hundred calls do not dial in step.",
                ],
            ),
            whole(
                "patience_ms",
                &[
                    "The longest the caller is kept waiting for an agent in one go, whatever the attempts, in",
                    "milliseconds.",
                ],
            ),
            whole(
                "healthy_after_ms",
                &["A session that lasted this long, in milliseconds, gives the attempts back."],
            ),
        ],
    )
}

fn limits() -> Section {
    table(
        "limits",
        Doc(&["Every limit of a call, in milliseconds unless its name says otherwise. Every call ends."]),
        vec![
            whole("start_ms", &["From the first knock to the first media message."]),
            whole("no_media_ms", &["Without any media message from the carrier."]),
            whole("agent_ready_ms", &["From dialling an agent to its readiness."]),
            whole("agent_stalled_ms", &["Without any sign of life from an agent that gives signs of life."]),
            whole(
                "agent_silent_ms",
                &[
                    "After the caller stopped speaking, without any answer. The agent is told once, then given up.",
                ],
            ),
            whole("max_duration_ms", &["The longest a call may last."]),
            whole("stale_ms", &["Without speech from either side."]),
            whole(
                "goodbye_ms",
                &["The longest wait for a goodbye to be heard before hanging up or handing over."],
            ),
            whole("hang_up_ms", &["The longest wait for the carrier to let go after being told to hang up."]),
            whole(
                "history_messages",
                &[
                    "Messages of the conversation that are kept for a new session of the agent and for the record.",
                ],
            ),
            whole("playout_ms", &["The most agent speech that is kept unplayed."]),
        ],
    )
}

fn fallback() -> Section {
    Section {
        name: "fallback",
        doc: Doc(&["What to do when the agent cannot be had any more."]),
        items: vec![
            Item::Key(key::<String>(
                "do",
                Doc(&[
                    "`apologise` and hang up, `transfer` the caller to a person, or let another `bot` go on.",
                ]),
                FALLBACK,
                false,
            )),
            Item::Key(key::<String>(
                "to",
                Doc(&["For `transfer`: the number.", "Example: `\"+14155550111\"`"]),
                Kind::Text,
                false,
            )),
            Item::Key(key::<String>(
                "name",
                Doc(&["For `bot`: its name.", "Example: `\"demo\"`"]),
                Kind::Text,
                false,
            )),
        ],
        whole: Some(reads_as::<Fallback>),
    }
}

fn voicemail() -> Section {
    Section {
        name: "voicemail",
        doc: Doc(&[
            "What to do when a machine answers a call that was placed. Needs a carrier that can tell.",
        ]),
        items: vec![
            Item::Key(key::<String>(
                "do",
                Doc(&[
                    "`continue`: the agent talks to it; `hang_up` at once; `say` a message and hang up when it has been",
                    "heard.",
                ]),
                VOICEMAIL,
                false,
            )),
            Item::Key(key::<String>(
                "text",
                Doc(&[
                    "For `say`: the message, in the agent's voice.",
                    "Example: `\"This is the practice of Dr Miller. Please call us back.\"`",
                ]),
                Kind::Text,
                false,
            )),
        ],
        whole: Some(reads_as::<Voicemail>),
    }
}
