export {
  listDeadLetters,
  PURGE_LETTERS,
  purgeDeadLetters,
  REPLAY_LETTERS,
  replayDeadLetters,
} from "./admin.ts";
export { storeDeadLetters } from "./consume.ts";
