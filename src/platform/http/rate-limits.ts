import rateLimit from '@fastify/rate-limit';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { hashOfKey } from '../access/api-key.js';
import { Settings } from '../settings.js';
import { Problem } from './problem.js';

/** Requests with keys that open nothing, from one address in a minute. */
export const mostFailures = 60;
const failureWindowMs = 60_000;
const windowMs = 1000;
/** Keys and addresses that are counted at a time, so that made-up ones take no more memory. */
const mostCounted = 20_000;

/**
 * Limits what each key may ask in a second, before anything is done for it, and how often an address may try keys that
 * open nothing; a valid key is let in from there all the same. Each hub counts for itself.
 */
export async function limitRates(app: NestFastifyApplication): Promise<void> {
  const perSecond = app.get(Settings).apiRateLimit;
  if (perSecond === 0) return;
  await app.register(rateLimit, { global: false, cache: mostCounted });
  const server = app.getHttpAdapter().getInstance();
  const ofKey = server.createRateLimit({
    max: perSecond,
    timeWindow: windowMs,
    keyGenerator: callerKey,
  });
  const ofFailures = server.createRateLimit({
    max: mostFailures,
    timeWindow: failureWindowMs,
    keyGenerator: ({ ip }) => `failures ${ip}`,
  });
  server.addHook('onRequest', async (request, reply) => {
    if (!request.url.startsWith('/v1/')) return;
    const failures = await ofFailures(request, { increment: false });
    if (!failures.isAllowed && failures.remaining === 0) request.isSuspect = failures.ttlInSeconds;
    const limit = await ofKey(request);
    if (limit.isAllowed) return;
    const { max, remaining, ttlInSeconds } = limit;
    // draft-ietf-httpapi-ratelimit-headers, 10.
    void reply.header('ratelimit-policy', `"key";q=${max};w=${windowMs / 1000}`);
    void reply.header('ratelimit', `"key";r=${remaining};t=${ttlInSeconds}`);
    if (!limit.isExceeded) return;
    throw tooMany(`A key may make ${max} requests a second.`, ttlInSeconds);
  });
  server.addHook('onSend', async (request, reply) => {
    // A request without a key guesses none.
    if (reply.statusCode === 401 && request.headers.authorization) await ofFailures(request);
  });
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Too many keys that open nothing came from its address; for so many seconds more. */
    isSuspect?: number;
  }
}

/** A refusal for now. */
export function tooMany(detail: string, retryAfterSeconds: number): Problem {
  return new Problem(429, 'rate_limited', `${detail} Try again in ${retryAfterSeconds} s.`, {
    retryAfterSeconds,
  });
}

/** The key as far as it is told apart here, or where there is none the address. Digests, so that no key lies about. */
function callerKey({ headers, ip }: FastifyRequest): string {
  const { authorization } = headers;
  return authorization ? hashOfKey(authorization).toString('base64') : `address ${ip}`;
}
