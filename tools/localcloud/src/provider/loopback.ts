/** The stand-in provider was pointed at something that is not this machine. */
export class NotLoopbackError extends Error {
  override readonly name = "NotLoopbackError";
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * The base URL of an API on this machine.
 *
 * The stand-in is no substitute for the real provider on a real account, so it
 * must not be able to reach one, whatever the environment says.
 *
 * @throws {NotLoopbackError} when the URL is missing, malformed, or leads elsewhere
 */
export function requireLoopback(baseUrl: string | undefined): URL {
  if (baseUrl === undefined || baseUrl === "") {
    throw new NotLoopbackError(
      "The stand-in Cloudflare provider needs CLOUDFLARE_BASE_URL, the address of a local cloud " +
        "(for example http://127.0.0.1:8787/client/v4).",
    );
  }
  const url = URL.parse(baseUrl);
  if (url === null || !LOOPBACK.test(url.hostname) || !/^https?:$/.test(url.protocol)) {
    throw new NotLoopbackError(
      `The stand-in Cloudflare provider only works against a loopback address, and CLOUDFLARE_BASE_URL is "${baseUrl}". ` +
        "For a real account let Pulumi use the real provider: npx pulumi up --stack <stack>.",
    );
  }
  return url;
}
