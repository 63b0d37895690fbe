import { Injectable } from '@nestjs/common';
import { IsNull, MoreThan, MoreThanOrEqual, type QueryDeepPartialEntity } from 'typeorm';
import { ScopedReads } from '../../database/scoped-reads.js';
import { databaseTime, type Tx } from '../../database/transactions.js';
import { scopeOf, type Caller } from '../../platform/access/caller.js';
import { afterId, limitOf, pageOf, type Page } from '../../platform/http/lists.js';
import { notFound, type ProblemError } from '../../platform/http/problem.js';
import { bindingOfSecret } from '../../sealing/bindings.js';
import { erasedMark } from '../../sealing/data-key.js';
import { DataKeys } from '../../sealing/data-keys.js';
import { WebhookClient } from '../deliveries/webhook-client.js';
import { checkEndpoint, standingOf, urlErrors, wantedBy } from './endpoint-checks.js';
import type {
  EndpointChange,
  EndpointListQuery,
  EndpointResource,
  NewEndpoint,
} from './endpoint.dto.js';
import { Endpoint } from './endpoint.entity.js';
import { settingColumns, settingsOf } from './endpoint-settings.js';
import { keptHeaders, maskedHeaders } from './endpoint-headers.js';
import { openTargets, sealTarget } from './endpoint-target.js';
import { signingKeysOf } from './endpoint-secrets.service.js';
import { EndpointRemains } from './endpoint-remains.js';
import { widestGranted } from './granted.rules.js';
import { firstStanding, standingAfter } from './ownership.rules.js';
import {
  buryEndpointSql,
  createEndpointSql,
  endReplaysSql,
  deleteCounterSql,
  forgetHealthSql,
  raiseSetVersionSql,
} from './sql/endpoint-set.js';
import { endpointStateSql, mostPendingCounted } from './sql/endpoint-state.js';

type State = Pick<EndpointResource, 'lastSequence' | 'pending' | 'pausedUntil' | 'signingKeys'> & {
  isFailing: boolean;
};

@Injectable()
export class EndpointsService {
  constructor(
    private readonly reads: ScopedReads,
    private readonly webhooks: WebhookClient,
    private readonly remains: EndpointRemains,
    private readonly keys: DataKeys,
  ) {}

  /** What is wrong with an address, for `create` and `change` to refuse with the rest; asked before a transaction. */
  faultsOf({ url }: { url?: string }): Promise<ProblemError[]> {
    return urlErrors(this.webhooks, url);
  }

  /** @throws Problem 422 for an address, type or practice that will not do. */
  async create(
    tx: Tx,
    caller: Caller,
    { id, secret, faults }: { id: string; secret: string; faults: readonly ProblemError[] },
    input: NewEndpoint,
  ): Promise<EndpointResource> {
    const standing = await standingOf(tx, caller);
    await checkEndpoint(tx, faults, standing, input);
    const { granted } = standing;
    const owner = caller.actor;
    const now = await databaseTime(tx);
    const target = { url: input.url, headers: input.headers ?? null };
    const endpoint = Object.assign(new Endpoint(), {
      id,
      owner,
      ...target,
      sealedTarget: sealTarget(this.keys, id, target),
      eventTypes: input.eventTypes,
      practiceIds: practicesOf(input),
      payloadMode:
        input.payloadMode ?? (granted && widestGranted(granted, wantedBy(input))) ?? 'full',
      description: input.description ?? null,
      ...settingsOf(input),
      ...firstStanding(input),
      version: 1,
      createdAt: now,
      updatedAt: now,
      deletedAt: null,
    });
    await tx.query(createEndpointSql, [
      id,
      owner,
      endpoint.sealedTarget,
      endpoint.eventTypes,
      endpoint.practiceIds,
      endpoint.payloadMode,
      endpoint.enabled,
      endpoint.description,
      this.keys.own.seal(secret, bindingOfSecret(id)),
      endpoint.version,
      now,
      now,
      endpoint.ownership,
      endpoint.disabledReason,
      ...settingColumns(endpoint),
      caller.sandbox,
    ]);
    const state = await stateOf(tx, id);
    await tx.query(raiseSetVersionSql);
    return toResource(endpoint, state);
  }

