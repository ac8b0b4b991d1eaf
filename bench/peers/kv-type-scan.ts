/**
 * An audit by the compiler: builds the program of a tsconfig with TypeScript 5.9, and
 * counts the calls whose receiver has the type KVNamespace. It says nothing of times to
 * live, keys or bindings.
 *
 *     node kv-type-scan.ts ROOT
 */
import path from "node:path";
import ts from "typescript";

const OPERATIONS = new Set(["get", "getWithMetadata", "put", "delete", "list"]);

interface FoundCall {
  readonly file: string;
  readonly line: number;
  readonly operation: string;
  readonly ttl: null;
}

function programOf(root: string): ts.Program {
  const file = path.join(root, "tsconfig.json");
  const { config, error } = ts.readConfigFile(file, ts.sys.readFile);
  if (error !== undefined) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, "\n"));
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  return ts.createProgram(fileNames, options);
}

function isNamespace(type: ts.Type): boolean {
  return type.isUnionOrIntersection() ? type.types.some(isNamespace) : type.symbol?.name === "KVNamespace";
}

function callsOf(file: ts.SourceFile, name: string, checker: ts.TypeChecker): readonly FoundCall[] {
  const calls: FoundCall[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const { expression, name: method } = node.expression;
      if (OPERATIONS.has(method.text) && isNamespace(checker.getTypeAtLocation(expression))) {
        const { line } = file.getLineAndCharacterOfPosition(method.getStart(file));
        calls.push({ file: name, line: line + 1, operation: method.text, ttl: null });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return calls;
}

function main(root: string): void {
  const program = programOf(root);
  const checker = program.getTypeChecker();
  const calls = program
    .getSourceFiles()
    .filter((file) => !file.isDeclarationFile && !program.isSourceFileFromExternalLibrary(file))
    .flatMap((file) => callsOf(file, path.relative(root, file.fileName).replaceAll(path.sep, "/"), checker));
  process.stdout.write(JSON.stringify(calls));
}

main(path.resolve(process.argv[2] ?? "."));
