import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';

let hub: TestHub;

beforeAll(async () => {
  hub = await startTestHub({ settings: { HUB_ALLOW_NETWORKS: '10.0.0.0/8' } });
});
afterAll(() => hub.close());

const refusal = {
  status: 422,
  body: { errors: [{ pointer: '/url', code: 'url_scheme_not_allowed' }] },
};

it('refuses plain http to a name that leads out of the allowed networks, made or changed', async () => {
  const eventTypes = ['patient.*'];
  const made = await hub.api('POST', '/v1/endpoints', { url: 'http://localhost/', eventTypes });
  expect(made).toMatchObject(refusal);
  // Over TLS an address is the business of each connection.
  const tls = await hub.api('POST', '/v1/endpoints', { url: 'https://localhost/', eventTypes });
  expect(tls.status).toBe(201);
  const path = `/v1/endpoints/${tls.body.id}`;
  const moved = await hub.api('PATCH', path, { url: 'http://localhost/' }, { 'if-match': '*' });
  expect(moved).toMatchObject(refusal);
  const both = { url: 'http://localhost/', eventTypes: ['nothing.*'] };
  const { body } = await hub.api('POST', '/v1/endpoints', both);
  expect(body.errors.map(({ pointer }: any) => pointer)).toEqual(['/url', '/eventTypes/0']);
});
