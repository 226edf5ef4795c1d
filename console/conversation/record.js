// What the page knows of one call.

import { median } from '../figures.js';

/** More facts than this are not kept by the page; the call's record has them all. */
const ENTRIES_MAX = 5_000;

/** A fact is stamped with the tick it belongs to, which may be this much before a view that does not know it yet. */
const FACT_BEHIND_VIEW_MS = 1_000;

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
  #known = new Map();
  /** Where the ledger has an entry among those of the same moment; what is only told live comes behind. */
  #ranks = new WeakMap();
  #toldLive = 0;
  /** The page's clock when the gateway was lost in the middle of the call. */
  #lostAt = null;
  #knownTurns = new Set();

  constructor(id) {
    super();
    this.id = id;
  }

  get isLive() {
    return this.view !== null && !this.view.end && !this.isLost;
  }

  /** Nothing is known of how the call went on. */
  get isLost() {
    return this.#lostAt !== null;
  }

  /** The newest phase that is known, be it from a view or from the ledger. */
  get phase() {
    if (!this.view) return null;
    if (this.view.end) return 'over';
    const moved = this.entries.findLast(({ fact }) => fact === 'phase_changed');
    return moved && moved.at / 1000 >= this.view.duration_ms - FACT_BEHIND_VIEW_MS ? moved.to : this.view.phase;
  }

  /** Facts that happened and are not among the entries. */
  get forgotten() {
    return this.#forgotten + this.#dropped;
  }

  /** How long it has lasted, or lasted. */
  get durationMs() {
    return durationOf(this.view, this.seenAt, this.#lostAt);
  }

  /** The answer to a question for the whole call. */
  whole({ entries = [], turns = [], receipt = null, entries_dropped: dropped = 0, ...view }) {
    this.called(view, false);
    this.receipt = receipt ?? this.receipt;
    this.#dropped = dropped;
    entries.forEach((entry, rank) => this.#ranks.set(this.#keep(entry), rank));
    // What came live before its predecessors of the same moment finds its place.
    this.entries.sort((a, b) => a.at - b.at || this.#rank(a) - this.#rank(b));
    for (const turn of turns) this.#keepTurn(turn);
    this.#changed();
  }

  /** News of the call as such. */
  called(view, tell = true) {
    this.#lostAt = null;
    if (!isOlder(view, this.view)) {
      this.view = view;
      this.seenAt = performance.now();
    }
    if (tell) this.#changed();
  }

  /** The gateway is out of reach, or does not know this call any more. */
  lose() {
    if (!this.isLive) return;
    this.#lostAt = performance.now();
    this.levels = null;
    this.#changed();
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
    const known = this.#known.get(key);
    if (known) return known;
    this.#known.set(key, entry);
    this.#ranks.set(entry, ENTRIES_MAX * 1_000 + this.#toldLive);
    this.#toldLive += 1;
    insert(this.entries, entry, (known) => known.at);
    if (this.entries.length > ENTRIES_MAX) {
      this.entries.shift();
      this.#forgotten += 1;
    }
    if (entry.fact === 'turn') this.#keepTurn(entry.turn);
    return entry;
  }

  #rank(entry) {
    return this.#ranks.get(entry);
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
    const { caller, agent } = this.#begun;
    return { caller: caller !== null, agent: agent !== null };
  }

  /** Somebody has said something, even if it is not told yet what. */
  get isHeard() {
    return this.turns.length > 0 || this.entries.some(({ fact, speaking }) => fact === 'answer_started' || (fact === 'caller_speaks' && speaking));
  }

  /** The turns that are not complete yet: whose they are and since when, on the call's clock in microseconds. */
  get runningTurns() {
    const { speaking } = this;
    const begun = this.#begun;
    return ['caller', 'agent'].filter((side) => speaking[side] && begun[side] !== null).map((side) => ({ side, from: begun[side] }));
  }

  /** When each side began what it has not ended, after the ledger. */
  get #begun() {
    const begins = this.entries.findLast(({ fact }) => fact === 'caller_speaks');
    const answer = this.entries.findLast(({ fact, turn }) => fact === 'answer_started' || fact === 'barge_in' || (fact === 'turn' && turn.side === 'agent'));
    return {
      caller: begins?.speaking ? begins.at : null,
      agent: answer?.fact === 'answer_started' ? answer.at : null,
    };
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

/** How long the call of a view told at `seenAt` has lasted by now, or until it was lost from sight. */
export function durationOf(view, seenAt, lostAt = null) {
  if (!view) return 0;
  return view.end ? view.duration_ms : view.duration_ms + (lostAt ?? performance.now()) - seenAt;
}

/**
 * A view may be overtaken on its way by news of the same call. An end is final: an answer that was on its way when the
 * call ended must not bring it back to life.
 */
export function isOlder(view, known) {
  if (!known || view.end) return false;
  return Boolean(known.end) || view.duration_ms < known.duration_ms;
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
