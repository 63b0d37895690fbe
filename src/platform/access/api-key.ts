import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export const keyModes = ['live', 'test'] as const;
/** A test key reaches only practices made with `sandbox: true`, a live key only the others. */
export type KeyMode = (typeof keyModes)[number];

export const scopes = ['read', 'write'] as const;
export type Scope = (typeof scopes)[number];

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const secretLength = 43;
const checksumLength = 6;
const form = new RegExp(`^hub_(live|test|token)_[0-9A-Za-z]{${secretLength + checksumLength}}$`);
const tokenStart = 'hub_token_';

/**
 * Spells an API key: `hub_live_`, 256 random bits in base 62, and a checksum of all before it, so that a key that
 * leaked into a repository can be told from what only looks like one without asking the hub.
 * @param secret 32 random bytes
 */
export function spellKey(mode: KeyMode, secret: Buffer): string {
  return spell(`hub_${mode}_`, secret);
}

/** Spells a short-lived token, as keys are spelled. It has the mode of the key that it was minted from. */
export function spellToken(secret: Buffer): string {
  return spell(tokenStart, secret);
}

/** Whether something that has the form of a key is a token. */
export function isToken(text: string): boolean {
  return text.startsWith(tokenStart);
}

/** Whether a text can be a key or token of the hub's making; the operator may choose any text for their own. */
export function isKeyForm(text: string): boolean {
  return (
    form.test(text) && checksumOf(text.slice(0, -checksumLength)) === text.slice(-checksumLength)
  );
}

/** What is kept of a key. It is random and long, so a plain digest cannot be guessed back. */
export function hashOfKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** Its last characters, by which people tell keys apart: a part of the checksum, nothing of the secret. */
export function endingOf(key: string): string {
  return key.slice(-4);
}

function spell(start: string, secret: Buffer): string {
  const body = start + base62(BigInt(`0x${secret.toString('hex')}`), secretLength);
  return body + checksumOf(body);
}

function checksumOf(body: string): string {
  return base62(BigInt(crc32(body)), checksumLength);
}

function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n) {
    text = alphabet[Number(rest % 62n)]! + text;
  }
  return text;
}
