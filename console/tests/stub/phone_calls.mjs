// Calls from telephones, for the list: one that is over and had a hard life, and one that is still going on.

const AGENT_LOST = { cause: { how: 'closed', code: 1011 }, retry: 'backoff', detail: 'the agent closed the session with code 1011 (server error)' };

/** Everything that can be in a ledger, once. */
const EVERYTHING = [
  [0, 'media_started', { stream: 'MZ18ad3ab5a668481ce02b83e7395059f0' }],
  [1_000, 'agent_dialled', { attempt: 1, resumed: false }],
  [40_000, 'agent_queue', { status: 'waiting' }],
  [250_000, 'agent_queue', { status: 'admitted' }],
  [412_000, 'agent_ready', { attempt: 1, waited_ms: 411, session: 'conv_01', formats: 'ulaw_8000 / ulaw_8000' }],
  [413_000, 'phase_changed', { from: 'arriving', to: 'greeting' }],
  [655_000, 'answer_started', { answer: 1, waited_ms: 654 }],
  [3_900_000, 'turn', { turn: { side: 'agent', from: 660_000, to: 2_400_000, text: 'Bakery Sunflower, good morning. What can I do for you?', interrupted: false, answer: 1 } }],
  [2_900_000, 'caller_speaks', { speaking: true }],
  [4_600_000, 'caller_speaks', { speaking: false }],
  [4_900_000, 'turn', { turn: { side: 'caller', from: 2_900_000, to: 4_600_000, text: 'Do you have <b>rye bread</b> today?', interrupted: false } }],
  [5_310_000, 'answer_started', { answer: 2, waited_ms: 710 }],
  [6_000_000, 'barge_in_ignored', { by: 'detector', why: 'just_interrupted' }],
  [6_400_000, 'caller_speaks', { speaking: true }],
  [6_520_000, 'barge_in', { by: 'score', answer: 2, generation: 1, heard_ms: 1_190, dropped_ms: 3_600, after_onset_ms: 150 }],
  [6_521_000, 'turn', { turn: { side: 'agent', from: 5_330_000, to: 6_520_000, text: 'Yes, we have', meant: 'Yes, we have rye bread with sunflower seeds, plain rye, and a very dark one from yesterday at half the price.', interrupted: true, answer: 2 } }],
  [6_585_000, 'silence_confirmed', { generation: 1, waited_ms: 64 }],
  [6_600_000, 'late_audio_dropped', { answer: 2, ms: 240 }],
  [7_700_000, 'caller_speaks', { speaking: false }],
  [7_900_000, 'turn', { turn: { side: 'caller', from: 6_400_000, to: 7_700_000, text: 'The dark one, please. Keep it for me.', interrupted: false } }],
  [8_100_000, 'tool_called', { id: 'call_1', name: 'reserve_item' }],
  [8_102_000, 'tool_traced', { id: 'call_1', name: 'reserve_item', stage: 'requested' }],
  [8_420_000, 'tool_answered', { id: 'call_1', name: 'reserve_item', is_error: false, took_ms: 320 }],
  [8_600_000, 'agent_fault', { fault: { code: 1011, kind: 'internal', message: 'something broke' } }],
  [8_610_000, 'agent_lost', { departure: AGENT_LOST }],
  [8_610_500, 'phase_changed', { from: 'talking', to: 'holding' }],
  [8_900_000, 'agent_dialled', { attempt: 2, resumed: true }],
  [9_000_000, 'held_audio_dropped', { chunks: 3 }],
  [9_300_000, 'agent_ready', { attempt: 2, waited_ms: 400, session: 'conv_02', formats: null }],
  [9_301_000, 'held_audio_delivered', { chunks: 35 }],
  [9_800_000, 'answer_started', { answer: 3, waited_ms: 2_100 }],
  [10_400_000, 'playout_overflowed', { ms: 400 }],
  [11_000_000, 'odd', { side: 'caller', oddity: 'out_of_order', count: 2 }],
  [11_100_000, 'unexpected', { what: 'second readiness', phase: 'talking', count: 1 }],
  [11_800_000, 'turn', { turn: { side: 'agent', from: 9_820_000, to: 11_700_000, text: 'It is reserved under your number. Shall I connect you with the shop?', interrupted: false, answer: 3 } }],
  [12_000_000, 'digit', { digit: '1' }],
  [12_300_000, 'said_on_request', { text: 'One moment, please.' }],
  [12_310_000, 'cannot_say', {}],
  [12_400_000, 'ordered', { what: 'transfer', by: 'console' }],
  [12_410_000, 'transfer_started', { to: '+49301234567' }],
  [13_000_000, 'transfer_failed', { to: '+49301234567', detail: 'the carrier answered 400: not a valid number' }],
  [13_100_000, 'watchdog', { which: 'agent_silent' }],
  [13_200_000, 'fallback', { to: 'an apology and hanging up' }],
  [14_200_000, 'goodbye_heard', { waited_ms: 980, proof: 'acknowledged' }],
  [14_210_000, 'hang_up_failed', { detail: 'the carrier answered 404' }],
];

export function addPhoneCalls(ledger) {
  const past = ledger.open({ carrier: 'twilio', bot: 'bakery', agent: 'elevenlabs', from: '+4915112345678', to: '+49301234500' });
  past.began -= 15_000;
  past.started_at = new Date(Date.now() - 15_000).toISOString();
  for (const [at, fact, more] of EVERYTHING) ledger.note(past, fact, more, at);
  past.phase = 'leaving';
  ledger.end(past, { cause: 'agent_unavailable', detail: 'the agent could not be kept' }, 'The agent could not be kept, so the call was ended.');

  const live = ledger.open({ carrier: 'twilio', bot: 'bakery', agent: 'elevenlabs', from: '+14155550123', to: '+49301234500' });
  live.phase = 'talking';
  ledger.note(live, 'media_started', { stream: 'MZ2' });
  ledger.note(live, 'agent_ready', { attempt: 1, waited_ms: 380, session: 'conv_03', formats: 'ulaw_8000 / ulaw_8000' });
  live.control = {
    hangup() {
      ledger.note(live, 'ordered', { what: 'hang_up', by: 'console' });
      ledger.end(live, { cause: 'operator_hung_up', by: 'console' }, 'Ended from the console.');
    },
    transfer(to) {
      ledger.note(live, 'transfer_started', { to });
    },
    say: null,
  };
}
