import { callApi, type Api, type ApiAnswer, type TestHub } from './start-hub.js';

/** Calls a hub with a key of an application's or a partner's. */
export interface Client extends Api {
  key: string;
  keyId: string;
}

/** An application that reaches these practices. */
export async function anApplication(hub: Api, practices: readonly { id: string }[]): Promise<any> {
  const practiceIds = practices.map(({ id }) => id);
  return made(await hub.api('POST', '/v1/applications', { name: 'Chairside', practiceIds }));
}

/** A client with a new key of that application, made by the operator. */
export function asApplication(
  hub: Pick<TestHub, 'url' | 'api'>,
  application: { id: string },
  change: object = {},
): Promise<Client> {
  return asOwner(hub, `applications/${application.id}`, change);
}

/** The same for whoever has keys, `applications/{id}` or `partners/{id}`. */
export async function asOwner(
  hub: Pick<TestHub, 'url' | 'api'>,
  owner: string,
  change: object = {},
): Promise<Client> {
  const path = `/v1/${owner}/keys`;
  const { key, id } = made(await hub.api('POST', path, { name: 'of a test', ...change }));
  return {
    key,
    keyId: id,
    api: (method, path, body, headers) => callApi(hub.url, key, method, path, body, headers),
  };
}

function made({ status, body }: ApiAnswer): any {
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body;
}
