import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isKeyForm, isToken, keyModes, spellKey, spellToken } from './api-key.js';

const secret = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

describe('an API key', () => {
  it('is recognized by its form, and with any one character changed it is not', () => {
    fc.assert(
      fc.property(fc.constantFrom(...keyModes), secret, fc.nat(57), (mode, bytes, place) => {
        const key = spellKey(mode, bytes);
        expect(key).toMatch(new RegExp(`^hub_${mode}_[0-9A-Za-z]{49}$`));
        expect(isKeyForm(key)).toBe(true);
        const at = place % key.length;
        const other = key[at] === 'a' ? 'b' : 'a';
        expect(isKeyForm(key.slice(0, at) + other + key.slice(at + 1))).toBe(false);
      }),
    );
  });

  it('differs wherever its secret does', () => {
    const [zeros, ones] = [Buffer.alloc(32), Buffer.alloc(32, 255)];
    expect(spellKey('live', zeros)).not.toBe(spellKey('live', ones));
    expect(spellKey('live', ones)).not.toBe(spellKey('test', ones));
  });

  it('is no token, and a token is told by its beginning', () => {
    const token = spellToken(Buffer.alloc(32, 7));
    expect(token).toMatch(/^hub_token_[0-9A-Za-z]{49}$/);
    expect([isKeyForm(token), isToken(token)]).toEqual([true, true]);
    expect(isToken(spellKey('live', Buffer.alloc(32, 7)))).toBe(false);
    // The checksum is over the beginning as well.
    expect(isKeyForm(token.replace('hub_token_', 'hub_live_'))).toBe(false);
  });

  it('is nothing but a key', () => {
    for (const text of ['', 'hub_live_', `${spellKey('live', Buffer.alloc(32))}\n`, 'Bearer x']) {
      expect(isKeyForm(text)).toBe(false);
    }
  });
});
