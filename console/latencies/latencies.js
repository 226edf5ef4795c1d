// How quick everything was, as measured.

import { el, say, show } from '../element.js';
import { count, millis, seconds } from '../figures.js';

/** The newest of each kind are listed one by one. */
const LISTED_MAX = 12;

export class Latencies {
  #buffer;
  #figures = {
    ready: figure('agent-ready', 'Agent ready', 'from dialling it'),
    first: figure('first-sound', 'First sound', 'from the start of the call'),
    answer: figure('answer', 'Answer', 'from the caller’s last word to the agent’s first'),
    silence: figure('silence', 'Interruption', 'until the caller hears silence'),
    buffer: figure('buffer', 'Sound buffered here', 'queued in this page, and in the device'),
  };
  #each = el('p', { class: 'latencies-each', id: 'latency-answers' });

  constructor(buffer) {
    this.#buffer = buffer;
    this.element = el('div', { class: 'latencies' },
      el('h3', { class: 'only-spoken' }, 'Latencies'),
      el('dl', { class: 'figures' }, Object.values(this.#figures).map(({ element }) => element)),
      this.#each);
  }

  paint(record, own) {
    const { agentReady, firstSound, answers, answer, silences, silence } = record.latencies;
    const { ready, first, answer: answering, silence: silent } = this.#figures;
    ready.tell(agentReady);
    first.tell(firstSound);
    answering.tell(answer, answers.length > 1 ? `median of ${answers.length}` : null);
    silent.tell(silence, silences.length > 1 ? `median of ${silences.length}` : null);
    this.paintBuffer(own);
    const listed = answers.slice(-LISTED_MAX);
    const left = answers.length - listed.length;
    say(this.#each, listed.length === 0 ? '' : `Each answer: ${left > 0 ? `… ${left} before, ` : ''}${listed.map(millis).join(', ')}`);
    show(this.#each, listed.length > 0);
  }

  /** What moves many times a second: the loudspeaker of this page's own call. */
  paintBuffer(own) {
    const { buffer } = this.#figures;
    const state = own ? this.#buffer() : null;
    show(buffer.element, state !== null);
    if (!state) return;
    const { queuedMs, latencyMs, renderedMs, gaps } = state;
    buffer.tell(queuedMs + latencyMs, `${millis(queuedMs)} queued, ${millis(latencyMs)} device · ${seconds(renderedMs)} played${gaps ? `, ${count(gaps, 'gap', 'gaps')}` : ''}`);
    buffer.element.dataset.playedMs = Math.round(renderedMs);
  }
}

function figure(id, name, hint) {
  const value = el('b', { id: `latency-${id}` }, '–');
  const note = el('small', {}, hint);
  const element = el('div', {}, el('dt', {}, name), el('dd', {}, value, note));
  return {
    element,
    tell(ms, words = null) {
      say(value, ms === null || ms === undefined ? '–' : millis(ms));
      say(note, words ?? hint);
    },
  };
}
