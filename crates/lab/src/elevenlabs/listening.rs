//! The agent's ear: turns, interruptions, and what it takes for heard.

use std::time::Duration;

use audio::Frame;
use serde_json::json;
use tokio::time::Instant;

use super::script::Turn;
use super::session::Session;
use super::talking::{Deed, Waiting};
use crate::hearing::Change;
use crate::{b64, locked};

/// How often a score of the ear is sent.
const SCORE_EVERY: Duration = Duration::from_millis(100);

impl Session {
    /// A piece of the user's sound.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        let format = self.agent.input_format;
        let Some(samples) = format.decode(bytes) else {
            self.complain(format!("{} bytes of audio end inside a sample", bytes.len()));
            return;
        };
        let at = self.opened.elapsed();
        locked(&self.record).hear(at, &samples, bytes.len());
        if self.talking.script.echo {
            let event_id = self.new_id();
            let echo = if format == self.agent.output_format {
                bytes.to_vec()
            } else {
                self.agent.output_format.encode(&Frame::new(format.rate(), samples))
            };
            self.tell(
                "audio",
                json!({"audio_event": {"audio_base_64": b64::encode(&echo), "event_id": event_id}}),
            );
            return;
        }
        // The ear lives in the time of the audio, not of the clock: a backlog sent in a burst counts in full.
        let piece = format.rate().samples_in(Duration::from_millis(20)) as usize;
        for part in samples.chunks(piece.max(1)) {
            let duration = format.rate().duration_of(part.len() as u64);
            let change = self.talking.hearing.hear(part, duration);
            self.talking.since_score += duration;
            if self.talking.since_score >= SCORE_EVERY {
                self.talking.since_score = Duration::ZERO;
                let score = (self.talking.hearing.score() * 1_000.0).round() / 1_000.0;
                self.tell("vad_score", json!({"vad_score_event": {"vad_score": score}}));
            }
            match change {
                Some(Change::Started) => self.user_begins(),
                Some(Change::Stopped) => {
                    let heard = self.turn().heard.clone();
                    self.user_turn(Some(heard));
                }
                None => {}
            }
        }
    }

    fn user_begins(&mut self) {
        let now = Instant::now();
        self.talking.user_is_there(now);
        self.interrupt(now);
        for guess in self.turn().tentative.clone() {
            let event_id = self.new_id();
            self.tell(
                "tentative_user_transcript",
                json!({"tentative_user_transcription_event": {
                    "user_transcript": guess, "event_id": event_id,
                }}),
            );
        }
    }

    /// The user speaks while the agent is, by its own reckoning, still being heard.
    fn interrupt(&mut self, now: Instant) {
        // Without the event in its list the agent cannot be interrupted at all.
        let can = self.effective.client_events.iter().any(|event| event == "interruption");
        let Some(speech) = self.talking.speech.as_mut().filter(|speech| can && speech.to > now) else {
            return;
        };
        let length = (speech.to - speech.from).as_secs_f64();
        let share = now.saturating_duration_since(speech.from).as_secs_f64() / length;
        let characters = (speech.text.chars().count() as f64 * share) as usize;
        let heard: String = speech.text.chars().take(characters).collect();
        let (event_id, text, answer) = (speech.event_id, speech.text.clone(), speech.answer);
        speech.chunks.clear();
        speech.to = now;
        let late = self.talking.script.late_audio_after_interruption.then(|| b64::encode(&speech.last_chunk));
        self.talking.deeds.clear();
        if matches!(self.talking.waiting, Waiting::Until(_)) {
            self.talking.waiting = Waiting::ForNothing;
        }
        let at = self.opened.elapsed();
        self.tell("interruption", json!({"interruption_event": {"event_id": event_id}}));
        if let Some(audio) = late {
            self.tell("audio", json!({"audio_event": {"audio_base_64": audio, "event_id": event_id}}));
        }
        self.tell(
            "agent_response_correction",
            json!({"agent_response_correction_event": {
                "original_agent_response": text, "corrected_agent_response": heard, "event_id": event_id,
            }}),
        );
        let mut record = locked(&self.record);
        record.interruptions.push((at, event_id));
        if let Some(answer) = record.answers.get_mut(answer) {
            answer.interrupted = Some(heard);
        }
    }

    fn turn(&self) -> &Turn {
        let script = &self.talking.script;
        script.turns.get(self.talking.next_turn).unwrap_or(&script.otherwise)
    }

    /// The user's turn is over; a typed one has no transcript.
    pub(super) fn user_turn(&mut self, heard: Option<String>) {
        self.talking.user_is_there(Instant::now());
        let acts = self.turn().acts.clone();
        self.talking.next_turn += 1;
        if let Some(heard) = heard {
            let event_id = self.new_id();
            self.tell(
                "user_transcript",
                json!({"user_transcription_event": {"user_transcript": heard, "event_id": event_id}}),
            );
        }
        self.talking.deeds.extend(acts.into_iter().map(Deed::Act));
    }
}
