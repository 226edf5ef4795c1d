// The telephone: what state it is in, and what its buttons do.

import { Line } from './line.js';
import { Sound } from './sound.js';
import { endingWords, lostWords, troubleWords } from './words.js';

/** A gateway that has not answered by then will not. */
const READY_WITHIN_MS = 10_000;

/** More keys in one call than anybody presses. */
const PRESSED_MAX = 200;

/**
 * `idle` → `asking` (for the microphone) → `connecting` → `talking` → `ended`, and from there again.
 *
 * Tells `change` whenever something to be shown has changed, `levels` about seventeen times a second while talking,
 * and `ready` with the call's id.
 */
export class Phone extends EventTarget {
  #gateway;
  #sound = null;
  #line = null;
  #timer = null;
  phase = 'idle';
  /** The gateway's name for the call, as soon as it stands; it stays after the end. */
  call = null;
  trouble = null;
  ending = null;
  note = null;
  muted = false;
  pressed = '';
  #since = 0;
  #lasted = 0;
  #cause = null;

  constructor(gateway) {
    super();
    this.#gateway = gateway;
  }

  get elapsedMs() {
    return this.phase === 'talking' ? performance.now() - this.#since : this.#lasted;
  }

  get levels() {
    return this.#sound?.levels ?? null;
  }

  /** The loudspeaker's queue and latency. */
  get buffer() {
    return this.#sound?.state ?? null;
  }

  get isBusy() {
    return this.phase === 'asking' || this.phase === 'connecting' || this.phase === 'talking';
  }

  /** Calls a bot, or whichever bot answers by default. Has to come from a click. */
  async dial(bot) {
    if (this.isBusy) return;
    Object.assign(this, { call: null, trouble: null, ending: null, note: null, muted: false, pressed: '' });
    this.#lasted = 0;
    this.#cause = null;
    this.#enter('asking');
    const sound = new Sound();
    this.#sound = sound;
    try {
      await sound.start();
    } catch (error) {
      if (this.#sound === sound) this.#fail(troubleWords(error));
      return;
    }
    if (this.#sound !== sound) return;
    this.#enter('connecting');
    this.#connect(sound, bot);
  }

  #connect(sound, bot) {
    const token = this.#gateway.token;
    const line = new Line(this.#gateway.browserSocket, { ...(bot && { bot }), ...(token && { token }) });
    this.#line = line;
    this.#timer = setTimeout(() => {
      line.bye();
      this.#fail(troubleWords({ name: 'TimeoutError' }));
    }, READY_WITHIN_MS);

    const on = (source, name, take) => source.addEventListener(name, ({ detail }) => {
      if (this.#line === line) take(detail);
    });
    on(line, 'ready', ({ call, generation }) => this.#answered(call, generation));
    on(line, 'audio', (pcm) => sound.play(pcm));
    on(line, 'clear', (generation) => sound.clear(generation));
    on(line, 'digits', (digits) => sound.tones(digits));
    on(line, 'transfer', (to) => {
      this.#cause = 'transferred';
      this.note = `You have been handed over to ${to}. There is no telephone network behind this page, so nobody answers here.`;
      this.#changed();
    });
    on(line, 'over', (how) => this.#over(how));
    on(sound, 'piece', (piece) => line.hear(piece));
    on(sound, 'played', (played) => line.played(played));
    on(sound, 'levels', () => this.dispatchEvent(new CustomEvent('levels')));
    on(sound, 'paused', (paused) => {
      this.note = paused ? 'The browser has paused the sound of this page. It goes on when the page is used again.' : null;
      this.#changed();
    });
    on(sound, 'microphone-lost', () => {
      this.note = 'The microphone is gone. The agent hears silence; hang up and call again with another one.';
      this.#changed();
    });
  }

  #answered(call, generation) {
    clearTimeout(this.#timer);
    if (generation > 0) this.#sound.clear(generation);
    this.call = call;
    this.#since = performance.now();
    this.#enter('talking');
    this.dispatchEvent(new CustomEvent('ready', { detail: call }));
  }

  #over(how) {
    // A line that is closed in order needs no goodbye.
    const cause = how.cause ?? (how.code === 1000 ? 'closed' : null);
    if (cause !== null && this.phase === 'talking') {
      this.ending = endingWords(this.#cause ?? cause);
      this.#end();
    } else {
      this.#fail(cause === null || how.reason ? lostWords(how) : endingWords(cause));
    }
  }

  /** The gateway's record says why a call ended; the goodbye on the line may know less, and may come before or after. */
  explain(call, cause) {
    if (call !== this.call) return;
    this.#cause = cause;
    if (this.phase !== 'ended' || this.ending === null) return;
    this.ending = endingWords(cause);
    this.#changed();
  }

  hangUp() {
    if (!this.isBusy) return;
    this.#line?.bye();
    this.ending = this.phase === 'talking' ? endingWords('caller_hung_up') : null;
    this.#end();
  }

  mute(muted) {
    if (this.phase !== 'talking') return;
    this.muted = muted;
    this.#sound.mute(muted);
    this.#changed();
  }

  press(digit) {
    if (this.phase !== 'talking') return;
    this.#line.digit(digit);
    this.#sound.tones(digit);
    this.pressed = (this.pressed + digit).slice(-PRESSED_MAX);
    this.#changed();
  }

  #fail(words) {
    this.trouble = words;
    this.#end();
  }

  #end() {
    clearTimeout(this.#timer);
    this.#lasted = this.elapsedMs;
    const sound = this.#sound;
    this.#sound = null;
    this.#line = null;
    sound?.stop();
    this.#enter('ended');
  }

  #enter(phase) {
    this.phase = phase;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new CustomEvent('change'));
  }
}
