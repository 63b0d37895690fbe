import { describe, expect, it } from '@jest/globals';
import { headerErrors, metadataErrors } from './endpoint-settings.js';

const codes = (headers: Record<string, string>) => headerErrors(headers).map(({ code }) => code);

describe("an owner's headers", () => {
  it('may be what a receiver needs', () => {
    const headers = { Authorization: 'Bearer a.b', 'x-tenant': 'elm', cookie: 'a=1; b="2"' };
    expect(headerErrors(headers)).toEqual([]);
  });

  it.each([
    'Webhook-Id',
    'webhook-signature',
    'hub-sequence',
    'ce-id',
    'Content-Type',
    'HOST',
    'content-length',
    'user-agent',
    'Connection',
    'te',
    'upgrade',
    'transfer-encoding',
    'keep-alive',
    'trailer',
    'proxy-authorization',
    'expect',
    'content-encoding',
  ])('may not be %s', (name) => {
    expect(headerErrors({ [name]: 'x' })).toEqual([
      { pointer: `/headers/${name}`, code: 'reserved_header', detail: expect.any(String) },
    ]);
  });

  it('are names and values that travel as they are', () => {
    for (const name of ['', 'a b', 'a:b', 'é', 'a\r\nb', 'x'.repeat(101)]) {
      expect(codes({ [name]: 'x' })).toEqual(['malformed_header']);
    }
    for (const value of ['', ' x', 'x ', 'a\r\nb: c', 'a\nb', 'é', '\u0000']) {
      expect(codes({ 'x-a': value })).toEqual(['malformed_header']);
    }
    expect(codes({ 'x-a': '1', 'X-A': '2' })).toEqual(['duplicate_header']);
  });

  it('are few, and their values are not repeated', () => {
    const many = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`x-${i}`, 'x']));
    expect(codes(many)).toEqual(['too_many_headers']);
    expect(codes({ 'x-a': 'x'.repeat(8192) })).toEqual(['too_many_headers']);
    expect(JSON.stringify(headerErrors({ 'x-a': 'secret\n' }))).not.toContain('secret');
  });
});

describe("an owner's notes", () => {
  it('are short texts under short names', () => {
    expect(metadataErrors({ team: 'billing\nand more', 'a/b': '' })).toEqual([]);
    expect(metadataErrors({ 'a/b': '\u0000' })[0]).toMatchObject({ pointer: '/metadata/a~1b' });
    const wrong: Record<string, string>[] = [
      { '': 'x' },
      { ['x'.repeat(41)]: 'x' },
      { a: 'x'.repeat(501) },
      { a: '\ud800' },
    ];
    for (const bad of wrong) {
      expect(metadataErrors(bad)).toHaveLength(1);
    }
    const many = Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`n${i}`, 'x']));
    expect(metadataErrors(many)).toHaveLength(1);
  });
});
