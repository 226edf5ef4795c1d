// What the page does when things are not as they should be, and what else it can do. Always with the pretended gateway.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { listenIn, live, phase, startBrowser } from './browser.mjs';
import { startGateway } from './stub/gateway.mjs';

let browser;
const open = [];

before(async () => {
  browser = await startBrowser();
});

afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing();
});

after(async () => {
  await browser?.close();
});

async function gatewayWith(options) {
  const gateway = await startGateway(options);
  open.push(() => gateway.stop());
  return gateway;
}

async function pageAt(url, options) {
  const page = await browser.newPage(options);
  open.push(() => page.context().close());
  await page.goto(url);
  return page;
}

const callButton = (page) => page.getByRole('button', { name: 'Call', exact: true });

/** Makes the microphone fail the way browsers do. */
function refuseMicrophone(name) {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', name));
}

for (const [name, words] of [
  ['NotAllowedError', /refused.*Allow it/],
  ['NotFoundError', /No microphone was found/],
  ['NotReadableError', /Another program/],
]) {
  test(`a microphone that fails with ${name} is explained`, async () => {
    const gateway = await gatewayWith();
    const page = await pageAt(gateway.url, { before: refuseMicrophone, argument: name });
    await live(page);
    await callButton(page).click();
    await page.getByRole('alert').filter({ hasText: words }).waitFor();
    await phase(page, 'ended');
    await callButton(page).waitFor();
    assert.deepEqual(page.wrongs, []);
  });
}

test('a page without media devices says where they are to be had', async () => {
  const gateway = await gatewayWith();
  const page = await pageAt(gateway.url, {
    before: () => Object.defineProperty(Navigator.prototype, 'mediaDevices', { value: undefined }),
  });
  await live(page);
  await callButton(page).click();
  await page.getByRole('alert').filter({ hasText: /https/ }).waitFor();
  assert.deepEqual(page.wrongs, []);
});

test('a gateway that goes away and comes back is noticed both times', async () => {
  const gateway = await gatewayWith();
  const page = await pageAt(gateway.url, { expected: /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|WebSocket connection/ });
  await live(page);
  await gateway.stop();
  await page.locator('#link[data-state="lost"]').waitFor();

  await callButton(page).click();
  await page.getByRole('alert').filter({ hasText: /cannot be reached/ }).waitFor();

  await gatewayWith({ port: gateway.port });
  await live(page);
  await callButton(page).click();
  await phase(page, 'talking');
  await page.getByRole('button', { name: 'Hang up' }).click();
  await phase(page, 'ended');
  assert.deepEqual(page.wrongs, []);
});

test('a line that breaks in the middle of a call ends the call and says so', async () => {
  const gateway = await gatewayWith();
  const page = await pageAt(gateway.url, { expected: /ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION/ });
  await live(page);
  await callButton(page).click();
  await phase(page, 'talking');
  gateway.cut();
  await page.getByRole('alert').filter({ hasText: /connection to the gateway was lost/ }).waitFor();
  await live(page);
  assert.deepEqual(page.wrongs, []);
});

test('a gateway that dies leaves a call of which nothing more is known', async () => {
  const gateway = await gatewayWith({ withPhoneCalls: true });
  const page = await pageAt(gateway.url, { expected: /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|404/ });
  await live(page);
  const [on] = gateway.ledger.live();
  await page.locator(`tr[data-call="${on.id}"]`).click();
  await page.locator('#conversation-phase[data-state="live"]').filter({ hasText: 'talking' }).waitFor();
  await page.locator('#lines').filter({ hasText: '1 of 50 lines in use' }).waitFor();

  await gateway.stop();
  await page.locator('#conversation-phase[data-state="lost"]').filter({ hasText: 'unknown' }).waitFor();
  await page.locator(`tr[data-call="${on.id}"] .chip[data-state="lost"]`).waitFor();
  await page.locator('#lines').filter({ hasText: '50 lines, use unknown' }).waitFor();
  assert.equal(await page.locator('.orders').isVisible(), false);

  // Another gateway in its place knows nothing of the call.
  await gatewayWith({ port: gateway.port });
  await live(page);
  await page.locator('#lines').filter({ hasText: '0 of 50 lines in use' }).waitFor();
  await page.locator(`tr[data-call="${on.id}"]`).waitFor({ state: 'detached' });
  await page.locator('#conversation-phase[data-state="lost"]').waitFor();
  assert.deepEqual(page.wrongs, []);
});

