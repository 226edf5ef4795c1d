// All calls of the gateway, whichever carrier brought them: the live ones first, then the recent ones.

import { durationOf, isOlder } from '../conversation/record.js';
import { el, painter, say, show } from '../element.js';
import { clock, plain } from '../figures.js';

/** Rows of calls that are over. */
const RECENT_MAX = 100;

/** The list scrolls by itself when it is higher. */
const HEIGHT_MAX_REM = 32;

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
  #box;
  #paint = painter(() => this.#paintNow());
  #fit = painter(() => this.#fitNow());

  constructor(element, onSelect) {
    this.#onSelect = onSelect;
    this.#box = element;
    element.append(this.#empty, this.#table);
    new ResizeObserver(() => this.#fit()).observe(this.#table);
    setInterval(() => {
      if (this.live > 0) this.#paint();
    }, 1000);
  }

  get live() {
    let live = 0;
    for (const { view } of this.#views.values()) if (!view.end) live += 1;
    return live;
  }

  /** The answer to the question for all calls, which was asked at `askedAt` on the page's clock. */
  all({ live = [], recent = [] }, askedAt) {
    const told = [...live, ...recent];
    const ids = new Set(told.map(({ id }) => id));
    // What was told since then is newer than the answer.
    for (const [id, { seenAt }] of this.#views) if (seenAt < askedAt && !ids.has(id)) this.#views.delete(id);
    for (const view of told) this.#keep(view);
    this.#paint();
  }

  /** The gateway is out of reach: nothing is known of how the live calls go on. */
  lose() {
    for (const known of this.#views.values()) if (!known.view.end) known.lostAt ??= performance.now();
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
    const known = this.#views.get(view.id);
    if (known && isOlder(view, known.view)) {
      known.lostAt = null;
      return;
    }
    this.#views.set(view.id, { view, seenAt: performance.now(), lostAt: null });
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
    for (const { view, seenAt, lostAt } of calls) {
      let row = this.#rows.get(view.id);
      if (!row) {
        row = new Row(view.id, this.#onSelect);
        this.#rows.set(view.id, row);
      }
      row.paint(view, seenAt, lostAt, view.id === this.#selected);
      // Rows are moved only when they have to: a row that is moved loses the focus.
      const place = before ? before.nextElementSibling : this.#body.firstElementChild;
      if (place !== row.element) {
        if (before) before.after(row.element);
        else this.#body.prepend(row.element);
      }
      before = row.element;
    }
  }

  /** A list that scrolls ends with a whole row. */
  #fitNow() {
    const highest = HEIGHT_MAX_REM * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const { top, height } = this.#table.getBoundingClientRect();
    let fitting = null;
    if (height > highest) {
      for (const row of this.#body.rows) {
        const bottom = row.getBoundingClientRect().bottom - top;
        if (bottom > highest) break;
        fitting = bottom;
      }
    }
    this.#box.style.maxHeight = fitting === null ? '' : `${fitting}px`;
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

  paint(view, seenAt, lostAt, selected) {
    say(this.#button, startedWords(view.started_at));
    say(this.#bot, view.bot);
    say(this.#carrier, view.carrier);
    say(this.#parties, view.from || view.to ? `${view.from || '?'} → ${view.to || '?'}` : '');
    const isLost = lostAt !== null;
    say(this.#state, isLost ? 'unknown' : plain(view.end ? view.end.cause : view.phase));
    this.#state.dataset.state = isLost ? 'lost' : view.end ? 'over' : 'live';
    this.#state.title = view.end_words ?? '';
    say(this.#lasted, clock(durationOf(view, seenAt, lostAt)));
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
