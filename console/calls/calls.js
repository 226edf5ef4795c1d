// All calls of the gateway, whichever carrier brought them: the live ones first, then the recent ones.

import { durationOf } from '../conversation/record.js';
import { el, painter, say, show } from '../element.js';
import { clock, plain } from '../figures.js';

/** Rows of calls that are over. */
const RECENT_MAX = 100;

export class Calls {
  #views = new Map();
  #rows = new Map();
  #selected = null;
  #onSelect;
  #empty = el('p', { class: 'empty' }, 'No call yet.');
  #body = el('tbody');
  #table = el('table', { hidden: true },
    el('thead', {}, el('tr', {}, ...['Started', 'Bot', 'Carrier', 'From → to', 'State', 'Lasted'].map((name) => el('th', { scope: 'col', class: `of-${name.split(' ')[0].toLowerCase()}` }, name)))),
    this.#body);
  #paint = painter(() => this.#paintNow());

  constructor(element, onSelect) {
    this.#onSelect = onSelect;
    element.append(this.#empty, this.#table);
    setInterval(() => {
      if (this.live > 0) this.#paint();
    }, 1000);
  }

  get live() {
    let live = 0;
    for (const { view } of this.#views.values()) if (!view.end) live += 1;
    return live;
  }

  /** The answer to the question for all calls. */
  all({ live = [], recent = [] }) {
    this.#views.clear();
    for (const view of [...live, ...recent]) this.#keep(view);
    this.#paint();
  }

  /** News of one. */
  called(view) {
    this.#keep(view);
    this.#paint();
  }

  select(id) {
    this.#selected = id;
    this.#paint();
  }

  #keep(view) {
    if (this.#views.get(view.id)?.view.end && !view.end) return;
    this.#views.set(view.id, { view, seenAt: performance.now() });
  }

  #paintNow() {
    const calls = [...this.#views.values()].sort(
      (a, b) => Boolean(a.view.end) - Boolean(b.view.end) || b.view.started_at.localeCompare(a.view.started_at));
    const live = this.live;
    for (const { view } of calls.splice(live + RECENT_MAX)) this.#views.delete(view.id);
    show(this.#empty, calls.length === 0);
    show(this.#table, calls.length > 0);
    for (const [id, row] of this.#rows) {
      if (this.#views.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    let before = null;
    for (const { view, seenAt } of calls) {
      let row = this.#rows.get(view.id);
      if (!row) {
        row = new Row(view.id, this.#onSelect);
        this.#rows.set(view.id, row);
      }
      row.paint(view, seenAt, view.id === this.#selected);
      // Rows are moved only when they have to: a row that is moved loses the focus.
      const place = before ? before.nextElementSibling : this.#body.firstElementChild;
      if (place !== row.element) {
        if (before) before.after(row.element);
        else this.#body.prepend(row.element);
      }
      before = row.element;
    }
  }
}

class Row {
  #button;
  #bot = el('td', { class: 'of-bot' });
  #carrier = el('td', { class: 'of-carrier' });
  #parties = el('td', { class: 'of-from' });
  #state = el('span', { class: 'chip' });
  #lasted = el('td', { class: 'of-lasted' });

  constructor(id, onSelect) {
    this.#button = el('button', { type: 'button' });
    this.element = el('tr', { 'data-call': id, onclick: () => onSelect(id) },
      el('td', { class: 'of-started' }, this.#button), this.#bot, this.#carrier, this.#parties,
      el('td', { class: 'of-state' }, this.#state), this.#lasted);
  }

  paint(view, seenAt, selected) {
    say(this.#button, startedWords(view.started_at));
    say(this.#bot, view.bot);
    say(this.#carrier, view.carrier);
    say(this.#parties, view.from || view.to ? `${view.from || '?'} → ${view.to || '?'}` : '');
    say(this.#state, plain(view.end ? view.end.cause : view.phase));
    this.#state.dataset.state = view.end ? 'over' : 'live';
    this.#state.title = view.end_words ?? '';
    say(this.#lasted, clock(durationOf(view, seenAt)));
    this.element.classList.toggle('selected', selected);
    if (selected) this.#button.setAttribute('aria-current', 'true');
    else this.#button.removeAttribute('aria-current');
  }
}

function startedWords(started) {
  const at = new Date(started);
  if (Number.isNaN(at.getTime())) return String(started);
  const time = at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? time : `${at.toLocaleDateString([], { day: 'numeric', month: 'short' })}, ${time}`;
}
