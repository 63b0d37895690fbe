import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { Logger } from '../../../platform/logger.js';
import { readSettings } from '../../../platform/settings.js';
import { clientConfig, kafkaClient } from './client.js';

const settingsOf = (more: Record<string, string>) =>
  readSettings({ KAFKA_BROKERS: 'one:9092,two:9092', ...more });

describe('the client of the brokers', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kafka-client-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('talks in the clear and without a login by default', () => {
    expect(clientConfig(settingsOf({}))).toMatchObject({
      brokers: ['one:9092', 'two:9092'],
      ssl: false,
    });
    expect(clientConfig(settingsOf({}))).not.toHaveProperty('sasl');
  });

  it('talks TLS, with an authority of the operator where there is one', async () => {
    expect(clientConfig(settingsOf({ HUB_KAFKA_TLS: 'true' })).ssl).toBe(true);
    const file = join(folder, 'ca.pem');
    await writeFile(file, 'a certificate');
    const settings = settingsOf({ HUB_KAFKA_TLS: 'true', HUB_KAFKA_TLS_CA_FILE: file });
    expect(clientConfig(settings).ssl).toEqual({ ca: ['a certificate'] });
  });

  it('logs in', () => {
    const settings = settingsOf({
      HUB_KAFKA_SASL_MECHANISM: 'scram-sha-512',
      HUB_KAFKA_SASL_USERNAME: 'hub',
      HUB_KAFKA_SASL_PASSWORD: 'secret',
    });
    const sasl = { mechanism: 'scram-sha-512', username: 'hub', password: 'secret' };
    expect(clientConfig(settings).sasl).toEqual(sasl);
  });

  it('does not take what passes for an error, nor log what it was given', () => {
    const lines: Record<string, unknown>[] = [];
    const stream = new Writable({
      write: (chunk, _, done) => {
        lines.push(JSON.parse(String(chunk)));
        done();
      },
    });
    const client = kafkaClient(settingsOf({}), new Logger('debug', stream));
    client
      .logger()
      .namespace('Connection')
      .error('Response GroupCoordinator(key: 10)', {
        broker: 'one:9092',
        error: 'The group coordinator is not available',
        payload: Buffer.from('Ada Byrne'),
      });
    expect(lines).toEqual([
      expect.objectContaining({ kafka: 'Connection', broker: 'one:9092', level: 20 }),
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/Ada|payload/);
  });
});
