import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A practice application: it reads and writes in the practices that the operator has opened to it. */
@Entity('applications')
export class Application {
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  name: string;

  @Column('int')
  version: number;

  @Column('timestamptz')
  createdAt: Date;

  @Column('timestamptz')
  updatedAt: Date;
}
