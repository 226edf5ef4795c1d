// The parts of the page that need no browser.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { Pieces } from '../call/pieces.js';
import { Playback } from '../call/playback.js';
import { Resampler } from '../call/resampler.js';
import { tonesOf } from '../call/tones.js';
import { KNOWN_ENDINGS } from '../call/words.js';
import { CallRecord } from '../conversation/record.js';
import { clock, median, millis, sentence } from '../figures.js';
import { EventReader } from '../gateway/events.js';
import { KNOWN_FACTS, inWords } from '../timeline/facts.js';
import { unheardOf } from '../transcript/transcript.js';

const BLOCK = 128;

function sine(rate, frequency, seconds) {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) => 0.5 * Math.sin((2 * Math.PI * frequency * i) / rate));
}

/** How loud one frequency is in a stretch of sound, in dB below full scale of a sine. */
function loudness(samples, rate, frequency) {
  let [re, im, weight] = [0, 0, 0];
  samples.forEach((sample, i) => {
    const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (samples.length - 1));
    re += window * sample * Math.cos((2 * Math.PI * frequency * i) / rate);
    im += window * sample * Math.sin((2 * Math.PI * frequency * i) / rate);
    weight += window;
  });
  return 20 * Math.log10((2 * Math.hypot(re, im)) / weight + 1e-12);
}

function resampled(from, to, input, piece) {
  const resampler = new Resampler(from, to);
  const out = [];
  for (let i = 0; i < input.length; i += piece) out.push(...resampler.push(input.subarray(i, i + piece)));
  return Float32Array.from(out);
}

for (const [from, to] of [[48_000, 16_000], [44_100, 16_000], [16_000, 48_000], [16_000, 44_100], [96_000, 16_000]]) {
  test(`resampling ${from} to ${to} keeps what is in the band and nothing else`, () => {
    for (const frequency of [300, 1_000, 3_400, 6_000]) {
      const out = resampled(from, to, sine(from, frequency, 0.5), BLOCK).subarray(to / 20);
      const wanted = loudness(out, to, frequency);
      assert.ok(Math.abs(wanted + 6.02) < 0.1, `${frequency} Hz comes out at ${wanted} dB`);
      // Take the tone away: what remains is noise and images.
      let [re, im] = [0, 0];
      const whole = Math.floor(out.length / to * frequency) / frequency * to;
      const stretch = out.subarray(0, Math.round(whole));
      stretch.forEach((sample, i) => {
        re += (2 / stretch.length) * sample * Math.cos((2 * Math.PI * frequency * i) / to);
        im += (2 / stretch.length) * sample * Math.sin((2 * Math.PI * frequency * i) / to);
      });
      let rest = 0;
      stretch.forEach((sample, i) => {
        const phase = (2 * Math.PI * frequency * i) / to;
        rest += (sample - re * Math.cos(phase) - im * Math.sin(phase)) ** 2;
      });
      const snr = 10 * Math.log10((0.125 * stretch.length) / rest);
      assert.ok(snr > 60, `${frequency} Hz: ${snr.toFixed(1)} dB above the rest`);
    }
    if (from > to) {
      for (const frequency of [9_000, 12_000, 15_500].filter((f) => f < from / 2)) {
        const out = resampled(from, to, sine(from, frequency, 0.3), BLOCK).subarray(to / 20);
        const energy = out.reduce((sum, sample) => sum + sample * sample, 0) / out.length;
        assert.ok(10 * Math.log10(energy / 0.125) < -60, `${frequency} Hz does not come back as something else`);
      }
    }
  });
}

test('resampling does not depend on the size of the pieces, and counts right', () => {
  const input = sine(48_000, 440, 0.3);
  const whole = resampled(48_000, 16_000, input, input.length);
  for (const piece of [1, 7, 128, 1_000]) assert.deepEqual(resampled(48_000, 16_000, input, piece), whole);
  assert.equal(whole.length, input.length / 3);
  assert.equal(resampled(16_000, 44_100, new Float32Array(16_000), 320).length, 44_100);
});

