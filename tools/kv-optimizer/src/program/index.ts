export { ASSIGNED, ITERATORS } from "./bind.ts";
export { isWhole } from "./declare.ts";
export { lineOf, readDirectives, type PlacedDirective } from "./comments.ts";
export type {
  CallRecord,
  ClassInfo,
  ClassMember,
  Declaration,
  Fact,
  FunctionInfo,
  LoopFrame,
  Reference,
  Scope,
  Self,
  Site,
  SourceFile,
  Step,
  TypeDeclaration,
  ValueDeclaration,
} from "./model.ts";
export { MAY_CALL, Program } from "./program.ts";
export { bare, calleeName, isFunction, keyName, type CallNode, type Node } from "./syntax.ts";
