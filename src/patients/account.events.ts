import type { AnyNewEvent } from '../events/outbox/outbox.js';
import type { Account } from './account.entity.js';
import { holderChanges } from './account.rules.js';

export function accountCreated(account: Account): AnyNewEvent {
  const { id, guarantorPatientId, currency, balance, holder, externalIds } = account;
  return {
    type: 'account.created',
    ...about(account),
    data: {
      accountId: id,
      guarantorPatientId: guarantorPatientId ?? undefined,
      currency,
      balance,
      holder,
      externalIds,
    },
  };
}

export function accountChanged(before: Account, after: Account): AnyNewEvent[] {
  const events: AnyNewEvent[] = [];
  const changed = holderChanges(before.holder, after.holder);
  if (changed.length > 0) {
    events.push({
      type: 'account.holder_changed',
      ...about(after),
      data: {
        accountId: after.id,
        holder: after.holder,
        changedFields: changed.map((field) => `holder.${field}` as const),
        previous: { holder: before.holder },
      },
    });
  }
  if (before.guarantorPatientId !== after.guarantorPatientId) {
    events.push({
      type: 'account.guarantor_changed',
      ...about(after),
      data: {
        accountId: after.id,
        guarantorPatientId: after.guarantorPatientId,
        previousGuarantorPatientId: before.guarantorPatientId,
      },
    });
  }
  return events;
}

function about({ practiceId, id, version }: Account) {
  return { practiceId, subjectId: id, subjectVersion: version };
}
