import { isIP } from 'node:net';
import { isAllowed, isWithin, type Cidr } from './outbound-address.js';

const MAX_URL_LENGTH = 2048;

export type InvalidWebhookUrlCode =
  | 'url_too_long'
  | 'url_malformed'
  | 'url_scheme_not_allowed'
  | 'url_has_credentials'
  | 'url_has_fragment'
  | 'url_address_not_allowed';

/** A URL no webhook may be sent to. `detail` tells its owner what to change, and never repeats the URL. */
export class InvalidWebhookUrl extends Error {
  override readonly name = 'InvalidWebhookUrl';

  constructor(
    readonly code: InvalidWebhookUrlCode,
    readonly detail: string,
  ) {
    super(detail);
  }
}

/**
 * Checks what can be known of a webhook URL without a network. What a name resolves to is checked at each
 * connection, because it can change after the endpoint was made; of plain http also when it is saved (`PlainHosts`).
 *
 * Plain `http` is accepted only towards `allowNetworks`: the payload is health data, and only the
 * operator's own networks may carry it unencrypted.
 * @throws InvalidWebhookUrl
 */
export function validateWebhookUrl(url: string, allowNetworks: readonly Cidr[]): void {
  if (url.length > MAX_URL_LENGTH) {
    throw new InvalidWebhookUrl(
      'url_too_long',
      `use a URL of at most ${MAX_URL_LENGTH} characters`,
    );
  }
  // The URL parser drops line breaks and outer spaces silently; what is stored must be what is called.
  if (/[\s\p{Cc}]/u.test(url)) throw malformed();
  const { protocol, username, password, hostname } = parseWebhookUrl(url);
  if (protocol !== 'https:' && protocol !== 'http:') {
    throw new InvalidWebhookUrl('url_scheme_not_allowed', 'use an https URL');
  }
  if (username !== '' || password !== '') {
    throw new InvalidWebhookUrl(
      'url_has_credentials',
      'remove user name and password; check the webhook signature or set a header instead',
    );
  }
  if (url.includes('#')) {
    throw new InvalidWebhookUrl('url_has_fragment', 'remove the fragment (#…); it is never sent');
  }
  checkHost(hostname, protocol === 'http:', allowNetworks);
}

/**
 * The parts of an absolute URL.
 * @throws InvalidWebhookUrl
 */
export function parseWebhookUrl(url: string): URL {
  try {
    return new URL(url);
  } catch {
    throw malformed();
  }
}

export function plainHttpNotAllowed(): InvalidWebhookUrl {
  return new InvalidWebhookUrl(
    'url_scheme_not_allowed',
    'use https; http is only for hosts in a network the operator allows (HUB_ALLOW_NETWORKS)',
  );
}

function malformed(): InvalidWebhookUrl {
  return new InvalidWebhookUrl('url_malformed', 'use an absolute URL: https://example.com/hook');
}

function checkHost(hostname: string, plain: boolean, allowNetworks: readonly Cidr[]): void {
  const address = hostname.replace(/^\[|\]$/g, '');
  const literal = isIP(address) !== 0;
  if (plain && (literal ? !isWithin(address, allowNetworks) : allowNetworks.length === 0)) {
    throw plainHttpNotAllowed();
  }
  if (literal && !isAllowed(address, allowNetworks)) {
    throw new InvalidWebhookUrl(
      'url_address_not_allowed',
      'use a public address; private ones only in a network the operator allows (HUB_ALLOW_NETWORKS)',
    );
  }
}
