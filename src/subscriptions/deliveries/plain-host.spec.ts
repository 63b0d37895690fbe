import { describe, expect, it } from '@jest/globals';
import type { Lookup } from './checked-connector.js';
import { parseNetworks } from './outbound-address.js';
import { PlainHosts } from './plain-host.js';
import { InvalidWebhookUrl } from './webhook-url.js';

const networks = parseNetworks(['10.0.0.0/8']);
const answers =
  (...addresses: string[]): Lookup =>
  async () =>
    addresses.map((address) => ({ address, family: 4 }));

async function codeOf(lookup: Lookup, url = 'http://receiver.internal/'): Promise<string> {
  try {
    await new PlainHosts(lookup, networks).check(url);
    return 'valid';
  } catch (error) {
    if (error instanceof InvalidWebhookUrl) return error.code;
    throw error;
  }
}

describe('where plain http leads when an endpoint is saved', () => {
  it('must be a network that the operator allows, with all of its addresses', async () => {
    expect(await codeOf(answers('10.1.2.3'))).toBe('valid');
    expect(await codeOf(answers('93.184.216.34'))).toBe('url_scheme_not_allowed');
    expect(await codeOf(answers('10.1.2.3', '93.184.216.34'))).toBe('url_scheme_not_allowed');
  });

  it('is not asked of https, whose addresses each connection checks', async () => {
    expect(await codeOf(answers('127.0.0.1'), 'https://receiver.internal/')).toBe('valid');
  });

  it('may be unknown: the name does not resolve yet', async () => {
    const unknown = async () => Promise.reject(new Error('ENOTFOUND'));
    expect(await codeOf(unknown)).toBe('valid');
  });

  it('is not waited for long, and takes few of the threads that resolve names', async () => {
    let asked = 0;
    const silent: Lookup = () => {
      asked += 1;
      return new Promise(() => undefined);
    };
    const hosts = new PlainHosts(silent, networks);
    const checks = Array.from({ length: 5 }, (_, i) => hosts.check(`http://host-${i}/`));
    await Promise.all(checks);
    expect(asked).toBe(2);
  });
});
