import { hashOfKey } from './api-key.js';

/** What a request brings to be let in, and the digest that stands for it from here on. */
export interface Credential {
  text: string;
  digest: Buffer;
  /** The digest as the name of whatever is counted or remembered of it. */
  name: string;
}

// RFC 6750, section 2.1, with RFC 9110, section 11.1: the scheme in any case, then one or more spaces.
const form = /^bearer +([\x21-\x7e]{1,4096})$/i;

/**
 * The key or token of an `Authorization` header; undefined where there is none. However the header is spelled, the
 * same key gives the same name, so that no spelling is a way round its limit.
 */
export function bearerOf(authorization: string | undefined): Credential | undefined {
  const text = authorization && form.exec(authorization)?.[1];
  if (!text) return undefined;
  const digest = hashOfKey(text);
  return { text, digest, name: digest.toString('base64') };
}
