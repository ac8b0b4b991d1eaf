import { APIError } from "cloudflare/error";

/**
 * The error to report for a call that failed: which call on which resource, in
 * the API's own words without the wrapping of its transport.
 */
export function describeFailure(action: string, resource: string, error: unknown): Error {
  if (!(error instanceof APIError)) {
    return error instanceof Error ? error : new Error(String(error));
  }
  const reasons = error.errors?.map(({ code, message }) => `${message} [code: ${code}]`);
  const said = reasons === undefined || reasons.length === 0 ? error.message : reasons.join("; ");
  return new Error(`could not ${action} ${resource}: ${said} (status ${error.status ?? "none"})`, {
    cause: error,
  });
}
