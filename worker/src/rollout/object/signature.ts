/** The signature of what the hub sends out, so that a receiver can tell it from anyone else's. */
const encoder = new TextEncoder();

/**
 * The value of the header `strata-signature`: HMAC-SHA256 (RFC 2104) of
 * `<unix seconds>.<body>`, in hex.
 * @param now milliseconds since the epoch
 */
export async function sign(body: string, key: string, now: number): Promise<string> {
  const seconds = Math.floor(now / 1_000);
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const secret = await crypto.subtle.importKey("raw", encoder.encode(key), hmac, false, ["sign"]);
  const mac = await crypto.subtle.sign("HMAC", secret, encoder.encode(`${seconds}.${body}`));
  const hex = Array.from(new Uint8Array(mac), (byte) => byte.toString(16).padStart(2, "0"));
  return `t=${seconds},v1=${hex.join("")}`;
}
