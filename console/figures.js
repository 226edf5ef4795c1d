// Figures as people read them.

/** Milliseconds as `0:07`, `12:34` or `1:02:03`. */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A point on a call's clock, in microseconds, as seconds with three places. */
export function moment(micros) {
  return (micros / 1e6).toFixed(3);
}

/** Milliseconds as `640 ms` below ten seconds and `12.3 s` above. */
export function millis(ms) {
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

export function median(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function count(n, one, many) {
  return `${n} ${n === 1 ? one : many}`;
}

/** `some_name` as `some name`. */
export function plain(name) {
  return String(name).replaceAll('_', ' ');
}

/** Words as a sentence: with a capital letter and a full stop. */
export function sentence(words) {
  const text = String(words).trim();
  return text === '' ? '' : text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? '' : '.');
}
