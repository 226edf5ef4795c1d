// Who spoke when, drawn along the time.

import { draw, el } from '../element.js';
import { count } from '../figures.js';

const WIDTH = 1000;
const LANES = { caller: 6, agent: 26 };
const LANE_HEIGHT = 14;
const HEIGHT = 46;

/** A short call does not fill the whole width, so that its first seconds can be read. */
const SPAN_MS_MIN = 15_000;

/** More stretches than can be told apart. */
const STRETCHES_MAX = 400;

export class Strip {
  #drawing = draw('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
  #drawn = '';

  constructor() {
    this.element = el('div', { class: 'strip' },
      el('span', { class: 'strip-caller', 'aria-hidden': 'true' }, 'Caller'),
      el('span', { class: 'strip-agent', 'aria-hidden': 'true' }, 'Agent'),
      this.#drawing);
  }

  paint(record) {
    const spanMs = Math.max(SPAN_MS_MIN, record.durationMs);
    const now = record.durationMs * 1000;
    const running = record.runningTurns.map((turn) => ({ ...turn, to: Math.max(turn.from, now), running: true }));
    const growing = running.map(({ side, to }) => `${side} ${Math.round(to / 200_000)}`).join(' ');
    const key = `${record.id} ${record.turns.length} ${record.entries.length} ${Math.round(spanMs / 500)} ${growing}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    const x = (micros) => Math.min(WIDTH, (micros / 1000 / spanMs) * WIDTH);
    const stretches = [...record.turns, ...running].slice(-STRETCHES_MAX).map(({ side, from, to, interrupted, running: runs }) => draw('rect', {
      class: `stretch of-${side === 'caller' ? 'caller' : 'agent'}${interrupted ? ' cut' : ''}${runs ? ' running' : ''}`,
      x: x(from).toFixed(1),
      y: LANES[side] ?? LANES.agent,
      width: Math.max(2, x(to) - x(from)).toFixed(1),
      height: LANE_HEIGHT,
      rx: 2,
    }));
    const ticks = record.entries
      .filter(({ fact }) => fact === 'barge_in' || fact === 'digit')
      .slice(-STRETCHES_MAX)
      .map(({ at, fact }) => draw('rect', { class: `tick ${fact}`, x: x(at).toFixed(1), y: 0, width: 2, height: HEIGHT }));
    this.#drawing.replaceChildren(
      ...Object.values(LANES).map((y) => draw('rect', { class: 'lane', x: 0, y: y + LANE_HEIGHT / 2 - 0.5, width: WIDTH, height: 1 })),
      ...stretches, ...ticks);
    const of = (wanted) => record.turns.filter(({ side }) => side === wanted).length;
    this.#drawing.setAttribute('aria-label',
      `Who spoke when: ${count(of('caller'), 'turn', 'turns')} of the caller, ${count(of('agent'), 'turn', 'turns')} of the agent.`);
  }
}
