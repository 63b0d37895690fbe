import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { bindingOfEvent } from './bindings.js';
import { DataKey, erasedMark, isErased, keyNumberOf, SealBroken } from './data-key.js';

const key = new DataKey(70_000, randomBytes(32));
const event = {
  practiceId: '019a0f5e-7c00-7000-8000-000000000001',
  type: 'patient.created',
  subject: 'patients/019a0f5e-7c00-7000-8000-000000000002',
  subjectVersion: 1,
};
const binding = bindingOfEvent(event);

describe('a data key', () => {
  it('opens what it has sealed, whatever text it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, where) => {
        expect(key.open(key.seal(text, where), where)).toBe(text);
      }),
    );
  });

  it('never seals the same text twice alike, and shows nothing of it but its length', () => {
    const text = 'Ada Byrne';
    const all = Array.from({ length: 3000 }, () => key.seal(text, binding));
    expect(new Set(all.map((sealed) => sealed.toString('hex'))).size).toBe(all.length);
    for (const sealed of all) {
      expect(sealed.includes('Ada')).toBe(false);
      expect(sealed).toHaveLength(33 + text.length);
    }
  });

  it('names itself in what it seals', () => {
    expect(keyNumberOf(key.seal('x', binding))).toBe(70_000);
    expect(keyNumberOf(Buffer.from('{"plain":"and long enough to be something sealed"}'))).toBe(
      undefined,
    );
    expect(keyNumberOf(erasedMark)).toBeUndefined();
    expect(isErased(erasedMark)).toBe(true);
  });

  it('shows its bytes to nobody who prints it', () => {
    const secret = randomBytes(32);
    const printed = JSON.stringify(new DataKey(1, secret));
    expect(printed).toBe('{"number":1}');
  });
});

describe('something sealed does not open', () => {
  const sealed = key.seal('{"givenName":"Ada"}', binding);

  it('with any byte of it changed but the number of its key, which only says whom to ask', () => {
    for (let i = 0; i < sealed.length; i += 1) {
      if (i >= 1 && i <= 4) continue;
      const changed = Buffer.from(sealed);
      changed[i]! ^= 1;
      expect(() => key.open(changed, binding)).toThrow(SealBroken);
    }
  });

  it('cut off anywhere, or with something behind it', () => {
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => key.open(sealed.subarray(0, length), binding)).toThrow(SealBroken);
    }
    expect(() => key.open(Buffer.concat([sealed, Buffer.alloc(1)]), binding)).toThrow(SealBroken);
  });

  it('in the place of another payload: of another practice, type, subject or version', () => {
    const others = [
      { ...event, practiceId: '019a0f5e-7c00-7000-8000-000000000003' },
      { ...event, practiceId: null },
      { ...event, type: 'patient.updated' },
      { ...event, subject: 'patients/019a0f5e-7c00-7000-8000-000000000004' },
      { ...event, subjectVersion: 2 },
    ];
    for (const other of others) {
      expect(() => key.open(sealed, bindingOfEvent(other))).toThrow(SealBroken);
    }
    expect(key.open(sealed, bindingOfEvent({ ...event, subjectVersion: '1' }))).toContain('Ada');
  });

  it('under another key', () => {
    expect(() => new DataKey(70_000, randomBytes(32)).open(sealed, binding)).toThrow(SealBroken);
  });
});
