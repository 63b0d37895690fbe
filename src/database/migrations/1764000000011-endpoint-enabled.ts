import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When an endpoint's owner enabled it: its lane, in whatever hub, then forgets silences and circuit. */
export class EndpointEnabled1764000000011 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table endpoints add column enabled_at timestamptz(3)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table endpoints drop column enabled_at`);
  }
}
