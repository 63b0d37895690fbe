import { In, type FindOptionsWhere } from 'typeorm';
import { typesOfEntry } from '../events/catalog/resources.js';
import type { Caller } from '../platform/access/caller.js';
import { seen, sightOf, type Sight } from '../platform/access/granted.js';
import { ofNobodyRestricted, onNoRestrictedAccount } from '../platform/access/restricted.js';
import type { LedgerEntry } from './ledger-entry.entity.js';
import { entryKinds, type EntryKind } from './ledger.rules.js';

/**
 * How much of a practice's ledger a caller reads: of each kind of entry as much as the events that tell of it let it.
 * Whoever is granted payments reads no charges.
 */
export class EntrySight {
  private readonly byKind = new Map<EntryKind, Sight>();

  constructor(caller: Caller, practiceId: string, kinds: readonly EntryKind[] = entryKinds) {
    for (const kind of kinds) {
      const sight = sightOf(caller, practiceId, typesOfEntry(kind));
      if (sight !== 'none') this.byKind.set(kind, sight);
    }
  }

  get isBlind(): boolean {
    return this.byKind.size === 0;
  }

  get sights(): Sight[] {
    return [...this.byKind.values()];
  }

  /** Conditions on an entry. */
  get conditions(): FindOptionsWhere<LedgerEntry> {
    const kind = In([...this.byKind.keys()]);
    if (!this.sights.includes('all')) return { kind, patientId: ofNobodyRestricted() };
    return this.byKind.size < entryKinds.length ? { kind } : {};
  }

  /** Those on its account, beside others. */
  get accountConditions() {
    return this.sights.includes('all') ? [] : [onNoRestrictedAccount()];
  }

  show(entry: LedgerEntry): object {
    return seen('entry', entry, this.byKind.get(entry.kind) ?? 'none');
  }
}
