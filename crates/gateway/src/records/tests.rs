use std::collections::BTreeMap;
use std::fs;

use call::{Fact, Moment, PhaseName, Side};
use serde_json::json;

use super::*;
use crate::ops::health::State;
use crate::ops::logs::LogDrops;
use crate::switchboard::Direction;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_record_comes_back_after_a_restart_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(1);
    let records = started(folder.path());
    records.record(record.clone());
    assert!(records.flush(SOON).await);

    let again = started(folder.path());

    assert_eq!(*again.find(record.id).unwrap(), record);
    let line = fs::read_to_string(folder.path().join("calls.jsonl")).unwrap();
    assert_eq!(line.lines().count(), 1);
    assert!(line.ends_with('\n'));
}

#[tokio::test]
async fn records_are_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let records = started(folder.path());
    records.record(record(1));
    assert!(records.flush(SOON).await);

    let mode = fs::metadata(folder.path().join("calls.jsonl")).unwrap().permissions().mode();

    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_record_that_is_on_its_way_can_be_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let records = started(folder.path());
    let waiting = records.find_soon(id(1), SOON);
    tokio::pin!(waiting);
    assert!(futures_util::poll!(&mut waiting).is_pending());

    records.record(record(2));
    records.record(record(1));

    assert_eq!(waiting.await.map(|record| record.id), Some(id(1)));
    assert!(records.find_soon(id(3), Duration::ZERO).await.is_none());
}

#[tokio::test]
async fn lists_are_newest_first_and_go_on_where_they_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let records = started(folder.path());
    for number in 0..10 {
        records.record(record(number));
    }
    assert!(records.flush(SOON).await);

    let ids = |list: Vec<Arc<CallRecord>>| list.iter().map(|record| record.id).collect::<Vec<_>>();
    let first = ids(records.recent(3, None));
    let next = ids(records.recent(3, first.last().copied()));

    assert_eq!(first, [id(9), id(8), id(7)]);
    assert_eq!(next, [id(6), id(5), id(4)]);
    assert!(records.recent(3, Some(id(0))).is_empty());
    assert!(records.recent(3, Some(id(99))).is_empty(), "an unknown place ends the list");
}

#[tokio::test]
async fn memory_keeps_the_last_ones_and_the_file_all() {
    let folder = tempfile::tempdir().unwrap();
    let records = started(folder.path());
    let many = shelf::RECORDS_MAX as u64 + 7;
    for number in 0..many {
        records.record(record(number));
    }
    assert!(records.flush(SOON).await);

    assert_eq!(records.recent(usize::MAX, None).len(), shelf::RECORDS_MAX);
    assert!(records.find(id(6)).is_none());
    assert!(records.find(id(7)).is_some());
    let file = fs::read_to_string(folder.path().join("calls.jsonl")).unwrap();
    assert_eq!(file.lines().count() as u64, many);
}

#[tokio::test]
async fn a_torn_line_costs_itself_and_not_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    let whole = serde_json::to_string(&record(1)).unwrap();
    let torn = serde_json::to_string(&record(2)).unwrap();
    fs::write(&path, format!("{whole}\nnot json\n\u{1}\n{}", &torn[..torn.len() / 2])).unwrap();

    let records = started(folder.path());
    records.record(record(3));
    assert!(records.flush(SOON).await);
    let again = started(folder.path());

    let ids: Vec<_> = again.recent(10, None).iter().map(|record| record.id).collect();
    assert_eq!(ids, [id(3), id(1)]);
}

#[tokio::test]
async fn a_folder_that_comes_back_gets_everything_that_waited() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("data");
    fs::write(&blocked, "in the way").unwrap();
    let metrics = Metrics::new(LogDrops::default());
    let health = Arc::new(Health::new());
    let records = Records::start(&blocked, Arc::clone(&metrics), Arc::clone(&health)).unwrap();

    records.record(record(1));
    assert!(!records.flush(SOON).await, "it cannot be on the disk");
    assert!(records.find(id(1)).is_some(), "it is in memory all the same");
    assert_eq!(health.report()[0].state, State::Failing);
    assert!(metrics.record_write_errors.get() > 0);

    fs::remove_file(&blocked).unwrap();
    records.record(record(2));
    assert!(records.flush(SOON).await);

    let file = fs::read_to_string(blocked.join("calls.jsonl")).unwrap();
    assert_eq!(file.lines().count(), 2);
    assert_eq!(health.report()[0].state, State::Ok);
    assert_eq!(metrics.records_written.get(), 2);
}

#[tokio::test]
async fn a_grown_file_is_set_aside_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Metrics::new(LogDrops::default());
    let file = RecordFile::with_limit(folder.path().join("calls.jsonl"), 1_000);
    let records = Records::start_with(file, metrics, Arc::new(Health::new())).unwrap();
    for number in 0..10 {
        records.record(record(number));
        assert!(records.flush(SOON).await);
    }

    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let lines: usize = files.iter().map(|path| fs::read_to_string(path).unwrap().lines().count()).sum();

    assert!(files.len() > 1, "{files:?}");
    assert_eq!(lines, 10);
}

#[test]
fn a_very_large_record_does_not_push_itself_out() {
    let mut shelf = Shelf::default();
    shelf.put(Arc::new(record(1)), 10);
    shelf.put(Arc::new(record(2)), shelf::BYTES_MAX + 1);

    assert_eq!(shelf.recent(10, None).len(), 1);
    assert!(shelf.find(id(2)).is_some());
}

fn started(folder: &Path) -> Records {
    Records::start(folder, Metrics::new(LogDrops::default()), Arc::new(Health::new())).unwrap()
}

fn id(number: u64) -> CallId {
    CallId::mint(1_700_000_000_000 + number, [7; 10])
}

fn record(number: u64) -> CallRecord {
    CallRecord {
        id: id(number),
        direction: Direction::Inbound,
        carrier_facts: BTreeMap::new(),
        carrier_start: None,
        carrier: "twilio".to_owned(),
        bot: "demo".to_owned(),
        from: Some("+14155550123".to_owned()),
        to: None,
        carrier_call: Some("CA1".to_owned()),
        agent_session: None,
        started_at: Timestamp::from_second(1_700_000_000).unwrap(),
        ended_at: Timestamp::from_millisecond(1_700_000_012_345).unwrap(),
        end: EndCause::AgentHungUp { reason: Some("done".to_owned()) },
        receipt: json!({ "duration_ms": 12_345 }),
        turns: vec![Turn {
            side: Side::Caller,
            from: Moment::from_millis(100),
            to: Moment::from_millis(900),
            text: "hello\nthere".to_owned(),
            meant: None,
            interrupted: false,
            answer: None,
        }],
        ledger: vec![Entry {
            at: Moment::START,
            fact: Fact::PhaseChanged { from: PhaseName::Arriving, to: PhaseName::Greeting },
        }],
    }
}
