import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { eventually } from '../../../test/support/eventually.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';
import { accepts } from '../../../test/support/verify-webhook.js';
import {
  startWebhookReceiver,
  type ReceivedWebhook,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';
import { HousekeepingService } from '../../housekeeping/housekeeping.service.js';
import { Signals } from '../../database/signals.js';
import { shardOf } from '../deliveries/shard-owner.js';
import { secretsOf } from '../../../test/support/sealed.js';

let hub: TestHub;
let receiver: WebhookReceiver;
let endpoint: { id: string; version: number; secret: string };

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

beforeEach(async () => {
  const made = { url: `${receiver.url}/hook`, eventTypes: ['patient.*'] };
  endpoint = (await hub.api('POST', '/v1/endpoints', made)).body;
});

const path = () => `/v1/endpoints/${endpoint.id}`;

function rotate(body: object = {}, headers: Record<string, string> = {}): Promise<ApiAnswer> {
  return hub.api('POST', `${path()}/secret/rotate`, body, headers);
}

async function signingKeys(): Promise<{ kind: string; expiresAt: string | null }[]> {
  return (await hub.api('GET', path())).body.signingKeys;
}

/** A webhook as the receiver gets it now. */
async function webhook(): Promise<ReceivedWebhook> {
  const { body } = await hub.api('POST', `${path()}/test`, {});
  expect(body.outcome).toBe('succeeded');
  return receiver.waitFor(({ headers }) => headers['webhook-id'] === body.eventId);
}

/** Time goes by, for the former keys. */
async function overlapEnds(): Promise<void> {
  await hub.database.query(
    `update endpoint_secrets set expires_at = clock_timestamp()
     where endpoint_id = $1 and expires_at is not null`,
    [endpoint.id],
  );
}

async function storedKeys(): Promise<number> {
  const { rows } = await hub.database.query(
    `select count(*)::int as n from endpoint_secrets where endpoint_id = $1`,
    [endpoint.id],
  );
  return rows[0].n;
}

const secondsUntil = (time: string | null) => (Date.parse(time!) - Date.now()) / 1000;

describe('a rotation', () => {
  it('lets a receiver that knows the old secret go on for the overlap, and no longer', async () => {
    const { body } = await rotate();
    expect(body.secret).toMatch(/^whsec_/);
    expect(body.secret).not.toBe(endpoint.secret);
    const during = await webhook();
    expect(accepts(endpoint.secret, during)).toBe(true);
    expect(accepts(body.secret, during)).toBe(true);

    await overlapEnds();
    const after = await webhook();
    expect(accepts(endpoint.secret, after)).toBe(false);
    expect(accepts(body.secret, after)).toBe(true);
    expect(after.headers['webhook-signature']).not.toContain(' ');
  });

  it('overlaps for a day, or for as long as was said', async () => {
    await rotate();
    const [current, former] = await signingKeys();
    expect(current).toMatchObject({ kind: 'hmac', expiresAt: null });
    expect(secondsUntil(former!.expiresAt)).toBeGreaterThan(86_340);
    expect(secondsUntil(former!.expiresAt)).toBeLessThan(86_401);

    await rotate({ overlapSeconds: 60 });
    const keys = await signingKeys();
    expect(keys).toHaveLength(3);
    for (const { expiresAt } of keys.slice(1)) expect(secondsUntil(expiresAt)).toBeLessThan(61);
  });

  it('ends every former key at once where no overlap is wanted', async () => {
    await rotate();
    const { body } = await rotate({ overlapSeconds: 0 });
    expect(body.signingKeys).toHaveLength(1);
    expect(await storedKeys()).toBe(1);
    const sent = await webhook();
    expect(accepts(body.secret, sent)).toBe(true);
    expect(accepts(endpoint.secret, sent)).toBe(false);
  });

  it('changes to a key pair and back with both kinds of signatures meanwhile', async () => {
    const pair = (await rotate({ kind: 'ed25519' })).body;
    expect(pair.secret).toBeUndefined();
    expect(pair.publicKey).toMatch(/^whpk_/);
    expect(pair.signingKeys[0]).toMatchObject({ kind: 'ed25519', publicKey: pair.publicKey });
    const during = await webhook();
    expect(during.headers['webhook-signature']).toMatch(/^v1a,[^ ]+ v1,[^ ]+$/);
    expect(accepts(pair.publicKey, during)).toBe(true);
    expect(accepts(endpoint.secret, during)).toBe(true);

    await overlapEnds();
    const after = await webhook();
    expect(after.headers['webhook-signature']).toMatch(/^v1a,[^ ]+$/);
    expect(accepts(pair.publicKey, after)).toBe(true);

    const secondPair = (await rotate()).body;
    expect(secondPair.publicKey).toMatch(/^whpk_/);
    expect(secondPair.publicKey).not.toBe(pair.publicKey);
    const secret = (await rotate({ kind: 'hmac' })).body.secret;
    expect(accepts(secret, await webhook())).toBe(true);
  });

  it('shows a secret once, also under its Idempotency-Key, and a public key for ever', async () => {
    const key = { 'idempotency-key': `rotate-${endpoint.id}` };
    const first = await rotate({}, key);
    const again = await rotate({}, key);
    expect(first.body.secret).toMatch(/^whsec_/);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body).toEqual({ ...first.body, secret: undefined });
    expect(await signingKeys()).toHaveLength(2);

    const pair = await rotate({ kind: 'ed25519' });
    const secrets = await secretsOf(hub.database, endpoint.id);
    expect(secrets).toHaveLength(3);
    const shown = JSON.stringify([pair.body, await hub.api('GET', path()), again.body]);
    for (const secret of secrets) expect(shown).not.toContain(secret);
    expect(shown).toContain(pair.body.publicKey);
  });

  it('is a new version of the endpoint, and holds to the version its author has read', async () => {
    const before = await hub.api('GET', path());
    const stale = { 'if-match': before.headers.get('etag')! };
    const rotated = await rotate({}, stale);
    expect(rotated.body.version).toBe(endpoint.version + 1);
    expect(rotated.headers.get('etag')).toBe(`"${endpoint.version + 1}"`);
    const again = await rotate({}, stale);
    expect(again.status).toBe(412);
    expect(await signingKeys()).toHaveLength(2);
  });

  it('tells the engine', async () => {
    const version = async () =>
      Number(
        (await hub.database.query('select version from endpoint_set_version')).rows[0].version,
      );
    const before = await version();
    const told: string[] = [];
    const silence = hub.app
      .get(Signals)
      .on('deliveries', (keys) => void told.push(...(keys === 'all' ? ['all'] : keys)));
    await rotate();
    silence();
    expect(await version()).toBe(before + 1);
    expect(told).toContain(String(shardOf(endpoint.id)));
  });

  it('is told to the other endpoints of its owner, without anything secret', async () => {
    const other = { url: `${receiver.url}/other`, eventTypes: ['endpoint.secret_rotated'] };
    await hub.api('POST', '/v1/endpoints', other);
    const { body } = await rotate({ kind: 'ed25519', overlapSeconds: 60 });
    const told = ({ path, event }: ReceivedWebhook) =>
      path === '/other' && event.data.endpointId === endpoint.id;
    const { event } = await receiver.waitFor(told);
    expect(event).toMatchObject({
      type: 'endpoint.secret_rotated',
      source: '/operator',
      subject: `endpoints/${endpoint.id}`,
      subjectversion: body.version,
      data: { kind: 'ed25519', overlapEndsAt: body.signingKeys[1].expiresAt },
    });
    expect(JSON.stringify(event)).not.toMatch(/wh(sec|sk|pk)_/);

    await rotate({ overlapSeconds: 0 });
    const last = await receiver.waitFor(
      (webhook) => told(webhook) && webhook.event.subjectversion === body.version + 1,
    );
    expect(last.event.data.overlapEndsAt).toBeNull();
  });

  it('is refused while five former keys overlap, but never an immediate one', async () => {
    for (let i = 0; i < 5; i++) expect((await rotate()).status).toBe(200);
    const sixth = await rotate();
    expect(sixth.status).toBe(409);
    expect(sixth.body.code).toBe('too_many_signing_keys');
    expect(secondsUntil(sixth.body.nextExpiresAt)).toBeGreaterThan(86_000);
    expect(await signingKeys()).toHaveLength(6);
    expect(accepts(endpoint.secret, await webhook())).toBe(true);

    expect((await rotate({ overlapSeconds: 0 })).status).toBe(200);
    expect(await signingKeys()).toHaveLength(1);
  });

  it('is refused for an overlap or a kind that there is not', async () => {
    expect((await rotate({ overlapSeconds: 604_801 })).status).toBe(422);
    expect((await rotate({ overlapSeconds: -1 })).status).toBe(422);
    expect((await rotate({ kind: 'rsa' })).body.errors[0].pointer).toBe('/kind');
    const unknown = '/v1/endpoints/019a0f5e-7c00-7000-8000-000000000000/secret/rotate';
    expect((await hub.api('POST', unknown, {})).status).toBe(404);
  });
});

