// A recording for the browser's pretended microphone: silence, a spoken sentence, silence.

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const SENTENCE = 'Good morning, can you hear me?';

/**
 * Writes it into `folder` and returns its path. The browser plays it in a loop from the moment the microphone is
 * opened: the first sentence falls into the agent's greeting, the pause after it is long enough for an answer.
 */
export async function recordSpeech(folder, { before = 2.5, after = 9 } = {}) {
  const spoken = join(folder, 'spoken.wav');
  await promisify(execFile)('espeak-ng', ['-s', '140', '-a', '160', '-w', spoken, SENTENCE]);
  const { rate, samples } = parts(await readFile(spoken));
  const silence = (seconds) => Buffer.alloc(2 * Math.round(seconds * rate));
  const file = join(folder, 'microphone.wav');
  await writeFile(file, wav(rate, Buffer.concat([silence(before), samples, silence(after)])));
  return file;
}

function parts(file) {
  const data = file.indexOf('data', 12, 'latin1');
  if (file.toString('latin1', 0, 4) !== 'RIFF' || data < 0) throw new Error('the synthesiser wrote no WAV file');
  const [channels, rate, bits] = [file.readUInt16LE(22), file.readUInt32LE(24), file.readUInt16LE(34)];
  if (channels !== 1 || bits !== 16) throw new Error(`the synthesiser wrote ${channels} channels of ${bits} bits`);
  const size = Math.min(file.readUInt32LE(data + 4), file.length - data - 8);
  return { rate, samples: file.subarray(data + 8, data + 8 + size - (size % 2)) };
}

function wav(rate, samples) {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(2 * rate, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}
