/** Tails of the distributions that the tests ask for; upper tails, accurate far out. */

const HALF_LOG_TAU = 0.5 * Math.log(2 * Math.PI);
const STIRLING_FROM = 15;
/** A term this much smaller than the sum changes nothing. */
const NEGLIGIBLE = 1e-12;

const logFactorials: number[] = [0];
for (let n = 1; n < STIRLING_FROM; n += 1) logFactorials.push((logFactorials[n - 1] ?? 0) + Math.log(n));

/** ln n!; Stirling's series from 15 on, within 1e-12. */
function logFactorial(n: number): number {
  const known = logFactorials[n];
  if (known !== undefined) return known;
  const inverse = 1 / n;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260)));
  return (n + 0.5) * Math.log(n) - n + HALF_LOG_TAU + series;
}

const logChoose = (n: number, k: number): number => logFactorial(n) - logFactorial(k) - logFactorial(n - k);

/** Sums falling terms: the first one, each next one `ratio(k)` times the one before. */
function tailSum(first: number, from: number, to: number, ratio: (k: number) => number): number {
  let term = first;
  let sum = first;
  for (let k = from; k < to && term > sum * NEGLIGIBLE; k += 1) {
    term *= ratio(k);
    sum += term;
  }
  return Math.min(1, sum);
}

/** P(X ≥ x) for X ~ Binomial(n, p); 1 where x is not above the mean. */
export function binomialUpper(x: number, n: number, p: number): number {
  if (x <= n * p || x <= 0) return 1;
  if (x > n || p <= 0) return 0;
  const first = Math.exp(logChoose(n, x) + x * Math.log(p) + (n - x) * Math.log1p(-p));
  const odds = p / (1 - p);
  return tailSum(first, x, n, (k) => ((n - k) / (k + 1)) * odds);
}

/** P(X ≤ x) for X ~ Binomial(n, p); 1 where x is not below the mean. */
export function binomialLower(x: number, n: number, p: number): number {
  return binomialUpper(n - x, n, 1 - p);
}

/**
 * P(X ≥ x), where X of `marked` among `all` fall into a group of `group` by chance
 * (hypergeometric); 1 where x is not above the mean.
 */
export function hypergeometricUpper(x: number, group: number, marked: number, all: number): number {
  if (all === 0 || x <= (group * marked) / all) return 1;
  const most = Math.min(group, marked);
  if (x > most) return 0;
  const first = Math.exp(logChoose(group, x) + logChoose(all - group, marked - x) - logChoose(all, marked));
  return tailSum(
    first,
    x,
    most,
    (k) => ((group - k) * (marked - k)) / ((k + 1) * (all - group - marked + k + 1)),
  );
}

/** P(Z ≥ z) for a standard normal Z, with a relative error below 2e-7 (Press et al., "Numerical Recipes", erfcc). */
export function normalUpper(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.5 * x);
  const coefficients = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196,
    1.00002368, -1.26551223,
  ];
  const exponent = coefficients.reduce((sum, coefficient) => sum * t + coefficient, 0);
  const tail = 0.5 * t * Math.exp(-x * x + exponent);
  return z >= 0 ? tail : 1 - tail;
}
