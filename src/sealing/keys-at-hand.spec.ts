import { randomBytes, randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { Logger } from '../platform/logger.js';
import { DataKey } from './data-key.js';
import { bindingOfKey, KeysAtHand, type KeyRow } from './keys-at-hand.js';
import { MasterKeys } from './master-keys.js';

const master = MasterKeys.of([randomBytes(32)]);

function aRow(number: number): KeyRow {
  const practiceId = randomUUID();
  const { wrapped, masterKeyId } = master.wrap(randomBytes(32), bindingOfKey(practiceId));
  return { number, practice_id: practiceId, wrapped, master_key_id: masterKeyId };
}

it('forgets none that the batch in hand needs when others come, however many there are', () => {
  const keys = new KeysAtHand(master, new Logger('silent'));
  const first = aRow(1);
  keys.takeSealing(first);
  for (let number = 2; number <= 20_000; number += 1) keys.takeSealing(aRow(number));
  // A batch that needs the oldest one, and one that is not there yet.
  expect(keys.holdOpening(1)).toBe(true);
  expect(keys.holdSealing(first.practice_id!)).toBe(true);
  expect(keys.holdOpening(20_001)).toBe(false);
  keys.takeSealing(aRow(20_001));
  expect(keys.get(1)).toBeInstanceOf(DataKey);
  expect(keys.sealing(first.practice_id!)).toBeInstanceOf(DataKey);
  // Somebody had to go.
  expect(keys.get(2)).toBeUndefined();
});
