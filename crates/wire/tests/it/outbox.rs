//! Messages that wait in one buffer.

use wire::{Kind, Outbox};

#[test]
fn messages_come_out_in_order_and_apart() {
    let mut outbox = Outbox::new();
    outbox.text_str("one");
    outbox.binary(|bytes| bytes.extend_from_slice(&[1, 2]));
    outbox.text_str("");

    let messages: Vec<(Kind, &[u8])> = outbox.messages().collect();

    assert_eq!(messages, [(Kind::Text, &b"one"[..]), (Kind::Binary, &[1, 2]), (Kind::Text, b"")]);
    assert_eq!((outbox.len(), outbox.is_empty()), (3, false));
    assert_eq!(outbox.texts(), ["one", ""]);
}

#[test]
fn cleared_outbox_starts_anew() {
    let mut outbox = Outbox::new();
    outbox.text_str("old");

    outbox.clear();
    outbox.text_str("new");

    assert_eq!(outbox.texts(), ["new"]);
}
