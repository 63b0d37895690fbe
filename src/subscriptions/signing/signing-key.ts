import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';

/**
 * What webhooks are signed with, as the Standard Webhooks specification 1.0 writes it (https://www.standardwebhooks.com):
 * `whsec_<base64>` is a secret that both sides know (HMAC-SHA256, signatures `v1`); `whsk_<base64>` is the private key
 * of an ed25519 pair, 32 bytes as RFC 8032 has it, which never leaves the hub, and `whpk_<base64>` the public one
 * (signatures `v1a`). Base64 is the padded one.
 */
export type SigningKind = 'hmac' | 'ed25519';
export const signingKinds: readonly SigningKind[] = ['hmac', 'ed25519'];

/** Ready to sign with. Holds a key object, which neither `JSON.stringify` nor a log line can print. */
export interface SigningKey {
  readonly kind: SigningKind;
  readonly key: KeyObject;
}

/** The texts of a key that was just made: what the hub keeps, and what may be shown for ever (null: nothing). */
export interface NewSigningKey {
  readonly kind: SigningKind;
  readonly secret: string;
  readonly publicKey: string | null;
}

/** A text that is no signing key. The message names what is wrong and never repeats the text. */
export class MalformedSigningKey extends Error {
  readonly code = 'malformed_signing_key';
  override readonly name = 'MalformedSigningKey';
}

const prefixOf: Record<SigningKind, string> = { hmac: 'whsec_', ed25519: 'whsk_' };
const publicPrefix = 'whpk_';
const leastSecretBytes = 24;
const mostSecretBytes = 64;
/** Of a new secret, and always of an ed25519 private key. */
const keyBytes = 32;
/** PKCS #8 around the 32 bytes of an ed25519 private key (RFC 8410, section 7): node:crypto takes no bare ones. */
const pkcs8Header = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * A new key made of `randomBytes`, which must be 32 bytes from a cryptographic source.
 * @throws RangeError for another length: a weak key is a mistake of the caller.
 */
export function newSigningKey(kind: SigningKind, randomBytes: Buffer): NewSigningKey {
  if (randomBytes.length !== keyBytes) {
    throw new RangeError(`a signing key is made of ${keyBytes} random bytes`);
  }
  const secret = prefixOf[kind] + randomBytes.toString('base64');
  return { kind, secret, publicKey: kind === 'ed25519' ? publicTextOf(randomBytes) : null };
}

/**
 * Reads `whsec_<base64>` or `whsk_<base64>`. Do it once per key and keep the result: signing is on the hot path.
 * @throws MalformedSigningKey
 */
export function parseSigningKey(text: string): SigningKey {
  if (text.startsWith(prefixOf.hmac)) {
    const bytes = decoded(text.slice(prefixOf.hmac.length));
    if (bytes.length < leastSecretBytes || bytes.length > mostSecretBytes) {
      throw new MalformedSigningKey(
        `a signing secret has ${leastSecretBytes} to ${mostSecretBytes} bytes, this one ${bytes.length}`,
      );
    }
    return { kind: 'hmac', key: createSecretKey(bytes) };
  }
  if (text.startsWith(prefixOf.ed25519)) {
    const bytes = decoded(text.slice(prefixOf.ed25519.length));
    if (bytes.length !== keyBytes) {
      throw new MalformedSigningKey(
        `an ed25519 private key has ${keyBytes} bytes, this one ${bytes.length}`,
      );
    }
    return { kind: 'ed25519', key: privateKeyOf(bytes) };
  }
  throw new MalformedSigningKey(
    `a signing key starts with "${prefixOf.hmac}" or "${prefixOf.ed25519}"`,
  );
}

function decoded(encoded: string): Buffer {
  const bytes = Buffer.from(encoded, 'base64');
  // Buffer.from skips what is not base64; only a faithful round trip shows that nothing was skipped.
  if (bytes.toString('base64') !== encoded) {
    throw new MalformedSigningKey('a signing key is padded base64 after its prefix');
  }
  return bytes;
}

function privateKeyOf(bytes: Buffer): KeyObject {
  return createPrivateKey({
    key: Buffer.concat([pkcs8Header, bytes]),
    format: 'der',
    type: 'pkcs8',
  });
}

function publicTextOf(privateBytes: Buffer): string {
  const { x } = createPublicKey(privateKeyOf(privateBytes)).export({ format: 'jwk' });
  return publicPrefix + Buffer.from(x!, 'base64url').toString('base64');
}