  /** @throws Problem 404, also for one that was deleted, and for another's. */
  async get(caller: Caller, id: string): Promise<EndpointResource> {
    const manager = this.reads.within(scopeOf(caller));
    const endpoint = await manager.findOneBy(Endpoint, { id, deletedAt: IsNull() });
    if (!endpoint) throw notFound('endpoint');
    await this.open([endpoint]);
    return toResource(endpoint, await stateOf(manager, id));
  }

  /** @throws Problem 404, also for another's. */
  async assertExists(caller: Caller, id: string): Promise<void> {
    const exists = await this.reads
      .within(scopeOf(caller))
      .existsBy(Endpoint, { id, deletedAt: IsNull() });
    if (!exists) throw notFound('endpoint');
  }

  /**
   * The endpoint, held until the transaction ends: two changes with the same ETag must not both succeed.
   * @throws Problem 404
   */
  async lock(tx: Tx, id: string): Promise<Endpoint> {
    const endpoint = await tx.findOne(Endpoint, {
      where: { id, deletedAt: IsNull() },
      lock: { mode: 'for_no_key_update' },
    });
    if (!endpoint) throw notFound('endpoint');
    await this.open([endpoint]);
    return endpoint;
  }

  /** The caller's own, and for the operator all; in order of creation. */
  async list(caller: Caller, query: EndpointListQuery): Promise<Page<EndpointResource>> {
    const manager = this.reads.within(scopeOf(caller));
    const limit = limitOf(query);
    const after = afterId(query);
    const endpoints = await manager.find(Endpoint, {
      where: {
        ...(caller.sandbox !== null && { owner: caller.actor, sandbox: caller.sandbox }),
        ...(after && { id: MoreThan(after) }),
        ...(query.updatedSince && { updatedAt: MoreThanOrEqual(new Date(query.updatedSince)) }),
        ...(!query.includeDeleted && { deletedAt: IsNull() }),
      },
      order: { id: 'asc' },
      take: limit + 1,
    });
    await this.open(endpoints);
    const ids = endpoints.slice(0, limit).map(({ id }) => id);
    const states = await statesOf(manager, ids);
    return pageOf(endpoints, limit, (endpoint) => toResource(endpoint, states.get(endpoint.id)!));
  }

  /** @throws Problem 422 as `create`; 409 for enabling one whose ownership is unproven. */
  async change(
    tx: Tx,
    caller: Caller,
    endpoint: Endpoint,
    change: EndpointChange,
    faults: readonly ProblemError[],
  ): Promise<EndpointResource> {
    const standing = await standingOf(tx, caller, endpoint);
    await checkEndpoint(tx, faults, standing, change, endpoint);
    const { url = endpoint.url, headers: wanted, ...plain } = change;
    const headers = wanted === undefined ? endpoint.headers : keptHeaders(wanted, endpoint.headers);
    const columns = {
      ...plain,
      ...((change.url !== undefined || wanted !== undefined) && {
        sealedTarget: this.seal(endpoint.id, url, headers),
      }),
      ...(change.practiceIds && { practiceIds: practicesOf(change) }),
      // Whoever switches it on or off has looked at the hub's reason.
      ...(change.enabled !== undefined && { disabledReason: null }),
      ...standingAfter(endpoint, change),
      version: endpoint.version + 1,
      updatedAt: await databaseTime(tx),
    };
    await tx.update(Endpoint, { id: endpoint.id }, columns as QueryDeepPartialEntity<Endpoint>);
    if (change.enabled) await tx.query(forgetHealthSql, [endpoint.id]);
    if (narrowing.some((name) => change[name] !== undefined))
      await tx.query(endReplaysSql, [endpoint.id]);
    const state = await stateOf(tx, endpoint.id);
    if (concernsEngine(change)) await tx.query(raiseSetVersionSql);
    return toResource({ ...endpoint, ...columns, url, headers } as Endpoint, state);
  }

