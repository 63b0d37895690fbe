import { describe, expect, it } from '@jest/globals';
import { BlockList } from 'node:net';
import fc from 'fast-check';
import {
  isAllowed,
  isPubliclyRoutable,
  isWithin,
  MalformedNetwork,
  parseNetworks,
} from './outbound-address.js';

/** IANA IPv4 special-purpose blocks and multicast, as first and last address. Written out here on purpose. */
const SPECIAL_IPV4: [string, string][] = [
  ['0.0.0.0', '0.255.255.255'],
  ['10.0.0.0', '10.255.255.255'],
  ['100.64.0.0', '100.127.255.255'],
  ['127.0.0.0', '127.255.255.255'],
  ['169.254.0.0', '169.254.255.255'],
  ['172.16.0.0', '172.31.255.255'],
  ['192.0.0.0', '192.0.0.255'],
  ['192.0.2.0', '192.0.2.255'],
  ['192.31.196.0', '192.31.196.255'],
  ['192.52.193.0', '192.52.193.255'],
  ['192.88.99.0', '192.88.99.255'],
  ['192.168.0.0', '192.168.255.255'],
  ['192.175.48.0', '192.175.48.255'],
  ['198.18.0.0', '198.19.255.255'],
  ['198.51.100.0', '198.51.100.255'],
  ['203.0.113.0', '203.0.113.255'],
  ['224.0.0.0', '255.255.255.255'],
];

/**
 * IANA IPv6 special-purpose blocks within global unicast. 2001::/23 as a whole: of what has been assigned there nothing
 * is a host of somebody's.
 */
const SPECIAL_IPV6: [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['2620:4f:8000::', 48],
  ['3fff::', 20],
];

const toNumber = (ipv4: string) => ipv4.split('.').reduce((sum, part) => sum * 256 + +part, 0);
const octets = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
const toText = (value: number) => octets(value).join('.');
const hexGroups = (value: number) =>
  `${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`;
const isSpecial = (value: number) =>
  SPECIAL_IPV4.some(([first, last]) => value >= toNumber(first) && value <= toNumber(last));

const anyIpv4 = fc.integer({ min: 0, max: 0xffff_ffff });
const specialIpv4 = fc
  .constantFrom(...SPECIAL_IPV4)
  .chain(([first, last]) => fc.integer({ min: toNumber(first), max: toNumber(last) }));
const ipv6Group = fc.integer({ min: 0, max: 0xffff }).map((group) => group.toString(16));

/** Judges by Node's own parser and matcher of addresses, which share no code with ours. */
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');
const specialIpv6 = new BlockList();
for (const [network, length] of SPECIAL_IPV6) specialIpv6.addSubnet(network, length, 'ipv6');
const isPublicIpv6 = (address: string) =>
  globalUnicast.check(address, 'ipv6') && !specialIpv6.check(address, 'ipv6');

const anyIpv6Groups = fc
  .tuple(
    fc.constantFrom(
      [],
      ...['2001', '2001:db8', '2001:1ff', '2001:200', '2002', '2620:4f:8000', '2620:4f:7fff'].map(
        (start) => start.split(':').map((group) => parseInt(group, 16)),
      ),
      [0x3fff],
      [0x3ffe],
      [0x64, 0xff9c],
      [0xfd00],
      [0xfe80],
      [0xff02],
    ),
    fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 }),
    fc.nat(8),
  )
  .map(([start, rest, zeros]) => {
    const groups = [...start, ...rest].slice(0, 8);
    // Runs of zeros, so that `::` appears when it is written in short.
    return groups.map((group, i) => (i >= start.length && i < start.length + zeros ? 0 : group));
  });
const written = (groups: readonly number[]) => groups.map((group) => group.toString(16)).join(':');
/** As a URL's host is written: in the short form of RFC 5952. */
const shortened = (groups: readonly number[]) =>
  new URL(`http://[${written(groups)}]/`).hostname.slice(1, -1);

