import ipaddr from 'ipaddr.js';

/** Thrown by a reader: says what is expected, and never repeats the value, which may be a secret. */
export class UnreadableSetting extends Error {}

export type Reader<T> = (text: string) => T;

export const text: Reader<string> = (value) => value;

export function integer(least: number, most: number): Reader<number> {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < least || number > most) {
      throw new UnreadableSetting(`must be a whole number from ${least} to ${most}`);
    }
    return number;
  };
}

export function oneOf<const T extends string>(...names: readonly T[]): Reader<T> {
  return (value) => {
    if (!names.includes(value as T))
      throw new UnreadableSetting(`must be one of ${names.join(', ')}`);
    return value as T;
  };
}

export const flag: Reader<boolean> = (value) => oneOf('true', 'false')(value) === 'true';

/** An address of a server of ours: `postgres://…`, `http://…`. */
export function url(...schemes: readonly string[]): Reader<string> {
  return (value) => {
    const scheme = URL.canParse(value) ? new URL(value).protocol.slice(0, -1) : undefined;
    if (!scheme || !schemes.includes(scheme)) {
      throw new UnreadableSetting(`must be a URL that begins with ${schemes.join(':// or ')}://`);
    }
    return value.replace(/\/+$/, '');
  };
}

export const brokers: Reader<string[]> = (value) => {
  const list = value.split(',').map((broker) => broker.trim());
  if (!list.every((broker) => /^(\[[0-9a-fA-F:]+\]|[\w.-]+):\d{1,5}$/.test(broker))) {
    throw new UnreadableSetting('must be a comma-separated list of host:port');
  }
  return list;
};

export const networks: Reader<string[]> = (value) => {
  const list = value
    .split(',')
    .map((network) => network.trim())
    .filter(Boolean);
  if (!list.every((network) => ipaddr.isValidCIDR(network))) {
    throw new UnreadableSetting('must be a comma-separated list of networks such as 10.1.0.0/16');
  }
  return list;
};

/** As browsers write them: scheme, host and port, and no wildcard. */
export const origins: Reader<string[]> = (value) => {
  const list = value.split(',').map((origin) => origin.trim());
  if (!list.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin)) {
    throw new UnreadableSetting(
      'must be a comma-separated list such as https://portal.example.com',
    );
  }
  return list;
};

export const operatorKey: Reader<string> = (value) => {
  if (!/^[\x21-\x7e]{16,200}$/.test(value)) {
    throw new UnreadableSetting('must be 16 to 200 printable characters without spaces');
  }
  return value;
};

const masterKeyBytes = 32;

/** Keys of 32 bytes in base64, with commas or line ends between; the first one is in force. */
export const masterKeys: Reader<Buffer[]> = (value) => {
  const keys = value
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((key) => Buffer.from(key, 'base64'));
  if (keys.length === 0 || keys.some(({ length }) => length !== masterKeyBytes)) {
    throw new UnreadableSetting(
      'must hold keys of 32 bytes in base64 (`openssl rand -base64 32` makes one), with commas between',
    );
  }
  return keys;
};