test('the microphone comes in pieces of 20 ms, and muted as zeros', () => {
  for (const rate of [16_000, 48_000, 44_100]) {
    const taken = [];
    const pieces = new Pieces(rate, (piece, dbfs) => taken.push({ piece, dbfs }));
    const input = sine(rate, 1_000, 1);
    const half = Math.floor(input.length / 2 / BLOCK) * BLOCK;
    for (let i = 0; i < half; i += BLOCK) pieces.push(input.subarray(i, i + BLOCK));
    pieces.muted = true;
    for (let i = half; i < input.length; i += BLOCK) pieces.push(input.subarray(i, i + BLOCK));
    assert.ok(Math.abs(taken.length - 50) <= 1, `${taken.length} pieces in a second at ${rate}`);
    assert.ok(taken.every(({ piece }) => piece.length === 320));
    assert.ok(Math.abs(taken[10].dbfs + 9.03) < 0.2, `half a sine is −9 dBFS, told as ${taken[10].dbfs}`);
    assert.ok(taken.at(-1).piece.every((sample) => sample === 0));
    assert.equal(taken.at(-1).dbfs, -96);
  }
});

test('sound louder than can be said is cut off, not turned over', () => {
  const taken = [];
  new Pieces(16_000, (piece) => taken.push(piece)).push(new Float32Array(320).fill(1.7));
  new Pieces(16_000, (piece) => taken.push(piece)).push(new Float32Array(320).fill(-1.7));
  assert.deepEqual(taken.map(([first]) => first), [32_767, -32_767]);
});

function rendering(playback, latency = 0) {
  const reports = [];
  return {
    reports,
    blocks(n) {
      let last = null;
      for (let i = 0; i < n; i += 1) {
        last = new Float32Array(BLOCK);
        playback.render(last);
        const report = playback.report(latency);
        if (report) reports.push(report);
      }
      return last;
    },
  };
}

test('what was played is told now and then, and to the last millisecond at the end', () => {
  const playback = new Playback(16_000);
  const { reports, blocks } = rendering(playback);
  blocks(10);
  assert.deepEqual(reports, [], 'nothing has been played');
  playback.push(new Int16Array(16_000).fill(1_000));
  blocks(200);
  assert.deepEqual(reports.at(-1), { generation: 0, ms: 1_000 });
  assert.ok(reports.length >= 10 && reports.length <= 12, `${reports.length} reports in a second`);
  assert.ok(reports.every(({ ms }, i) => i === 0 || ms > reports[i - 1].ms));
  assert.equal(playback.queuedMs, 0);
});

test('sound on its way through the device is not yet played', () => {
  const playback = new Playback(16_000);
  const { reports, blocks } = rendering(playback, 0.08);
  playback.push(new Int16Array(3_200).fill(1_000));
  blocks(25);
  assert.equal(playback.renderedMs, 200);
  assert.ok(reports.at(-1).ms <= 120, `${reports.at(-1).ms} ms of 200 told`);
  blocks(10);
  assert.deepEqual(reports.at(-1), { generation: 0, ms: 200 });
});

test('a clear silences at once, and is confirmed when the device is silent too', () => {
  const playback = new Playback(16_000);
  const { reports, blocks } = rendering(playback, 0.08);
  playback.push(new Int16Array(16_000).fill(10_000));
  blocks(30);
  reports.length = 0;
  playback.clear(1);
  const faded = blocks(1);
  assert.ok(faded[0] > 0 && faded[0] < 10_000 / 32_768, 'it fades');
  assert.equal(faded[64], 0, 'within four milliseconds');
  blocks(8);
  assert.deepEqual(reports, [], 'the device still sounds');
  blocks(4);
  assert.deepEqual(reports, [{ generation: 1, ms: 0 }]);
  playback.push(new Int16Array(320).fill(5));
  blocks(30);
  assert.deepEqual(reports.at(-1), { generation: 1, ms: 20 });
  assert.equal(playback.queuedMs, 0);
});

