import type { Logger } from '../../platform/logger.js';
import type { Settings } from '../../platform/settings.js';
import { isWithin, parseNetworks } from './outbound-address.js';

const loopback = parseNetworks(['127.0.0.0/8', '::1/128']);

/**
 * Says at the start which networks webhooks may reach besides public addresses, over plain http too. Whoever may make
 * an endpoint reaches what listens there: on loopback, which the embedded default opens for trying things out, that
 * is every service of this machine.
 */
export function logOpenNetworks(settings: Settings, logger: Logger): void {
  const { webhookNetworks: networks } = settings;
  if (networks.length === 0) return;
  const open = parseNetworks(networks);
  const isLoopbackOpen =
    ['127.0.0.1', '::1'].some((address) => isWithin(address, open)) ||
    open.some(([network]) => isWithin(network.toString(), loopback));
  const reason = settings.allowNetworks
    ? 'HUB_ALLOW_NETWORKS allows it'
    : 'the default with the embedded database, for development; HUB_ALLOW_NETWORKS replaces it';
  if (isLoopbackOpen) {
    logger.warn({ networks }, `webhooks may reach loopback, also over plain http: ${reason}`);
  } else {
    logger.info({ networks }, `webhooks may reach networks besides public addresses: ${reason}`);
  }
}
