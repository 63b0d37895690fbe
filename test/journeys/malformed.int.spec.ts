import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { openApiDocument } from '../../src/platform/http/open-api.js';
import { attacksOn, operationsOf, type Attack } from '../support/malformed.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { someThings } from '../support/things.js';

/*
 * Nobody brings the hub down, or gets more out of it than a problem, by what they send. The requests are made from the
 * hub's own document; `FUZZ_SEED=… FUZZ_RUNS=…` looks further than every run of the tests does.
 */

jest.setTimeout(600_000);

const seed = Number(process.env.FUZZ_SEED ?? 20_261_124);
const runs = Number(process.env.FUZZ_RUNS ?? 30);

let hub: TestHub;
let known: Record<string, string>;

beforeAll(async () => {
  hub = await startTestHub({ settings: { HUB_API_RATE_LIMIT: '0' } });
  ({ known } = await someThings(hub));
});
afterAll(() => hub.close());

async function sent({ method, path, headers, body }: Attack): Promise<Response> {
  return fetch(`${hub.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${hub.key}`, ...headers },
    ...(body && { body: new Uint8Array(body) }),
    signal: AbortSignal.timeout(30_000),
  });
}

async function factsSoFar(): Promise<number> {
  const { rows } = await hub.database.query(
    `select count(*)::int as count from events where actor not like 'system/%'`,
  );
  return rows[0].count;
}

it('answers whatever it is sent with what was asked for or a problem, and what it refuses changes nothing', async () => {
  const operations = operationsOf(openApiDocument(hub.app));
  expect(operations.length).toBeGreaterThan(60);
  for (const operation of operations) {
    const before = await factsSoFar();
    let refusedAll = true;
    for (const attack of fc.sample(attacksOn(operation, known), { seed, numRuns: runs })) {
      const answer = await sent(attack);
      const text = await answer.text();
      const shown = { ...attack, body: attack.body?.toString('latin1').slice(0, 300) };
      // A hub that is not ready says so with 503; nothing else may be the hub's own fault.
      const isFault = answer.status >= 500;
      expect({ ...shown, status: answer.status, isFault }).toEqual({
        ...shown,
        status: answer.status,
        isFault: false,
      });
      if (answer.status < 400) {
        refusedAll = false;
        continue;
      }
      const { headers } = answer;
      expect({ ...shown, text, type: headers.get('content-type') }).toEqual({
        ...shown,
        text,
        type: expect.stringContaining('application/problem+json'),
      });
      const problem = JSON.parse(text);
      expect(problem).toMatchObject({
        status: answer.status,
        code: expect.stringMatching(/^[a-z_]+$/),
        detail: expect.any(String),
        requestId: expect.any(String),
      });
      expect(text).not.toMatch(/node_modules|\.ts:\d|\bat \w+ \(|select |insert /i);
      expect(headers.get('x-injected')).toBeNull();
    }
    if (refusedAll) {
      expect({ ...operation, facts: await factsSoFar() }).toEqual({ ...operation, facts: before });
    }
  }
  expect(({} as Record<string, unknown>).isAdmin).toBeUndefined();
});
