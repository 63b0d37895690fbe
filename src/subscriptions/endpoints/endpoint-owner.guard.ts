import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { ScopedReads } from '../../database/scoped-reads.js';
import { isUUID } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import { scopeOf, type Caller } from '../../platform/access/caller.js';
import { notFound } from '../../platform/http/problem.js';
import { endpointIsOfSql, deliveryIsOfSql } from './sql/endpoint-owner.js';

/**
 * An endpoint, and a delivery of it, is there for its owner and the operator alone; with a test key only where it was
 * made with one. Decided before anything of it is read: to all others it is what does not exist.
 */
@Injectable()
export class EndpointOwnerGuard implements CanActivate {
  constructor(private readonly reads: ScopedReads) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { caller, params } = context.switchToHttp().getRequest<FastifyRequest>();
    if (!caller || caller.kind === 'operator') return true;
    const { endpointId, deliveryId } = params as Record<string, string | undefined>;
    if (endpointId !== undefined && !(await this.isOf(caller, endpointIsOfSql, endpointId))) {
      throw notFound('endpoint');
    }
    if (deliveryId !== undefined && !(await this.isOf(caller, deliveryIsOfSql, deliveryId))) {
      throw notFound('delivery');
    }
    return true;
  }

  private async isOf(caller: Caller, sql: string, id: string): Promise<boolean> {
    if (!isUUID(id)) return false;
    const [{ found }]: [{ found: boolean }] = await this.reads
      .within(scopeOf(caller))
      .query(sql, [id, caller.actor, caller.sandbox]);
    return found;
  }
}