describe('isPubliclyRoutable', () => {
  it('agrees with the IANA registry on every IPv6 address that stands for none of IPv4', () => {
    fc.assert(
      fc.property(anyIpv6Groups, (groups) => {
        const isEmbedded = groups.slice(0, 5).every((group) => group === 0);
        fc.pre(!isEmbedded);
        for (const form of [written(groups), written(groups).toUpperCase(), shortened(groups)]) {
          expect([form, isPubliclyRoutable(form)]).toEqual([form, isPublicIpv6(form)]);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('is exact at the borders of the IPv6 blocks', () => {
    const borders: [string, boolean][] = [
      ['1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', false],
      ['2000::', true],
      ['2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff', true],
      ['2001::', false],
      ['2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff', false],
      ['2001:200::', true],
      ['2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', true],
      ['2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', false],
      ['2001:db9::', true],
      ['2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff', true],
      ['2002::', false],
      ['2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff', false],
      ['2003::', true],
      ['3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff', true],
      ['3fff::', false],
      ['3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff', false],
      ['3fff:1000::', true],
      ['4000::', false],
    ];
    for (const [address, isPublic] of borders) {
      expect([address, isPubliclyRoutable(address)]).toEqual([address, isPublic]);
      expect([address, isPublicIpv6(address)]).toEqual([address, isPublic]);
    }
  });

  it('agrees with the IANA registry on every IPv4 address', () => {
    fc.assert(
      fc.property(fc.oneof(anyIpv4, specialIpv4), (value) => {
        expect(isPubliclyRoutable(toText(value))).toBe(!isSpecial(value));
      }),
      { numRuns: 2000 },
    );
  });

  it('is exact at the borders of every block', () => {
    for (const [first, last] of SPECIAL_IPV4) {
      for (const value of [
        toNumber(first) - 1,
        toNumber(first),
        toNumber(last),
        toNumber(last) + 1,
      ]) {
        if (value < 0 || value > 0xffff_ffff) continue;
        expect([toText(value), isPubliclyRoutable(toText(value))]).toEqual([
          toText(value),
          !isSpecial(value),
        ]);
      }
    }
  });

  it('judges IPv4-mapped and NAT64 addresses by the IPv4 address they stand for', () => {
    fc.assert(
      fc.property(fc.oneof(anyIpv4, specialIpv4), (value) => {
        for (const form of [
          `::ffff:${toText(value)}`,
          `::FFFF:${hexGroups(value)}`,
          `0:0:0:0:0:ffff:${hexGroups(value)}`,
          `64:ff9b::${toText(value)}`,
          `64:ff9b::${hexGroups(value)}`,
        ]) {
          expect([form, isPubliclyRoutable(form)]).toEqual([form, !isSpecial(value)]);
        }
      }),
    );
  });

  it('refuses IPv4 inside 6to4, Teredo, local NAT64 and IPv4-compatible addresses', () => {
    fc.assert(
      fc.property(anyIpv4, (value) => {
        expect(isPubliclyRoutable(`2002:${hexGroups(value)}::1`)).toBe(false);
        expect(isPubliclyRoutable(`2001:0:${hexGroups(value)}::1`)).toBe(false);
        expect(isPubliclyRoutable(`2001:0:4136:e378:8000:63bf:${hexGroups(~value >>> 0)}`)).toBe(
          false,
        );
        expect(isPubliclyRoutable(`64:ff9b:1::${hexGroups(value)}`)).toBe(false);
        expect(isPubliclyRoutable(`::${toText(value)}`)).toBe(false);
        expect(isPubliclyRoutable(`::ffff:0:${toText(value)}`)).toBe(false);
      }),
    );
  });

  it('refuses every IPv6 address outside global unicast', () => {
    const outside = fc
      .tuple(
        fc.integer({ min: 0, max: 0xffff }),
        fc.array(ipv6Group, { minLength: 7, maxLength: 7 }),
      )
      .filter(([first]) => first >>> 13 !== 1 && first !== 0x64 && first !== 0)
      .map(([first, rest]) => [first.toString(16), ...rest].join(':'));
    fc.assert(fc.property(outside, (address) => expect(isPubliclyRoutable(address)).toBe(false)));
  });

  it.each([
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['loopback, written out', '0:0:0:0:0:0:0:1'],
    ['link-local', 'fe80::1'],
    ['site-local', 'fec0::1'],
    ['unique local', 'fc00::1'],
    ['the metadata service of a cloud', 'fd00:ec2::254'],
    ['multicast', 'ff02::1'],
    ['discard', '100::1'],
    ['documentation', '2001:db8::1'],
    ['documentation, newer', '3fff::1'],
    ['benchmarking', '2001:2::1'],
    ['ORCHIDv2', '2001:20::1'],
    ['segment routing', '5f00::1'],
  ])('refuses IPv6 %s', (_name, address) => {
    expect(isPubliclyRoutable(address)).toBe(false);
  });

  it('accepts public IPv6 addresses', () => {
    for (const address of ['2606:4700:4700::1111', '2a00:1450:4001:82a::200e', '2620:fe::fe']) {
      expect(isPubliclyRoutable(address)).toBe(true);
    }
  });

  it('refuses text that is not an address in its usual notation', () => {
    const odd = [
      '',
      'localhost',
      '127.1',
      '8.8',
      '134744072',
      '0x08080808',
      '010.8.8.8',
      '8.8.8.8 ',
    ];
    const broken = [
      '8.8.8.256',
      '2606::4700::1',
      '2606:4700:4700::1111%1',
      '[::1]',
      '8.8.8.8/32',
      '::ffff:010.8.8.8',
    ];
    for (const text of [...odd, ...broken])
      expect([text, isPubliclyRoutable(text)]).toEqual([text, false]);
    fc.assert(
      fc.property(
        fc.string().filter((text) => !/[.:]/.test(text)),
        (text) => expect(isPubliclyRoutable(text)).toBe(false),
      ),
    );
  });
});

describe('isAllowed', () => {
  const networks = parseNetworks(['10.1.0.0/16', '127.0.0.0/8', '::1/128', 'fd00::/8']);

  it('adds the networks of the operator to the public addresses, and nothing else', () => {
    for (const address of [
      '8.8.8.8',
      '10.1.2.3',
      '127.0.0.1',
      '::1',
      'fd12::1',
      '::ffff:10.1.2.3',
    ]) {
      expect([address, isAllowed(address, networks)]).toEqual([address, true]);
    }
    for (const address of [
      '10.2.0.1',
      '169.254.169.254',
      'fe80::1',
      '::2',
      '64:ff9b::10.1.2.3',
      'x',
    ]) {
      expect([address, isAllowed(address, networks)]).toEqual([address, false]);
    }
  });

  it('is the public rule when no network is allowed', () => {
    fc.assert(
      fc.property(fc.oneof(anyIpv4, specialIpv4), (value) => {
        expect(isAllowed(toText(value), [])).toBe(isPubliclyRoutable(toText(value)));
      }),
    );
  });

  it('matches a network of any length exactly', () => {
    fc.assert(
      fc.property(anyIpv4, anyIpv4, fc.integer({ min: 0, max: 32 }), (a, b, length) => {
        const size = 2 ** (32 - length);
        const base = Math.floor(a / size) * size;
        const network = parseNetworks([`${toText(base)}/${length}`]);
        expect(isWithin(toText(b), network)).toBe(b >= base && b < base + size);
        expect(isWithin(toText(a), network)).toBe(true);
      }),
    );
  });
});

describe('parseNetworks', () => {
  it('reads CIDR notation and single addresses', () => {
    const networks = parseNetworks([' 192.168.0.0/24 ', '10.0.0.7', 'fd00::/8', '2001:db8::5']);
    expect(isWithin('192.168.0.255', networks)).toBe(true);
    expect(isWithin('10.0.0.7', networks)).toBe(true);
    expect(isWithin('10.0.0.8', networks)).toBe(false);
    expect(isWithin('2001:db8::5', networks)).toBe(true);
    expect(isWithin('2001:db8::6', networks)).toBe(false);
  });

  it.each([
    '',
    'localhost',
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10/8',
    '10.0.0.0/1e1',
    '10.0.0.0/255.0.0.0',
    '10.1.2.3/8',
    'fd00::1/8',
  ])('refuses "%s" and names it', (text) => {
    expect(() => parseNetworks(['127.0.0.0/8', text])).toThrow(MalformedNetwork);
    expect(() => parseNetworks([text])).toThrow(`"${text}"`);
  });
});
