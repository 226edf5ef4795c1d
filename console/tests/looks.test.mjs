// How the page looks, idle, in a call and afterwards: nothing runs over the edge, everything can be read. With
// TRUNKLINE_SHOTS the pictures are left in that folder.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { live, phase, startBrowser } from './browser.mjs';
import { startGateway } from './stub/gateway.mjs';

const CONVERSATION_MS = 40_000;
const SHOTS = process.env.TRUNKLINE_SHOTS;

/** The least contrast of small text, after WCAG 2 AA. */
const CONTRAST_MIN = 4.5;

let browser;
let gateway;

before(async () => {
  if (SHOTS) await mkdir(SHOTS, { recursive: true });
  browser = await startBrowser();
  gateway = await startGateway({ withPhoneCalls: true });
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [390, 1280]) {
    test(`the page in ${colorScheme} at ${width} pixels`, async () => {
      const page = await browser.newPage({ colorScheme, width, height: width < 600 ? 844 : 900 });
      const look = async (moment) => {
        if (SHOTS) await page.screenshot({ path: join(SHOTS, `${colorScheme}-${width}-${moment}.png`), fullPage: true });
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${moment}: nothing runs over the edge`);
        assert.deepEqual(await page.evaluate(faint, CONTRAST_MIN), [], `${moment}: everything can be read`);
      };
      await page.goto(process.env.TRUNKLINE_URL ?? gateway.url);
      await live(page);
      await page.locator('.step-list li').first().waitFor();
      await look('idle');

      await page.getByRole('button', { name: 'Call', exact: true }).click();
      await phase(page, 'talking');
      await page.locator('.turn[data-side="caller"]').first().waitFor();
      await page.keyboard.press('5');
      await page.locator('.turn[data-side="agent"]:not([data-interrupted])').first().waitFor({ timeout: CONVERSATION_MS });
      await look('talking');

      await page.keyboard.press('9');
      await phase(page, 'ended', CONVERSATION_MS);
      await page.locator('#conversation-phase[data-state="over"]').waitFor();
      await look('ended');

      if (!process.env.TRUNKLINE_URL) {
        const [past] = gateway.ledger.recent().filter(({ carrier }) => carrier === 'twilio');
        await page.locator(`tr[data-call="${past.id}"] button`).click();
        await page.getByLabel('All', { exact: true }).check();
        await page.locator('.facts li').first().waitFor();
        await look('another');
      }
      assert.deepEqual(page.wrongs, []);
      await page.context().close();
    });
  }
}

/** Runs in the page: the texts whose colour is too close to what is behind them. */
function faint(least) {
  const numbers = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { rgb, a } = numbers(getComputedStyle(at).backgroundColor);
      if (a > 0) return rgb;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility({ visibilityProperty: true }) || element.closest('.only-spoken, .skip, option, noscript, :disabled')) continue;
    const [text, behind] = [luminance(numbers(getComputedStyle(element).color).rgb), luminance(ground(element))];
    const contrast = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
    if (contrast < least) found.push(`${contrast.toFixed(2)}: ${node.data.trim().slice(0, 40)}`);
  }
  return found;
}
