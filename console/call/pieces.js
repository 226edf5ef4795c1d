// The microphone's sound as the wire wants it: whole samples at 16 kHz, 20 ms at a time.

import { LineLevel } from './loudness.js';
import { Resampler } from './resampler.js';

export const WIRE_RATE = 16_000;
export const PIECE_SAMPLES = 320;

export class Pieces {
  #resampler;
  #piece = new Int16Array(PIECE_SAMPLES);
  #filled = 0;
  #level = new LineLevel();
  #take;
  muted = false;

  /** `take(piece, dbfs)` gets every full piece; the piece is its to keep. */
  constructor(rate, take) {
    this.#resampler = rate === WIRE_RATE ? null : new Resampler(rate, WIRE_RATE);
    this.#take = take;
  }

  push(samples) {
    const wire = this.#resampler ? this.#resampler.push(samples) : samples;
    for (const sample of wire) {
      const heard = this.muted ? 0 : Math.max(-1, Math.min(1, sample));
      this.#level.push(heard);
      this.#piece[this.#filled] = Math.round(heard * 32_767);
      this.#filled += 1;
      if (this.#filled === PIECE_SAMPLES) {
        this.#take(this.#piece, this.#level.take());
        this.#piece = new Int16Array(PIECE_SAMPLES);
        this.#filled = 0;
      }
    }
  }
}
