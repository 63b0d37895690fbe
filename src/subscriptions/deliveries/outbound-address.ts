import ipaddr from 'ipaddr.js';

/** A block of addresses, as read from CIDR notation by `parseNetworks`. */
export type Cidr = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/** A network list that cannot be read. The message names the entry: it is configuration, not a secret. */
export class MalformedNetwork extends Error {
  readonly code = 'malformed_network';
  override readonly name = 'MalformedNetwork';
}

/** The only IPv6 space that IANA has handed out for global unicast (RFC 4291, 2.4). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/** The well-known prefix of NAT64: the last 32 bits are the IPv4 address really meant (RFC 6052, 2.1). */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

/**
 * Whether an address is a public host of the Internet, judged by the IANA special-purpose registries:
 * false for every private, local, shared, multicast, documentation, benchmarking or reserved block, and
 * for text that is not an address in its usual notation (so that no lenient parser decides).
 *
 * An IPv6 form that stands for an IPv4 address is judged by that address (IPv4-mapped, NAT64
 * 64:ff9b::/96). Forms without a use on today's Internet are refused whatever they hold: 6to4, Teredo,
 * the local NAT64 prefix 64:ff9b:1::/48 and IPv4-compatible addresses.
 */
export function isPubliclyRoutable(address: string): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && isPublic(parsed);
}

/** Whether an address lies in one of the networks. An IPv4-mapped address counts as its IPv4 address. */
export function isWithin(address: string, networks: readonly Cidr[]): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && matchesAny(parsed, networks);
}

/** Whether a webhook may be sent to an address: a public one, or one in a network the operator allows. */
export function isAllowed(address: string, allowNetworks: readonly Cidr[]): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && (isPublic(parsed) || matchesAny(parsed, allowNetworks));
}

/**
 * Reads networks such as `10.0.0.0/8` or `::1/128`; a bare address is a network of one.
 * @throws MalformedNetwork also for bits set beyond the prefix: `10.1.2.3/8` is more likely a slip than meant
 */
export function parseNetworks(list: readonly string[]): Cidr[] {
  return list.map((text) => {
    const [address = '', prefix, ...rest] = text.trim().split('/');
    const parsed = parseAddress(address);
    const bits = parsed?.kind() === 'ipv4' ? 32 : 128;
    const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : NaN;
    if (parsed === undefined || rest.length > 0 || !(length <= bits)) {
      throw new MalformedNetwork(
        `"${text}" is not a network: write an address and a prefix length, such as 10.0.0.0/8 or fd00::/8`,
      );
    }
    if (hasBitsBeyond(parsed, length)) {
      throw new MalformedNetwork(`"${text}" has bits set beyond its prefix of ${length}`);
    }
    return [parsed, length] as const;
  });
}

/** Strict: `127.1`, `0x7f000001` and `010.0.0.1` are not addresses here, nor is one with a zone (`%eth0`). */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (!text.includes(':') || text.includes('%') || hasMisreadIpv4(text)) return undefined;
  if (!ipaddr.IPv6.isValid(text)) return undefined;
  const parsed = ipaddr.IPv6.parse(text);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address() : parsed;
}

/**
 * ipaddr.js takes `::1.2.3.4` for the IPv4-mapped `::ffff:1.2.3.4`, whereas the operating system connects
 * to the (unroutable) address `::102:304`; it also reads octal there. Neither may pass for public.
 */
function hasMisreadIpv4(text: string): boolean {
  const tail = text.slice(text.lastIndexOf(':') + 1);
  if (!tail.includes('.')) return false;
  return text === `::${tail}` || !ipaddr.IPv4.isValidFourPartDecimal(tail);
}

function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.kind() === 'ipv6' && address.match(NAT64)) {
    return isPublic(new ipaddr.IPv4(address.toByteArray().slice(12)));
  }
  if (address.kind() === 'ipv6' && !address.match(GLOBAL_UNICAST)) return false;
  return address.range() === 'unicast';
}

function matchesAny(address: ipaddr.IPv4 | ipaddr.IPv6, networks: readonly Cidr[]): boolean {
  return networks.some(
    ([network, length]) => network.kind() === address.kind() && address.match(network, length),
  );
}

function hasBitsBeyond(address: ipaddr.IPv4 | ipaddr.IPv6, length: number): boolean {
  return address.toByteArray().some((byte, index) => {
    const keptBits = Math.min(Math.max(length - index * 8, 0), 8);
    return (byte & (0xff >> keptBits)) !== 0;
  });
}
