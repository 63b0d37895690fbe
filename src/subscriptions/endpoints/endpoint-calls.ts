import { Injectable } from '@nestjs/common';
import { ScopedReads } from '../../database/scoped-reads.js';
import type { PayloadMode } from '../../events/catalog/fields.js';
import { scopeOf, type Caller } from '../../platform/access/caller.js';
import { conflict } from '../../platform/http/problem.js';
import { Settings } from '../../platform/settings.js';
import { DataKeys } from '../../sealing/data-keys.js';
import type { KeepResponse } from '../deliveries/response-snippet.js';
import { WebhookClient } from '../deliveries/webhook-client.js';
import type { SendResult } from '../deliveries/webhook-exchange.js';
import { parseSigningKey } from '../signing/signing-key.js';
import { signedHeaders } from '../signing/standard-webhooks.js';
import type { Ownership } from './ownership.rules.js';
import { openSecrets, type OpenSecrets } from './endpoint-target.js';
import { EndpointsService } from './endpoints.service.js';
import { claimCallSql, endCallSql } from './sql/endpoint-call.js';

/** An endpoint as it is to be called. */
export interface CalledEndpoint {
  id: string;
  owner: string;
  ownership: Ownership;
  url: string;
  eventTypes: string[];
  payloadMode: PayloadMode;
}

/** One webhook that is no delivery. */
export interface CallMessage {
  id: string;
  body: string;
  headers: Record<string, string>;
  keepResponse: KeepResponse;
}

interface Row {
  owner: string;
  ownership: Ownership;
  sealed_target: Buffer;
  event_types: string[];
  payload_mode: PayloadMode;
  content_type: string;
  timeout_seconds: number | null;
  claim: string;
  secrets: Buffer[] | null;
}

/** Calls endpoints when their owner asks for it, as the engine would: same keys, headers, time-out and address checks. */
@Injectable()
export class EndpointCalls {
  constructor(
    private readonly reads: ScopedReads,
    private readonly endpoints: EndpointsService,
    private readonly client: WebhookClient,
    private readonly settings: Settings,
    private readonly keys: DataKeys,
  ) {}

  /**
   * Sends what `write` makes of the endpoint, which may throw; also where it is disabled. Holds no connection meanwhile.
   * @throws Problem 404; 409 while another call to this endpoint is under way, on whichever hub. So nobody can make
   *   the hub a flood of requests to an address.
   */
  async call(
    caller: Caller,
    id: string,
    write: (endpoint: CalledEndpoint) => CallMessage,
  ): Promise<{ endpoint: CalledEndpoint; message: CallMessage; result: SendResult }> {
    const row = await this.claim(caller, id);
    try {
      const { owner, ownership, event_types: eventTypes, payload_mode: payloadMode } = row;
      const secret = await openSecrets(this.keys, id, row.sealed_target, row.secrets ?? []);
      const endpoint = { id, owner, ownership, url: secret.url, eventTypes, payloadMode };
      const message = write(endpoint);
      return { endpoint, message, result: await this.send({ ...row, ...secret }, message) };
    } finally {
      // Where this fails, the mark ends by itself.
      await this.reads
        .within(scopeOf(caller))
        .query(endCallSql, [id, row.claim])
        .catch(() => undefined);
    }
  }

  private async claim(caller: Caller, id: string): Promise<Row> {
    const [rows]: [Row[], number] = await this.reads
      .within(scopeOf(caller))
      .query(claimCallSql, [id, this.settings.webhookTimeoutSeconds]);
    if (rows[0]) return rows[0];
    await this.endpoints.assertExists(caller, id);
    throw conflict(
      'call_under_way',
      'Another test or challenge of this endpoint is under way. Repeat the request when it has its answer.',
    );
  }

  private send(
    row: Omit<Row, 'secrets'> & OpenSecrets,
    { id, body, headers, keepResponse }: CallMessage,
  ): Promise<SendResult> {
    const keys = row.secrets.map(parseSigningKey);
    return this.client.send({
      url: row.url,
      headers: {
        ...row.headers,
        'content-type': row.content_type,
        'user-agent': 'practice-event-hub/1',
        ...signedHeaders(keys, id, Math.floor(Date.now() / 1000), body),
        ...headers,
      },
      body,
      timeoutMs: (row.timeout_seconds ?? this.settings.webhookTimeoutSeconds) * 1000,
      keepResponse,
    });
  }
}
