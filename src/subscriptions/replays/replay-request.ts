import { unknownTypes } from '../../events/catalog/unknown-types.js';
import { Problem, type ProblemError } from '../../platform/http/problem.js';
import { idFloor } from '../../database/time-ids.js';
import { defaultStatuses, replayedStatuses, type NewReplay } from './replay.dto.js';
import type { Selection } from './replay-finder.js';

/** What was asked for, as it is kept. */
export interface ReplayRequest {
  from: string | null;
  to: string | null;
  eventTypes: string[] | null;
  status: string[];
}

/** @throws Problem 422 with every fault at once. */
export function requestOf({ from, to, eventTypes, status, missing }: NewReplay): ReplayRequest {
  const errors: ProblemError[] = [];
  const fault = (pointer: string, code: string, detail: string) =>
    errors.push({ pointer, code, detail });
  if (from !== undefined && to !== undefined && Date.parse(from) >= Date.parse(to)) {
    fault('/to', 'not_after_from', 'to must lie after from.');
  }
  // What would send everything once more is more likely a forgotten field than meant.
  if ((from ?? to ?? eventTypes ?? status) === undefined && !missing) {
    fault(
      '/from',
      'nothing_chosen',
      'Say what to replay: from or to, eventTypes, status such as ["dead"], or "missing": true.',
    );
  }
  if (missing && status) {
    fault(
      '/status',
      'not_with_missing',
      'What is missing has no status, or is dead: leave it out.',
    );
  }
  errors.push(...unknownTypes(eventTypes ?? [], (i) => ({ pointer: `/eventTypes/${i}` })));
  for (const [i, name] of (status ?? []).entries()) {
    if ((replayedStatuses as readonly string[]).includes(name)) continue;
    fault(`/status/${i}`, 'unknown_status', `status must be of ${replayedStatuses.join(', ')}.`);
  }
  if (errors.length > 0) {
    throw new Problem(422, 'validation_failed', 'The request is understood but not valid.', {
      errors,
    });
  }
  return {
    from: from ?? null,
    to: to ?? null,
    eventTypes: eventTypes ?? null,
    status: missing ? ['dead'] : (status ?? defaultStatuses),
  };
}

/** What an open replay is of. Nothing made after it was asked for: that comes by itself. */
export function selectionOf(replay: {
  endpointId: string;
  request: ReplayRequest;
  missing: boolean;
  createdAt: Date;
}): Selection {
  const { from, to, eventTypes, status } = replay.request;
  const end = to !== null && new Date(to) < replay.createdAt ? to : replay.createdAt;
  return {
    endpointId: replay.endpointId,
    fromId: from === null ? null : idFloor(from),
    toId: idFloor(end),
    types: eventTypes,
    statuses: status,
    missing: replay.missing,
  };
}
