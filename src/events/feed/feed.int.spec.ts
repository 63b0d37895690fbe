import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { eventually } from '../../../test/support/eventually.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';

let hub: TestHub;
let elm: string;
let oak: string;

beforeAll(async () => {
  hub = await startTestHub();
  const practice = { name: 'Elm', kind: 'dental', timeZone: 'America/Chicago', currency: 'USD' };
  elm = (await hub.api('POST', '/v1/practices', practice)).body.id;
  oak = (await hub.api('POST', '/v1/practices', practice)).body.id;
});
afterAll(() => hub.close());

async function follow(path: string): Promise<any[]> {
  const all: any[] = [];
  for (let cursor = ''; ;) {
    const { body } = await hub.api('GET', `${path}${cursor && `&after=${cursor}`}`);
    all.push(...body.data);
    if (body.data.length === 0) return all;
    cursor = body.nextCursor;
  }
}

describe('the feed', () => {
  it('shows every event once, page by page, in log order', async () => {
    const ids = [
      ...(await emitPatientCreated(hub, elm, 5)),
      ...(await emitPatientCreated(hub, oak, 5)),
    ];
    // Transactions of other databases on the server hold the horizon back for a moment.
    await eventually(async () =>
      expect((await follow('/v1/events?limit=3')).map(({ id }) => id)).toEqual(ids),
    );
    const ofOak = await follow(`/v1/events?limit=2&practiceIds=${oak}&eventTypes=patient.*`);
    expect(ofOak.map(({ id }) => id)).toEqual(ids.slice(5));
    expect(await follow('/v1/events?limit=2&eventTypes=payment.*')).toEqual([]);
  });

  it('goes on from the Hub-Position of a list', async () => {
    const { headers } = await hub.api('GET', `/v1/practices/${elm}/patients`);
    const [id] = await emitPatientCreated(hub, elm);
    const position = headers.get('hub-position');
    const { body } = await hub.api('GET', `/v1/events?after=${position}&wait=20`);
    expect(body.data.map((event: { id: string }) => event.id)).toEqual([id]);
  });

  it('waits for the next event and answers as soon as it is there', async () => {
    const { nextCursor } = (await hub.api('GET', '/v1/events?limit=200')).body;
    const waiting = hub.api('GET', `/v1/events?after=${nextCursor}&wait=30`);
    const [id] = await emitPatientCreated(hub, elm);
    const { body } = await waiting;
    expect(body.data.map((event: { id: string }) => event.id)).toEqual([id]);
  });

  it('gives a cursor where there is nothing, and says when one is no good', async () => {
    const { nextCursor } = (await hub.api('GET', '/v1/events?limit=200')).body;
    expect((await hub.api('GET', `/v1/events?after=${nextCursor}`)).body).toEqual({
      data: [],
      nextCursor,
    });
    const ahead = await hub.api('GET', '/v1/events?after=1.99999999999.1');
    expect(ahead).toMatchObject({ status: 410, body: { code: 'cursor_ahead' } });
    const nonsense = await hub.api('GET', '/v1/events?after=nonsense');
    expect(nonsense.body.errors).toMatchObject([{ parameter: 'after', code: 'unknown_cursor' }]);
    expect((await hub.api('GET', '/v1/events?limit=201')).status).toBe(422);
    expect((await hub.api('GET', '/v1/events?practiceIds=x')).status).toBe(422);
  });

  it('refuses types that the hub never emits, in the words that endpoints have', async () => {
    for (const types of ['nonsense.x', 'patient.*,pat.*', 'patient*', '']) {
      const { status, body } = await hub.api('GET', `/v1/events?eventTypes=${types}`);
      expect({ types, status }).toEqual({ types, status: 422 });
      if (types === '') continue;
      expect(body.errors).toMatchObject([{ parameter: 'eventTypes', code: 'unknown_event_type' }]);
    }
  });

  it('shows one event by its id, and nothing of an unknown one', async () => {
    const [id] = await emitPatientCreated(hub, elm);
    expect((await hub.api('GET', `/v1/events/${id}`)).body).toMatchObject({ id, practiceid: elm });
    expect((await hub.api('GET', `/v1/events/${elm}`)).status).toBe(404);
  });

  it('links to a schema that its data match', async () => {
    const [id] = await emitPatientCreated(hub, elm);
    const event = (await hub.api('GET', `/v1/events/${id}`)).body;
    const schema = await hub.api('GET', event.dataschema);
    const ajv = new Ajv2020({ strict: false });
    ajvFormats.default(ajv);
    expect(ajv.validate(schema.body, event.data)).toBe(true);
    const thin = await hub.api('GET', event.dataschema.replace('mode=full', 'mode=thin'));
    expect(Object.keys(thin.body.properties)).toContain('links');
    expect(Object.keys(thin.body.properties)).not.toContain('givenName');
  });

  it('lists the catalogue', async () => {
    const { body } = await hub.api('GET', '/v1/event-types');
    expect(body.data.map(({ type }: { type: string }) => type)).toContain('payment.posted');
    expect((await hub.api('GET', '/v1/event-types/patient.created')).body.version).toBe(1);
    expect((await hub.api('GET', '/v1/event-types/no.such')).status).toBe(404);
    const none = await hub.api('GET', '/v1/event-types/patient.created/versions/2/schema');
    expect(none.status).toBe(404);
  });
});

describe('health and metrics', () => {
  it('are open to all, but name other sessions to the operator only', async () => {
    const open = (await (await fetch(`${hub.url}/health/ready`)).json()) as object;
    expect(open).toMatchObject({
      status: 'up',
      database: { up: true },
      bus: { bus: 'log', up: true },
    });
    expect(open).not.toHaveProperty('horizonHeldBy');
    expect((await hub.api('GET', '/health/ready')).body.horizonHeldBy).toEqual([]);
    expect(await (await fetch(`${hub.url}/metrics`)).text()).toContain('hub_http_requests_total');
  });
});
