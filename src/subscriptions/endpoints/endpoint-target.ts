import { Problem } from '../../platform/http/problem.js';
import { bindingOfSecret, bindingOfTarget } from '../../sealing/bindings.js';
import type { DataKeys } from '../../sealing/data-keys.js';

/** Where an endpoint's webhooks go, with the owner's own headers: what of it may be a secret. */
export interface EndpointTarget {
  url: string;
  headers: Record<string, string> | null;
}

/** Thrown where an endpoint cannot be called, since its address or secrets do not open: they were tampered with. */
export class EndpointUnreadable extends Problem {
  constructor() {
    super(
      409,
      'endpoint_unreadable',
      'What the hub keeps of this endpoint does not open any more. Where its url is null, give url and headers anew; else rotate its secret, with overlapSeconds 0.',
    );
  }
}

export function sealTarget(
  keys: Pick<DataKeys, 'own'>,
  endpointId: string,
  { url, headers }: EndpointTarget,
): Buffer {
  return keys.own.seal(JSON.stringify({ url, headers }), bindingOfTarget(endpointId));
}

/** In the same order; null for one that does not open, which keeps nobody from the others. */
export async function openTargets(
  keys: Pick<DataKeys, 'open'>,
  sealed: readonly { id: string; sealedTarget: Buffer }[],
): Promise<(EndpointTarget | null)[]> {
  const opened = await keys.open(
    sealed.map(({ id, sealedTarget }) => ({ sealed: sealedTarget, binding: bindingOfTarget(id) })),
  );
  return opened.map((text) =>
    typeof text === 'string' ? (JSON.parse(text) as EndpointTarget) : null,
  );
}

/** All that calling an endpoint takes and nobody may know. */
export interface OpenSecrets extends EndpointTarget {
  /** Signing keys, the current one first. */
  secrets: string[];
}

/** @throws EndpointUnreadable */
export async function openSecrets(
  keys: Pick<DataKeys, 'open'>,
  id: string,
  sealedTarget: Buffer,
  sealedSecrets: readonly Buffer[],
): Promise<OpenSecrets> {
  const [target] = await openTargets(keys, [{ id, sealedTarget }]);
  if (!target) throw new EndpointUnreadable();
  const binding = bindingOfSecret(id);
  const opened = await keys.open(sealedSecrets.map((sealed) => ({ sealed, binding })));
  const secrets = opened.filter((secret) => typeof secret === 'string');
  if (secrets.length < opened.length) throw new EndpointUnreadable();
  return { ...target, secrets };
}
