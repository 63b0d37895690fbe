import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { isDevelopmentSecret, looseSettings } from './safe-defaults.js';
import { InvalidSettings, readSettings } from './settings.js';

const database = { DATABASE_URL: 'postgres://hub:3Gk0n5@127.0.0.1/hub' };
const ownKey = 'hub_live_Zk3uP7wQx1Vt8Ls5Rb2Nc6Md9Ha4Jf0';

describe('in production', () => {
  it.each([
    'hub_live_change-me-to-something-long-and-random',
    'hub_live_example-key-of-the-documentation',
    'short-but-16-chars-ok',
    'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
    'my-super-secret-operator-key-for-the-hub',
  ])('a development key stops the start: %s', (key) => {
    for (const production of [database, { NODE_ENV: 'production' }]) {
      const start = () => readSettings({ ...production, HUB_OPERATOR_KEY: key });
      expect(start).toThrow(InvalidSettings);
      expect(start).toThrow(/HUB_OPERATOR_KEY is a development key/);
      expect(start).not.toThrow(new RegExp(key));
    }
    expect(readSettings({ HUB_OPERATOR_KEY: key }).embedded).toBe(true);
  });

  it('a master key that nobody drew at random stops it too', () => {
    const zeros = Buffer.alloc(32).toString('base64');
    const own = 'Yp3vQm9kT1xW7cRz0LhJ4sNf8BgUa5Ed2oKiVbXyMlc=';
    const start = (key: string) => readSettings({ ...database, HUB_MASTER_KEY: key });
    expect(() => start(`${own},${zeros}`)).toThrow(/HUB_MASTER_KEY is a development key/);
    expect(start(own).masterKey).toHaveLength(1);
  });

  it('a key of one’s own, or one that the hub makes, does not', () => {
    expect(readSettings({ ...database, HUB_OPERATOR_KEY: ownKey }).operatorKey).toBe(ownKey);
    expect(readSettings(database).operatorKey).toBeUndefined();
  });

  it('every secret that documentation or examples show is one of development', () => {
    const shown = ['.env.example', 'docker-compose.yml', 'README.md'].flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/HUB_OPERATOR_KEY[=:] *([\x21-\x7e]+)/g)].map(
        ([, value]) => value!,
      ),
    );
    expect(shown.length).toBeGreaterThan(0);
    // What names a variable is no value.
    for (const value of shown.filter((text) => !text.includes('$'))) {
      expect({ value, isDevelopment: isDevelopmentSecret(value) }).toEqual({
        value,
        isDevelopment: true,
      });
    }
  });
});

describe('what is told at the start', () => {
  const told = (environment: Record<string, string>) =>
    looseSettings(readSettings({ ...database, ...environment })).map((text) => text.split(' ')[0]);

  it('is nothing where everything is as it should be', () => {
    expect(told({})).toEqual([]);
    expect(
      told({
        DATABASE_URL: 'postgres://hub:3Gk0n5@db.internal/hub?sslmode=verify-full',
        HUB_PUBLIC_URL: 'https://hub.example.com',
        HUB_TRUSTED_PROXIES: '10.0.0.0/24',
        HUB_CORS_ORIGINS: 'https://portal.example.com',
        KAFKA_BROKERS: 'kafka.internal:9093',
        HUB_KAFKA_TLS: 'true',
      }),
    ).toEqual([]);
    expect(
      told({ HUB_PUBLIC_URL: 'http://127.0.0.1:3000', KAFKA_BROKERS: '127.0.0.1:9092' }),
    ).toEqual([]);
  });

  it.each([
    ['HUB_PUBLIC_URL', 'http://hub.example.com'],
    ['HUB_CORS_ORIGINS', 'http://portal.example.com'],
    ['HUB_API_RATE_LIMIT', '0'],
    ['HUB_TRUSTED_PROXIES', '0.0.0.0/0'],
    ['HUB_TRUSTED_PROXIES', '::/0'],
    ['DATABASE_URL', 'postgres://hub:hub@127.0.0.1/hub'],
    ['DATABASE_URL', 'postgres://hub:3Gk0n5@db.internal/hub'],
    ['KAFKA_BROKERS', 'kafka.internal:9092'],
  ])('is that %s is %s', (name, value) => {
    expect(told({ [name]: value })).toEqual([name]);
  });
});
