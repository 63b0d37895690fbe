import type { LoggedEvent, Stream } from './evaluate.js';
import type { Stage } from './stage.js';

const answerWithinMs = 60_000;

const logSql = `
  select id, type, subject, subject_version, practice_id, time,
         generation || '.' || xact_id::text || '.' || seq as position
  from events order by generation, xact_id, seq`;

/** The log as the database has it, in its order. */
export async function readLog(stage: Stage): Promise<LoggedEvent[]> {
  const rows = await stage.query<Record<string, never>>(logSql);
  return rows.map((row) => ({
    id: row.id!,
    type: row.type!,
    subject: row.subject!,
    subjectVersion: row.subject_version!,
    practiceId: row.practice_id ?? null,
    position: row.position!,
    timeMs: (row.time as unknown as Date).getTime(),
  }));
}

/** The ids that the feed shows, page by page, in its order. */
export async function readFeed({ api }: Stage): Promise<string[]> {
  const ids: string[] = [];
  for (let after = ''; ;) {
    const path = `/v1/events?limit=200${after}`;
    const { body } = await api.ask('GET', path, { withinMs: answerWithinMs });
    if (body.data.length === 0) return ids;
    for (const { id } of body.data) ids.push(id);
    after = `&after=${body.nextCursor}`;
  }
}

/** What the hub says of an endpoint. */
export async function readEndpoint(
  { api }: Stage,
  { id }: Pick<Stream, 'id'>,
): Promise<{ lastSequence: number; pending: number; status: string }> {
  return (await api.ask('GET', `/v1/endpoints/${id}`, { withinMs: answerWithinMs })).body;
}

/** What the hub says it has under an endpoint's numbers; see docs/manifest.md. */
export async function readManifest(
  { api }: Stage,
  { id, lastSequence }: Pick<Stream, 'id' | 'lastSequence'>,
): Promise<{ count: number; hash: string } | undefined> {
  if (lastSequence === 0) return undefined;
  const path = `/v1/endpoints/${id}/manifest?fromSequence=1&toSequence=${lastSequence}`;
  return (await api.ask('GET', path, { withinMs: answerWithinMs })).body;
}
