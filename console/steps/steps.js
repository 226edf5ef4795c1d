// What to do next: from talking in the browser to a telephone number that is answered here.

import { el } from '../element.js';

export class Steps {
  #element;
  #shown = '';

  constructor(element) {
    this.#element = element;
  }

  paint({ carriers = [], public_url: publicUrl = null, listen = null }) {
    const key = JSON.stringify([carriers, publicUrl, listen]);
    if (key === this.#shown) return;
    this.#shown = key;
    this.#element.replaceChildren(
      el('p', {}, 'Talk to the agent here first. Then let a telephone number end here:'),
      el('ul', { class: 'step-list' }, carriers.map(({ name, ready, words }) => el('li', {},
        el('p', { class: 'step-head' }, el('b', {}, name), ' ', el('span', { class: 'chip', 'data-state': ready ? 'good' : 'missing' }, ready ? 'ready' : 'not yet')),
        el('p', {}, words)))),
      el('dl', { class: 'addresses' },
        el('dt', {}, 'Public address'), el('dd', {}, publicUrl ?? 'none yet: carriers on the internet cannot reach this gateway'),
        el('dt', {}, 'Listening on'), el('dd', {}, listen ?? 'unknown')));
  }
}
