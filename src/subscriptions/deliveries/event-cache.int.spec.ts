import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { aPractice } from '../../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';
import { EventCache } from './event-cache.js';

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.close());

/** What each says, or why it says nothing. */
async function read(ids: readonly string[]): Promise<string[]> {
  const { events: found } = await hub.app.get(EventCache).get(ids);
  return ids.map((id) => {
    const event = found.get(id)!;
    return event.lost ?? (event.data as { givenName: string }).givenName;
  });
}

it('opens many events as it opens one, and tells which do not open', async () => {
  const practice = await aPractice(hub);
  const ids = await emitPatientCreated(hub, practice.id, 40);
  const [one] = await read(ids.slice(0, 1));
  expect(one).toEqual(expect.any(String));
  // The first page brings the key to the thread, the second is opened there.
  for (let page = 0; page < 2; page += 1) expect(await read(ids)).toEqual(ids.map(() => one));

  await hub.database.query(`alter table events disable trigger events_append_only`);
  await hub.database.query(
    `update events set sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1) where id = $1`,
    [ids[7]],
  );
  expect(await read(ids)).toEqual(ids.map((_, i) => (i === 7 ? 'unreadable' : one)));
});
