import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { masterKeys, UnreadableSetting } from '../platform/setting-readers.js';

const algorithm = 'aes-256-gcm';
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** Thrown where the hub cannot go on without a key that nobody gave it; says what to do about it. */
export class MasterKeyMissing extends Error {
  override readonly name = 'MasterKeyMissing';
}

/** A key under which data keys are wrapped. Its bytes are private, so that nothing that prints it shows them. */
class MasterKey {
  /** The beginning of its digest: names it in the database without telling it. */
  readonly id: string;
  readonly #secret: Buffer;

  constructor(secret: Buffer) {
    this.#secret = secret;
    this.id = createHash('sha256')
      .update('practice-event-hub master key\n')
      .update(secret)
      .digest('hex')
      .slice(0, 16);
  }

  wrap(dataKey: Buffer, binding: string): Buffer {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv(algorithm, this.#secret, nonce);
    cipher.setAAD(Buffer.from(binding));
    const sealed = cipher.update(dataKey);
    cipher.final();
    return Buffer.concat([nonce, sealed, cipher.getAuthTag()]);
  }

  /** @throws Error where it was wrapped under another key, or for another binding, or was changed. */
  unwrap(wrapped: Buffer, binding: string): Buffer {
    const nonce = wrapped.subarray(0, nonceBytes);
    const decipher = createDecipheriv(algorithm, this.#secret, nonce, { authTagLength: tagBytes });
    decipher.setAuthTag(wrapped.subarray(-tagBytes));
    decipher.setAAD(Buffer.from(binding));
    const dataKey = decipher.update(wrapped.subarray(nonceBytes, -tagBytes));
    decipher.final();
    return dataKey;
  }
}

/** The master keys of a hub: the first one wraps, every one unwraps, so that they rotate while hubs run. */
export class MasterKeys {
  private changedAt = 0;

  private constructor(
    private keys: readonly MasterKey[],
    private readonly file?: string,
  ) {}

  static of(secrets: readonly Buffer[]): MasterKeys {
    return new MasterKeys(secrets.map((secret) => new MasterKey(secret)));
  }

  /**
   * Of a file with one key a line, or with commas between. It is read again when it has changed.
   * @throws MasterKeyMissing where there is none to be read.
   */
  static async inFile(file: string): Promise<MasterKeys> {
    const keys = new MasterKeys([], file);
    await keys.refresh();
    return keys;
  }

  /** The id of the one that wraps. */
  get firstId(): string {
    return this.keys[0]!.id;
  }

  get ids(): string[] {
    return this.keys.map(({ id }) => id);
  }

  wrap(dataKey: Buffer, binding: string): { wrapped: Buffer; masterKeyId: string } {
    const [first] = this.keys;
    return { wrapped: first!.wrap(dataKey, binding), masterKeyId: first!.id };
  }

  /** @throws MasterKeyMissing where the key is not among these. */
  unwrap(wrapped: Buffer, masterKeyId: string, binding: string): Buffer {
    const key = this.keys.find(({ id }) => id === masterKeyId);
    if (!key) throw this.lacking([masterKeyId]);
    return key.unwrap(wrapped, binding);
  }

  /** Says that data keys are wrapped under master keys that are not among these. */
  lacking(ids: readonly string[]): MasterKeyMissing {
    return new MasterKeyMissing(
      `Data keys are wrapped under the master key ${ids.join(', ')}, which is not among those the hub was given (${this.ids.join(', ')}). Add it to HUB_MASTER_KEY or HUB_MASTER_KEY_FILE.`,
    );
  }

  /** Reads the file again where it has changed, so that a rotation needs no restart. */
  async refresh(): Promise<void> {
    if (this.file === undefined) return;
    try {
      const { mtimeMs } = await stat(this.file);
      if (mtimeMs === this.changedAt) return;
      const secrets = masterKeys(await readFile(this.file, 'utf8'));
      this.keys = secrets.map((secret) => new MasterKey(secret));
      this.changedAt = mtimeMs;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const fault = error instanceof UnreadableSetting ? message : `cannot be read (${code})`;
      throw new MasterKeyMissing(`The file of master keys, ${this.file}, ${fault}.`);
    }
  }
}

export function newMasterKey(): string {
  return randomBytes(keyBytes).toString('base64');
}
