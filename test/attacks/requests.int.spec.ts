import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { fetchWhole } from '../support/fetch-whole.js';
import { routedBy } from '../support/routes.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { pathOf, rowsOf, someThings, type Things } from '../support/things.js';

/*
 * Requests that are wrong as requests: too much of something, two things at once, or not what they say they are.
 */

jest.setTimeout(180_000);

let hub: TestHub;
let things: Things;
let patients: string;

beforeAll(async () => {
  hub = await startTestHub({ settings: { HUB_API_RATE_LIMIT: '0' } });
  things = await someThings(hub);
  patients = pathOf('/v1/practices/{practiceId}/patients', things.known);
});
afterAll(() => hub.close());

const patient = { kind: 'human', givenName: 'Ada' };

/** What comes back for these bytes, sent as they are, until the hub closes the connection. */
function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(hub.url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (bytes) => (answer += bytes.toString('latin1')));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

function head(line: string, ...headers: string[]): string {
  const all = [
    line,
    'host: hub',
    `authorization: Bearer ${hub.key}`,
    'connection: close',
    ...headers,
  ];
  return `${all.join('\r\n')}\r\n\r\n`;
}

describe('too much', () => {
  it.each([
    ['of a body', () => JSON.stringify({ ...patient, givenName: 'x'.repeat(300_000) }), 413],
    ['of levels', () => `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`, 422],
    ['of lists in lists', () => `{"externalIds":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 422],
    [
      'of members',
      () =>
        JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`f${i}`, 1]))),
      422,
    ],
    [
      'of items',
      () => JSON.stringify({ ...patient, externalIds: Array.from({ length: 5_000 }, () => ({})) }),
      422,
    ],
    ['of a text', () => JSON.stringify({ ...patient, givenName: 'x'.repeat(201) }), 422],
  ])('%s is refused, and soon', async (_, body, status) => {
    const begin = performance.now();
    const answer = await hub.api('POST', patients, body());
    expect([answer.status, typeof answer.body.code]).toEqual([status, 'string']);
    expect(performance.now() - begin).toBeLessThan(5_000);
  });

  it('of a header or an address is refused before anything is done', async () => {
    expect(await raw(head(`GET /v1/me HTTP/1.1`, `x-long: ${'x'.repeat(20_000)}`))).toMatch(
      /^HTTP\/1.1 431 /,
    );
    expect(await raw(head(`GET /v1/${'x'.repeat(20_000)} HTTP/1.1`))).toMatch(
      /^HTTP\/1.1 4(14|31) /,
    );
  });

  it.each([
    ['$regex', { description: { $regex: '(a+)+$' } }],
    ['$where', { $where: 'while(true){}' }],
    ['too many levels', nested(200)],
    ['too many conditions', { $or: Array.from({ length: 5_000 }, (_, i) => ({ amount: i })) }],
    ['too long a list', { amount: { $in: Array.from({ length: 20_000 }, (_, i) => i) } }],
  ])('of a filter is refused, and what could run for ever: %s', async (_, filter) => {
    const begin = performance.now();
    const body = { url: 'http://127.0.0.1:9/', eventTypes: ['*'], filter };
    expect((await hub.api('POST', '/v1/endpoints', body)).status).toBe(422);
    expect(performance.now() - begin).toBeLessThan(5_000);
  });

  it.each(['-1', '0', '1.5', '1e9', '0x10', 'NaN', 'Infinity', '９', '1;drop', '201', ''])(
    'or too little, or no number, as a limit is refused: %j',
    async (limit) => {
      const { status, body } = await hub.api(
        'GET',
        `${patients}?limit=${encodeURIComponent(limit)}`,
      );
      expect([status, body.errors?.[0]?.parameter]).toEqual([422, 'limit']);
    },
  );

  it.each(['1e400', '9007199254740993', '-1', '0', '0.1', '1e12', '"1"', 'true', '[1]', 'null'])(
    'or too little, or no number, as an amount is refused: %s',
    async (amount) => {
      const path = pathOf('/v1/practices/{practiceId}/charges', things.known);
      const body = `{"patientId":"${things.known.patientId}","currency":"USD","amount":${amount}}`;
      const answer = await hub.api('POST', path, body);
      expect([answer.status, answer.body.errors?.[0]?.pointer]).toEqual([422, '/amount']);
    },
  );
});

describe('two things at once', () => {
  it('are one where a name comes twice: the last, and it is checked', async () => {
    const made = await hub.api(
      'POST',
      patients,
      '{"kind":"animal","givenName":"A","kind":"human"}',
    );
    expect(made.body.kind).toBe('human');
    const wrong = await hub.api(
      'POST',
      patients,
      '{"kind":"human","givenName":"A","kind":"robot"}',
    );
    expect(wrong.status).toBe(422);
  });

  it('in the length of a body are no request', async () => {
    const before = await rowsOf(hub);
    const body = JSON.stringify(patient);
    const json = 'content-type: application/json';
    const smuggled = head(`POST ${patients} HTTP/1.1`, json);
    for (const lengths of [
      [`content-length: ${body.length}`, 'transfer-encoding: chunked'],
      [`content-length: ${body.length}`, 'content-length: 0'],
      ['transfer-encoding: chunked', 'transfer-encoding: identity'],
      ['content-length: +5'],
      ['content-length: 5, 5'],
      ['transfer-encoding: xchunked'],
    ]) {
      const text = head(`POST ${patients} HTTP/1.1`, json, ...lengths) + `0\r\n\r\n${smuggled}`;
      expect(await raw(text)).toMatch(/^HTTP\/1.1 400 /);
    }
    for (const line of ['x-a: b\r\n folded: c', 'x-a : b', 'x\u0000a: b', 'x-a: b\rx-c: d']) {
      expect(await raw(head('GET /v1/me HTTP/1.1', line))).toMatch(/^HTTP\/1.1 400 /);
    }
    expect((await rowsOf(hub)).get('patients')).toBe(before.get('patients'));
  });

  it('as values of one parameter are refused', async () => {
    const answer = await hub.api('GET', `${patients}?limit=1&limit=200`);
    expect(answer.status).toBe(422);
  });
});

describe('a method', () => {
  it('is the one in the request’s line, whatever else says', async () => {
    const path = pathOf('/v1/practices/{practiceId}/patients/{patientId}', things.known);
    for (const name of ['x-http-method-override', 'x-method-override', 'x-http-method']) {
      await hub.api('POST', `${patients}?_method=DELETE`, patient, { [name]: 'DELETE' });
      await hub.api('GET', path, undefined, { [name]: 'DELETE', 'if-match': '*' });
    }
    expect((await hub.api('GET', path)).status).toBe(200);
  });

  it('that no route has is a problem', async () => {
    for (const method of ['PUT', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'BREW']) {
      const answer = await raw(head(`${method} /v1/practices HTTP/1.1`));
      expect({ method, line: answer.split('\r\n')[0] }).toEqual({
        method,
        line: expect.stringMatching(/^HTTP\/1.1 40[045] /),
      });
      // Nor does it send back what it was sent, as TRACE would.
      expect(answer).not.toContain(hub.key);
    }
  });
});

describe('a body', () => {
  it.each([
    'text/plain',
    'text/json',
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application/json-patch+json',
    'application/octet-stream',
    '*/*',
  ])('is refused as %s, whatever is in it', async (type) => {
    const answer = await hub.api('POST', patients, JSON.stringify(patient), {
      'content-type': type,
    });
    expect([answer.status, answer.body.code]).toEqual([415, 'unsupported_media_type']);
  });

  it('in another encoding than UTF-8 is refused, whatever it says', async () => {
    for (const type of ['application/json; charset=utf-16', 'application/json']) {
      const answer = await fetchWhole(`${hub.url}${patients}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${hub.key}`, 'content-type': type },
        body: new Uint8Array(Buffer.from(JSON.stringify(patient), 'utf16le')),
      });
      expect(answer.status).toBe(400);
    }
  });
});

describe('an address', () => {
  it('leads out of the hub by no spelling', async () => {
    for (const path of [
      '/../../../../etc/passwd',
      '/docs/../../package.json',
      '/docs/..%2f..%2fpackage.json',
      '/docs/%2e%2e/%2e%2e/package.json',
      '/docs/..%5c..%5cpackage.json',
      '/docs/....//....//package.json',
      '/docs/%00',
      '/docs/swagger-ui-bundle.js/../../package.json',
      '/docs/package.json%00.css',
      '/docs//etc/passwd',
      '/v1/../.env',
      '/.env',
      '/.git/config',
      '/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
      'http://169.254.169.254/latest/meta-data',
    ]) {
      const answer = await raw(head(`GET ${path} HTTP/1.1`));
      expect({ path, line: answer.split('\r\n')[0] }).toEqual({
        path,
        line: expect.stringMatching(/^HTTP\/1.1 4\d\d /),
      });
      expect(answer).not.toMatch(/root:|"dependencies"|HUB_|repositoryformatversion/);
    }
  });

  it('is not another’s because it looks like it', async () => {
    const { practiceId } = things.known;
    const wide = practiceId!.replace('0', '\uff10');
    for (const id of [
      `${practiceId}%00`,
      `${practiceId}%20`,
      `%20${practiceId}`,
      encodeURIComponent(wide),
      `${practiceId}/`,
    ]) {
      const { status } = await things.client.api('GET', `/v1/practices/${id}`);
      expect({ id, status }).toEqual({ id, status: 404 });
    }
    for (const body of [
      { scopes: ['re\u0430d'] },
      { scopes: ['READ'] },
      { scopes: ['read\u200b'] },
    ]) {
      expect((await things.client.api('POST', '/v1/tokens', body)).status).toBe(422);
    }
    const types = [
      'patient.\u0441reated',
      'PATIENT.*',
      'patient.\u200b*',
      '**',
      '.*',
      'patient.*.*',
    ];
    for (const eventType of types) {
      const body = { url: 'http://127.0.0.1:9/', eventTypes: [eventType] };
      const answer = await hub.api('POST', '/v1/endpoints', body);
      expect({ eventType, status: answer.status }).toEqual({ eventType, status: 422 });
    }
  });
});

describe('an answer', () => {
  it('says nothing of what it was made with, and nothing of the hub’s inside', async () => {
    for (const { method, template } of routedBy(hub)) {
      const path = pathOf(template.replace('*', 'nothing'), things.known);
      const answer = await fetch(`${hub.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${hub.key}`, 'content-type': 'application/json' },
        ...(method !== 'GET' && { body: '{"no":' }),
      });
      const text = await answer.text();
      for (const name of ['server', 'x-powered-by', 'x-aspnet-version', 'via']) {
        expect({ path, name, value: answer.headers.get(name) }).toEqual({
          path,
          name,
          value: null,
        });
      }
      if (answer.status < 400) continue;
      expect(text).not.toMatch(
        /node_modules|\.[jt]s:\d|\bat \w+ \(|"stack"|PostgreSQL|fastify|nest/i,
      );
    }
  });
});

function nested(levels: number): object {
  return levels === 0 ? { amount: 1 } : { $and: [nested(levels - 1)] };
}
