// Server-sent events, read from a fetch so that the request can carry a token.

/** One event is at most this long; more is not ours. */
const EVENT_CHARACTERS_MAX = 1 << 20;

/** The gateway says something at least this often, if only a comment. */
const QUIET_MAX_MS = 60_000;

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 10_000;

/** Cuts a stream of text into events. */
export class EventReader {
  #rest = '';
  #searched = 0;
  #name = '';
  #data = [];
  #size = 0;

  /** Takes the next piece of text and returns the events it completes. */
  push(text) {
    const events = [];
    this.#rest += text;
    let from = 0;
    for (;;) {
      const end = lineEnd(this.#rest, Math.max(from, this.#searched));
      if (!end) break;
      this.#line(this.#rest.slice(from, end.at), events);
      from = end.next;
    }
    this.#rest = this.#rest.slice(from);
    // A carriage return at the very end is looked at again: the line feed that belongs to it may be on its way.
    this.#searched = this.#rest.endsWith('\r') ? this.#rest.length - 1 : this.#rest.length;
    if (this.#rest.length + this.#size > EVENT_CHARACTERS_MAX) throw new Error('an event without an end');
    return events;
  }

  #line(line, events) {
    if (line === '') {
      if (this.#data.length > 0) events.push({ name: this.#name || 'message', data: this.#data.join('\n') });
      this.#name = '';
      this.#data = [];
      this.#size = 0;
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') this.#name = value;
    if (field === 'data') {
      this.#data.push(value);
      this.#size += value.length;
    }
  }
}

function lineEnd(text, from) {
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '\n') return { at, next: at + 1 };
    if (text[at] === '\r') {
      if (at + 1 === text.length) return null;
      return { at, next: text[at + 1] === '\n' ? at + 2 : at + 1 };
    }
  }
  return null;
}

/** Follows a stream of events for as long as the page lives, and comes back after every loss. */
export class Events extends EventTarget {
  #gateway;
  #path;
  #wake = null;

  constructor(gateway, path) {
    super();
    this.#gateway = gateway;
    this.#path = path;
  }

  /**
   * Never returns. Tells `open` whenever a connection stands (what happened before it has to be asked for), `lost`
   * when it does not, and `event` for each event.
   */
  async follow() {
    let backoff = BACKOFF_MIN_MS;
    for (;;) {
      const abort = new AbortController();
      let why = null;
      try {
        const response = await this.#gateway.stream(this.#path, abort.signal);
        this.dispatchEvent(new CustomEvent('open'));
        for await (const event of eventsOf(response, abort)) {
          backoff = BACKOFF_MIN_MS;
          this.dispatchEvent(new CustomEvent('event', { detail: event }));
        }
      } catch (error) {
        why = error;
      }
      abort.abort();
      this.dispatchEvent(new CustomEvent('lost', { detail: why }));
      await this.#pause(backoff * (0.75 + Math.random() / 2));
      backoff = Math.min(backoff * 2, BACKOFF_MAX_MS);
    }
  }

  /** Tries again at once instead of waiting. */
  hurry() {
    this.#wake?.();
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

async function* eventsOf(response, abort) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const events = new EventReader();
  for (;;) {
    const quiet = setTimeout(() => abort.abort(), QUIET_MAX_MS);
    try {
      const { done, value } = await reader.read();
      if (done) return;
      yield* events.push(decoder.decode(value, { stream: true }));
    } finally {
      clearTimeout(quiet);
    }
  }
}
