// How loud a stretch of sound is.

/** Nothing is quieter than this: one step of a 16-bit sample. */
export const SILENCE_DBFS = -96;

/** Gathers samples between −1 and 1; `take` gives their level in dB below full scale and starts over. */
export class LineLevel {
  #energy = 0;
  #count = 0;

  push(sample) {
    this.#energy += sample * sample;
    this.#count += 1;
  }

  take() {
    const mean = this.#count === 0 ? 0 : this.#energy / this.#count;
    this.#energy = 0;
    this.#count = 0;
    return mean === 0 ? SILENCE_DBFS : Math.max(SILENCE_DBFS, 10 * Math.log10(mean));
  }
}
