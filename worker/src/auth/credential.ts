/** Credentials as requests carry them, and how they are compared. */

export const API_KEY_HEADER = "x-api-key";

const BEARER = /^Bearer +(\S+) *$/i;

/** The token of an `Authorization: Bearer …` header (RFC 6750 section 2.1). */
export function bearerToken(headers: Headers): string | null {
  return BEARER.exec(headers.get("authorization") ?? "")?.[1] ?? null;
}

/** The API key of a request; the key's own header goes before `Authorization`. */
export function apiKey(headers: Headers): string | null {
  return headers.get(API_KEY_HEADER) ?? bearerToken(headers);
}

/**
 * Whether two secrets are equal, in a time that tells nothing about them: their
 * SHA-256 digests are compared, which also hides the length.
 */
export async function sameSecret(given: string, expected: string): Promise<boolean> {
  const encoder = new TextEncoder();
  const [left, right] = await Promise.all(
    [given, expected].map((secret) => crypto.subtle.digest("SHA-256", encoder.encode(secret))),
  );
  return left !== undefined && right !== undefined && crypto.subtle.timingSafeEqual(left, right);
}
