// What is queued for the loudspeaker, and how much of it has come out.

import { LineLevel } from './loudness.js';
import { WIRE_RATE } from './pieces.js';
import { Resampler } from './resampler.js';

/** The gateway sends a quarter of a second ahead; more than this is a mistake, and the newest is dropped. */
const QUEUE_SECONDS_MAX = 20;

/** While it plays, the position is told this often. */
const REPORT_EVERY_SECONDS = 0.1;

/** What is thrown away fades within this time instead of breaking off with a click. */
const FADE_SECONDS = 0.004;

/** Sound that comes so shortly after the queue ran dry was late. */
const GAP_SECONDS_MAX = 0.2;

/** How many rendered blocks are remembered: nearly three seconds at 48 kHz, more than any loudspeaker lags behind. */
const BLOCKS = 1024;

/**
 * The queue of one generation. `render` is called by the loudspeaker, once for each block of sound; what it has taken
 * is out of the loudspeaker only after the device's latency, and only that is reported as played.
 */
export class Playback {
  #rate;
  #resampler;
  #ring;
  #from = 0;
  #queued = 0;
  #fade = new Float32Array(0);
  #rendered = 0;
  #renderedBefore = 0;
  #history = new Float64Array(BLOCKS);
  #blocks = 0;
  #blockSamples = 128;
  #reported = 0;
  #sinceReport = 0;
  #dryFor = Infinity;
  #level = new LineLevel();
  generation = 0;
  gaps = 0;
  dropped = 0;

  constructor(rate) {
    this.#rate = rate;
    this.#resampler = this.#freshResampler();
    this.#ring = new Float32Array(Math.ceil(rate * QUEUE_SECONDS_MAX));
  }

  /** Sound of the current generation, as it came over the wire. */
  push(pcm) {
    const wire = Float32Array.from(pcm, (sample) => sample / 32_768);
    const samples = this.#resampler ? this.#resampler.push(wire) : wire;
    if (this.#queued === 0 && this.#dryFor < this.#rate * GAP_SECONDS_MAX) this.gaps += 1;
    const free = this.#ring.length - this.#queued;
    const taken = Math.min(samples.length, free);
    for (let i = 0, at = (this.#from + this.#queued) % this.#ring.length; i < taken; i += 1) {
      this.#ring[at] = samples[i];
      at = at + 1 === this.#ring.length ? 0 : at + 1;
    }
    this.#queued += taken;
    this.dropped += samples.length - taken;
  }

  /** Throws away what is queued. What comes from now on belongs to `generation` and is counted from zero. */
  clear(generation) {
    const tail = Math.min(this.#queued, Math.round(this.#rate * FADE_SECONDS));
    this.#fade = new Float32Array(tail);
    for (let i = 0; i < tail; i += 1) {
      this.#fade[i] = this.#ring[(this.#from + i) % this.#ring.length] * (1 - (i + 1) / (tail + 1));
    }
    this.generation = generation;
    this.#resampler = this.#freshResampler();
    this.#from = 0;
    this.#queued = 0;
    this.#renderedBefore += this.#rendered;
    this.#rendered = 0;
    this.#history.fill(0);
    this.#blocks = 0;
    this.#sinceReport = 0;
    this.#dryFor = Infinity;
    // Even 0 ms is news now: it says that the old sound is no longer heard.
    this.#reported = -1;
  }

  /** Fills `out` with what is due. */
  render(out) {
    const taken = Math.min(out.length, this.#queued);
    for (let i = 0; i < taken; i += 1) {
      out[i] = this.#ring[this.#from];
      this.#from = this.#from + 1 === this.#ring.length ? 0 : this.#from + 1;
    }
    out.fill(0, taken);
    this.#queued -= taken;
    this.#rendered += taken;
    this.#dryFor = taken === out.length ? 0 : this.#dryFor + out.length - taken;

    const fading = Math.min(out.length, this.#fade.length);
    for (let i = 0; i < fading; i += 1) out[i] += this.#fade[i];
    this.#fade = this.#fade.subarray(fading);

    for (const sample of out) this.#level.push(sample);
    this.#history[this.#blocks % BLOCKS] = this.#rendered;
    this.#blocks += 1;
    this.#blockSamples = out.length;
    this.#sinceReport += out.length;
  }

  /**
   * How many milliseconds of this generation have been played, when that is worth telling: now and then while it
   * plays, at once when it has come to its end, and once after each `clear` when the old sound has died away.
   */
  report(latencySeconds) {
    const behind = Math.min(BLOCKS - 1, Math.ceil((latencySeconds * this.#rate) / this.#blockSamples));
    const sounding = this.#blocks - 1 - behind;
    if (this.#reported < 0 && sounding < 0) return null;
    const played = sounding < 0 ? 0 : this.#history[sounding % BLOCKS];
    const isNews = played !== this.#reported;
    const isDue = this.#sinceReport >= this.#rate * REPORT_EVERY_SECONDS;
    const isEnd = this.#queued === 0 && played === this.#rendered;
    if (!isNews || !(isDue || isEnd || this.#reported < 0)) return null;
    this.#reported = played;
    this.#sinceReport = 0;
    return { generation: this.generation, ms: Math.floor((played * 1000) / this.#rate) };
  }

  get queuedMs() {
    return (this.#queued * 1000) / this.#rate;
  }

  /** Everything that was ever handed to the loudspeaker. */
  get renderedMs() {
    return ((this.#renderedBefore + this.#rendered) * 1000) / this.#rate;
  }

  takeLevel() {
    return this.#level.take();
  }

  #freshResampler() {
    return this.#rate === WIRE_RATE ? null : new Resampler(WIRE_RATE, this.#rate);
  }
}
