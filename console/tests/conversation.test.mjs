// One whole call, as a person makes it. Runs against the gateway at TRUNKLINE_URL, or against the pretended one.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { listenIn, live, phase, startBrowser } from './browser.mjs';
import { startGateway } from './stub/gateway.mjs';

const CONVERSATION_MS = 40_000;

let browser;
let gateway = null;
let url = process.env.TRUNKLINE_URL;

before(async () => {
  browser = await startBrowser();
  if (!url) {
    gateway = await startGateway();
    url = gateway.url;
  }
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
});

test('a call is made, heard, interrupted, answered, and ended with a key', async () => {
  const page = await browser.newPage();
  const line = listenIn(page);
  await page.goto(url);
  await live(page);
  await page.locator('#bot-name, #bot').filter({ visible: true }).first().waitFor();
  assert.match(await page.locator('#lines').innerText(), /^\d+ of \d+ lines in use$/);

  await page.getByRole('button', { name: 'Call', exact: true }).click();
  await phase(page, 'talking');

  // The greeting comes out of the loudspeaker.
  await page.locator('[data-played-ms]').filter({ visible: true }).waitFor();
  await page.waitForFunction(() => Number(document.querySelector('[data-played-ms]').dataset.playedMs) > 500);
  await page.waitForFunction(() => Number(document.querySelector('#level-agent').getAttribute('aria-valuenow')) > -50);

  // The microphone is heard, and the greeting gives way to it.
  await page.waitForFunction(() => Number(document.querySelector('#level-caller').getAttribute('aria-valuenow')) > -50);
  const greeting = page.locator('.turn[data-side="agent"]').first();
  await greeting.waitFor();
  assert.notEqual(await greeting.getAttribute('data-interrupted'), null, 'the greeting was interrupted');
  assert.notEqual(await greeting.locator('del').innerText(), '', 'what was not heard of the greeting is struck through');
  const caller = page.locator('.turn[data-side="caller"]').first();
  await caller.waitFor();
  assert.notEqual((await caller.locator('.turn-words').innerText()).trim(), '');

  // The answer is heard to its end.
  await page.locator('.turn[data-side="agent"]:not([data-interrupted])').first().waitFor({ timeout: CONVERSATION_MS });

  await page.keyboard.press('9');
  assert.equal(await page.locator('#pressed').innerText(), '9');
  await phase(page, 'ended', CONVERSATION_MS);

  // The goodbye was heard in full: the agent hung up afterwards.
  await page.locator('#phone-state').filter({ hasText: 'The agent hung up.' }).waitFor();
  await page.locator('#conversation-phase[data-state="over"]').waitFor();
  await page.locator('.conversation-ending').filter({ visible: true }).waitFor();

  // The timeline tells the story, and more of it when asked.
  for (const fact of ['media_started', 'agent_ready', 'answer_started', 'barge_in', 'silence_confirmed', 'digit', 'ended']) {
    await page.locator(`.facts li[data-fact="${fact}"]`).filter({ visible: true }).first().waitFor();
  }
  const visible = () => page.locator('.facts li').filter({ visible: true }).count();
  const main = await visible();
  await page.getByLabel('All', { exact: true }).check();
  assert.ok((await visible()) > main, 'all facts are more than the main ones');

  for (const id of ['agent-ready', 'first-sound', 'answer', 'silence']) {
    await page.locator(`#latency-${id}`).filter({ hasText: /\d (ms|s)$/ }).waitFor();
  }
  assert.match(await page.locator('#latency-answers').innerText(), /^Each answer: \d/);

  const id = line.received.find(({ type }) => type === 'ready').call;
  await page.locator(`tr[data-call="${id}"].selected .chip[data-state="over"]`).waitFor();

  // What went over the wire.
  assert.deepEqual({ type: line.sent[0].type, rate: line.sent[0].rate }, { type: 'start', rate: 16_000 });
  assert.equal(line.oddPieces, 0, 'every piece is 20 ms');
  assert.ok(line.sent.some(({ type, digit }) => type === 'digit' && digit === '9'));
  const whole = await (await page.request.get(new URL(`api/v1/calls/${id}`, url).href)).json();
  const expected = whole.duration_ms / 20;
  assert.ok(Math.abs(line.sentPieces - expected) < expected * 0.1, `${line.sentPieces} pieces in ${whole.duration_ms} ms`);

  const reports = line.sent.filter(({ type }) => type === 'played');
  const clears = line.received.filter(({ type }) => type === 'clear');
  assert.ok(clears.length >= 1, 'the greeting was cleared');
  for (const { generation } of clears.slice(0, -1)) {
    assert.ok(reports.some((report) => report.generation === generation), `generation ${generation} was reported`);
  }
  line.audioMs.forEach((audio, index) => {
    const generation = index === 0 ? 0 : clears[index - 1].generation;
    const played = reports.filter((report) => report.generation === generation).map(({ ms }) => ms);
    assert.deepEqual(played, [...played].sort((a, b) => a - b), 'the position never goes back');
    assert.ok((played.at(-1) ?? 0) <= audio + 1, 'no more is played than came');
  });
  const last = reports.at(-1);
  assert.ok(last.ms >= line.audioMs.at(-1) - 300, `the goodbye was played: ${last.ms} of ${line.audioMs.at(-1)} ms`);

  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});
