//! Webhooks come again, late, mixed up and as something else; names and numbers are not what they seem.

use std::collections::{BTreeMap, HashSet};

use call::EndCause;
use futures_util::future::join_all;
use gateway::carrier_kind::CarrierKind;
use gateway::config;
use lab::mcube::{self, FactsAt, StreamHabits};
use lab::phone::LiveCall;
use serde_json::Value;

use super::Line;
use super::hooks::Hooks;
use super::lines::{Dialled, Exchange, Network, Telling, of_mcube};
use super::withstand::{GREETING, all_is_let_go, speaks, talking};
use crate::world::{BOT, SPARE, Setup, agent, eventually, soon};

fn named(name: &str) -> Dialled {
    Dialled { name: Some(name.to_owned()), ..Dialled::default() }
}

#[tokio::test]
async fn a_call_that_knocks_again_and_again_has_one_place_until_it_is_over() {
    let exchange = Exchange::open(Setup::with(agent(GREETING))).await;
    let world = &exchange.world;
    let seats = || world.gateway.switchboard.seats().0;

    for line in exchange.lines() {
        let hooks = Hooks::of(line, world);
        // At once, and one after the other.
        join_all((0..4).map(|_| hooks.knock("c1"))).await;
        hooks.knock("c1").await;
        assert_eq!(seats(), 1, "{line:?}");
        hooks.knock("c2").await;
        assert_eq!(seats(), 2, "{line:?}: another call is another place");

        for _ in 0..2 {
            hooks.tell_over("c1").await;
        }
        assert_eq!(seats(), 1, "{line:?}: the other one waits on");
        hooks.tell_over("c2").await;
        assert_eq!(seats(), 0, "{line:?}");

        // The report has overtaken the question, which is asked again besides.
        hooks.tell_over("c3").await;
        for call in ["c1", "c3", "c3"] {
            let response = hooks.knock_in_vain(call).await;
            let (status, words) = (response.status().as_u16(), response.text().await.unwrap());
            match line.carrier {
                CarrierKind::Exotel | CarrierKind::Mcube => {
                    assert_eq!(status, 410, "{line:?}: {words}");
                    assert!(words.contains("is over"), "{line:?}: {words}");
                }
                _ => assert!(words.contains("<Hangup") && !words.contains("<Stream"), "{line:?}: {words}"),
            }
            assert_eq!(seats(), 0, "{line:?}: nobody will come to it");
        }
        let metrics = world.gateway.metrics.render();
        let counted = format!(r#"path="{}",outcome="over"}} 3"#, webhooks(line)[0].1);
        assert!(metrics.contains(&counted), "{counted}: {metrics}");
    }
    assert!(world.platform.sessions().is_empty());
}

#[tokio::test]
async fn webhooks_that_are_retried_reordered_and_late_make_one_call_and_one_record() {
    let mut setup = Setup::with(agent(GREETING));
    setup.config.agents.elevenlabs.slots = 8;
    let exchange = Exchange::open(setup).await;
    let world = &exchange.world;

    // Either the socket says first that the call is over, or a webhook does.
    let calls = exchange.lines().into_iter().flat_map(|line| [(line, true), (line, false)]);
    join_all(calls.map(async |(line, by_socket)| {
        let name = format!("{}-{by_socket}", line.carrier.name());
        let hooks = Hooks::of(line, world);
        let carrier = line.carrier.name();

        for _ in 0..2 {
            hooks.knock(&name).await;
        }
        let dialled = Dialled { asks: true, reports: Telling::AgainAndMixedUp, ..named(&name) };
        let call = talking(&exchange, line, dialled).await;
        let live = world.live_on(carrier, &name).await;
        // The answer to the first question was slow to arrive, so it is asked once more.
        hooks.knock(&name).await;
        assert_eq!(world.live_on(carrier, &name).await.id(), live.id(), "{line:?}: still the same call");
        assert_eq!(live.end(), None, "{line:?}");

        if by_socket {
            call.hang_up().await;
        } else {
            join_all((0..3).map(|_| hooks.tell_over(&name))).await;
        }
        soon("the phone call is over", call.finished()).await;
        let record = world.record(&name).await;
        hooks.tell_over(&name).await;
        hooks.knock_in_vain(&name).await;
        assert_eq!((record.id, &record.end), (live.id(), &EndCause::CallerHungUp), "{line:?}, {by_socket}");
    }))
    .await;

    all_is_let_go(world).await;
    let recent = world.gateway.records.recent(usize::MAX, None);
    assert_eq!(recent.len(), 8, "one record each: {recent:#?}");
    assert_eq!(world.platform.sessions().len(), 8, "and one conversation");
}

#[tokio::test]
async fn the_same_name_on_every_carrier_is_a_call_on_each() {
    const NAME: &str = "one-name-for-all";
    let exchange = Exchange::open(Setup::with(agent(GREETING))).await;
    let world = &exchange.world;
    let lines = exchange.lines();

    let calls = join_all(lines.iter().map(|line| talking(&exchange, *line, named(NAME)))).await;
    let mut lives = Vec::new();
    for line in &lines {
        lives.push(world.live_on(line.carrier.name(), NAME).await);
    }
    let ids: HashSet<_> = lives.iter().map(|live| live.id()).collect();
    assert_eq!((ids.len(), world.gateway.switchboard.live_count()), (4, 4));

    // What one carrier says of its call is no word on another's.
    for (at, (line, call)) in lines.iter().zip(calls).enumerate() {
        Hooks::of(*line, world).tell_over(NAME).await;
        eventually("this one ends", || world.gateway.switchboard.find(lives[at].id()).is_none()).await;
        assert_eq!(lives[at].end(), Some(EndCause::CallerHungUp), "{line:?}");
        for (later, live) in lines.iter().zip(&lives).skip(at + 1) {
            assert_eq!(live.end(), None, "{line:?} is over, and {later:?} goes on");
        }
        soon("its phone call is over", call.finished()).await;
    }

    all_is_let_go(world).await;
    eventually("each has its record", || world.records(NAME).len() == lines.len()).await;
    let by_carrier: BTreeMap<String, _> =
        world.records(NAME).into_iter().map(|record| (record.carrier, record.id)).collect();
    let expected = lines.iter().zip(&lives).map(|(line, live)| (line.carrier.name().to_owned(), live.id()));
    assert_eq!(by_carrier, expected.collect());
}

#[tokio::test]
async fn a_number_with_and_without_its_country_leads_to_one_line_on_every_carrier() {
    for (country, asks) in [(None, false), (Some("91"), true)] {
        let mut setup = Setup::with(agent(GREETING)).with_spare_bot();
        setup.config.numbers.country = country.map(str::to_owned);
        setup.config.limits.calls = 40;
        let line = |number: &str, carrier: Option<&str>| config::Line {
            number: number.into(),
            bot: SPARE.into(),
            carrier: carrier.map(str::to_owned),
        };
        setup.config.lines =
            vec![line("+918047654321", None), line("+918047654322", Some("plivo"))].into_iter().collect();
        let exchange = Exchange::open(setup).await;

        let forms = ["+918047654321", "918047654321", "00918047654321", "08047654321", "8047654321"];
        let ours = exchange.lines().into_iter().flat_map(|line| forms.map(|to| (line, to, SPARE)));
        // One that only Plivo brings, and one that nobody has a line for.
        let others = exchange.lines().into_iter().flat_map(|line| {
            let bot = if line.carrier == CarrierKind::Plivo { SPARE } else { BOT };
            [(line, "08047654322", bot), (line, "08047654329", BOT)]
        });
        join_all(ours.chain(others).map(async |(line, to, bot)| {
            let call = exchange.call(line, Dialled { to: Some(to.into()), asks, ..Dialled::default() });
            speaks(&call, line).await;
            call.hang_up().await;
            let (_, record) = exchange.world.over(call).await;
            assert_eq!(record.bot, bot, "{line:?}, {to}, country {country:?}");
        }))
        .await;
        exchange.world.nothing_is_held().await;
    }
}

/// Every webhook that takes a body: its address, and its name in the metrics.
fn webhooks(line: Line) -> &'static [(&'static str, &'static str)] {
    match line.carrier {
        CarrierKind::Twilio => &[
            ("/webhooks/inbound", "inbound"),
            ("/webhooks/status-callback", "status"),
            ("/webhooks/stream-status", "stream_status"),
        ],
        CarrierKind::Plivo => &[
            ("/plivo/answer", "plivo_answer"),
            ("/plivo/hangup", "plivo_hangup"),
            ("/plivo/ring", "plivo_ring"),
            ("/plivo/machine", "plivo_machine"),
            ("/plivo/transfer", "plivo_transfer"),
            ("/plivo/stream-status", "plivo_stream_status"),
        ],
        CarrierKind::Exotel => &[
            ("/api/v1/exotel/voice/connect", "exotel_connect"),
            ("/webhooks/exotel/status", "exotel_status"),
            ("/webhooks/exotel/passthru", "exotel_passthru"),
            ("/webhooks/exotel/transfer", "exotel_transfer"),
        ],
        CarrierKind::Mcube => &[("/mcube/call", "mcube")],
        CarrierKind::Browser => &[],
    }
}

