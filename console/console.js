// The page's wiring: who tells whom.

import { Panel } from './call/panel.js';
import { Phone } from './call/phone.js';
import { Calls } from './calls/calls.js';
import { Conversation } from './conversation/conversation.js';
import { CallRecord } from './conversation/record.js';
import { say } from './element.js';
import { Events } from './gateway/events.js';
import { Gateway } from './gateway/gateway.js';
import { Token } from './gateway/token.js';
import { Steps } from './steps/steps.js';

const token = new Token();
const gateway = new Gateway(new URL('.', document.baseURI), token);
const phone = new Phone(gateway);
const events = new Events(gateway, 'api/v1/events');
const panel = new Panel(phone, {
  onCall() {
    token.reconsider();
    events.hurry();
  },
});
const calls = new Calls(document.getElementById('calls'), (id) => {
  select(id);
  document.getElementById('conversation').scrollIntoView({ block: 'nearest' });
});
const steps = new Steps(document.getElementById('steps'));
const conversation = new Conversation(document.getElementById('conversation'), gateway, {
  isOwn: (id) => id === phone.call,
  buffer: () => phone.buffer,
});

let status = null;
let record = null;
/** The gateway is in reach, and what the page shows is from it. */
let inTouch = false;
/** Counts the losses of the gateway: an answer from before one is not news after it. */
let losses = 0;

/** Looks at this call from now on. */
function select(id) {
  if (record?.id === id) return;
  record = new CallRecord(id);
  calls.select(id);
  conversation.show(record);
  refreshRecord();
}

/** Asks for everything about the call that is looked at; what happens meanwhile comes as events. */
async function refreshRecord() {
  const asked = record;
  if (!asked) return;
  const before = losses;
  try {
    const whole = await gateway.get(`api/v1/calls/${encodeURIComponent(asked.id)}`);
    if (before !== losses) return;
    asked.whole(whole);
    if (asked === record) conversation.trouble(null);
  } catch (error) {
    if (error?.status === 404) asked.lose();
    if (asked === record) conversation.trouble(wordsOf(error));
  }
}

async function refreshAll() {
  refreshRecord();
  const before = losses;
  const askedAt = performance.now();
  try {
    const [now, all] = await Promise.all([gateway.get('api/v1/status'), gateway.get('api/v1/calls')]);
    if (before !== losses) return;
    status = now;
    inTouch = true;
    say(document.getElementById('version'), now.version ?? '');
    panel.offer(now.bots ?? [], now.default_bot);
    steps.paint(now);
    calls.all(all, askedAt);
    paintLines();
  } catch (error) {
    link('lost', wordsOf(error));
  }
}

function paintLines() {
  const max = status?.calls?.max;
  const lines = max === undefined ? '' : inTouch ? `${calls.live} of ${max} lines in use` : `${max} lines, use unknown`;
  say(document.getElementById('lines'), status?.draining ? `${lines}, shutting down` : lines);
}

function link(state, words) {
  const chip = document.getElementById('link');
  chip.dataset.state = state;
  say(chip, words);
}

function wordsOf(error) {
  return error?.words ?? String(error?.message ?? error);
}

const takes = {
  call(view) {
    calls.called(view);
    paintLines();
    if (view.end) phone.explain(view.id, view.end.cause);
    if (view.id !== record?.id) return;
    record.called(view);
    // The receipt comes with the end.
    if (view.end) refreshRecord();
  },
  fact({ call, ...entry }) {
    if (call === record?.id) record.fact(entry);
  },
  levels({ call, ...levels }) {
    if (call === record?.id) record.levelled(levels);
  },
  /** The page was too slow, and events were lost. */
  lagged() {
    refreshAll();
  },
};

events.addEventListener('open', () => {
  link('live', 'Live');
  refreshAll();
});
events.addEventListener('lost', ({ detail }) => {
  losses += 1;
  inTouch = false;
  record?.lose();
  calls.lose();
  paintLines();
  link('lost', detail?.status ? wordsOf(detail) : 'Gateway unreachable, trying again…');
});
events.addEventListener('event', ({ detail: { name, data } }) => {
  // With many calls most of what is told is about others than the one on show: not worth reading.
  if ((name === 'fact' || name === 'levels') && !(record && data.includes(record.id))) return;
  if (!Object.hasOwn(takes, name)) return;
  let told;
  try {
    told = JSON.parse(data);
  } catch {
    return;
  }
  takes[name](told);
});

phone.addEventListener('ready', ({ detail: id }) => select(id));
phone.addEventListener('levels', () => conversation.repaintBuffer());

events.follow();
