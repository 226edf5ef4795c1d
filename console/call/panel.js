// The telephone as one sees it.

import { el, say, show } from '../element.js';
import { clock } from '../figures.js';
import { Level } from './level.js';

const KEYS = [
  ['1', ''], ['2', 'ABC'], ['3', 'DEF'],
  ['4', 'GHI'], ['5', 'JKL'], ['6', 'MNO'],
  ['7', 'PQRS'], ['8', 'TUV'], ['9', 'WXYZ'],
  ['*', ''], ['0', '+'], ['#', ''],
];

const SPOKEN = { '*': 'star', '#': 'hash' };

const STATES = {
  idle: 'Ready',
  asking: 'Waiting for the microphone…',
  connecting: 'Connecting…',
  talking: 'In call',
  ended: 'Call ended',
};

export class Panel {
  #phone;
  #parts = Object.fromEntries(
    ['phone', 'bot', 'bot-name', 'phone-state', 'elapsed', 'phone-trouble', 'phone-note', 'call', 'hang-up', 'mute',
      'phone-hint', 'levels', 'keypad', 'pressed-line', 'pressed'].map((id) => [id, document.getElementById(id)]),
  );
  #caller = new Level(document.getElementById('level-caller'));
  #agent = new Level(document.getElementById('level-agent'));
  #keys = new Map();
  #bots = [];
  #shownPhase = null;
  #ticking = null;

  constructor(phone, { onCall }) {
    this.#phone = phone;
    const { call, 'hang-up': hangUp, mute, keypad } = this.#parts;
    call.addEventListener('click', () => {
      onCall();
      phone.dial(this.#chosenBot);
    });
    hangUp.addEventListener('click', () => phone.hangUp());
    mute.addEventListener('click', () => phone.mute(!phone.muted));
    for (const [key, letters] of KEYS) {
      const button = el('button', { type: 'button', 'aria-label': SPOKEN[key] ?? key, onclick: () => this.#press(key) },
        el('b', {}, key), el('small', {}, letters));
      this.#keys.set(key, button);
      keypad.append(button);
    }
    document.addEventListener('keydown', (event) => this.#keyDown(event));
    // Leaving the page is hanging up.
    window.addEventListener('pagehide', () => phone.hangUp());
    phone.addEventListener('change', () => this.#paint());
    phone.addEventListener('levels', () => this.#paintLevels());
    this.#paint();
  }

  /** Who can be called. */
  offer(bots, first) {
    const { bot: choice, 'bot-name': name } = this.#parts;
    if (JSON.stringify(bots) === JSON.stringify(this.#bots)) return;
    const chosen = this.#bots.some(({ name: known }) => known === choice.value) ? choice.value : first;
    this.#bots = bots;
    choice.replaceChildren(...bots.map(({ name: bot, agent }) => el('option', { value: bot }, label(bot, agent))));
    if (chosen && bots.some(({ name: bot }) => bot === chosen)) choice.value = chosen;
    show(choice, bots.length > 1);
    show(name, bots.length <= 1);
    say(name, bots.length === 1 ? label(bots[0].name, bots[0].agent) : '');
  }

  get #chosenBot() {
    return this.#bots.length > 1 ? this.#parts.bot.value : null;
  }

  #press(key) {
    this.#phone.press(key);
    const button = this.#keys.get(key);
    button.classList.add('down');
    setTimeout(() => button.classList.remove('down'), 150);
  }

  #keyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || this.#phone.phase !== 'talking') return;
    if (!this.#keys.has(event.key)) return;
    if (event.target.closest?.('input, select, textarea, dialog, [contenteditable]')) return;
    event.preventDefault();
    this.#press(event.key);
  }

  #paint() {
    const { phase, trouble, ending, note, muted, pressed } = this.#phone;
    const parts = this.#parts;
    const busy = this.#phone.isBusy;
    const talking = phase === 'talking';
    parts.phone.dataset.phase = phase;
    say(parts['phone-state'], phase === 'ended' && ending ? ending : phase === 'ended' && trouble ? 'No call' : STATES[phase]);
    say(parts['phone-trouble'], trouble ?? '');
    show(parts['phone-trouble'], Boolean(trouble));
    say(parts['phone-note'], note ?? '');
    show(parts['phone-note'], Boolean(note));

    const focused = document.activeElement;
    show(parts.call, !busy);
    show(parts['hang-up'], busy);
    // A button that vanishes under the finger hands its focus to the one that takes its place.
    if (busy && focused === parts.call) parts['hang-up'].focus();
    if (!busy && (focused === parts['hang-up'] || focused === parts.mute)) parts.call.focus();

    show(parts.mute, talking);
    parts.mute.setAttribute('aria-pressed', String(muted));
    say(parts.mute, muted ? 'Muted' : 'Mute');
    parts.bot.disabled = busy;
    show(parts['phone-hint'], !busy && !trouble);
    show(parts.levels, talking);
    show(parts.keypad, talking);
    say(parts.pressed, pressed);
    show(parts['pressed-line'], talking && pressed !== '');
    this.#tick(talking);
    show(parts.elapsed, talking || this.#phone.elapsedMs > 0);
    say(parts.elapsed, clock(this.#phone.elapsedMs));

    if (phase !== this.#shownPhase) {
      this.#shownPhase = phase;
      if (!talking) {
        this.#caller.reset();
        this.#agent.reset();
      }
    }
  }

  #paintLevels() {
    const levels = this.#phone.levels;
    if (!levels) return;
    this.#caller.show(levels.caller);
    this.#agent.show(levels.agent);
  }

  #tick(on) {
    if (on && this.#ticking === null) {
      this.#ticking = setInterval(() => say(this.#parts.elapsed, clock(this.#phone.elapsedMs)), 250);
    } else if (!on && this.#ticking !== null) {
      clearInterval(this.#ticking);
      this.#ticking = null;
    }
  }
}

function label(bot, agent) {
  return bot === agent ? bot : `${bot} (${agent})`;
}
