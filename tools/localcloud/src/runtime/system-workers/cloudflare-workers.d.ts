/** The part of workerd's built-in module that the system workers use. */
declare module "cloudflare:workers" {
  export class WorkerEntrypoint<Env = unknown, Props = unknown> {
    protected readonly env: Env;
    protected readonly ctx: { readonly props: Props };
    constructor(ctx: unknown, env: Env);
  }

  export class DurableObject<Env = unknown> {
    protected readonly env: Env;
    constructor(ctx: unknown, env: Env);
  }
}
