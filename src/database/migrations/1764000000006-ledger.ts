import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Ledger1764000000006 implements MigrationInterface {
  async up(_runner: QueryRunner): Promise<void> {}

  async down(_runner: QueryRunner): Promise<void> {}
}
