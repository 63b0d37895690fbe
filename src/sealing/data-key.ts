import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';

/*
 * What is sealed looks like this, so that it names its key and can be told from a later form:
 *
 *   1 byte   form, 1
 *   4 bytes  number of the data key, big-endian
 *   12 bytes nonce
 *   …        ciphertext, AES-256-GCM
 *   16 bytes tag
 *
 * The binding (additional authenticated data) says what it belongs to: a payload that somebody puts in the place of
 * another one does not open.
 */
const algorithm = 'aes-256-gcm';
const form = 1;
const nonceAt = 5;
const textAt = 17;
const tagBytes = 16;
const tagged = { authTagLength: tagBytes };

/** Thrown for what does not open: it was changed, cut off, put elsewhere, or sealed under a key that is nowhere. */
export class SealBroken extends Error {
  constructor() {
    super(
      'What is sealed does not open: it was changed, moved or cut off, or its key is not there.',
    );
  }
}

/**
 * A key under which a practice's payloads are sealed, or what is of no practice. Nonces are random: at most 2^32
 * under one key (NIST SP 800-38D, 8.3), which no practice comes near.
 */
export class DataKey {
  // The bytes and not a KeyObject, which takes half a microsecond more each time; private, so that nothing prints it.
  readonly #secret: Buffer;

  constructor(
    readonly number: number,
    secret: Buffer,
  ) {
    this.#secret = secret;
  }

  /** A copy of its bytes, for the thread that opens beside this one, and for nobody else. */
  secretForThread(): Uint8Array {
    return Uint8Array.from(this.#secret);
  }

  seal(text: string, binding: string): Buffer {
    const nonce = nextNonce();
    const cipher = createCipheriv(algorithm, this.#secret, nonce);
    cipher.setAAD(Buffer.from(binding));
    const hidden = cipher.update(text, 'utf8');
    // Nothing: the mode has no blocks to fill up.
    cipher.final();
    const sealed = Buffer.allocUnsafe(textAt + hidden.length + tagBytes);
    sealed[0] = form;
    sealed.writeUInt32BE(this.number, 1);
    nonce.copy(sealed, nonceAt);
    hidden.copy(sealed, textAt);
    cipher.getAuthTag().copy(sealed, textAt + hidden.length);
    return sealed;
  }

  /** @throws SealBroken */
  open(sealed: Buffer, binding: string): string {
    const textEnd = sealed.length - tagBytes;
    if (textEnd < textAt || sealed[0] !== form) throw new SealBroken();
    try {
      const nonce = sealed.subarray(nonceAt, textAt);
      const decipher = createDecipheriv(algorithm, this.#secret, nonce, tagged);
      decipher.setAuthTag(sealed.subarray(textEnd));
      decipher.setAAD(Buffer.from(binding));
      const text = decipher.update(sealed.subarray(textAt, textEnd));
      decipher.final();
      return text.toString('utf8');
    } catch {
      throw new SealBroken();
    }
  }
}

/** The number of the key that something is sealed under; undefined where it is nothing sealed. */
export function keyNumberOf(sealed: Buffer): number | undefined {
  if (sealed.length < textAt + tagBytes || sealed[0] !== form) return undefined;
  return sealed.readUInt32BE(1);
}

/** What stands in the place of something sealed that was erased by itself, without its key: a single zero. */
export const erasedMark = Buffer.from([0]);

export function isErased(sealed: Buffer): boolean {
  return sealed.length === 1 && sealed[0] === 0;
}

/** Nonces are drawn many at a time: each draw is a call into the system's source. */
const drawn = Buffer.alloc(12 * 1024);
let used = drawn.length;

function nextNonce(): Buffer {
  if (used === drawn.length) {
    randomFillSync(drawn);
    used = 0;
  }
  return drawn.subarray(used, (used += 12));
}