  /**
   * Writes a new version of an endpoint that the caller holds: with other columns, or because its keys are others.
   * The engine looks at it anew.
   */
  async amend(tx: Tx, endpoint: Endpoint, changed: Partial<Endpoint>): Promise<EndpointResource> {
    const columns = {
      ...changed,
      version: endpoint.version + 1,
      updatedAt: await databaseTime(tx),
    };
    await tx.update(Endpoint, { id: endpoint.id }, columns as QueryDeepPartialEntity<Endpoint>);
    const state = await stateOf(tx, endpoint.id);
    await tx.query(raiseSetVersionSql);
    return toResource({ ...endpoint, ...columns }, state);
  }

  /** Leaves a tombstone; what is open for it is withheld, the rest of a large backlog by `EndpointRemains.withholdRest`. */
  async bury(tx: Tx, endpoint: Endpoint): Promise<void> {
    const sealed = this.seal(endpoint.id, endpoint.url, null);
    await tx.query(buryEndpointSql, [endpoint.id, await databaseTime(tx), sealed]);
    await tx.query(deleteCounterSql, [endpoint.id]);
    await this.remains.withholdSome(tx, endpoint.id);
    await tx.query(raiseSetVersionSql);
  }

  private async open(endpoints: readonly Endpoint[]): Promise<void> {
    const targets = await openTargets(this.keys, endpoints);
    endpoints.forEach((endpoint, i) => Object.assign(endpoint, targets[i] ?? unreadable));
  }

  /** What does not open any more is not kept. */
  private seal(id: string, url: string | null, headers: Endpoint['headers']): Buffer {
    return url === null ? erasedMark : sealTarget(this.keys, id, { url, headers });
  }
}

const unreadable = { url: null, headers: null };

/** What decides which events are for an endpoint: a replay has matched by what it was before. */
const narrowing = ['eventTypes', 'practiceIds', 'filter', 'excludeOwn', 'payloadMode'] as const;

/** Whether the engine works differently after this change; what an owner notes is nothing to it. */
export function concernsEngine(change: EndpointChange): boolean {
  return Object.keys(change).some((name) => name !== 'description' && name !== 'metadata');
}

function practicesOf({ practiceIds }: Pick<NewEndpoint, 'practiceIds'>): string[] | null {
  // Upper and lower case name the same practice; fan-out compares texts.
  return practiceIds ? [...new Set(practiceIds.map((id) => id.toLowerCase()))] : null;
}

async function stateOf(tx: Tx, id: string): Promise<State> {
  return (await statesOf(tx, [id])).get(id)!;
}

interface StateRow {
  id: string;
  last_sequence: string;
  is_failing: boolean;
  paused_until: Date | null;
  pending: number;
}

async function statesOf(tx: Tx, ids: readonly string[]): Promise<Map<string, State>> {
  const rows: StateRow[] = await tx.query(endpointStateSql, [ids, mostPendingCounted]);
  const keys = await signingKeysOf(tx, ids);
  return new Map(
    rows.map(({ id, last_sequence, is_failing, paused_until, pending }) => [
      id,
      {
        lastSequence: Number(last_sequence),
        isFailing: is_failing,
        pausedUntil: paused_until,
        pending,
        signingKeys: keys.get(id)!,
      },
    ]),
  );
}

function toResource(endpoint: Endpoint, { isFailing, ...state }: State): EndpointResource {
  const { deletedAt, sealedTarget: _sealed, ...shown } = endpoint;
  return {
    ...shown,
    headers: maskedHeaders(endpoint.headers),
    status: !endpoint.enabled ? 'disabled' : isFailing ? 'failing' : 'active',
    ...state,
    ...(deletedAt && { deletedAt }),
  };
}
