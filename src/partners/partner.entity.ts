import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A company that hears of what practices grant it, and reads as much as they let it. */
@Entity('partners')
export class Partner {
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
