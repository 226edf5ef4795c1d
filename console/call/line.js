// The telephone line: the WebSocket between this page and the gateway.

/** What the network has not taken yet: more than a second of speech is too old to be an answer to anything. */
const WAITING_BYTES_MAX = 32_000;

/** Larger than anything the gateway sends. */
const MESSAGE_MAX = 1 << 20;

/**
 * Tells `ready` (the call's id), `audio` (PCM16 as an ArrayBuffer), `clear` (a generation), `digits`, `transfer`, and
 * at the end exactly one `over`: `{cause}` when the gateway said why, `{code, reason, opened, ready}` when it only closed.
 */
export class Line extends EventTarget {
  #socket;
  #ready = false;
  #opened = false;
  #over = false;
  droppedPieces = 0;

  constructor(address, start) {
    super();
    this.#socket = new WebSocket(address);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onopen = () => {
      this.#opened = true;
      this.#send({ type: 'start', rate: 16_000, ...start });
    };
    this.#socket.onmessage = ({ data }) => this.#take(data);
    this.#socket.onclose = ({ code, reason }) => this.#end({ code, reason, opened: this.#opened, ready: this.#ready });
  }

  #take(data) {
    if (this.#over) return;
    if (data instanceof ArrayBuffer) {
      if (!this.#ready || data.byteLength > MESSAGE_MAX) return;
      this.#tell('audio', data.byteLength % 2 ? data.slice(0, -1) : data);
      return;
    }
    const message = read(data);
    switch (message?.type) {
      case 'ready':
        this.#ready = true;
        this.#tell('ready', { call: String(message.call), generation: message.generation });
        break;
      case 'clear':
        this.#tell('clear', message.generation);
        break;
      case 'digits':
        this.#tell('digits', String(message.digits));
        break;
      case 'transfer':
        this.#tell('transfer', String(message.to));
        break;
      case 'bye':
        this.#end({ cause: String(message.cause) });
        this.#socket.close();
        break;
      // A newer gateway may know more than this page does.
    }
  }

  /** One piece of the microphone's sound. Integers in a typed array are little-endian wherever browsers run. */
  hear(piece) {
    if (!this.#ready || this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > WAITING_BYTES_MAX) this.droppedPieces += 1;
    else this.#socket.send(piece);
  }

  digit(digit) {
    this.#send({ type: 'digit', digit });
  }

  played({ generation, ms }) {
    this.#send({ type: 'played', generation, ms });
  }

  /** The caller hangs up; nothing is told after this. */
  bye() {
    this.#over = true;
    this.#send({ type: 'bye' });
    this.#socket.close(1000);
  }

  #send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #end(how) {
    if (this.#over) return;
    this.#over = true;
    this.#tell('over', how);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function read(text) {
  if (text.length > MESSAGE_MAX) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
