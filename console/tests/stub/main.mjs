// For looking at the page without a gateway: `node stub/main.mjs`, then open the address.

import { startGateway } from './gateway.mjs';

const { url } = await startGateway({ port: Number(process.env.PORT ?? 7901), token: process.env.TOKEN ?? null, withPhoneCalls: true });
console.log(`the page with a pretended gateway: ${url}`);
