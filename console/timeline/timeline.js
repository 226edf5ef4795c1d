// What happened, line by line.

import { el, show, stickingToTheEnd } from '../element.js';
import { count, moment } from '../figures.js';
import { inWords } from './facts.js';

export class Timeline {
  #list = el('ol', { class: 'facts' });
  #empty = el('p', { class: 'empty' }, 'Nothing has happened yet.');
  #forgotten = el('p', { class: 'empty', hidden: true });
  #box = el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Timeline' }, this.#empty, this.#forgotten, this.#list);
  #shown = new Map();
  #forgot = 0;

  constructor() {
    const choice = (name, checked) => el('label', {},
      el('input', { type: 'radio', name: 'timeline-filter', value: name, checked, onchange: () => this.#filter(name) }),
      el('span', {}, name === 'main' ? 'Main' : 'All'));
    this.element = el('div', { class: 'timeline' },
      el('div', { class: 'part-head' },
        el('h3', {}, 'Timeline'),
        el('div', { class: 'segments', role: 'radiogroup', 'aria-label': 'Facts to show' }, choice('main', true), choice('all', false))),
      this.#box);
    this.#filter('main');
  }

  reset() {
    this.#shown.clear();
    this.#forgot = 0;
    this.#list.replaceChildren();
  }

  paint(record) {
    show(this.#empty, record.entries.length === 0);
    show(this.#forgotten, record.forgotten > 0);
    if (record.forgotten > 0) this.#forgotten.textContent = `${count(record.forgotten, 'fact is', 'facts are')} not kept.`;
    stickingToTheEnd(this.#box, () => {
      if (record.forgotten !== this.#forgot) this.#forget(record);
      let before = null;
      let digit = null;
      for (const entry of record.entries) {
        let item = this.#shown.get(entry);
        if (!item) {
          item = factItem(entry, digit);
          this.#shown.set(entry, item);
        }
        // A line is moved only when the ledger has it elsewhere.
        const place = before ? before.nextElementSibling : this.#list.firstElementChild;
        if (place !== item) {
          if (before) before.after(item);
          else this.#list.prepend(item);
        }
        before = item;
        if (entry.fact === 'digit') digit = entry;
        if (entry.fact === 'barge_in') digit = null;
      }
    });
  }

  #forget(record) {
    this.#forgot = record.forgotten;
    const kept = new Set(record.entries);
    for (const [entry, item] of this.#shown) {
      if (kept.has(entry)) continue;
      item.remove();
      this.#shown.delete(entry);
    }
  }

  #filter(name) {
    this.#list.dataset.filter = name;
    this.#box.scrollTop = this.#box.scrollHeight;
  }
}

function factItem(entry, digit) {
  const { words, who, main, bad } = inWords(entry, digit);
  return el('li', { 'data-fact': entry.fact, 'data-who': who ?? 'call', 'data-main': main, class: bad ? 'bad' : null },
    el('time', {}, moment(entry.at)), el('span', { dir: 'auto' }, words));
}
