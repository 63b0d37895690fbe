/** Whether an endpoint belongs to $2 and was made with a key of the mode $3 (true: test). */
export const endpointIsOfSql = `
  select exists (select from endpoints where id = $1 and owner = $2 and sandbox = $3) as found`;

/** The same of a delivery's endpoint. */
export const deliveryIsOfSql = `
  select exists (
    select from deliveries as d join endpoints as e on e.id = d.endpoint_id
    where d.id = $1 and e.owner = $2 and e.sandbox = $3) as found`;
