import ipaddr from 'ipaddr.js';
import type { SettingValues } from './setting-definitions.js';

/*
 * What a hub that others rely on must not run with. Messages name settings and never their values.
 */

/** As long as 192 random bits in base64url. */
const leastKeyLength = 32;
/** 32 random bytes have about 30 different ones. */
const leastDifferentBytes = 10;
// From .env.example, from documentation, or from a keyboard.
const known =
  /change-?me|change-?it|example|secret|passw|letmein|qwerty|12345678|abcdefgh|your-|(.)\1{7}/i;
const wellKnownPasswords = new Set(['', 'hub', 'postgres', 'admin', 'root', 'test', 'secret']);

/** Whether a secret is one that others know too, or can guess. */
export function isDevelopmentSecret(text: string): boolean {
  return text.length < leastKeyLength || known.test(text);
}

/**
 * Faults that stop the start in production, which is wherever the database is not the embedded one, or `NODE_ENV` says
 * so.
 */
export function unsafeSettings({ operatorKey, masterKey = [] }: SettingValues): string[] {
  const faults: string[] = [];
  if (operatorKey !== undefined && isDevelopmentSecret(operatorKey)) {
    faults.push(
      `HUB_OPERATOR_KEY is a development key: in production it must be ${leastKeyLength} characters or more of your own, such as \`openssl rand -base64 36\` prints. Without one the hub makes its own.`,
    );
  }
  if (masterKey.some((key) => new Set(key).size < leastDifferentBytes)) {
    faults.push(
      'HUB_MASTER_KEY is a development key: in production it must be random, as `openssl rand -base64 32` prints it.',
    );
  }
  return faults;
}

/** What is told at the start instead, since a network of one's own may be reason enough for it. */
export function looseSettings(settings: SettingValues): string[] {
  const { publicUrl, corsOrigins = [], trustedProxies = [], databaseUrl } = settings;
  const all: [isLoose: boolean, message: string][] = [
    [
      publicUrl !== undefined && isPlain(publicUrl),
      'HUB_PUBLIC_URL is http: keys and patient data travel readable unless something before the hub speaks TLS',
    ],
    [
      corsOrigins.some(isPlain),
      'HUB_CORS_ORIGINS names a page over http: who changes it on its way has its tokens',
    ],
    [
      settings.apiRateLimit === 0,
      'HUB_API_RATE_LIMIT is 0: neither requests nor guesses of keys are limited',
    ],
    [
      trustedProxies.some((network) => ipaddr.parseCIDR(network)[1] === 0),
      'HUB_TRUSTED_PROXIES is everybody: who guesses keys can name a new address with each guess',
    ],
    [
      databaseUrl !== undefined && wellKnownPasswords.has(new URL(databaseUrl).password),
      'DATABASE_URL has no password, or one that everybody tries first',
    ],
    [
      databaseUrl !== undefined && !isLocal(databaseUrl) && !/[?&]ssl(mode)?=/.test(databaseUrl),
      'DATABASE_URL is on another machine and asks for no TLS: append ?sslmode=verify-full',
    ],
    [
      settings.kafkaBrokers !== undefined &&
        !settings.kafkaTls &&
        !settings.kafkaBrokers.every(isLoopbackBroker),
      'KAFKA_BROKERS are on other machines and HUB_KAFKA_TLS is false: events travel readable',
    ],
  ];
  return all.flatMap(([isLoose, message]) => (isLoose ? [message] : []));
}

function isPlain(url: string): boolean {
  return url.startsWith('http:') && !isLocal(url);
}

function isLoopbackBroker(broker: string): boolean {
  return isLocal(`kafka://${broker}`);
}

function isLocal(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  if (host === '' || host === 'localhost') return true;
  return ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback';
}
