import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';

import { Logger } from '../logger.js';
import { Metrics } from '../metrics.js';
import { readJson, refuseEncoded } from './json-body.js';
import { problemOf, writeProblem } from './problem.filter.js';

export const mostBodyBytes = 256 * 1024;

/**
 * The HTTP side of the hub: limits first, so that no request can hold a connection or memory for long.
 * @param trustedProxies networks whose `X-Forwarded-For` names the address of who calls; nobody else's does
 */
export function httpAdapter(trustedProxies: readonly string[] = []): FastifyAdapter {
  return new FastifyAdapter({
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    bodyLimit: mostBodyBytes,
    requestTimeout: 30_000,
    // Above what load balancers keep idle connections for, so that they close first and no request is cut.
    keepAliveTimeout: 75_000,
    routerOptions: { maxParamLength: 200 },
    forceCloseConnections: 'idle',
    genReqId: requestId,
    // What the router refuses comes to no filter.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      writeProblem(reply, problemOf(error), request.id),
  });
}

/** The caller's own id where it can be logged as it is, else a new one. */
function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}

/** By the route, not the address: that may hold what somebody is looked up by. */
function traceRequest(logger: Logger, request: FastifyRequest, reply: FastifyReply): void {
  logger.trace(
    {
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? null,
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime),
      actor: request.caller?.actor,
      keyId: request.caller?.keyId,
    },
    'answered',
  );
}

/** What every answer carries, and JSON bodies that may be empty (an action without options). */
export function prepareServer(app: NestFastifyApplication): void {
  const server = app.getHttpAdapter().getInstance();
  server.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    void reply.header('cache-control', 'no-store');
    void reply.header('x-content-type-options', 'nosniff');
    done();
  });
  const { requests } = app.get(Metrics);
  const logger = app.get(Logger);
  server.addHook('onResponse', (request, reply, done) => {
    requests.inc({ method: request.method, status: `${Math.floor(reply.statusCode / 100)}xx` });
    if (logger.isTracing) traceRequest(logger, request, reply);
    done();
  });
  // Fastify's own parser for text would hand a text to handlers that expect an object.
  server.removeContentTypeParser('text/plain');
  app.useBodyParser('application/json', { bodyLimit: mostBodyBytes }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    let value: unknown;
    try {
      refuseEncoded(request.headers['content-encoding']);
      value = readJson(body as Uint8Array);
    } catch (problem) {
      return done(problem as Error);
    }
    done(null, value);
  });
}
