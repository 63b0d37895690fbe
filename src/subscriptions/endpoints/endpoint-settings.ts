import type { ProblemError } from '../../platform/http/problem.js';
import type { EndpointSettings, EndpointSettingsResource } from './endpoint-settings.dto.js';

/** What was not said has its default, or none. */
export function settingsOf(input: EndpointSettings): EndpointSettingsResource {
  return {
    filter: input.filter ?? null,
    headers: input.headers ?? null,
    contentType: input.contentType ?? 'application/json',
    timeoutSeconds: input.timeoutSeconds ?? null,
    maxConcurrency: input.maxConcurrency ?? null,
    ratePerSecond: input.ratePerSecond ?? null,
    ordering: input.ordering ?? 'none',
    retrySchedule: input.retrySchedule ?? 'default',
    excludeOwn: input.excludeOwn ?? false,
    metadata: input.metadata ?? null,
  };
}

/** The same as columns, but for the headers, from `filter` to `metadata` in the order of `createEndpointSql`. */
export function settingColumns(settings: EndpointSettingsResource): unknown[] {
  return [
    settings.filter && JSON.stringify(settings.filter),
    settings.contentType,
    settings.timeoutSeconds,
    settings.maxConcurrency,
    settings.ratePerSecond,
    settings.ordering,
    settings.retrySchedule,
    settings.excludeOwn,
    settings.metadata && JSON.stringify(settings.metadata),
  ];
}

const mostHeaders = 20;
const mostHeaderCharacters = 8192;
const mostMetadata = 50;

/** A token and a field value of RFC 9110, 5.1 and 5.5: what no proxy changes, and no line break in either. */
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
const headerValue = /^[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?$/;

/** What the hub says itself, and what a receiver's library would take for the hub's. */
const reservedPrefixes = ['webhook-', 'hub-', 'ce-', 'proxy-'];
const reserved = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'user-agent',
  'host',
  'date',
  // Of the connection (RFC 9110, 7.6.1), or changing how the request is sent.
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
]);

/**
 * An endpoint as its answer may be kept under an idempotency key, and what belongs into the first answer only: an
 * owner's headers may be secrets.
 */
export function keepable<T extends Pick<EndpointSettingsResource, 'headers'>>(
  endpoint: T,
): { kept: object; once: object } {
  const { headers, ...others } = endpoint;
  return headers ? { kept: others, once: { headers } } : { kept: endpoint, once: {} };
}

/** What is wrong with an owner's headers; nothing is repeated of their values, which may be secrets. Pure. */
export function headerErrors(headers: Readonly<Record<string, string>>): ProblemError[] {
  const entries = Object.entries(headers);
  const size = entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (entries.length > mostHeaders || size > mostHeaderCharacters) {
    const detail = `At most ${mostHeaders} headers, with at most ${mostHeaderCharacters} characters in all.`;
    return [{ pointer: '/headers', code: 'too_many_headers', detail }];
  }
  const seen = new Set<string>();
  return entries.flatMap(([name, value]) => {
    const fault = headerFault(name, value, seen);
    return fault ? [{ pointer: `/headers/${escaped(name)}`, ...fault }] : [];
  });
}

function headerFault(name: string, value: string, seen: Set<string>) {
  const lower = name.toLowerCase();
  if (!headerName.test(name)) {
    const detail = 'The name of a header has letters, digits and hyphens, at most 100.';
    return { code: 'malformed_header', detail };
  }
  if (reserved.has(lower) || reservedPrefixes.some((prefix) => lower.startsWith(prefix))) {
    const detail = 'The hub or the connection sets this header. Choose another name.';
    return { code: 'reserved_header', detail };
  }
  if (seen.has(lower)) {
    const detail = 'Upper and lower case name the same header. Name it once.';
    return { code: 'duplicate_header', detail };
  }
  seen.add(lower);
  if (headerValue.test(value)) return undefined;
  const detail =
    'The value of a header has printable ASCII characters, spaces and tabs between them.';
  return { code: 'malformed_header', detail };
}

/** What is wrong with an owner's notes. Pure. */
export function metadataErrors(metadata: Readonly<Record<string, string>>): ProblemError[] {
  const entries = Object.entries(metadata);
  if (entries.length > mostMetadata) {
    const detail = `At most ${mostMetadata} names.`;
    return [{ pointer: '/metadata', code: 'too_many_names', detail }];
  }
  return entries.flatMap(([name, value]) => {
    if (storable(name) && name.length >= 1 && name.length <= 40) {
      if (storable(value) && value.length <= 500) return [];
    }
    const detail =
      'A name has 1 to 40 characters, its text at most 500, none of them a control character other than line breaks.';
    return [{ pointer: `/metadata/${escaped(name)}`, code: 'malformed_metadata', detail }];
  });
}

// What jsonb cannot store: U+0000, and half of a surrogate pair.
function storable(text: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]|\p{Surrogate}/u.test(text);
}

/** A name as a part of a JSON pointer (RFC 6901). */
export function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
