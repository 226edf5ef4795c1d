//! A session that continues a conversation instead of beginning one.
//!
//! The provider cannot resume anything: a lost session is followed by a new one that knows nothing and begins with the
//! agent's greeting. So it is told what was said, its greeting is kept from the caller, and words of the caller that
//! nobody answered are put to it again.
//!
//! What counts as the greeting: every answer that begins before the session has a reason to speak (a transcript of the
//! caller, keys, a sentence to be said, the unanswered words) and within [`GREETING_WITHIN`] of hearing the caller.
//! After that time an agent that speaks up does so because the caller is silent ("are you still there?"), and
//! that must be heard, or a caller who waits for an answer would wait for ever.

use std::time::Duration;

use call::{AnswerId, Said, Side};

use super::recap::recap;

/// How soon a greeting comes at the latest, in caller audio heard by the session.
///
/// Greetings begin within a second or two of the start. Agents speak up by themselves after seven seconds unless set
/// otherwise; the silence is counted in audio, so that this needs no clock.
const GREETING_WITHIN: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(super) struct Resumption {
    recap: Option<String>,
    /// The caller's last words, while the agent has still to be asked to answer them.
    unanswered: Option<String>,
    greeting_is_off: bool,
    /// What begins now is the greeting.
    expects_greeting: bool,
    heard: Duration,
    greeting: Option<AnswerId>,
}

/// What the new session has to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// To know, without a turn.
    Context(String),
    /// To be answered.
    Words(String),
}

impl Resumption {
    /// `greeting_is_off`: the agent was asked, and allows it, to begin without its first message.
    pub(super) fn new(conversation: &[Said], greeting_is_off: bool) -> Resumption {
        let unanswered = conversation
            .last()
            .filter(|last| last.side == Side::Caller && !last.text.trim().is_empty())
            .map(|last| last.text.clone());
        Resumption {
            recap: Some(recap(conversation)),
            unanswered,
            greeting_is_off,
            expects_greeting: true,
            heard: Duration::ZERO,
            greeting: None,
        }
    }

    /// The session stands.
    pub(super) fn begin(&mut self, mut tell: impl FnMut(Tell)) {
        if let Some(recap) = self.recap.take() {
            tell(Tell::Context(recap));
        }
        if self.greeting_is_off {
            self.put_unanswered(tell);
        }
    }

    /// The session hears this much more of the caller.
    pub(super) fn hears(&mut self, duration: Duration, tell: impl FnMut(Tell)) {
        if !self.expects_greeting {
            return;
        }
        self.heard += duration;
        if self.heard >= GREETING_WITHIN {
            self.expects_greeting = false;
            self.put_unanswered(tell);
        }
    }

    /// The session has a reason to speak now. If that is the caller's own voice, older words no longer matter.
    pub(super) fn has_reason(&mut self) {
        self.expects_greeting = false;
        self.unanswered = None;
    }

    /// Whether this answer is to be kept from the caller.
    pub(super) fn mutes(&mut self, answer: AnswerId, tell: impl FnMut(Tell)) -> bool {
        if self.has_muted(answer) {
            return true;
        }
        if !self.expects_greeting {
            return false;
        }
        self.greeting = Some(answer);
        self.put_unanswered(tell);
        true
    }

    /// Whether [`Resumption::mutes`] has to be asked about this answer.
    pub(super) fn may_mute(&self, answer: AnswerId) -> bool {
        self.expects_greeting || self.has_muted(answer)
    }

    /// Whether it was the greeting that this belongs to.
    pub(super) fn has_muted(&self, answer: AnswerId) -> bool {
        self.greeting.is_some_and(|greeting| answer <= greeting)
    }

    fn put_unanswered(&mut self, mut tell: impl FnMut(Tell)) {
        if let Some(words) = self.unanswered.take() {
            self.expects_greeting = false;
            tell(Tell::Words(words));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(last: Side) -> Vec<Said> {
        vec![Said { side: Side::Agent, text: "Hello.".into() }, Said { side: last, text: "And now?".into() }]
    }

    fn told(act: impl FnOnce(&mut dyn FnMut(Tell))) -> Vec<Tell> {
        let mut told = Vec::new();
        act(&mut |tell| told.push(tell));
        told
    }

    #[test]
    fn unanswered_words_are_put_at_once_where_no_greeting_comes() {
        let mut resumption = Resumption::new(&conversation(Side::Caller), true);

        let told = told(|tell| resumption.begin(tell));

        assert!(
            matches!(&told[..], [Tell::Context(_), Tell::Words(words)] if words == "And now?"),
            "{told:?}"
        );
        assert!(!resumption.mutes(AnswerId(1), |_| {}));
    }

    #[test]
    fn unanswered_words_follow_the_muted_greeting() {
        let mut resumption = Resumption::new(&conversation(Side::Caller), false);
        assert_eq!(told(|tell| resumption.begin(tell)).len(), 1);

        let told = told(|tell| assert!(resumption.mutes(AnswerId(1), tell)));

        assert_eq!(told, [Tell::Words("And now?".into())]);
        assert!(resumption.mutes(AnswerId(1), |_| {}), "the rest of the greeting");
        assert!(!resumption.mutes(AnswerId(2), |_| {}), "the answer");
    }

    #[test]
    fn an_agent_that_speaks_up_later_is_heard() {
        let mut resumption = Resumption::new(&conversation(Side::Agent), false);
        resumption.begin(|_| {});

        for _ in 0..GREETING_WITHIN.as_millis() / 20 {
            resumption.hears(Duration::from_millis(20), |_| {});
        }

        assert!(!resumption.mutes(AnswerId(1), |_| {}));
    }

    #[test]
    fn what_the_caller_says_now_replaces_what_was_unanswered() {
        let mut resumption = Resumption::new(&conversation(Side::Caller), false);
        resumption.begin(|_| {});

        resumption.has_reason();

        assert!(!resumption.mutes(AnswerId(4), |tell| panic!("{tell:?}")));
    }
}
