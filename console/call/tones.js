// The two tones of each key.

const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477, 1633];
const KEYS = '123A456B789C*0#D';

const TONE_SECONDS = 0.12;
const PAUSE_SECONDS = 0.08;

/** Loud enough to notice, quiet enough not to be taken for speech by a microphone beside the loudspeaker. */
const GAIN = 0.05;

/** More keys than this at once are a mistake. */
const KEYS_MAX = 64;

/** The frequencies of a key, or `null` for what is no key. */
export function tonesOf(key) {
  const at = KEYS.indexOf(String(key).toUpperCase());
  return key.length === 1 && at >= 0 ? [ROWS[at >> 2], COLUMNS[at & 3]] : null;
}

/** Plays the tones of these keys, one after the other. */
export function playTones(context, keys) {
  let at = context.currentTime;
  for (const key of [...keys].slice(0, KEYS_MAX)) {
    const tones = tonesOf(key);
    if (!tones) continue;
    const gain = new GainNode(context, { gain: 0 });
    gain.connect(context.destination);
    gain.gain.setTargetAtTime(GAIN, at, 0.004);
    gain.gain.setTargetAtTime(0, at + TONE_SECONDS - 0.02, 0.004);
    for (const frequency of tones) {
      const tone = new OscillatorNode(context, { frequency });
      tone.connect(gain);
      tone.start(at);
      tone.stop(at + TONE_SECONDS);
      tone.onended = () => gain.disconnect();
    }
    at += TONE_SECONDS + PAUSE_SECONDS;
  }
}
