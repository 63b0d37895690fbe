import { applyDecorators, SetMetadata, type Type } from '@nestjs/common';
import { ApiOkResponse, ApiProperty } from '@nestjs/swagger';
import { isUUID } from 'class-validator';
import { And, type FindOperator } from 'typeorm';
import { Flag, Instant, Int, Text } from './fields.js';
import { invalidParameter } from './problem.js';

export const firstPagePosition = 'firstPagePosition';

/**
 * Marks a list of resources. Its first page carries `Hub-Position`, taken before the list is read: following the
 * feed from there misses nothing that the list does not show.
 */
export function ListRoute(description: string, page: new () => object): MethodDecorator {
  return applyDecorators(
    SetMetadata(firstPagePosition, true),
    ApiOkResponse({
      type: page,
      description,
      headers: {
        'Hub-Position': {
          description: 'First page only: GET /v1/events?after=<this> continues from here.',
          schema: { type: 'string' },
        },
      },
    }),
  );
}

/** Query of every list. */
export class ListQuery {
  @Int({ least: 1, most: 200, query: true, optional: true, description: 'Page size, default 50.' })
  limit?: number;

  @Text({ most: 200, optional: true, description: 'nextCursor of the page before.' })
  after?: string;
}

/** Query of a list of resources that other systems know by their own ids. */
export class ResourceListQuery extends ListQuery {
  @Instant({ optional: true, description: 'Only what has changed at or after this time.' })
  updatedSince?: string;

  @Text({ most: 400, optional: true, description: '`system|value` of another system.' })
  externalId?: string;
}

/** Query of a list of resources that can be deleted. */
export class DeletableListQuery extends ResourceListQuery {
  @Flag({ query: true, optional: true, description: 'Show tombstones too.' })
  includeDeleted?: boolean;
}

export interface Page<T> {
  data: T[];
  nextCursor: string | null;
}

/** What a list of these resources answers, to be extended by a class that OpenAPI can name. */
export function PageType<T extends object>(resource: Type<T>): Type<Page<T>> {
  class ResourcePage implements Page<T> {
    @ApiProperty({ type: [resource] })
    data: T[];

    @ApiProperty({ type: String, nullable: true })
    nextCursor: string | null;
  }
  return ResourcePage;
}

export const defaultLimit = 50;

export function limitOf({ limit }: ListQuery): number {
  return limit ?? defaultLimit;
}

/** The id a list goes on after. @throws Problem 422 for a cursor that this hub did not give. */
export function afterId({ after }: ListQuery): string | undefined {
  if (after === undefined) return undefined;
  const id = Buffer.from(after, 'base64url').toString();
  if (!isUUID(id)) {
    throw invalidParameter('after', 'unknown_cursor', 'after must be a nextCursor of this list.');
  }
  return id;
}

/** A page from rows that were read with `limit + 1`, so that the last page knows that it is the last. */
export function pageOf<Row extends { id: string }, T>(
  rows: Row[],
  limit: number,
  toResource: (row: Row) => T,
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return {
    data: shown.map(toResource),
    nextCursor: last ? Buffer.from(last.id).toString('base64url') : null,
  };
}

/** Splits `system|value`. @throws Problem 422 where there is no bar. */
export function externalIdOf({
  externalId,
}: ResourceListQuery): { system: string; value: string } | undefined {
  if (externalId === undefined) return undefined;
  const bar = externalId.indexOf('|');
  if (bar < 1 || bar === externalId.length - 1) {
    throw invalidParameter('externalId', 'malformed', 'externalId must read system|value.');
  }
  return { system: externalId.slice(0, bar), value: externalId.slice(bar + 1) };
}

/** All of the conditions on one column that there are. */
export function allOf<Column extends string>(
  column: Column,
  ...conditions: (FindOperator<string> | undefined | false | '')[]
): { [name in Column]?: FindOperator<string> } {
  const given = conditions.filter((each) => each !== undefined && each !== false && each !== '');
  if (given.length === 0) return {};
  return { [column]: And(...given) } as { [name in Column]?: FindOperator<string> };
}

const mostListed = 200;

/** Comma-separated names of a query parameter. @throws Problem 422 for too many, or one that is not valid. */
export function listOf(
  text: string | undefined,
  parameter: string,
  isValid: (item: string) => boolean,
  expected = 'comma-separated names or ids',
): string[] | undefined {
  if (text === undefined) return undefined;
  const items = text.split(',').map((item) => item.trim());
  if (items.length > mostListed || !items.every(isValid)) {
    throw invalidParameter(
      parameter,
      'malformed',
      `${parameter} must be up to ${mostListed} ${expected}.`,
    );
  }
  return items;
}
