/** What a request did, as the trail names it. */
export interface Action {
  /** `{resource}.{verb}`. */
  name: string;
  /** What it was about, as `patients/{id}`; null where it was about no one thing. */
  subject: string | null;
}

/**
 * Names what a request does after its route, so that a new route needs nothing of its own: `GET …/patients/:patientId`
 * is `patient.read` of `patients/{id}`, a list `patient.read` of what the list belongs to, `POST …/patients`
 * `patient.created`, `POST …/appointments/:appointmentId/check-in` `appointment.check_in`.
 *
 * @param pattern the route, as `/v1/practices/:practiceId/patients/:patientId`
 * @param made what a POST has made, by its id where it has one; absent where it made nothing
 */
export function actionOf(
  method: string,
  pattern: string,
  params: Readonly<Record<string, string | undefined>>,
  made?: { id?: string },
): Action {
  const segments = pattern.split('/').filter((segment) => segment && segment !== 'v1');
  const lastParam = segments.findLastIndex((segment) => segment.startsWith(':'));
  const rest = segments.slice(lastParam + 1);
  const owner = lastParam > 0 ? segments[lastParam - 1]! : undefined;
  const ownerId = lastParam > 0 ? params[segments[lastParam]!.slice(1)] : undefined;
  const subject = owner && ownerId ? `${owner}/${ownerId}` : null;
  const read = method === 'GET' || method === 'HEAD';
  const resource = rest.at(-1);
  if (resource === undefined) {
    return {
      name: `${singular(owner ?? 'hub')}.${read ? 'read' : verbOf(method, owner)}`,
      subject,
    };
  }
  if (read) return { name: `${singular(resource)}.read`, subject };
  if (made) {
    return {
      name: `${singular(resource)}.created`,
      subject: made.id ? `${resource}/${made.id}` : subject,
    };
  }
  return { name: `${singular(owner ?? resource)}.${snake(rest.join('_'))}`, subject };
}

/** What opens access is not deleted: it is kept, and opens nothing any more. */
const revocable = new Set(['keys', 'grants']);

function verbOf(method: string, resource = ''): string {
  if (method === 'PATCH') return 'changed';
  if (method === 'DELETE') return revocable.has(resource) ? 'revoked' : 'deleted';
  return snake(method.toLowerCase());
}

function singular(plural: string): string {
  return snake(plural.replace(/ies$/, 'y').replace(/(?<!s)s$/, ''));
}

function snake(name: string): string {
  return name.replaceAll('-', '_');
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const patientInText = /"patientId":"([0-9a-f-]{36})"/g;

/** What an answer tells of whom. */
export interface Told {
  /** Every patient it says something of, each once. */
  patientIds: string[];
  /** Of a list: how much is in it. */
  count?: number;
  /** Of a list that is not of patients: what is in it. */
  ids?: string[];
}

/**
 * Whom an answer tells of, by its ids alone.
 * @param resource what the route gives, as its last name: `patients`
 * @param answer a resource, a page of them, an event, a page of events, or such a page as the text that is sent
 */
export function toldBy(resource: string, answer: unknown): Told {
  if (typeof answer === 'string') {
    const ids = [...answer.matchAll(patientInText)].map(([, id]) => id!);
    return { patientIds: [...new Set(ids)] };
  }
  const list = memberOf(answer, 'data');
  if (!Array.isArray(list)) return { patientIds: given([patientOf(resource, answer)]) };
  const patientIds = given(list.map((item) => patientOf(resource, item)));
  const told: Told = { patientIds, count: list.length };
  if (patientIds.length > 0) return told;
  return { ...told, ids: given(list.map((item) => idIn(item, 'id'))) };
}

function patientOf(resource: string, item: unknown): string | undefined {
  if (resource === 'patients') return idIn(item, 'id');
  // Of an event the data tells, which an endpoint's feed has within `event`.
  const event = memberOf(item, 'event') ?? item;
  return idIn(item, 'patientId') ?? idIn(memberOf(event, 'data'), 'patientId');
}

function given(ids: readonly (string | undefined)[]): string[] {
  return [...new Set(ids.filter((id) => id !== undefined))];
}

function idIn(value: unknown, name: string): string | undefined {
  const id = memberOf(value, name);
  return typeof id === 'string' && uuid.test(id) ? id : undefined;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
