// What was said, turn by turn, as it is heard.

import { el, say, show, stickingToTheEnd } from '../element.js';
import { moment, seconds } from '../figures.js';

const NAMES = { caller: 'Caller', agent: 'Agent' };

export class Transcript {
  #list = el('ol', { class: 'turns', 'aria-live': 'polite', 'aria-relevant': 'additions' });
  #empty = el('p', { class: 'empty' }, 'Nothing has been said yet.');
  #speaking = el('p', { class: 'speaking', 'aria-hidden': 'true', hidden: true }, el('span'), el('i'), el('i'), el('i'));
  #box = el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Transcript' }, this.#empty, this.#list, this.#speaking);
  #shown = new Map();

  constructor() {
    this.element = el('div', { class: 'transcript' }, el('div', { class: 'part-head' }, el('h3', {}, 'Transcript')), this.#box);
  }

  reset() {
    this.#shown.clear();
    this.#list.replaceChildren();
    show(this.#speaking, false);
  }

  paint(record) {
    stickingToTheEnd(this.#box, () => {
      let before = null;
      for (const turn of record.turns) {
        let item = this.#shown.get(turn);
        if (!item) {
          item = turnItem(turn);
          this.#shown.set(turn, item);
          if (before) before.after(item);
          else this.#list.prepend(item);
        }
        before = item;
      }
      this.paintSpeaking(record);
    });
  }

  /** A turn is told when it is complete; until then the page says who is at it. */
  paintSpeaking(record) {
    const { caller, agent } = record.speaking;
    const who = caller ? 'caller' : agent ? 'agent' : null;
    show(this.#empty, !who && !record.isHeard);
    if (this.#speaking.hidden === !who && this.#speaking.dataset.side === (who ?? '')) return;
    stickingToTheEnd(this.#box, () => {
      this.#speaking.dataset.side = who ?? '';
      say(this.#speaking.firstChild, who ? `${NAMES[who]} is speaking ` : '');
      show(this.#speaking, Boolean(who));
    });
  }
}

function turnItem({ side, from, to, text, meant, interrupted }) {
  const words = el('p', { class: 'turn-words', dir: 'auto' });
  if (text) words.append(text);
  const unheard = unheardOf(text, meant);
  if (unheard) {
    if (text) words.append(' ');
    words.append(el('span', { class: 'only-spoken' }, ' not heard: '), el('del', {}, unheard));
  }
  if (!text && !unheard) words.append(el('em', {}, `${seconds((to - from) / 1000)} of sound, no words for it`));
  return el('li', { class: 'turn', 'data-side': side, 'data-interrupted': interrupted },
    el('p', { class: 'turn-head' }, el('b', {}, NAMES[side] ?? side), ' ', el('time', {}, `${moment(from)} s`),
      interrupted && el('span', { class: 'cut' }, 'interrupted')),
    words);
}

/** The rest of what the agent had meant to say, behind what was heard of it. */
export function unheardOf(text, meant) {
  if (!meant || meant === text) return '';
  return meant.startsWith(text) ? meant.slice(text.length).trimStart() : meant;
}
