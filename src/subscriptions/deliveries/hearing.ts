import { EnginePool } from '../../database/engine-pool.js';
import { restrictedAmong } from '../../events/log/restricted-events.js';
import { isOutdated } from './delivery.js';
import type { Lane } from './lane.js';
import type { LoggedEvent } from './logged-event.js';
import type { Targets } from './targets.js';

/** Whether an endpoint must not be sent an event. */
export type IsBarred = (lane: Lane, event: LoggedEvent) => boolean;

/** Decides once more what endpoints may hear of, of what is about to be sent to them. */
export class Hearing {
  constructor(
    private readonly pool: EnginePool,
    private readonly targets: Targets,
  ) {}

  /**
   * Brings lanes up to date that have not heard of what fan-out may have known when it numbered their deliveries: of
   * access that was narrowed, before they send too much, and of access that was widened, before they withhold for good.
   * To be called after the deliveries were read. Nothing is asked for lanes that have nothing to lose.
   */
  async bringUpToDate(lanes: readonly Lane[]): Promise<void> {
    const limited = lanes.filter(({ target }) => target.access.reach.isLimited);
    if (limited.length === 0) return;
    const version = await this.targets.version();
    const now = performance.now();
    const outdated = new Set(limited.filter(({ target }) => isOutdated(target, version, now)));
    if (outdated.size === 0) return;
    const ids = [...outdated].map(({ target }) => target.id);
    const found = new Map((await this.targets.read([], ids)).map((target) => [target.id, target]));
    for (const lane of outdated) {
      const target = found.get(lane.target.id);
      if (target) lane.resume(target, performance.now());
      // Disabled or deleted: as the deliverer will find as well.
      else lane.pause();
    }
  }

  /** For lanes that are up to date. Whom events are about is asked only for partners, in one statement. */
  async barred(
    asked: readonly { lane: Lane; events: readonly LoggedEvent[] }[],
  ): Promise<IsBarred> {
    const events = new Set(
      asked.flatMap(({ lane, events }) => (lane.target.access.reach.isGranted ? events : [])),
    );
    const restricted = await restrictedAmong(this.pool, [...events]);
    return ({ target: { access } }, event) =>
      !access.reach.covers(event) || (access.reach.isGranted && restricted.has(event.id));
  }
}