test('the greeting is seen while it is spoken, and the built-in agent is not told what to say', async () => {
  const gateway = await gatewayWith();
  const page = await pageAt(gateway.url);
  await live(page);
  await callButton(page).click();
  await page.locator('.stretch.of-agent.running').waitFor();
  await page.getByText('Agent is speaking').waitFor();
  assert.equal(await page.getByText('Nothing has been said yet.').isVisible(), false);
  assert.equal(await page.getByRole('button', { name: 'Say' }).isDisabled(), true);
  await page.locator('#cannot-say').filter({ visible: true }).waitFor();
  await page.keyboard.press('5');
  await page.locator('.facts li[data-fact="barge_in"]').filter({ hasText: 'The key interrupts the agent' }).waitFor();
  assert.deepEqual(page.wrongs, []);
});

test('a long list of calls ends with a whole row', async () => {
  const gateway = await gatewayWith();
  for (let i = 0; i < 30; i += 1) gateway.ledger.end(gateway.ledger.open({}), { cause: 'caller_hung_up' }, 'The caller hung up.');
  const page = await pageAt(gateway.url);
  await live(page);
  await page.locator('#calls tbody tr').nth(29).waitFor();
  await page.waitForFunction(() => {
    const box = document.getElementById('calls');
    const end = box.getBoundingClientRect().bottom;
    const rows = [...box.querySelectorAll('tbody tr')].map((row) => row.getBoundingClientRect().bottom);
    return box.scrollHeight > box.clientHeight && rows.some((bottom) => Math.abs(bottom - end) < 1);
  });
  assert.deepEqual(page.wrongs, []);
});

test('a token is asked for once, kept, and sent with everything', async () => {
  const gateway = await gatewayWith({ token: 'open sesame' });
  const page = await pageAt(gateway.url, { expected: /401/ });
  const line = listenIn(page);
  const field = page.getByLabel('Token', { exact: true });
  await field.fill('wrong');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('That token was not accepted').waitFor();
  await field.fill('open sesame');
  await page.keyboard.press('Enter');
  await live(page);

  await callButton(page).click();
  await phase(page, 'talking');
  assert.equal(line.sent[0].token, 'open sesame');
  await page.getByRole('button', { name: 'Hang up' }).click();
  await page.locator('#conversation-phase[data-state="over"]').waitFor();

  await page.reload();
  await live(page);
  assert.equal(await page.locator('#token-dialog').evaluate((dialog) => dialog.open), false);
  assert.deepEqual(page.wrongs, []);
});

test('a token that is not given leaves a page that says what it lacks, and Call asks again', async () => {
  const gateway = await gatewayWith({ token: 'open sesame' });
  const page = await pageAt(gateway.url, { expected: /401/ });
  await page.getByRole('button', { name: 'Not now' }).click();
  await page.locator('#link[data-state="lost"]').filter({ hasText: /bearer token/ }).waitFor();
  await callButton(page).click();
  await page.getByLabel('Token', { exact: true }).waitFor();
  assert.deepEqual(page.wrongs, []);
});

test('the chosen bot is called', async () => {
  const gateway = await gatewayWith({ bots: [{ name: 'demo', agent: 'demo' }, { name: 'bakery', agent: 'elevenlabs' }] });
  const page = await pageAt(gateway.url);
  await live(page);
  await page.getByLabel('Who answers').selectOption('bakery');
  await callButton(page).click();
  await phase(page, 'talking');
  await page.getByRole('heading', { name: 'Your call with bakery' }).waitFor();
  await page.getByRole('button', { name: 'Hang up' }).click();
  await phase(page, 'ended');
  assert.deepEqual(page.wrongs, []);
});

