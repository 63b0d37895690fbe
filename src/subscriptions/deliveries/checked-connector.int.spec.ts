import { afterEach, describe, expect, it } from '@jest/globals';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { selfSigned } from '../../../test/support/self-signed.js';
import { startWebhookReceiver } from '../../../test/support/webhook-receiver.js';
import { WebhookClient, type WebhookClientOptions } from './webhook-client.js';

const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const HOST = 'hooks.example.test';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function client(options: WebhookClientOptions): WebhookClient {
  const made = new WebhookClient({ timeoutMs: 10_000, ...options });
  cleanups.push(() => made.close());
  return made;
}

const post = (sender: WebhookClient, url: string) =>
  sender.send({ url, headers: { 'content-type': 'application/json' }, body: '{}' });

async function listen(server: Server): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections++;
    socket.on('error', () => {});
    cleanups.push(() => socket.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanups.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

/** Resolves every name to these addresses, one answer after the other; the last one stays. */
function answers(...lists: string[][]) {
  const asked: string[] = [];
  const lookup = async (hostname: string): Promise<LookupAddress[]> => {
    const list = lists[Math.min(asked.push(hostname), lists.length) - 1] ?? [];
    return list.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };
  return { lookup, asked };
}

describe('forbidden addresses', () => {
  it.each([
    '127.0.0.1',
    'localhost',
    'LOCALHOST',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '127.1',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '169.254.169.254',
    '10.0.0.1',
  ])('are not connected to: %s', async (host) => {
    const local = await listen(createServer());
    const sender = client({ allowNetworks: [] });
    for (const scheme of ['http', 'https']) {
      const result = await post(sender, `${scheme}://${host}:${local.port}/`);
      expect(result).toMatchObject({ outcome: 'blocked_address' });
      expect(result.error).not.toMatch(/\d+\.\d+/);
    }
    expect(local.connections()).toBe(0);
  });

  it('block a name when any of its addresses is one', async () => {
    const local = await listen(createServer());
    const lists = [['127.0.0.1'], ['8.8.8.8', '127.0.0.1'], ['::ffff:7f00:1'], ['8.8.8.8', '::1']];
    for (const list of lists) {
      const sender = client({ lookup: answers(list).lookup });
      const result = await post(sender, `https://${HOST}:${local.port}/`);
      expect([list, result.outcome]).toEqual([list, 'blocked_address']);
    }
    expect(local.connections()).toBe(0);
  });

  it('include public ones for plain http', async () => {
    const sender = client({ allowNetworks: LOOPBACK, lookup: answers(['8.8.8.8']).lookup });
    expect((await post(sender, 'http://8.8.8.8/')).outcome).toBe('blocked_address');
    expect((await post(sender, `http://${HOST}/`)).outcome).toBe('blocked_address');
  });
});

describe('a name', () => {
  it.each([[['10.0.0.1']], [['169.254.169.254']], [['127.0.0.1', 'fd00::1']]])(
    'is resolved once per connection, which goes to the answer that was checked, even if the next is %j',
    async (next) => {
      const partner = await startWebhookReceiver();
      cleanups.push(() => partner.close());
      partner.respondWith(() => ({ status: 200, headers: { connection: 'close' } }));
      // The rebinding name server: a good answer for the check, another one for whoever asks again.
      const { lookup, asked } = answers(['127.0.0.1'], next);
      const sender = client({ allowNetworks: LOOPBACK, lookup });
      const url = `http://${HOST}:${new URL(partner.url).port}/`;
      expect((await post(sender, url)).outcome).toBe('succeeded');
      expect(asked).toEqual([HOST]);
      expect(partner.requests[0]?.headers['host']).toBe(new URL(url).host);
      // A new connection resolves and checks again.
      expect((await post(sender, url)).outcome).toBe('blocked_address');
      expect(asked).toEqual([HOST, HOST]);
      expect(partner.requests).toHaveLength(1);
    },
  );

  it('is resolved once for connections that open together', async () => {
    const partner = await startWebhookReceiver();
    cleanups.push(() => partner.close());
    const { lookup, asked } = answers(['127.0.0.1']);
    const sender = client({ allowNetworks: LOOPBACK, lookup });
    const url = `http://${HOST}:${new URL(partner.url).port}/`;
    const results = await Promise.all(Array.from({ length: 20 }, () => post(sender, url)));
    expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(['succeeded']));
    expect(asked).toHaveLength(1);
  });

  it('falls back to its next address when the first does not answer', async () => {
    const local = await startWebhookReceiver();
    cleanups.push(() => local.close());
    // Nothing listens on 127.0.0.2: the receiver is bound to 127.0.0.1 only.
    const { lookup } = answers(['127.0.0.2', '127.0.0.1']);
    const sender = client({ allowNetworks: LOOPBACK, lookup });
    const result = await post(sender, `http://${HOST}:${new URL(local.url).port}/`);
    expect(result.outcome).toBe('succeeded');
  });

  it("is not blamed when the hub's own machine has no descriptor left", async () => {
    for (const code of ['EMFILE', 'ENFILE', 'ENOMEM']) {
      const lookup = () => Promise.reject(Object.assign(new Error('no more'), { code }));
      await expect(post(client({ lookup }), `https://${HOST}/`)).rejects.toMatchObject({ code });
    }
  });

  it('without any address is a DNS error', async () => {
    const sender = client({ lookup: answers([]).lookup });
    expect((await post(sender, `https://${HOST}/`)).outcome).toBe('dns_error');
  });
});

