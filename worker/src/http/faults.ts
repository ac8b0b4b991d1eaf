/** Faults of an input, each with a JSON Pointer (RFC 6901) to the value. */
import type { z } from "zod";

export interface Fault {
  /** For example `/records/3/magnitude`; empty for the whole input. */
  readonly path: string;
  readonly message: string;
}

type Issue = z.core.$ZodIssue;

/** RFC 6901 section 3: `~` and `/` inside a name are escaped. */
export function jsonPointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** An issue may name several keys; each is a fault of its own. */
function issueFaults(issue: Issue): readonly Fault[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: jsonPointer([...issue.path, key]),
      message: "is not known here",
    }));
  }
  return [{ path: jsonPointer(issue.path), message: issue.message }];
}

/** All faults that a schema found, in its order. */
export function zodFaults(error: { readonly issues: readonly Issue[] }): readonly Fault[] {
  return error.issues.flatMap(issueFaults);
}
