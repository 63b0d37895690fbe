// The partner's side of the benchmark, in a process of its own. It does as little as an HTTP receiver can: with
// node:http it would cost more than the sender and be what is measured, on two cores most of all.
import { createServer, type AddressInfo, type Socket } from 'node:net';

/** `count` starts a new count that is reported when it is reached. */
export interface ReceiverOrder {
  count: number;
}

/** `at` is nanoseconds of the monotonic clock, which all processes of a machine share. */
export type ReceiverReport =
  | { kind: 'listening'; port: number }
  | { kind: 'counted'; at: string }
  | { kind: 'arrived'; at: string; body: string };

/** Webhooks to this path are reported one by one; all others are counted only. */
const watchedPath = 'POST /watched ';
const endOfHead = Buffer.from('\r\n\r\n');
const noContent = Buffer.from('HTTP/1.1 204 No Content\r\n\r\n');

let received = 0;
let wanted = 0;

function report(message: ReceiverReport): void {
  process.send!(message);
}

function now(): string {
  return process.hrtime.bigint().toString();
}

function receive(socket: Socket): void {
  let head: Buffer = Buffer.alloc(0);
  let body: Buffer[] = [];
  let missing = 0;
  let watched = false;

  const begin = (chunk: Buffer): void => {
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const end = head.indexOf(endOfHead);
    if (end < 0) return;
    const text = head.toString('latin1', 0, end);
    const rest = head.subarray(end + endOfHead.length);
    head = Buffer.alloc(0);
    watched = text.startsWith(watchedPath);
    missing = Number(/\r\ncontent-length: (\d+)/i.exec(text)![1]);
    proceed(rest);
  };
  const proceed = (chunk: Buffer): void => {
    missing -= chunk.length;
    if (watched) body.push(chunk);
    if (missing > 0) return;
    const at = watched ? now() : '';
    socket.write(noContent);
    if (watched) report({ kind: 'arrived', at, body: Buffer.concat(body).toString() });
    else if (++received === wanted) report({ kind: 'counted', at: now() });
    body = [];
    missing = 0;
  };
  // Nobody pipelines webhooks, so that a chunk never holds the end of one and the beginning of the next.
  socket.on('data', (chunk: Buffer) => (missing > 0 ? proceed(chunk) : begin(chunk)));
  socket.on('error', () => socket.destroy());
}

const server = createServer({ noDelay: true }, receive);
server.listen(0, '127.0.0.1', () => {
  report({ kind: 'listening', port: (server.address() as AddressInfo).port });
});
process.on('message', ({ count }: ReceiverOrder) => {
  received = 0;
  wanted = count;
});
process.on('disconnect', () => process.exit());
