import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Int, OneOf } from '../../platform/http/fields.js';
import { signingKinds, type SigningKind } from '../signing/signing-key.js';

const daySeconds = 86_400;
export const defaultOverlapSeconds = daySeconds;

/** A key as everybody who may read the endpoint may see it. */
export class SigningKeyResource {
  @ApiProperty({
    enum: signingKinds,
    description: 'hmac: signatures `v1`, by the secret; ed25519: `v1a`, for the public key.',
  })
  kind: SigningKind;

  @ApiPropertyOptional({ example: 'whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=' })
  publicKey?: string;

  @ApiProperty({ format: 'date-time' })
  createdAt: Date;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Null for the current key. Until then, webhooks are signed with a former one too.',
  })
  expiresAt: Date | null;
}

export class SecretRotation {
  @Int({
    least: 0,
    most: 7 * daySeconds,
    optional: true,
    description:
      'For how long webhooks are signed with the former keys too. None of them lasts longer; 0 ends all at once. Default: 86400, a day.',
  })
  overlapSeconds?: number;

  @OneOf(signingKinds, {
    optional: true,
    description:
      'hmac: a secret that both sides know. ed25519: a key pair whose private key never leaves the hub. Default: as the current one.',
  })
  kind?: SigningKind;
}
