import type { FastifyRequest } from 'fastify';
import { send, type Tx } from '../database/transactions.js';
import { commandEntry, type CommandAnswer } from './request-entry.js';
import { writeEntry } from './sql/write.js';

/** Puts a change on record in its transaction; the entry travels with whatever is sent next, the commit mostly. */
export function recordCommand(tx: Tx, request: FastifyRequest, answer: CommandAnswer): void {
  const entry = commandEntry(request, answer);
  send(tx, writeEntry, [
    entry.action,
    entry.actor,
    entry.onBehalfOf,
    entry.keyId,
    entry.practiceId,
    entry.subject,
    entry.patientIds,
    entry.ip,
    entry.correlationId,
    JSON.stringify(entry.detail),
  ]);
}
