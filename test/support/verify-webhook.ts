import { createPublicKey, verify } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

export interface SignedWebhook {
  headers: Record<string, string>;
  rawBody: string;
}

/**
 * Whether a partner that knows only this key accepts the webhook: by the published library for a secret (`whsec_`).
 * That knows no public keys, so for one (`whpk_`) by node:crypto from the bare key, as the specification has it.
 */
export function accepts(key: string, webhook: SignedWebhook): boolean {
  return key.startsWith('whpk_') ? byPublicKey(key, webhook) : bySecret(key, webhook);
}

function bySecret(secret: string, { headers, rawBody }: SignedWebhook): boolean {
  try {
    new Webhook(secret).verify(rawBody, headers, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}

function byPublicKey(text: string, { headers, rawBody }: SignedWebhook): boolean {
  // node:crypto takes a bare public key as JWK only (RFC 8037).
  const x = Buffer.from(text.slice('whpk_'.length), 'base64').toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  const signed = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${rawBody}`);
  return headers['webhook-signature']!.split(' ').some((entry) => {
    const [version, signature = ''] = entry.split(',');
    return version === 'v1a' && verify(null, signed, key, Buffer.from(signature, 'base64'));
  });
}
