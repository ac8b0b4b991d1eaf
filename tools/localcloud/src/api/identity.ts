import { Hono } from "hono";
import type { Control } from "./control.ts";
import { ok, paged, timestamp } from "./envelope.ts";

const PAGE = { perPage: 20, maxPerPage: 50 };
const USER = {
  id: "10ca10ca10ca10ca10ca10ca10ca10ca",
  email: "developer@localcloud.test",
  username: "localcloud",
  first_name: "Local",
  last_name: "Cloud",
};

/** Who the token belongs to: one user, one account. */
export function identityRoutes(control: Control): Hono {
  const app = new Hono();
  const account = {
    id: control.accountId,
    name: "Local cloud",
    type: "standard",
    settings: { enforce_twofactor: false },
    created_on: timestamp(0),
  };
  const verified = { id: "10ca1c10d70ce0000000000000000000", status: "active" };

  app.get("/user", (c) => ok(c, USER));
  app.get("/user/tokens/verify", (c) => ok(c, verified));
  app.get("/accounts", (c) => paged(c, [account], PAGE));
  app.get("/accounts/:account", (c) => ok(c, account));
  app.get("/accounts/:account/tokens/verify", (c) => ok(c, verified));
  app.get("/memberships", (c) =>
    paged(
      c,
      [
        {
          id: "10ca1c10dface0000000000000000000",
          status: "accepted",
          account: { id: account.id, name: account.name },
          roles: ["Super Administrator - All Privileges"],
        },
      ],
      PAGE,
    ),
  );
  return app;
}
