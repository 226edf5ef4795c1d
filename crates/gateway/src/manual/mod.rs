//! The manual of the carriers: what each can do, from its capability table, and what to click, from a chapter written by
//! hand. `docs/CARRIERS.md` is what [`carriers()`] prints.

use std::time::Duration;

use call::{CarrierCapabilities, Closing, Encoding, MarkOnFlush, Proof, ShortPiece, Sound, Way};

use crate::carrier_kind::CarrierKind;

/// The chapter of a carrier, as Markdown without its title.
fn chapter(carrier: CarrierKind) -> &'static str {
    match carrier {
        CarrierKind::Twilio => include_str!("carriers/twilio.md"),
        CarrierKind::Plivo => include_str!("carriers/plivo.md"),
        CarrierKind::Exotel => include_str!("carriers/exotel.md"),
        CarrierKind::Mcube => include_str!("carriers/mcube.md"),
        CarrierKind::Browser => include_str!("carriers/browser.md"),
    }
}

/// The whole page.
pub fn carriers() -> String {
    let mut page = INTRODUCTION.to_owned();
    for carrier in CarrierKind::ALL {
        let title = carrier.table().title;
        page.push_str(&format!("- [{title}](#{})\n", title.to_lowercase()));
    }
    page.push_str(BEFORE_OVERVIEW);
    overview(&mut page);
    page.push_str(AFTER_OVERVIEW);
    for carrier in CarrierKind::ALL {
        let table = carrier.table();
        page.push_str(&format!("\n## {}\n\n| | |\n|---|---|\n", table.title));
        for fact in FACTS {
            page.push_str(&format!("| {} | {} |\n", fact.name, (fact.whole)(table)));
        }
        page.push_str(&format!("\n{}\n", chapter(carrier).trim()));
    }
    page
}

/// All carriers beside each other.
fn overview(page: &mut String) {
    let row = |page: &mut String, cells: Vec<String>| page.push_str(&format!("| {} |\n", cells.join(" | ")));
    let tables = CarrierKind::ALL.map(CarrierKind::table);
    let heads = tables.iter().map(|table| table.title.to_owned());
    row(page, [String::new()].into_iter().chain(heads).collect());
    page.push_str(&format!("|{}\n", "---|".repeat(tables.len() + 1)));
    for fact in FACTS {
        let Some(short) = fact.short else { continue };
        let cells = tables.iter().map(|table| short(table));
        row(page, [fact.name.to_owned()].into_iter().chain(cells).collect());
    }
}

/// Something to know about a carrier.
struct Fact {
    name: &'static str,
    /// In a cell of the overview; facts without it are in the chapters alone.
    short: Option<fn(&CarrierCapabilities) -> String>,
    whole: fn(&CarrierCapabilities) -> String,
}

const FACTS: [Fact; 13] = [
    Fact { name: "sound", short: Some(sounds_in_short), whole: sounds },
    Fact { name: "pieces we send", short: Some(piece_in_short), whole: piece },
    Fact { name: "kept ahead", short: None, whole: lead },
    Fact { name: "how we know what was heard", short: Some(marks_in_short), whole: marks },
    Fact {
        name: "keys of the caller",
        short: Some(|table| digits_in_short(table.digits_in)),
        whole: |table| digits_in(table.digits_in),
    },
    Fact {
        name: "keys we press",
        short: Some(|table| digits_in_short(table.digits_out)),
        whole: |table| digits_out(table.digits_out),
    },
    Fact { name: "hang up", short: Some(|table| way_in_short(table.hang_up)), whole: hang_up },
    Fact { name: "hand over", short: Some(|table| way_in_short(table.transfer)), whole: transfer },
    Fact {
        name: "closing the media socket",
        short: Some(|table| closing_in_short(table.closing).to_owned()),
        whole: |table| closing(table.closing).to_owned(),
    },
    Fact { name: "a caller who hangs up", short: None, whole: leaving },
    Fact {
        name: "how it proves itself",
        short: Some(|table| proof_in_short(table.proof).to_owned()),
        whole: |table| proof(table.proof).to_owned(),
    },
    Fact {
        name: "places calls",
        short: Some(|table| yes_or_no(table.places_calls).to_owned()),
        whole: |table| yes_or_no(table.places_calls).to_owned(),
    },
    Fact {
        name: "tells machines from people",
        short: Some(|table| yes_or_no(table.detects_machines).to_owned()),
        whole: machines,
    },
];

