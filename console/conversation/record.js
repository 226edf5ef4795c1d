// What the page knows of one call.

import { median } from '../figures.js';

/** More facts than this are not kept by the page; the call's record has them all. */
const ENTRIES_MAX = 5_000;

/** Gathers a call from what was asked for and from what is told live, in whichever order the two arrive. */
export class CallRecord extends EventTarget {
  id;
  view = null;
  /** The page's clock when `view` was told. */
  seenAt = 0;
  entries = [];
  turns = [];
  receipt = null;
  levels = null;
  #forgotten = 0;
  /** What the gateway itself has not kept. */
  #dropped = 0;
  #known = new Set();
  #knownTurns = new Set();

  constructor(id) {
    super();
    this.id = id;
  }

  get isLive() {
    return this.view !== null && !this.view.end;
  }

  /** Facts that happened and are not among the entries. */
  get forgotten() {
    return this.#forgotten + this.#dropped;
  }

  /** How long it has lasted, or lasted. */
  get durationMs() {
    return durationOf(this.view, this.seenAt);
  }

  /** The answer to a question for the whole call. */
  whole({ entries = [], turns = [], receipt = null, entries_dropped: dropped = 0, ...view }) {
    this.called(view, false);
    this.receipt = receipt ?? this.receipt;
    this.#dropped = dropped;
    for (const entry of entries) this.#keep(entry);
    for (const turn of turns) this.#keepTurn(turn);
    this.#changed();
  }

  /** News of the call as such. */
  called(view, tell = true) {
    // An answer that was on its way when the call ended must not bring it back to life.
    if (this.view?.end && !view.end) return;
    this.view = view;
    this.seenAt = performance.now();
    if (tell) this.#changed();
  }

  fact(entry) {
    this.#keep(entry);
    this.#changed();
  }

  levelled(levels) {
    this.levels = levels;
    this.dispatchEvent(new CustomEvent('levels'));
  }

  #keep(entry) {
    const key = keyOf(entry);
    if (this.#known.has(key)) return;
    this.#known.add(key);
    insert(this.entries, entry, (known) => known.at);
    if (this.entries.length > ENTRIES_MAX) {
      this.entries.shift();
      this.#forgotten += 1;
    }
    if (entry.fact === 'turn') this.#keepTurn(entry.turn);
  }

  #keepTurn(turn) {
    const key = keyOf(turn);
    if (this.#knownTurns.has(key)) return;
    this.#knownTurns.add(key);
    insert(this.turns, turn, (known) => known.from);
  }

  /** Who is speaking right now, as far as is known. */
  get speaking() {
    if (!this.isLive) return { caller: false, agent: false };
    if (this.levels) return { caller: this.levels.caller_speaks === true, agent: this.levels.agent_speaks === true };
    const last = this.entries.findLast(({ fact }) => fact === 'caller_speaks');
    return { caller: last?.speaking === true, agent: false };
  }

  /** The measured latencies, all in milliseconds. The receipt's word counts where there is one. */
  get latencies() {
    const live = latenciesOf(this.entries);
    const told = this.receipt ?? {};
    const answers = told.answer_ms ?? live.answers;
    const silences = told.silence_ms ?? live.silences;
    return {
      agentReady: told.agent_ready_ms ?? live.agentReady,
      firstSound: told.first_sound_ms ?? live.firstSound,
      answers,
      answer: median(answers),
      silences,
      silence: median(silences),
    };
  }

  #changed() {
    this.dispatchEvent(new CustomEvent('change'));
  }
}

/** How long the call of a view told at `seenAt` has lasted by now. */
export function durationOf(view, seenAt) {
  if (!view) return 0;
  return view.end ? view.duration_ms : view.duration_ms + performance.now() - seenAt;
}

/** The same figures as in the receipt, from the facts so far. */
function latenciesOf(entries) {
  const found = { agentReady: null, firstSound: null, answers: [], silences: [] };
  let media = null;
  let callerFellSilent = false;
  for (const { at, fact, ...more } of entries) {
    if (fact === 'media_started') media ??= at;
    if (fact === 'agent_ready') found.agentReady ??= more.waited_ms;
    if (fact === 'caller_speaks') callerFellSilent = !more.speaking;
    if (fact === 'silence_confirmed') found.silences.push(more.waited_ms);
    if (fact === 'answer_started') {
      if (media !== null) found.firstSound ??= Math.round((at - media) / 1000);
      if (callerFellSilent && more.waited_ms !== null) found.answers.push(more.waited_ms);
      callerFellSilent = false;
    }
  }
  return found;
}

/** Two tellings of the same thing have the same key, whatever the order of their fields. */
function keyOf(thing) {
  return JSON.stringify(thing, (_, value) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value);
}

/** Puts a thing behind everything that is not later; mostly at the end. */
function insert(list, thing, when) {
  let at = list.length;
  while (at > 0 && when(list[at - 1]) > when(thing)) at -= 1;
  list.splice(at, 0, thing);
}
