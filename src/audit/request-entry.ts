import { isUUID } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import { actionOf, toldBy } from './action.rules.js';
import type { NewEntry } from './audit-entry.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** What else the trail says of this request: `readMode` and `purpose` of a grant, say. Never patient data. */
    auditNote?: Record<string, string>;
  }
}

/** An answer as commands give it. */
export interface CommandAnswer {
  status: number;
  body: object | null;
  replayed: boolean;
}

/** Names of the fields of a body are the hub's own, since bodies are checked; whatever else is there is no name. */
const fieldName = /^[A-Za-z]\w{0,63}$/;
const created = 201;

/** The entry of a read, made from what is about to be answered. */
export function readEntry(request: FastifyRequest, answer: unknown): NewEntry {
  const { pattern, params } = routeOf(request);
  const { name, subject } = actionOf(request.method, pattern, params);
  const { patientIds, ...counted } = toldBy(resourceOf(pattern), answer);
  return {
    ...originOf(request),
    action: name,
    subject,
    practiceId: params.practiceId ?? idIn(answer, 'practiceId'),
    patientIds: withThatOf(params, patientIds),
    detail: { route: pattern, ...counted, ...request.auditNote },
  };
}

/** The entry of a change, made from what the command answers; written in the command's transaction. */
export function commandEntry(request: FastifyRequest, answer: CommandAnswer): NewEntry {
  const { pattern, params } = routeOf(request);
  const { body, status, replayed } = answer;
  const made = status === created ? { id: idIn(body, 'id') } : undefined;
  const { name, subject } = actionOf(request.method, pattern, params, made);
  const isPractice = resourceOf(pattern) === 'practices';
  const version = (body as { version?: unknown } | null)?.version;
  const fields = Object.keys((request.body as object | null) ?? {}).filter((field) =>
    fieldName.test(field),
  );
  return {
    ...originOf(request),
    action: name,
    subject,
    practiceId:
      params.practiceId ?? idIn(body, 'practiceId') ?? (isPractice ? made?.id : undefined),
    patientIds: withThatOf(params, toldBy(resourceOf(pattern), body).patientIds),
    detail: {
      route: `${request.method} ${pattern}`,
      ...(typeof version === 'number' && { version }),
      ...(fields.length > 0 && { fields }),
      // Nothing was changed, and the same answer given out again.
      ...(replayed && { replayed }),
      ...request.auditNote,
    },
  };
}

/** The entry of a request that was refused. */
export function refusalEntry(request: FastifyRequest, status: number): NewEntry {
  const { pattern, params } = routeOf(request);
  const { subject } = actionOf(request.method, pattern, params);
  return {
    ...originOf(request),
    action: 'access.refused',
    subject,
    practiceId: params.practiceId,
    detail: { route: `${request.method} ${pattern}`, status },
  };
}

function originOf(
  request: FastifyRequest,
): Pick<NewEntry, 'actor' | 'onBehalfOf' | 'keyId' | 'ip' | 'correlationId'> {
  const { caller, ip, id } = request;
  return {
    actor: caller?.actor ?? 'unknown',
    onBehalfOf: caller?.onBehalfOf,
    keyId: caller?.keyId,
    ip,
    correlationId: id,
  };
}

type Params = Record<string, string | undefined>;

/** The route, and the ids in its path; what somebody wrote there that is no id is left out. */
function routeOf(request: FastifyRequest): { pattern: string; params: Params } {
  const params = Object.entries((request.params ?? {}) as Params)
    .filter(([, value]) => value !== undefined && isUUID(value))
    .map(([name, value]) => [name, value!.toLowerCase()] as const);
  return { pattern: request.routeOptions.url ?? '', params: Object.fromEntries(params) };
}

/** What a route is about: its last name. */
function resourceOf(pattern: string): string {
  return pattern.split('/').findLast((segment) => segment && !segment.startsWith(':')) ?? '';
}

function withThatOf({ patientId }: Params, patientIds: string[]): string[] | null {
  if (patientId && !patientIds.includes(patientId)) return [patientId, ...patientIds];
  return patientIds.length > 0 ? patientIds : null;
}

function idIn(body: unknown, name: string): string | undefined {
  const id = (body as Record<string, unknown> | null | undefined)?.[name];
  return typeof id === 'string' ? id : undefined;
}