/// 8 kHz, 16 kHz.
fn khz(sound: Sound) -> String {
    let hz = sound.rate.hz();
    match hz % 1_000 {
        0 => format!("{}", hz / 1_000),
        _ => format!("{}.{}", hz / 1_000, hz % 1_000 / 100),
    }
}

fn encoding(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Mulaw => "µ-law",
        Encoding::Pcm16 => "PCM16",
    }
}

/// One group for each encoding, in the table's order.
fn grouped(sounds: &[Sound]) -> Vec<(Encoding, Vec<String>)> {
    let mut groups: Vec<(Encoding, Vec<String>)> = Vec::new();
    for sound in sounds {
        match groups.iter_mut().find(|(encoding, _)| *encoding == sound.encoding) {
            Some((_, rates)) => rates.push(khz(*sound)),
            None => groups.push((sound.encoding, vec![khz(*sound)])),
        }
    }
    groups
}

fn sounds_in_short(table: &CarrierCapabilities) -> String {
    let groups = grouped(table.sounds).into_iter();
    let groups = groups.map(|(kind, rates)| format!("{} {}", encoding(kind), rates.join("/")));
    format!("{} kHz", groups.collect::<Vec<_>>().join(", "))
}

fn sounds(table: &CarrierCapabilities) -> String {
    let forms: Vec<String> = table
        .sounds
        .iter()
        .map(|sound| format!("{} at {} kHz", encoding(sound.encoding), khz(*sound)))
        .collect();
    match forms.split_first() {
        Some((usual, [])) => usual.clone(),
        Some((usual, others)) => format!("usually {usual}; also {}", others.join(", ")),
        None => String::new(),
    }
}

fn piece_in_short(table: &CarrierCapabilities) -> String {
    let length = millis(table.piece);
    match table.short_piece {
        ShortPiece::Allowed => format!("{length}, or any length"),
        ShortPiece::Filled => format!("{length}, whole ones only"),
    }
}

fn piece(table: &CarrierCapabilities) -> String {
    let length = millis(table.piece);
    match table.short_piece {
        ShortPiece::Allowed => format!("{length}; the last one of an utterance may be shorter"),
        ShortPiece::Filled => {
            format!(
                "{length} and multiples of it; only the last one of an utterance is filled up with silence"
            )
        }
    }
}

fn lead(table: &CarrierCapabilities) -> String {
    format!(
        "{}–{}, so that an interruption means silence at once",
        table.lead_low.as_millis(),
        millis(table.lead_high)
    )
}

fn marks_in_short(table: &CarrierCapabilities) -> String {
    match table.mark_on_flush {
        MarkOnFlush::Echoed => "marks; after a flush they come back unheard",
        MarkOnFlush::Silent => "marks; after a flush none come",
        MarkOnFlush::Unknown => "marks; after a flush not known",
        MarkOnFlush::NoMarks => "position reports",
    }
    .to_owned()
}

fn marks(table: &CarrierCapabilities) -> String {
    match table.mark_on_flush {
        MarkOnFlush::Echoed => {
            "marks come back when they are played. Thrown away, they come back too: that counts as not heard"
        }
        MarkOnFlush::Silent => "marks come back when they are played. Thrown away, they never do",
        MarkOnFlush::Unknown => {
            "marks come back when they are played. Whether they do when thrown away is not documented: an older one never \
             counts as heard"
        }
        MarkOnFlush::NoMarks => "it reports how far it has played",
    }
    .to_owned()
}

fn digits_in_short(way: Way) -> String {
    match way {
        Way::No => "no",
        Way::Message => "by message",
        Way::Sound => "as tones",
        Way::Request => "by request",
        Way::NextStep => "after the stream",
    }
    .to_owned()
}

