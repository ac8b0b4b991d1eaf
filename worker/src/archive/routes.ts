/** The operator's side of the archive; the admin guard stands before all of it. */
import { createRouter, limitBody } from "../http/index.ts";
import { MAX_OPERATION_BYTES } from "./bounds.ts";
import { deadLetterRoutes } from "./dead-letter-routes.ts";
import { erasureRoutes } from "./erasure-routes.ts";
import { integrityRoutes } from "./integrity-routes.ts";
import { maintenanceRoutes } from "./maintenance-routes.ts";

const ADDRESSES = ["/admin/archive/*", "/admin/dead-letters/*", "/admin/datasets/*", "/admin/erasures"];

/** Operations of the archive. */
export function archiveRoutes() {
  const router = createRouter();
  for (const address of ADDRESSES) {
    router.use(address, limitBody(MAX_OPERATION_BYTES), async (c, next) => {
      c.header("cache-control", "no-store");
      await next();
    });
  }
  router.route("/", maintenanceRoutes());
  router.route("/", integrityRoutes());
  router.route("/", erasureRoutes());
  router.route("/", deadLetterRoutes());
  return router;
}
