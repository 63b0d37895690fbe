import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { eventually } from '../../../test/support/eventually.js';
import { startWebhookReceiver } from '../../../test/support/webhook-receiver.js';
import { newSigningKey, parseSigningKey } from '../signing/signing-key.js';
import { signedHeaders } from '../signing/standard-webhooks.js';
import { WebhookClient, type WebhookClientOptions, type WebhookRequest } from './webhook-client.js';

const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const PATIENT = 'Erika Mustermann';
const request = { headers: { 'content-type': 'application/json', authorization: 'Bearer s3cret' } };
const body = JSON.stringify({ type: 'patient.created', data: { familyName: PATIENT } });

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function client(options: WebhookClientOptions = {}): WebhookClient {
  const made = new WebhookClient({ allowNetworks: LOOPBACK, timeoutMs: 10_000, ...options });
  cleanups.push(() => made.close());
  return made;
}

async function receiver(...options: Parameters<typeof startWebhookReceiver>) {
  const started = await startWebhookReceiver(...options);
  cleanups.push(() => started.close());
  return started;
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

describe('a webhook', () => {
  it('arrives signed and complete, on a connection that is kept', async () => {
    const partner = await receiver({ respond: () => ({ status: 201, body: '{"ok":true}' }) });
    const { secret } = newSigningKey('hmac', Buffer.alloc(32, 5));
    partner.setSecret(secret, '/hook');
    const sender = client();
    for (const id of ['evt_1', 'evt_2']) {
      const now = Math.floor(Date.now() / 1000);
      const headers = {
        ...request.headers,
        ...signedHeaders([parseSigningKey(secret)], id, now, body),
      };
      const result = await sender.send({ url: `${partner.url}/hook?a=1`, headers, body });
      expect(result).toEqual({
        outcome: 'succeeded',
        statusCode: 201,
        durationMs: expect.any(Number),
      });
    }
    const [first, second] = await partner.waitForCount(2);
    expect([first?.verified, second?.verified]).toEqual([true, true]);
    expect(first?.rawBody).toBe(body);
    expect(first?.headers).toMatchObject({ host: new URL(partner.url).host, ...request.headers });
  });

  it('needs one connection for many requests in a row, and at most the bound at once', async () => {
    const { url, sockets } = await httpServer((_request, response) =>
      response.end('x'.repeat(9000)),
    );
    const sender = client({ connectionsPerOrigin: 3 });
    for (let i = 0; i < 10; i++) await sender.send({ url, ...request, body });
    expect(sockets.length).toBe(1);
    await Promise.all(Array.from({ length: 30 }, () => sender.send({ url, ...request, body })));
    expect(sockets.length).toBeLessThanOrEqual(3);
  });

  it('fails by its status and keeps what the receiver asked for', async () => {
    const partner = await receiver({
      respond: () => ({ status: 503, headers: { 'retry-after': '120' }, body: PATIENT }),
    });
    const result = await client().send({ url: partner.url, ...request, body });
    expect(result).toMatchObject({
      outcome: 'http_status',
      statusCode: 503,
      retryAfterSeconds: 120,
    });
    expect(JSON.stringify(result)).not.toMatch(/Mustermann|s3cret/);
  });

  it.each([301, 302, 303, 307, 308])('does not follow a %d', async (status) => {
    const elsewhere = await receiver();
    const partner = await receiver({
      respond: (n) => ({
        status,
        headers: { location: n === 1 ? elsewhere.url : 'http://169.254.169.254/latest/meta-data' },
      }),
    });
    const sender = client();
    for (let i = 0; i < 2; i++) {
      const result = await sender.send({ url: partner.url, ...request, body });
      expect(result).toMatchObject({ outcome: 'redirect', statusCode: status });
    }
    expect(partner.requests).toHaveLength(2);
    expect(elsewhere.requests).toHaveLength(0);
  });
});

describe('a slow receiver', () => {
  it.each([
    ['never answers', () => {}, undefined],
    ['drips its headers', drip('HTTP/1.1 200 OK\r\nx-slow: ', 'x'), undefined],
    ['drips its body', drip('HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n', 'x'), 200],
    ['drips informational answers', drip('', 'HTTP/1.1 103 Early Hints\r\n\r\n'), undefined],
  ])('is cut off after the time-out when it %s', async (_name, answer, statusCode) => {
    const { url, sockets } = await rawServer(answer);
    const result = await client().send({ url, ...request, body, timeoutMs: 300 });
    expect(result).toMatchObject({ outcome: 'timeout', error: expect.stringContaining('300 ms') });
    expect(result.statusCode).toBe(statusCode);
    expect(result.durationMs).toBeGreaterThan(290);
    expect(result.durationMs).toBeLessThan(5_000);
    await closed(sockets[0]!);
  });

  it('is not waited for while its name resolves, either', async () => {
    let answerLookup = () => {};
    const lookup = () =>
      new Promise<never>((_resolve, reject) => (answerLookup = () => reject(new Error('late'))));
    const sender = client({ lookup });
    const result = await sender.send({
      url: 'https://slow.test/',
      ...request,
      body,
      timeoutMs: 50,
    });
    expect(result).toMatchObject({ outcome: 'timeout', error: 'waited 50 ms for a connection' });
    answerLookup();
  });

  it('never gets a request late that timed out while it waited for a connection', async () => {
    const partner = await receiver({ respond: () => ({ status: 200, delayMs: 300 }) });
    const sender = client({ connectionsPerOrigin: 1 });
    const send = (id: string, timeoutMs?: number) =>
      sender.send({ url: partner.url, headers: { 'webhook-id': id }, body, timeoutMs });
    const [first, second] = await Promise.all([send('evt_1'), send('evt_2', 30)]);
    expect([first.outcome, second.outcome]).toEqual(['succeeded', 'timeout']);
    expect((await send('evt_3')).outcome).toBe('succeeded');
    expect(partner.requests.map(({ headers }) => headers['webhook-id'])).toEqual([
      'evt_1',
      'evt_3',
    ]);
  });
});

function drip(start: string, piece: string) {
  return (socket: Socket) => {
    socket.write(start);
    const timer = setInterval(() => socket.write(piece), 20);
    socket.on('close', () => clearInterval(timer));
  };
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

describe('a receiver that is not there', () => {
  it('refuses the connection: every waiting request hears of it', async () => {
    const { url } = await rawServer(() => {});
    await cleanups.pop()?.();
    const sender = client({ connectionsPerOrigin: 2 });
    const results = await Promise.all(
      Array.from({ length: 20 }, () => sender.send({ url, ...request, body })),
    );
    for (const result of results) {
      expect(result).toMatchObject({
        outcome: 'connect_error',
        error: 'the connection failed (ECONNREFUSED)',
      });
    }
  });

  it('hangs up before it answers', async () => {
    const { url } = await rawServer((socket) => socket.destroy());
    expect((await client().send({ url, ...request, body })).outcome).toBe('connect_error');
  });

  it('has a name that does not exist', async () => {
    const result = await client().send({ url: 'https://nonexistent.invalid/', ...request, body });
    expect(result).toMatchObject({
      outcome: 'dns_error',
      error: expect.stringMatching(/\(E\w+\)$/),
    });
  });
});

describe('the client itself', () => {
  it('finishes what is under way when it closes, then takes nothing more', async () => {
    const partner = await receiver({ respond: () => ({ status: 200, delayMs: 100 }) });
    const sender = client();
    const underWay = Array.from({ length: 5 }, () =>
      sender.send({ url: partner.url, ...request, body }),
    );
    await sender.close();
    expect(partner.requests).toHaveLength(5);
    for (const sent of underWay) expect((await sent).outcome).toBe('succeeded');
    await expect(sender.send({ url: partner.url, ...request, body })).rejects.toThrow(
      /closed|destroyed/,
    );
  });

  it('closes idle connections', async () => {
    const { url, sockets } = await rawServer((socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
    );
    const sender = client({ idleTimeoutMs: 50 });
    await Promise.all([1, 2, 3].map(() => sender.send({ url, ...request, body })));
    expect(sockets.length).toBe(3);
    for (const socket of sockets) await closed(socket);
    expect((await sender.send({ url, ...request, body })).outcome).toBe('succeeded');
  });

  it('rejects mistakes of the hub instead of blaming the receiver', async () => {
    const { url, requests } = await receiver();
    const faulty: WebhookRequest[] = [
      { url: 'not a url', headers: {}, body },
      { url: 'ftp://127.0.0.1/', headers: {}, body },
      { url, headers: { Host: 'elsewhere.example' }, body },
      { url, headers: { 'x-a': 'line\nbreak' }, body },
      { url, headers: { 'transfer-encoding': 'chunked' }, body },
      { url, headers: { 'content-length': '3' }, body },
    ];
    for (const mistake of faulty) await expect(client().send(mistake)).rejects.toThrow();
    expect(requests).toHaveLength(0);
  });

  it('says which network of its configuration it cannot read', () => {
    expect(() => new WebhookClient({ allowNetworks: ['10.0.0.0/99'] })).toThrow('"10.0.0.0/99"');
  });
});
