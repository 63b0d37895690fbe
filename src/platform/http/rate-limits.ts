import rateLimit from '@fastify/rate-limit';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import ipaddr from 'ipaddr.js';
import { Callers } from '../access/callers.js';
import { Settings } from '../settings.js';
import { tooMany } from './problem.js';

/** Requests with keys that open nothing, from one address in a minute. */
export const mostFailures = 60;
const failureWindowMs = 60_000;
const windowMs = 1000;
/** Keys and addresses that are counted at a time, so that made-up ones take no more memory. */
const mostCounted = 20_000;

/** Asked by who watches over the hub, and often. */
const unlimited = /^\/(health|metrics)(\/|$)/;

/**
 * Limits what each key may ask in a second, before anything is done for it, and how often an address may try keys that
 * open nothing; a valid key is let in from there all the same. Each hub counts for itself. A request counts by the
 * route that the router found and the key that it holds, so that no other spelling of either is a way round.
 */
export async function limitRates(app: NestFastifyApplication): Promise<void> {
  const perSecond = app.get(Settings).apiRateLimit;
  if (perSecond === 0) return;
  const callers = app.get(Callers);
  await app.register(rateLimit, { global: false, cache: mostCounted });
  const server = app.getHttpAdapter().getInstance();
  const ofKey = server.createRateLimit({
    max: perSecond,
    timeWindow: windowMs,
    keyGenerator: async ({ headers, ip }) =>
      (await callers.keyNameOf(headers.authorization)) ?? `address ${addressOf(ip)}`,
  });
  const ofFailures = server.createRateLimit({
    max: mostFailures,
    timeWindow: failureWindowMs,
    keyGenerator: ({ ip }) => `failures ${addressOf(ip)}`,
  });
  server.addHook('onRequest', async (request, reply) => {
    if (request.headers.authorization !== undefined) {
      const failures = await ofFailures(request, { increment: false });
      if (!failures.isAllowed && failures.remaining === 0) {
        request.suspectFor = failures.ttlInSeconds;
      }
    }
    if (unlimited.test(request.routeOptions.url ?? '')) return;
    const limit = await ofKey(request);
    if (limit.isAllowed) return;
    const { max, remaining, ttlInSeconds } = limit;
    // draft-ietf-httpapi-ratelimit-headers, 10.
    void reply.header('ratelimit-policy', `"key";q=${max};w=${windowMs / 1000}`);
    void reply.header('ratelimit', `"key";r=${remaining};t=${ttlInSeconds}`);
    if (!limit.isExceeded) return;
    throw tooMany(`A key may make ${max} requests a second.`, ttlInSeconds);
  });
  server.addHook('onSend', async (request) => {
    // A request without a key guesses none. Health answers a wrong one as it answers nobody, and it is a guess.
    if (request.openedNothing) await ofFailures(request);
  });
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Too many keys that open nothing came from its address; for so many seconds more. */
    suspectFor?: number;
    /** It brought a key that opens nothing. */
    openedNothing?: boolean;
  }
}

/** Whom an address is counted for: who holds one address of IPv6 holds at least 2^64 (RFC 6177). */
export function addressOf(ip: string): string {
  if (!ipaddr.isValid(ip)) return ip;
  const address = ipaddr.process(ip);
  if (address.kind() === 'ipv4') return address.toString();
  return (address as ipaddr.IPv6).parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':');
}
