import type { EntityManager } from 'typeorm';
import { over } from '../../database/querying.js';
import { erasedPractices } from '../../events/log/erased-events.js';
import { prefixesOf } from '../deliveries/deliveries.service.js';
import type { Reach } from '../reach/reach.js';
import {
  grantedManifestLinesSql,
  manifestLinesSql,
  restrictingPracticesSql,
} from './sql/stream.js';

/** A piece of a manifest: how many numbers are on record, and their lines. */
export interface Lines {
  count: number;
  lines: string | null;
}

/** Reads the lines of manifests for one endpoint, as far as its owner may hear of what they stand for. */
export class ManifestLines {
  private constructor(
    private readonly manager: Pick<EntityManager, 'query'>,
    private readonly endpointId: string,
    private readonly sql: string,
    private readonly rest: unknown[],
  ) {}

  static async for(
    manager: Pick<EntityManager, 'query'>,
    endpointId: string,
    reach: Reach,
  ): Promise<ManifestLines> {
    const practices = reach.practices && [...reach.practices];
    const common = [practices, [...(await erasedPractices(over(manager)))]];
    if (!reach.isGranted) return new ManifestLines(manager, endpointId, manifestLinesSql, common);
    const restricting: { id: string }[] = await manager.query(restrictingPracticesSql, [practices]);
    return new ManifestLines(manager, endpointId, grantedManifestLinesSql, [
      ...common,
      ...scopesOf(reach),
      restricting.map(({ id }) => id),
    ]);
  }

  /** Both ends included. */
  async read(from: number, to: number): Promise<Lines> {
    const values = [this.endpointId, from, to, ...this.rest];
    const [lines]: Lines[] = await this.manager.query(this.sql, values);
    return lines!;
  }
}

/**
 * What each practice grants, in the order of the reach's practices, as `grantedManifestLinesSql` takes it: what several
 * grant alike is named once.
 */
function scopesOf(reach: Reach): [number[], number[], string[], (string | null)[]] {
  const scopes: number[] = [];
  const numbers = new Map<string, number>();
  const scope: number[] = [];
  const names: string[] = [];
  const beginnings: (string | null)[] = [];
  for (const [, grants] of reach.grants()) {
    const types = [...new Set(grants.flatMap((grant) => grant.types))].sort();
    const known = numbers.get(types.join());
    scopes.push(known ?? numbers.size);
    if (known !== undefined) continue;
    for (const name of types) {
      scope.push(numbers.size);
      names.push(name);
      beginnings.push(prefixesOf([name])[0] ?? null);
    }
    numbers.set(types.join(), numbers.size);
  }
  return [scopes, scope, names, beginnings];
}