test('a call that is not taken is explained in the gateway’s words', async () => {
  const gateway = await gatewayWith({ bots: [{ name: 'demo', agent: 'demo' }, { name: 'bakery', agent: 'elevenlabs' }] });
  const page = await pageAt(gateway.url);
  await live(page);
  const choice = page.getByLabel('Who answers');
  await choice.locator('option').nth(1).evaluate((option) => {
    option.value = 'gone since';
  });
  await choice.selectOption('gone since');
  await callButton(page).click();
  await page.getByRole('alert').filter({ hasText: 'did not take the call: there is no bot of that name.' }).waitFor();
  assert.deepEqual(page.wrongs, []);
});

test('muting sends silence and goes on sending', async () => {
  const gateway = await gatewayWith();
  const page = await pageAt(gateway.url);
  const line = listenIn(page);
  await live(page);
  await callButton(page).click();
  await phase(page, 'talking');
  await page.getByRole('button', { name: 'Mute' }).click();
  // The loop of the microphone has a sentence in every fifteen seconds; the first falls into this time.
  const before = line.sentPieces;
  await page.waitForFunction(() => Number(document.querySelector('[data-played-ms]').dataset.playedMs) > 6_000);
  assert.ok(line.sentPieces > before + 200, 'pieces go on');
  assert.equal(await page.locator('.turn').count(), 0, 'nobody was heard, nothing was interrupted');
  assert.equal(await page.locator('#level-caller').getAttribute('aria-valuetext'), 'silent');
  assert.deepEqual(page.wrongs, []);
});

test('keys are pressed with the mouse and the keyboard, but not while typing', async () => {
  const gateway = await gatewayWith();
  const page = await pageAt(gateway.url);
  const line = listenIn(page);
  await live(page);
  await callButton(page).click();
  await phase(page, 'talking');
  await page.getByRole('button', { name: 'star' }).click();
  await page.keyboard.press('#');
  await page.keyboard.press('5');
  await page.getByLabel('Number to transfer to').fill('');
  await page.getByLabel('Number to transfer to').pressSequentially('77');
  assert.equal(await page.locator('#pressed').innerText(), '*#5');
  const digits = () => line.sent.filter(({ type }) => type === 'digit').map(({ digit }) => digit).join('');
  assert.equal(digits(), '*#5');
  await page.locator('.facts li[data-fact="digit"]').nth(2).waitFor();
  assert.deepEqual(page.wrongs, []);
});

test('a hand-over is shown for what it is', async () => {
  const gateway = await gatewayWith();
  const page = await pageAt(gateway.url);
  await live(page);
  await callButton(page).click();
  await phase(page, 'talking');
  await page.keyboard.press('2');
  await phase(page, 'ended');
  await page.locator('#phone-note').filter({ hasText: '+15555550100' }).waitFor();
  await page.locator('#phone-state').filter({ hasText: 'handed over' }).waitFor();
  assert.deepEqual(page.wrongs, []);
});

test('a gateway that does not answer the call is not waited for for ever', async () => {
  const gateway = await gatewayWith({ deaf: true });
  const page = await pageAt(gateway.url);
  await live(page);
  await page.clock.install();
  await callButton(page).click();
  await phase(page, 'connecting');
  await page.clock.fastForward(10_000);
  await page.getByRole('alert').filter({ hasText: /did not answer/ }).waitFor();
  assert.deepEqual(page.wrongs, []);
});

test('hanging up while it connects is hanging up', async () => {
  const gateway = await gatewayWith({ deaf: true });
  const page = await pageAt(gateway.url);
  await live(page);
  await callButton(page).click();
  await phase(page, 'connecting');
  await page.getByRole('button', { name: 'Hang up' }).click();
  await phase(page, 'ended');
  assert.equal(await callButton(page).evaluate((button) => button === document.activeElement), true, 'the focus moves on');
  assert.deepEqual(page.wrongs, []);
});

