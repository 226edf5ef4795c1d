// The calls that the pretended gateway knows, and whoever listens to what happens in them.

import { randomUUID } from 'node:crypto';

export class Ledger {
  #calls = new Map();
  #listeners = new Set();

  open(facts) {
    const call = {
      id: randomUUID(),
      carrier: 'browser', bot: 'demo', agent: 'demo', from: null, to: null,
      started_at: new Date().toISOString(), phase: 'arriving', end: null, end_words: null,
      ...facts,
      began: performance.now(), lasted: null, entries: [], turns: [], receipt: null,
    };
    this.#calls.set(call.id, call);
    this.#tell('call', view(call));
    return call;
  }

  get(id) {
    return this.#calls.get(id) ?? null;
  }

  live() {
    return [...this.#calls.values()].filter(({ end }) => !end).map(view);
  }

  recent() {
    return [...this.#calls.values()].filter(({ end }) => end).map(view);
  }

  /** Microseconds since the call began. */
  now(call) {
    return Math.round((performance.now() - call.began) * 1000);
  }

  note(call, fact, more = {}, at = this.now(call)) {
    const entry = { at, fact, ...more };
    call.entries.push(entry);
    if (fact === 'turn') call.turns.push(more.turn);
    this.#tell('fact', { call: call.id, ...entry });
  }

  phase(call, to) {
    if (call.phase === to) return;
    this.note(call, 'phase_changed', { from: call.phase, to });
    call.phase = to;
    this.#tell('call', view(call));
  }

  end(call, end, words) {
    if (call.end) return;
    this.phase(call, 'over');
    this.note(call, 'ended', { end });
    call.lasted = performance.now() - call.began;
    Object.assign(call, { end, end_words: words, receipt: receiptOf(call, end) });
    this.#tell('call', view(call));
  }

  levels(call, levels) {
    this.#tell('levels', { call: call.id, ...levels });
  }

  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(event, data) {
    for (const listener of this.#listeners) listener(event, data);
  }
}

export function view(call) {
  const { id, carrier, bot, agent, from, to, started_at, phase, end, end_words } = call;
  const duration_ms = Math.round(call.lasted ?? performance.now() - call.began);
  return { id, carrier, bot, agent, from, to, started_at, phase, duration_ms, end, end_words };
}

export function whole(call) {
  return { ...view(call), entries: call.entries, turns: call.turns, receipt: call.receipt };
}

function receiptOf(call, end) {
  const facts = (name) => call.entries.filter(({ fact }) => fact === name);
  const media = facts('media_started')[0]?.at ?? 0;
  return {
    call: call.id,
    end,
    duration_ms: Math.round(call.lasted),
    agent_ready_ms: facts('agent_ready')[0]?.waited_ms ?? null,
    first_sound_ms: facts('answer_started').length ? Math.round((facts('answer_started')[0].at - media) / 1000) : null,
    answer_ms: facts('answer_started').slice(1).map(({ waited_ms }) => waited_ms).filter((ms) => ms !== null),
    silence_ms: facts('silence_confirmed').map(({ waited_ms }) => waited_ms),
    tally: {},
  };
}
