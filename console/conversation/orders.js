// What can be done to a call while it lasts: hang up, hand over, have something said.

import { el, say, show } from '../element.js';

export class Orders {
  #gateway;
  #record = null;
  #to = el('input', { type: 'text', inputmode: 'tel', autocomplete: 'off', placeholder: '+49 30 1234567', 'aria-label': 'Number to transfer to', maxlength: '200' });
  #text = el('input', { type: 'text', autocomplete: 'off', placeholder: 'Something to say', 'aria-label': 'Text for the agent to say', maxlength: '1000' });
  #answer = el('p', { class: 'orders-answer', role: 'status' });

  constructor(gateway) {
    this.#gateway = gateway;
    this.element = el('div', { class: 'orders', hidden: true },
      el('h3', {}, 'Control this call'),
      el('div', { class: 'orders-row' },
        form('Transfer', this.#to, () => this.#order('transfer', { to: this.#to.value.trim() }, 'Asked to hand over.')),
        form('Say', this.#text, () => this.#order('say', { text: this.#text.value.trim() }, 'Asked to say it.')),
        el('button', { type: 'button', class: 'stop', onclick: () => this.#order('hangup', {}, 'Asked to hang up.') }, 'End this call')),
      this.#answer);
  }

  reset() {
    this.#to.value = '';
    this.#text.value = '';
    say(this.#answer, '');
  }

  paint(record) {
    this.#record = record;
    show(this.element, record.isLive);
  }

  async #order(what, body, done) {
    const record = this.#record;
    if (Object.values(body).some((value) => value === '')) return;
    this.#tell('');
    try {
      await this.#gateway.post(`api/v1/calls/${encodeURIComponent(record.id)}/${what}`, body);
      if (this.#record === record) this.#tell(done);
      if (what === 'say') this.#text.value = '';
    } catch (error) {
      if (this.#record === record) this.#tell(error.words ?? String(error), true);
    }
  }

  #tell(words, bad = false) {
    this.#answer.classList.toggle('bad', bad);
    say(this.#answer, words);
  }
}

function form(label, field, submit) {
  const element = el('form', {}, field, el('button', { type: 'submit' }, label));
  element.addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  return element;
}
