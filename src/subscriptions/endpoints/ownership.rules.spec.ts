import { describe, expect, it } from '@jest/globals';
import {
  answersChallenge,
  firstStanding,
  provenStanding,
  standingAfter,
} from './ownership.rules.js';

const url = 'https://partner.example.com/hook';
const moved = 'https://partner.example.com/other';
const proven = { url, enabled: true, ownership: 'proven', disabledReason: null } as const;
const waiting = { url, enabled: false, ownership: 'unproven', disabledReason: 'unproven' } as const;
const quiet = { ...waiting, disabledReason: null };

describe('a new endpoint', () => {
  it('is enabled at once where no proof is asked for', () => {
    expect(firstStanding({})).toMatchObject({ enabled: true, ownership: 'assumed' });
    expect(firstStanding({ enabled: false })).toMatchObject({ enabled: false });
  });

  it('waits for its proof, and afterwards is what was asked for', () => {
    const wanted = firstStanding({ ownershipChallenge: true });
    expect(wanted).toEqual({ enabled: false, ownership: 'unproven', disabledReason: 'unproven' });
    expect(provenStanding(wanted)).toEqual({
      ownership: 'proven',
      enabled: true,
      disabledReason: null,
    });
    const unwanted = firstStanding({ ownershipChallenge: true, enabled: false });
    expect(unwanted).toMatchObject({ enabled: false, disabledReason: null });
    expect(provenStanding(unwanted)).toEqual({ ownership: 'proven' });
  });
});

describe('a changed endpoint', () => {
  it('is left alone where no proof was asked for', () => {
    expect(standingAfter({ ...proven, ownership: 'assumed' }, { url: moved })).toEqual({});
  });

  it('has to prove itself again when it moves, and is what it was after that', () => {
    const asBefore = { enabled: false, ownership: 'unproven', disabledReason: 'unproven' };
    expect(standingAfter(proven, { url: moved })).toEqual(asBefore);
    expect(standingAfter(waiting, { url: moved })).toEqual(asBefore);
    expect(standingAfter({ ...proven, enabled: false }, { url: moved })).toMatchObject({
      disabledReason: null,
    });
    expect(
      standingAfter({ ...proven, enabled: false, disabledReason: 'gone' }, { url: moved }),
    ).toMatchObject({ disabledReason: 'gone' });
  });

  it('may say together with its new address whether it is to be enabled', () => {
    expect(standingAfter(quiet, { url: moved, enabled: true })).toMatchObject({
      enabled: false,
      disabledReason: 'unproven',
    });
    expect(standingAfter(proven, { url: moved, enabled: false })).toMatchObject({
      enabled: false,
      disabledReason: null,
    });
  });

  it('stays proven at the same address', () => {
    expect(standingAfter(proven, { url, enabled: false })).toEqual({});
    expect(standingAfter({ ...proven, enabled: false }, { enabled: true })).toEqual({});
  });

  it('is not enabled while it is unproven', () => {
    expect(() => standingAfter(waiting, { enabled: true })).toThrow('ownership_unproven');
    expect(() => standingAfter(waiting, { url, enabled: true })).toThrow('ownership_unproven');
    expect(standingAfter(waiting, { enabled: false })).toEqual({});
  });
});

describe('the answer to a challenge', () => {
  const challenge = 'q0S0-nTkVGGlxiyHNYVjkUbzF_vQbiQGPZgZlYKgvbI';

  it('is the challenge as text or JSON', () => {
    for (const body of [
      challenge,
      `${challenge}\n`,
      `"${challenge}"`,
      `{ "challenge": "${challenge}" }`,
    ]) {
      expect(answersChallenge(body, challenge)).toBe(true);
    }
  });

  it('is not an echo, another challenge or anything else', () => {
    for (const body of [
      '',
      'ok',
      'null',
      '{}',
      '{"challenge":null}',
      challenge.slice(1),
      `${challenge} ${challenge}`,
      `["${challenge}"]`,
      `{"challenge":"${challenge}","type":"hub.challenge"}`,
      `{"body":{"challenge":"${challenge}"}}`,
    ]) {
      expect(answersChallenge(body, challenge)).toBe(false);
    }
  });
});
