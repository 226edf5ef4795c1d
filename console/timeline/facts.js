// The facts of a call's ledger in words.

import { count, millis, plain, seconds } from '../figures.js';

/** An interruption this soon after a key is the key's doing. */
const KEY_INTERRUPTS_WITHIN_US = 1_000_000;

const WHO = { agent: 'the agent', score: 'the agent’s speech score', detector: 'our own detector' };

const IGNORED = {
  nothing_plays: 'nothing was playing',
  just_interrupted: 'it had just been interrupted',
  already_interrupted: 'this answer had been interrupted before',
  leaving: 'the goodbye is played to its end',
};

const PROOFS = {
  nothing_queued: 'nothing was left to hear',
  acknowledged: 'the caller’s side confirmed it',
  elapsed: 'its time had passed',
  deadline: 'the deadline ended the wait',
};

const WATCHDOGS = {
  never_started: 'no media ever started',
  no_media: 'the caller’s side sends no sound',
  agent_not_ready: 'the agent did not get ready in time',
  agent_stalled: 'the agent shows no sign of life',
  agent_silent: 'the agent says nothing',
  max_duration: 'the longest time for a call is over',
  stale: 'nobody has said anything for too long',
  drain: 'the time to finish is over',
  not_hung_up: 'the carrier did not hang up when told to',
  transfer_not_confirmed: 'the carrier did not say whether it handed the caller over',
};

const QUEUE = { waiting: 'waits in the provider’s queue', admitted: 'was let in', timed_out: 'waited too long in the provider’s queue' };

const ORDERS = { hang_up: 'hang up', transfer: 'transfer', say: 'say something', drain: 'finish', replaced: 'give way to another socket' };

const SIDES = { caller: 'Caller’s side', agent: 'Agent’s side' };

const after = (ms, words) => (ms === null || ms === undefined ? '' : ` ${words} ${millis(ms)}`);
const because = (detail) => (detail ? `: ${detail}` : '');
const quoted = (text) => `“${text}”`;

/**
 * How each fact reads. `who` is whose doing it is, `main` whether it belongs to the short story, `bad` whether
 * something went wrong.
 */
