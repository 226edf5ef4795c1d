// The call that is being looked at: who, what was said, what happened, how quick it was.

import { Level } from '../call/level.js';
import { el, painter, say, show } from '../element.js';
import { clock, plain, sentence } from '../figures.js';
import { Latencies } from '../latencies/latencies.js';
import { Strip } from '../timeline/strip.js';
import { Timeline } from '../timeline/timeline.js';
import { Transcript } from '../transcript/transcript.js';
import { Orders } from './orders.js';

const LOST = 'The gateway was lost in the middle of this call: how it went on is not known here.';

export class Conversation {
  #record = null;
  #title = el('h2', { id: 'conversation-title' }, 'Conversation');
  #phase = el('span', { class: 'chip', id: 'conversation-phase' });
  #lasted = el('time', { class: 'lasted' });
  #facts = el('p', { class: 'conversation-facts' });
  #ending = el('p', { class: 'conversation-ending', role: 'status' });
  #trouble = el('p', { class: 'trouble', role: 'alert', hidden: true });
  #empty = el('p', { class: 'empty' }, 'Press Call, or choose one of the calls below. What is said and what happens in it appears here.');
  #body = el('div', { class: 'conversation-body', hidden: true });
  #caller = new Level(el('span', { 'aria-label': 'Level of the caller', class: 'of-caller' }));
  #agent = new Level(el('span', { 'aria-label': 'Level of the agent' }));
  #levels = el('div', { class: 'conversation-levels', hidden: true },
    el('span', { 'aria-hidden': 'true' }, 'Caller'), this.#caller.element,
    el('span', { 'aria-hidden': 'true' }, 'Agent'), this.#agent.element);
  #transcript = new Transcript();
  #timeline = new Timeline();
  #strip = new Strip();
  #latencies;
  #orders;
  #isOwn;
  #paint = painter(() => this.#paintNow());
  #paintLevels = painter(() => this.#paintLevelsNow());
  #onChange = () => this.#paint();
  #onLevels = () => this.#paintLevels();

  /** `isOwn(id)` says whether a call is the one of this page's own telephone; `buffer()` what its loudspeaker holds. */
  constructor(element, gateway, { isOwn, buffer }) {
    this.#isOwn = isOwn;
    this.#latencies = new Latencies(buffer);
    this.#orders = new Orders(gateway);
    const head = el('div', { class: 'conversation-head' }, this.#title, this.#phase, this.#lasted);
    this.#body.append(
      this.#facts, this.#ending, this.#levels, this.#strip.element, this.#latencies.element,
      el('div', { class: 'conversation-columns' }, this.#transcript.element, this.#timeline.element),
      this.#orders.element);
    element.append(head, this.#trouble, this.#empty, this.#body);
    setInterval(() => {
      if (this.#record?.isLive) this.#paint();
    }, 250);
    this.#paintNow();
  }

  get id() {
    return this.#record?.id ?? null;
  }

  /** Looks at another call, or at none. */
  show(record) {
    if (record === this.#record) return;
    this.#record?.removeEventListener('change', this.#onChange);
    this.#record?.removeEventListener('levels', this.#onLevels);
    this.#record = record;
    this.trouble(null);
    this.#transcript.reset();
    this.#timeline.reset();
    this.#caller.reset();
    this.#agent.reset();
    this.#orders.reset();
    record?.addEventListener('change', this.#onChange);
    record?.addEventListener('levels', this.#onLevels);
    this.#paintNow();
  }

  trouble(words) {
    say(this.#trouble, words ?? '');
    show(this.#trouble, Boolean(words));
  }

  /** The telephone's own figures moved. */
  repaintBuffer() {
    if (this.#record) this.#latencies.paintBuffer(this.#isOwn(this.#record.id));
  }

  #paintNow() {
    const record = this.#record;
    const view = record?.view ?? null;
    show(this.#empty, record === null);
    show(this.#body, view !== null);
    show(this.#phase, view !== null);
    show(this.#lasted, view !== null);
    if (!view) {
      say(this.#title, 'Conversation');
      return;
    }
    const own = this.#isOwn(record.id);
    say(this.#title, own ? `Your call with ${view.bot}` : `Call with ${view.bot}`);
    say(this.#phase, record.isLost ? 'unknown' : plain(record.phase));
    this.#phase.dataset.state = view.end ? 'over' : record.isLost ? 'lost' : 'live';
    say(this.#lasted, clock(record.durationMs));
    say(this.#facts, factsOf(view));
    say(this.#ending, view.end ? sentence(view.end_words || plain(view.end.cause)) : record.isLost ? LOST : '');
    show(this.#ending, Boolean(view.end) || record.isLost);
    show(this.#levels, record.isLive && !own);
    this.#transcript.paint(record);
    this.#timeline.paint(record);
    this.#strip.paint(record);
    this.#latencies.paint(record, own);
    this.#orders.paint(record);
  }

  #paintLevelsNow() {
    const { levels } = this.#record ?? {};
    if (!levels) return;
    this.#caller.show(levels.caller_dbfs);
    this.#agent.show(levels.agent_dbfs);
    this.#transcript.paintSpeaking(this.#record);
  }
}

function factsOf({ carrier, agent, from, to, started_at: started }) {
  const parties = from || to ? `${from || 'unknown'} → ${to || 'unknown'}` : null;
  const at = new Date(started);
  const when = Number.isNaN(at.getTime()) ? null : at.toLocaleString();
  return [`over ${carrier}`, `agent ${agent}`, parties, when].filter(Boolean).join(' · ');
}
