import { Worker } from 'node:worker_threads';
import type { DataKey } from './data-key.js';

/** What the thread makes of a page: the texts as UTF-8 in the same order, null where one does not open there. */
type Opened = (Buffer | null)[];

/**
 * What the thread runs. As text, since it has to run from sources, from a build and under the test runner alike, and
 * needs nothing but Node. The form is that of data-key.ts; whatever is not just so is left to the hub's own thread, which
 * knows why something does not open.
 */
const program = `
const { parentPort } = require('node:worker_threads');
const { createDecipheriv } = require('node:crypto');
const secrets = new Map();
const tagged = { authTagLength: 16 };
function open(sealed, binding, missing) {
  const end = sealed.length - 16;
  if (end < 17 || sealed[0] !== 1) return null;
  const number = sealed.readUInt32BE(1);
  const secret = secrets.get(number);
  if (!secret) return missing.add(number), null;
  try {
    const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(5, 17), tagged);
    decipher.setAuthTag(sealed.subarray(end));
    decipher.setAAD(Buffer.from(binding));
    const opened = decipher.update(sealed.subarray(17, end));
    decipher.final();
    return opened;
  } catch {
    return null;
  }
}
function openAll(texts, bindings) {
  const missing = new Set();
  const opened = texts.map((text, i) => open(Buffer.from(text, 'base64'), bindings[i], missing));
  const lengths = Int32Array.from(opened, (each) => (each ? each.length : -1));
  const bytes = new Uint8Array(opened.reduce((sum, each) => sum + (each ? each.length : 0), 0));
  let at = 0;
  for (const each of opened) {
    if (!each) continue;
    bytes.set(each, at);
    at += each.length;
  }
  return { bytes, lengths, missing: [...missing] };
}
parentPort.on('message', ({ forget, keys, id, sealed, bindings }) => {
  if (forget) secrets.clear();
  else if (keys) for (const [number, secret] of keys) secrets.set(number, secret);
  else {
    const answer = openAll(sealed, bindings);
    parentPort.postMessage({ id, ...answer }, [answer.bytes.buffer, answer.lengths.buffer]);
  }
});`;

interface Answer {
  id: number;
  /** All that opened, one behind the other. */
  bytes: Uint8Array;
  /** Of each, in bytes; -1 where it did not open. */
  lengths: Int32Array;
  /** Numbers of the keys that it lacks. */
  missing: number[];
}

/**
 * Opens many payloads at once beside the hub's own thread, which is what limits deliveries: opening one took it 14 of
 * 130 microseconds a delivery, and its collector had a cipher more to clear away each time (ADR 8).
 */
export class OpeningThread {
  private worker?: Worker;
  private readonly waiting = new Map<number, (opened: Opened) => void>();
  private next = 0;

  /** @param keyOf a key that is at hand */
  constructor(private readonly keyOf: (number: number) => DataKey | undefined) {}

  /**
   * Never rejects: what the thread does not open, or the thread that ends, is null, and left to whoever asked.
   * @param sealed in base64
   * @param bindings what each belongs to
   */
  open(sealed: readonly string[], bindings: readonly string[]): Promise<Opened> {
    const worker = (this.worker ??= this.start());
    const id = (this.next += 1);
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      worker.postMessage({ id, sealed, bindings });
    });
  }

  /** Keys were destroyed: it asks for those that it needs again. */
  forget(): void {
    this.worker?.postMessage({ forget: true });
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
  }

  private start(): Worker {
    // Nothing of the hub's environment or options is its business.
    const worker = new Worker(program, { eval: true, env: {}, execArgv: [] });
    // It keeps no process alive that wants to end.
    worker.unref();
    worker.on('message', (answer: Answer) => this.take(worker, answer));
    worker.on('error', () => undefined);
    worker.on('exit', () => this.end(worker));
    return worker;
  }

  private take(worker: Worker, { id, bytes, lengths, missing }: Answer): void {
    const keys = missing.flatMap((number) => {
      const key = this.keyOf(number);
      return key ? [[number, key.secretForThread()] as const] : [];
    });
    if (keys.length > 0) worker.postMessage({ keys });
    this.waiting.get(id)?.(apart(bytes, lengths));
    this.waiting.delete(id);
  }

  /** However it ended: the next that is asked begins another. */
  private end(worker: Worker): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    for (const resolve of this.waiting.values()) resolve([]);
    this.waiting.clear();
  }
}

/** Each copied out of the page: one that is kept for long must not keep all others. */
function apart(bytes: Uint8Array, lengths: Int32Array): Opened {
  const opened: Opened = [];
  let at = 0;
  for (const length of lengths) {
    if (length < 0) {
      opened.push(null);
      continue;
    }
    const own = Buffer.allocUnsafe(length);
    own.set(bytes.subarray(at, at + length));
    opened.push(own);
    at += length;
  }
  return opened;
}