const FACTS = {
  phase_changed: ({ from, to }) => ({ words: `Phase: ${plain(from)} → ${plain(to)}` }),
  media_started: ({ stream }) => ({ words: `Sound is flowing${stream ? ` (${stream})` : ''}`, who: 'caller', main: true }),
  agent_dialled: ({ attempt, resumed }) => ({
    words: `Agent dialled${attempt > 1 ? `, attempt ${attempt}` : ''}${resumed ? ', to go on with this conversation' : ''}`,
    who: 'agent',
  }),
  agent_ready: ({ waited_ms, session, formats }) => ({
    words: `Agent ready${after(waited_ms, 'after')}${formats ? `, ${formats}` : ''}${session ? ` (${session})` : ''}`,
    who: 'agent',
    main: true,
  }),
  agent_queue: ({ status }) => ({ words: `Agent ${QUEUE[status] ?? plain(status)}`, who: 'agent', bad: status === 'timed_out' }),
  agent_fault: ({ fault }) => ({
    words: `Agent reports a fault${because([fault?.code, fault?.kind, fault?.message].filter(Boolean).join(', '))}`,
    who: 'agent',
    main: true,
    bad: true,
  }),
  agent_lost: ({ departure }) => ({
    words: `Agent gone${because(departure?.detail || departureWords(departure?.cause))}`,
    who: 'agent',
    main: true,
    bad: departure?.cause?.how !== 'finished',
  }),
  held_audio_dropped: ({ chunks }) => ({ words: `${count(chunks, 'piece', 'pieces')} of the caller’s kept words had to be dropped`, who: 'caller', main: true, bad: true }),
  held_audio_delivered: ({ chunks }) => ({ words: `${count(chunks, 'kept piece', 'kept pieces')} of the caller’s words handed to the agent`, who: 'caller' }),
  answer_started: ({ waited_ms }) => ({ words: `Agent’s first sound${after(waited_ms, 'after')}`, who: 'agent', main: true }),
  caller_speaks: ({ speaking }) => ({ words: speaking ? 'Caller speaks' : 'Caller falls silent', who: 'caller' }),
  turn: ({ turn }) => turnWords(turn),
  barge_in: ({ by, heard_ms, dropped_ms, after_onset_ms }, isByKey) => ({
    words: `${isByKey ? 'The key interrupts the agent' : `Caller speaks over the agent, noticed by ${WHO[by] ?? plain(by)}${after(after_onset_ms, 'after')}`}: ${millis(heard_ms)} heard, ${millis(dropped_ms)} dropped`,
    who: 'caller',
    main: true,
  }),
  barge_in_ignored: ({ by, why }) => ({ words: `A reason to interrupt, from ${WHO[by] ?? plain(by)}, was not followed: ${IGNORED[why] ?? plain(why)}`, who: 'caller' }),
  silence_confirmed: ({ waited_ms }) => ({ words: `Caller hears silence${after(waited_ms, 'after')}`, who: 'caller', main: true }),
  late_audio_dropped: ({ ms }) => ({ words: `${millis(ms)} of an interrupted answer came too late and were not played`, who: 'agent' }),
  playout_overflowed: ({ ms }) => ({ words: `${millis(ms)} of an answer were more than is kept and were dropped`, who: 'agent', main: true, bad: true }),
  digit: ({ digit }) => ({ words: `Caller presses ${digit}`, who: 'caller', main: true }),
  tool_called: ({ name }) => ({ words: `Agent calls the tool ${name}`, who: 'agent', main: true }),
  tool_answered: ({ name, is_error, took_ms, detail }) => ({
    words: `Tool ${name} ${is_error ? 'failed' : 'answered'}${after(took_ms, 'after')}${because(detail)}`,
    who: 'agent',
    main: true,
    bad: is_error,
  }),
  tool_traced: ({ name, stage }) => ({ words: `The agent’s platform: tool ${name} ${plain(stage)}`, who: 'agent', bad: stage === 'failed' }),
  transfer_started: ({ to }) => ({ words: `Handing over to ${to}`, main: true }),
  transfer_failed: ({ to, detail }) => ({ words: `Handing over to ${to} failed${because(detail)}`, main: true, bad: true }),
  goodbye_heard: ({ waited_ms, proof }) => ({ words: `Goodbye heard${after(waited_ms, 'after')}: ${PROOFS[proof] ?? plain(proof)}`, main: true }),
  said_on_request: ({ text }) => ({ words: `Asked to say ${quoted(text)}`, main: true }),
  cannot_say: () => ({ words: 'This agent cannot say a given text', who: 'agent', main: true, bad: true }),
  machine_answered: () => ({ words: 'A machine answered', who: 'caller', main: true }),
  ordered: ({ what, by }) => ({ words: `Ordered: ${ORDERS[what] ?? plain(what)}${by ? `, by ${by}` : ''}`, main: true }),
  fallback: ({ to }) => ({ words: `Falling back to ${to}`, main: true, bad: true }),
  watchdog: ({ which }) => ({ words: `Watchdog: ${WATCHDOGS[which] ?? plain(which)}`, main: true, bad: true }),
  odd: ({ side, oddity, count: times }) => ({ words: `${SIDES[side] ?? side} sent something odd: ${plain(oddity)}${times > 1 ? `, ${times} times so far` : ''}`, who: side, bad: true }),
  unexpected: ({ what, phase, count: times }) => ({ words: `Not expected while ${plain(phase)}: ${what}${times > 1 ? `, ${times} times so far` : ''}` }),
  hang_up_failed: ({ detail }) => ({ words: `Hanging up failed${because(detail)}`, main: true, bad: true }),
  ended: ({ end }) => ({ words: `Call over: ${plain(end?.cause)}${because(end?.detail || end?.reason || end?.to || end?.by)}`, main: true, bad: ['broken', 'agent_unavailable', 'carrier_lost'].includes(end?.cause) }),
};

/** The facts that have words of their own. */
export const KNOWN_FACTS = Object.keys(FACTS);

/**
 * A ledger entry in words; a fact that this page does not know yet is shown as it came. `digit` is the last key before
 * it that has not interrupted anything yet.
 */
export function inWords({ at, fact, ...more }, digit = null) {
  const isByKey = digit !== null && at - digit.at <= KEY_INTERRUPTS_WITHIN_US;
  const known = Object.hasOwn(FACTS, fact) ? FACTS[fact](more, isByKey) : { words: `${plain(fact)} ${JSON.stringify(more)}`, main: true };
  return { who: null, main: false, bad: false, ...known };
}

function turnWords({ side, from, to, text, interrupted }) {
  const lasted = seconds((to - from) / 1000);
  const name = side === 'caller' ? 'Caller said' : interrupted ? 'Agent was heard saying' : 'Agent said';
  return { words: text ? `${name} ${quoted(text)} in ${lasted}` : `${side === 'caller' ? 'Caller' : 'Agent'} spoke for ${lasted}`, who: side, main: true };
}

function departureWords(cause) {
  if (!cause) return '';
  return [plain(cause.how), cause.status, cause.code].filter(Boolean).join(' ');
}