test('the position counts the wire’s time at any rate of the device', () => {
  for (const rate of [48_000, 44_100]) {
    const playback = new Playback(rate);
    const { reports, blocks } = rendering(playback);
    for (let i = 0; i < 25; i += 1) playback.push(new Int16Array(320).fill(100));
    blocks(400);
    assert.deepEqual(reports.at(-1), { generation: 0, ms: 500 });
  }
});

test('late sound is a gap, a pause between answers is not', () => {
  const playback = new Playback(16_000);
  const { blocks } = rendering(playback);
  playback.push(new Int16Array(320));
  blocks(5);
  playback.push(new Int16Array(320));
  assert.equal(playback.gaps, 1);
  blocks(100);
  playback.push(new Int16Array(320));
  assert.equal(playback.gaps, 1);
});

test('more sound than anybody sends does not fill the memory', () => {
  const playback = new Playback(16_000);
  for (let i = 0; i < 30; i += 1) playback.push(new Int16Array(16_000).fill(i));
  assert.equal(playback.queuedMs, 20_000);
  assert.equal(playback.dropped, 160_000);
  assert.equal(rendering(playback).blocks(1)[0], 0, 'the oldest is kept');
});

test('keys have their tones', () => {
  assert.deepEqual(tonesOf('1'), [697, 1209]);
  assert.deepEqual(tonesOf('#'), [941, 1477]);
  assert.deepEqual(tonesOf('d'), [941, 1633]);
  for (const none of ['', 'x', '12', ' ']) assert.equal(tonesOf(none), null);
});

test('events are read whatever pieces they come in', () => {
  const stream = ': hello\n\nevent: call\ndata: {"a":1}\n\nevent: fact\r\ndata: one\r\ndata: two\r\n\r\ndata:no space\n\nevent: nothing\n\n';
  const wanted = [
    { name: 'call', data: '{"a":1}' },
    { name: 'fact', data: 'one\ntwo' },
    { name: 'message', data: 'no space' },
  ];
  for (let size = 1; size <= stream.length; size += 1) {
    const reader = new EventReader();
    const events = [];
    for (let i = 0; i < stream.length; i += size) events.push(...reader.push(stream.slice(i, i + size)));
    assert.deepEqual(events, wanted, `in pieces of ${size}`);
  }
});

test('an event without an end is given up', () => {
  const reader = new EventReader();
  assert.throws(() => {
    for (let i = 0; i < 2_000; i += 1) reader.push('x'.repeat(1_000));
  }, /without an end/);
  const many = new EventReader();
  assert.throws(() => {
    for (let i = 0; i < 2_000; i += 1) many.push(`data: ${'x'.repeat(1_000)}\n`);
  }, /without an end/);
});

test('a call is the same whether it was asked for, told live, or both', () => {
  const entries = [
    { at: 0, fact: 'media_started', stream: null },
    { at: 5_000, fact: 'agent_ready', attempt: 1, waited_ms: 4, session: null, formats: null },
    { at: 30_000, fact: 'answer_started', answer: 1, waited_ms: 25 },
    { at: 2_000_000, fact: 'turn', turn: { side: 'agent', from: 40_000, to: 1_900_000, text: 'Hello', interrupted: false, answer: 1 } },
    { at: 2_500_000, fact: 'caller_speaks', speaking: true },
    { at: 3_500_000, fact: 'caller_speaks', speaking: false },
    { at: 4_000_000, fact: 'answer_started', answer: 2, waited_ms: 500 },
    { at: 4_500_000, fact: 'silence_confirmed', generation: 1, waited_ms: 31 },
  ];
  const view = { id: 'x', phase: 'talking', end: null, duration_ms: 1, started_at: '' };
  const turned = (entry) => Object.fromEntries(Object.entries(entry).reverse());

  const record = new CallRecord('x');
  for (const entry of entries.slice(3).reverse()) record.fact(turned(entry));
  record.whole({ ...view, entries: entries.slice(0, 6), turns: [entries[3].turn], receipt: null });

  assert.deepEqual(record.entries.map(({ at }) => at), entries.map(({ at }) => at));
  assert.equal(record.turns.length, 1);
  assert.deepEqual(record.latencies, { agentReady: 4, firstSound: 30, answers: [500], answer: 500, silences: [31], silence: 31 });
});

