// From one sample rate to another, a stream at a time.

const PHASES = 256;

/** Zero crossings of the kernel on each side: enough that images and aliases are below −60 dB. */
const CROSSINGS = 20;

/** Kaiser's β for about 80 dB. */
const BETA = 8;

/** Where the pass band ends, as a share of the lower rate's band. */
const PASS = 0.9;

/** Windowed-sinc interpolation for any two rates. Groups of samples in, groups of samples out, no seam between them. */
export class Resampler {
  // The place of the next sample out, among the samples in: a whole number and `#part` of `#parts`, so that no rounding
  // adds up over a long call.
  #at;
  #part = 0;
  #parts;
  #stride;
  #half;
  #taps;
  #table;
  #buffer;
  #filled;
  #out = new Float32Array(1024);

  constructor(from, to) {
    const narrow = Math.min(1, to / from);
    const common = divisor(from, to);
    this.#parts = to / common;
    this.#stride = from / common;
    this.#half = Math.ceil(CROSSINGS / narrow);
    this.#taps = 2 * this.#half;
    this.#table = kernel(this.#half, narrow * PASS);
    this.#buffer = new Float32Array(this.#taps + 4096);
    // The stream begins after enough silence that every sample in gives its sound out at once: the delay is half a
    // kernel, and what is counted behind this is whole at any time.
    this.#filled = this.#taps;
    this.#at = this.#half;
  }

  /** The samples that can be told by now. The array is only lent: it is written anew by the next call. */
  push(input) {
    this.#append(input);
    const most = Math.ceil(((this.#filled - this.#at) * this.#parts) / this.#stride) + 1;
    if (this.#out.length < most) this.#out = new Float32Array(most * 2);
    let written = 0;
    while (this.#at + this.#half < this.#filled) {
      this.#out[written] = this.#sample();
      written += 1;
      this.#part += this.#stride;
      this.#at += Math.floor(this.#part / this.#parts);
      this.#part %= this.#parts;
    }
    this.#forget();
    return this.#out.subarray(0, written);
  }

  #append(input) {
    if (this.#filled + input.length > this.#buffer.length) {
      const larger = new Float32Array((this.#filled + input.length) * 2);
      larger.set(this.#buffer.subarray(0, this.#filled));
      this.#buffer = larger;
    }
    this.#buffer.set(input, this.#filled);
    this.#filled += input.length;
  }

  #sample() {
    const place = (this.#part / this.#parts) * PHASES;
    const phase = Math.floor(place);
    const share = place - phase;
    const first = this.#at - this.#half + 1;
    let row = phase * this.#taps;
    let sum = 0;
    for (let tap = 0; tap < this.#taps; tap += 1, row += 1) {
      const here = this.#table[row];
      sum += this.#buffer[first + tap] * (here + share * (this.#table[row + this.#taps] - here));
    }
    return sum;
  }

  #forget() {
    const done = Math.min(this.#at - this.#half, this.#filled);
    if (done <= 0) return;
    this.#buffer.copyWithin(0, done, this.#filled);
    this.#filled -= done;
    this.#at -= done;
  }
}

function divisor(a, b) {
  return b === 0 ? a : divisor(b, a % b);
}

/** A row of taps for every phase, and one more row so that the last phase has a neighbour. */
function kernel(half, cutoff) {
  const taps = 2 * half;
  const table = new Float32Array((PHASES + 1) * taps);
  for (let phase = 0; phase <= PHASES; phase += 1) {
    const row = table.subarray(phase * taps, (phase + 1) * taps);
    let sum = 0;
    for (let tap = 0; tap < taps; tap += 1) {
      const distance = tap - half + 1 - phase / PHASES;
      row[tap] = cutoff * sinc(cutoff * distance) * kaiser(distance / half);
      sum += row[tap];
    }
    // Every phase passes a constant unchanged, so that none of them hums.
    for (let tap = 0; tap < taps; tap += 1) row[tap] /= sum;
  }
  return table;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x) {
  return Math.abs(x) >= 1 ? 0 : bessel(BETA * Math.sqrt(1 - x * x)) / bessel(BETA);
}

/** The modified Bessel function of the first kind and order zero, by its series. */
function bessel(x) {
  let term = 1;
  let sum = 1;
  for (let k = 1; k < 50 && term > sum * 1e-12; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
