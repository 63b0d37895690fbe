import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { accepts } from '../../../test/support/verify-webhook.js';
import { newSigningKey, parseSigningKey, signingKinds } from './signing-key.js';
import { sign, signedHeaders } from './standard-webhooks.js';

const secretBytes = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes));
const webhookId = fc.uuid({ version: 7 });
const jsonBody = fc.json();

// The published verifier compares with the wall clock, so the specs sign with it too.
const nowSeconds = () => Math.floor(Date.now() / 1000);
const newSecret = (bytes: Buffer) => newSigningKey('hmac', bytes).secret;

describe('signed webhooks', () => {
  it('verify with the published library, whatever the body', () => {
    fc.assert(
      fc.property(secretBytes, webhookId, jsonBody, (bytes, id, body) => {
        const secret = newSecret(bytes);
        const headers = signedHeaders([parseSigningKey(secret)], id, nowSeconds(), body);
        expect(new Webhook(secret).verify(body, { ...headers })).toEqual(JSON.parse(body));
      }),
    );
  });

  it('have the same signature as a string and as its bytes', () => {
    fc.assert(
      fc.property(secretBytes, webhookId, fc.string({ unit: 'grapheme' }), (bytes, id, body) => {
        for (const kind of signingKinds) {
          const key = parseSigningKey(newSigningKey(kind, bytes).secret);
          expect(sign(key, id, 1_700_000_000, Buffer.from(body))).toBe(
            sign(key, id, 1_700_000_000, body),
          );
        }
      }),
    );
  });

  it('do not verify when body, id or timestamp was changed, or under another secret', () => {
    fc.assert(
      fc.property(secretBytes, secretBytes, webhookId, jsonBody, (bytes, others, id, body) => {
        fc.pre(!bytes.equals(others));
        const secret = newSecret(bytes);
        const now = nowSeconds();
        const headers = { ...signedHeaders([parseSigningKey(secret)], id, now, body) };
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

  it('do not verify with a public key when anything was changed, or with another one', () => {
    fc.assert(
      fc.property(secretBytes, secretBytes, webhookId, jsonBody, (bytes, others, id, body) => {
        fc.pre(!bytes.equals(others));
        const { secret, publicKey } = newSigningKey('ed25519', bytes);
        const now = nowSeconds();
        const headers = { ...signedHeaders([parseSigningKey(secret)], id, now, body) };
        const accepted = (key: string, changed: Record<string, string>, rawBody = body) =>
          accepts(key, { headers: { ...headers, ...changed }, rawBody });
        expect(accepted(publicKey!, {})).toBe(true);
        expect(accepted(publicKey!, {}, `${body} `)).toBe(false);
        expect(accepted(publicKey!, { 'webhook-id': `${id}0` })).toBe(false);
        expect(accepted(publicKey!, { 'webhook-timestamp': String(now - 1) })).toBe(false);
        expect(accepted(newSigningKey('ed25519', others).publicKey!, {})).toBe(false);
      }),
    );
  });

  it('match a signature computed with another tool', () => {
    // printf 'evt_1.1700000000.{"a":1}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0001…1f -binary | base64
    const secret = parseSigningKey(newSecret(Buffer.from(Array.from({ length: 32 }, (_, i) => i))));
    expect(sign(secret, 'evt_1', 1_700_000_000, '{"a":1}')).toBe(
      'v1,hUVxIYXs8Zy9GDiZD1uQbBwXoZGMAB6RVLdZZ3ffmek=',
    );
    // openssl pkeyutl -sign -rawin, with the same 32 bytes as private key
    const bytes = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
    const key = parseSigningKey(newSigningKey('ed25519', bytes).secret);
    expect(sign(key, 'evt_1', 1_700_000_000, '{"a":1}')).toBe(
      'v1a,RBNQsly5gVj8T8W9qbYuANgJc9B3pV41T7J1On64quiUymHQFeNuGclxYjI/G5FkSAo66rEubSmIYEePay2wAQ==',
    );
  });

  it('satisfy holders of the old and of the new secret while a rotation overlaps', () => {
    const texts = [1, 2, 3].map((fill) => newSecret(Buffer.alloc(32, fill)));
    const headers = signedHeaders(texts.map(parseSigningKey), 'evt_1', nowSeconds(), '{"a":1}');
    expect(headers['webhook-signature'].split(' ')).toHaveLength(3);
    for (const text of texts) {
      expect(new Webhook(text).verify('{"a":1}', { ...headers })).toEqual({ a: 1 });
    }
  });

  it('satisfy holders of the secret and of the public key while the kind changes', () => {
    fc.assert(
      fc.property(secretBytes, secretBytes, webhookId, jsonBody, (bytes, seed, id, body) => {
        const old = newSigningKey('hmac', bytes);
        const current = newSigningKey('ed25519', seed);
        const keys = [current, old].map(({ secret }) => parseSigningKey(secret));
        const headers = { ...signedHeaders(keys, id, nowSeconds(), body) };
        expect(headers['webhook-signature']).toMatch(/^v1a,[^ ,]{88} v1,[^ ,]{44}$/);
        expect(accepts(current.publicKey!, { headers, rawBody: body })).toBe(true);
        expect(new Webhook(old.secret).verify(body, { ...headers })).toEqual(JSON.parse(body));
      }),
    );
  });

  it('never leave without a key, with an ambiguous id or a fractional timestamp', () => {
    const secret = parseSigningKey(newSecret(Buffer.alloc(32, 1)));
    expect(() => signedHeaders([], 'evt_1', 1_700_000_000, '{}')).toThrow(RangeError);
    expect(() => sign(secret, 'evt.1', 1_700_000_000, '{}')).toThrow(TypeError);
    expect(() => sign(secret, 'evt_1', 1_700_000_000.5, '{}')).toThrow(TypeError);
  });
});