test('a call that is over stays over, and its receipt has the last word', () => {
  const record = new CallRecord('x');
  record.called({ id: 'x', phase: 'over', end: { cause: 'stale' }, duration_ms: 7 });
  record.whole({ id: 'x', phase: 'talking', end: null, duration_ms: 6, entries: [], turns: [], receipt: null });
  assert.equal(record.isLive, false);
  record.whole({ id: 'x', phase: 'over', end: { cause: 'stale' }, duration_ms: 7, receipt: { agent_ready_ms: 3, first_sound_ms: 9, answer_ms: [5, 1, 3], silence_ms: [] } });
  assert.equal(record.latencies.answer, 3);
  assert.equal(record.latencies.firstSound, 9);
});

test('whatever overtakes what, the newest phase is shown', () => {
  const moved = (at, from, to) => ({ at, fact: 'phase_changed', from, to });
  const view = (phase, duration_ms) => ({ id: 'x', phase, end: null, duration_ms, started_at: '' });
  const greeting = moved(400_000, 'arriving', 'greeting');
  const talking = moved(9_000_000, 'greeting', 'talking');

  const overtaken = new CallRecord('x');
  overtaken.called(view('talking', 9_001));
  overtaken.whole({ ...view('greeting', 8_995), entries: [greeting], turns: [] });
  assert.equal(overtaken.phase, 'talking', 'an answer that is older than the news');

  const byFact = new CallRecord('x');
  byFact.fact(talking);
  byFact.whole({ ...view('greeting', 8_995), entries: [greeting], turns: [] });
  assert.equal(byFact.phase, 'talking', 'the ledger knows it before the view does');
  byFact.called(view('leaving', 30_000));
  assert.equal(byFact.phase, 'leaving', 'a view may be newer than the last fact that arrived');

  const sameMoment = new CallRecord('x');
  const over = moved(400_000, 'greeting', 'talking');
  sameMoment.fact(over);
  sameMoment.whole({ ...view('talking', 401), entries: [greeting, over], turns: [] });
  assert.deepEqual(sameMoment.entries.map(({ to }) => to), ['greeting', 'talking'], 'the ledger’s own order');
  assert.equal(sameMoment.phase, 'talking');
});

test('a call that is lost from sight stands still until there is news of it', (t) => {
  let now = 1_000;
  t.mock.method(performance, 'now', () => now);
  const record = new CallRecord('x');
  const view = { id: 'x', phase: 'talking', end: null, duration_ms: 5_000, started_at: '' };
  record.called(view);
  now += 700;
  assert.equal(record.durationMs, 5_700);
  record.lose();
  now += 60_000;
  assert.deepEqual([record.isLive, record.isLost, record.durationMs], [false, true, 5_700]);
  record.whole({ ...view, duration_ms: 66_000, entries: [], turns: [] });
  now += 10;
  assert.deepEqual([record.isLive, record.isLost, record.durationMs], [true, false, 66_010]);
});

test('a turn is there before it is complete', () => {
  const record = new CallRecord('x');
  record.called({ id: 'x', phase: 'greeting', end: null, duration_ms: 1, started_at: '' });
  assert.deepEqual([record.isHeard, record.runningTurns], [false, []]);
  record.fact({ at: 30_000, fact: 'answer_started', answer: 1, waited_ms: 25 });
  assert.deepEqual([record.isHeard, record.runningTurns], [true, [{ side: 'agent', from: 30_000 }]]);
  record.fact({ at: 900_000, fact: 'caller_speaks', speaking: true });
  assert.deepEqual(record.runningTurns.map(({ side }) => side), ['caller', 'agent']);
  record.fact({ at: 990_000, fact: 'barge_in', by: 'agent', answer: 1, generation: 1, heard_ms: 1, dropped_ms: 1, after_onset_ms: null });
  assert.deepEqual(record.runningTurns, [{ side: 'caller', from: 900_000 }]);
  record.levelled({ caller_dbfs: -96, agent_dbfs: -96, caller_speaks: false, agent_speaks: false });
  assert.deepEqual(record.runningTurns, []);
});