#[tokio::test]
async fn a_webhook_of_a_wrong_content_type_is_refused_in_words_and_counted() {
    let exchange = Exchange::open(Setup::with(agent(GREETING))).await;
    let world = &exchange.world;
    let wrong = [Some("text/plain"), Some("application/xml"), Some("form"), None];

    for line in exchange.lines() {
        let hooks = Hooks::of(line, world);
        for (path, name) in webhooks(line) {
            for kind in wrong {
                let response = hooks.post(path, kind, "CallSid=c1&CallUUID=c1&callId=c1").await;
                let status = response.status().as_u16();
                let words = response.text().await.unwrap();
                assert_eq!(status, 415, "{path} as {kind:?}: {words}");
                let says_what_it_takes = words.contains("application/") && words.contains("form");
                assert!(says_what_it_takes, "{path} as {kind:?}: {words}");
            }
            let metrics = world.gateway.metrics.render();
            let counted =
                format!(r#"webhooks_total{{path="{name}",outcome="content_type"}} {}"#, wrong.len());
            assert!(metrics.contains(&counted), "{counted}: {metrics}");
        }
    }
    assert_eq!(world.gateway.switchboard.seats().0, 0);
}

#[tokio::test]
async fn business_facts_of_mcube_reach_the_agent_and_the_record_wherever_they_travel() {
    let exchange = Exchange::open(Setup::with(agent(GREETING))).await;
    let world = &exchange.world;
    let found = exchange.networks.iter().find_map(|(_, network)| match network {
        Network::Mcube(mcube) => Some(mcube),
        _ => None,
    });
    let mcube = found.expect("a line of Mcube's");
    let facts = [("businessId", "B7"), ("agentId", "17"), ("customerName", "Asha Rao")];

    for at in [FactsAt::TopLevel, FactsAt::Start, FactsAt::CustomParameters, FactsAt::ExtraHeaders] {
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let stream = StreamHabits { facts_at: at, ..StreamHabits::default() };
        let placed = of_mcube(&world.url(""), Dialled { facts, ..Dialled::default() });
        let number = world.platform.sessions().len();
        let call: LiveCall = mcube.place_call(mcube::PlacedCall { stream: Some(stream), ..placed });
        let session = world.platform.session_when(number, |session| session.initiation.is_some());
        let session = soon("the agent is told", session).await;
        call.hang_up().await;
        let (report, record) = world.over(call).await;

        let told = &session.initiation.as_ref().unwrap()["dynamic_variables"];
        let expected = [("business_id", "B7"), ("agent_id", "17"), ("customer_name", "Asha Rao")];
        for (name, value) in expected {
            assert_eq!(told[name], value, "{at:?}: {told}");
            assert_eq!(record.carrier_facts.get(name).map(String::as_str), Some(value), "{at:?}: {record:?}");
        }
        assert_eq!(told["caller_number"], "9123456780", "{at:?}");
        assert_eq!(record.from.as_deref(), Some("9123456780"), "{at:?}");
        let start: Value = serde_json::from_str(record.carrier_start.as_deref().unwrap()).unwrap();
        assert_eq!(start["start"]["callId"], report.call_sid, "{at:?}");
        assert!(start.to_string().contains("B7"), "{at:?}: {start}");
    }
    world.nothing_is_held().await;
}
