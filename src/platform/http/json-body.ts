import { invalidField, Problem } from './problem.js';

/** Deeper than anything a request has to say; what looks through a body recursively relies on it. */
const mostDepth = 32;
/** Names that reach what all objects share, or that the framework would silently remove. */
const strange = new Set(['__proto__', 'constructor', 'prototype']);

// Strict, because a body in another encoding would be stored with its letters replaced.
const utf8 = new TextDecoder('utf-8', { fatal: true });

export function isStrange(name: string): boolean {
  return strange.has(name);
}

/**
 * The value of a JSON body, bounded in depth and without strange names: for every route, also those that read none
 * of it.
 * @throws Problem 400 for what is no JSON in UTF-8, 422 with the place of what is too deep or has a strange name
 */
export function readJson(body: Uint8Array): unknown {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(body));
  } catch {
    throw new Problem(
      400,
      'malformed_request',
      'The request cannot be read. The body must be valid JSON in UTF-8.',
    );
  }
  refuseStrange(value, '', 0);
  return value;
}

/**
 * What is packed would have to be unpacked before anybody knows how large it is; 256 KB need no packing.
 * @throws Problem 415 for a body in any content coding (RFC 9110, 8.4 and 15.5.16)
 */
export function refuseEncoded(contentEncoding: string | undefined): void {
  if (contentEncoding === undefined || contentEncoding.toLowerCase() === 'identity') return;
  throw new Problem(
    415,
    'unsupported_content_encoding',
    'The hub takes bodies unencoded. Send the JSON as it is, without Content-Encoding.',
  );
}

function refuseStrange(value: unknown, path: string, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    const pointer = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (strange.has(name)) throw invalidField(pointer, 'unknown_field', 'No field has this name');
    if (depth >= mostDepth) throw invalidField(path, 'too_deep', 'This is nested too deeply');
    refuseStrange(member, pointer, depth + 1);
  }
}
