import { describe, expect, it } from '@jest/globals';
import { holderChanges } from './account.rules.js';
import type { Patient } from './patient.entity.js';
import { accountFault, changesBetween, changesNothing, speciesFault } from './patient.rules.js';

const ada = {
  id: '019a0f5e-7c00-7000-8000-000000000011',
  accountId: '019a0f5e-7c00-7000-8000-000000000021',
  kind: 'human',
  status: 'active',
  givenName: 'Ada',
  familyName: 'Byrne',
  birthDate: null,
  email: null,
  phone: '1',
  species: null,
  breed: null,
  externalIds: [
    { system: 'a', value: '1' },
    { system: 'b', value: '2' },
  ],
  restricted: false,
} as Patient;

describe('changes between two versions of a patient', () => {
  it('are none where every field has the value it had', () => {
    const same = { ...ada, externalIds: [...ada.externalIds].reverse() };
    expect(changesNothing(changesBetween(ada, same))).toBe(true);
  });

  it.each([
    [{ familyName: null }, { record: ['familyName'] }],
    [{ externalIds: [] }, { record: ['externalIds'] }],
    [
      { externalIds: [{ system: 'a', value: '2' }, ada.externalIds[1]!] },
      { record: ['externalIds'] },
    ],
    [{ phone: null, email: 'a@example.com' }, { contact: ['email', 'phone'] }],
    [{ accountId: '019a0f5e-7c00-7000-8000-000000000022' }, { account: true }],
    [{ status: 'deceased' as const }, { status: true }],
    [{ restricted: true }, { restriction: true }],
  ])('are grouped by what they are about: %j', (change, expected) => {
    const changes = changesBetween(ada, { ...ada, ...change });
    expect(changes).toEqual({
      record: [],
      contact: [],
      account: false,
      status: false,
      restriction: false,
      ...expected,
    });
    expect(changesNothing(changes)).toBe(false);
  });
});

describe('the species rule', () => {
  it.each([
    [{ kind: 'animal', species: 'cat' }, undefined],
    [{ kind: 'animal', species: null }, '/species'],
    [{ kind: 'animal' }, '/species'],
    [{ kind: 'human' }, undefined],
    [{ kind: 'human', species: 'cat' }, '/species'],
    [{ kind: 'human', breed: 'siamese' }, '/breed'],
  ] as const)('%j', (input, pointer) => {
    expect(speciesFault(input)?.pointer).toBe(pointer);
  });
});

describe('the account rule', () => {
  it.each([
    [{}, undefined],
    [{ owner: {} }, undefined],
    [{ accountId: 'x' }, undefined],
    [{ accountId: 'x', owner: {} }, 'account_or_owner'],
  ] as const)('%j', (input, code) => {
    expect(accountFault(input)?.code).toBe(code);
  });
});

describe('changes of a holder', () => {
  it('name what differs, also what is gone', () => {
    const before = { givenName: 'Grace', familyName: 'Moor', email: 'g@example.com' };
    expect(holderChanges(before, { ...before })).toEqual([]);
    expect(holderChanges(before, { givenName: 'Grace', familyName: 'More', phone: '1' })).toEqual([
      'familyName',
      'email',
      'phone',
    ]);
  });
});
