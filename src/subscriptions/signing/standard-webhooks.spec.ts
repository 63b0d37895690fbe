import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inspect } from 'node:util';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import {
  MalformedSigningSecret,
  newSecret,
  parseSecret,
  sign,
  signedHeaders,
} from './standard-webhooks.js';

const secretBytes = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes));
const webhookId = fc.uuid({ version: 7 });
const jsonBody = fc.json();

// The published verifier compares with the wall clock, so the specs sign with it too.
const nowSeconds = () => Math.floor(Date.now() / 1000);
const wrong = (text: string) => expect(() => parseSecret(text)).toThrow(MalformedSigningSecret);

describe('signed webhooks', () => {
  it('verify with the published library, whatever the body', () => {
    fc.assert(
      fc.property(secretBytes, webhookId, jsonBody, (bytes, id, body) => {
        const secret = newSecret(bytes);
        const headers = signedHeaders([parseSecret(secret)], id, nowSeconds(), body);
        expect(new Webhook(secret).verify(body, { ...headers })).toEqual(JSON.parse(body));
      }),
    );
  });

  it('have the same signature as a string and as its bytes', () => {
    fc.assert(
      fc.property(secretBytes, webhookId, fc.string({ unit: 'grapheme' }), (bytes, id, body) => {
        const secret = parseSecret(newSecret(bytes));
        expect(sign(secret, id, 1_700_000_000, Buffer.from(body))).toBe(
          sign(secret, id, 1_700_000_000, body),
        );
      }),
    );
  });

  it('do not verify when body, id or timestamp was changed, or under another secret', () => {
    fc.assert(
      fc.property(secretBytes, secretBytes, webhookId, jsonBody, (bytes, others, id, body) => {
        fc.pre(!bytes.equals(others));
        const secret = newSecret(bytes);
        const now = nowSeconds();
        const headers = { ...signedHeaders([parseSecret(secret)], id, now, body) };
        const webhook = new Webhook(secret);
        const refused = (attempt: () => unknown) =>
          expect(attempt).toThrow(WebhookVerificationError);
        refused(() => webhook.verify(`${body} `, headers));
        refused(() => webhook.verify(body, { ...headers, 'webhook-id': `${id}0` }));
        refused(() => webhook.verify(body, { ...headers, 'webhook-timestamp': String(now - 1) }));
        refused(() => new Webhook(newSecret(others)).verify(body, headers));
      }),
    );
  });

  it('match a signature computed with another tool', () => {
    // printf 'evt_1.1700000000.{"a":1}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0001…1f -binary | base64
    const secret = parseSecret(newSecret(Buffer.from(Array.from({ length: 32 }, (_, i) => i))));
    expect(sign(secret, 'evt_1', 1_700_000_000, '{"a":1}')).toBe(
      'v1,hUVxIYXs8Zy9GDiZD1uQbBwXoZGMAB6RVLdZZ3ffmek=',
    );
  });

  it('satisfy holders of the old and of the new secret while a rotation overlaps', () => {
    const texts = [1, 2, 3].map((fill) => newSecret(Buffer.alloc(32, fill)));
    const headers = signedHeaders(texts.map(parseSecret), 'evt_1', nowSeconds(), '{"a":1}');
    expect(headers['webhook-signature'].split(' ')).toHaveLength(3);
    for (const text of texts) {
      expect(new Webhook(text).verify('{"a":1}', { ...headers })).toEqual({ a: 1 });
    }
  });

  it('never leave without a secret, with an ambiguous id or a fractional timestamp', () => {
    const secret = parseSecret(newSecret(Buffer.alloc(32, 1)));
    expect(() => signedHeaders([], 'evt_1', 1_700_000_000, '{}')).toThrow(RangeError);
    expect(() => sign(secret, 'evt.1', 1_700_000_000, '{}')).toThrow(TypeError);
    expect(() => sign(secret, 'evt_1', 1_700_000_000.5, '{}')).toThrow(TypeError);
  });
});

describe('signing secrets', () => {
  it('are refused when malformed, without repeating the secret', () => {
    const encoded = Buffer.alloc(32, 7).toString('base64');
    wrong(encoded);
    wrong(`whpk_${encoded}`);
    wrong('whsec_');
    wrong(`whsec_${encoded.slice(0, -1)}`);
    wrong(`whsec_${encoded} `);
    wrong(`whsec_!${encoded.slice(1)}`);
    wrong(`whsec_${Buffer.alloc(23, 7).toString('base64')}`);
    wrong(`whsec_${Buffer.alloc(65, 7).toString('base64')}`);
    try {
      parseSecret(`whsec_!${encoded.slice(1)}`);
    } catch (error) {
      expect(String(error)).not.toContain(encoded.slice(1, 10));
    }
  });

  it('may have any length the specification allows', () => {
    for (const length of [24, 32, 64]) {
      const text = `whsec_${Buffer.alloc(length, 9).toString('base64')}`;
      const headers = signedHeaders([parseSecret(text)], 'evt_1', nowSeconds(), '{}');
      expect(new Webhook(text).verify('{}', { ...headers })).toEqual({});
    }
  });

  it('are made of exactly 32 random bytes', () => {
    expect(newSecret(Buffer.alloc(32))).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(() => newSecret(Buffer.alloc(31))).toThrow(RangeError);
  });

  it('cannot be printed by accident', () => {
    const bytes = Buffer.alloc(32, 0xab);
    const secret = parseSecret(newSecret(bytes));
    const printed = JSON.stringify(secret) + inspect(secret, { depth: 5 });
    expect(printed).not.toContain(bytes.toString('base64').slice(0, 8));
    expect(printed).not.toContain('ab ab');
  });
});
