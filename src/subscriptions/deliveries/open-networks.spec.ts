import { describe, expect, it } from '@jest/globals';
import { Logger } from '../../platform/logger.js';
import { readSettings } from '../../platform/settings.js';
import { logOpenNetworks } from './open-networks.js';

const DATABASE = { DATABASE_URL: 'postgres://hub@127.0.0.1/hub' };

function logged(environment: Record<string, string>): { level: number; msg: string }[] {
  const lines: string[] = [];
  const logger = new Logger('info', { write: (line: string) => void lines.push(line) });
  logOpenNetworks(readSettings(environment), logger);
  return lines.map((line) => JSON.parse(line));
}

describe('the log at the start', () => {
  it('warns that the embedded default opens loopback', () => {
    expect(logged({})).toEqual([
      expect.objectContaining({
        level: 40,
        networks: ['127.0.0.0/8', '::1/128'],
        msg: expect.stringMatching(/loopback.*default with the embedded database/),
      }),
    ]);
  });

  it.each(['127.0.0.0/8', '127.9.0.0/16', '::1/128', '::/0', '0.0.0.0/0'])(
    'warns when the operator opens loopback with %s',
    (network) => {
      const [line] = logged({ ...DATABASE, HUB_ALLOW_NETWORKS: network });
      expect(line).toMatchObject({ level: 40, msg: expect.stringContaining('loopback') });
    },
  );

  it('names other networks that the operator opens', () => {
    const [line] = logged({ ...DATABASE, HUB_ALLOW_NETWORKS: '10.1.0.0/16' });
    expect(line).toMatchObject({ level: 30, networks: ['10.1.0.0/16'] });
    expect(line!.msg).not.toContain('loopback');
  });

  it('says nothing where only public addresses are open', () => {
    expect(logged(DATABASE)).toEqual([]);
  });
});
