declare module "avsc/etc/browser/avsc-types.js" {
  import type * as Avsc from "avsc";
  const exports: Pick<typeof Avsc, "Type" | "types">;
  export default exports;
}
