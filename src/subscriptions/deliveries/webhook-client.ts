import { Agent } from 'undici';
import { checkedConnector, systemLookups, type Lookup } from './checked-connector.js';
import { parseNetworks, type Cidr } from './outbound-address.js';
import { PlainHosts } from './plain-host.js';
import { WebhookExchange, type SendResult } from './webhook-exchange.js';
import type { KeepResponse } from './response-snippet.js';
import { parseWebhookUrl, validateWebhookUrl } from './webhook-url.js';

const MAX_RESPONSE_HEADER_BYTES = 16 * 1024;
const MAX_KEEP_ALIVE_MS = 30_000;
/** A busy connection is renewed now and then, so that a changed DNS answer is followed and checked. */
const REQUESTS_PER_CONNECTION = 10_000;

export interface WebhookClientOptions {
  /** CIDR networks that may be reached besides public addresses, and the only ones over plain http. */
  allowNetworks?: readonly string[];
  /** Bound of a whole request, from resolving the name to the last byte of the answer; default 15,000. */
  timeoutMs?: number;
  /** Bytes of an answer that are read before its connection is dropped; default 64 KB. */
  maxResponseBytes?: number;
  /** Idle time after which a connection is closed, and with its last one all memory of the origin; default 4,000. */
  idleTimeoutMs?: number;
  /** Resolves names; default the operating system. For tests. */
  lookup?: Lookup;
  /** PEM certificates to trust instead of Node's list. For tests; operators use NODE_EXTRA_CA_CERTS. */
  ca?: string | string[];
}

/** Where webhooks go: a URL taken apart once, so that sending to it does not parse it again. */
export interface WebhookAddress {
  /** Scheme, host and port, as `URL.origin` writes them. */
  readonly origin: string;
  readonly path: string;
}

export interface WebhookRequest {
  /** An address from `prepare` is cheaper where many webhooks go the same way. */
  url: string | WebhookAddress;
  /** Names in any case. `host`, `content-length` and hop-by-hop headers belong to the client. */
  headers: Record<string, string>;
  body: string | Buffer;
  /** Overrides the client's bound for this request. */
  timeoutMs?: number;
  /** Whether the result tells how the answer's body begins; nothing of it is kept without this. */
  keepResponse?: KeepResponse;
}

/**
 * The only place from which the hub calls out. It reaches no address that is neither public nor allowed by
 * the operator, follows no redirect, decompresses nothing and reads no more of an answer than it must.
 */
export class WebhookClient {
  private readonly agent: Agent;
  private readonly allowNetworks: readonly Cidr[];
  private readonly plainHosts: PlainHosts;
  private readonly timeoutMs: number;
  private readonly maxResponseBytes: number;
  private inFlight = 0;
  private onDrained: (() => void) | undefined;
  private closing: Promise<void> | undefined;

  /** @throws MalformedNetwork */
  constructor(options: WebhookClientOptions = {}) {
    this.allowNetworks = parseNetworks(options.allowNetworks ?? []);
    this.plainHosts = new PlainHosts(options.lookup ?? systemLookups, this.allowNetworks);
    this.timeoutMs = options.timeoutMs ?? 15_000;
    this.maxResponseBytes = options.maxResponseBytes ?? 64 * 1024;
    this.agent = new Agent({
      connect: checkedConnector({
        allowNetworks: this.allowNetworks,
        timeoutMs: this.timeoutMs,
        lookup: options.lookup,
        ca: options.ca,
      }),
      // No bound per origin, on purpose: endpoints on one host share idle connections, but whoever finds none
      // opens its own, so that one that hangs takes nothing from its neighbours. What may be open at once is
      // bounded where fairness is known, by the lanes: an endpoint never has more connections than webhooks
      // under way.
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
      maxRequestsPerClient: REQUESTS_PER_CONNECTION,
      // The agent forgets an origin when its last connection closes, so memory follows the active origins.
      keepAliveTimeout: options.idleTimeoutMs ?? 4_000,
      keepAliveMaxTimeout: MAX_KEEP_ALIVE_MS,
      // The exchange's own timer bounds the whole; these bound only silence, at a cost per request.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /**
   * Checks a URL before an endpoint is stored. May ask a name server, and waits two seconds for it at most: not for
   * within a transaction.
   * @throws InvalidWebhookUrl
   */
  async validateUrl(url: string): Promise<void> {
    validateWebhookUrl(url, this.allowNetworks);
    await this.plainHosts.check(url);
  }

  /**
   * Takes the URL of an endpoint apart, once for all of its webhooks.
   * @throws InvalidWebhookUrl
   */
  prepare(url: string): WebhookAddress {
    const { origin, pathname, search } = parseWebhookUrl(url);
    return { origin, path: pathname + search };
  }

  /**
   * POSTs one webhook and reports what became of it. Resolves for whatever the target does.
   * Rejects only for what is the hub's own fault: a malformed URL, a header that is not the caller's to set, a
   * client that is closed, a machine that has no file descriptor or memory left for a connection.
   */
  send({
    url,
    headers,
    body,
    timeoutMs = this.timeoutMs,
    keepResponse,
  }: WebhookRequest): Promise<SendResult> {
    return new Promise((resolve, reject) => {
      const { origin, path } = typeof url === 'string' ? this.prepare(url) : url;
      // undici would take Host, and with it the server name of TLS, from here.
      for (const name in headers) {
        if (name.length === 4 && name.toLowerCase() === 'host') {
          throw new TypeError('the host header is the host of the URL');
        }
      }
      const exchange = new WebhookExchange(
        timeoutMs,
        this.maxResponseBytes,
        keepResponse,
        (result) => {
          this.ended();
          resolve(result);
        },
        (error) => {
          this.ended();
          reject(error);
        },
      );
      this.inFlight++;
      this.agent.dispatch({ origin, path, method: 'POST', headers, body }, exchange);
    });
  }

  /** Takes no more webhooks, waits for those under way (at most their time-out) and closes all connections. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      const closed = this.agent.close();
      // The agent has let go of an origin whose connections failed, but its requests may still be ending.
      if (this.inFlight > 0) await new Promise<void>((resolve) => (this.onDrained = resolve));
      await closed;
    })();
    return this.closing;
  }

  private ended(): void {
    this.inFlight--;
    if (this.inFlight === 0) this.onDrained?.();
  }
}
