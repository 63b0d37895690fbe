import type { LookupAddress } from 'node:dns';
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { isAllowed, isWithin, type Cidr } from './outbound-address.js';

/** Resolves a name to all of its addresses; rejects with a DNS error code. */
export type Lookup = (hostname: string) => Promise<LookupAddress[]>;

/** As the operating system does it. */
export const systemLookups: Lookup = (hostname) => systemLookup(hostname, { all: true });

export interface ConnectorOptions {
  allowNetworks: readonly Cidr[];
  /** Upper bound of resolving, connecting and the TLS handshake together. */
  timeoutMs: number;
  lookup?: Lookup;
  /** PEM certificates trusted instead of Node's own list. */
  ca?: string | string[];
}

/** Codes of a machine that has no descriptor, buffer or memory left. They must not count as the receiver's failure. */
export const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/** Why there is no connection. The message holds an error code at most: no address, no certificate text. */
export class ConnectFailure extends Error {
  override readonly name = 'ConnectFailure';

  constructor(
    readonly outcome: 'blocked_address' | 'dns_error' | 'timeout' | 'connect_error' | 'tls_error',
    message: string,
  ) {
    super(message);
  }
}

/**
 * Opens connections only to addresses a webhook may reach.
 *
 * The name is resolved here, all of its addresses are checked, and the socket is given exactly the checked
 * list: there is no second resolution between check and use that a hostile name server could answer
 * otherwise (DNS rebinding). One forbidden address refuses the whole name, so that the outcome does not
 * depend on which address is tried first. Host header, SNI and certificate check keep the name.
 */
export function checkedConnector(options: ConnectorOptions): buildConnector.connector {
  const resolve = sharedLookups(options.lookup ?? systemLookups);
  const isAllowedByTls = (address: string) => isAllowed(address, options.allowNetworks);
  const isAllowedPlain = (address: string) => isWithin(address, options.allowNetworks);

  const connectorFor = (permits: (address: string) => boolean) => {
    const connect = buildConnector({
      timeout: options.timeoutMs,
      ca: options.ca,
      lookup: checkedLookup(resolve, permits),
      autoSelectFamily: true,
      // Node's 250 ms gives up on a distant first address before its handshake can have come back.
      autoSelectFamilyAttemptTimeout: 500,
    });
    const connector: buildConnector.connector = (target, callback) => {
      // For a literal address no lookup is ever called, so this is its only check.
      if (isIP(target.hostname) !== 0 && !permits(target.hostname)) {
        queueMicrotask(() => callback(blocked(), null));
        return;
      }
      connect(target, (...[error, socket]) => {
        if (error === null) callback(null, socket);
        else callback(connectFailure(error, target.protocol), null);
      });
    };
    return connector;
  };

  const tlsConnector = connectorFor(isAllowedByTls);
  const plainConnector = connectorFor(isAllowedPlain);
  return (target, callback) =>
    (target.protocol === 'https:' ? tlsConnector : plainConnector)(target, callback);
}

/**
 * Connections that open at the same time share one resolution. `getaddrinfo` occupies one of libuv's few
 * threads, and a hundred connections to one slow name server would take them from every other endpoint.
 */
function sharedLookups(lookup: Lookup): Lookup {
  const running = new Map<string, Promise<LookupAddress[]>>();
  return (hostname) => {
    let lookingUp = running.get(hostname);
    if (lookingUp === undefined) {
      lookingUp = lookup(hostname).finally(() => running.delete(hostname));
      running.set(hostname, lookingUp);
    }
    return lookingUp;
  };
}

function checkedLookup(resolve: Lookup, permits: (address: string) => boolean): LookupFunction {
  return (hostname, { all }, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses;
        if (first === undefined) callback(unresolved('ENODATA'), '');
        else if (!addresses.every(({ address }) => permits(address))) callback(blocked(), '');
        else if (all === true) callback(null, addresses);
        else callback(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) =>
        callback(EXHAUSTED.has(error.code ?? '') ? error : unresolved(error.code), ''),
    );
  };
}

function blocked(): ConnectFailure {
  return new ConnectFailure(
    'blocked_address',
    'the host is, or resolves to, an address that webhooks may not reach this way',
  );
}

function unresolved(code = 'EAI_FAIL'): ConnectFailure {
  return new ConnectFailure('dns_error', `the host name cannot be resolved (${code})`);
}

function connectFailure(error: NodeJS.ErrnoException, protocol: string): Error {
  const { code = 'unknown', syscall } = error;
  if (error instanceof ConnectFailure || EXHAUSTED.has(code)) return error;
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
    return new ConnectFailure('timeout', 'no connection in time');
  }
  // Several addresses were tried (AggregateError), or the system call names the step that failed. Any
  // other error of a TLS connection comes from the handshake: OpenSSL codes, certificate checks, an end.
  const isTcp = error.name === 'AggregateError' || syscall === 'connect';
  return protocol === 'https:' && !isTcp
    ? new ConnectFailure('tls_error', `the TLS handshake failed (${code})`)
    : new ConnectFailure('connect_error', `the connection failed (${code})`);
}
