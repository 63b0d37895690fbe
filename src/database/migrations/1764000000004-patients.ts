import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Patients1764000000004 implements MigrationInterface {
  async up(_runner: QueryRunner): Promise<void> {}

  async down(_runner: QueryRunner): Promise<void> {}
}
