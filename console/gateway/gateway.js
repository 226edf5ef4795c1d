// How the page asks the gateway for things.

import { sentence } from '../figures.js';

/** The gateway answered, and the answer was no. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `The gateway answered with status ${status}.`);
    this.status = status;
    this.code = error?.code ?? null;
    this.mend = error?.mend ?? null;
  }

  /** What is wrong and what to do about it. */
  get words() {
    return [this.message, this.mend ?? ''].map(sentence).join(' ').trim();
  }
}

/** Nobody answered. */
export class Unreachable extends Error {
  get words() {
    return 'The gateway cannot be reached. Is it still running?';
  }
}

export class Gateway {
  #base;
  #token;

  /** `base` is where the page came from; `token` knows the secret, or asks for it. */
  constructor(base, token) {
    this.#base = base;
    this.#token = token;
  }

  get token() {
    return this.#token.current;
  }

  /** The address of the telephone's socket. */
  get browserSocket() {
    const url = new URL('browser', this.#base);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return url.href;
  }

  async get(path) {
    return (await this.#fetch(path, {})).json();
  }

  async post(path, body) {
    await this.#fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  /** An answer that goes on for as long as the caller likes. */
  async stream(path, signal) {
    return this.#fetch(path, { signal, headers: { accept: 'text/event-stream' } });
  }

  async #fetch(path, init) {
    for (;;) {
      const token = this.#token.current;
      const headers = { ...init.headers, ...(token && { authorization: `Bearer ${token}` }) };
      let response;
      try {
        response = await fetch(new URL(path, this.#base), { ...init, headers, cache: 'no-store' });
      } catch (error) {
        if (error.name === 'AbortError') throw error;
        throw new Unreachable('no answer', { cause: error });
      }
      if (response.ok) return response;
      if (response.status === 401 && (await this.#token.ask(token))) continue;
      throw new Refused(response.status, await errorOf(response));
    }
  }
}

async function errorOf(response) {
  try {
    return (await response.json()).error;
  } catch {
    return null;
  }
}
