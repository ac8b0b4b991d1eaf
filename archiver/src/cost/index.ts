export { addSpend, Meter, meterBindings, meteredBucket, meteredDatabase, NO_SPEND } from "./meter.ts";
