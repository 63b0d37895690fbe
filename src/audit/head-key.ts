import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeOnce } from '../database/embedded/durable-files.js';
import type { Settings } from '../platform/settings.js';
import { canonicalText } from './audit-entry.js';
import type { Head } from './seal.js';

/** The operator's to mend: no key, or one that cannot be read. */
export class AuditKeyError extends Error {}

/** A head as it stands in the files: a line of JSON that ends in who says so. */
export interface SignedHead {
  at: string;
  hash: string;
  /** Of who signed it: the 32 bytes of an ed25519 public key (RFC 8032) in base64url. */
  key: string;
  number: number;
  sealedAt: string;
  writer: string;
  /** Over the canonical text of all the rest, in base64url. */
  signature: string;
}

/** Where the key lies: HUB_AUDIT_KEY_FILE, else in HUB_DATA_DIR. */
export function auditKeyFileOf({ auditKeyFile, dataDir }: Settings): string {
  return auditKeyFile ?? join(dataDir, 'audit.key');
}

/** Signs the heads of chains, so that who can write to the files still cannot make one. */
export class HeadKey {
  private constructor(
    private readonly secret: KeyObject,
    /** As in `SignedHead.key`. */
    readonly publicKey: string,
  ) {}

  /**
   * The key of HUB_AUDIT_KEY_FILE (PEM, PKCS #8), else the one in HUB_DATA_DIR, which is made where there is none.
   * @throws AuditKeyError
   */
  static load(settings: Settings): Promise<HeadKey> {
    return HeadKey.from(settings, settings.auditKeyFile === undefined);
  }

  /**
   * The same, where a hub has made it: one made by whoever only looks would have signed nothing.
   * @throws AuditKeyError
   */
  static loadExisting(settings: Settings): Promise<HeadKey> {
    return HeadKey.from(settings, false);
  }

  private static async from(settings: Settings, mayMake: boolean): Promise<HeadKey> {
    const file = auditKeyFileOf(settings);
    try {
      const pem = (await read(file)) ?? (mayMake ? await make(file) : undefined);
      if (pem !== undefined) return HeadKey.of(createPrivateKey(pem));
    } catch (error) {
      const { code = 'unreadable' } = error as { code?: string };
      throw new AuditKeyError(`The key of the audit trail, ${file}, cannot be had (${code}).`);
    }
    throw new AuditKeyError(
      `There is no key of the audit trail at ${file}. HUB_AUDIT_KEY_FILE or HUB_DATA_DIR says where it is.`,
    );
  }

  private static of(secret: KeyObject): HeadKey {
    if (secret.asymmetricKeyType !== 'ed25519') throw new Error('It is no ed25519 key');
    return new HeadKey(secret, createPublicKey(secret).export({ format: 'jwk' }).x!);
  }

  sign({ writer, number, hash, sealedAt }: Head, at: Date): SignedHead {
    const head = {
      at: at.toISOString(),
      hash: hash.toString('hex'),
      key: this.publicKey,
      number,
      sealedAt: sealedAt.toISOString(),
      writer,
    };
    const signature = sign(null, Buffer.from(canonicalText(head)), this.secret);
    return { ...head, signature: signature.toString('base64url') };
  }
}

/** Whether a head was signed with the key that it names. */
export function isSigned({ signature, ...head }: SignedHead): boolean {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: head.key }, format: 'jwk' });
  return verify(null, Buffer.from(canonicalText(head)), key, Buffer.from(signature, 'base64url'));
}

function read(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

async function make(file: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('ed25519');
  await mkdir(dirname(file), { recursive: true });
  await writeOnce(file, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  return readFile(file, 'utf8');
}