test('an interruption by a key is told as one', () => {
  const cut = { at: 2_000_000, fact: 'barge_in', by: 'agent', answer: 1, generation: 1, heard_ms: 800, dropped_ms: 90, after_onset_ms: null };
  const digit = { at: 1_990_000, fact: 'digit', digit: '5' };
  assert.equal(inWords(cut, digit).words, 'The key interrupts the agent: 800 ms heard, 90 ms dropped');
  for (const other of [null, { ...digit, at: 500_000 }]) assert.match(inWords(cut, other).words, /^Caller speaks over the agent, noticed by the agent:/);
});

test('why a tool was refused is told where it is known', () => {
  const refused = { at: 1, fact: 'tool_answered', id: 'a', name: 'transfer', is_error: true, took_ms: 0 };
  assert.equal(inWords(refused).words, 'Tool transfer failed after 0 ms');
  assert.equal(inWords({ ...refused, detail: 'no such number' }).words, 'Tool transfer failed after 0 ms: no such number');
});

test('what was not heard is the rest of what was meant', () => {
  assert.equal(unheardOf('Yes, we', 'Yes, we have bread'), 'have bread');
  assert.equal(unheardOf('', 'Yes'), 'Yes');
  assert.equal(unheardOf('Yes', undefined), '');
  assert.equal(unheardOf('Yes', 'Yes'), '');
  assert.equal(unheardOf('Well', 'Yes, we have bread'), 'Yes, we have bread');
});

test('figures read as people read them', () => {
  assert.deepEqual([0, 59_999, 60_000, 3_661_000].map(clock), ['0:00', '0:59', '1:00', '1:01:01']);
  assert.deepEqual([12.4, 9_999, 12_345].map(millis), ['12 ms', '9999 ms', '12.3 s']);
  assert.deepEqual(['no room', 'No.', ' why? ', ''].map(sentence), ['No room.', 'No.', 'Why?', '']);
  assert.deepEqual([[], [3], [4, 1], [9, 1, 5]].map(median), [null, 3, 2.5, 5]);
});

test('a fact that the page does not know is shown as it came', () => {
  assert.deepEqual(inWords({ at: 1, fact: 'new_thing', much: 3 }), { words: 'new thing {"much":3}', who: null, main: true, bad: false });
  assert.equal(inWords({ at: 1, fact: 'toString' }).words, 'toString {}');
});

/** The variants of a Rust enum, as they are written in JSON. */
async function variants(file, name) {
  const source = await readFile(new URL(`../../crates/call/src/${file}`, import.meta.url), 'utf8');
  const body = source.match(new RegExp(`pub enum ${name} \\{\\n([\\s\\S]*?)\\n\\}`))[1];
  return [...body.matchAll(/^ {4}([A-Z]\w*)/gm)].map(([, variant]) => variant.replace(/(?<!^)[A-Z]/g, '_$&').toLowerCase());
}

test('every fact of the ledger and every way to end a call has words here', async () => {
  const facts = await variants('fact.rs', 'Fact');
  assert.ok(facts.length > 30);
  assert.deepEqual(facts.filter((fact) => !KNOWN_FACTS.includes(fact)), []);
  assert.deepEqual(KNOWN_FACTS.filter((fact) => !facts.includes(fact)), []);
  const endings = await variants('ending.rs', 'EndCause');
  assert.ok(endings.length > 10);
  assert.deepEqual(endings.filter((ending) => !KNOWN_ENDINGS.includes(ending)), []);
});
