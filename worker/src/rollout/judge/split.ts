/** What is counted of both lanes when a share is compared, and the nearest explanation by chance. */

/** How many of how many. */
export interface Hits {
  readonly hits: number;
  readonly trials: number;
}

/** The same question asked of both lanes, for one route. */
export interface Split {
  readonly canary: Hits;
  readonly stable: Hits;
}

const STEPS = 26;

/** d/db of the Kullback–Leibler divergence of Bernoulli(b) from Bernoulli(a). */
function slope(a: number, b: number): number {
  return (1 - a) / (1 - b) - (a === 0 ? 0 : a / b);
}

/**
 * The stable lane's share under the null hypothesis "the canary's share is at most the
 * stable lane's and `margin`" which is nearest to the shares `canary` and `stable`, when
 * a part `q` of the requests is the canary's: the b that minimises
 * q·KL(canary ‖ b + margin) + (1 − q)·KL(stable ‖ b), by bisection. For observed shares
 * this is the restricted maximum-likelihood estimate of Farrington and Manning
 * (Statistics in Medicine 9, 1990); for a hypothesis it is the reverse information
 * projection by which Turner, Ly and Grünwald make an E-variable ("Generic E-variables
 * for exact sequential k-sample tests", 2024). Only for `canary` > `stable` + `margin`.
 */
export function nearestNull(canary: number, stable: number, q: number, margin: number): number {
  if (margin === 0) return q * canary + (1 - q) * stable;
  let low = stable;
  let high = canary - margin;
  for (let step = 0; step < STEPS; step += 1) {
    const middle = (low + high) / 2;
    if (q * slope(canary, middle + margin) + (1 - q) * slope(stable, middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The canary's part of all requests, 0–1; 0 when there are none. */
export function canaryPart({ canary, stable }: Split): number {
  const all = canary.trials + stable.trials;
  return all === 0 ? 0 : canary.trials / all;
}

/** Hits of trials, 0–1; 0 of none. */
export function shareOf({ hits, trials }: Hits): number {
  return trials === 0 ? 0 : hits / trials;
}

/** All routes as one. */
export function pooled(splits: readonly Split[]): Split {
  const sum = (lane: keyof Split): Hits => ({
    hits: splits.reduce((all, split) => all + split[lane].hits, 0),
    trials: splits.reduce((all, split) => all + split[lane].trials, 0),
  });
  return { canary: sum("canary"), stable: sum("stable") };
}
