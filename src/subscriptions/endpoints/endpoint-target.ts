import { bindingOfSecret, bindingOfTarget } from '../../sealing/bindings.js';
import type { DataKeys } from '../../sealing/data-keys.js';

/** Where an endpoint's webhooks go, with the owner's own headers: what of it may be a secret. */
export interface EndpointTarget {
  url: string;
  headers: Record<string, string> | null;
}

/** Thrown where an endpoint's address or secrets cannot be opened: they were tampered with. */
export class EndpointUnreadable extends Error {
  constructor(readonly endpointId: string) {
    super('What is sealed of an endpoint cannot be opened');
  }
}

export function sealTarget(
  keys: Pick<DataKeys, 'own'>,
  endpointId: string,
  { url, headers }: EndpointTarget,
): Buffer {
  return keys.own.seal(JSON.stringify({ url, headers }), bindingOfTarget(endpointId));
}

/** @throws EndpointUnreadable for the first one that does not open. */
export async function openTargets(
  keys: Pick<DataKeys, 'open'>,
  sealed: readonly { id: string; sealedTarget: Buffer }[],
): Promise<EndpointTarget[]> {
  const opened = await keys.open(
    sealed.map(({ id, sealedTarget }) => ({ sealed: sealedTarget, binding: bindingOfTarget(id) })),
  );
  return opened.map((text, i) => {
    if (typeof text !== 'string') throw new EndpointUnreadable(sealed[i]!.id);
    return JSON.parse(text) as EndpointTarget;
  });
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
  const binding = bindingOfSecret(id);
  const opened = await keys.open(sealedSecrets.map((sealed) => ({ sealed, binding })));
  const secrets = opened.filter((secret) => typeof secret === 'string');
  if (secrets.length < opened.length) throw new EndpointUnreadable(id);
  return { ...target!, secrets };
}
