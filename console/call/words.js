// What went wrong or came to an end with a call, in words that say what to do.

import { plain } from '../figures.js';

const UNREACHABLE = 'The gateway cannot be reached, or it does not let this page call. Is it still running?';

/** Why this page could not become a telephone. */
export function troubleWords(error) {
  switch (error?.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'The microphone was refused. Allow it for this page (usually the icon beside the address), then press Call again.';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'No microphone was found. Plug one in, or switch it on in the system’s sound settings, then press Call again.';
    case 'NotReadableError':
    case 'AbortError':
      return 'The microphone cannot be used. Another program may be holding it: close that one and press Call again.';
    case 'InsecureError':
      return 'Browsers give the microphone only to pages from https or from this very machine. Open this page as http://127.0.0.1 or http://localhost, or put https in front of the gateway.';
    case 'NetworkError':
      return UNREACHABLE;
    case 'TimeoutError':
      return 'The gateway accepted the connection but did not answer the call. Its log will say why.';
    default:
      return `The call could not be set up: ${error?.message || 'the browser gave no reason'}.`;
  }
}

/** How the line was lost, when nobody said goodbye. */
export function lostWords({ code, reason, opened, ready }) {
  if (!opened) return UNREACHABLE;
  if (reason) return `The gateway ${ready ? 'closed the line' : 'did not take the call'}: ${reason}.`;
  if (code === 1006) return 'The connection to the gateway was lost.';
  return `The gateway closed the line (code ${code}).`;
}

const ENDINGS = {
  caller_hung_up: 'You hung up.',
  carrier_lost: 'The connection was lost.',
  agent_hung_up: 'The agent hung up.',
  transferred: 'The call was handed over.',
  voicemail: 'A machine answered, and the agent left it at that.',
  operator_hung_up: 'The call was ended from the console.',
  agent_unavailable: 'The agent could not be had, so the call was ended.',
  never_started: 'No sound ever arrived, so the call was ended.',
  no_media: 'The sound stopped arriving, so the call was ended.',
  max_duration: 'The call reached the longest a call may last.',
  stale: 'Nobody said anything for a long time, so the call was ended.',
  drained: 'The gateway is shutting down.',
  replaced: 'Another connection took this call over.',
  not_reached: 'The call that was placed was not answered.',
  broken: 'A fault in the gateway ended this call.',
  hung_up: 'The call was ended.',
  closed: 'The call is over.',
};

/** Every way a call can end that has words of its own. */
export const KNOWN_ENDINGS = Object.keys(ENDINGS);

export function endingWords(cause) {
  return ENDINGS[cause] ?? `The call ended: ${plain(cause)}.`;
}
