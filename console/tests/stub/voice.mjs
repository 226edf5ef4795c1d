// The sound of the pretended agent: a hum with syllables, loud enough to be seen on a meter.

export const RATE = 16_000;
const SYLLABLE_SECONDS = 0.22;

/** `seconds` of it, as 16-bit samples. */
export function hum(seconds, pitch = 180) {
  const samples = new Int16Array(Math.round(seconds * RATE));
  for (let i = 0; i < samples.length; i += 1) {
    const t = i / RATE;
    const syllable = Math.abs(Math.sin((Math.PI * t) / SYLLABLE_SECONDS));
    const voice = Math.sin(2 * Math.PI * pitch * t) + 0.5 * Math.sin(4 * Math.PI * pitch * t);
    samples[i] = Math.round(6_000 * syllable * voice);
  }
  return samples;
}

/** The level of a piece in dB below full scale. */
export function levelOf(samples) {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  return energy === 0 ? -96 : 10 * Math.log10(energy / samples.length / 32_768 ** 2);
}
