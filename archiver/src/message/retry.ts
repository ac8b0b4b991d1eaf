/** When to have a message delivered again. */

/**
 * 30 s, 90 s, 270 s … up to a bound: an outage should not use up a message's deliveries.
 * @param attempts deliveries so far, from 1
 */
export function retryDelaySeconds(attempts: number, maxSeconds: number): number {
  return Math.min(30 * 3 ** (attempts - 1), maxSeconds);
}
