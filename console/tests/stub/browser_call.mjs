// A call from the page: greets, listens, plays back what it heard, can be interrupted, knows keys, hangs up.
//
// Like the real thing it keeps a small lead before what the page reports as played, and believes only that report.

import { RATE, hum, levelOf } from './voice.mjs';

const TICK_MS = 20;
const PIECE = (RATE * TICK_MS) / 1000;
const LEAD_MS = 200;
const LOUD_DBFS = -45;
const ONSET_PIECES = 6;
const QUIET_PIECES = 30;
const LEVELS_EVERY_TICKS = 6;

const GREETING = 'Hello, this is a pretended agent. Say something, and I will play it back to you. Press one to hear how long we have been talking, two to be transferred, or nine to hang up.';

export class BrowserCall {
  #socket;
  #ledger;
  #call = null;
  #generation = 0;
  #queue = [];
  #sentSamples = 0;
  #playedMs = 0;
  #clearedAt = null;
  #answers = 0;
  #sounding = null;
  #heardSilentAt = null;
  #loud = 0;
  #quiet = 0;
  #speechFrom = null;
  #speech = [];
  #leaving = null;
  #ticks = 0;
  #timer = null;
  #levels = { caller_dbfs: -96, agent_dbfs: -96 };

  constructor(socket, ledger, { token, bots }) {
    this.#socket = socket;
    this.#ledger = ledger;
    socket.on('message', (data, isBinary) => {
      if (isBinary) this.#hear(data);
      else this.#take(JSON.parse(data.toString()), token, bots);
    });
    socket.on('close', () => this.#end({ cause: 'caller_hung_up' }, 'The caller hung up.'));
    socket.on('error', () => {});
  }

  #take(message, token, bots) {
    if (message.type === 'start') {
      if (token && message.token !== token) return this.#socket.close(1008, 'the page did not show the API token');
      const bot = message.bot === undefined ? bots[0] : bots.find(({ name }) => name === message.bot);
      if (!bot) return this.#socket.close(1008, 'there is no bot of that name');
      this.#start(bot);
    } else if (!this.#call || this.#call.end) {
      return;
    } else if (message.type === 'bye') {
      this.#end({ cause: 'caller_hung_up' }, 'The caller hung up.');
      this.#socket.close();
    } else if (message.type === 'digit') {
      this.#digit(message.digit);
    } else if (message.type === 'played') {
      this.#position(message);
    }
  }

