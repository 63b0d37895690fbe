import { toCloudEvent, type StoredEvent } from '../../events/catalog/envelope.js';
import type { PayloadMode } from '../../events/catalog/fields.js';
import type { Settings } from '../../platform/settings.js';

/**
 * The bytes a partner gets: the CloudEvent with `hubendpoint`, `hubsequence` and `hubposition` inside, so that
 * everything it acts on is signed.
 *
 * The event's own part is rendered once per event and mode and kept with the event: one event to a hundred endpoints
 * is projected and serialized once.
 */
export class WebhookBodies {
  private readonly rendered = new WeakMap<StoredEvent, Map<PayloadMode, string>>();

  constructor(private readonly settings: Settings) {}

  body(event: StoredEvent, mode: PayloadMode, endpointId: string, sequence: string): string {
    const open = this.openObject(event, mode);
    // Ids, digits and dots need no escaping.
    return `${open},"hubendpoint":"${endpointId}","hubsequence":"${sequence}","hubposition":"${event.position}"}`;
  }

  private openObject(event: StoredEvent, mode: PayloadMode): string {
    let modes = this.rendered.get(event);
    if (!modes) this.rendered.set(event, (modes = new Map()));
    let open = modes.get(mode);
    if (open === undefined) {
      open = JSON.stringify(toCloudEvent(event, { mode, publicUrl: this.settings.baseUrl })).slice(
        0,
        -1,
      );
      modes.set(mode, open);
    }
    return open;
  }
}
