// Beside the settings, under names that no setting has.

/** The public key $1; what it finds is how things were before it. */
export const noteKeySql = `
  with noted as (
    insert into audit_settings (name, value) values ('auditKey/' || $1::text, $1::text)
    on conflict (name) do nothing returning name
  )
  select exists (select from noted) as is_new,
         exists (select from audit_settings where name like 'auditKey/%') as others`;

export const knownKeysSql = `
  select value as key from audit_settings where name like 'auditKey/%' order by name limit 100`;
