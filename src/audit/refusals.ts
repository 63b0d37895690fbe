import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { Journal } from './journal.js';
import { refusalEntry } from './request-entry.js';
import { Thinning } from './thinning.js';

/** By address, where no key was valid; more tells nothing that the first one does not. */
const strangersAMinute = 1;
/** By key and route: somebody who tries ids out is to be seen, and is not to fill the trail. */
const callersAMinute = 60;

/**
 * Records what was refused: requests without a valid key, and what an application or partner may not do or know of.
 * Nobody waits for it, since nothing was told.
 */
export function recordRefusals(app: NestFastifyApplication): void {
  const journal = app.get(Journal);
  const strangers = new Thinning(strangersAMinute);
  const callers = new Thinning(callersAMinute);
  const server = app.getHttpAdapter().getInstance();
  server.addHook('onResponse', (request, reply, done) => {
    done();
    if (!isRefusal(request, reply.statusCode)) return;
    const unrecorded = request.caller
      ? callers.admit(`${request.caller.keyId} ${request.routeOptions.url}`, performance.now())
      : strangers.admit(request.ip, performance.now());
    if (unrecorded === undefined) return;
    const entry = refusalEntry(request, reply.statusCode);
    journal.note(unrecorded > 0 ? { ...entry, detail: { ...entry.detail, unrecorded } } : entry);
  });
}

// To the operator a 404 means that there is nothing.
function isRefusal({ caller }: FastifyRequest, status: number): boolean {
  if (!caller) return status === 401;
  return caller.kind !== 'operator' && (status === 403 || status === 404);
}
