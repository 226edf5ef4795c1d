// What can be done to a call while it lasts: hang up, hand over, have something said.

import { el, say, show } from '../element.js';

/** The agent that comes with the gateway. */
const BUILT_IN = 'demo';

export class Orders {
  #gateway;
  #record = null;
  #to = el('input', { type: 'text', inputmode: 'tel', autocomplete: 'off', placeholder: '+49 30 1234567', 'aria-label': 'Number to transfer to', maxlength: '200' });
  #text = el('input', { type: 'text', autocomplete: 'off', placeholder: 'Something to say', 'aria-label': 'Text for the agent to say', 'aria-describedby': 'cannot-say', maxlength: '1000' });
  #say = el('button', { type: 'submit' }, 'Say');
  #cannot = el('p', { class: 'hint', id: 'cannot-say', hidden: true }, 'The built-in agent has its own words only: it cannot be told what to say.');
  #answer = el('p', { class: 'orders-answer', role: 'status' });

  constructor(gateway) {
    this.#gateway = gateway;
    this.element = el('div', { class: 'orders', hidden: true },
      el('h3', {}, 'Control this call'),
      el('div', { class: 'orders-row' },
        form(el('button', { type: 'submit' }, 'Transfer'), this.#to, () => this.#order('transfer', { to: this.#to.value.trim() }, 'Asked to hand over.')),
        form(this.#say, this.#text, () => this.#order('say', { text: this.#text.value.trim() }, 'Asked to say it.')),
        el('button', { type: 'button', class: 'stop', onclick: () => this.#order('hangup', {}, 'Asked to hang up.') }, 'End this call')),
      this.#cannot, this.#answer);
  }

  reset() {
    this.#to.value = '';
    this.#text.value = '';
    say(this.#answer, '');
  }

  paint(record) {
    this.#record = record;
    show(this.element, record.isLive);
    const isBuiltIn = record.view?.agent === BUILT_IN;
    this.#say.disabled = isBuiltIn;
    this.#text.disabled = isBuiltIn;
    show(this.#cannot, isBuiltIn);
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

function form(button, field, submit) {
  const element = el('form', {}, field, button);
  element.addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  return element;
}
