import { afterEach, describe, expect, it } from '@jest/globals';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
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
        sent: true,
        statusCode: 201,
        durationMs: expect.any(Number),
      });
    }
    const [first, second] = await partner.waitForCount(2);
    expect([first?.verified, second?.verified]).toEqual([true, true]);
    expect(first?.rawBody).toBe(body);
    expect(first?.headers).toMatchObject({ host: new URL(partner.url).host, ...request.headers });
  });

  it('needs one connection for many requests in a row, and one each for those at once', async () => {
    const { url, sockets } = await httpServer((_request, response) =>
      response.end('x'.repeat(9000)),
    );
    const sender = client();
    const address = sender.prepare(url);
    for (let i = 0; i < 10; i++) await sender.send({ url: address, ...request, body });
    expect(sockets.length).toBe(1);
    await Promise.all(Array.from({ length: 30 }, () => sender.send({ url, ...request, body })));
    expect(sockets.length).toBeLessThanOrEqual(30);
  });

  it('finds its way past any number of others that hang at the same host', async () => {
    const partner = await receiver({
      respond: (_n, { path }) => (path === '/hangs' ? { status: 200, delayMs: 60_000 } : 200),
    });
    const sender = client({ timeoutMs: 60_000 });
    const hanging = Array.from({ length: 500 }, () =>
      sender.send({ url: `${partner.url}/hangs`, ...request, body }),
    );
    await partner.waitForCount(500);
    for (let i = 0; i < 20; i++) {
      const result = await sender.send({ url: `${partner.url}/works`, ...request, body });
      expect(result.outcome).toBe('succeeded');
    }
    // Ends what hangs, so that the client can close.
    await partner.close();
    await Promise.all(hanging);
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
    const partner = await receiver();
    const resolved = new Map<string, () => void>();
    const lookup = () =>
      new Promise<LookupAddress[]>((resolve) =>
        resolved.set('name', () => resolve([{ address: '127.0.0.1', family: 4 }])),
      );
    const sender = client({ lookup });
    const url = `http://slow.test:${new URL(partner.url).port}/`;
    const send = (id: string, timeoutMs?: number) =>
      sender.send({ url, headers: { 'webhook-id': id }, body, timeoutMs });
    expect((await send('evt_1', 30)).outcome).toBe('timeout');
    const second = send('evt_2');
    resolved.get('name')!();
    expect((await second).outcome).toBe('succeeded');
    expect(partner.requests.map(({ headers }) => headers['webhook-id'])).toEqual(['evt_2']);
  });
});

function drip(start: string, piece: string) {
  return (socket: Socket) => {
    socket.write(start);
    const timer = setInterval(() => socket.write(piece), 20);
    socket.on('close', () => clearInterval(timer));
  };
}

describe('a receiver that is not there', () => {
  it('refuses the connection: every waiting request hears of it', async () => {
    const { url } = await rawServer(() => {});
    await cleanups.pop()?.();
    const sender = client();
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
