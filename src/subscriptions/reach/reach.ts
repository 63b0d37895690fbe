import { matcherOf } from '../../events/catalog/type-patterns.js';
import { widestOf } from '../../platform/access/granted.js';
import { payloadModes, type PayloadMode } from '../../events/catalog/fields.js';

/** What a practice has granted a partner, as far as it decides about events and accounts for them. */
export interface Grant {
  id: string;
  /** Names, `family.*` or `*`. */
  types: string[];
  /** The most that is pushed. */
  mode: PayloadMode;
  purpose: string | null;
  agreement: string | null;
}

/** As `hub_reach` spells it: everything, whole practices, or grants by practice. */
export type ReachJson = null | string[] | Record<string, Grant[]>;

/** What decides whether an event may be heard of, besides whom it is about. */
export interface Hearable {
  practiceId: string | null;
  type: string;
}

/** The grants of one practice for one partner; which of them covers a type is found once. */
class PracticeGrants {
  private readonly covering = new Map<string, Grant | null>();
  private readonly matchers: ((type: string) => boolean)[];

  constructor(readonly grants: readonly Grant[]) {
    this.matchers = grants.map(({ types }) => matcherOf(types));
  }

  for(type: string): Grant | null {
    let grant = this.covering.get(type);
    if (grant === undefined) {
      const covering = this.grants.filter((_, i) => this.matchers[i]!(type));
      grant = widestOf(covering, ({ mode }) => mode) ?? null;
      this.covering.set(type, grant);
    }
    return grant;
  }
}

/**
 * What an owner's endpoints may hear of at one moment: the operator's of everything, an application's of its practices,
 * a partner's of what practices have granted. Whether a patient is restricted is not in it (events/log/sql/restricted.ts). What
 * belongs to no practice is about the owner's own: whoever is sent it may hear it. Pure.
 */
export class Reach {
  static readonly everything = new Reach(null, null);

  private constructor(
    /** Null: all. */
    readonly practices: ReadonlySet<string> | null,
    private readonly byPractice: ReadonlyMap<string, PracticeGrants> | null,
  ) {}

  static from(json: ReachJson): Reach {
    if (json === null) return Reach.everything;
    if (Array.isArray(json)) return new Reach(new Set(json), null);
    const granted = Object.entries(json).map(([id, grants]) => [id, new PracticeGrants(grants)]);
    return new Reach(new Set(Object.keys(json)), new Map(granted as [string, PracticeGrants][]));
  }

  /** There is something to lose. */
  get isLimited(): boolean {
    return this.practices !== null;
  }

  /** A partner's: grants decide, and patients who are restricted are not in it. */
  get isGranted(): boolean {
    return this.byPractice !== null;
  }

  covers({ practiceId, type }: Hearable): boolean {
    if (this.practices === null || practiceId === null) return true;
    if (this.byPractice === null) return this.practices.has(practiceId);
    return this.grantFor(practiceId, type) !== null;
  }

  /** The grant under which an event is told: of those that cover its type the widest, then the oldest. */
  grantFor(practiceId: string, type: string): Grant | null {
    return this.byPractice?.get(practiceId)?.for(type) ?? null;
  }

  /** How much of an event an endpoint with this payload mode is shown: an endpoint only narrows what is granted. */
  modeOf({ practiceId, type }: Hearable, wanted: PayloadMode): PayloadMode {
    if (this.byPractice === null || practiceId === null) return wanted;
    return narrower(wanted, this.grantFor(practiceId, type)?.mode ?? 'thin');
  }

  /** By practice, in the order of `hub_reach`; nothing where grants do not decide. */
  *grants(): Generator<[practiceId: string, grants: readonly Grant[]]> {
    for (const [practiceId, { grants }] of this.byPractice ?? []) yield [practiceId, grants];
  }

  /** Whether something may have been lost since it was `former`. */
  isLessThan(former: Reach): boolean {
    if (this === former || this.practices === null) return false;
    if (this.byPractice !== null || former.practices === null) return true;
    return [...former.practices].some((id) => !this.practices!.has(id));
  }
}

/** The one of two modes that shows less. */
export function narrower(a: PayloadMode, b: PayloadMode): PayloadMode {
  return payloadModes.indexOf(a) < payloadModes.indexOf(b) ? a : b;
}
