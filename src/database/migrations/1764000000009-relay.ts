import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Relay1764000000009 implements MigrationInterface {
  async up(_runner: QueryRunner): Promise<void> {}

  async down(_runner: QueryRunner): Promise<void> {}
}
