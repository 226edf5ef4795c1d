// Microphone and loudspeaker of one call.

import { SILENCE_DBFS } from './loudness.js';
import { WIRE_RATE } from './pieces.js';
import { playTones } from './tones.js';

/** Beyond this a browser's word on its output latency is not believed. */
const LATENCY_SECONDS_MAX = 1;

const WANTED = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: { ideal: 1 } },
};

/**
 * Tells `piece` (an ArrayBuffer of PCM16 for the wire), `played`, `levels`, `paused` and `microphone-lost`.
 *
 * `start` has to be called from a click: browsers let only people switch sound on.
 */
export class Sound extends EventTarget {
  #context = null;
  #stream = null;
  #microphone = null;
  #speaker = null;
  #closed = false;
  levels = { caller: SILENCE_DBFS, agent: SILENCE_DBFS };
  state = { queuedMs: 0, renderedMs: 0, gaps: 0, latencyMs: 0 };

  async start() {
    this.#context = newContext(WIRE_RATE);
    if (!navigator.mediaDevices?.getUserMedia) throw new DOMException('no media devices', 'InsecureError');
    this.#stream = await navigator.mediaDevices.getUserMedia(WANTED);
    if (this.#closed) return this.#release();
    try {
      await this.#connect();
    } catch (error) {
      if (error.name !== 'NotSupportedError') throw error;
      // Some browsers refuse to join a microphone with a context of another rate: then ours follows theirs, and the
      // worklets convert.
      await this.#context.close();
      this.#context = newContext();
      await this.#connect();
    }
    if (this.#closed) this.#release();
  }

  async #connect() {
    const context = this.#context;
    const source = new MediaStreamAudioSourceNode(context, { mediaStream: this.#stream });
    await Promise.all(['microphone.worklet.js', 'speaker.worklet.js'].map((file) => load(context, file)));
    const mono = { numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [1], channelCount: 1 };
    this.#microphone = new AudioWorkletNode(context, 'microphone', { ...mono, channelCountMode: 'explicit' });
    this.#speaker = new AudioWorkletNode(context, 'speaker', { ...mono, numberOfInputs: 0 });
    this.#microphone.port.onmessage = ({ data }) => this.#fromMicrophone(data);
    this.#speaker.port.onmessage = ({ data }) => this.#fromSpeaker(data);
    // The microphone's node is silent, but only what leads to the loudspeaker is sure to run.
    source.connect(this.#microphone).connect(context.destination);
    this.#speaker.connect(context.destination);
    context.onstatechange = () => this.#stateChanged();
    for (const track of this.#stream.getAudioTracks()) {
      track.onended = () => this.dispatchEvent(new CustomEvent('microphone-lost'));
    }
    if (context.state !== 'running') await context.resume();
  }

  #fromMicrophone({ piece, dbfs }) {
    this.levels.caller = dbfs;
    this.dispatchEvent(new CustomEvent('piece', { detail: piece }));
  }

  #fromSpeaker({ played, state }) {
    if (played) this.dispatchEvent(new CustomEvent('played', { detail: played }));
    if (!state) return;
    const { outputLatency = 0, baseLatency = 0 } = this.#context;
    const latency = Math.min(LATENCY_SECONDS_MAX, (outputLatency || 0) + (baseLatency || 0));
    this.#speaker.port.postMessage({ latency });
    this.levels.agent = state.dbfs;
    this.state = { ...state, latencyMs: latency * 1000 };
    this.dispatchEvent(new CustomEvent('levels'));
  }

  #stateChanged() {
    if (this.#closed) return;
    const paused = this.#context.state !== 'running';
    // A telephone call may have taken the sound away for a while.
    if (paused) this.#context.resume().catch(() => {});
    this.dispatchEvent(new CustomEvent('paused', { detail: paused }));
  }

  play(pcm) {
    this.#speaker.port.postMessage({ pcm }, [pcm]);
  }

  clear(generation) {
    this.#speaker.port.postMessage({ clear: generation });
  }

  mute(muted) {
    this.#microphone?.port.postMessage({ muted });
  }

  tones(keys) {
    if (this.#context?.state === 'running') playTones(this.#context, keys);
  }

  stop() {
    this.#closed = true;
    this.#release();
  }

  #release() {
    for (const node of [this.#microphone, this.#speaker]) node?.port.postMessage({ stop: true });
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    if (this.#context && this.#context.state !== 'closed') this.#context.close().catch(() => {});
  }
}

async function load(context, file) {
  try {
    await context.audioWorklet.addModule(new URL(file, import.meta.url));
  } catch {
    // The name that browsers give this error is the one of a microphone in use.
    throw new DOMException(`${file} could not be loaded`, 'NetworkError');
  }
}

function newContext(sampleRate) {
  try {
    return new AudioContext({ sampleRate, latencyHint: 'interactive' });
  } catch (error) {
    if (!sampleRate || error.name !== 'NotSupportedError') throw error;
    return new AudioContext({ latencyHint: 'interactive' });
  }
}