fn digits_in(way: Way) -> String {
    match way {
        Way::No => "not known",
        Way::Message => "told on the media socket",
        Way::Sound => "heard in the sound",
        Way::Request => "asked of the carrier's own interface",
        Way::NextStep => "known after the stream",
    }
    .to_owned()
}

fn digits_out(way: Way) -> String {
    match way {
        Way::No => "not possible",
        Way::Message => "by a message on the media socket",
        Way::Sound => "as tones in the sound",
        Way::Request => "by a request to the carrier's own interface",
        Way::NextStep => "after the stream",
    }
    .to_owned()
}

fn way_in_short(way: Way) -> String {
    match way {
        Way::No => "no",
        Way::Message => "by message",
        Way::Sound => "as tones",
        Way::Request => "by request",
        Way::NextStep => "by its next step",
    }
    .to_owned()
}

fn hang_up(table: &CarrierCapabilities) -> String {
    match table.hang_up {
        Way::No => "not possible".to_owned(),
        Way::Message => format!(
            "by a message on the media socket, which we close {} later if the carrier has not",
            seconds(table.lets_go_within)
        ),
        Way::Sound => "by a tone".to_owned(),
        Way::Request => {
            "by a request to the carrier's own interface; without an account, by closing the socket"
                .to_owned()
        }
        Way::NextStep => {
            "by closing the media socket; where the carrier then asks what comes next, it is told to hang up"
                .to_owned()
        }
    }
}

fn transfer(table: &CarrierCapabilities) -> String {
    match table.transfer {
        Way::No => "not possible".to_owned(),
        Way::Message if table.proof == Proof::ApiToken => "shown on the page".to_owned(),
        Way::Message => format!(
            "by a message on the media socket, which we close {} later if the carrier has not",
            seconds(table.lets_go_within)
        ),
        Way::Sound => "by a tone".to_owned(),
        Way::Request => "by a request to the carrier's own interface; needs an account".to_owned(),
        Way::NextStep => {
            "by closing the media socket: the carrier asks what comes next, and is told the number".to_owned()
        }
    }
}

fn closing_in_short(closing: Closing) -> &'static str {
    match closing {
        Closing::EndsCall => "ends the call",
        Closing::GoesOn => "the call goes on",
        Closing::Depends => "depends",
        Closing::Unknown => "not known",
    }
}

fn closing(closing: Closing) -> &'static str {
    match closing {
        Closing::EndsCall => "ends the call",
        Closing::GoesOn => "the call goes on with the carrier's own next step",
        Closing::Depends => "ends the call or goes on with the next step, by how the call came",
        Closing::Unknown => "not documented, so nothing rests on it",
    }
}

fn leaving(table: &CarrierCapabilities) -> String {
    match table.ends_by_closing {
        true => "shows as a closed media socket, also without a message before it",
        false => "is told by message; a socket that just closes is a broken line",
    }
    .to_owned()
}

fn proof_in_short(proof: Proof) -> &'static str {
    match proof {
        Proof::Signature => "signature",
        Proof::SharedSecret => "shared secret",
        Proof::ApiToken => "API token",
    }
}

fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Signature => "it signs its requests; the media socket shows a token that works once",
        Proof::SharedSecret => "it cannot sign: it shows a secret that you make up and enter at both ends",
        Proof::ApiToken => "the page shows the API token, where there is one",
    }
}

