import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { eventually } from '../../../test/support/eventually.js';
import type { Response } from '../../../test/support/webhook-receiver.js';
import { startWebhookReceiver } from '../../../test/support/webhook-receiver.js';
import type { KeepResponse } from './response-snippet.js';
import { WebhookClient, type WebhookClientOptions } from './webhook-client.js';

const request = { headers: { 'content-type': 'application/json' } };
const body = JSON.stringify({ type: 'patient.created' });

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function client(options: WebhookClientOptions = {}): WebhookClient {
  const made = new WebhookClient({
    allowNetworks: ['127.0.0.0/8'],
    timeoutMs: 10_000,
    ...options,
  });
  cleanups.push(() => made.close());
  return made;
}

async function listen(server: Server): Promise<{ url: string; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  server.on('connection', (socket) => {
    sockets.push(socket.on('error', () => {}));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/hook`, sockets };
}

const httpServer = (handler: RequestListener) => listen(createHttpServer(handler));

/** A server that speaks whatever `answer` writes, after the first bytes of a request. */
const rawServer = (answer: (socket: Socket) => void) =>
  listen(createServer((socket) => void socket.once('data', () => answer(socket))));

const closed = (socket: Socket) => eventually(() => expect(socket.closed).toBe(true));

/** What the client makes of one answer. */
async function answered(response: Response, keepResponse?: KeepResponse) {
  const partner = await startWebhookReceiver({ respond: () => response });
  cleanups.push(() => partner.close());
  return client().send({ url: partner.url, ...request, body, keepResponse });
}

describe('a hostile answer', () => {
  it('without end is read up to the cap only, and its status counts', async () => {
    const { url, sockets } = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
      const pour = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pour);
      pour();
    });
    const result = await client({ maxResponseBytes: 64 * 1024 }).send({ url, ...request, body });
    expect(result).toMatchObject({ outcome: 'succeeded', statusCode: 200 });
    await closed(sockets[0]!);
    expect(sockets[0]!.bytesWritten).toBeLessThan(16 * 1024 * 1024);
  });

  it('that is a gzip bomb is not decompressed', async () => {
    const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024));
    const { url, sockets } = await httpServer((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    );
    const sender = client({ maxResponseBytes: bomb.length });
    for (let i = 0; i < 3; i++) {
      expect((await sender.send({ url, ...request, body })).outcome).toBe('succeeded');
    }
    // Decompressed, it would have passed the cap, and each request would have cost its connection.
    expect(sockets.length).toBe(1);
  });

  it.each([
    ['one endless header', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`],
    ['too many headers', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}`],
    ['another protocol', '220 mail.example ESMTP ready\r\n'],
    [
      'endless trailers',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ${'y'.repeat(100_000)}`,
    ],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
  ])('with %s is invalid', async (_name, answer) => {
    const { url } = await rawServer((socket) => socket.write(answer));
    const result = await client().send({ url, ...request, body });
    expect(result).toMatchObject({ outcome: 'invalid_response', error: expect.any(String) });
  });

  it('that breaks off is invalid, with the status it had', async () => {
    const { url } = await rawServer((socket) =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'),
    );
    const result = await client().send({ url, ...request, body });
    expect(result).toMatchObject({ outcome: 'invalid_response', statusCode: 200 });
  });
});

describe('an answer about the endpoint', () => {
  it('410 says that it is gone, and disables it', async () => {
    expect(await answered(410)).toMatchObject({
      outcome: 'gone',
      statusCode: 410,
      effect: 'disable',
      error: 'the receiver answered 410',
    });
  });

  it.each([429, 502, 503, 504])('%d slows it down', async (status) => {
    expect(await answered(status)).toMatchObject({ outcome: 'http_status', effect: 'throttle' });
  });

  it.each([200, 301, 400, 404, 500])('%d says nothing of it', async (status) => {
    expect(await answered(status)).not.toHaveProperty('effect');
  });

  it('asks for a pause with Retry-After, up to a day, where that is defined', async () => {
    const waits: (number | undefined)[] = [];
    for (const [status, wait] of [
      [429, '7'],
      [503, new Date(Date.now() + 3_600_000).toUTCString()],
      [503, '9999999'],
      [500, '7'],
      [200, '7'],
      [302, '7'],
    ] as const) {
      const result = await answered({ status, headers: { 'retry-after': wait } });
      waits.push(result.retryAfterSeconds);
    }
    expect(waits).toEqual([7, expect.any(Number), 86_400, undefined, undefined, undefined]);
    expect(waits[1]).toBeGreaterThan(3500);
    expect(waits[1]).toBeLessThanOrEqual(3600);
  });

  it('that breaks off decides nothing', async () => {
    const { url } = await rawServer((socket) =>
      socket.end('HTTP/1.1 410 Gone\r\ncontent-length: 10\r\n\r\nabc'),
    );
    const result = await client().send({ url, ...request, body });
    expect(result).toMatchObject({ outcome: 'invalid_response', statusCode: 410 });
    expect(result).not.toHaveProperty('effect');
  });
});

describe("the beginning of an answer's body", () => {
  const failure = { status: 500, body: 'TypeError: no such tenant' };

  it('is kept of a failed attempt, if it was asked for', async () => {
    expect((await answered(failure, 'failed')).responseSnippet).toBe(failure.body);
    expect((await answered(failure, 'always')).responseSnippet).toBe(failure.body);
    expect(JSON.stringify(await answered(failure))).not.toContain('tenant');
  });

  it('is kept of a success only where that was asked for', async () => {
    const success = { status: 200, body: 'challenge-4711' };
    expect(await answered(success, 'failed')).not.toHaveProperty('responseSnippet');
    expect(await answered(success)).not.toHaveProperty('responseSnippet');
    expect((await answered(success, 'always')).responseSnippet).toBe('challenge-4711');
  });

  it('is absent where there is no body', async () => {
    expect(await answered(500, 'failed')).not.toHaveProperty('responseSnippet');
  });

  it('ends after 1,024 bytes, however long the body is', async () => {
    const { url } = await rawServer((socket) => {
      socket.write('HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n');
      const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
      const pour = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pour);
      pour();
    });
    const result = await client().send({ url, ...request, body, keepResponse: 'failed' });
    expect(result).toMatchObject({ outcome: 'http_status', statusCode: 500 });
    expect(result.responseSnippet).toBe('x'.repeat(1024));
  });

  it('is what had arrived when the time was over', async () => {
    const { url } = await rawServer((socket) =>
      socket.write('HTTP/1.1 500 Oops\r\ncontent-length: 99\r\n\r\nout of mem'),
    );
    const result = await client({ timeoutMs: 200 }).send({
      url,
      ...request,
      body,
      keepResponse: 'failed',
    });
    expect(result).toMatchObject({ outcome: 'timeout', responseSnippet: 'out of mem' });
  });

  it('is not kept where it is compressed', async () => {
    const { url } = await httpServer((_request, response) =>
      response.writeHead(500, { 'content-encoding': 'gzip' }).end(gzipSync('oops')),
    );
    const result = await client().send({ url, ...request, body, keepResponse: 'failed' });
    expect(result).toMatchObject({ outcome: 'http_status', statusCode: 500 });
    expect(result).not.toHaveProperty('responseSnippet');
  });
});
