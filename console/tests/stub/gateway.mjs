// A pretended gateway: serves the page with the strict policy, its API and the telephone's socket.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';

import { BrowserCall } from './browser_call.mjs';
import { Ledger, whole } from './ledger.mjs';
import { addPhoneCalls } from './phone_calls.mjs';

const CONSOLE = fileURLToPath(new URL('../../', import.meta.url));
const POLICY = "default-src 'self'; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };

const REFUSALS = {
  401: { code: 'unauthorized', message: 'this gateway needs its bearer token', mend: 'send it as Authorization: Bearer' },
  404: { code: 'not_found', message: 'there is no such thing here', mend: 'look at /api/v1/calls' },
  409: { code: 'cannot_say', message: 'this agent cannot say a given text', mend: 'choose an agent that can' },
};

/**
 * Starts one on a free port, or on `port`. `token` is asked for when given; `deaf` accepts the telephone's socket and
 * never answers; `withPhoneCalls` puts calls of other carriers into the list.
 */
export async function startGateway({ port = 0, token = null, bots = [{ name: 'demo', agent: 'demo' }], deaf = false, withPhoneCalls = false } = {}) {
  const ledger = new Ledger();
  if (withPhoneCalls) addPhoneCalls(ledger);
  const streams = new Set();
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      response.destroy(error);
    });
  });
  const sockets = new WebSocketServer({ server, path: '/browser' });
  sockets.on('connection', (socket) => {
    if (!deaf) new BrowserCall(socket, ledger, { token, bots });
  });

  async function answer(request, response) {
    const url = new URL(request.url, 'http://gateway');
    if (!url.pathname.startsWith('/api/')) return serveFile(url.pathname, response);
    if (token && request.headers.authorization !== `Bearer ${token}`) return refuse(response, 401);
    const [, , , noun, id, verb] = url.pathname.split('/');
    if (noun === 'status') return json(response, 200, statusOf(ledger, bots, server.address().port));
    if (noun === 'events') return follow(request, response);
    if (noun !== 'calls') return refuse(response, 404);
    if (!id) return json(response, 200, { live: ledger.live(), recent: ledger.recent() });
    const call = ledger.get(id);
    if (!call) return refuse(response, 404);
    if (!verb) return json(response, 200, whole(call));
    return order(call, verb, await bodyOf(request), response);
  }

  function follow(request, response) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    const tell = (event, data) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    response.write(': here we go\n\n');
    tell('hello', {});
    const stop = ledger.listen(tell);
    streams.add(response);
    request.on('close', () => {
      stop();
      streams.delete(response);
    });
  }

  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    port: server.address().port,
    ledger,
    /** Cuts every stream and socket, as a network does. */
    cut() {
      for (const stream of streams) stream.destroy();
      for (const socket of sockets.clients) socket.terminate();
    },
    /** May be called again. */
    async stop() {
      this.cut();
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

function statusOf(ledger, bots, port) {
  return {
    version: '0.0.0-stub',
    bots,
    default_bot: bots[0].name,
    carriers: [
      { name: 'browser', ready: true, words: 'This page. Nothing to set up.' },
      { name: 'twilio', ready: false, words: 'Missing: TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and a public address. Then point a number at POST /webhooks/inbound.' },
    ],
    listen: `127.0.0.1:${port}`,
    public_url: null,
    calls: { live: ledger.live().length, max: 50 },
  };
}

function order(call, verb, body, response) {
  const control = call.control ?? {};
  if (call.end || !(verb in control)) return refuse(response, 404);
  if (!control[verb]) return refuse(response, 409);
  control[verb](body.to ?? body.text);
  return json(response, 202, {});
}

async function serveFile(path, response) {
  const file = join(CONSOLE, normalize(path === '/' ? '/index.html' : path));
  const isOurs = file.startsWith(CONSOLE) && !file.startsWith(join(CONSOLE, 'tests')) && TYPES[extname(file)];
  if (!isOurs || !(await stat(file).catch(() => null))?.isFile()) return refuse(response, 404);
  response.writeHead(200, {
    'content-type': TYPES[extname(file)],
    'content-security-policy': POLICY,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });
  createReadStream(file).pipe(response);
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || '{}');
}

function refuse(response, status) {
  json(response, status, { error: REFUSALS[status] });
}

function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
