// A browser with a pretended microphone, and pages that remember everything that went wrong on them.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

import { recordSpeech } from './speech.mjs';

/** Nothing on the page takes longer than this; a whole conversation has its own patience. */
export const PATIENCE_MS = 15_000;

const CHROMIUM = process.env.TRUNKLINE_CHROMIUM || '/usr/bin/chromium';

/** Starts one; `close` leaves nothing behind. */
export async function startBrowser() {
  const folder = await mkdtemp(join(tmpdir(), 'trunkline-console-'));
  try {
    const microphone = await recordSpeech(folder);
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        '--no-sandbox',
        '--use-fake-ui-for-media-stream',
        '--use-fake-device-for-media-stream',
        `--use-file-for-fake-audio-capture=${microphone}`,
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run',
      ],
    });
    return {
      newPage: (options) => newPage(browser, options),
      async close() {
        await browser.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/**
 * A page in a profile of its own. `before` runs in the page before its own scripts. `page.wrongs` gathers errors on
 * the console, exceptions and violations of the content policy; `expected` lets some of them pass.
 */
async function newPage(browser, { colorScheme = 'light', width = 1280, height = 900, before = null, argument, expected = null } = {}) {
  const context = await browser.newContext({ colorScheme, viewport: { width, height }, permissions: ['microphone'] });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.wrongs = [];
  const wrong = (words) => {
    if (!expected?.test(words)) page.wrongs.push(words);
  };
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') wrong(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => wrong(`exception: ${error.stack ?? error}`));
  await page.exposeFunction('reportViolation', (words) => wrong(`policy: ${words}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      globalThis.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  if (before) await page.addInitScript(before, argument);
  return page;
}

/** What goes over the telephone's socket of a page, gathered from its beginning. */
export function listenIn(page) {
  const line = { sentPieces: 0, oddPieces: 0, sent: [], received: [], audioMs: [0] };
  page.on('websocket', (socket) => {
    if (!socket.url().endsWith('/browser')) return;
    socket.on('framesent', ({ payload }) => {
      if (typeof payload === 'string') line.sent.push(JSON.parse(payload));
      else if (payload.length === 640) line.sentPieces += 1;
      else line.oddPieces += 1;
    });
    socket.on('framereceived', ({ payload }) => {
      if (typeof payload !== 'string') {
        line.audioMs[line.audioMs.length - 1] += payload.length / 32;
        return;
      }
      const message = JSON.parse(payload);
      line.received.push(message);
      if (message.type === 'clear') line.audioMs.push(0);
    });
  });
  return line;
}

/** Waits until the page's own telephone is in this phase. */
export async function phase(page, wanted, timeout = PATIENCE_MS) {
  await page.locator(`#phone[data-phase="${wanted}"]`).waitFor({ timeout });
}

/** Waits until the page is in touch with its gateway. */
export async function live(page) {
  await page.locator('#link[data-state="live"]').waitFor();
}