fn machines(table: &CarrierCapabilities) -> String {
    match (table.places_calls, table.detects_machines) {
        (false, _) => "no",
        (true, true) => "yes, for calls that we place",
        (true, false) => "no; the agent has to notice a voicemail by itself",
    }
    .to_owned()
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn millis(length: Duration) -> String {
    format!("{} ms", length.as_millis())
}

fn seconds(length: Duration) -> String {
    match (length.as_secs(), length.subsec_millis()) {
        (1, 0) => "a second".to_owned(),
        (whole, 0) => format!("{whole} seconds"),
        _ => millis(length),
    }
}

const INTRODUCTION: &str = "\
# Carriers

Made by `trunkline carriers manual`; do not edit by hand. The tables come from what the program itself goes by, the chapters from
`crates/gateway/src/manual/carriers/`.

A carrier brings calls. This page goes through each, step by step. Whoever comes from an older service of the same carriers
finds the way in [MOVING.md](MOVING.md).

- [What each can do](#what-each-can-do)
- [What all have in common](#what-all-have-in-common)
";

const BEFORE_OVERVIEW: &str = "
## What each can do

";

const AFTER_OVERVIEW: &str = "
*By request* means a request to the carrier's own interface, which needs the account's credentials; *by message*, a message on
the media socket; *by its next step*, that we close the media socket and the carrier asks what comes next. A bot that needs
what the carrier of its line cannot do is refused when the configuration is read.

## What all have in common

`server.public_url` (`WEBHOOK_BASE_URL`) is the address under which carriers reach the gateway. Media sockets are the same
address with `wss://`. `trunkline doctor` says what is missing and which address belongs into which field of which console;
`trunkline carriers` prints the same in short.

Any number of carriers may be set up at once. A line says which bot answers a number:

```toml
[numbers]
country = \"91\"            # how numbers without a country code are meant

[[lines]]
number = \"+918012345678\"  # also found as 08012345678, 8012345678, 00918012345678 and sip:+918012345678@…
bot = \"reception\"
carrier = \"exotel\"        # optional: the same number at another carrier may have a line of its own
```

Without `numbers.country`, a number that comes without its country code leads to the line that ends with it, if there is
exactly one. Numbers without a line go to `default_bot`.

Calls are placed by one request, whichever carrier carries them: `POST /api/v1/calls`, see [API.md](API.md).
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_carrier_has_its_chapter_and_its_column() {
        let page = carriers();
        for carrier in CarrierKind::ALL {
            let title = carrier.table().title;
            assert!(page.contains(&format!("\n## {title}\n")), "{title}");
            assert!(page.contains(&format!("(#{})", title.to_lowercase())), "{title}");
            let text = chapter(carrier);
            assert!(!text.trim().is_empty() && !text.contains("\n## ") && !text.starts_with("# "), "{title}");
        }
        let heads = page.lines().find(|line| line.starts_with("|  | ")).unwrap();
        let titles = CarrierKind::ALL.map(|carrier| carrier.table().title).join(" | ");
        assert_eq!(heads, format!("|  | {titles} |"));
    }

    #[test]
    fn the_tables_are_the_programs_own() {
        let table = CarrierKind::Twilio.table();
        let other = CarrierCapabilities {
            sounds: &[
                Sound { encoding: Encoding::Pcm16, rate: audio::Rate::Hz16000 },
                Sound { encoding: Encoding::Pcm16, rate: audio::Rate::Hz24000 },
                Sound { encoding: Encoding::Mulaw, rate: audio::Rate::Hz8000 },
            ],
            piece: Duration::from_millis(100),
            short_piece: ShortPiece::Filled,
            hang_up: Way::Message,
            lets_go_within: Duration::from_secs(2),
            ..*table
        };

        assert_eq!(sounds_in_short(table), "µ-law 8 kHz");
        assert_eq!(sounds_in_short(&other), "PCM16 16/24, µ-law 8 kHz");
        assert_eq!(sounds(&other), "usually PCM16 at 16 kHz; also PCM16 at 24 kHz, µ-law at 8 kHz");
        assert_eq!(piece_in_short(&other), "100 ms, whole ones only");
        assert!(hang_up(&other).contains("2 seconds later") && hang_up(table).contains("request"));
    }

    #[test]
    fn every_table_row_has_as_many_cells_as_its_head() {
        let page = carriers();
        let mut width = None;
        for line in page.lines() {
            let cells = line.starts_with('|').then(|| line.matches('|').count());
            if let (Some(cells), Some(width)) = (cells, width) {
                assert_eq!(cells, width, "{line}");
            }
            width = cells;
        }
    }
}
