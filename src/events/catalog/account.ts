import { event } from './define.js';
import { full, id, minimum } from './fields.js';

const holder = {
  givenName: full.text(),
  familyName: full.text().optional(),
  email: full.text().optional(),
  phone: full.text().optional(),
};

const links = ({ accountId }: { accountId: string }) => ({ account: `/accounts/${accountId}` });

const accountId = '019a0f5e-7c00-7000-8000-000000000021';
const exampleHolder = {
  givenName: 'Ada',
  familyName: 'Byrne',
  email: 'ada.byrne@example.com',
  phone: '+1 312 555 0142',
};

const balance = {
  accountId: id.uuid(),
  /** Minor units; positive is owed to the practice. */
  balance: minimum.integer(),
  previousBalance: minimum.integer(),
  currency: minimum.text(),
  /** The ledger entry that made the difference. */
  entryId: id.uuid(),
};

const balanceLinks = (data: { accountId: string; entryId: string }) => ({
  ...links(data),
  entry: `/accounts/${data.accountId}/entries/${data.entryId}`,
});

export const accountEvents = {
  'account.created': event({
    version: 1,
    description: 'An account was opened: for a patient, or for the owner of an animal.',
    subject: 'accounts',
    fields: {
      accountId: id.uuid(),
      guarantorPatientId: id.uuid().optional(),
      currency: minimum.text(),
      balance: minimum.integer(),
      holder: full.object(holder),
      // Another system's account number identifies a person (45 CFR 164.514(b)(2)(i)).
      externalIds: full.list({ system: full.text(), value: full.text() }),
    },
    links,
    example: {
      accountId,
      currency: 'USD',
      balance: 0,
      holder: exampleHolder,
      externalIds: [{ system: 'open-dental', value: 'G-4711' }],
    },
  }),

  'account.holder_changed': event({
    version: 1,
    description: 'An account has another holder, or its holder another name or address.',
    subject: 'accounts',
    fields: {
      accountId: id.uuid(),
      holder: full.object(holder),
      changedFields: full.changedFields({
        'holder.givenName': 'full',
        'holder.familyName': 'full',
        'holder.email': 'full',
        'holder.phone': 'full',
      }),
      previous: full.object({ holder: full.object(holder) }),
    },
    links,
    example: {
      accountId,
      holder: exampleHolder,
      changedFields: ['holder.email'],
      previous: { holder: { ...exampleHolder, email: 'ada@old.example.com' } },
    },
  }),

  'account.guarantor_changed': event({
    version: 1,
    description: 'Another patient answers for an account, or nobody does any more.',
    subject: 'accounts',
    fields: {
      accountId: id.uuid(),
      guarantorPatientId: id.uuid().nullable(),
      previousGuarantorPatientId: id.uuid().nullable(),
    },
    links,
    example: {
      accountId,
      guarantorPatientId: '019a0f5e-7c00-7000-8000-000000000011',
      previousGuarantorPatientId: null,
    },
  }),

  'account.balance_changed': event({
    version: 1,
    description: 'A ledger entry changed what an account owes.',
    subject: 'accounts',
    fields: balance,
    links: balanceLinks,
    example: {
      accountId,
      balance: 6000,
      previousBalance: 18500,
      currency: 'USD',
      entryId: '019a0f5e-7c00-7000-8000-000000000041',
    },
  }),

  'account.paid_in_full': event({
    version: 1,
    description: 'An account that owed something owes nothing any more.',
    subject: 'accounts',
    fields: balance,
    links: balanceLinks,
    example: {
      accountId,
      balance: 0,
      previousBalance: 6000,
      currency: 'USD',
      entryId: '019a0f5e-7c00-7000-8000-000000000042',
    },
  }),
};
