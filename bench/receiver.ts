// The partner's side of the benchmark, in a process of its own. It does as little as an HTTP receiver can: with
// node:http it would cost more than the sender and be what is measured, on two cores most of all.
//   /watched           reported one by one
//   /timed…            counted, and kept is how long each took since the moment that its description begins with
//   /after/<ms>        answered that late, and not counted
//   /backlog           answered as slowly as the latest order says, and counted
//   anything else      counted
import { createServer, type AddressInfo, type Socket } from 'node:net';

/** `count` starts a new count that is reported when it is reached; `latencies` asks for those since the last time. */
export type ReceiverOrder = { count: number } | { latencies: true } | { backlogAfterMs: number };

/** `at` is nanoseconds of the monotonic clock, which all processes of a machine share. */
export type ReceiverReport =
  | { kind: 'listening'; port: number }
  | { kind: 'counted'; at: string }
  | { kind: 'latencies'; ms: number[] }
  | { kind: 'arrived'; at: string; body: string };

const endOfHead = Buffer.from('\r\n\r\n');
const noContent = Buffer.from('HTTP/1.1 204 No Content\r\n\r\n');
/** How the description of a timed fact begins, whatever space the JSON has before it. */
const marker = Buffer.from('"t=');

let received = 0;
let wanted = 0;
let backlogAfterMs = 0;
let latencies: number[] = [];

function report(message: ReceiverReport): void {
  process.send!(message);
}

function receive(socket: Socket): void {
  let head: Buffer = Buffer.alloc(0);
  let body: Buffer[] = [];
  let missing = 0;
  let path = '';
  let isKept = false;

  const begin = (chunk: Buffer): void => {
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const end = head.indexOf(endOfHead);
    if (end < 0) return;
    const text = head.toString('latin1', 0, end);
    const rest = head.subarray(end + endOfHead.length);
    head = Buffer.alloc(0);
    path = text.slice(5, text.indexOf(' ', 5));
    isKept = path === '/watched' || path.startsWith('/timed');
    missing = Number(/\r\ncontent-length: (\d+)/i.exec(text)![1]);
    proceed(rest);
  };
  const proceed = (chunk: Buffer): void => {
    missing -= chunk.length;
    if (isKept) body.push(chunk);
    if (missing > 0) return;
    take(path, Buffer.concat(body));
    const waitMs = waitOf(path);
    if (waitMs > 0) setTimeout(() => socket.write(noContent), waitMs);
    else socket.write(noContent);
    body = [];
    missing = 0;
  };
  // Nobody pipelines webhooks, so that a chunk never holds the end of one and the beginning of the next.
  socket.on('data', (chunk: Buffer) => (missing > 0 ? proceed(chunk) : begin(chunk)));
  socket.on('error', () => socket.destroy());
}

function take(path: string, body: Buffer): void {
  if (path === '/watched') {
    report({ kind: 'arrived', at: now(), body: body.toString() });
    return;
  }
  if (path.startsWith('/after/')) return;
  if (body.length > 0) {
    const at = body.indexOf(marker) + marker.length;
    const began = body.toString('latin1', at, body.indexOf(32, at));
    latencies.push(Number(process.hrtime.bigint() - BigInt(began)) / 1e6);
  }
  if (++received === wanted) report({ kind: 'counted', at: now() });
}

function waitOf(path: string): number {
  if (path === '/backlog') return backlogAfterMs;
  return path.startsWith('/after/') ? Number(path.slice('/after/'.length)) : 0;
}

function now(): string {
  return process.hrtime.bigint().toString();
}

const server = createServer({ noDelay: true }, receive);
// Thousands of connections may be opened at once, by a hub that fans out.
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  report({ kind: 'listening', port: (server.address() as AddressInfo).port });
});
process.on('message', (order: ReceiverOrder) => {
  if ('latencies' in order) {
    report({ kind: 'latencies', ms: latencies });
    latencies = [];
  } else if ('backlogAfterMs' in order) {
    backlogAfterMs = order.backlogAfterMs;
  } else {
    received = 0;
    wanted = order.count;
  }
});
process.on('disconnect', () => process.exit());
