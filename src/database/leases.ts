import { Injectable } from '@nestjs/common';
import { Settings } from '../platform/settings.js';
import { EnginePool } from './engine-pool.js';

export interface Lease {
  name: string;
  holder: string;
  /** Rises with every change of hands: a write fenced by it fails once another has taken over. */
  epoch: string;
}

/**
 * Jobs that one hub at a time may do. A lease is a row and not an advisory lock, because such a lock outlives
 * a vanished host for hours and breaks under transaction pooling.
 */
@Injectable()
export class Leases {
  constructor(
    private readonly pool: EnginePool,
    private readonly settings: Settings,
  ) {}

  /** Takes a free or run-out lease, or prolongs the holder's own. Undefined while another holds it. */
  async take(name: string, holder: string): Promise<Lease | undefined> {
    const { rows } = await this.pool.query<{ epoch: string }>({
      name: 'lease-take',
      text: `insert into leases as l (name, holder, epoch, leased_until)
             values ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
             on conflict (name) do update
               set holder = excluded.holder,
                   epoch = l.epoch + (l.holder is distinct from excluded.holder)::int,
                   leased_until = excluded.leased_until
               where l.holder = excluded.holder or l.holder is null or l.leased_until < clock_timestamp()
             returning epoch`,
      values: [name, holder, this.settings.leaseSeconds],
    });
    return rows[0] && { name, holder, epoch: rows[0].epoch };
  }

  /** Gives a lease back at once, so that another need not wait for it to run out. */
  async release({ name, holder, epoch }: Lease): Promise<void> {
    await this.pool.query(
      `update leases set holder = null, leased_until = '-infinity' where name = $1 and holder = $2 and epoch = $3`,
      [name, holder, epoch],
    );
  }
}