describe('the deliveries of an endpoint', () => {
  it('are signed with the keys that are valid, also when one ends without a word', async () => {
    const practice = { name: 'Elm', kind: 'dental', timeZone: 'America/Chicago', currency: 'USD' };
    const practiceId = (await hub.api('POST', '/v1/practices', practice)).body.id;
    const delivered = async () => {
      const [eventId] = await emitPatientCreated(hub, practiceId, 1);
      return receiver.waitFor(
        ({ event }) => event.id === eventId && event.hubendpoint === endpoint.id,
      );
    };
    expect(accepts(endpoint.secret, await delivered())).toBe(true);
    const second = (await rotate()).body.secret;
    const during = await delivered();
    expect(during.headers['webhook-signature']!.split(' ')).toHaveLength(2);
    expect(accepts(endpoint.secret, during)).toBe(true);
    expect(accepts(second, during)).toBe(true);

    const { publicKey } = (await rotate({ kind: 'ed25519', overlapSeconds: 3 })).body;
    // The engine is told, but what goes out at this very moment may still be signed as before.
    await eventually(async () => {
      const { headers } = await delivered();
      expect(headers['webhook-signature']).toMatch(/^v1a,[^ ]+ v1,[^ ]+ v1,/);
    });
    // Nobody tells the engine when a key ends.
    const after = await eventually(async () => {
      const webhook = await delivered();
      expect(webhook.headers['webhook-signature']).not.toContain(' ');
      return webhook;
    });
    expect(accepts(publicKey, after)).toBe(true);
    expect(accepts(second, after)).toBe(false);
  });
});

describe('keys that have ended', () => {
  it('are not shown, and are forgotten by housekeeping', async () => {
    await rotate();
    await overlapEnds();
    expect(await signingKeys()).toHaveLength(1);
    expect(await storedKeys()).toBe(2);
    await hub.app.get(HousekeepingService).tick();
    expect(await storedKeys()).toBe(1);
  });

  it('make room for another rotation', async () => {
    for (let i = 0; i < 5; i++) await rotate();
    await overlapEnds();
    expect((await rotate()).body.signingKeys).toHaveLength(2);
    expect(await storedKeys()).toBe(2);
  });
});
