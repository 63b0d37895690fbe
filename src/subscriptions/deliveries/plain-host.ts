import type { Lookup } from './checked-connector.js';
import { isWithin, type Cidr } from './outbound-address.js';
import { parseWebhookUrl, plainHttpNotAllowed } from './webhook-url.js';

/** How long whoever saves an endpoint waits for its name. */
const lookupMs = 2000;
/** A resolution occupies one of the few threads that all connections resolve with. */
const mostLookups = 2;

/**
 * Looks, when an endpoint is saved, where the name in a plain `http` URL leads: whoever mistypes it hears so at once,
 * and not from deliveries that are all blocked. What cannot be known is accepted: a name that does not resolve (yet, or
 * in time), or while other look-ups take too long. Nothing hangs on it, since each connection is checked anew.
 */
export class PlainHosts {
  private running = 0;

  constructor(
    private readonly lookup: Lookup,
    private readonly allowNetworks: readonly Cidr[],
  ) {}

  /** @throws InvalidWebhookUrl where one of its addresses lies outside the networks, as a connection would refuse it. */
  async check(url: string): Promise<void> {
    const { protocol, hostname } = parseWebhookUrl(url);
    // An address instead of a name was judged without us, and resolves to itself or not at all.
    if (protocol !== 'http:') return;
    const addresses = await this.addressesOf(hostname);
    if (!addresses.every((address) => isWithin(address, this.allowNetworks))) {
      throw plainHttpNotAllowed();
    }
  }

  /** None where they are not known in time. */
  private async addressesOf(hostname: string): Promise<string[]> {
    if (this.running >= mostLookups) return [];
    this.running += 1;
    const found = this.lookup(hostname)
      .then((addresses) => addresses.map(({ address }) => address))
      .catch(() => [])
      .finally(() => (this.running -= 1));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string[]>((resolve) => (timer = setTimeout(resolve, lookupMs, [])));
    const addresses = await Promise.race([found, late]);
    clearTimeout(timer);
    return addresses;
  }
}
