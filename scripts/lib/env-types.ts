/** The generated binding types of both bundles, kept in git so that editors and type checks need no step. */
import { topology } from "../../infra/topology.ts";
import { renderEnvType } from "./render.ts";

const BANNER = "// Generated from infra/topology.ts by `npm run render:types`. Do not edit.";

/** File (relative to the repository) and text of each generated binding type. */
export function envTypes(): readonly { readonly file: string; readonly text: string }[] {
  const { workers } = topology("production");
  return [
    {
      file: "worker/src/env.generated.ts",
      text: renderEnvType([workers.hub, workers["hub-canary"]], {
        banner: `${BANNER}\nimport type { ArchiverApi } from "../../archiver/src/contract.ts";\n`,
        serviceTypes: {
          "archiver#ArchiveService": "ArchiverApi & Fetcher",
          "archiver-canary#ArchiveService": "ArchiverApi & Fetcher",
        },
      }),
    },
    {
      file: "archiver/src/env.generated.ts",
      text: renderEnvType([workers.archiver, workers["archiver-canary"]], {
        banner: `${BANNER}\nimport type { BackgroundApi } from "./contract.ts";\n`,
        serviceTypes: { "archiver-canary#BackgroundWork": "BackgroundApi & Fetcher" },
      }),
    },
  ];
}
