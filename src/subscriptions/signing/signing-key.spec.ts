import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createPublicKey } from 'node:crypto';
import { inspect } from 'node:util';
import {
  MalformedSigningKey,
  newSigningKey,
  parseSigningKey,
  signingKinds,
} from './signing-key.js';

const wrong = (text: string) => expect(() => parseSigningKey(text)).toThrow(MalformedSigningKey);
const anyKind = fc.constantFrom(...signingKinds);
const randomBytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b));

describe('a signing key', () => {
  it('is read back as what it was made as', () => {
    fc.assert(
      fc.property(anyKind, randomBytes, (kind, bytes) => {
        const { secret, publicKey } = newSigningKey(kind, bytes);
        const read = parseSigningKey(secret);
        expect(read.kind).toBe(kind);
        if (kind === 'hmac') {
          expect(publicKey).toBeNull();
          expect(read.key.export()).toEqual(bytes);
        } else {
          const { x } = createPublicKey(read.key).export({ format: 'jwk' });
          expect(publicKey).toBe(`whpk_${Buffer.from(x!, 'base64url').toString('base64')}`);
        }
      }),
    );
  });

  it('is made of exactly 32 random bytes', () => {
    expect(newSigningKey('hmac', Buffer.alloc(32)).secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(newSigningKey('ed25519', Buffer.alloc(32)).secret).toMatch(/^whsk_[A-Za-z0-9+/]{43}=$/);
    for (const kind of signingKinds) {
      expect(() => newSigningKey(kind, Buffer.alloc(31))).toThrow(RangeError);
    }
  });

  it('has the public key that another tool derives', () => {
    // openssl pkey -pubout -outform DER | tail -c 32 | base64, of the private key 0001…1f
    const bytes = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
    expect(newSigningKey('ed25519', bytes).publicKey).toBe(
      'whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=',
    );
  });

  it('is refused when malformed, without repeating it', () => {
    const encoded = Buffer.alloc(32, 7).toString('base64');
    wrong(encoded);
    wrong(`whpk_${encoded}`);
    wrong('whsec_');
    wrong('whsk_');
    wrong(`whsec_${encoded.slice(0, -1)}`);
    wrong(`whsec_${encoded} `);
    wrong(`whsec_!${encoded.slice(1)}`);
    wrong(`whsec_${Buffer.alloc(23, 7).toString('base64')}`);
    wrong(`whsec_${Buffer.alloc(65, 7).toString('base64')}`);
    wrong(`whsk_${Buffer.alloc(31, 7).toString('base64')}`);
    wrong(`whsk_${Buffer.alloc(64, 7).toString('base64')}`);
    for (const prefix of ['whsec_', 'whsk_']) {
      try {
        parseSigningKey(`${prefix}!${encoded.slice(1)}`);
      } catch (error) {
        expect(String(error)).not.toContain(encoded.slice(1, 10));
      }
    }
  });

  it('may have any length the specification allows a secret', () => {
    for (const length of [24, 32, 64]) {
      const bytes = Buffer.alloc(length, 9);
      const { key } = parseSigningKey(`whsec_${bytes.toString('base64')}`);
      expect(key.export()).toEqual(bytes);
    }
  });

  it('cannot be printed by accident', () => {
    const bytes = Buffer.alloc(32, 0xab);
    for (const kind of signingKinds) {
      const key = parseSigningKey(newSigningKey(kind, bytes).secret);
      const printed = JSON.stringify(key) + inspect(key, { depth: 5 });
      expect(printed).not.toContain(bytes.toString('base64').slice(0, 8));
      expect(printed).not.toContain('ab ab');
    }
  });
});
