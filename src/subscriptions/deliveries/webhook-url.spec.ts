import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseNetworks } from './outbound-address.js';
import { InvalidWebhookUrl, validateWebhookUrl } from './webhook-url.js';

const loopback = parseNetworks(['127.0.0.0/8', '::1/128']);

function codeOf(url: string, networks = loopback): string {
  try {
    validateWebhookUrl(url, networks);
    return 'valid';
  } catch (error) {
    if (!(error instanceof InvalidWebhookUrl)) throw error;
    expect(error.detail).not.toBe('');
    expect(error.message).not.toContain('s3cret');
    return error.code;
  }
}

describe('validateWebhookUrl', () => {
  it.each([
    'https://example.com',
    'https://example.com:8443/hooks/practice?tenant=1&x=%20',
    'https://münchen.example/hook',
    'https://8.8.8.8/hook',
    'https://[2606:4700:4700::1111]/hook',
    'https://127.0.0.1:3000/',
    'http://127.0.0.1:3000/',
    'http://[::1]:3000/',
    'http://localhost:3000/hook',
  ])('accepts %s', (url) => {
    expect(codeOf(url)).toBe('valid');
  });

  it.each([
    ['url_malformed', ''],
    ['url_malformed', '/hook'],
    ['url_malformed', 'example.com/hook'],
    ['url_malformed', 'https://'],
    ['url_malformed', 'https://example.com/a b'],
    ['url_malformed', ' https://example.com/'],
    ['url_malformed', 'https://exa\nmple.com/'],
    ['url_malformed', 'https://example.com/\u0000'],
    ['url_malformed', 'https://256.256.256.256/'],
    ['url_malformed', 'https://example.com:99999/'],
    ['url_scheme_not_allowed', 'ftp://example.com/'],
    ['url_scheme_not_allowed', 'file:///etc/passwd'],
    ['url_scheme_not_allowed', 'javascript:alert(1)'],
    ['url_scheme_not_allowed', 'http://8.8.8.8/'],
    ['url_has_credentials', 'https://user:s3cret@example.com/'],
    ['url_has_credentials', 'https://user@example.com/'],
    ['url_has_fragment', 'https://example.com/#s3cret'],
    ['url_has_fragment', 'https://example.com/#'],
    ['url_address_not_allowed', 'https://10.0.0.1/'],
    ['url_address_not_allowed', 'https://169.254.169.254/latest/meta-data'],
    ['url_address_not_allowed', 'https://[fd00::1]/'],
    ['url_address_not_allowed', 'https://[::ffff:10.0.0.1]/'],
  ])('refuses with %s: %j', (code, url) => {
    expect(codeOf(url)).toBe(code);
  });

  it('sees through every spelling of a loopback address', () => {
    const spellings = [
      '127.0.0.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '127.1',
      '127.0.0.1.',
    ];
    for (const host of [...spellings, '[::1]', '[::ffff:7f00:1]', '0.0.0.0']) {
      expect([host, codeOf(`https://${host}/`, [])]).toEqual([host, 'url_address_not_allowed']);
    }
  });

  it('allows plain http for a name only when there are networks it could lie in', () => {
    expect(codeOf('http://receiver.internal/', loopback)).toBe('valid');
    expect(codeOf('http://receiver.internal/', [])).toBe('url_scheme_not_allowed');
    expect(codeOf('https://receiver.internal/', [])).toBe('valid');
  });

  it('bounds the length', () => {
    const prefix = 'https://example.com/';
    expect(codeOf(prefix + 'a'.repeat(2048 - prefix.length))).toBe('valid');
    expect(codeOf(prefix + 'a'.repeat(2049 - prefix.length))).toBe('url_too_long');
  });

  it('answers with a code for any text', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.webUrl()), (text) => void codeOf(text)));
  });
});