test('a browser that insists on its own rate is converted for, both ways', async () => {
  const gateway = await gatewayWith();
  const page = await pageAt(gateway.url, {
    before: () => {
      const Plain = globalThis.AudioContext;
      globalThis.AudioContext = class extends Plain {
        constructor({ sampleRate, ...more } = {}) {
          if (sampleRate) throw new DOMException('only my own rate', 'NotSupportedError');
          super({ ...more, sampleRate: 44_100 });
        }
      };
    },
  });
  const line = listenIn(page);
  await live(page);
  await callButton(page).click();
  await phase(page, 'talking');
  await page.locator('.turn[data-side="agent"]:not([data-interrupted])').first().waitFor();
  const spoken = await page.locator('.turn[data-side="caller"] .turn-words').first().innerText();
  const seconds = Number(spoken.match(/([\d.]+) s/)[1]);
  assert.ok(seconds > 0.8 && seconds < 3, `the sentence has kept its length: ${seconds} s`);
  assert.equal(line.oddPieces, 0);
  await page.keyboard.press('9');
  await phase(page, 'ended');
  const last = line.sent.findLast(({ type }) => type === 'played');
  assert.ok(Math.abs(last.ms - line.audioMs.at(-1)) <= 2, `played to the end: ${last.ms} of ${line.audioMs.at(-1)} ms`);
  assert.deepEqual(page.wrongs, []);
});

test('calls of other carriers are listed, shown and controlled', async () => {
  const gateway = await gatewayWith({ withPhoneCalls: true });
  const page = await pageAt(gateway.url, { expected: /409/ });
  await live(page);
  const [on] = gateway.ledger.live();
  await page.locator(`tr[data-call="${on.id}"]`).click();
  await page.getByRole('heading', { name: 'Call with bakery' }).waitFor();

  await page.getByLabel('Text for the agent to say').fill('Hello');
  await page.getByRole('button', { name: 'Say' }).click();
  await page.locator('.orders-answer.bad').filter({ hasText: 'cannot say a given text. Choose an agent that can.' }).waitFor();
  await page.getByLabel('Number to transfer to').fill('+4930123');
  await page.getByRole('button', { name: 'Transfer' }).click();
  await page.locator('.facts li').filter({ hasText: 'Handing over to +4930123' }).waitFor();

  const call = gateway.ledger.get(on.id);
  gateway.ledger.levels(call, { caller_dbfs: -20, agent_dbfs: -96, caller_speaks: true, agent_speaks: false });
  await page.getByText('Caller is speaking').waitFor();
  await page.waitForFunction(() => Number(document.querySelector('.conversation-levels .of-caller').getAttribute('aria-valuenow')) > -60);

  await page.getByRole('button', { name: 'End this call' }).click();
  await page.locator('.conversation-ending').filter({ hasText: 'Ended from the console.' }).waitFor();
  await page.locator(`tr[data-call="${on.id}"] .chip[data-state="over"]`).waitFor();
  assert.equal(await page.locator('.orders').isVisible(), false);
  assert.deepEqual(page.wrongs, []);
});

test('what callers and agents say is text, whatever it looks like', async () => {
  const gateway = await gatewayWith({ withPhoneCalls: true });
  const page = await pageAt(gateway.url);
  await live(page);
  const [past] = gateway.ledger.recent();
  await page.locator(`tr[data-call="${past.id}"]`).click();
  await page.locator('.turn-words').filter({ hasText: 'Do you have <b>rye bread</b> today?' }).waitFor();
  assert.equal(await page.locator('.turn-words b').count(), 0);
  // Every fact of the ledger has become one line, none of them an unexplained lump.
  const call = gateway.ledger.get(past.id);
  assert.equal(await page.locator('.facts li').count(), call.entries.length);
  assert.equal(await page.locator('.facts li').filter({ hasText: /[{}]|undefined|null|NaN|\[object/ }).count(), 0);
  assert.deepEqual(page.wrongs, []);
});

test('what happened while the line to the gateway was down is caught up on', async () => {
  const gateway = await gatewayWith({ withPhoneCalls: true });
  const page = await pageAt(gateway.url, { expected: /ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION/ });
  await live(page);
  const [on] = gateway.ledger.live();
  const call = gateway.ledger.get(on.id);
  await page.locator(`tr[data-call="${on.id}"]`).click();
  await page.locator('.facts li[data-fact="agent_ready"]').waitFor();
  gateway.cut();
  gateway.ledger.note(call, 'digit', { digit: '7' });
  await page.locator('.facts li').filter({ hasText: 'Caller presses 7' }).waitFor();
  assert.equal(await page.locator('.facts li[data-fact="agent_ready"]').count(), 1, 'nothing is told twice');
  assert.deepEqual(page.wrongs, []);
});
