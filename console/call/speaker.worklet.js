// Runs on the audio thread: plays what the gateway sends, and says how far it has got.

import { Playback } from './playback.js';

/** The page is told about levels and the queue this often. */
const STATE_EVERY_SECONDS = 0.06;

class Speaker extends AudioWorkletProcessor {
  #playback = new Playback(sampleRate);
  #latency = 0;
  #sinceState = 0;
  #running = true;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data.pcm) this.#playback.push(new Int16Array(data.pcm));
      if ('clear' in data) this.#playback.clear(data.clear);
      if ('latency' in data) this.#latency = data.latency;
      if (data.stop) this.#running = false;
    };
  }

  process(_inputs, [[out]]) {
    this.#playback.render(out);
    const played = this.#playback.report(this.#latency);
    if (played) this.port.postMessage({ played });
    this.#sinceState += out.length;
    if (this.#sinceState >= sampleRate * STATE_EVERY_SECONDS) {
      this.#sinceState = 0;
      const { queuedMs, renderedMs, gaps } = this.#playback;
      this.port.postMessage({ state: { queuedMs, renderedMs, gaps, dbfs: this.#playback.takeLevel() } });
    }
    return this.#running;
  }
}

registerProcessor('speaker', Speaker);
