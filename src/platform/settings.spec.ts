import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { envExample, InvalidSettings, readSettings } from './settings.js';

function problemsOf(environment: Record<string, string>): string {
  try {
    readSettings(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidSettings);
    return (error as InvalidSettings).message;
  }
  throw new Error('the settings were accepted');
}

describe('settings', () => {
  it('need nothing', () => {
    const settings = readSettings({});
    expect(settings).toMatchObject({ port: 3000, dataDir: '.hub', kafkaPayload: 'minimum' });
    expect(settings.embedded).toBe(true);
    expect(settings.listenHost).toBe('127.0.0.1');
    expect(settings.webhookNetworks).toEqual(['127.0.0.0/8', '::1/128']);
  });

  it('open the hub to others only with a database of their own', () => {
    const settings = readSettings({ DATABASE_URL: 'postgres://hub@db/hub' });
    expect(settings.listenHost).toBe('0.0.0.0');
    expect(settings.webhookNetworks).toEqual([]);
  });

  it('take an empty value for none, as compose files give it', () => {
    expect(readSettings({ HUB_OPERATOR_KEY: '', KAFKA_BROKERS: '' }).kafkaBrokers).toBeUndefined();
  });

  it('name every fault at once and never a value', () => {
    const message = problemsOf({
      PORT: 'x-marks-the-spot',
      HUB_ALLOW_NETWORKS: 'x-marks-the-spot',
      HUB_OPERATOR_KEY: 'short-secret',
      HUB_NO_SUCH_THING: 'x-marks-the-spot',
    });
    for (const name of ['PORT', 'HUB_ALLOW_NETWORKS', 'HUB_OPERATOR_KEY', 'HUB_NO_SUCH_THING']) {
      expect(message).toContain(name);
    }
    expect(message).not.toContain('x-marks-the-spot');
    expect(message).not.toContain('short-secret');
  });

  it('let nobody keep what was disclosed for less than the law asks for', () => {
    expect(problemsOf({ HUB_DISCLOSURE_RETENTION_YEARS: '5' })).toContain('from 6 to 100');
    expect(readSettings({}).disclosureRetentionYears).toBe(6);
  });

  it('want a user and a password for SASL', () => {
    expect(problemsOf({ HUB_KAFKA_SASL_MECHANISM: 'plain' })).toContain('HUB_KAFKA_SASL_PASSWORD');
  });

  it('make links absolute, wherever the hub listens', () => {
    expect(readSettings({ HUB_PUBLIC_URL: 'https://hub.example.com/' }).baseUrl).toBe(
      'https://hub.example.com',
    );
    expect(readSettings({ HOST: '::1', PORT: '8080' }).baseUrl).toBe('http://[::1]:8080');
    expect(readSettings({ HOST: '0.0.0.0' }).baseUrl).toBe('http://127.0.0.1:3000');
  });

  it('are all in .env.example', () => {
    expect(readFileSync('.env.example', 'utf8')).toBe(envExample());
  });
});
