import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';

/** The CloudEvents document a webhook carries; what `data` holds depends on the event's type. */
export interface ReceivedEvent {
  id: string;
  type: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read whatever attribute they assert on
  [attribute: string]: any;
}

export interface ReceivedWebhook {
  path: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  rawBody: string;
  event: ReceivedEvent;
  receivedAt: Date;
  /** The same moment on the clock of `performance.now()`, for latencies. */
  receivedAtMs: number;
  /** By the published Standard Webhooks library; undefined when no secret was set for its path. */
  verified: boolean | undefined;
}

export type Response =
  number | { status: number; headers?: Record<string, string>; delayMs?: number; body?: string };

/** `n` counts from 1 since this responder was set. */
export type Responder = (n: number, request: ReceivedWebhook) => Response;

export interface WebhookReceiver {
  /** `http://127.0.0.1:<port>`; any path below it is accepted. */
  url: string;
  /** In order of arrival. */
  requests: ReceivedWebhook[];
  /** The first webhook, past or future, that satisfies the predicate. */
  waitFor(
    predicate: (webhook: ReceivedWebhook) => boolean,
    timeoutMs?: number,
  ): Promise<ReceivedWebhook>;
  waitForCount(n: number, timeoutMs?: number): Promise<ReceivedWebhook[]>;
  /** From now on verifies what arrives at `path`; the secret of `/` serves every path without its own. */
  setSecret(secret: string, path?: string): void;
  respondWith(responder: Responder): void;
  close(): Promise<void>;
}

/** A partner's webhook receiver: a real HTTP server on loopback that verifies, keeps and answers. */
export async function startWebhookReceiver(
  options: { respond?: Responder } = {},
): Promise<WebhookReceiver> {
  const requests: ReceivedWebhook[] = [];
  const secrets = new Map<string, Webhook>();
  const waiters = new Set<() => void>();
  const closing = new AbortController();
  // Every delayed answer listens to it.
  setMaxListeners(0, closing.signal);
  let respond = options.respond ?? (() => 200);
  let count = 0;

  const server = createServer((request, response) => {
    receive(request, secrets)
      .then((webhook) => {
        requests.push(webhook);
        const answer = respond(++count, webhook);
        for (const wake of waiters) wake();
        return reply(response, answer, closing.signal);
      })
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  /** Looks at once and again at each arrival; `what` names it when time runs out. */
  function arrival<T>(probe: () => T | undefined, timeoutMs: number, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        clearTimeout(timer);
        waiters.delete(wake);
        done();
      };
      const wake = () => {
        try {
          const found = probe();
          if (found !== undefined) settle(() => resolve(found));
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const timer = setTimeout(() => {
        const types = requests.map(({ event }) => event.type).join(', ');
        const message = `no ${what} within ${timeoutMs} ms; arrived: ${types || 'nothing'}`;
        settle(() => reject(new Error(message)));
      }, timeoutMs).unref();
      waiters.add(wake);
      wake();
    });
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    waitFor: (predicate, timeoutMs = 20_000) =>
      arrival(() => requests.find(predicate), timeoutMs, 'matching webhook'),
    waitForCount: (n, timeoutMs = 20_000) =>
      arrival(() => (requests.length >= n ? requests : undefined), timeoutMs, `${n} webhooks`),
    setSecret: (secret, path = '/') => void secrets.set(path, new Webhook(secret)),
    respondWith: (responder) => {
      respond = responder;
      count = 0;
    },
    close: () =>
      new Promise((resolve) => {
        closing.abort();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function receive(
  request: IncomingMessage,
  secrets: ReadonlyMap<string, Webhook>,
): Promise<ReceivedWebhook> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const receivedAtMs = performance.now();
  const rawBody = Buffer.concat(chunks).toString('utf8');
  const path = new URL(request.url ?? '/', 'http://receiver').pathname;
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  );
  const secret = secrets.get(path) ?? secrets.get('/');
  return {
    path,
    headers,
    rawBody,
    event: parse(rawBody),
    receivedAt: new Date(),
    receivedAtMs,
    verified: secret && verifies(secret, rawBody, headers),
  };
}

function verifies(secret: Webhook, rawBody: string, headers: Record<string, string>): boolean {
  try {
    secret.verify(rawBody, headers, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}

/** A body that is not JSON is kept as an event without a name, so that a test can still look at it. */
function parse(rawBody: string): ReceivedEvent {
  try {
    return JSON.parse(rawBody) as ReceivedEvent;
  } catch {
    return { id: '', type: '' };
  }
}

async function reply(
  response: ServerResponse,
  answer: Response,
  closing: AbortSignal,
): Promise<void> {
  const { status, headers, delayMs, body } =
    typeof answer === 'number' ? { status: answer } : answer;
  if (delayMs !== undefined) await delay(delayMs, undefined, { signal: closing });
  response.writeHead(status, headers).end(body);
}
