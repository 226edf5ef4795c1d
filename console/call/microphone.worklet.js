// Runs on the audio thread: takes the microphone's sound and hands it on in pieces of the wire.

import { Pieces } from './pieces.js';

class Microphone extends AudioWorkletProcessor {
  #pieces = new Pieces(sampleRate, (piece, dbfs) => {
    this.port.postMessage({ piece: piece.buffer, dbfs }, [piece.buffer]);
  });
  #silence = new Float32Array(128);
  #running = true;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if ('muted' in data) this.#pieces.muted = data.muted;
      if (data.stop) this.#running = false;
    };
  }

  process([input], [output]) {
    // A microphone that was unplugged gives no channel at all; the line goes on with silence.
    this.#pieces.push(input[0] ?? this.#silenceOf(output[0].length));
    return this.#running;
  }

  #silenceOf(length) {
    if (this.#silence.length !== length) this.#silence = new Float32Array(length);
    return this.#silence;
  }
}

registerProcessor('microphone', Microphone);
