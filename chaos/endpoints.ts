import type { LoggedEvent, Stream } from './evaluate.js';
import { reminderLeadMinutes } from './facts.js';
import type { Stage } from './stage.js';

const practiceCount = 8;
const setUpWithinMs = 60_000;
/** What happens in practices; what the hub says about endpoints themselves is not compared with facts. */
const families = ['account', 'patient', 'appointment', 'charge', 'payment', 'adjustment'];

interface Kind {
  name: string;
  ordering: Stream['ordering'];
  families: readonly string[];
  /** Of the run's practices; absent: all. */
  practices?: number;
}

const kinds: readonly Kind[] = [
  { name: 'everything', ordering: 'none', families },
  { name: 'by subject', ordering: 'subject', families },
  { name: 'by practice', ordering: 'practice', families },
  { name: 'some of it', ordering: 'none', families: ['payment', 'appointment'], practices: 3 },
];

/** Practices that remind half an hour ahead, of which the run's facts are. */
export async function makePractices(stage: Stage): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < practiceCount) {
    const { id } = await made(stage, '/v1/practices', {
      name: 'Elm Street Dental',
      kind: 'dental',
      timeZone: 'America/Chicago',
      currency: 'USD',
      reminderRules: [{ leadMinutes: reminderLeadMinutes }],
    });
    ids.push(id);
  }
  return ids;
}

/** Endpoints of each ordering at paths of the receiver, before anything happens. */
export async function makeEndpoints(
  stage: Stage,
  practiceIds: readonly string[],
): Promise<Stream[]> {
  const streams: Stream[] = [];
  for (const { name, ordering, families, practices } of kinds) {
    const path = `/${name.replaceAll(' ', '-')}`;
    const own = practices === undefined ? undefined : practiceIds.slice(0, practices);
    const { id, secret } = await made(stage, '/v1/endpoints', {
      url: `${stage.receiver.url}${path}`,
      eventTypes: families.map((family) => `${family}.*`),
      description: name,
      ordering,
      // What fails comes again within seconds, and is not given up before the run is over.
      retrySchedule: 'quick',
      ...(own && { practiceIds: own }),
    });
    stage.receiver.trust(path, secret!);
    streams.push({
      id,
      name,
      ordering,
      lastSequence: 0,
      wants: (event: LoggedEvent) =>
        families.includes(event.type.split('.')[0]!) &&
        (own === undefined || own.includes(event.practiceId ?? '')),
      arrivals: stage.receiver.arrivals(path),
    });
  }
  return streams;
}

async function made(
  { api }: Stage,
  path: string,
  body: object,
): Promise<{ id: string; secret?: string }> {
  const answer = await api.ask('POST', path, { body, withinMs: setUpWithinMs });
  if (answer.status !== 201) {
    throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
  return answer.body;
}