describe('TLS', () => {
  async function tlsServer(certificate: { key: string; cert: string }) {
    const seen: { host?: string; servername?: string | false }[] = [];
    const server = createHttpsServer(certificate, (request, response) => {
      const { servername } = request.socket as TLSSocket & { servername?: string | false };
      seen.push({ host: request.headers.host, servername });
      response.end();
    });
    server.on('tlsClientError', () => {});
    return { ...(await listen(server)), seen };
  }

  it('checks the certificate against the name, and sends the name, whatever the address', async () => {
    const certificate = selfSigned(HOST);
    const { port, seen } = await tlsServer(certificate);
    const sender = client({
      allowNetworks: LOOPBACK,
      ca: certificate.cert,
      lookup: answers(['127.0.0.1']).lookup,
    });
    expect((await post(sender, `https://${HOST}:${port}/`)).outcome).toBe('succeeded');
    expect(seen).toEqual([{ host: `${HOST}:${port}`, servername: HOST }]);

    for (const other of ['other.example.test', '127.0.0.1']) {
      expect(await post(sender, `https://${other}:${port}/`)).toMatchObject({
        outcome: 'tls_error',
        error: 'the TLS handshake failed (ERR_TLS_CERT_ALTNAME_INVALID)',
      });
    }
    expect(seen).toHaveLength(1);
  });

  it('refuses a certificate that nobody vouches for', async () => {
    const { port, seen } = await tlsServer(selfSigned(HOST));
    const sender = client({ allowNetworks: LOOPBACK, lookup: answers(['127.0.0.1']).lookup });
    expect(await post(sender, `https://${HOST}:${port}/`)).toMatchObject({
      outcome: 'tls_error',
      error: 'the TLS handshake failed (DEPTH_ZERO_SELF_SIGNED_CERT)',
    });
    expect(seen).toHaveLength(0);
  });

  it.each([
    ['speaks plain text', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n')],
    ['hangs up', (socket: Socket) => socket.end()],
    ['resets the connection', (socket: Socket) => socket.resetAndDestroy()],
  ])('fails when the receiver %s', async (_name, answer) => {
    const { port } = await listen(
      createServer((socket) => void socket.once('data', () => answer(socket))),
    );
    const result = await post(client({ allowNetworks: LOOPBACK }), `https://127.0.0.1:${port}/`);
    expect(result.outcome).toBe('tls_error');
  });

  it.each([[['127.0.0.1']], [['127.0.0.1', '127.0.0.2']]])(
    'is not tried when %j refuse the connection',
    async (addresses) => {
      const { port } = await listen(createServer());
      await cleanups.pop()?.();
      const sender = client({ allowNetworks: LOOPBACK, lookup: answers(addresses).lookup });
      expect(await post(sender, `https://${HOST}:${port}/`)).toMatchObject({
        outcome: 'connect_error',
        error: 'the connection failed (ECONNREFUSED)',
      });
    },
  );
});
