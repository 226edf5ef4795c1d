//! Close codes: which numbers may stand in a close frame, and the ones we close with ourselves.

/// The peer broke the framing rules.
pub(super) const PROTOCOL: u16 = 1002;
/// Text that is not UTF-8.
pub(super) const INVALID_PAYLOAD: u16 = 1007;
/// A message beyond our limit.
pub(super) const TOO_BIG: u16 = 1009;

/// Whether a close frame may carry this code (RFC 6455 §7.4 and the IANA registry).
///
/// 1005, 1006 and 1015 describe an ending in which no code was sent, 1004 and the rest below 3000 mean nothing yet.
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
