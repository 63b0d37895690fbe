import type { QueryRunner } from 'typeorm';

/** Whose rights the REST API's connections have: of what is a practice's they see what their scope says. */
export const apiRole = 'hub_api';
/** Whose rights the engine's have, which carries the events of all practices. */
export const engineRole = 'hub_engine';

/** For `options` of a connection: it acts as that role from its first statement on. */
export function actingAs(role: string): string {
  return `-c role=${role}`;
}

/** Thrown where the roles are missing and DATABASE_URL's user may not make them. */
export class RolesMissing extends Error {
  constructor(user: string) {
    super(
      `The hub works with the rights of two database roles, which ${user} may not make or assume. Have an administrator of the server run:
  create role ${apiRole} nologin; create role ${engineRole} nologin;
  grant ${apiRole}, ${engineRole} to "${user}";
(roles that are there already need the second line only), then start again.`,
    );
  }
}

const lacks = { privilege: '42501' };
/** Another hub, on another database of the cluster, did the same at the same moment. */
const raced = ['42710', '23505', 'XX000'];
const mostTries = 5;

/**
 * Makes sure that both roles exist and that the connected user may act as them. Roles belong to the cluster, so hubs
 * on other databases of it share them.
 * @throws RolesMissing
 */
export async function ensureRoles(runner: QueryRunner): Promise<void> {
  const [{ user, version }] = await runner.query(
    `select session_user::text as user, current_setting('server_version_num')::int as version`,
  );
  for (const role of [apiRole, engineRole]) {
    for (let nth = 1; !(await mayActAs(runner, role, version)); nth += 1) {
      try {
        await makeRole(runner, role);
      } catch (error) {
        const { code = '' } = error as { code?: string };
        if (code === lacks.privilege) throw new RolesMissing(user);
        if (!raced.includes(code) || nth === mostTries) throw error;
      }
    }
  }
}

async function makeRole(runner: QueryRunner, role: string): Promise<void> {
  const [{ exists }] = await runner.query(
    `select exists (select from pg_roles where rolname = $1) as exists`,
    [role],
  );
  if (!exists) await runner.query(`create role ${role} nologin`);
  await runner.query(`grant ${role} to session_user`);
}

async function mayActAs(runner: QueryRunner, role: string, version: number): Promise<boolean> {
  // Since 16 a member may be one that cannot act as the role.
  const [{ may }] = await runner.query(
    `select coalesce((select pg_has_role(session_user, oid, $2) from pg_roles where rolname = $1), false) as may`,
    [role, version >= 160_000 ? 'SET' : 'MEMBER'],
  );
  return may;
}
