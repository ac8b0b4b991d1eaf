export { addSpend, Meter, meteredBucket, meteredDatabase, NO_SPEND } from "./meter.ts";