  #start({ name, agent }) {
    const ledger = this.#ledger;
    const call = ledger.open({ bot: name, agent });
    this.#call = call;
    call.control = {
      hangup: () => this.#over({ cause: 'operator_hung_up', by: 'console' }, 'Ended from the console.'),
      transfer: (to) => this.#transfer(to),
      say: (text) => {
        ledger.note(call, 'said_on_request', { text });
        this.#say(text, [hum(1.2)]);
      },
    };
    this.#send({ type: 'ready', call: call.id, rate: RATE, generation: 0 });
    ledger.note(call, 'media_started', { stream: null });
    ledger.note(call, 'agent_dialled', { attempt: 1, resumed: false });
    ledger.note(call, 'agent_ready', { attempt: 1, waited_ms: 12, session: null, formats: 'pcm_16000 / pcm_16000' });
    ledger.phase(call, 'greeting');
    this.#say(GREETING, [hum(9)]);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  #say(text, sounds) {
    this.#answers += 1;
    const at = this.#ledger.now(this.#call);
    const waited_ms = this.#heardSilentAt === null ? (this.#answers === 1 ? 14 : null) : Math.round((at - this.#heardSilentAt) / 1000);
    this.#heardSilentAt = null;
    this.#ledger.note(this.#call, 'answer_started', { answer: this.#answers, waited_ms });
    const samples = sounds.reduce((sum, sound) => sum + sound.length, 0);
    const before = this.#sentSamples + this.#queue.reduce((sum, piece) => sum + piece.length, 0);
    this.#finishSounding();
    this.#sounding = { answer: this.#answers, text, from: at, fromMs: ms(before), ms: ms(samples) };
    for (const sound of sounds) {
      for (let i = 0; i < sound.length; i += PIECE) this.#queue.push(sound.subarray(i, i + PIECE));
    }
  }

  #tick() {
    while (this.#queue.length > 0 && ms(this.#sentSamples) - this.#playedMs < LEAD_MS) {
      const piece = this.#queue.shift();
      this.#socket.send(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
      this.#sentSamples += piece.length;
      this.#levels.agent_dbfs = levelOf(piece);
    }
    this.#ticks += 1;
    if (this.#ticks % LEVELS_EVERY_TICKS === 0) {
      this.#ledger.levels(this.#call, {
        ...this.#levels,
        caller_speaks: this.#speechFrom !== null,
        agent_speaks: this.#sounding !== null,
      });
    }
  }

  #position({ generation, ms: played }) {
    if (generation !== this.#generation) return;
    this.#playedMs = played;
    if (this.#clearedAt !== null) {
      const waited_ms = Math.round(performance.now() - this.#clearedAt);
      this.#clearedAt = null;
      this.#ledger.note(this.#call, 'silence_confirmed', { generation, waited_ms });
    }
    if (this.#sounding && played >= this.#sounding.fromMs + this.#sounding.ms) this.#finishSounding();
  }

  #finishSounding() {
    const told = this.#sounding;
    if (!told) return;
    this.#sounding = null;
    this.#levels.agent_dbfs = -96;
    this.#ledger.note(this.#call, 'turn', {
      turn: { side: 'agent', from: told.from, to: told.from + told.ms * 1000, text: told.text, interrupted: false, answer: told.answer },
    });
    this.#ledger.phase(this.#call, 'talking');
    if (this.#leaving) {
      this.#ledger.note(this.#call, 'goodbye_heard', { waited_ms: Math.round(told.ms), proof: 'acknowledged' });
      this.#leaving();
    }
  }

  #interrupt(by, after_onset_ms = null) {
    const told = this.#sounding;
    if (!told) return;
    this.#sounding = null;
    this.#levels.agent_dbfs = -96;
    const heard = Math.max(0, this.#playedMs - told.fromMs);
    const dropped = told.ms - heard;
    this.#queue = [];
    this.#generation += 1;
    this.#sentSamples = 0;
    this.#playedMs = 0;
    this.#clearedAt = performance.now();
    this.#send({ type: 'clear', generation: this.#generation });
    const shown = told.text.slice(0, told.text.lastIndexOf(' ', Math.round((told.text.length * heard) / told.ms)) + 1).trim();
    this.#ledger.note(this.#call, 'barge_in', {
      by, answer: told.answer, generation: this.#generation,
      heard_ms: Math.round(heard), dropped_ms: Math.round(dropped), after_onset_ms,
    });
    this.#ledger.note(this.#call, 'turn', {
      turn: { side: 'agent', from: told.from, to: Math.round(told.from + heard * 1000), text: shown, meant: told.text, interrupted: true, answer: told.answer },
    });
    this.#ledger.phase(this.#call, 'talking');
  }

  #hear(data) {
    const call = this.#call;
    if (!call || call.end || this.#leaving) return;
    const piece = new Int16Array(data.length / 2);
    for (let i = 0; i < piece.length; i += 1) piece[i] = data.readInt16LE(2 * i);
    const level = levelOf(piece);
    this.#levels.caller_dbfs = level;
    const loud = level > LOUD_DBFS;
    this.#loud = loud ? this.#loud + 1 : 0;
    this.#quiet = loud ? 0 : this.#quiet + 1;
    this.#speech.push(piece);
    if (this.#speechFrom === null) {
      this.#speech = this.#speech.slice(-2 * ONSET_PIECES);
      if (this.#loud < ONSET_PIECES) return;
      this.#speechFrom = this.#ledger.now(call) - ONSET_PIECES * TICK_MS * 1000;
      this.#ledger.note(call, 'caller_speaks', { speaking: true });
      this.#interrupt('detector', ONSET_PIECES * TICK_MS);
    } else if (this.#quiet >= QUIET_PIECES) {
      this.#turn();
    }
  }

  #turn() {
    const to = this.#ledger.now(this.#call) - QUIET_PIECES * TICK_MS * 1000;
    const from = this.#speechFrom;
    this.#speechFrom = null;
    this.#heardSilentAt = to;
    this.#ledger.note(this.#call, 'caller_speaks', { speaking: false });
    const text = `(${((to - from) / 1e6).toFixed(1)} s of speech)`;
    this.#ledger.note(this.#call, 'turn', { turn: { side: 'caller', from, to, text, interrupted: false } });
    const spoken = this.#speech.slice(0, -QUIET_PIECES);
    this.#speech = [];
    this.#say('You said: … Say something else, or press nine to hang up.', [hum(0.6), ...spoken, hum(0.8)]);
  }

  #digit(digit) {
    this.#ledger.note(this.#call, 'digit', { digit });
    if (this.#leaving) return;
    this.#interrupt('agent');
    if (digit === '9') {
      this.#ledger.note(this.#call, 'tool_called', { id: 'stub-1', name: 'end_call' });
      this.#ledger.phase(this.#call, 'leaving');
      this.#leaving = () => this.#over({ cause: 'agent_hung_up', reason: 'the caller pressed 9' }, 'The agent hung up: the caller pressed 9.');
      this.#say('Thank you for calling. Goodbye.', [hum(1)]);
    } else if (digit === '2') {
      this.#transfer('+15555550100');
    } else {
      this.#send({ type: 'digits', digits: digit });
      this.#say(`You pressed ${digit}.`, [hum(0.5)]);
    }
  }

  #transfer(to) {
    this.#ledger.note(this.#call, 'transfer_started', { to });
    this.#ledger.phase(this.#call, 'transferring');
    this.#leaving = () => {
      this.#send({ type: 'transfer', to });
      this.#socket.close(1000);
      this.#end({ cause: 'transferred', to }, `Handed over to ${to}.`);
    };
    this.#say('I will transfer you now.', [hum(0.8)]);
  }

  #over(end, words) {
    // As short as the gateway is on the line: the record knows more.
    this.#bye('hung_up');
    this.#end(end, words);
  }

  #end(end, words) {
    clearInterval(this.#timer);
    if (this.#call) this.#ledger.end(this.#call, end, words);
  }

  #bye(cause) {
    this.#send({ type: 'bye', cause });
    this.#socket.close(1000);
  }

  #send(message) {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}

function ms(samples) {
  return (samples * 1000) / RATE;
}
