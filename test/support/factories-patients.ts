import type { Api, TestHub } from './start-hub.js';
import { readEvents } from './sealed.js';

/** A practice, so that each test has one of its own and none sees another's facts. */
export async function aPractice(hub: Api, change: object = {}): Promise<any> {
  return made(hub, '/v1/practices', {
    name: 'Elm Street Dental',
    kind: 'dental',
    timeZone: 'America/Chicago',
    currency: 'USD',
    ...change,
  });
}

/** A human patient with an account in their own name. */
export async function aPatient(
  hub: Api,
  practice: { id: string },
  change: object = {},
): Promise<any> {
  return made(hub, `/v1/practices/${practice.id}/patients`, {
    kind: 'human',
    givenName: 'Ada',
    familyName: 'Byrne',
    ...change,
  });
}

/** An animal with an account in its owner's name. */
export async function anAnimal(
  hub: Api,
  practice: { id: string },
  change: object = {},
): Promise<any> {
  return made(hub, `/v1/practices/${practice.id}/patients`, {
    kind: 'animal',
    givenName: 'Rufus',
    species: 'dog',
    ...(!('accountId' in change) && { owner: { givenName: 'Grace', familyName: 'Moor' } }),
    ...change,
  });
}

export async function anAccount(
  hub: Api,
  practice: { id: string },
  change: object = {},
): Promise<any> {
  return made(hub, `/v1/practices/${practice.id}/accounts`, {
    holder: { givenName: 'Grace', familyName: 'Moor' },
    ...change,
  });
}

/** A charge, payment or adjustment of 100.00. */
export async function anEntry(
  hub: Api,
  practice: { id: string },
  family: 'charges' | 'payments' | 'adjustments',
  change: object,
): Promise<any> {
  return made(hub, `/v1/practices/${practice.id}/${family}`, {
    amount: 10_000,
    currency: 'USD',
    ...(family === 'payments' && { method: 'card', payer: { type: 'patient' } }),
    ...(family === 'adjustments' && { kind: 'credit', reason: 'courtesy' }),
    ...change,
  });
}

async function made(hub: Api, path: string, body: object): Promise<any> {
  const answer = await hub.api('POST', path, body);
  if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

export interface LoggedEvent {
  type: string;
  subject: string;
  version: number;
  actor: string;
  data: any;
}

/** What the log holds about a practice, in its order; straight from the table, so that nothing is awaited. */
export async function loggedEvents(hub: TestHub, practice: { id: string }): Promise<LoggedEvent[]> {
  const events = await readEvents(hub.database, 'practice_id = $1', [practice.id]);
  return events.map(({ type, subject, subject_version: version, actor, data }) => ({
    type,
    subject,
    version,
    actor,
    data,
  }));
}

/** The events that `act` wrote. */
export async function eventsFrom(
  hub: TestHub,
  practice: { id: string },
  act: () => Promise<unknown>,
): Promise<LoggedEvent[]> {
  const before = await loggedEvents(hub, practice);
  await act();
  return (await loggedEvents(hub, practice)).slice(before.length);
}
